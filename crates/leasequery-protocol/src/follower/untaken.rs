/// Bindings of which the server told, or could not tell, and that are not in the copy: told of once, and then in sum.
#[derive(Debug, Default)]
pub(super) struct Untaken {
    /// Since the last sum.
    count: u64,
}

impl Untaken {
    /// Notes one. Gives what is to be said, if it is the first.
    pub(super) fn note(&mut self, problem: impl FnOnce() -> String) -> Option<String> {
        self.count += 1;
        (self.count == 1).then(problem)
    }

    /// Ends the count. Gives what is to be said, if there were more than the first.
    pub(super) fn sum(&mut self) -> Option<String> {
        let more = std::mem::take(&mut self.count).saturating_sub(1);
        (more > 0).then(|| format!("{more} more bindings could not be taken"))
    }
}
