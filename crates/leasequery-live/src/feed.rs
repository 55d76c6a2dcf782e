use std::sync::Arc;

use leasequery_record::Protocol;
use leasequery_store::{Key, SourceId, Standing};

use crate::SharedStore;
use crate::registry::{Condition, Kind, Part, Registry, State};

/// A source's way into a live store: its number there, and its entry in the registry. What a source told and whether it is
/// known as a whole is in the store, so that no source can forget to say it.
#[derive(Debug)]
pub struct Feed<K: Key> {
    /// The store.
    pub shared: Arc<SharedStore<K>>,
    /// The number of the source in it.
    pub source: SourceId,
    /// How the source is.
    pub part: Part,
}

impl<K: Key> Feed<K> {
    /// Enters a source by its name. `None` if the store has 255 already.
    pub fn open(registry: &Registry, name: &str, shared: &Arc<SharedStore<K>>) -> Option<Self> {
        let source = shared.write(|store| store.source(name))?;
        let part = registry.enter(Kind::Source, name, Some(protocol::<K>()));
        part.await_by({
            let shared = Arc::clone(shared);
            move || shared.read(|store| store.awaited_of(source).map(str::to_owned))
        });
        part.judge_by({
            let shared = Arc::clone(shared);
            move |condition| judge(&shared, source, condition)
        });
        Some(Self { shared: Arc::clone(shared), source, part })
    }

    /// Says that what the source has is not known until it has been had as a whole, and why.
    #[must_use]
    pub fn awaited(self, why: &str) -> Self {
        self.shared.write(|store| store.await_source(self.source, why));
        self
    }
}

/// What the store knows of a source goes before what it says itself: one that is served as an earlier run knew it is not
/// well, even where it can be reached again, until all of it has been had.
fn judge<K: Key>(shared: &SharedStore<K>, source: SourceId, condition: &mut Condition) {
    if shared.read(|store| store.standing(source) == Standing::Kept) {
        let kept = shared.kept();
        condition.word = match condition.state {
            State::Degraded | State::Down => format!("{}; {kept}", condition.word),
            State::Well | State::Waiting => kept,
        };
        condition.state = State::Degraded;
    } else if condition.state == State::Waiting {
        // It has not come to say so.
        condition.state = State::Well;
    }
}

/// Whose leases a store has: those of DHCPv6 are told of together.
pub(crate) fn protocol<K: Key>() -> Protocol {
    if K::TOGETHER { Protocol::V6 } else { Protocol::V4 }
}
