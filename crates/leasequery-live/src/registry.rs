//! How each part of a daemon is: the one place that status, metrics and readiness read.
//!
//! A part has an entry for as long as it holds its [`Part`]. What can be down, late or full says so there with
//! [`Part::set`], when it changes; what can be counted is looked at only when somebody asks, through the closure given to
//! [`Part::show`]. So a part costs nothing while nobody looks, and nobody who looks holds it up.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use leasequery_record::Protocol;

/// What a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Where leases come from.
    Source,
    /// Where queries come to.
    Listener,
    /// Somebody who asks, for as long as he is connected.
    Requestor,
    /// Where what is known goes to.
    Outlet,
    /// The durable copy of a store.
    StateDir,
    /// A certificate of this side.
    Certificate,
}

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// As it should be.
    Well,
    /// It has not begun to be of use yet.
    Waiting,
    /// Of use, but not as it should be.
    Degraded,
    /// Of no use at the moment.
    Down,
}

/// How a part is, since when, and what there is to say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// How it is.
    pub state: State,
    /// For people: why it is so, or what it does. May be empty.
    pub word: String,
    /// Since when.
    pub since: Timestamp,
}

/// What can be said of a part in a number or a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// What only grows, from 0 at the start of the daemon.
    Count(u64),
    /// What goes up and down.
    Level(u64),
    /// A duration.
    Seconds(f64),
    /// Octets, going up and down.
    Octets(u64),
    /// Octets, only growing.
    OctetCount(u64),
    /// A moment.
    Time(Timestamp),
    /// For people.
    Text(String),
}

/// One of the things that can be said of a part.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What it is called, in words with `-` between them. The same name means the same thing in all parts of a kind.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// How much, or what.
    pub value: Value,
}

impl Figure {
    /// By its name.
    pub fn new(name: &'static str, help: &'static str, value: Value) -> Self {
        Self { name, help, value }
    }
}

/// What is known of a part at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What it is.
    pub kind: Kind,
    /// How it is called in logs.
    pub name: String,
    /// Whose leases it is about; `None` is both.
    pub protocol: Option<Protocol>,
    /// How it is.
    pub condition: Condition,
    /// What else there is to say.
    pub figures: Vec<Figure>,
}

/// All parts. Clones are the same registry.
#[derive(Debug, Clone, Default)]
pub struct Registry(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    parts: BTreeMap<(Kind, u64), Arc<Entry>>,
    next: u64,
}

type Look<T> = Box<dyn Fn() -> T + Send + Sync>;
type Judge = Box<dyn Fn(&mut Condition) + Send + Sync>;

/// What is waited for before everything is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// The part.
    pub name: String,
    /// Why it is waited for.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
}

/// How to find out for what a part is waited, and since when there has been something.
struct Wait {
    look: Look<Option<String>>,
    since: Option<Timestamp>,
}

/// What is there of a part.
struct Entry {
    kind: Kind,
    name: String,
    protocol: Option<Protocol>,
    condition: Mutex<Condition>,
    figures: Mutex<Option<Look<Vec<Figure>>>>,
    awaited: Mutex<Option<Wait>>,
    /// What has to be said of it before what it says itself.
    judge: Mutex<Option<Judge>>,
}

/// The entry of a part, which goes with it.
#[derive(Debug)]
pub struct Part {
    registry: Registry,
    key: (Kind, u64),
    entry: Arc<Entry>,
}

impl Registry {
    /// Enters a part, which is waiting until it says otherwise.
    pub fn enter(&self, kind: Kind, name: impl Into<String>, protocol: Option<Protocol>) -> Part {
        let condition = Condition { state: State::Waiting, word: String::new(), since: Timestamp::now() };
        let entry = Arc::new(Entry {
            kind,
            name: name.into(),
            protocol,
            condition: Mutex::new(condition),
            figures: Mutex::new(None),
            awaited: Mutex::new(None),
            judge: Mutex::new(None),
        });
        let mut entries = self.entries();
        let key = (kind, entries.next);
        entries.next += 1;
        entries.parts.insert(key, Arc::clone(&entry));
        drop(entries);
        Part { registry: self.clone(), key, entry }
    }

    /// What is known of all parts of a kind, in the order in which they were entered.
    pub fn reports(&self, kind: Kind) -> Vec<Report> {
        self.parts(kind).iter().map(|part| part.report()).collect()
    }

    /// How all parts of a kind are, in that order: their names, protocols and conditions.
    pub fn conditions(&self, kind: Kind) -> Vec<(String, Option<Protocol>, Condition)> {
        self.parts(kind).iter().map(|part| (part.name.clone(), part.protocol, part.condition())).collect()
    }

    /// Nobody who enters or leaves waits for what is looked at in them.
    fn parts(&self, kind: Kind) -> Vec<Arc<Entry>> {
        self.entries().parts.range((kind, 0)..=(kind, u64::MAX)).map(|(_, part)| part.clone()).collect()
    }

