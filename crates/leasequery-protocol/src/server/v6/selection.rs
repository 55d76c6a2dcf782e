use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use leasequery_store::{About, Binding, Selector, State, Store, V6Key};
use leasequery_wire::v6::{OptionCode, Query, QueryType, Relay, StatusCode};

use super::{Policy, Refusal, malformed};
use crate::server::window::Window;

/// Which bindings a query is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) by: By,
    /// Only those on this link.
    pub(super) link: Option<Ipv6Addr>,
}

/// What they have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum By {
    /// The client that has this address, or a prefix around it (RFC 5007 section 4.1.2.1).
    Address(Ipv6Addr),
    /// The client's DUID.
    ClientId(Vec<u8>),
    /// The DUID of a relay (RFC 5460 section 5.3.1).
    RelayId(Vec<u8>),
    /// The Remote-ID, its enterprise number in front (RFC 5460 section 5.3.3).
    RemoteId(Vec<u8>),
    /// Nothing but the link, if it is one that is named.
    Link,
}

impl Selection {
    /// Reads OPTION_LQ_QUERY. RFC 7653 section 8.4 has a requestor ask in bulk for what an active query about everything
    /// could not tell, for which RFC 5460 knows no query. So a query by link that names none is about all links if it is
    /// `timed`, that is if it asks for a span of time; else it is malformed.
    pub(super) fn new(
        query: &Query<'_>,
        timed: bool,
        asker: &[SocketAddr],
        store: &Store<V6Key>,
    ) -> Result<Self, Refusal> {
        let given = (!query.link.is_unspecified()).then_some(query.link);
        let missing = |option: OptionCode| Refusal::malformed(format!("{} has no {option}", query.query_type));
        let by = match query.query_type {
            QueryType::BY_ADDRESS => {
                let address = query.address().map_err(malformed)?;
                By::Address(address.ok_or_else(|| missing(OptionCode::IA_ADDRESS))?)
            }
            QueryType::BY_CLIENT_ID => {
                let id = query.options.duid(OptionCode::CLIENT_ID).map_err(malformed)?;
                By::ClientId(id.ok_or_else(|| missing(OptionCode::CLIENT_ID))?.to_vec())
            }
            QueryType::BY_RELAY_ID => {
                let id = query.options.duid(OptionCode::RELAY_ID).map_err(malformed)?;
                By::RelayId(id.ok_or_else(|| missing(OptionCode::RELAY_ID))?.to_vec())
            }
            QueryType::BY_REMOTE_ID => {
                let id = query.remote_id().map_err(malformed)?;
                By::RemoteId(id.ok_or_else(|| missing(OptionCode::REMOTE_ID))?.to_vec())
            }
            QueryType::BY_LINK_ADDRESS if given.is_none() && !timed => {
                return Err(Refusal::malformed("a query by link-address has to name a link"));
            }
            QueryType::BY_LINK_ADDRESS => By::Link,
            other => return Err(Refusal::new(StatusCode::UNKNOWN_QUERY_TYPE, other.to_string())),
        };
        let unknown = |address| match store.unknown(About::Everything, asker) {
            // Whoever has not been heard yet may have it.
            Some(unknown) => Refusal::new(StatusCode::UNSPEC_FAIL, unknown.to_string()),
            None => Refusal::new(StatusCode::NOT_CONFIGURED, format!("{address} is on no link of this server")),
        };
        let link = match given {
            Some(given) => Some(store.find_link(given).ok_or_else(|| unknown(given))?),
            None => None,
        };
        if let (By::Address(address), None) = (&by, link)
            && store.find_link(*address).is_none()
            && store.prefixes_around(*address).next().is_none()
        {
            return Err(unknown(*address));
        }
        Ok(Self { by, link })
    }

    /// What has to be known so that the answer is complete.
    pub(super) fn about(&self) -> About<V6Key> {
        self.link.map_or(About::Bindings, About::Link)
    }

    /// The same for a query that may be about an address, whose link is known by that.
    pub(super) fn about_address(&self, store: &Store<V6Key>) -> About<V6Key> {
        match (&self.by, self.link) {
            (By::Address(address), None) => store.find_link(*address).map_or(About::Bindings, About::Link),
            _ => self.about(),
        }
    }

