//! From a binding to the others of the same client, without a look into an index.

/// For each record the next one of the same client. Those of a few go round in a ring.
#[derive(Debug, Default)]
pub(crate) struct Siblings(Vec<u32>);

/// Marks a client with so many bindings that they are found by the index.
const MANY: u32 = u32::MAX;

/// What else a client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// This record, which is the record itself if there is no other.
    Record(u32),
    /// What the index knows.
    Many,
}

impl Siblings {
    /// What comes behind a record.
    #[inline]
    pub(crate) fn next(&self, number: u32) -> Next {
        match self.0.get(number as usize) {
            Some(&MANY) => Next::Many,
            Some(next) => Next::Record(*next),
            None => Next::Record(number),
        }
    }

    /// Another record of the same client, if there is one that is known here.
    #[inline]
    pub(crate) fn other(&self, number: u32) -> Option<u32> {
        self.0.get(number as usize).copied().filter(|next| *next != number && *next != MANY)
    }

    /// Makes a ring of the records of a client.
    pub(crate) fn join(&mut self, records: &[u32]) {
        for (place, number) in records.iter().enumerate() {
            self.set(*number, records[(place + 1) % records.len()]);
        }
    }

    /// Marks a record as one of many.
    pub(crate) fn set_many(&mut self, number: u32) {
        self.set(number, MANY);
    }

    fn set(&mut self, number: u32, next: u32) {
        let place = number as usize;
        if place >= self.0.len() {
            // Whoever is not here yet is alone.
            let first = u32::try_from(self.0.len()).unwrap_or(MANY);
            self.0.extend(first..=number);
        }
        self.0[place] = next;
    }
}
