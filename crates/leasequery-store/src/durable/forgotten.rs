use super::DurableError;

/// Keys of bindings that the store has forgotten and the disk may still have.
#[derive(Debug)]
pub(super) struct Forgotten<K> {
    keys: Vec<K>,
    /// How many of the first ones have been taken out, which a crash may undo.
    written: usize,
    /// There were too many to be kept: every key on disk may be one of them.
    any: bool,
}

/// How many are kept while nothing can be written.
const MOST: usize = 1 << 20;

impl<K> Default for Forgotten<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), written: 0, any: false }
    }
}

impl<K: Copy> Forgotten<K> {
    /// Adds some. `writable` says that they will soon be written, so that there is no need to give up on them.
    pub(super) fn add(&mut self, mut keys: Vec<K>, writable: bool) {
        if !self.any {
            self.keys.append(&mut keys);
        }
        if !writable && self.keys.len() > MOST {
            *self = Self { any: true, ..Self::default() };
        }
    }

    /// The next ones, `room` at most.
    pub(super) fn unwritten(&self, room: usize) -> &[K] {
        let rest = self.keys.get(self.written..).unwrap_or_default();
        &rest[..rest.len().min(room)]
    }

    /// As many of the next ones have been taken out.
    pub(super) fn set_written(&mut self, more: usize) {
        self.written += more;
    }

    /// What was taken out stays out.
    pub(super) fn set_synced(&mut self) {
        self.keys.drain(..self.written);
        self.written = 0;
    }

    /// Begins again with what is not known to be on disk. `all` are the keys that are.
    pub(super) fn again(&mut self, all: impl FnOnce() -> Result<Vec<K>, DurableError>) -> Result<(), DurableError> {
        if self.any {
            self.keys = all()?;
            self.any = false;
        }
        self.written = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_while_nothing_can_be_written_is_bounded() {
        let mut forgotten = Forgotten::default();
        for _ in 0..5 {
            forgotten.add(vec![0_u32; MOST / 4], true);
        }
        assert_eq!(forgotten.unwritten(usize::MAX).len(), MOST / 4 * 5, "it will be written soon");
        forgotten.add(vec![1], false);
        forgotten.add(vec![2], false);
        assert_eq!((forgotten.keys.capacity(), forgotten.any), (0, true));
        forgotten.again(|| Ok(vec![7, 8])).expect("they are read");
        assert_eq!(forgotten.unwritten(1), [7]);
        forgotten.set_written(1);
        forgotten.again(|| Ok(Vec::new())).expect("nothing is read");
        assert_eq!(forgotten.unwritten(5), [7, 8], "it is not known to be out");
        forgotten.set_written(2);
        forgotten.set_synced();
        assert!(forgotten.keys.is_empty());
    }
}
