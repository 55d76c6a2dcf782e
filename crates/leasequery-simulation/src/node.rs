//! A machine with a process on it, which may not run at the moment.

use std::time::Duration;

use fastrand::Rng;
use leasequery_protocol::follower::{Follower, LINKS, Link, Position};
use leasequery_store::durable::{Durable, Memory};
use leasequery_store::{Budget, Key, Settings, SourceId, Store, SweepEnd, Time};

use crate::Mutation;
use crate::clock::Clock;
use crate::copy::{Connecting, Following, Reader, settings};
use crate::disk::{Disk, Turn};
use crate::family::Family;
use crate::server::Serving;
use crate::world::Context;

/// A machine.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is about something of its own")]
pub(crate) struct Node<F: Family> {
    pub(crate) role: Role<F>,
    /// Which nodes are followed.
    pub(crate) upstreams: Vec<usize>,
    pub(crate) clock: Clock,
    pub(crate) disk: Option<Disk<F::Key>>,
    /// How often, of 256 times, what was written is made to survive a crash.
    pub(crate) diligence: u8,
    /// For how many seconds ended bindings are kept.
    pub(crate) history: u32,
    pub(crate) process: Option<Process<F>>,
    /// When the process is started, if it does not run.
    pub(crate) start_at: Option<Duration>,
    /// Positions in memory when the process was killed, for a mutation.
    pub(crate) kept: Vec<Option<Position>>,
    /// Whether it answers active queries.
    pub(crate) active: bool,
    /// It takes connections before everything is known that it is to tell of.
    pub(crate) eager: bool,
    /// Until when its lease file cannot be read.
    pub(crate) unread_until: Duration,
    /// Everything that it is to tell of was known, in this run or an earlier one.
    pub(crate) whole: bool,
    /// Nobody could tell afterwards what it lost in a crash.
    pub(crate) spared: bool,
    /// Its clock was set back, and it has no disk to remember that: it runs to the end.
    pub(crate) lasting: bool,
    /// What its administrator tells it.
    pub(crate) configured: F::Configured,
    /// When it has something to do.
    pub(crate) wake: Duration,
}

/// What a machine is for.
#[derive(Debug)]
pub(crate) enum Role<F: Family> {
    /// Its leases come from a DHCP server beside it.
    Root(Local<F>),
    /// Its leases come from other nodes, and are served.
    Mirror,
    /// It prints what it is told.
    Watcher {
        /// Whoever reads that.
        reader: Box<Reader>,
        /// It remembers how far it came.
        keeps: bool,
    },
}

/// Where the leases of a root come from.
#[derive(Debug)]
pub(crate) enum Local<F: Family> {
    /// A file that outlives the process, read from a position.
    File {
        /// All that stands in it.
        rows: Vec<F::Row>,
        /// Changes when it is written anew.
        generation: u64,
    },
    /// A client that says everything once.
    Push {
        /// What it is about to say.
        rows: Vec<F::Row>,
    },
}

/// A process.
#[derive(Debug)]
pub(crate) struct Process<F: Family> {
    pub(crate) store: Store<F::Key>,
    pub(crate) durable: Option<Durable<F::Key, Memory>>,
    pub(crate) keep_at: Duration,
    /// When it was started: the times of its followers count from then.
    pub(crate) began: Duration,
    pub(crate) following: Vec<Following<F>>,
    pub(crate) serving: Vec<Serving<F>>,
    /// Connections are accepted.
    pub(crate) ready: bool,
    /// The last run may have told of what is not in the store.
    pub(crate) unclean: bool,
}

/// Seconds by which a clock goes forward at once only if it is stepped.
const STEP: u32 = 60;

/// The source of what the DHCP server beside a root says.
pub(crate) const LOCAL: SourceId = SourceId(0);

/// Sets the clock of a store, as the daemon does it.
pub(crate) fn advance<K: Key>(store: &mut Store<K>, wall: Time, mutation: Option<Mutation>) {
    match mutation {
        Some(Mutation::ClockNeverBack) => store.advance(store.now().max(wall)),
        Some(Mutation::NoEra) => advance_without_era(store, wall),
        _ => store.advance(wall),
    };
}

