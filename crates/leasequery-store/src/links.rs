//! The links of DHCPv6 clients: which addresses and delegated prefixes belong to which.

use std::net::Ipv6Addr;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::KeyMap;
use crate::attributes::link_octets;
use crate::commit::{Indexed, identifier};
use crate::key::first_of;
use crate::siblings::Next;
use crate::{Binding, Budget, SourceId, Store, V6Key};

/// A link as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it is called: an address of its relays' link-address kind, by which it is told apart from other links.
    pub address: Ipv6Addr,
    /// Its networks: those that the clients' addresses are in, those that is delegated from to them, and addresses of
    /// its relays that are in neither. First address and length.
    pub networks: Vec<(Ipv6Addr, u8)>,
}

/// What is configured, by everybody who configures something.
#[derive(Debug, Default)]
pub(crate) struct Links {
    owners: Vec<(Option<SourceId>, Vec<Link>)>,
    /// The link of each network.
    networks: HashMap<(u128, u8), Ipv6Addr, RandomState>,
    /// The lengths that occur, the longest first.
    lengths: Vec<u8>,
    /// Counts changes.
    generation: u64,
}

/// Where nothing is configured, a link is what shares this many bits: that is what links are in practice (RFC 7421).
const USUAL_LENGTH: u8 = 64;

impl Links {
    fn replace(&mut self, owner: Option<SourceId>, links: Vec<Link>) {
        let known = self.owners.iter_mut().find(|(other, _)| *other == owner);
        match known {
            Some((_, old)) if *old == links => return,
            Some((_, old)) => *old = links,
            None => self.owners.push((owner, links)),
        }
        let all = self.owners.iter().flat_map(|(_, links)| links);
        let network = |link: &Link, (address, length): (Ipv6Addr, u8)| {
            ((first_of(address, length).to_bits(), length), link.address)
        };
        self.networks =
            all.flat_map(|link| link.networks.iter().map(move |network_| network(link, *network_))).collect();
        self.lengths = self.networks.keys().map(|(_, length)| *length).collect();
        self.lengths.sort_unstable_by(|a, b| b.cmp(a));
        self.lengths.dedup();
        self.generation += 1;
    }

    /// Who configured a link.
    pub(crate) fn owners(&self, link: Ipv6Addr) -> impl Iterator<Item = Option<SourceId>> + Clone {
        let has = move |links: &[Link]| links.iter().any(|other| other.address == link);
        self.owners.iter().filter(move |(_, links)| has(links)).map(|(owner, _)| *owner)
    }

    /// The link of the smallest network around an address that has at most `length` bits.
    #[inline]
    fn around(&self, address: Ipv6Addr, length: u8) -> Option<Ipv6Addr> {
        let lengths = self.lengths.iter().filter(|candidate| **candidate <= length);
        lengths.copied().find_map(|length| self.networks.get(&(first_of(address, length).to_bits(), length)).copied())
    }

    /// The link that a key is on by its own value.
    #[inline]
    fn of(&self, key: V6Key) -> Option<Ipv6Addr> {
        self.around(key.address(), key.prefix_length().unwrap_or(128))
    }
}

impl Store<V6Key> {
    /// Replaces the links that one owner configured: a source, or `None`, who has the store.
    pub fn set_links(&mut self, owner: Option<SourceId>, links: Vec<Link>) {
        self.links.replace(owner, links);
    }

    /// How often the links have changed.
    pub fn links_generation(&self) -> u64 {
        self.links.generation
    }

    /// The link that an address belongs to, by what it is called. The networks that are configured decide; where there is
    /// none, a link is what a binding is on.
    pub fn find_link(&self, address: Ipv6Addr) -> Option<Ipv6Addr> {
        self.links.around(address, 128).or_else(|| {
            let usual = first_of(address, USUAL_LENGTH);
            let named = || self.members(Indexed::Link, identifier(link_octets(&usual.octets())), None).is_some();
            let first = V6Key::first_in(usual, USUAL_LENGTH);
            let used = || self.keys_between(first, V6Key::last_in(usual, USUAL_LENGTH)).next().is_some();
            (named() || used()).then_some(usual)
        })
    }