    /// The binding that a query by address is about: that of the address itself, else the longest prefix around it.
    pub(super) fn holder<'s>(&self, address: Ipv6Addr, store: &'s Store<V6Key>) -> Option<Binding<'s, V6Key>> {
        let exactly = store.lookup(V6Key::new(address));
        let candidates = exactly.into_iter().chain(store.prefixes_around(address));
        candidates.into_iter().find(|binding| is_live(binding, store) && self.is_on_link(binding, store))
    }

    /// Whether a binding is one of them, whatever its state.
    pub(super) fn selects(&self, binding: &Binding<'_, V6Key>, store: &Store<V6Key>) -> bool {
        let right = match &self.by {
            By::Address(address) => {
                let key = binding.key();
                match key.prefix_length() {
                    None => key.address() == *address,
                    Some(length) => key == V6Key::prefix(*address, length),
                }
            }
            By::ClientId(id) => binding.client_id() == Some(id),
            By::RelayId(id) => binding.relay_ids().any(|other| other == id),
            By::RemoteId(id) => binding.remote_ids().any(|other| other == id),
            By::Link => true,
        };
        right && self.is_on_link(binding, store)
    }

    pub(super) fn is_on_link(&self, binding: &Binding<'_, V6Key>, store: &Store<V6Key>) -> bool {
        self.link.is_none_or(|link| store.link_of(binding) == Some(link))
    }

    /// Where to look for them, one after the other.
    pub(super) fn legs(&self, store: &Store<V6Key>) -> Vec<Leg> {
        match (&self.by, self.link) {
            (By::Address(address), _) => {
                self.holder(*address, store).map(|holder| Leg::Span(holder.key(), holder.key())).into_iter().collect()
            }
            (By::ClientId(_) | By::RelayId(_) | By::RemoteId(_), _) => vec![Leg::Identified],
            (By::Link, None) => vec![Leg::Everything],
            (By::Link, Some(link)) => {
                let mut spans = store.spans_of(link);
                // What is in no network is on the link of its first 64 bits, which may be called as this one is.
                let usual = (V6Key::first_in(link, 64), V6Key::last_in(link, 64));
                spans.extend((usual.0.address() == link).then_some(usual));
                // The longer one first of those that begin at the same place: the others are inside of it.
                spans.sort_unstable_by_key(|(first, last)| (*first, std::cmp::Reverse(*last)));
                spans.dedup_by(|next, before| next.1 <= before.1);
                let spans = spans.into_iter().map(|(first, last)| Leg::Span(first, last));
                spans.chain([Leg::Named(link)]).collect()
            }
        }
    }

    /// How the store finds what is to be looked at on a leg.
    pub(super) fn selector(&self, leg: Leg) -> Selector<'_> {
        match (leg, &self.by) {
            (Leg::Identified, By::ClientId(id)) => Selector::ClientId(id),
            (Leg::Identified, By::RelayId(id)) => Selector::RelayId(id),
            (Leg::Identified, By::RemoteId(id)) => Selector::RemoteId(id),
            (Leg::Named(link), _) => Selector::NamedLink(link),
            (Leg::Everything | Leg::Span(..) | Leg::Identified, _) => Selector::All,
        }
    }
}

/// A part of the way through the store that a query takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leg {
    /// All there is.
    Everything,
    /// From one key to another, both included.
    Span(V6Key, V6Key),
    /// Those with the identifier that the query names.
    Identified,
    /// Those that were named to be on a link.
    Named(Ipv6Addr),
}

impl Leg {
    /// Whether a binding is looked at on it.
    pub(super) fn has(self, binding: &Binding<'_, V6Key>) -> bool {
        match self {
            Self::Everything | Self::Identified => true,
            Self::Span(first, last) => (first..=last).contains(&binding.key()),
            Self::Named(link) => binding.named_link() == Some(link),
        }
    }
}

/// Whether there is a lease to tell of: the client is known, and so is that the lease has not ended.
pub(super) fn is_live(binding: &Binding<'_, V6Key>, store: &Store<V6Key>) -> bool {
    binding.state() == State::Active && binding.client_id().is_some() && !store.is_doubted(binding)
}

/// Which of a client's leases a message tells of.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) window: Window,
    pub(super) policy: Arc<Policy>,
}

impl Told {
    pub(super) fn includes(&self, binding: &Binding<'_, V6Key>, store: &Store<V6Key>) -> bool {
        is_live(binding, store) && self.window.matches(binding) && is_own(&self.policy, binding)
    }
}

/// Whether a binding may be told of to a requestor that is told of the bindings of some relays only: the one that the
/// server had it from has such an address, or one of them gave such a link-address.
pub(super) fn is_own(policy: &Policy, binding: &Binding<'_, V6Key>) -> bool {
    if policy.relays.is_none() {
        return true;
    }
    let info = binding.relay_info().and_then(|info| info.split_first_chunk::<16>());
    let peer = info.map(|(peer, _)| Ipv6Addr::from(*peer));
    let message = info.map_or(&[][..], |(_, message)| message);
    let links = Relay::chain(message).map_while(Result::ok).map(|relay| relay.link);
    policy.permits_relays(peer.into_iter().chain(links).map(IpAddr::from))
}
