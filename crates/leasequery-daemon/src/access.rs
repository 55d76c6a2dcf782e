use std::sync::Arc;

use leasequery_live::{Lifecycle, Running};
use leasequery_tls as tls;
use tokio::sync::watch;

use crate::config::Requestors;

/// Who may ask, and what they are shown. A reload changes it while connections go on.
#[derive(Debug, Clone, Default)]
pub struct Permissions {
    /// Who may ask.
    pub requestors: Arc<Requestors>,
    /// Certificates for those who ask in secure mode.
    pub tls: Option<Arc<tls::Server>>,
}

/// What listeners and connections look at: the permissions of now, and whether the daemon goes on.
#[derive(Debug, Clone)]
pub struct Access {
    permissions: watch::Receiver<Permissions>,
    running: Running,
    /// Its holder knows that the daemon ends.
    knows_end: bool,
}

impl Access {
    /// As long as `lifecycle` goes on. Whoever holds the sender changes the permissions.
    pub fn new(permissions: Permissions, lifecycle: &Lifecycle) -> (watch::Sender<Permissions>, Self) {
        let (sender, permissions) = watch::channel(permissions);
        (sender, Self { permissions, running: lifecycle.running(), knows_end: false })
    }

    /// The permissions of now. They cannot change while this is held.
    pub(crate) fn permissions(&self) -> watch::Ref<'_, Permissions> {
        self.permissions.borrow()
    }

    /// Whether the daemon ends.
    pub(crate) fn is_over(&self) -> bool {
        self.running.is_over()
    }

    /// Waits until the daemon ends.
    pub(crate) async fn over(&mut self) {
        self.running.over().await;
    }

    /// Waits until there is something that [`has_news`](Self::has_news) tells of.
    pub(crate) async fn news(&mut self) {
        tokio::select! {
            changed = self.permissions.changed() => match changed {
                Ok(()) => self.permissions.mark_changed(),
                // Nothing can change them any more.
                Err(_) => self.running.over().await,
            },
            () = self.running.over(), if !self.knows_end => {}
        }
    }

    /// Whether the permissions have changed, or the daemon has come to its end, since this was asked.
    pub(crate) fn has_news(&mut self) -> bool {
        let ends = self.running.is_over() && !std::mem::replace(&mut self.knows_end, true);
        let changed = self.permissions.has_changed().unwrap_or(false);
        self.permissions.mark_unchanged();
        ends || changed
    }
}