/// The sources go on from where they are, even if the clock was set back.
fn advance_without_era<K: Key>(store: &mut Store<K>, wall: Time) -> usize {
    let sources = store.sources().map(|(source, _)| source);
    let positions: Vec<_> = sources.filter_map(|source| Some((source, store.position(source)?.to_vec()))).collect();
    let changed = store.advance(wall);
    for (source, position) in positions {
        store.set_position(source, position);
    }
    changed
}

impl<F: Family> Node<F> {
    /// Whether it must not be killed.
    pub(crate) fn is_spared(&self) -> bool {
        self.spared || self.lasting
    }

    /// Starts the process with what is on the disk.
    pub(crate) fn start(
        &mut self,
        now: Duration,
        faithful: bool,
        mutation: Option<Mutation>,
        random: &mut Rng,
    ) -> Result<(), String> {
        let wall = self.clock.wall(now);
        let watches = matches!(self.role, Role::Watcher { .. });
        let settings_of_store = Settings {
            history: self.history,
            max_ended: if !faithful && random.u8(..) < 40 { 6 } else { 10_000 },
            durable: self.disk.is_some(),
            expire: !watches,
        };
        let (mut store, mut durable) = match &mut self.disk {
            None => (Store::new(settings_of_store), None),
            Some(disk) => {
                let (durable, store) = disk.open(settings_of_store)?;
                (store, Some(durable))
            }
        };
        advance(&mut store, wall, mutation);
        if !watches {
            F::configure(&self.configured, &mut store);
        }
        let lost = durable.as_ref().is_some_and(|durable| !durable.was_closed());
        if lost && !matches!(self.role, Role::Root(Local::File { .. })) && mutation != Some(Mutation::NoLostHistory) {
            store.lose_history();
        }
        if let Some(durable) = &mut durable {
            // Before anybody is told of anything, as the daemon does it: the mark of a clean end is gone.
            durable.write(durable.collect(&store, &Budget::unlimited())).map_err(|error| error.to_string())?;
            durable.sync().map_err(|error| error.to_string())?;
        }
        let mut following = Vec::new();
        match &mut self.role {
            Role::Root(local) => {
                store.source("local");
                let kept = matches!(local, Local::Push { .. }) || store.keep_whole(LOCAL);
                self.whole |= kept;
                if !kept && mutation != Some(Mutation::UnknownIsFree) {
                    store.await_source(LOCAL, "it has not been read");
                }
            }
            Role::Watcher { reader, keeps } => {
                if !*keeps {
                    reader.position = None;
                }
                reader.begin();
                store.source("server");
            }
            Role::Mirror => {
                // Another server may have been configured.
                let names: Vec<_> = self.upstreams.iter().map(|upstream| format!("upstream {upstream}")).collect();
                let departed = store.sources().filter(|(_, name)| names.iter().all(|configured| configured != name));
                for source in departed.map(|(source, _)| source).collect::<Vec<_>>() {
                    let mut end = SweepEnd::default();
                    while !store.end_source(source, &mut end, &Budget::new(random.usize(1..20))) {}
                }
            }
        }
        let mut kept = std::mem::take(&mut self.kept).into_iter();
        for upstream in &self.upstreams {
            let named = if mutation == Some(Mutation::EndWithoutWitness) { self.upstreams[0] } else { *upstream };
            let source = store.source(&format!("upstream {named}")).ok_or("too many sources")?;
            let (source, position) = match &self.role {
                Role::Watcher { reader, .. } => (LOCAL, reader.position),
                _ => (source, store.position(source).and_then(Position::from_bytes)),
            };
            let goes_on = position.is_some() && store.keep_whole(source);
            if !watches && !goes_on && mutation != Some(Mutation::UnknownIsFree) {
                store.await_source(source, "it has not been heard");
            }
            let position = kept.next().flatten().filter(|_| position.is_some()).or(position);
            let settings = settings(!faithful && mutation != Some(Mutation::NoSweeps), !watches);
            following.push(Following {
                follower: Follower::new(F::wanted(), source, position, settings, random.u64(..)),
                server: *upstream,
                links: [Connecting::No; 2],
                bulk: None,
                whole: position.is_some(),
            });
        }
        self.process = Some(Process {
            store,
            durable,
            keep_at: now,
            began: now,
            following,
            serving: Vec::new(),
            ready: false,
            unclean: lost && mutation != Some(Mutation::NoLostHistory),
        });
        self.wake = now;
        Ok(())
    }

