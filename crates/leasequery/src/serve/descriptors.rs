use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

use crate::config::{Config, Source, Transport};
use crate::source::push::CLIENTS;

/// File descriptors for all else: lease files, the durable copy, the runtime's own.
const OTHERS: usize = 128;

/// Lets this process have as many file descriptors as it may, and warns if its limits permit more connections than that.
pub(super) fn prepare(config: &Config) {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft < hard {
        // If the system does not want to, there are fewer.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    let Ok((permitted, _)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let needed = u64::try_from(needed(config)).unwrap_or(u64::MAX);
    if needed > permitted {
        warn!(
            "limits.connections may need {needed} file descriptors and the system permits {permitted}: connections beyond \
             that will wait; raise the limit (ulimit -n, LimitNOFILE)"
        );
    }
}

/// How many there can be at the same time.
fn needed(config: &Config) -> usize {
    let tcp = config.listeners.iter().filter(|listener| listener.transport == Transport::Tcp).count();
    let push = config.sources.iter().filter(|source| matches!(source, Source::Push { .. })).count();
    OTHERS + tcp * (config.limits.connections + 1) + push * CLIENTS + config.listeners.len() + config.sources.len()
}
