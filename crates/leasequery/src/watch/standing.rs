use std::time::Instant;

use leasequery_protocol::follower::{Event, Followed, Follower};

/// How it stands with the server.
pub(super) struct Standing {
    /// How it is called.
    server: String,
    /// When following it began.
    start: Instant,
    /// It has been connected to once.
    connected: bool,
    /// Why it is not connected to now.
    lost: Option<String>,
    /// When it will be tried again has to be said.
    retry_untold: bool,
    /// It has told something.
    told: bool,
}

impl Standing {
    pub(super) fn new(server: String) -> Self {
        Self { server, start: Instant::now(), connected: false, lost: None, retry_untold: false, told: false }
    }

    pub(super) fn server(&self) -> &str {
        &self.server
    }

    pub(super) fn was_connected(&self) -> bool {
        self.connected
    }

    /// The server has told of a lease.
    pub(super) fn hears(&mut self) {
        self.told = true;
    }

    pub(super) fn takes(&mut self, event: &Event) {
        match event {
            Event::Connected => (self.connected, self.lost) = (true, None),
            Event::Disconnected(reason) => (self.lost, self.retry_untold) = (Some(reason.clone()), true),
            Event::Warning(_) => self.retry_untold |= self.lost.is_some(),
            _ => self.told = true,
        }
    }

    /// When it is tried again, which is said once for each reason.
    pub(super) fn retry<P: Followed>(&mut self, follower: &Follower<P>) -> Option<String> {
        let due = follower.next_attempt().filter(|_| self.retry_untold)?;
        self.retry_untold = false;
        let left = due.saturating_sub(self.start.elapsed()).as_secs_f64().ceil();
        Some(format!("{} is tried again in {left} seconds", self.server))
    }

    /// Why the server has told nothing at all, if so. One that is asked for changes only has nothing to tell for as long as
    /// there are none.
    pub(super) fn silence(&self, initial: bool) -> Option<String> {
        let reason = match &self.lost {
            _ if self.told => return None,
            Some(reason) => reason,
            None if self.connected && !initial => return None,
            None => "it has not answered",
        };
        Some(format!("{}: {reason}", self.server))
    }
}
