use std::sync::Arc;

use leasequery_record::Protocol;
use leasequery_store::{Key, SourceId};

use crate::SharedStore;
use crate::registry::{Kind, Part, Registry};

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
            let (shared, name) = (Arc::clone(shared), name.to_owned());
            move || {
                let why = |store: &leasequery_store::Store<K>| {
                    store.awaited().find(|unknown| unknown.source == name).map(|unknown| unknown.why.to_owned())
                };
                shared.read(why)
            }
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

/// Whose leases a store has: those of DHCPv6 are told of together.
pub(crate) fn protocol<K: Key>() -> Protocol {
    if K::TOGETHER { Protocol::V6 } else { Protocol::V4 }
}
