//! File descriptors: how many there may be, and how many of them are for connections.

use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::Semaphore;
use tracing::warn;

use crate::config::{Config, Source, Transport};
use crate::http::Front;
use crate::sources::push::CLIENTS;

/// For the runtime, signals, standard streams, a configuration that is read anew, and whatever was forgotten here.
const OTHERS: usize = 48;
/// For the durable copies of both protocols: tables that are kept open, journals, and what is open while they are made
/// anew.
const DATABASES: usize = 2 * (leasequery_store::durable::Files::OPEN_FILES + 24);
/// For a source: the files of a set and the watch on their directory, or connections with their look-ups.
const SOURCE: usize = 8;

/// Lets this process have as many file descriptors as it may, and says how many of them all connections together may
/// have. The others are kept: whoever may ask and holds connections must not keep the daemon from its disk, its sources
/// and those who push to it.
pub(super) fn prepare(config: &Config) -> Arc<Semaphore> {
    let permitted = raise().and_then(|permitted| usize::try_from(permitted).ok()).unwrap_or(Semaphore::MAX_PERMITS);
    let (kept, wanted) = (kept(config), wanted(config));
    let left = for_connections(permitted, kept);
    if wanted > left {
        warn!(
            "connections may need {wanted} file descriptors, and of {permitted} that the system permits {left} are \
             left for that: connections beyond are closed; raise the limit (ulimit -n, LimitNOFILE)"
        );
    }
    Arc::new(Semaphore::new(left))
}

/// What the system permits, as much as it does.
fn raise() -> Option<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    if soft < hard {
        // If the system does not want to, there are fewer.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(permitted, _)| permitted)
}

/// How many are for everything but connections.
fn kept(config: &Config) -> usize {
    let sources = config.sources.iter().map(|source| match source {
        Source::Push { .. } => CLIENTS + 1,
        _ => SOURCE,
    });
    let databases = if config.state_dir.is_some() { DATABASES } else { 0 };
    OTHERS + databases + config.listeners.len() + 2 * usize::from(config.http.is_some()) + sources.sum::<usize>()
}

/// How many the limits of the configuration let connections have.
fn wanted(config: &Config) -> usize {
    let tcp = config.listeners.iter().filter(|listener| listener.transport == Transport::Tcp).count();
    tcp * config.limits.connections + config.http.as_ref().map_or(0, |_| Front::CONNECTIONS)
}

/// How many of those permitted connections may have. Where there are hardly enough for the rest a few all the same, for a
/// daemon that nobody can ask is of no use.
fn for_connections(permitted: usize, kept: usize) -> usize {
    permitted.saturating_sub(kept).max(permitted / 4).min(Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_have_what_the_rest_does_not_need() {
        assert_eq!(for_connections(1024, 200), 824);
        assert_eq!(for_connections(64, 200), 16);
        assert_eq!(for_connections(usize::MAX, 200), Semaphore::MAX_PERMITS);
    }
}
