use std::collections::HashMap;

use crate::attributes::link_octets;
use crate::commit::{Indexed, Indexes, identifier};
use crate::coverage::Coverage;
use crate::doubt::Times;
use crate::era::Eras;
use crate::links::Links;
use crate::marks::Marks;
use crate::network::Networks;
use crate::recency::Recency;
use crate::records::Records;
use crate::scan::{Changes, List};
use crate::siblings::Siblings;
use crate::timers::Timers;
use crate::vouch::Asked;
use crate::vpn::Vpns;
use crate::witness::{Lists, Witnesses};
use crate::{Binding, Budget, Key, KeyMap, Network, Place, Revision, Scan, Selector, Time, Update, VpnIndex, VpnRange};

/// Number of a source in this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SourceId(pub u8);

impl SourceId {
    /// No source has this number.
    pub const NOBODY: Self = Self(u8::MAX);
}

/// How much of the past is kept.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// For how many seconds ended bindings are kept.
    pub history: u32,
    /// How many ended bindings are kept at most: time alone is no bound when addresses come and go fast.
    pub max_ended: usize,
    /// Whether somebody keeps a durable copy and takes the keys of forgotten bindings
    /// ([`Store::take_forgotten`]).
    pub durable: bool,
    /// Whether states end by themselves when their time has come; not in a store that only knows what others tell of.
    pub expire: bool,
}

impl Default for Settings {
    /// A day, ten million, no durable copy; states end by themselves.
    fn default() -> Self {
        Self { history: 24 * 60 * 60, max_ended: 10_000_000, durable: false, expire: true }
    }
}

/// What became of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The store knew all of it already, or better.
    Unchanged,
    /// It is the latest change now.
    Committed(Revision),
    /// Its attributes are more than 65,535 octets, which no reply could carry, or the store is full.
    Refused,
}

/// How much there is of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Bindings, ended ones included.
    pub bindings: usize,
    /// Bindings in state active.
    pub active: usize,
    /// Configured addresses.
    pub configured: u64,
    /// Entries of the recency log, those that no longer count included.
    pub log: usize,
    /// Octets taken for the variable parts.
    pub arena: usize,
    /// Different lists of sources that say something of a binding.
    pub lists: usize,
    /// Words of sources that were not remembered beside better ones, because there were too many such lists.
    pub dropped_witnesses: u64,
}

/// The budget of what is done whenever the clock is moved.
const BITE: usize = 4096;

/// The bindings of one protocol.
#[derive(Debug)]
pub struct Store<K: Key> {
    pub(crate) settings: Settings,
    pub(crate) now: Time,
    /// See [`Store::wall`].
    pub(crate) wall: Time,
    pub(crate) eras: Eras,
    /// See [`Store::steps`].
    pub(crate) steps: u32,
    /// The record from which on it is still to be undone what the clock of an earlier era did.
    pub(crate) unsettled: Option<u32>,
    pub(crate) revision: Revision,
    pub(crate) floor: Time,
    /// The latest change among those of bindings that were forgotten.
    pub(crate) forgotten_up_to: Revision,
    pub(crate) records: Records<K>,
    pub(crate) map: K::Map,
    pub(crate) indexes: Indexes<K>,
    pub(crate) recency: Recency,
    pub(crate) timers: Timers,
    /// Ended bindings in the order of their last changes; an entry counts while its record is at that revision.
    pub(crate) ended: Recency,
    /// How many bindings are over: they alone count against the limit.
    pub(crate) over: usize,
    pub(crate) networks: Networks<K>,
    /// Of DHCPv6; there are none otherwise.
    pub(crate) links: Links,
    pub(crate) siblings: Siblings,
    /// The records that are, or were, among very many with one identifier.
    pub(crate) crowded: Marks,
    pub(crate) vpns: Vpns,
    pub(crate) sources: Vec<Source>,
    /// How many of them are awaited, and how often it has changed what of them is known.
    pub(crate) unknown_sources: usize,
    pub(crate) coverage_generation: u64,
    pub(crate) lists: Lists,
    /// How often a source has had to be asked again.
    pub(crate) asks: u64,
    /// What former clients had, by the addresses.
    pub(crate) formers: HashMap<K, Vec<u32>, foldhash::fast::RandomState>,
    /// Where the durable copy has what was forgotten.
    pub(crate) forgotten: Vec<Place<K>>,
    pub(crate) active: usize,
    /// The packed attributes of the update at hand.
    pub(crate) scratch: Vec<u8>,
}

/// What is known of a source.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) position: Option<Vec<u8>>,
    /// Counts its sweeps.
    pub(crate) epoch: u8,
    pub(crate) coverage: Coverage,
    /// The number of the list of nobody but it, in the sweep of now.
    pub(crate) alone: u16,
    pub(crate) asked: Asked,
    pub(crate) times: Times,
}

