//! Several sources that tell of one address: whose word is stored, and who has to be heard when that source says no more.
//!
//! A binding ends when nobody vouches for it any more. What a source says in place of what it said is its last word, and
//! of the last words of all sources the best one is stored (RFC 6926 section 7.6). The others are not kept, but who says
//! something of the address is: when the owner loses the binding without a word about it, it is handed over to whoever has
//! the same lease, in the same moment, and he is asked for what he says of it himself.

use crate::better::Judged;
use crate::doubt::Times;
use crate::records::Record;
use crate::witness::{Says, Witness, Witnesses};
use crate::{Binding, Budget, Key, KeyMap, Outcome, SourceId, State, Store, Update};

/// Whether a source has to be asked again for everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Asked {
    #[default]
    No,
    /// It has to be.
    Wanted,
    /// It is being asked.
    Underway,
}

/// How far the end of a sweep has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SweepEnd {
    begun: bool,
    next: u32,
    ended: usize,
}

impl SweepEnd {
    /// How many leases it has ended so far.
    pub fn ended(&self) -> usize {
        self.ended
    }
}

/// What it costs to change a record, beside looking at it.
const CHANGE: usize = 16;

impl<K: Key> Store<K> {
    /// Whose word about an address is stored; `None` if whoever told of it does so no longer.
    pub fn owner(&self, binding: &Binding<'_, K>) -> Option<SourceId> {
        self.witnesses_of(binding.record()).owner()
    }

    /// The sources that vouch for a binding, the owner first.
    pub fn vouching(&self, binding: &Binding<'_, K>) -> impl Iterator<Item = SourceId> {
        let vouching = self.witnesses_of(binding.record()).iter().filter(|witness| witness.says.vouches());
        vouching.map(|witness| witness.source)
    }

    pub(crate) fn witnesses_of(&self, record: &Record<K>) -> &Witnesses {
        self.lists.get(record.witnesses)
    }

    /// Takes what a source says about an address that is known.
    #[inline]
    pub(crate) fn hear(&mut self, number: u32, source: SourceId, update: &Update<'_, K>) -> Outcome {
        if self.records.get(number).witnesses == self.alone(source) {
            return self.change(number, update);
        }
        self.weigh(number, source, update)
    }

    /// Takes it where others say something of the address, or might, or where it is heard again in a sweep.
    fn weigh(&mut self, number: u32, source: SourceId, update: &Update<'_, K>) -> Outcome {
        let record = self.records.get(number);
        let list = *self.witnesses_of(record);
        let owner = list.owner();
        if owner.is_none() || (owner == Some(source) && list.is_alone()) {
            return self.take_over(number, update, &self.alone_list(source));
        }
        let judged = Judged::new(update, self.meant_by(update), record, self.records.packed(number));
        let over = record.state.is_ended();
        let epoch = self.epoch(source).unwrap_or_default();
        let loser = judged.loser(source, epoch);
        match owner.filter(|owner| *owner != source) {
            None => match list.heir().filter(|heir| !over && judged.yields_to(source, *heir)) {
                Some(heir) => {
                    let ask = heir.says != Says::Same || Some(heir.epoch) != self.epoch(heir.source);
                    self.hand_over(number, &list.without(source), heir, loser, ask);
                    Outcome::Unchanged
                }
                None => {
                    if judged.falls_back() {
                        self.ask_others(&list, source);
                    }
                    let mut heard = self.alone_list(source);
                    judged.others(&list.without(source)).iter().for_each(|witness| heard.add(witness));
                    self.take_over(number, update, &heard)
                }
            },
            Some(owner) if judged.is_better(source, owner) => {
                let mut heard = self.alone_list(source);
                judged.others(&list.without(source)).iter().for_each(|witness| heard.add(witness));
                self.take_over(number, update, &heard)
            }
            Some(_) => {
                let mut heard = list.without(source);
                if let Some(witness) = loser {
                    heard.add(witness);
                }
                self.set_witnesses(number, &heard);
                if list.is_outdated_by(&heard) {
                    self.renumber(number);
                }
                Outcome::Unchanged
            }
        }
    }

