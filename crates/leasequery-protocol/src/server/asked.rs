use std::sync::Arc;

use leasequery_store::{Budget, Key, Revision, Store};

use super::{Active, Policy, Progress, Query, Scope, Shed, Wording};

/// A query on a TCP connection.
#[derive(Debug)]
pub enum Asked<B, W> {
    /// A bulk query.
    Bulk(B),
    /// An active query.
    Active(Active<W>),
}

impl<B, W> Asked<B, W> {
    fn query<K: Key>(&self) -> &dyn Query<K>
    where
        B: Query<K>,
        W: Wording<K>,
    {
        match self {
            Self::Bulk(query) => query,
            Self::Active(query) => query,
        }
    }

    fn query_mut<K: Key>(&mut self) -> &mut dyn Query<K>
    where
        B: Query<K>,
        W: Wording<K>,
    {
        match self {
            Self::Bulk(query) => query,
            Self::Active(query) => query,
        }
    }
}

impl<K: Key, B: Query<K>, W: Wording<K>> Query<K> for Asked<B, W> {
    fn xid(&self) -> u32 {
        self.query().xid()
    }

    fn advance(&mut self, store: &Store<K>, out: &mut Vec<u8>, room: usize, budget: &Budget) -> Progress {
        self.query_mut().advance(store, out, room, budget)
    }

    fn is_active(&self) -> bool {
        self.query().is_active()
    }

    fn scope(&self) -> Scope {
        self.query().scope()
    }

    fn keep_alive(&mut self, store: &Store<K>, out: &mut Vec<u8>) {
        self.query_mut().keep_alive(store, out);
    }

    fn terminate(&mut self, store: &Store<K>, out: &mut Vec<u8>, reason: &str) {
        self.query_mut().terminate(store, out, reason);
    }

    fn told_up_to(&self) -> Option<Revision> {
        self.query().told_up_to()
    }

    fn set_policy(&mut self, policy: &Arc<Policy>) -> Result<(), &'static str> {
        self.query_mut::<K>().set_policy(policy)
    }

    fn replies(&self) -> u64 {
        self.query().replies()
    }

    fn take_shed(&mut self) -> Vec<Shed> {
        self.query_mut::<K>().take_shed()
    }
}
