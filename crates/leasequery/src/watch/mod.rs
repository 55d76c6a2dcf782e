//! Watching a server: what it says, printed as it comes.

mod change;
mod exec;
mod kept;
mod printing;
mod standing;
mod state;

use std::cell::Cell;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use leasequery_client::{Upstream, follow};
use leasequery_live::{Lifecycle, SharedStore, keep_time};
use leasequery_protocol::follower::{self, Follower};
use leasequery_record::Family;
use leasequery_store::{SourceId, Store};
use tokio::signal::unix::{SignalKind, signal};

use crate::output::{Columns, Format};
use exec::Exec;
use kept::Kept;
use printing::{Printing, Shown};
use standing::Standing;

/// What is watched, and how.
#[derive(Debug)]
pub struct Settings<P: Family> {
    /// The server.
    pub server: Upstream,
    /// What is wanted of it.
    pub wanted: P::Wanted,
    /// How it is followed.
    pub follower: follower::Settings,
    /// How long; `None` until it is interrupted.
    pub duration: Option<Duration>,
    /// Where the position is kept.
    pub state: Option<PathBuf>,
    /// What is run for each changed lease.
    pub exec: Option<String>,
    /// Whether changes of nothing but times are left out.
    pub ignore_renewals: bool,
    /// How it is printed.
    pub format: Format,
}

/// Why watching ended, if it did not end well.
#[derive(Debug)]
pub enum Ended {
    /// The output cannot be written.
    Output(io::Error),
    /// The server refused to tell of the state that the copy begins with.
    Refused(String),
    /// The server could not be reached when it was tried for the first time, or broke the protocol then.
    Unreachable(String),
    /// The state file is not one for this.
    State(String),
}

/// The store has one source.
const SOURCE: SourceId = SourceId(0);

/// Watches a server until the time is over or a signal comes. What should be looked at, and has no place in the output,
/// is said.
pub fn watch<P: Family>(settings: Settings<P>) -> Result<(), Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Ended::Output)?;
    runtime.block_on(run(settings))
}

async fn run<P: Family>(settings: Settings<P>) -> Result<(), Ended> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate()).map_err(Ended::Output)?,
        signal(SignalKind::interrupt()).map_err(Ended::Output)?,
    );
    // What the server has not said is not printed, so nothing expires here.
    let stored = leasequery_store::Settings { expire: false, ..leasequery_store::Settings::default() };
    let kept = settings.state.map(|path| Kept::<P>::open(path, &settings.server.address, stored));
    let kept = kept.transpose().map_err(Ended::State)?;
    let position = kept.as_ref().and_then(Kept::position);
    let shared = kept.as_ref().map_or_else(
        || {
            let mut store = Store::new(stored);
            store.source("server");
            Arc::new(SharedStore::new(store))
        },
        Kept::shared,
    );
    let lifecycle = Lifecycle::new();
    tokio::spawn(keep_time(Arc::clone(&shared), lifecycle.running()));

    let exec = settings.exec.map(|command| Exec::start(command, Arc::clone(&shared)));
    let shown = Shown {
        format: settings.format,
        columns: Columns {
            protocol: P::PROTOCOL,
            options: P::wants_options(&settings.wanted),
            vpns: true,
            changes: true,
        },
        ignore_renewals: settings.ignore_renewals,
    };
    let (initial, timed_out) = (settings.follower.initial, Cell::new(false));
    let resumed = initial && position.is_some();
    let mut printing = Printing::new(Standing::new(settings.server.address.clone()), &shown, resumed, kept, exec);
    let mut follower = Follower::<P>::new(settings.wanted, SOURCE, position, settings.follower, fastrand::u64(..));
    let stop = async {
        let end = async {
            match settings.duration {
                Some(duration) => {
                    tokio::time::sleep(duration).await;
                    timed_out.set(true);
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = end => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let result = follow(&settings.server, &mut follower, &shared, &mut printing, stop).await;
    let silence = printing.standing().silence(initial).filter(|_| timed_out.get());
    let finished = printing.finish(&follower);
    match result.and(finished) {
        Ok(()) => silence.map_or(Ok(()), |reason| Err(Ended::Unreachable(reason))),
        Err(error) => Err(match error.downcast::<Ended>() {
            Ok(ended) => ended,
            Err(error) => Ended::Output(error),
        }),
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Output(error) => write!(f, "{error}"),
            Self::Refused(text) | Self::Unreachable(text) | Self::State(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Ended {}
