//! The requestor comes back with the highest base-time it saw and expects everything since (RFC 7724 section 7.3). So no
//! message may have a later one than the oldest change that has not been told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use leasequery_protocol::server::{Active, Notice, Policy, Progress, Query, Wording};
use leasequery_store::{Binding, Budget, Revision, Settings, SourceId, State, Store, Time, Update, V4Key};
use proptest::prelude::*;

use crate::support::*;

/// A message.
#[derive(Debug, Clone, Copy)]
struct Word {
    base_time: Time,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Binding(V4Key, Revision),
    Notice(Notice),
}

/// Writes down what is said; each message takes ten octets.
#[derive(Debug, Default, Clone)]
struct Recorder(Rc<RefCell<Vec<Word>>>);

impl Recorder {
    fn say(&mut self, base_time: Time, what: What, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0; 10]);
        self.0.borrow_mut().push(Word { base_time, what });
    }
}

impl Wording<V4Key> for Recorder {
    fn xid(&self) -> u32 {
        7
    }

    fn binding(
        &mut self,
        binding: Binding<'_, V4Key>,
        base_time: Time,
        _: &Store<V4Key>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        self.say(base_time, What::Binding(binding.key(), binding.revision()), out);
        Ok(())
    }

    fn notice(&mut self, notice: Notice, base_time: Time, _: &str, out: &mut Vec<u8>) {
        self.say(base_time, What::Notice(notice), out);
    }

    fn set_policy(&mut self, _: &Arc<Policy>) -> Result<bool, &'static str> {
        Ok(false)
    }

    fn replies(&self) -> u64 {
        0
    }
}

/// A change of a binding.
#[derive(Debug, Clone, Copy)]
struct Change {
    revision: Revision,
    time: Time,
}

/// A server, a requestor that comes back whenever the connection ends, and what each of them knows.
struct Pair {
    store: Store<V4Key>,
    source: SourceId,
    words: Recorder,
    query: Active<Recorder>,
    /// The latest change of each binding, forgotten ones included.
    latest: BTreeMap<V4Key, Change>,
    /// How far `latest` goes.
    seen: Revision,
    /// The change of each binding that was told last.
    told: BTreeMap<V4Key, Revision>,
    /// Where the requestor resumes.
    resume: Time,
    catching_up: bool,
    /// The highest base-time of this connection.
    highest: Time,
}

impl Pair {
    fn new(history: u32) -> Self {
        let mut store = Store::new(Settings { history, ..Settings::default() });
        store.advance(NOW);
        let source = store.source("test").unwrap();
        let words = Recorder::default();
        let query = Active::new(words.clone(), None, &store);
        Self {
            store,
            source,
            words,
            query,
            latest: BTreeMap::new(),
            seen: Revision::default(),
            told: BTreeMap::new(),
            resume: NOW,
            catching_up: false,
            highest: Time::default(),
        }
    }

    /// Remembers what changed before it can be forgotten.
    fn notice_changes(&mut self) {
        for binding in self.store.changes(self.seen, &Budget::unlimited()) {
            self.latest.insert(binding.key(), Change { revision: binding.revision(), time: binding.changed() });
        }
        self.seen = self.store.revision();
    }

    fn later(&mut self, seconds: u32) {
        // One second after the other, so that nothing expires and is forgotten unseen.
        for _ in 0..seconds {
            self.store.advance(self.store.now().plus(1));
            self.notice_changes();
        }
    }

    fn commit(&mut self, number: u32, state: State, expires: u32) {
        let expires = Some(self.store.now().plus(expires));
        self.store.commit(self.source, &Update { expires, ..Update::new(key(number), state) });
        self.notice_changes();
    }

    /// The requestor receives what was said, or its beginning, and may lose the rest with the connection.
    fn receive(&mut self, limit: usize) -> Result<(), TestCaseError> {
        let words = self.words.0.take();
        for word in words.into_iter().take(limit) {
            prop_assert!(word.base_time >= self.highest, "base-times never decrease: {word:?}");
            prop_assert!(word.base_time <= self.store.now());
            self.highest = word.base_time;
            match word.what {
                What::Binding(key, revision) => {
                    let change = self.latest[&key];
                    prop_assert_eq!(change.revision, revision, "as it is now");
                    prop_assert!(self.told.insert(key, revision).is_none_or(|told| told <= revision));
                }
                What::Notice(Notice::CatchUpComplete) => {
                    prop_assert!(self.catching_up);
                    self.catching_up = false;
                }
                What::Notice(Notice::DataMissing) => {
                    prop_assert!(self.catching_up);
                    self.catching_up = false;
                    prop_assert_eq!(word.base_time, self.store.now());
                    // The requestor asks for them in bulk.
                    self.told.extend(self.latest.iter().map(|(key, change)| (*key, change.revision)));
                }
                What::Notice(Notice::ConnectionActive | Notice::QueryTerminated) => {}
            }
            if !self.catching_up {
                self.resume = self.resume.max(word.base_time);
            }
            // Even for requestors that do not wait for the end of catching up.
            let resume = self.resume.max(word.base_time);
            for (key, change) in &self.latest {
                let told = self.told.get(key) == Some(&change.revision);
                prop_assert!(told || change.time >= resume, "{key:?} changed at {} and is not told", change.time);
            }
        }
        Ok(())
    }

