//! What is waited for before everything is known.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use leasequery_store::{Key, Store};
use tracing::{info, warn};

use crate::Stores;
use crate::age;

/// The sources that have never been read as a whole, and why.
#[derive(Debug)]
pub struct Waiting {
    stores: Stores,
    since: Instant,
    began: Timestamp,
    /// Name and reason.
    sources: Vec<(String, String)>,
    news: bool,
    /// When it is told next, and how long after that.
    due: Instant,
    pause: Duration,
}

/// How long a source may take before that is worth a word.
const PATIENCE: Duration = Duration::from_secs(1);
/// How much rarer it is told each time, and how rarely at last.
const RARER: u32 = 10;
const RAREST: Duration = Duration::from_hours(1);

impl Waiting {
    /// For what these stores wait.
    pub fn new(stores: Stores) -> Self {
        let since = Instant::now();
        let (due, pause) = (since + PATIENCE, Duration::from_mins(1));
        Self { stores, since, began: Timestamp::now(), sources: Vec::new(), news: false, due, pause }
    }

    /// Looks what is still waited for, and says so in the log now and then. Says whether it is nothing.
    pub fn look(&mut self) -> bool {
        let mut sources = self.stores.v4.read(awaited);
        sources.extend(self.stores.v6.read(awaited));
        for (name, _) in self.sources.iter().filter(|(name, _)| sources.iter().all(|(other, _)| other != name)) {
            info!("{name}: everything it has is known");
        }
        self.news |= sources != self.sources;
        self.sources = sources;
        let now = Instant::now();
        if !self.sources.is_empty() && now >= self.due {
            self.due = now + self.pause;
            self.pause = (self.pause * RARER).min(RAREST);
            for (name, why) in &self.sources {
                warn!("waiting for {name}, for {} now: {why}", age(self.since.elapsed()));
            }
        }
        self.sources.is_empty()
    }

    /// Whether it is something else than the last time that was asked.
    pub fn has_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// What is waited for and since when, for people.
    pub fn status(&self) -> String {
        let sources: Vec<_> = self.sources.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        format!("what is known is served; waiting since {:.0} for {}", self.began, sources.join("; "))
    }
}

fn awaited<K: Key>(store: &Store<K>) -> Vec<(String, String)> {
    store.awaited().map(|unknown| (unknown.source.to_owned(), unknown.why.to_owned())).collect()
}
