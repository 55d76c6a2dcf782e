use leasequery_store::{Binding, Key, Store, Time};

use super::Policy;

/// The span of time that a query asks for, both ends inclusive (RFC 6926 sections 6.2.5 and 6.2.6, RFC 7653 sections
/// 6.3.2 and 6.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: Option<Time>,
    pub(super) end: Option<Time>,
}

impl Window {
    fn contains(self, time: Time) -> bool {
        self.start.is_none_or(|start| start <= time) && self.end.is_none_or(|end| time <= end)
    }

    /// The same for a requestor to which everything may have changed in it.
    pub(super) fn for_policy(self, policy: &Policy) -> Self {
        if policy.is_news_in(self.start, self.end) { Self { start: None, end: None } } else { self }
    }

    pub(super) fn is_open(self) -> bool {
        self.start.is_none() && self.end.is_none()
    }

    /// The window for a store. If a wrong clock has shown its start before, nobody knows what changed since, so it has
    /// none: too much does no harm.
    pub(super) fn in_store<K: Key>(self, store: &Store<K>) -> Self {
        Self { start: self.start.filter(|start| !store.is_ambiguous(*start)), ..self }
    }

    /// Whether a binding changed in the window: by its own account (RFC 6926 section 8.2), or because the store learned
    /// of it then. Without the latter a source that lags would hide its changes from a requestor that asks again from
    /// the base-time of its last query.
    #[inline]
    pub(super) fn matches<K: Key>(self, binding: &Binding<'_, K>) -> bool {
        self.is_open()
            || self.contains(binding.changed())
            || self.contains(binding.start_of_state())
            || binding.last_transaction().is_some_and(|time| self.contains(time))
    }

    /// Whether to tell of an address without a binding. Once the window begins before the kept history nobody knows
    /// whether a lease of it ended in between, and too much does no harm.
    pub(super) fn matches_free(self, since: Time, history_floor: Time) -> bool {
        self.is_open() || self.contains(since) || self.start.is_none_or(|start| start < history_floor)
    }
}