    /// What is waited for.
    pub fn awaited(&self) -> Vec<Awaited> {
        let parts: Vec<_> = self.entries().parts.values().cloned().collect();
        parts.iter().filter_map(|part| part.awaited()).collect()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// Says how it is. That it is still so changes nothing.
    pub fn set(&self, state: State, word: impl Into<String>) {
        let word = word.into();
        let mut condition = lock(&self.entry.condition);
        if condition.state != state {
            *condition = Condition { state, word, since: Timestamp::now() };
        } else if condition.word != word {
            condition.word = word;
        }
    }

    /// Says how to find out what else there is to say. It must not wait.
    pub fn show(&self, figures: impl Fn() -> Vec<Figure> + Send + Sync + 'static) {
        *lock(&self.entry.figures) = Some(Box::new(figures));
    }

    /// Says how to find out for what the part is still waited, if it is. It must not wait.
    pub fn await_by(&self, awaited: impl Fn() -> Option<String> + Send + Sync + 'static) {
        *lock(&self.entry.awaited) = Some(Wait { look: Box::new(awaited), since: None });
    }

    /// Says who knows better how the part is than it does itself. That must not wait.
    pub fn judge_by(&self, judge: impl Fn(&mut Condition) + Send + Sync + 'static) {
        *lock(&self.entry.judge) = Some(Box::new(judge));
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.registry.entries().parts.remove(&self.key);
    }
}

impl Entry {
    fn awaited(&self) -> Option<Awaited> {
        let mut awaited = lock(&self.awaited);
        let Wait { look, since } = awaited.as_mut()?;
        match look() {
            Some(why) => {
                Some(Awaited { name: self.name.clone(), why, since: *since.get_or_insert_with(Timestamp::now) })
            }
            None => {
                *since = None;
                None
            }
        }
    }

    fn condition(&self) -> Condition {
        if let Some(Awaited { why, since, .. }) = self.awaited() {
            return Condition { state: State::Waiting, word: why, since };
        }
        let mut condition = lock(&self.condition).clone();
        if let Some(judge) = lock(&self.judge).as_ref() {
            judge(&mut condition);
        }
        condition
    }

    fn report(&self) -> Report {
        let condition = self.condition();
        let figures = lock(&self.figures).as_ref().map(|figures| figures()).unwrap_or_default();
        Report { kind: self.kind, name: self.name.clone(), protocol: self.protocol, condition, figures }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: u64) -> Figure {
        Figure { name: "rows", help: "Rows read", value: Value::Count(value) }
    }

    #[test]
    fn a_part_is_there_as_long_as_it_is_held() {
        let registry = Registry::default();
        let part = registry.enter(Kind::Source, "one", Some(Protocol::V4));
        let other = registry.enter(Kind::Outlet, "two", None);
        let names = |kind| registry.reports(kind).into_iter().map(|report| report.name).collect::<Vec<_>>();
        assert_eq!((names(Kind::Source), names(Kind::Outlet)), (vec!["one".into()], vec!["two".into()]));
        drop(part);
        assert_eq!((names(Kind::Source).len(), names(Kind::Outlet).len()), (0, 1));
        drop(other);
    }

    #[test]
    fn how_it_is_counts_from_when_it_came_to_be_so() {
        let registry = Registry::default();
        let part = registry.enter(Kind::Source, "one", None);
        let condition = || registry.reports(Kind::Source).remove(0).condition;
        assert_eq!(condition().state, State::Waiting);
        part.set(State::Down, "no connection");
        let since = condition().since;
        part.set(State::Down, "refused");
        assert_eq!(condition(), Condition { state: State::Down, word: "refused".into(), since });
        part.set(State::Well, "");
        assert!(condition().since >= since && condition().state == State::Well);
    }

    #[test]
    fn who_knows_better_goes_before_what_the_part_says() {
        let registry = Registry::default();
        let part = registry.enter(Kind::Source, "one", None);
        part.set(State::Well, "following");
        let awaited = Arc::new(Mutex::new(Some("no such file".to_owned())));
        part.await_by({
            let awaited = Arc::clone(&awaited);
            move || lock(&awaited).clone()
        });
        part.judge_by(|condition| condition.word.push_str(", with a remark"));
        part.show(|| vec![figure(3)]);
        let report = registry.reports(Kind::Source).remove(0);
        assert_eq!((report.condition.state, &*report.condition.word), (State::Waiting, "no such file"));
        assert_eq!(report.figures, [figure(3)]);
        *lock(&awaited) = None;
        let condition = registry.reports(Kind::Source).remove(0).condition;
        assert_eq!((condition.state, &*condition.word), (State::Well, "following, with a remark"));
    }
}
