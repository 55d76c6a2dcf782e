//! What is the matter with sources, for the log and for people: what is waited for before everything is known, and what
//! went wrong after that.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use leasequery_record::Protocol;
use tracing::{info, warn};

use crate::age;
use crate::registry::{Awaited, Condition, Kind, Registry, State};

/// Follows how the sources are in the registry.
#[derive(Debug)]
pub struct Health {
    readiness: Readiness,
    began: Timestamp,
    /// It has not been looked yet.
    first: bool,
    /// With those sources that are not well.
    troubles: Vec<Trouble>,
}

/// Whether everything has been known at once at some time, for whoever wants to know.
#[derive(Debug, Clone)]
pub struct Readiness {
    registry: Registry,
    since: Arc<OnceLock<Timestamp>>,
}

impl Readiness {
    /// Since when everything has been known, if it has. What was known stays so until it is contradicted, so this does, too.
    pub fn since(&self) -> Option<Timestamp> {
        self.since.get().copied()
    }

    /// The sources that are waited for.
    pub fn awaited(&self) -> Vec<Awaited> {
        self.registry.awaited()
    }
}

/// A source that is not well.
#[derive(Debug)]
struct Trouble {
    name: String,
    protocol: Option<Protocol>,
    condition: Condition,
    since: Instant,
    /// Not everything that the source has was known when this began, and nobody else says in the log when it is.
    unknown: bool,
    /// When it is told next, and how long after that.
    due: Instant,
    pause: Duration,
}

/// How long a source may take before that is worth a word.
const PATIENCE: Duration = Duration::from_secs(1);
/// When what the source has said itself is told again.
const AGAIN: Duration = Duration::from_mins(1);
/// How much rarer it is told each time, and how rarely at last.
const RARER: u32 = 10;
const RAREST: Duration = Duration::from_hours(1);

impl Health {
    /// Of the sources that are in this registry.
    pub fn new(registry: Registry) -> Self {
        let readiness = Readiness { registry, since: Arc::default() };
        Self { readiness, began: Timestamp::now(), first: true, troubles: Vec::new() }
    }

    /// What it finds, for others.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Looks how the sources are, and says in the log now and then what is the matter. Says whether everything is known.
    pub fn look(&mut self) -> bool {
        self.look_at(Instant::now());
        let is_ready = self.readiness.awaited().is_empty();
        if is_ready {
            self.readiness.since.get_or_init(Timestamp::now);
        }
        is_ready
    }

    fn look_at(&mut self, now: Instant) {
        let mut before = std::mem::take(&mut self.troubles);
        let first = std::mem::take(&mut self.first);
        for (name, protocol, condition) in self.readiness.registry.conditions(Kind::Source) {
            let known = before.iter().position(|trouble| trouble.name == name && trouble.protocol == protocol);
            let known = known.map(|known| before.swap_remove(known));
            if condition.state == State::Well {
                if known.is_some_and(|trouble| trouble.unknown) {
                    info!("{name}: everything it has is known");
                }
                continue;
            }
            let mut trouble = match known {
                Some(trouble) if trouble.condition.state == condition.state => Trouble { condition, ..trouble },
                known => {
                    let unknown = first || known.is_some_and(|trouble| trouble.unknown);
                    Trouble::new(name, protocol, condition, now, unknown)
                }
            };
            trouble.remind(now);
            self.troubles.push(trouble);
        }
    }

    /// How it is, for people: `ready` if nothing is the matter, and what is.
    pub fn status(&self, ready: &str) -> String {
        let told = |awaited: bool| {
            let troubles =
                self.troubles.iter().filter(|trouble| (trouble.condition.state == State::Waiting) == awaited);
            troubles.map(Trouble::word).collect::<Vec<_>>().join("; ")
        };
        let (awaited, others) = (told(true), told(false));
        let mut status = match &*awaited {
            "" => ready.to_owned(),
            awaited => format!("what is known is served; waiting since {:.0} for {awaited}", self.began),
        };
        if !others.is_empty() {
            status.extend(["; ", &others]);
        }
        status
    }
}

impl Trouble {
    fn new(name: String, protocol: Option<Protocol>, condition: Condition, now: Instant, unknown: bool) -> Self {
        // That it waits nobody has said yet.
        let is_waiting = condition.state == State::Waiting;
        let first = if is_waiting { PATIENCE } else { AGAIN };
        Self { name, protocol, condition, since: now, unknown: unknown || is_waiting, due: now + first, pause: AGAIN }
    }

    fn remind(&mut self, now: Instant) {
        if now < self.due {
            return;
        }
        self.due = now + self.pause;
        self.pause = (self.pause * RARER).min(RAREST);
        let (name, age, word) = (&self.name, age(now.duration_since(self.since)), &self.condition.word);
        match self.condition.state {
            State::Waiting => warn!("waiting for {name}, for {age} now: {word}"),
            _ => warn!("{name}: for {age} now: {word}"),
        }
    }

    fn word(&self) -> String {
        let Condition { state, word, since } = &self.condition;
        match state {
            State::Waiting => format!("{}: {word}", self.name),
            _ => format!("{} (since {since:.0}): {word}", self.name),
        }
    }
}