    /// Stores what a source says as the word that counts.
    fn take_over(&mut self, number: u32, update: &Update<'_, K>, list: &Witnesses) -> Outcome {
        let before = *self.witnesses_of(self.records.get(number));
        let outcome = self.change(number, update);
        if outcome != Outcome::Refused {
            self.set_witnesses(number, list);
        }
        if outcome == Outcome::Unchanged && before.owner().is_some() && before.is_outdated_by(list) {
            self.renumber(number);
        }
        outcome
    }

    /// Ends the lease of an address without other news of it, so that its last client stays known. Nothing happens if
    /// there is none. [`State::Available`] is no word about the lease but says that there is none: whoever else vouches for
    /// it goes on doing so, as does whoever says the same of a lease that ended without a later transaction.
    pub fn end_lease(&mut self, source: SourceId, key: K, state: State) -> Outcome {
        let Some(number) = self.map.find(key) else { return Outcome::Unchanged };
        let record = self.records.get(number);
        let list = *self.witnesses_of(record);
        match list.owner() {
            Some(owner) if owner != source => {
                // A lease is more than no lease, where no time decides.
                let mut list = list.without(source);
                if !state.is_ended() {
                    list.add(Witness { says: Says::Other, source, epoch: self.epoch(source).unwrap_or_default() });
                }
                self.set_witnesses(number, &list);
                return Outcome::Unchanged;
            }
            Some(_) => {}
            None => self.set_witnesses(number, &self.alone_list(source)),
        }
        let record = self.records.get(number);
        if record.state == state || record.state.is_ended() {
            return Outcome::Unchanged;
        }
        let keeps = |heir: &Witness| state.is_ended() && (state == State::Available || heir.says == Says::Same);
        if let Some(heir) = list.heir().filter(keeps) {
            self.hand_over(number, &list.without(source), heir, None, state == State::Available);
            return Outcome::Unchanged;
        }
        self.end(number, state, self.now);
        Outcome::Committed(self.revision)
    }

    /// A source no longer has anything about an address. Whoever else vouches for the lease has it from now on; if nobody
    /// does it is over, and nobody's: there is no word any more that another source would have to be better than.
    pub fn withdraw(&mut self, source: SourceId, key: K) -> Outcome {
        let Some(number) = self.map.find(key) else { return Outcome::Unchanged };
        if self.leave(number, source) { Outcome::Committed(self.revision) } else { Outcome::Unchanged }
    }

    /// The same for a record. Says whether its lease has ended.
    fn leave(&mut self, number: u32, source: SourceId) -> bool {
        let record = self.records.get(number);
        let list = *self.witnesses_of(record);
        let over = record.state.is_ended();
        if list.owner() != Some(source) {
            self.set_witnesses(number, &list.without(source));
            return false;
        }
        if let Some(heir) = list.heir().filter(|_| !over) {
            self.hand_over(number, &list.without(source), heir, None, true);
            return false;
        }
        self.ask_others(&list, source);
        self.set_witnesses(number, &Witnesses::NOBODY);
        if !over {
            self.end(number, State::Available, self.now);
        } else if !list.is_alone() {
            // Against what the others say this word does not count any more, after a restart either.
            self.renumber(number);
        }
        !over
    }

    /// Makes a witness the owner. What was said is as it was, so nobody is told of an end. `former` is what the owner so far
    /// says now.
    fn hand_over(&mut self, number: u32, others: &Witnesses, heir: Witness, former: Option<Witness>, ask: bool) {
        let mut list = Witnesses::NOBODY;
        list.add(Witness { says: Says::Own, ..heir });
        others.iter().chain(former).for_each(|witness| list.add(witness));
        self.set_witnesses(number, &list);
        self.renumber(number);
        if ask {
            self.ask(heir.source);
        }
    }

    /// All but one have to say again what they say.
    fn ask_others(&mut self, list: &Witnesses, source: SourceId) {
        list.iter().filter(|witness| witness.source != source).for_each(|witness| self.ask(witness.source));
    }

    /// A source has to say again what it says.
    fn ask(&mut self, source: SourceId) {
        if let Some(source) = self.sources.get_mut(usize::from(source.0))
            && source.asked != Asked::Wanted
        {
            source.asked = Asked::Wanted;
            self.asks += 1;
        }
    }

    /// Whether a source has to be asked for everything because it has got bindings that another one had. It is over with
    /// the next sweep that begins and comes to its end.
    pub fn is_asked(&self, source: SourceId) -> bool {
        self.sources.get(usize::from(source.0)).is_some_and(|source| source.asked != Asked::No)
    }

