//! What one run leaves to the next: how far the server was followed, and what was told.

use std::path::PathBuf;
use std::sync::Arc;

use leasequery_live::SharedStore;
use leasequery_live::disk::Checkpoint;
use leasequery_protocol::follower::Position;
use leasequery_record::Family;
use leasequery_store::{Revision, Settings, Store};

use super::SOURCE;
use super::state::StateFile;
use crate::output::{Level, say};

/// A state file, and beside it a copy of all that was told: what differs from it is what the next run has to tell, an end
/// of a lease above all, of which a server that has forgotten it says nothing.
pub(super) struct Kept<P: Family> {
    file: StateFile,
    copy: Checkpoint<P::Key>,
    shared: Arc<SharedStore<P::Key>>,
    /// Where to go on.
    position: Option<Position>,
    /// Up to where the copy has what was told.
    revision: Option<Revision>,
}

impl<P: Family> Kept<P> {
    /// Reads what the last run left, if there was one.
    pub(super) fn open(path: PathBuf, server: &str, settings: Settings) -> Result<Self, String> {
        let mut beside = path.clone().into_os_string();
        beside.push(".told");
        let shown = path.display().to_string();
        let file = StateFile::open(path, P::NAME, server)?;
        let position = file.position();
        let (copy, shared) = Checkpoint::open(beside.as_ref(), P::NAME, settings, position.is_none())
            .map_err(|problem| format!("{shown}: {problem:#}"))?;
        let has_copy = shared.write(|store| {
            store.source("server");
            store.position(SOURCE).is_some()
        });
        if position.is_some() && !has_copy {
            let what = "what was told is not beside it, so everything is told anew";
            say(Level::Warning, format_args!("{shown}: {what}"));
        }
        let position = position.filter(|_| has_copy);
        Ok(Self { file, copy, shared: Arc::new(shared), position, revision: None })
    }

    /// The store, with what was told.
    pub(super) fn shared(&self) -> Arc<SharedStore<P::Key>> {
        Arc::clone(&self.shared)
    }

    /// Where to go on, if there was an earlier run.
    pub(super) fn position(&self) -> Option<Position> {
        self.position
    }

    /// Writes where the next run goes on. All that the store has must have been told.
    pub(super) fn save(&mut self, position: Position) -> Result<(), String> {
        let revision = Some(self.shared.read(Store::revision));
        if self.revision != revision {
            // Before the position, which must not be ahead of what was told up to there.
            self.copy.save(&self.shared)?;
            self.revision = revision;
        }
        self.file.save(position)
    }
}
