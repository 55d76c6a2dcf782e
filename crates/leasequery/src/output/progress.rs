use std::io::{IsTerminal, stderr, stdout};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A line on standard error that counts bindings, for as long as they come. It is there only for a person who is not
/// looking at the bindings themselves.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Shows the line, if standard error is a terminal and standard output is none.
    #[allow(clippy::new_without_default, reason = "it draws")]
    pub fn new() -> Self {
        if !stderr().is_terminal() || stdout().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} bindings, {per_sec}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// Shows the count now and then.
    pub fn set(&mut self, count: u64) {
        if count.is_multiple_of(1024) {
            self.0.set_position(count);
        }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}
