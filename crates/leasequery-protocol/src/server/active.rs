use std::sync::Arc;

use leasequery_store::{About, Binding, Budget, Key, Revision, Store, Time, Unknown};

use super::{Policy, Progress, Query, Scope, Shed};

/// What is said in an active response besides the bindings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Nothing has changed for a while (RFC 7724 section 7.4).
    ConnectionActive,
    /// Everything that changed since query-start-time has been told (RFC 7724 section 8.2).
    CatchUpComplete,
    /// Not everything that changed since query-start-time can be told (RFC 7724 section 7.4.1).
    DataMissing,
    /// The last words (RFC 7724 section 7.4).
    QueryTerminated,
}

/// How a protocol words an active response to one requestor.
pub trait Wording<K: Key> {
    /// Transaction id of the query.
    fn xid(&self) -> u32;

    /// Appends the message about a binding, with all times counted from `base_time`, unless the requestor may not be
    /// told of it or did not ask for it. An error says why it cannot be told.
    fn binding(
        &mut self,
        binding: Binding<'_, K>,
        base_time: Time,
        store: &Store<K>,
        out: &mut Vec<u8>,
    ) -> Result<(), String>;

    /// Appends what begins the response, if it has not begun: there is nothing to tell yet.
    fn begin(&mut self, _base_time: Time, _out: &mut Vec<u8>) {}

    /// Why not everything that was asked for is known, if so.
    fn unknown<'s>(&self, store: &'s Store<K>) -> Option<Unknown<'s>> {
        store.unknown(About::Bindings, &[])
    }

    /// Appends a notice. `text` is for people, and may be empty.
    fn notice(&mut self, notice: Notice, base_time: Time, text: &str, out: &mut Vec<u8>);

    /// See [`Query::set_policy`]. Says whether the requestor may be told more than before.
    fn set_policy(&mut self, policy: &Arc<Policy>) -> Result<bool, &'static str>;

    /// Whether the requestor may be told so much more since this time that everything is news to it.
    fn is_news_since(&self, _since: Time) -> bool {
        false
    }

    /// How many bindings have been told of.
    fn replies(&self) -> u64;

    /// See [`Query::take_shed`].
    fn take_shed(&mut self) -> Vec<Shed> {
        Vec::new()
    }
}

/// An active query being answered: a cursor into the order of changes. Catching up is the same cursor, started further
/// back. Nothing is queued: what changes again before the cursor comes to it is told once, as it is then (RFC 7724
/// section 6).
#[derive(Debug)]
pub struct Active<W> {
    wording: W,
    /// Everything up to here has been told.
    cursor: Revision,
    catch_up: CatchUp,
    /// It was asked for what changed since a time, too.
    catches_up: bool,
    again: Again,
    /// The latest base-time that was said, or the time of the query.
    base_time: Time,
    /// The era of the store's clock in which it was asked. In another one times mean something else.
    era: u32,
}

/// Whether what was told is told again, because the requestor may be told more of it. Until that is done no message has a
/// later base-time than when it began: whoever comes back with that is told everything then ([`Policy::widened`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// It is not.
    No,
    /// It is yet to begin.
    Wanted,
    /// What changed up to here, and had been told, is told with this base-time.
    Until(Revision, Time),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CatchUp {
    /// It cannot be done, which is yet to be said.
    Missing,
    /// It cannot be complete yet, because not everything that was asked for is known.
    Held,
    /// It is complete once everything up to here has been told.
    Until(Revision),
    /// It was not asked for, or has come to an end.
    Over,
}

/// How many entries are looked at to find the oldest change that is untold.
const UNTOLD: usize = 1024;

impl<W> Active<W> {
    /// Begins with what changes from now on, or with what changed at `since` or later.
    pub fn new<K: Key>(wording: W, since: Option<Time>, store: &Store<K>) -> Self
    where
        W: Wording<K>,
    {
        let now = store.now();
        let (cursor, catch_up) = match since {
            None => (store.revision(), CatchUp::Over),
            Some(since) if !store.reaches(since) => (store.revision(), CatchUp::Missing),
            Some(since) if wording.is_news_since(since) => (store.forgotten_up_to(), CatchUp::Until(store.revision())),
            // What has been forgotten changed before that time.
            Some(since) => (store.revision_at(since).max(store.forgotten_up_to()), CatchUp::Until(store.revision())),
        };
        let base_time = since.map_or(now, |since| since.min(now));
        let catches_up = since.is_some();
        Self { wording, cursor, catch_up, catches_up, again: Again::No, base_time, era: store.era() }
    }

    fn notice<K: Key>(&mut self, notice: Notice, base_time: Time, text: &str, out: &mut Vec<u8>)
    where
        W: Wording<K>,
    {
        self.base_time = base_time;
        self.wording.notice(notice, base_time, text, out);
    }

