//! The durable copy of the store: opened at the start, and kept up to date beside everything else.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use leasequery_store::durable::Durable;
use leasequery_store::{Settings, Store, V4Key};
use tracing::{error, info};

use super::SharedStore;

/// Opens the store, from disk if there is a directory for it.
pub(super) fn open(
    directory: Option<&Path>,
    settings: Settings,
) -> anyhow::Result<(Store<V4Key>, Option<Durable<V4Key>>)> {
    let Some(directory) = directory else { return Ok((Store::new(settings), None)) };
    let in_directory = || format!("state-dir {}", directory.display());
    // Leases are as secret here as on the DHCP server (RFC 7724 section 9).
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).with_context(in_directory)?;
    let (durable, store) = Durable::open(&directory.join("v4"), settings).with_context(in_directory)?;
    if store.counts().bindings > 0 {
        info!("{}: {} bindings", in_directory(), store.counts().bindings);
    }
    Ok((store, Some(durable)))
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
    pub(super) fn start(shared: Arc<SharedStore>, durable: Durable<V4Key>) -> Self {
        let (stop, stopped) = channel();
        shared.set_durable(durable.revision());
        let thread = std::thread::spawn(move || keep(&shared, durable, &stopped));
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

fn keep(shared: &SharedStore, mut durable: Durable<V4Key>, stopped: &Receiver<()>) {
    let mut failing = false;
    loop {
        let ended = matches!(stopped.recv_timeout(PERIOD), Err(RecvTimeoutError::Disconnected));
        loop {
            let forgotten = shared.read(Store::has_forgotten);
            let keys = if forgotten { shared.write(Store::take_forgotten) } else { Vec::new() };
            let batch = shared.read(|store| durable.collect(store, BITE));
            let complete = batch.is_complete();
            match durable.write(batch, &keys) {
                Ok(()) => failing = false,
                Err(problem) => {
                    if !std::mem::replace(&mut failing, true) {
                        error!("state-dir: cannot be written, changes are not kept: {problem}");
                    }
                    break;
                }
            }
            if complete {
                break;
            }
        }
        if !failing && let Err(problem) = durable.sync() {
            error!("state-dir: {problem}");
        }
        shared.set_durable(durable.revision());
        if ended {
            return;
        }
    }
}
