//! Coverage: what has not been told whole yet is not known, so nothing that depends on it is told as free or complete.
//!
//! A source is awaited until it has been read as a whole. What a question depends on is decided here and nowhere else: an
//! address on the sources that configured it, a link on those that configured it, and on all whose leases may be anywhere
//! because it is not known where they are; all else on all sources. What somebody who is no source configured, and what
//! nobody did, could be any source's.

use std::net::{Ipv6Addr, SocketAddr};

use crate::doubt::Times;
use crate::store::Source;
use crate::{Key, SourceId, Store};

/// What a question is about, as far as that decides which sources have to be known for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About<K> {
    /// All there is, what is merely configured included.
    Everything,
    /// The bindings of all sources, or those of somebody, wherever they are.
    Bindings,
    /// One address or prefix.
    Key(K),
    /// A link (DHCPv6), by what it is called.
    Link(Ipv6Addr),
}

/// Why something is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown<'s> {
    /// The source that it depends on.
    pub source: &'s str,
    /// What is wrong with it, or what it waits for.
    pub why: &'s str,
}

impl std::fmt::Display for Unknown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not everything is known yet: {}: {}", self.source, self.why)
    }
}

/// What is known of a source's bindings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// They are not known.
    Awaited,
    /// They are what an earlier run knew: in this one the source has not been read as a whole yet.
    Kept,
    /// They are what it said in this run.
    Current,
    /// Nothing is expected of it: it is no longer configured.
    Departed,
}

/// What of a source is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coverage {
    /// Why its bindings are not known. A source for which nobody ever waits tells what it knows as it comes.
    bindings: Option<Box<str>>,
    /// Why it is not known what it has configured.
    networks: Option<Box<str>>,
    /// Whether it leases only what it has configured, and that is known. Of any other one it is unknown where its leases
    /// are until they are known themselves.
    confined: bool,
    /// Whether it was ever read as a whole: what it said then stands until it is contradicted.
    whole: Whole,
    /// Whether it is no longer configured.
    departed: bool,
    /// Where its server listens, if it is one: what we would hear from it, it knows by itself.
    servers: Vec<SocketAddr>,
}

/// When a source was read as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Whole {
    #[default]
    Never,
    /// In an earlier run.
    Earlier,
    /// In this run.
    Now,
}

impl Coverage {
    /// Of a source that was read as a whole in an earlier run, or was not.
    pub(crate) fn restored(whole: bool) -> Self {
        Self { whole: if whole { Whole::Earlier } else { Whole::Never }, ..Self::default() }
    }

    /// Whether it was ever read as a whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole != Whole::Never
    }
}

impl Source {
    fn standing(&self) -> Standing {
        match &self.coverage {
            Coverage { departed: true, .. } => Standing::Departed,
            Coverage { bindings: Some(_), .. } => Standing::Awaited,
            Coverage { whole: Whole::Earlier, .. } => Standing::Kept,
            _ => Standing::Current,
        }
    }

    fn unknown(&self, asker: &[SocketAddr], networks: bool) -> Option<Unknown<'_>> {
        let Coverage { bindings, networks: configured, servers, .. } = &self.coverage;
        let why = bindings.as_deref().or_else(|| configured.as_deref().filter(|_| networks))?;
        let is_asking = asker.iter().any(|asker| servers.contains(asker));
        (!is_asking).then_some(Unknown { source: &self.name, why })
    }

    /// Why it is not known what is on a link by what the source has configured.
    fn unknown_links(&self) -> Option<Unknown<'_>> {
        let why = self.coverage.networks.as_deref()?;
        Some(Unknown { source: &self.name, why })
    }
}

impl<K: Key> Store<K> {
    /// From now on what depends on the bindings of a source is not known, because of `why`, until
    /// [`set_whole`](Self::set_whole).
    pub fn await_source(&mut self, source: SourceId, why: &str) {
        self.change_coverage(source, |coverage| coverage.bindings = Some(why.into()));
    }

    /// From now on it is not known what a source has configured, because of `why`, until
    /// [`set_configured`](Self::set_configured).
    pub fn await_networks(&mut self, source: SourceId, why: &str) {
        self.change_coverage(source, |coverage| {
            coverage.networks = Some(why.into());
            coverage.confined = false;
        });
    }

    /// A source has been read as a whole, and everything that it said has been committed: since whenever its times were
    /// last in doubt, or it is not known yet.
    pub fn set_whole(&mut self, source: SourceId) {
        match self.times(source) {
            Times::Doubted => return,
            Times::ToldAnew => self.set_times(source, Times::Converted),
            Times::Ours | Times::Converted => {}
        }
        self.change_coverage(source, |coverage| {
            coverage.bindings = None;
            coverage.whole = Whole::Now;
        });
    }

    /// What was known of a source as a whole is so no longer, because of `why`.
    pub(crate) fn lose_whole(&mut self, source: SourceId, why: &str) {
        if self.was_whole(source) {
            self.suspend(source, why);
            self.change_coverage(source, |coverage| coverage.whole = Whole::Never);
        }
    }

    /// What is known of a source as a whole is so no longer, because of `why`, before it is read again or
    /// [resumed](Self::resume).
    pub(crate) fn suspend(&mut self, source: SourceId, why: &str) {
        if self.was_whole(source) {
            self.change_coverage(source, |coverage| {
                coverage.bindings.get_or_insert(why.into());
            });
        }
    }