    /// Until when everything has been told: the time of the oldest change that has not been, or now if there is none.
    /// The requestor comes back with the highest base-time it saw and expects everything since, so no message may have
    /// a later one.
    fn told_until<K: Key>(&self, store: &Store<K>) -> Time {
        if let Again::Until(_, time) = self.again {
            return time;
        }
        let lost = store.forgotten_up_to() > self.cursor || store.era() != self.era;
        if self.catch_up == CatchUp::Missing || lost {
            return self.base_time;
        }
        let budget = Budget::new(UNTOLD);
        let mut changes = store.changes(self.cursor, &budget);
        match changes.next() {
            Some(binding) => binding.changed(),
            None if changes.is_over() => store.now(),
            // Nobody has time to find out.
            None => self.base_time,
        }
    }
}

impl<K: Key, W: Wording<K>> Query<K> for Active<W> {
    fn xid(&self) -> u32 {
        self.wording.xid()
    }

    fn is_active(&self) -> bool {
        true
    }

    fn scope(&self) -> Scope {
        if self.catches_up { Scope::CatchUp } else { Scope::Changes }
    }

    fn advance(&mut self, store: &Store<K>, out: &mut Vec<u8>, room: usize, budget: &Budget) -> Progress {
        if self.again == Again::Wanted {
            // What cannot be caught up with is asked for in bulk.
            self.again = match self.catch_up {
                CatchUp::Missing => Again::No,
                _ => Again::Until(self.cursor, self.told_until(store)),
            };
            if self.again != Again::No {
                self.cursor = Revision::default();
            }
        }
        if let Again::Until(until, _) = self.again {
            // What ended and was forgotten it had been told, as far as it might be told.
            self.cursor = self.cursor.max(store.forgotten_up_to().min(until));
        }
        match self.catch_up {
            CatchUp::Held | CatchUp::Until(_) if self.wording.unknown(store).is_some() => self.catch_up = CatchUp::Held,
            // Whatever was learned of it is told before that is called everything.
            CatchUp::Held => self.catch_up = CatchUp::Until(store.revision()),
            _ => {}
        }
        let lost = store.forgotten_up_to() > self.cursor;
        let missing = match self.catch_up {
            CatchUp::Missing => Some("the history does not reach back to that time"),
            CatchUp::Held | CatchUp::Until(_) if lost => Some("the history was lost while catching up"),
            // There is no word for this once nothing is being caught up with. When the requestor comes back it will be
            // told that data are missing.
            CatchUp::Over if lost => {
                return Progress::Failed("changes were forgotten before they could be sent".to_owned());
            }
            _ => None,
        };
        if let Some(text) = missing {
            // What changed until now is the requestor's to ask for (RFC 7724 section 7.4.1).
            self.catch_up = CatchUp::Over;
            self.cursor = store.revision();
            self.notice(Notice::DataMissing, store.now(), text, out);
        }

        let mut untold = store.changes(self.cursor, budget);
        for binding in untold.by_ref() {
            if matches!(self.again, Again::Until(until, _) if binding.revision() > until) {
                self.again = Again::No;
            }
            let changed = match self.again {
                Again::Until(_, time) => time,
                Again::No | Again::Wanted => binding.changed(),
            };
            let latest = binding.revision() == store.revision() && self.again == Again::No;
            let base_time = if latest { store.now() } else { changed };
            if matches!(self.catch_up, CatchUp::Until(until) if binding.revision() > until) {
                self.catch_up = CatchUp::Over;
                self.notice(Notice::CatchUpComplete, changed, "", out);
            }
            if out.len() >= room {
                return Progress::More;
            }
            if let Err(problem) = self.wording.binding(binding, base_time, store, out) {
                return Progress::Failed(problem);
            }
            self.base_time = base_time;
            self.cursor = binding.revision();
        }
        if !untold.is_over() {
            self.cursor = untold.cursor();
            return Progress::More;
        }
        self.cursor = store.revision();
        self.again = Again::No;
        if matches!(self.catch_up, CatchUp::Until(_)) {
            self.catch_up = CatchUp::Over;
            self.notice(Notice::CatchUpComplete, store.now(), "", out);
        }
        self.wording.begin(store.now(), out);
        Progress::Waiting
    }

    fn keep_alive(&mut self, store: &Store<K>, out: &mut Vec<u8>) {
        let base_time = self.told_until(store);
        self.notice(Notice::ConnectionActive, base_time, "", out);
    }

    fn terminate(&mut self, store: &Store<K>, out: &mut Vec<u8>, reason: &str) {
        let base_time = self.told_until(store);
        self.notice(Notice::QueryTerminated, base_time, reason, out);
    }

    fn told_up_to(&self) -> Option<Revision> {
        match self.again {
            Again::Until(until, _) => Some(until.max(self.cursor)),
            Again::No | Again::Wanted => Some(self.cursor),
        }
    }

    fn set_policy(&mut self, policy: &Arc<Policy>) -> Result<(), &'static str> {
        if self.wording.set_policy(policy)? {
            match self.again {
                Again::Until(..) => self.cursor = Revision::default(),
                Again::No | Again::Wanted => self.again = Again::Wanted,
            }
        }
        Ok(())
    }

    fn replies(&self) -> u64 {
        self.wording.replies()
    }

    fn take_shed(&mut self) -> Vec<Shed> {
        self.wording.take_shed()
    }
}
