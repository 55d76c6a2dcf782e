use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::StatusCode;
use jiff::Timestamp;
use leasequery_live::health::Readiness;
use leasequery_live::refusals::{Kind, Refusals};

use crate::around::Around;
use crate::config::Http;

/// What all requests have around them.
pub struct Site {
    pub(super) around: Around,
    pub(super) readiness: Readiness,
    /// When the daemon began.
    pub(super) began: Timestamp,
    /// See [`Http::names`].
    pub(super) names: Vec<String>,
    pub(super) refusals: Arc<Refusals>,
    /// Requests that were answered, by route and status.
    answered: Mutex<BTreeMap<(&'static str, u16), u64>>,
}

impl Site {
    /// A site that tells of these.
    pub fn new(http: &Http, around: Around, readiness: Readiness) -> Arc<Self> {
        let (names, began) = (http.names.clone(), Timestamp::now());
        let (refusals, answered) = (Arc::default(), Mutex::default());
        Arc::new(Self { around, readiness, began, names, refusals, answered })
    }

    /// Tells in the log of somebody who is refused.
    pub(super) fn refuse(&self, peer: SocketAddr, kind: Kind, text: impl FnOnce() -> String) {
        self.refusals.note(peer, peer.ip(), kind, text);
    }

    /// Counts an answer.
    pub(super) fn count(&self, route: &'static str, status: StatusCode) {
        *self.answered().entry((route, status.as_u16())).or_default() += 1;
    }

    /// How many requests were answered, by route and status.
    pub(super) fn answered(&self) -> MutexGuard<'_, BTreeMap<(&'static str, u16), u64>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Site").field("names", &self.names).finish_non_exhaustive()
    }
}
