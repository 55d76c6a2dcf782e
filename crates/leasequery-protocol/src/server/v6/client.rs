//! A client on a link: what OPTION_CLIENT_DATA is about (RFC 5007 section 4.1.2.2).

use leasequery_store::{Binding, Entry, Revision, Selector, Store, V6Key, VpnRange};

/// The bindings of a client, of whatever state, in key order. An identifier that is made of a hardware address, as in
/// DHCPv4, is not listed for those bindings that have this address.
fn of_client<'s>(duid: &[u8], store: &'s Store<V6Key>) -> impl Iterator<Item = Binding<'s, V6Key>> + use<'s> {
    let of_hardware = matches!(duid, [1, mac @ ..] if mac.len() == 6);
    let listed = (!of_hardware).then(|| store.of_client(duid));
    let found = of_hardware.then(|| store.scan(Selector::ClientId(duid), VpnRange::All, None));
    let found = found.into_iter().flatten().filter_map(|entry| match entry {
        Entry::Bound(binding) => Some(binding),
        Entry::Free { .. } => None,
    });
    listed.into_iter().flatten().chain(found)
}

/// The leases of the client of a binding on the link of the binding, itself included, in key order.
pub(super) fn on_link<'s>(
    binding: &Binding<'s, V6Key>,
    store: &'s Store<V6Key>,
) -> impl Iterator<Item = Binding<'s, V6Key>> {
    let link = store.link_of(binding);
    let key = binding.key();
    of_client(binding.client_id().unwrap_or_default(), store)
        .filter(move |other| other.key() == key || store.link_of(other) == link)
}

/// With which of a client's bindings a bulk response tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// With this one it tells of all of them.
    All,
    /// With this one it tells of nothing else.
    Alone,
    /// With another one, which came earlier.
    Other,
}

/// Bindings of a client that are looked at for one of them. A client with more on a link than that is told of one by one,
/// where it is not clear at once that it was told of already: or each of many would take a look at all.
const MANY: usize = 64;

/// With which of its client's bindings a bulk response that began at a revision tells of a binding: with the one that it
/// comes to first. `is_earlier` says of another one whether it comes to that before, if it looks at it at all. But one
/// that has changed meanwhile may have come from a place that was looked at already, or is still to come: it does not
/// count, and is told of itself. `in_order` says that only bindings of lesser keys can be earlier.
pub(super) fn turn(
    binding: &Binding<'_, V6Key>,
    began: Revision,
    store: &Store<V6Key>,
    in_order: bool,
    is_earlier: impl Fn(&Binding<'_, V6Key>) -> bool,
) -> Turn {
    let mut others = of_client(binding.client_id().unwrap_or_default(), store);
    if binding.revision() > began {
        // Where there are many, each of many changes would tell of all.
        return if others.nth(MANY).is_none() { Turn::All } else { Turn::Alone };
    }
    let link = store.link_of(binding);
    for _ in 0..MANY {
        match others.next().filter(|other| !in_order || other.key() < binding.key()) {
            None => return Turn::All,
            Some(other) if other.revision() <= began && store.link_of(&other) == link && is_earlier(&other) => {
                return Turn::Other;
            }
            Some(_) => {}
        }
    }
    Turn::Alone
}

/// Leases that go into one message. Each has 29 octets at most, so that with a DUID it fits whatever they are.
pub(super) const LEASES_PER_MESSAGE: usize = 1000;

/// Bindings of a client that an active response tells of when one of them changes: with more of them each is told of for
/// itself, or many changes would be as many times as much to tell.
pub(super) const TOLD_TOGETHER: usize = 16;