impl<K: Key> Store<K> {
    /// An empty store. Its clock starts with the first [`advance`](Self::advance).
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            now: Time::default(),
            wall: Time::default(),
            eras: Eras::default(),
            steps: 0,
            unsettled: None,
            revision: Revision::default(),
            floor: Time::default(),
            forgotten_up_to: Revision::default(),
            records: Records::new(),
            map: K::Map::default(),
            indexes: Indexes::new(),
            recency: Recency::default(),
            timers: Timers::default(),
            ended: Recency::default(),
            over: 0,
            networks: Networks::new(),
            links: Links::default(),
            siblings: Siblings::default(),
            crowded: Marks::default(),
            vpns: Vpns::default(),
            sources: Vec::new(),
            unknown_sources: 0,
            coverage_generation: 0,
            lists: Lists::new(),
            asks: 0,
            formers: HashMap::default(),
            forgotten: Vec::new(),
            active: 0,
            scratch: Vec::new(),
        }
    }

    /// Sets the clock to what that of the machine says. The store's own never runs back within an [era](Self::era): it
    /// waits for one that was set back by some seconds, and one that was set back further begins a new era. Leases whose
    /// time has come expire, and ended bindings older than the history are forgotten: a bite of them. If there is more to
    /// do, it is [behind](Self::is_behind), or the [next deadline](Self::next_deadline) has passed. Returns how many
    /// bindings changed by themselves.
    pub fn advance(&mut self, wall: Time) -> usize {
        const SETTLED_AT_ONCE: u32 = 1024;
        let is_new_second = wall != self.wall;
        self.set_clock(wall);
        let budget = Budget::new(BITE);
        let mut changed = self.settle(SETTLED_AT_ONCE);
        while !budget.is_spent()
            && let Some((due, numbers)) = self.timers.take_due(self.wall)
        {
            budget.spend(numbers.len());
            for number in numbers {
                changed += usize::from(self.expire(number, due));
            }
        }
        self.forget_ended(&budget);
        if is_new_second {
            self.tidy_vpns(&budget);
        }
        changed
    }

    /// Whether there are leases whose time has come and that are not noted to have expired yet.
    pub fn is_behind(&self) -> bool {
        self.timers.first().is_some_and(|due| due <= self.wall)
    }

    /// Whether [`advance`](Self::advance) has left something to do.
    pub fn is_due(&self) -> bool {
        !self.is_settled() || self.next_deadline().is_some_and(|due| due <= self.wall.min(self.now))
    }

    /// When [`advance`](Self::advance) has something to do next.
    pub fn next_deadline(&self) -> Option<Time> {
        if !self.is_settled() {
            return Some(self.now);
        }
        let forget =
            self.ended.first().map(|(_, number)| self.records.get(number).changed.plus(self.settings.history).plus(1));
        [self.timers.first(), forget].into_iter().flatten().min()
    }

    /// How much of the past is kept.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The store's clock, in which changes are ordered and base-times are given.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The latest commit.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Changes before this time may be missing: bindings that ended then have been forgotten, or were never seen.
    pub fn history_floor(&self) -> Time {
        self.floor
    }

    /// The latest change among those of bindings that have been forgotten since the store was made or restored. A cursor
    /// into the changes that stands before it has missed something.
    pub fn forgotten_up_to(&self) -> Revision {
        self.forgotten_up_to
    }

    /// Gives up the past: changes before now may be missing. For a store whose last commits may have been lost after
    /// somebody was told of them.
    pub fn lose_history(&mut self) {
        self.floor = self.floor.max(self.now.plus(1));
    }

    /// Takes what a source says about an address. Where another source said better (RFC 6926 section 7.6) that stays, and
    /// nothing changes.
    pub fn commit(&mut self, source: SourceId, update: &Update<'_, K>) -> Outcome {
        match self.map.find(update.key) {
            Some(number) => self.hear(number, source, update),
            None if update.if_known => Outcome::Unchanged,
            None => self.add(source, update),
        }
    }

    /// Takes many updates, in order; the same as one [`commit`](Self::commit) after the other, but several times as
    /// fast, because the memory that a few of them need is fetched at the same time. Returns how many were committed
    /// and how many refused.
    pub fn commit_batch(&mut self, source: SourceId, updates: &[Update<'_, K>]) -> (usize, usize) {
        const WINDOW: usize = 32;
        let (mut committed, mut refused) = (0, 0);
        for window in updates.chunks(WINDOW) {
            self.touch(window);
            for update in window {
                match self.commit(source, update) {
                    Outcome::Committed(_) => committed += 1,
                    Outcome::Unchanged => {}
                    Outcome::Refused => refused += 1,
                }
            }
        }
        (committed, refused)
    }

    /// Remembers how far a source has been read. It becomes durable together with the commits before it.
    pub fn set_position(&mut self, source: SourceId, position: Vec<u8>) {
        if let Some(source) = self.sources.get_mut(usize::from(source.0)) {
            source.position = Some(position);
        }
    }

    /// How far a source has been read.
    pub fn position(&self, source: SourceId) -> Option<&[u8]> {
        self.sources.get(usize::from(source.0))?.position.as_deref()
    }

    /// The number of the source with this name, a new one if it has none; `None` when all 255 are taken.
    pub fn source(&mut self, name: &str) -> Option<SourceId> {
        let position = self.sources.iter().position(|source| source.name == name);
        match position {
            Some(position) => u8::try_from(position).ok().map(SourceId),
            None => self.add_source(name.to_owned(), None, Coverage::default()),
        }
    }

    /// Adds a source that is not there yet.
    pub(crate) fn add_source(
        &mut self,
        name: String,
        position: Option<Vec<u8>>,
        coverage: Coverage,
    ) -> Option<SourceId> {
        let id = u8::try_from(self.sources.len()).ok().map(SourceId).filter(|id| *id != SourceId::NOBODY)?;
        let alone = self.lists.hold(&Witnesses::alone(id, 0))?;
        self.sources.push(Source { name, position, epoch: 0, coverage, alone, asked: Asked::No, times: Times::Ours });
        Some(id)
    }

    /// The sources that the store knows, with their names. It forgets none of them.
    pub fn sources(&self) -> impl Iterator<Item = (SourceId, &str)> {
        (0..u8::MAX).map(SourceId).zip(self.sources.iter().map(|source| source.name.as_str()))
    }

    /// Replaces what one owner configured: a source, or `None`, who has the store. What is configured is what any of
    /// them did. Where addresses were configured before, by whomever, the earlier `since` holds.
    pub fn set_networks(&mut self, owner: Option<SourceId>, networks: &[Network<K>]) {
        self.networks.replace(owner, networks.to_vec());
    }

    /// What one owner configured, as ranges in key order that do not overlap.
    pub fn networks_of(&self, owner: Option<SourceId>) -> &[Network<K>] {
        self.networks.of(owner)
    }

    /// Whether an address is configured, by whomever.
    pub fn is_configured(&self, key: K) -> bool {
        self.networks.contains(key)
    }

    /// The binding of one address.
    pub fn lookup(&self, key: K) -> Option<Binding<'_, K>> {
        self.map.find(key).map(|number| self.records.binding(number))
    }

    /// What matches `selector`, in key order, from behind `after`. Bindings of any state are given, ended ones with the
    /// last client. What is passed over is work, too.
    pub fn scan<'s>(
        &'s self,
        selector: Selector<'_>,
        vpns: VpnRange,
        after: Option<K>,
        budget: &'s Budget,
    ) -> Scan<'s, K> {
        let all = (&self.records, &self.map, &self.siblings);
        // What is in the VPNs before may be much, and is not even walked over.
        let before = match vpns {
            VpnRange::One(VpnIndex(vpn)) => vpn.checked_sub(1).map(|previous| K::last_of(VpnIndex(previous))),
            VpnRange::All => None,
        };
        let after = after.max(before);
        let lists = match selector {
            Selector::All => return Scan::all(all, &self.networks, vpns, after, budget),
            Selector::NamedLink(link) => {
                let octets = link.octets();
                [self.members(Indexed::Link, identifier(link_octets(&octets)), after), List::none()]
            }
            identified => Self::lists(identified).map(|list| match list {
                Some((which, value, true)) => self.members(which, value, after).made_of_hardware(),
                Some((which, value, false)) => self.members(which, value, after),
                None => List::none(),
            }),
        };
        Scan::members(all, vpns, lists, after, budget)
    }

    /// The keys of the bindings in a span, both ends included.
    pub(crate) fn keys_between(&self, first: K, last: K) -> impl Iterator<Item = K> {
        self.map.range(first).map(|(key, _)| key).take_while(move |key| *key <= last)
    }

    /// Bindings that changed after a revision, each once, at its last change, in the order of the changes.
    pub fn changes<'s>(&'s self, after: Revision, budget: &'s Budget) -> Changes<'s, K> {
        Changes::new(&self.records, &self.siblings, self.recency.after(after), after, budget)
    }

    /// A revision such that all changes at `time` or later come after it.
    pub fn revision_at(&self, time: Time) -> Revision {
        self.recency.before(time, |number, revision| {
            self.records.is_at(number, revision).then(|| self.records.get(number).changed)
        })
    }

    /// How much there is of everything.
    pub fn counts(&self) -> Counts {
        Counts {
            bindings: self.records.len(),
            active: self.active,
            configured: self.networks.len(),
            log: self.recency.len(),
            arena: self.records.arena.capacity(),
            lists: self.lists.len(),
            dropped_witnesses: self.lists.dropped,
        }
    }
}