    /// The reason `why` holds no longer.
    pub(crate) fn resume(&mut self, source: SourceId, why: &str) {
        self.change_coverage(source, |coverage| drop(coverage.bindings.take_if(|reason| **reason == *why)));
    }

    /// What the source has configured is known, and it leases nothing else.
    pub fn set_configured(&mut self, source: SourceId) {
        self.change_coverage(source, |coverage| {
            coverage.networks = None;
            coverage.confined = true;
        });
    }

    /// Goes on with what a source said when it was read as a whole in an earlier run, though it cannot be had now. Says
    /// whether there is such a thing.
    pub fn keep_whole(&mut self, source: SourceId) -> bool {
        let whole = self.was_whole(source);
        if whole {
            self.change_coverage(source, |coverage| coverage.bindings = None);
        }
        whole
    }

    /// A source is no longer configured. What it told stands until [`end_source`](Self::end_source), and what it had
    /// configured could be any source's.
    pub fn depart(&mut self, source: SourceId) {
        self.change_coverage(source, |coverage| coverage.departed = true);
    }

    /// What is known of the bindings of a source.
    pub fn standing(&self, source: SourceId) -> Standing {
        self.sources.get(usize::from(source.0)).map_or(Standing::Departed, Source::standing)
    }

    /// Whether a source was ever read as a whole, in this run or, with a durable copy, an earlier one.
    pub fn was_whole(&self, source: SourceId) -> bool {
        self.sources.get(usize::from(source.0)).is_some_and(|source| source.coverage.is_whole())
    }

    /// Says where the server of a source listens. To a requestor that listens there the source counts as known.
    pub fn set_servers(&mut self, source: SourceId, servers: Vec<SocketAddr>) {
        self.change_coverage(source, |coverage| coverage.servers = servers);
    }

    /// The sources that are awaited, and why.
    pub fn awaited(&self) -> impl Iterator<Item = Unknown<'_>> {
        self.sources.iter().filter_map(|source| source.unknown(&[], true))
    }

    /// Why a source is awaited, if it is.
    pub fn awaited_of(&self, source: SourceId) -> Option<&str> {
        Some(self.sources.get(usize::from(source.0))?.unknown(&[], true)?.why)
    }

    /// How often it has changed what is known: whoever waits to call something complete has to look again.
    pub fn coverage_generation(&self) -> u64 {
        self.coverage_generation
    }

    /// Whether everything is known: then there is no need to ask for [`unknown`](Self::unknown) at each address.
    #[inline]
    pub fn is_known(&self) -> bool {
        self.unknown_sources == 0 && self.is_settled()
    }

    /// Why an answer would not be true or not be complete, if so. `asker` is where the requestor listens itself, if it
    /// does.
    pub fn unknown(&self, about: About<K>, asker: &[SocketAddr]) -> Option<Unknown<'_>> {
        if self.is_known() {
            return None;
        }
        if !self.is_settled() {
            let why = "it was set back, and what it ended too early is being put right";
            return Some(Unknown { source: "the clock", why });
        }
        match about {
            About::Everything => self.unknown_of_all(asker, true),
            About::Bindings => self.unknown_of_all(asker, false),
            About::Key(key) => self.unknown_of(&self.networks.owners(key), asker),
            // Which addresses are on it is known by what all have configured.
            About::Link(link) => self.unknown_links().or_else(|| self.unknown_of(&self.links.owners(link), asker)),
        }
    }

    /// Why it is not known which addresses are on which links, if so.
    pub fn unknown_links(&self) -> Option<Unknown<'_>> {
        self.sources.iter().find_map(Source::unknown_links)
    }

    fn unknown_of_all(&self, asker: &[SocketAddr], networks: bool) -> Option<Unknown<'_>> {
        self.sources.iter().find_map(|source| source.unknown(asker, networks))
    }

    /// What is the reason for it of the owners of something, and of those that may have leased it without. What is owned by
    /// nobody at all, or by somebody who is no source, or no longer one, could be any source's.
    fn unknown_of(
        &self,
        owners: &(impl Iterator<Item = Option<SourceId>> + Clone),
        asker: &[SocketAddr],
    ) -> Option<Unknown<'_>> {
        let is_source = |owner: Option<SourceId>| {
            let source = owner.and_then(|owner| self.sources.get(usize::from(owner.0)));
            source.is_some_and(|source| !source.coverage.departed)
        };
        let is_anybodys = owners.clone().next().is_none() || owners.clone().any(|owner| !is_source(owner));
        let concerns = |id: SourceId, source: &Source| {
            is_anybodys || !source.coverage.confined || owners.clone().any(|owner| owner == Some(id))
        };
        let mut sources = (0..u8::MAX).map(SourceId).zip(&self.sources);
        sources.find_map(|(id, source)| source.unknown(asker, false).filter(|_| concerns(id, source)))
    }

    /// Nothing more is expected of a source.
    pub(crate) fn forget_coverage(&mut self, source: SourceId) {
        self.change_coverage(source, |coverage| *coverage = Coverage { departed: true, ..Coverage::default() });
    }

    fn change_coverage(&mut self, source: SourceId, change: impl FnOnce(&mut Coverage)) {
        if let Some(source) = self.sources.get_mut(usize::from(source.0)) {
            change(&mut source.coverage);
        }
        self.unknown_sources = self.awaited().count();
        self.coverage_generation += 1;
    }
}

#[cfg(test)]
mod tests;
