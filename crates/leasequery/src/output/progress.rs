use std::io::{IsTerminal, stdout};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::is_lively;

/// A line on standard error that counts bindings, for as long as they come. It is there only for a person who is not
/// looking at the bindings themselves.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Shows the line, if standard error is a terminal and standard output is none.
    #[allow(clippy::new_without_default, reason = "it draws")]
    pub fn new() -> Self {
        if !is_lively() || stdout().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} bindings, {per_sec}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// A line that says what is being done, if standard error is a terminal.
    pub fn doing() -> Self {
        if !is_lively() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// Says what is being done now.
    pub fn say(&self, what: String) {
        self.0.set_message(what);
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
