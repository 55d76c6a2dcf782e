use std::cell::Cell;

/// How much work may be done before the store has to be given back.
///
/// Whatever walks through the store takes one, spends a unit for each entry that it looks at, whether or not that is one
/// that was looked for, and stops where nothing is left, with a cursor from which it can go on. So nobody can hold the
/// store for longer than his budget lasts, whatever there is of what he asks for. All walks of one bite spend the same
/// budget, one inside of another too.
#[derive(Debug)]
pub struct Budget(Cell<usize>);

impl Budget {
    /// So many units.
    pub const fn new(units: usize) -> Self {
        Self(Cell::new(units))
    }

    /// As many as it takes: for who has a store for himself.
    pub const fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// What is left.
    #[inline]
    pub fn left(&self) -> usize {
        self.0.get()
    }

    /// Whether nothing is left.
    #[inline]
    pub fn is_spent(&self) -> bool {
        self.left() == 0
    }

    /// Spends so many units, or what is left: for work that has been done already.
    #[inline]
    pub fn spend(&self, units: usize) {
        self.0.set(self.left().saturating_sub(units));
    }

    /// Spends a unit; false if none is left.
    #[inline]
    #[must_use]
    pub fn take(&self) -> bool {
        let left = self.left();
        self.0.set(left.saturating_sub(1));
        left > 0
    }
}
