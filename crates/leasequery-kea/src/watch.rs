//! Hearing of changes in a directory, where the system tells of them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tracing::debug;

/// Wakes whoever follows a file when something happens to it or beside it. The directory is watched, not the file: a
/// watch on the file would go with it when it is renamed.
///
/// What has happened is not taken from the events. They come through another thread, so that nobody knows which are
/// still on their way; the files themselves are looked at. But where somebody has closed the file, having written into it,
/// one had better look closely.
#[derive(Debug)]
pub(super) struct Watch {
    directory: PathBuf,
    name: OsString,
    listening: Option<(RecommendedWatcher, Receiver<Heard>)>,
    tried: Instant,
    closed: Arc<AtomicBool>,
}

/// How long to do without before it is tried again.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Something,
    /// The directory itself has gone, or the watch fails.
    Lost,
}

impl Watch {
    /// Begins to listen.
    pub(super) fn new(file: &Path) -> Self {
        let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = file.file_name().unwrap_or_default().to_owned();
        let mut watch = Self {
            directory: directory.to_owned(),
            name,
            listening: None,
            tried: Instant::now(),
            closed: Arc::default(),
        };
        watch.listen();
        watch
    }

    /// Whether somebody has closed the file, having written into it, since this was asked last.
    pub(super) fn take_closed(&self) -> bool {
        self.closed.swap(false, Ordering::Relaxed)
    }

    /// Waits until something is heard, for as long as `period` at most.
    pub(super) fn wait(&mut self, period: Duration) {
        let Some((_, heard)) = &self.listening else {
            std::thread::sleep(period);
            if self.tried.elapsed() >= PAUSE {
                self.listen();
            }
            return;
        };
        match heard.recv_timeout(period) {
            Ok(Heard::Something) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Heard::Lost) | Err(RecvTimeoutError::Disconnected) => {
                debug!("{}: no longer watched", self.directory.display());
                self.listening = None;
            }
        }
    }

    fn listen(&mut self) {
        self.tried = Instant::now();
        // One that waits is enough: all there is to see will be looked at.
        let (sender, heard) = sync_channel(1);
        let (directory, name) = (self.directory.clone(), self.name.clone());
        let closed = Arc::clone(&self.closed);
        let watcher = notify::recommended_watcher(move |event| tell(&sender, event, &directory, &name, &closed));
        let watcher = watcher.and_then(|mut watcher| {
            watcher.watch(&self.directory, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        self.listening = watcher.ok().map(|watcher| (watcher, heard));
    }
}

fn tell(
    sender: &SyncSender<Heard>,
    event: notify::Result<Event>,
    directory: &Path,
    name: &OsString,
    closed: &AtomicBool,
) {
    let heard = match event {
        Err(_) => Heard::Lost,
        Ok(event) if event.need_rescan() => Heard::Something,
        Ok(Event { kind: EventKind::Access(AccessKind::Close(AccessMode::Write)), paths, .. }) => {
            if !paths.iter().any(|path| path.file_name() == Some(name)) {
                return;
            }
            closed.store(true, Ordering::Relaxed);
            Heard::Something
        }
        // Reading changes nothing.
        Ok(Event { kind: EventKind::Access(_), .. }) => return,
        Ok(event) if event.paths.iter().any(|path| path == directory) => match event.kind {
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => Heard::Lost,
            _ => return,
        },
        Ok(event) => {
            let begins = |path: &PathBuf| {
                let found = path.file_name().unwrap_or_default().as_encoded_bytes();
                found.starts_with(name.as_encoded_bytes())
            };
            if !event.paths.iter().any(begins) {
                return;
            }
            Heard::Something
        }
    };
    match heard {
        Heard::Something => {
            let _ = sender.try_send(heard);
        }
        // Must not be lost behind another one that waits.
        Heard::Lost => {
            let _ = sender.send(heard);
        }
    }
}

#[cfg(test)]
mod tests;
