//! A machine's disk, which may fail for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use leasequery_store::durable::{Durable, Memory};
use leasequery_store::{Budget, Key, Revision, Settings, Store, Time};

use crate::Mutation;

/// A disk.
#[derive(Debug)]
pub(crate) struct Disk<K> {
    memory: Memory,
    /// Until when it fails.
    failing: Option<Duration>,
    left: Left<K>,
}

/// What the last process has left there.
#[derive(Debug)]
enum Left<K> {
    /// Nothing that is known.
    Unknown,
    /// All that it knew when it ended.
    All(BTreeMap<K, Revision>),
    /// At least what had been synced when it was killed, and has not changed since.
    AtLeast(BTreeMap<K, Revision>),
}

impl<K: Key> Disk<K> {
    pub(crate) fn new() -> Self {
        Self { memory: Memory::new(), failing: None, left: Left::Unknown }
    }

    /// It is full, or broken, until some time. Of what was not synced some may have reached it.
    pub(crate) fn fail(&mut self, until: Duration, random: &mut Rng) {
        self.memory.fail(if random.bool() { 0 } else { random.usize(0..=self.memory.unsynced()) });
        self.failing = Some(until);
    }

    /// Whether it fails now. If not, it can be opened.
    pub(crate) fn is_failing(&mut self, now: Duration) -> bool {
        if self.failing.is_some_and(|until| now >= until) {
            self.recover();
        }
        self.failing.is_some()
    }

    /// It works again.
    pub(crate) fn recover(&mut self) {
        self.failing = None;
        self.memory.recover();
    }

    /// The store that is on it.
    pub(crate) fn open(&mut self, settings: Settings) -> Result<(Durable<K, Memory>, Store<K>), String> {
        let (durable, store) =
            Durable::open_on(self.memory.clone(), settings).map_err(|problem| problem.to_string())?;
        let found = contents(&store, store.revision());
        match std::mem::replace(&mut self.left, Left::Unknown) {
            Left::All(expected) if found != expected => {
                Err(format!("what was on disk after its end is {found:?} and not {expected:?}"))
            }
            Left::AtLeast(expected) if expected.iter().any(|(key, revision)| found.get(key) < Some(revision)) => {
                Err(format!("what was synced is lost: {expected:?} became {found:?}"))
            }
            _ => Ok((durable, store)),
        }
    }

    /// The time that is on it.
    pub(crate) fn now(&self) -> Result<Time, String> {
        let opened = Durable::<K, _>::open_on(self.memory.clone(), Settings::default());
        opened.map(|(_, store)| store.now()).map_err(|problem| problem.to_string())
    }

    /// What has to hold when all is quiet: it has what the store has.
    pub(crate) fn check(&self, store: &Store<K>) -> Result<(), String> {
        let opened = Durable::open_on(self.memory.clone(), store.settings());
        let found = contents(&opened.map_err(|problem| problem.to_string())?.1, store.revision());
        let expected = contents(store, store.revision());
        if found == expected { Ok(()) } else { Err(format!("on disk is {found:?} and not {expected:?}")) }
    }

    /// Writes what changed, `room` bindings at a time, until everything is written or `enough` says so.
    pub(crate) fn keep(
        &mut self,
        now: Duration,
        store: &mut Store<K>,
        durable: &mut Durable<K, Memory>,
        mutation: Option<Mutation>,
        mut turn: impl FnMut() -> Turn,
    ) {
        let forgotten = store.take_forgotten();
        if !self.is_failing(now) || mutation != Some(Mutation::ForgetOnFailedWrite) {
            durable.forget(forgotten);
        }
        // What fails now is tried again the next time.
        let _ = durable.reopen(|| Ok(self.memory.clone()));
        store.release_vpns(durable.released_vpns());
        loop {
            let Turn { room, sync, stop } = turn();
            let batch = durable.collect(store, &Budget::new(room));
            let complete = batch.is_complete();
            if durable.write(batch).is_err() || (sync && durable.sync().is_err()) || complete || stop {
                return;
            }
        }
    }

    /// The process was killed, and perhaps the machine with it.
    pub(crate) fn crash(&mut self, store: &Store<K>, durable: &Durable<K, Memory>, random: &mut Rng) {
        self.left = Left::AtLeast(contents(store, durable.synced()));
        let survivors = match random.u8(0..8) {
            0..=5 => 0,
            6 => random.usize(0..=self.memory.unsynced()),
            _ => usize::MAX,
        };
        self.memory.crash_after(survivors);
    }

    /// The process ended as it should, and this is what it knew. Says whether all of that is on disk.
    pub(crate) fn close(&mut self, store: &mut Store<K>, mut durable: Durable<K, Memory>) -> bool {
        durable.forget(store.take_forgotten());
        let synced = durable.synced();
        let written = durable
            .reopen(|| Ok(self.memory.clone()))
            .and_then(|()| {
                let batch = durable.collect(store, &Budget::unlimited());
                durable.write(batch)
            })
            .and_then(|()| durable.close());
        let known = contents(store, if written.is_ok() { store.revision() } else { synced });
        self.left = if written.is_ok() { Left::All(known) } else { Left::AtLeast(known) };
        written.is_ok()
    }
}

/// One turn of writing.
pub(crate) struct Turn {
    /// How many bindings at most.
    pub(crate) room: usize,
    /// Whether they are made to survive a crash.
    pub(crate) sync: bool,
    /// Whether it is the last turn for now.
    pub(crate) stop: bool,
}

/// The bindings that have not changed after a revision.
fn contents<K: Key>(store: &Store<K>, revision: Revision) -> BTreeMap<K, Revision> {
    let budget = Budget::unlimited();
    let changes = store.changes(Revision::default(), &budget).map(|binding| (binding.key(), binding.revision()));
    changes.take_while(|(_, changed)| *changed <= revision).collect()
}
