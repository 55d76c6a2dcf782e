//! What sources told of that are no longer configured. Nobody would ever end it; but as long as not all of those that are
//! configured have been read it may well be theirs: the same file by another name, or the same leases at another place.

use std::sync::Arc;

use leasequery_live::{Running, SharedStore};
use leasequery_record::Protocol;
use leasequery_store::{Budget, Key, SourceId, Standing, Store, SweepEnd};
use tracing::warn;

use crate::config::{Config, Source};

/// The departed sources of a store, and those that may have what they told of.
pub(crate) struct Departed<K: Key> {
    shared: Arc<SharedStore<K>>,
    gone: Vec<(SourceId, String)>,
    /// The configured ones, but for push clients, of whom nobody knows when they have said everything.
    others: Vec<SourceId>,
}

/// Bindings looked at while the store is locked.
const LOOKS: usize = 4096;

impl<K: Key> Departed<K> {
    /// Finds them, before any source starts. Nothing more is expected of them from now on.
    pub(crate) fn find(config: &Config, protocol: Protocol, shared: &Arc<SharedStore<K>>) -> Self {
        let sources = || config.sources.iter().filter(|source| source.protocol().is_none_or(|its| its == protocol));
        let configured: Vec<_> = sources().map(Source::name).collect();
        let awaited = sources().filter(|source| !matches!(source, Source::Push { .. })).map(Source::name);
        let find = |store: &mut Store<K>| {
            let departed = store.sources().filter(|(_, name)| configured.iter().all(|configured| configured != name));
            let departed: Vec<_> = departed.map(|(id, name)| (id, name.to_owned())).collect();
            for (id, _) in &departed {
                store.depart(*id);
            }
            (departed, awaited.filter_map(|name| store.source(&name)).collect())
        };
        let (gone, others) = shared.write(find);
        Self { shared: Arc::clone(shared), gone, others }
    }

    /// Ends what they told of, unless another source vouches for it, as soon as all others have been read in this run.
    pub(crate) async fn end(self, mut running: Running) {
        let (shared, gone) = (&*self.shared, &self.gone);
        let mut changes = shared.changes();
        while !gone.is_empty() && !self.may_end() {
            tokio::select! {
                _ = changes.changed() => {}
                () = running.over() => return,
            }
        }
        for (id, name) in gone {
            let mut end = SweepEnd::default();
            while !shared.write(|store| store.end_source(*id, &mut end, &Budget::new(LOOKS))) {
                tokio::task::yield_now().await;
                if running.is_over() {
                    return;
                }
            }
            if end.ended() > 0 {
                warn!("{name} is no longer configured: {} of its bindings ended", end.ended());
            }
        }
    }

    fn may_end(&self) -> bool {
        self.shared.read(|store| self.others.iter().all(|id| store.standing(*id) == Standing::Current))
    }
}
