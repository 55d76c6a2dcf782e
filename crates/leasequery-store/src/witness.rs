//! Who vouches for a binding: the source whose word is stored, its owner, and others that say it is in use.
//!
//! Most bindings of a store have the same few sources, so the lists of them are kept once and counted, and a record has
//! the number of its list: two octets.

use std::collections::HashMap;

use crate::SourceId;

/// What a source says of a binding, from the best word to the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Says {
    /// What is stored.
    Own = 0,
    /// The same lease, and no time decides whose word is better.
    Same = 1,
    /// The same client's lease, of an earlier transaction.
    Earlier = 2,
    /// That the address is in use otherwise: by another client, say. It does not vouch for what is stored, but has to be
    /// asked when that ends.
    Other = 3,
}

impl Says {
    /// What is written on disk. Which of two words about the same lease was the earlier one is not.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Own,
            1 | 2 => Self::Same,
            3 => Self::Other,
            _ => return None,
        })
    }

    /// Whether it is a word for the lease that is stored.
    pub(crate) fn vouches(self) -> bool {
        self != Self::Other
    }
}

/// A source, and when it said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Witness {
    pub(crate) says: Says,
    pub(crate) source: SourceId,
    /// The sweep of the source in which it was last heard.
    pub(crate) epoch: u8,
}

/// Sources in one list. Of more than that the last ones are not remembered.
const MOST: usize = 8;
/// What stands behind the end of a list.
const NONE: Witness = Witness { says: Says::Other, source: SourceId::NOBODY, epoch: 0 };

/// The sources that say something of a binding, the owner first, from the best word to the least. Without an owner there
/// is nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Witnesses {
    all: [Witness; MOST],
    length: u8,
}

impl Witnesses {
    pub(crate) const NOBODY: Self = Self { all: [NONE; MOST], length: 0 };

    /// Nobody but the owner.
    pub(crate) fn alone(source: SourceId, epoch: u8) -> Self {
        let mut all = [NONE; MOST];
        all[0] = Witness { says: Says::Own, source, epoch };
        Self { all, length: 1 }
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = Witness> + '_ {
        self.all.iter().copied().take(usize::from(self.length))
    }

    /// Whose word is stored.
    #[inline]
    pub(crate) fn owner(&self) -> Option<SourceId> {
        (self.length > 0).then_some(self.all[0].source)
    }

    /// Whether nobody but the owner says anything.
    #[inline]
    pub(crate) fn is_alone(&self) -> bool {
        self.length <= 1
    }

    /// What one source says.
    #[inline]
    pub(crate) fn of(&self, source: SourceId) -> Option<Witness> {
        self.iter().find(|witness| witness.source == source)
    }

    /// Who vouches besides the owner, with the best word.
    pub(crate) fn heir(&self) -> Option<Witness> {
        self.iter().nth(1).filter(|witness| witness.says.vouches())
    }

    /// Each of them as `change` has it, or left out. Of one source the first word counts.
    pub(crate) fn map(&self, change: impl FnMut(Witness) -> Option<Witness>) -> Self {
        let mut list = Self::NOBODY;
        self.iter().filter_map(change).for_each(|witness| list.add(witness));
        list
    }

    pub(crate) fn without(&self, source: SourceId) -> Self {
        self.map(|witness| (witness.source != source).then_some(witness))
    }

    /// Adds a source, unless it is there, or the list is full.
    pub(crate) fn add(&mut self, witness: Witness) {
        let length = usize::from(self.length);
        if length == MOST || self.of(witness.source).is_some() {
            return;
        }
        let place = self.all[..length].partition_point(|known| *known < witness);
        self.all[place..=length].rotate_right(1);
        self.all[place] = witness;
        self.length += 1;
    }

    /// Whether `later` has another owner, or a source that this does not have, or one that vouches now and did not, or the
    /// reverse: what has to be known after a restart. A source that is no longer there need not be: it is asked.
    pub(crate) fn is_outdated_by(&self, later: &Self) -> bool {
        let known = |new: Witness| self.of(new.source).is_some_and(|old| old.says.vouches() == new.says.vouches());
        self.owner() != later.owner() || !later.iter().all(known)
    }
}

/// All lists in use, by their numbers.
#[derive(Debug)]
pub(crate) struct Lists {
    entries: Vec<(Witnesses, u32)>,
    free: Vec<u16>,
    numbers: HashMap<Witnesses, u16, foldhash::fast::RandomState>,
    /// Words that were not kept because all numbers were in use.
    pub(crate) dropped: u64,
}

/// Number of the list without anybody.
pub(crate) const NOBODY: u16 = 0;
/// Number of the list, without anybody too, of what a former client had.
pub(crate) const FORMER: u16 = 1;

impl Lists {
    pub(crate) fn new() -> Self {
        let mut lists = Self { entries: Vec::new(), free: Vec::new(), numbers: HashMap::default(), dropped: 0 };
        // They are never released, so they keep their numbers.
        lists.hold(&Witnesses::NOBODY);
        lists.entries.push((Witnesses::NOBODY, 1));
        lists
    }

    #[inline]
    pub(crate) fn get(&self, number: u16) -> &Witnesses {
        &self.entries[usize::from(number)].0
    }

    /// How many lists there are.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The number of a list, which is in use once more until it is [released](Self::release); `None` if all are taken.
    pub(crate) fn hold(&mut self, list: &Witnesses) -> Option<u16> {
        if let Some(number) = self.numbers.get(list) {
            self.entries[usize::from(*number)].1 += 1;
            return Some(*number);
        }
        let number = match self.free.pop() {
            Some(number) => {
                self.entries[usize::from(number)] = (*list, 1);
                number
            }
            None => {
                let number = u16::try_from(self.entries.len()).ok()?;
                self.entries.push((*list, 1));
                number
            }
        };
        self.numbers.insert(*list, number);
        Some(number)
    }

    /// The same list is in use once more.
    #[inline]
    pub(crate) fn hold_again(&mut self, number: u16) {
        self.entries[usize::from(number)].1 += 1;
    }

    #[inline]
    pub(crate) fn release(&mut self, number: u16) {
        let (list, count) = &mut self.entries[usize::from(number)];
        *count -= 1;
        if *count == 0 {
            self.numbers.remove(list);
            self.free.push(number);
        }
    }
}

#[cfg(test)]
mod tests;