    /// The link that a binding is on, by what the link is called; `None` if nobody knows.
    #[inline]
    pub fn link_of(&self, binding: &Binding<'_, V6Key>) -> Option<Ipv6Addr> {
        let key = binding.key();
        binding.named_link().or_else(|| self.links.of(key)).or_else(|| {
            // The address of a client is on its link, a prefix delegated to it may be from anywhere.
            key.prefix_length().is_none().then(|| first_of(key.address(), USUAL_LENGTH))
        })
    }

    /// What an update has to name as its link if its source says that it is on the link of the address `given`: nothing
    /// if that is where it is anyway.
    pub fn name_link(&self, key: V6Key, given: Ipv6Addr) -> Option<Ipv6Addr> {
        let link = self.links.around(given, 128).unwrap_or(first_of(given, USUAL_LENGTH));
        let usual = || key.prefix_length().is_none().then(|| first_of(key.address(), USUAL_LENGTH));
        (self.links.of(key).or_else(usual) != Some(link)).then_some(link)
    }

    /// Where the bindings of a link are, besides those for which it was [named](Self::name_link): spans of keys, both
    /// ends included, in key order.
    pub fn spans_of(&self, link: Ipv6Addr) -> Vec<(V6Key, V6Key)> {
        let of_link = self.links.networks.iter().filter(|(_, address)| **address == link);
        let mut spans: Vec<_> = of_link
            .map(|((net, length), _)| (Ipv6Addr::from_bits(*net), *length))
            .map(|(net, length)| (V6Key::first_in(net, length), V6Key::last_in(net, length)))
            .collect();
        if spans.is_empty() {
            spans.push((V6Key::first_in(link, USUAL_LENGTH), V6Key::last_in(link, USUAL_LENGTH)));
        }
        // Of two networks one is inside the other, or they have nothing in common. The larger one has to come first.
        spans.sort_unstable_by_key(|(first, last)| (*first, std::cmp::Reverse(*last)));
        spans.dedup_by(|next, before| next.1 <= before.1);
        spans
    }

    /// The bindings of a client, of whatever state, in key order from behind `after`, as far as the budget goes.
    #[inline]
    pub fn of_client<'s>(
        &'s self,
        duid: &[u8],
        after: Option<V6Key>,
        budget: &'s Budget,
    ) -> impl Iterator<Item = Binding<'s, V6Key>> + use<'s> {
        let mut numbers = self.members(Indexed::ClientId, identifier(duid), after);
        std::iter::from_fn(move || {
            let number = numbers.members.next(|key| self.map.find(key)).filter(|_| budget.take())?;
            Some(self.records.binding(number))
        })
    }

    /// Whether a client has so many bindings that its [siblings](Self::siblings) come in key order.
    pub fn is_one_of_many(&self, binding: &Binding<'_, V6Key>) -> bool {
        self.siblings.next(binding.number()) == Next::Many
    }

    /// The other bindings of the client of a binding, of whatever state, as far as the budget goes. Those of a few come in
    /// no order.
    #[inline]
    pub fn siblings<'s>(
        &'s self,
        binding: &Binding<'s, V6Key>,
        budget: &'s Budget,
    ) -> impl Iterator<Item = Binding<'s, V6Key>> + use<'s> {
        let own = binding.number();
        let mut ring = own;
        let mut many = match self.siblings.next(own) {
            Next::Record(_) => None,
            Next::Many => Some(self.of_client(binding.client_id().unwrap_or_default(), None, budget)),
        };
        std::iter::from_fn(move || {
            if let Some(many) = &mut many {
                return many.find(|other| other.number() != own);
            }
            ring = match self.siblings.next(ring) {
                Next::Record(next) if next != own => next,
                Next::Record(_) | Next::Many => return None,
            };
            budget.take().then(|| self.records.binding(ring))
        })
    }

    /// The delegated prefixes that an address is inside of, the longest first.
    pub fn prefixes_around(&self, address: Ipv6Addr) -> impl Iterator<Item = Binding<'_, V6Key>> {
        self.map.around(address).map(|number| self.records.binding(number))
    }
}

#[cfg(test)]
mod tests;