    /// The clock has been stepped forward: leases of another machine do not end by that.
    pub(crate) fn look_at_clock(&mut self, context: &Context) -> Result<(), String> {
        let (Role::Mirror, Some(process)) = (&self.role, &mut self.process) else { return Ok(()) };
        let wall = self.clock.wall(context.now);
        if wall.since(process.store.wall()) <= STEP {
            return Ok(());
        }
        let active = process.store.counts().active;
        advance(&mut process.store, wall, context.options.mutation);
        match process.store.counts().active {
            left if left < active => {
                Err(format!("{} leases of others ended by a clock that was stepped", active - left))
            }
            _ => Ok(()),
        }
    }

    /// Whether connections are accepted: the first load is done, or not waited for, and there is a past to catch up with.
    pub(crate) fn is_ready(&mut self) -> bool {
        let Some(process) = &mut self.process else { return false };
        if process.ready {
            return true;
        }
        let loaded = match &self.role {
            Role::Root(Local::File { rows, generation }) => {
                process.file_position() == Some((*generation, rows.len() as u64))
            }
            Role::Root(Local::Push { .. }) => true,
            Role::Mirror => process.following.iter().all(|following| following.follower.position().is_some()),
            Role::Watcher { .. } => false,
        };
        process.ready = (loaded || (self.eager && !matches!(self.role, Role::Watcher { .. })))
            && process.store.now() >= process.store.history_floor();
        process.ready
    }
}

impl<F: Family> Process<F> {
    /// Of which generation of the file how many rows have been read.
    pub(crate) fn file_position(&self) -> Option<(u64, u64)> {
        let (generation, rows) = self.store.position(LOCAL)?.split_first_chunk()?;
        Some((u64::from_be_bytes(*generation), u64::from_be_bytes(rows.try_into().ok()?)))
    }

    pub(crate) fn set_file_position(&mut self, generation: u64, rows: u64) {
        self.store.set_position(LOCAL, [generation.to_be_bytes(), rows.to_be_bytes()].concat());
    }

    /// Writes all that changed to the disk, and makes sure that it survives.
    pub(crate) fn keep_all(&mut self, now: Duration, disk: &mut Disk<F::Key>) {
        if let Some(durable) = &mut self.durable {
            let all = || Turn { room: usize::MAX, sync: true, stop: true };
            disk.keep(now, &mut self.store, durable, None, all);
        }
    }

    /// Writes what changed to the disk, and now and then makes sure that it survives.
    pub(crate) fn keep(
        &mut self,
        now: Duration,
        disk: Option<&mut Disk<F::Key>>,
        diligence: u8,
        mutation: Option<Mutation>,
        random: &mut Rng,
    ) {
        let (Some(durable), Some(disk)) = (&mut self.durable, disk) else { return };
        disk.keep(now, &mut self.store, durable, mutation, || Turn {
            room: random.usize(1..40),
            sync: random.u8(..) < diligence,
            // It may be killed between two batches.
            stop: random.u8(..) < 30,
        });
    }

    /// When it has something to do by itself. It looks at its clock now and then, less often where that is not stepped any
    /// more.
    pub(crate) fn next(&self, now: Duration, calm: bool) -> Duration {
        let mut next = now + Duration::from_secs(if calm { 8 } else { 4 });
        for following in &self.following {
            next = next.min(following.follower.poll_timeout().map_or(next, |due| due + self.began));
            for link in LINKS {
                if let Connecting::Until(until) = following.links[place(link)] {
                    next = next.min(until);
                }
            }
        }
        next = self.serving.iter().filter_map(Serving::next).fold(next, Duration::min);
        if self.durable.as_ref().is_some_and(|durable| durable.revision() != self.store.revision()) {
            next = next.min(self.keep_at);
        }
        if let Some(deadline) = self.store.next_deadline() {
            next = next.min(now + Duration::from_secs(u64::from(deadline.since(self.store.now()))));
        }
        next.max(now + Duration::from_micros(100))
    }
}

pub(crate) fn place(link: Link) -> usize {
    match link {
        Link::Active => 0,
        Link::Bulk => 1,
    }
}