    /// How often it has come to that, of whichever source, or to a step of the clock, after which each looks what it has to
    /// say again.
    pub fn asks(&self) -> u64 {
        self.asks
    }

    /// Leaves only those who have something else.
    pub(crate) fn dismiss_witnesses(&mut self, number: u32) {
        let list = self.witnesses_of(self.records.get(number));
        if !list.is_alone() {
            let list = list.map(|witness| (!matches!(witness.says, Says::Same | Says::Earlier)).then_some(witness));
            self.set_witnesses(number, &list);
        }
    }

    /// Begins to take the whole state of a source: what it does not tell of until [`end_sweep`](Self::end_sweep) is gone.
    pub fn begin_sweep(&mut self, id: SourceId) {
        let Some(epoch) = self.epoch(id) else { return };
        let epoch = epoch.wrapping_add(1);
        let alone = self.lists.hold(&Witnesses::alone(id, epoch));
        let Some(source) = self.sources.get_mut(usize::from(id.0)) else { return };
        if source.asked == Asked::Wanted {
            source.asked = Asked::Underway;
        }
        if source.times == Times::Doubted {
            source.times = Times::ToldAnew;
        }
        // If there are no numbers left, nothing will be missed.
        if let Some(alone) = alone {
            source.epoch = epoch;
            let before = std::mem::replace(&mut source.alone, alone);
            self.lists.release(before);
        }
    }

    /// What the source has not told of since [`begin_sweep`](Self::begin_sweep) it no longer has. Says whether it has come
    /// to its end: the sweep is not over before that.
    pub fn end_sweep(&mut self, source: SourceId, end: &mut SweepEnd, budget: &Budget) -> bool {
        let Some(epoch) = self.epoch(source) else { return true };
        loop {
            let Some(record) = self.records.at(end.next) else {
                if let Some(source) = self.sources.get_mut(usize::from(source.0))
                    && source.asked == Asked::Underway
                {
                    source.asked = Asked::No;
                }
                return true;
            };
            if !budget.take() {
                return false;
            }
            let number = end.next;
            end.next += 1;
            if record.is_free() || self.witnesses_of(record).of(source).is_none_or(|witness| witness.epoch == epoch) {
                continue;
            }
            budget.spend(CHANGE);
            end.ended += usize::from(self.leave(number, source));
        }
    }

    /// Ends whatever a source told of that will tell no more and nobody else vouches for, and its networks. Its position
    /// too: should it ever come back, it has to be read as a whole. Says whether it has come to its end.
    pub fn end_source(&mut self, id: SourceId, end: &mut SweepEnd, budget: &Budget) -> bool {
        if !std::mem::replace(&mut end.begun, true) {
            self.begin_sweep(id);
            if let Some(source) = self.sources.get_mut(usize::from(id.0)) {
                source.position = None;
            }
            self.networks.replace(Some(id), Vec::new());
            self.forget_coverage(id);
        }
        self.end_sweep(id, end, budget)
    }

    /// Sets who says something of a record.
    fn set_witnesses(&mut self, number: u32, list: &Witnesses) {
        let record = self.records.get(number);
        if self.lists.get(record.witnesses) == list {
            return;
        }
        let kept = self.keep_list(list);
        let before = std::mem::replace(&mut self.records.get_mut(number).witnesses, kept);
        self.lists.release(before);
    }

    /// The number of a list, in use once more. When there are no numbers left only the owner is remembered.
    pub(crate) fn keep_list(&mut self, list: &Witnesses) -> u16 {
        let alone = list.owner().map_or(crate::witness::NOBODY, |owner| self.alone(owner));
        if self.lists.get(alone) != list {
            if let Some(number) = self.lists.hold(list) {
                return number;
            }
            self.lists.dropped += 1;
        }
        self.lists.hold_again(alone);
        alone
    }

    /// The number of the list of one source, as it is told of now.
    #[inline]
    pub(crate) fn alone(&self, source: SourceId) -> u16 {
        self.sources.get(usize::from(source.0)).map_or(crate::witness::NOBODY, |source| source.alone)
    }

    fn alone_list(&self, source: SourceId) -> Witnesses {
        *self.lists.get(self.alone(source))
    }
}

#[cfg(test)]
mod tests;
