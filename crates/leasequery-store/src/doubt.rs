//! Times that were converted from another machine's clock, by a clock of ours that was stepped forward since.
//!
//! The leases of a server on this machine end by the clock that it gave them by, whatever that shows. Those of another machine
//! were converted by our clock as it was: once it has been stepped, nobody knows whether they have come to their end, until they
//! have been told anew. Until then they do not end, and nothing that depends on them is known.

use crate::{Binding, Key, SourceId, State, Store};

/// By whose clock a source tells times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Times {
    /// By ours.
    #[default]
    Ours,
    /// By another one, from which they were converted.
    Converted,
    /// So they were, and our clock was stepped since.
    Doubted,
    /// All of them are being told anew.
    ToldAnew,
}

/// Seconds after which somebody looks again at a lease that could not be said to have ended.
pub(crate) const AGAIN: u32 = 10;

/// What is waited for.
const WHY: &str = "the clock of this machine went forward by a step, and so its times are asked for again";

impl<K: Key> Store<K> {
    /// What a source tells of times is converted from another machine's clock, by how that differs from ours.
    pub fn set_converted(&mut self, source: SourceId) {
        if let Some(source) = self.sources.get_mut(usize::from(source.0))
            && source.times == Times::Ours
        {
            source.times = Times::Converted;
        }
    }

    /// The clock was stepped forward, or nobody looked at it for a while: what was converted before has to be told again.
    pub(crate) fn doubt_times(&mut self) {
        let converted = |store: &Self, id: SourceId| store.times(id) != Times::Ours;
        let ids: Vec<_> = self.sources().map(|(id, _)| id).filter(|id| converted(self, *id)).collect();
        for id in ids {
            self.set_times(id, Times::Doubted);
            self.suspend(id, WHY);
        }
    }

    /// The time has passed by which the clock went forward: whoever follows the source has seen it pass by another clock.
    pub fn trust_times(&mut self, source: SourceId) {
        if self.times(source) == Times::Doubted {
            self.set_times(source, Times::Converted);
            self.resume(source, WHY);
        }
    }

    pub(crate) fn times(&self, source: SourceId) -> Times {
        self.sources.get(usize::from(source.0)).map_or(Times::Ours, |source| source.times)
    }

    pub(crate) fn set_times(&mut self, source: SourceId, times: Times) {
        if let Some(source) = self.sources.get_mut(usize::from(source.0)) {
            source.times = times;
        }
    }

    /// Whether a lease would have ended by now, if the times of whose word is stored could be believed.
    pub fn is_doubted(&self, binding: &Binding<'_, K>) -> bool {
        let ran_out = || binding.expires().is_some_and(|expires| expires <= self.wall);
        binding.state() == State::Active && ran_out() && self.is_in_doubt(binding.record().witnesses)
    }

    /// Whether the times of the owner in a list of witnesses are in doubt.
    pub(crate) fn is_in_doubt(&self, witnesses: u16) -> bool {
        let owner = self.lists.get(witnesses).owner();
        owner.is_some_and(|owner| matches!(self.times(owner), Times::Doubted | Times::ToldAnew))
    }
}

#[cfg(test)]
mod tests;
