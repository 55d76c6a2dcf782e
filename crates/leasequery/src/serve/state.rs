//! The durable copy of the store: opened at the start, and kept up to date beside everything else.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use leasequery_store::durable::{Durable, DurableError};
use leasequery_store::{Budget, Key, Settings, Store};
use tracing::{error, info, warn};

use super::SharedStore;

/// Opens the store of a protocol, from disk if there is a directory for it, which is kept up to date from now on. With
/// `repeats` every source tells again of what was lost in a crash, or finds that it cannot.
pub(super) fn open<K: Key>(
    directory: Option<&Path>,
    protocol: &str,
    settings: Settings,
    repeats: bool,
) -> anyhow::Result<(Arc<SharedStore<K>>, Option<Keeper>)> {
    let Some(directory) = directory else { return Ok((Arc::new(SharedStore::new(Store::new(settings))), None)) };
    let in_directory = || format!("state-dir {}", directory.display());
    // Leases are as secret here as on the DHCP server (RFC 7724 section 9).
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).with_context(in_directory)?;
    inspect(directory).with_context(in_directory)?;
    let (durable, store) = Durable::<K>::open(&directory.join(protocol), settings).with_context(in_directory)?;
    if store.counts().bindings > 0 {
        info!("{}: {} {protocol} bindings", in_directory(), store.counts().bindings);
    }
    // Its clock is set now: the history is lost up to this moment.
    let shared = Arc::new(SharedStore::new(store));
    if !durable.was_closed() {
        shared.set_unclean();
    }
    if !durable.was_closed() && !repeats {
        // Requestors may have been told of commits that nobody will repeat.
        warn!("{}: the last run ended without writing everything, the history begins anew", in_directory());
        shared.write(Store::lose_history);
    }
    let keeper = Keeper::start(Arc::clone(&shared), durable);
    Ok((shared, Some(keeper)))
}

/// Refuses a directory in which everybody could change what is served, and warns about one that others can look into.
fn inspect(directory: &Path) -> anyhow::Result<()> {
    let found = std::fs::metadata(directory)?;
    let mode = found.permissions().mode() & 0o777;
    anyhow::ensure!(mode & 0o002 == 0, "everybody may write into it (mode {mode:04o}); 0700 would be right");
    if mode & 0o077 != 0 {
        warn!("state-dir {}: others may look into it (mode {mode:04o}); 0700 would be right", directory.display());
    }
    if found.uid() != nix::unistd::geteuid().as_raw() {
        warn!("state-dir {}: it is another user's (uid {})", directory.display(), found.uid());
    }
    Ok(())
}

/// Writes what has changed to disk, in a thread of its own.
#[derive(Debug)]
pub(super) struct Keeper {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

/// How often: after a crash no more than the last 100 ms are missing.
const PERIOD: Duration = Duration::from_millis(50);
/// Bindings taken at a time, so that the store is locked for a fraction of a millisecond.
const BITE: usize = 1024;

impl Keeper {
    fn start<K: Key>(shared: Arc<SharedStore<K>>, durable: Durable<K>) -> Self {
        let (stop, stopped) = channel();
        let mut kept = Kept { shared, durable, failing: false };
        kept.shared.set_durable(kept.durable.revision());
        // Before anything new is told: from now on it shows on disk if this run does not come to its end.
        kept.write();
        let thread = std::thread::spawn(move || kept.keep(&stopped));
        Self { stop, thread }
    }

    /// Writes the rest and ends.
    pub(super) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            error!("state-dir: the last changes may not have been written");
        }
    }
}

/// The store, and its copy on disk.
struct Kept<K: Key> {
    shared: Arc<SharedStore<K>>,
    durable: Durable<K>,
    /// Whether the last attempt failed: once is enough to say so.
    failing: bool,
}

impl<K: Key> Kept<K> {
    fn keep(mut self, stopped: &Receiver<()>) {
        loop {
            let ended = matches!(stopped.recv_timeout(PERIOD), Err(RecvTimeoutError::Disconnected));
            self.write();
            if ended {
                break;
            }
        }
        if !self.failing
            && let Err(problem) = self.durable.close()
        {
            error!("state-dir: {problem}");
        }
    }

    /// Writes all that has changed.
    fn write(&mut self) {
        match self.try_write() {
            Ok(()) => self.failing = false,
            Err(problem) => {
                if !std::mem::replace(&mut self.failing, true) {
                    error!("state-dir: cannot be written, changes are not kept: {problem}");
                }
            }
        }
    }

    fn try_write(&mut self) -> Result<(), DurableError> {
        let Self { shared, durable, .. } = self;
        loop {
            let forgotten = shared.read(Store::has_forgotten);
            let keys = if forgotten { shared.write(Store::take_forgotten) } else { Vec::new() };
            let batch = shared.read(|store| durable.collect(store, &Budget::new(BITE)));
            let complete = batch.is_complete();
            durable.write(batch, &keys)?;
            if complete {
                break;
            }
        }
        durable.sync()?;
        shared.set_durable(durable.revision());
        Ok(())
    }
}
