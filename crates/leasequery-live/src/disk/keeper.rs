//! Writes what has changed to disk, beside everything else.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use leasequery_store::durable::{Durable, DurableError, Files};
use leasequery_store::{Budget, Key, Store};
use tracing::{error, info, warn};

use super::place::Database;
use crate::SharedStore;
use crate::registry::{Figure, Part, State, Value};
use crate::turns::{Turns, Who};

/// Writes what has changed to disk, in a thread of its own.
#[derive(Debug)]
pub struct Keeper {
    stop: Option<Sender<()>>,
    /// What could not be written in the end.
    left: Receiver<Result<(), String>>,
    name: String,
    missing: Missing,
}

/// How many changes are not on disk.
struct Missing(Box<dyn Fn() -> u64 + Send>);

impl std::fmt::Debug for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Missing")
    }
}

/// How often: after a crash no more than the last 100 ms are missing.
const PERIOD: Duration = Duration::from_millis(50);
/// Bindings taken at a time, so that the store is locked for a fraction of a millisecond.
const BITE: usize = 1024;
/// How long to wait for the next attempt after one that failed, twice as long each time. A client that pushes waits for
/// no more than the first.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often to say that it still fails.
const REMINDER: Duration = Duration::from_mins(5);

impl Keeper {
    /// Begins. The database is opened anew after a failure.
    pub(super) fn start<K: Key>(
        shared: &Arc<SharedStore<K>>,
        durable: Durable<K>,
        name: String,
        (turns, who): (Arc<Turns>, Who),
        database: Database,
        part: Part,
    ) -> Self {
        let (stop, stopped) = channel();
        let (done, left) = channel();
        let shared = Arc::clone(shared);
        let missing = Missing(Box::new({
            let shared = Arc::clone(&shared);
            move || shared.not_on_disk()
        }));
        part.set(State::Well, "written");
        part.show({
            let shared = Arc::clone(&shared);
            move || figures(&shared)
        });
        let mut kept =
            Kept { part, shared, durable, database, name: name.clone(), turns, who, trouble: None, released: 0 };
        kept.shared.set_durable(kept.durable.synced());
        // Before anything new is told: from now on it shows on disk if this run does not come to its end.
        kept.write();
        std::thread::spawn(move || {
            // Nobody waits for it any more if it took too long.
            let _ = done.send(kept.keep(&stopped));
        });
        Self { stop: Some(stop), left, name, missing }
    }

    /// Begins to end: the rest is written.
    pub fn end(&mut self) {
        self.stop = None;
    }

    /// Waits for the end until a time. Fails with how much could not be written.
    pub fn ended(mut self, until: Instant) -> Result<(), String> {
        self.end();
        match self.left.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(result) => result,
            Err(_) => Err(format!("{}: there was no time for the last {} changes", self.name, (self.missing.0)())),
        }
    }
}

/// The store, and its copy on disk.
struct Kept<K: Key> {
    part: Part,
    shared: Arc<SharedStore<K>>,
    durable: Durable<K>,
    database: Database,
    name: String,
    turns: Arc<Turns>,
    who: Who,
    trouble: Option<Trouble>,
    /// How many unused VPNs the store has been told of that are not on disk.
    released: u64,
}

/// How far the durable copy is.
fn figures<K: Key>(shared: &SharedStore<K>) -> Vec<Figure> {
    let (revision, age) = shared.durable();
    vec![
        Figure::new("durable-revision", "The latest change that survives whatever happens", Value::Level(revision.0)),
        Figure::new("behind-changes", "Changes that would be lost in a crash", Value::Level(shared.not_on_disk())),
        Figure::new("age", "Since when nothing has been made durable", Value::Seconds(age.as_secs_f64())),
    ]
}

/// That nothing can be written.
struct Trouble {
    since: Instant,
    attempts: u32,
    /// Of the last attempt.
    problem: String,
    pause: Duration,
    next: Instant,
    reminded: Instant,
}

impl<K: Key> Kept<K> {
    fn keep(mut self, stopped: &Receiver<()>) -> Result<(), String> {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(PERIOD) {
            if self.trouble.as_ref().is_none_or(|trouble| Instant::now() >= trouble.next) {
                self.write();
            } else {
                self.forget();
            }
        }
        // What fails the first time is opened anew for the second one.
        let written = self.try_write().or_else(|_| self.try_write());
        let (revision, synced) = (self.shared.read(Store::revision), self.durable.synced());
        let left = revision.0.saturating_sub(synced.0);
        written.and_then(|()| self.durable.close()).map_err(|problem| {
            format!("{}: not everything is on disk, {left} changes are missing there: {problem}", self.name)
        })
    }

    /// Writes all that has changed, or says that it cannot.
    fn write(&mut self) {
        match self.try_write() {
            Ok(()) => self.settle(),
            Err(problem) => self.note(&problem.to_string()),
        }
    }

    fn note(&mut self, problem: &str) {
        let now = Instant::now();
        let trouble = self.trouble.get_or_insert_with(|| Trouble {
            since: now,
            attempts: 0,
            problem: String::new(),
            pause: FIRST_PAUSE,
            next: now,
            reminded: now,
        });
        trouble.attempts += 1;
        problem.clone_into(&mut trouble.problem);
        trouble.next = now + trouble.pause;
        trouble.pause = (2 * trouble.pause).min(LONGEST_PAUSE);
        match trouble.attempts {
            // A database that is merely to be opened anew is no trouble yet.
            1 => {}
            2 => {
                error!("{}: cannot be written, and is tried again and again: {problem}", self.name);
                self.shared.set_failing(problem);
                self.part.set(State::Down, problem);
                trouble.reminded = now;
            }
            attempts if now.duration_since(trouble.reminded) >= REMINDER => {
                let minutes = now.duration_since(trouble.since).as_secs() / 60;
                warn!("{}: cannot be written for {minutes} minutes, {attempts} attempts failed: {problem}", self.name);
                trouble.reminded = now;
            }
            _ => {}
        }
    }

    fn settle(&mut self) {
        let Some(trouble) = self.trouble.take() else { return };
        self.part.set(State::Well, "written");
        if trouble.attempts == 1 {
            warn!("{}: was opened anew after a failure, and everything is on disk: {}", self.name, trouble.problem);
        } else {
            let seconds = trouble.since.elapsed().as_secs();
            info!("{}: can be written again after {seconds} s, and everything is on disk", self.name);
        }
    }

    /// Takes the keys of forgotten bindings from the store, so that they do not pile up there.
    fn forget(&mut self) {
        if self.shared.read(Store::has_forgotten) {
            self.durable.forget(self.shared.write(Store::take_forgotten));
        }
    }

    fn try_write(&mut self) -> Result<(), DurableError> {
        self.forget();
        self.durable.reopen(|| self.database.open(Files::open))?;
        // It shares with others as long as there is something to write, and not while it waits for the disk.
        loop {
            let mut share = self.turns.share(self.who);
            share.pass_in_thread();
            let batch = self.shared.read(|store| self.durable.collect(store, &Budget::new(BITE)));
            drop(share);
            let complete = batch.is_complete();
            self.durable.write(batch)?;
            if complete {
                break;
            }
            self.forget();
        }
        self.durable.sync()?;
        if let Err(gone) = self.database.check() {
            self.durable.give_up();
            return Err(gone);
        }
        self.shared.set_durable(self.durable.synced());
        let released = self.durable.released_vpns();
        if released > self.released {
            self.released = released;
            self.shared.write(|store| store.release_vpns(released));
        }
        Ok(())
    }
}
