//! A client on a link: what OPTION_CLIENT_DATA is about (RFC 5007 section 4.1.2.2).

use leasequery_store::{Binding, Budget, Revision, Store, V6Key};

/// The other bindings of the client of a binding that are on the same link, of whatever state.
#[inline]
pub(super) fn others_on_link<'s>(
    binding: &Binding<'s, V6Key>,
    store: &'s Store<V6Key>,
    budget: &'s Budget,
) -> impl Iterator<Item = Binding<'s, V6Key>> {
    let (own, mut link) = (*binding, None);
    store.siblings(binding, budget).filter(move |other| {
        // Most clients have one binding, and where that is need not be known.
        let link = *link.get_or_insert_with(|| store.link_of(&own));
        store.link_of(other) == link
    })
}

/// A binding, and those that are told of with it, in key order.
#[inline]
pub(super) fn together<'s, T>(
    binding: &Binding<'s, V6Key>,
    mut others: impl Iterator<Item = Binding<'s, V6Key>>,
    tell: impl FnOnce(&[Binding<'s, V6Key>]) -> T,
) -> T {
    match others.next() {
        None => tell(std::slice::from_ref(binding)),
        Some(other) => {
            let mut all: Vec<_> = [*binding, other].into_iter().chain(others).collect();
            all.sort_unstable_by_key(Binding::key);
            tell(&all)
        }
    }
}

/// With which of a client's bindings a bulk response tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// With this one it tells of all of them.
    All,
    /// With this one it tells of nothing else.
    Alone,
    /// With this one it tells of as many as go into a message, of those that come behind it.
    Part,
    /// With another one, which came earlier.
    Other,
}

/// Bindings of a client that are looked at for one of them. A client with more than that is told of in parts, where it is
/// not clear at once that it was told of already: or each of many would take a look at all.
const MANY: usize = 64;

/// Whether the client of a binding has so many of them, wherever, that not all are looked at for one.
pub(super) fn is_of_many(binding: &Binding<'_, V6Key>, store: &Store<V6Key>, budget: &Budget) -> bool {
    has_more_than(MANY - 1, binding, store, budget)
}

/// Whether a client has so many bindings that they are too many for one message.
pub(super) fn is_crowd(binding: &Binding<'_, V6Key>, store: &Store<V6Key>, budget: &Budget) -> bool {
    has_more_than(LEASES_PER_MESSAGE - 1, binding, store, budget)
}

fn has_more_than(others: usize, binding: &Binding<'_, V6Key>, store: &Store<V6Key>, budget: &Budget) -> bool {
    store.is_one_of_many(binding) && store.siblings(binding, budget).nth(others).is_some()
}

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
    budget: &Budget,
) -> Turn {
    if binding.revision() > began {
        // Where there are many, each of many changes would tell of all.
        return if is_of_many(binding, store, budget) { Turn::Alone } else { Turn::All };
    }
    let mut others = store.siblings(binding, budget);
    let ordered = in_order && store.is_one_of_many(binding);
    let mut link = None;
    for _ in 0..MANY {
        let Some(other) = others.next().filter(|other| !ordered || other.key() < binding.key()) else {
            return Turn::All;
        };
        if in_order && other.key() > binding.key() {
            continue;
        }
        let link = *link.get_or_insert_with(|| store.link_of(binding));
        if other.revision() <= began && store.link_of(&other) == link && is_earlier(&other) {
            return Turn::Other;
        }
    }
    Turn::Part
}

/// The budget for one client: more than is ever looked at for one message about it, whatever it has.
pub(super) const CLIENT: usize = 4 * LEASES_PER_MESSAGE;

/// Leases that go into one message. Each has 29 octets at most, so that with a DUID it fits whatever they are.
pub(super) const LEASES_PER_MESSAGE: usize = 1000;

/// Bindings of a client that an active response tells of when one of them changes: with more of them each is told of for
/// itself, or many changes would be as many times as much to tell.
pub(super) const TOLD_TOGETHER: usize = 16;
