//! What the daemon says of itself: the line that says that it is ready, and how it is, for the service manager.

use std::io::Write;
use std::time::Duration;

use leasequery_live::health::Health;
use tracing::info;

use crate::manager::{self, Stage};

/// How the daemon is, and what was said of it last.
pub(super) struct State {
    health: Health,
    /// The line that says where it listens.
    ready: String,
    is_ready: bool,
    status: String,
    /// What is the matter with the configuration that could not be taken, if that was the last one.
    refused: Option<String>,
}

/// How often it is looked how the sources are, and before all of them have been read.
const LOOK: Duration = Duration::from_secs(1);
const LOOK_SOON: Duration = Duration::from_millis(10);

impl State {
    /// Says that it serves now.
    pub(super) fn begin(health: Health, ready: String) -> Self {
        let mut state = Self { health, ready, is_ready: false, status: String::new(), refused: None };
        state.find();
        state.status = state.describe();
        if !state.is_ready {
            info!("{}: {}", state.ready.replacen("ready", "serving", 1), state.status);
        }
        manager::tell(Stage::Ready(&state.status));
        state
    }

    /// Until it is worth looking again.
    pub(super) async fn pause(&self) {
        tokio::time::sleep(if self.is_ready { LOOK } else { LOOK_SOON }).await;
    }

    /// Looks how the sources are, and says what is new.
    pub(super) fn look(&mut self) {
        self.find();
        let status = self.describe();
        if status != self.status {
            self.status = status;
            manager::tell(Stage::Status(&self.status));
        }
    }

    /// Says that a reload is over, and why it came to nothing if it did.
    pub(super) fn reloaded(&mut self, outcome: Result<(), String>) {
        self.refused = outcome.err();
        self.status = self.describe();
        manager::tell(Stage::Ready(&self.status));
    }

    fn find(&mut self) {
        if self.health.look() && !std::mem::replace(&mut self.is_ready, true) {
            say_ready(&self.ready);
        }
    }

    fn describe(&self) -> String {
        let status = self.health.status(&self.ready);
        self.refused.as_ref().map_or_else(|| status.clone(), |refused| format!("{status}; {refused}"))
    }
}

/// Says that everything is served, and that every source has been read.
fn say_ready(ready: &str) {
    let mut stdout = std::io::stdout().lock();
    // Whoever waits for the line may have gone; that is no reason not to serve.
    let _ = writeln!(stdout, "{ready}").and_then(|()| stdout.flush());
    drop(stdout);
    info!("{ready}");
}