    fn turn(&mut self, room: usize, examine: usize, limit: usize) -> Result<Progress, TestCaseError> {
        let mut out = Vec::new();
        let progress = self.query.advance(&self.store, &mut out, room, &Budget::new(examine));
        if limit < out.len() / 10 {
            self.receive(limit)?;
            self.come_back();
            return Ok(Progress::More);
        }
        self.receive(limit)?;
        if let Progress::Failed(reason) = &progress {
            self.query.terminate(&self.store, &mut out, reason);
            self.receive(usize::MAX)?;
            self.come_back();
            return Ok(Progress::More);
        }
        Ok(progress)
    }

    fn come_back(&mut self) {
        self.words = Recorder::default();
        self.query = Active::new(self.words.clone(), Some(self.resume), &self.store);
        self.catching_up = true;
        self.highest = Time::default();
    }

    /// That in the end the requestor knows everything.
    fn finish(mut self) -> Result<(), TestCaseError> {
        while self.turn(usize::MAX, usize::MAX, usize::MAX)? != Progress::Waiting {}
        prop_assert!(!self.catching_up);
        for (key, change) in &self.latest {
            prop_assert_eq!(self.told.get(key), Some(&change.revision));
        }
        self.query.keep_alive(&self.store, &mut Vec::new());
        self.receive(usize::MAX)?;
        prop_assert_eq!(self.resume, self.store.now(), "nothing keeps the resume point back");
        Ok(())
    }
}

#[derive(Debug, Clone)]
enum Happening {
    Commit {
        number: u32,
        state: State,
        expires: u32,
    },
    Later(u32),
    /// `limit` messages arrive; if it is fewer than were said, the connection breaks there.
    Turn {
        room: usize,
        examine: usize,
        limit: usize,
    },
    KeepAlive,
    Terminate,
    Break,
}

fn happening() -> impl Strategy<Value = Happening> {
    let states = [State::Active, State::Active, State::Released, State::Available, State::Abandoned];
    let commit = (0_u32..12, prop::sample::select(states.to_vec()), 1_u32..30);
    let limit = prop_oneof![9 => Just(usize::MAX), 1 => 0_usize..4];
    prop_oneof![
        10 => commit.prop_map(|(number, state, expires)| Happening::Commit { number, state, expires }),
        4 => (0_u32..4).prop_map(Happening::Later),
        1 => (4_u32..40).prop_map(Happening::Later),
        // A few messages, so that the cursor is always behind.
        5 => (1_usize..40, 0_usize..6, limit).prop_map(|(room, examine, limit)| Happening::Turn { room, examine, limit }),
        1 => Just(Happening::KeepAlive),
        1 => Just(Happening::Terminate),
        1 => Just(Happening::Break),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    //= rfc7724-7.3-08
    //= rfc7724-7.4-10
    //= rfc7724-7.4.1-01
    #[test]
    fn whoever_resumes_at_the_highest_base_time_misses_nothing(
        history in 1_u32..60,
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        let mut pair = Pair::new(history);
        for happening in happenings {
            match happening {
                Happening::Commit { number, state, expires } => pair.commit(number, state, expires),
                Happening::Later(seconds) => pair.later(seconds),
                Happening::Turn { room, examine, limit } => { pair.turn(room, examine, limit)?; }
                Happening::KeepAlive => {
                    pair.query.keep_alive(&pair.store, &mut Vec::new());
                    pair.receive(usize::MAX)?;
                }
                Happening::Terminate => {
                    pair.query.terminate(&pair.store, &mut Vec::new(), "over");
                    pair.receive(usize::MAX)?;
                    pair.come_back();
                }
                Happening::Break => pair.come_back(),
            }
        }
        pair.finish()?;
    }
}
