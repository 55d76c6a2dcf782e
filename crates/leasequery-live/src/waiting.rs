//! What is waited for before everything is known.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{info, warn};

use crate::age;
use crate::registry::{Awaited, Registry};

/// Looks for what is waited for, and tells of it.
#[derive(Debug)]
pub struct Waiting {
    readiness: Readiness,
    since: Instant,
    began: Timestamp,
    awaited: Vec<Awaited>,
    news: bool,
    /// When it is told next, and how long after that.
    due: Instant,
    pause: Duration,
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

/// How long a source may take before that is worth a word.
const PATIENCE: Duration = Duration::from_secs(1);
/// How much rarer it is told each time, and how rarely at last.
const RARER: u32 = 10;
const RAREST: Duration = Duration::from_hours(1);

impl Waiting {
    /// For what these parts wait.
    pub fn new(registry: Registry) -> Self {
        let since = Instant::now();
        let (due, pause) = (since + PATIENCE, Duration::from_mins(1));
        let readiness = Readiness { registry, since: Arc::default() };
        Self { readiness, since, began: Timestamp::now(), awaited: Vec::new(), news: false, due, pause }
    }

    /// What it finds, for others.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Looks what is still waited for, and says so in the log now and then. Says whether it is nothing.
    pub fn look(&mut self) -> bool {
        let awaited = self.readiness.awaited();
        for known in self.awaited.iter().filter(|known| awaited.iter().all(|other| other.name != known.name)) {
            info!("{}: everything it has is known", known.name);
        }
        self.news |= awaited != self.awaited;
        self.awaited = awaited;
        let now = Instant::now();
        if !self.awaited.is_empty() && now >= self.due {
            self.due = now + self.pause;
            self.pause = (self.pause * RARER).min(RAREST);
            for Awaited { name, why, .. } in &self.awaited {
                warn!("waiting for {name}, for {} now: {why}", age(self.since.elapsed()));
            }
        }
        let is_ready = self.awaited.is_empty();
        if is_ready {
            self.readiness.since.get_or_init(Timestamp::now);
        }
        is_ready
    }

    /// Whether it is something else than the last time that was asked.
    pub fn has_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// What is waited for and since when, for people.
    pub fn status(&self) -> String {
        let sources: Vec<_> = self.awaited.iter().map(|awaited| format!("{}: {}", awaited.name, awaited.why)).collect();
        format!("what is known is served; waiting since {:.0} for {}", self.began, sources.join("; "))
    }
}
