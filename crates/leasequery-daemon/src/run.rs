use std::fmt::Write as _;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use leasequery_live::disk::Keeper;
use leasequery_live::health::Health;
use leasequery_live::registry::Registry;
use leasequery_live::turns::Turns;
use leasequery_live::{Lifecycle, SharedStore, Stores, disk};
use leasequery_protocol::requestor::v4::V4;
use leasequery_protocol::requestor::v6::V6;
use leasequery_protocol::server::Limits;
use leasequery_record::{Family, Protocol};
use leasequery_store::{Key, Settings, Store, Time};
use nix::libc;
use nix::sys::stat::{Mode, umask};
use thiserror::Error;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::access::{Access, Permissions};
use crate::around::Around;
use crate::callers::Callers;
use crate::config::{self, Config, Http, Source, Transport};
use crate::http::{Front, Site};
use crate::listeners::{Datagrams, Listener, Places};
use crate::manager::{self, Stage};
use crate::sources::{Configured, Departed, Surroundings};
use crate::state::State;
use crate::{certificates, descriptors, widened};

/// How long connections have to say their last words. The daemon is gone within 5 seconds.
const GRACE: Duration = Duration::from_secs(3);
/// How long after the signal the last changes of the stores may be written: all the time that connections leave of it.
const LAST_WRITES: Duration = Duration::from_millis(4400);
/// How long threads have to come to an end after that. Of those that have not nothing is wanted any more.
const THREADS: Duration = Duration::from_millis(300);

/// After how many tasks a busy thread looks whether a socket has got anything: a peer that is quick must not wait for many
/// that are busy.
const EVENTS: u32 = 8;

/// That the daemon did not end well, although it did run.
#[derive(Debug, Error)]
pub enum Failure {
    /// Changes that are not on disk.
    #[error("{0}")]
    Unwritten(String),
}

/// What the daemon runs on.
pub fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().event_interval(EVENTS).build()
}

/// Runs the daemon until a signal ends it.
pub fn run(config: Config, file: &Path) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("LEASEQUERY_LOG").unwrap_or_else(|_| "info".into()),
        )
        .with_target(false)
        .init();
    for warning in &config.warnings {
        warn!("{warning}");
    }
    // Leases are nobody else's (RFC 7724 section 9), nor is what the daemon makes; others may use the push socket if its
    // mode says so.
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    let descriptors = descriptors::prepare(&config);
    let runtime = runtime()?;
    let result = runtime.block_on(serve(config, file, &descriptors));
    runtime.shutdown_timeout(THREADS);
    result
}

async fn serve(config: Config, file: &Path, descriptors: &Arc<Semaphore>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut reload = signal(SignalKind::hangup())?;
    // A file that would become too large is an error to be dealt with and not the end.
    let _too_large = signal(SignalKind::from_raw(libc::SIGXFSZ))?;

    let listeners = config.listeners.iter().map(Bound::bind).collect::<Result<Vec<_>, _>>()?;
    let front = config.http.as_ref().map(Front::bind).transpose()?;
    let settings =
        Settings { history: config.limits.history, durable: config.state_dir.is_some(), ..Settings::default() };
    // A file is read again from its position. A client that pushed something considers it told, and another server may
    // have lost in the same moment what it had told.
    let repeats = config.sources.iter().all(|source| matches!(source, Source::KeaMemfile { .. }));
    let place = config.state_dir.as_deref().map(disk::Place::take).transpose()?;
    let (turns, registry) = (Turns::of_runtime(), Registry::default());
    let (v4, keeper_v4) = disk::open(place.as_ref(), V4::NAME, settings, repeats, &turns, &registry)?;
    let (v6, keeper_v6) = disk::open(place.as_ref(), V6::NAME, settings, repeats, &turns, &registry)?;
    let stores = Stores { v4, v6 };
    let is_new = is_empty(&stores.v4) && is_empty(&stores.v6);
    let departed = Departed::find(&config, Protocol::V4, &stores.v4);
    let departed_v6 = Departed::find(&config, Protocol::V6, &stores.v6);
    let configured = Configured::new(stores.clone(), &config);

    let lifecycle = Lifecycle::new();
    let running = lifecycle.running();
    let memory = widened::Memory::at(place.as_ref().map(|place| place.of("permissions")));
    let requestors = Arc::new(memory.restore(&config.requestors, is_new, latest(&stores)));
    let permissions = Permissions { requestors, tls: config.tls.clone() };
    let (permissions, access) = Access::new(permissions, &lifecycle);
    let mut tasks = JoinSet::new();
    tasks.spawn(certificates::watch(access.clone(), registry.clone(), &config.sources));
    stores.v4.keep(&running);
    stores.v6.keep(&running);

    let addresses: Vec<_> = listeners.iter().filter_map(Bound::tcp_address).collect();
    let surroundings = Surroundings {
        limits: &config.limits,
        stores: &stores,
        configured: &configured,
        running: &running,
        registry: &registry,
        listeners: &addresses,
    };
    for source in &config.sources {
        surroundings.start(source, &mut tasks)?;
    }
    tasks.spawn(Arc::clone(&configured).wait_for_files(lifecycle.running()));
    tasks.spawn(departed.end(running.clone()));
    tasks.spawn(departed_v6.end(running.clone()));
    if config.listeners.iter().any(|listener| listener.active) {
        until_history(&stores.v4).await;
        until_history(&stores.v6).await;
    }
    let callers = Callers::default();
    let around = Around { stores: stores.clone(), access, turns, registry: registry.clone(), callers };
    let mut ready = serve_listeners(listeners, &config, descriptors, &around, &mut tasks);
    // What is known is served from now on, and what is not is waited for here, not by whoever started the service.
    let health = Health::new(registry.clone());
    if let Some((front, http)) = front.zip(config.http.as_ref()) {
        // Writing to memory does not fail.
        let _ = write!(ready, " {}={}", Http::NAME, front.address());
        let places = Places::within(descriptors, Front::CONNECTIONS, Front::CONNECTIONS_OF_ONE);
        tasks.spawn(front.run(Site::new(http, around, health.readiness()), places));
    }
    let mut state = State::begin(health, ready);
    let reason = loop {
        tokio::select! {
            _ = terminate.recv() => break "SIGTERM",
            _ = interrupt.recv() => break "SIGINT",
            _ = reload.recv() => {
                manager::tell(Stage::Reloading);
                state.reloaded(reconfigure(file, &permissions, &memory, &configured, &stores));
            }
            () = state.pause() => state.look(),
        }
    };
    info!("{reason}: ending");
    manager::tell(Stage::Stopping);
    let until = Instant::now() + LAST_WRITES;

    lifecycle.end();
    let all_done = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all_done).await.is_err() {
        warn!("some connections did not end in time");
    }
    let mut keepers: Vec<_> = [keeper_v4, keeper_v6].into_iter().flatten().collect();
    keepers.iter_mut().for_each(Keeper::end);
    let missing: Vec<String> = keepers.into_iter().filter_map(|keeper| keeper.ended(until).err()).collect();
    if missing.is_empty() { Ok(()) } else { Err(Failure::Unwritten(missing.join("; ")).into()) }
}

/// Starts to serve, and gives the line that says where.
fn serve_listeners(
    listeners: Vec<Bound>,
    config: &Config,
    descriptors: &Arc<Semaphore>,
    around: &Around,
    tasks: &mut JoinSet<()>,
) -> String {
    let limits = Limits {
        queries: config.limits.queries_per_connection,
        data_timeout: config.limits.data_timeout,
        active_send_timeout: config.limits.active_send_timeout,
        active_idle_timeout: config.limits.active_idle_timeout,
    };
    let mut ready = String::from("ready");
    for listener in listeners {
        let (name, address) = match &listener {
            Bound::Tcp(listener) => (listener.name(), listener.address()),
            Bound::Udp(datagrams) => (datagrams.name(), datagrams.address()),
        };
        // Writing to memory does not fail.
        let _ = write!(ready, " {name}={address}");
        let around = around.clone();
        match listener {
            Bound::Tcp(listener) => {
                let places =
                    Places::within(descriptors, config.limits.connections, config.limits.connections_per_requestor);
                tasks.spawn(listener.run(around, limits, places));
            }
            Bound::Udp(datagrams) => {
                tasks.spawn_blocking(move || datagrams.run(&around));
            }
        }
    }
    ready
}

/// Waits until there is a past to catch up with, which takes a part of a second: of the one in which the store began it
/// knows but a part, and a requestor that asks for it would be told that data are missing.
async fn until_history<K: Key>(shared: &SharedStore<K>) {
    while shared.read_now(|store| store.now() < store.history_floor()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Takes requestors, certificates and networks from the files anew. A bad file changes nothing: that is the error.
fn reconfigure(
    file: &Path,
    permissions: &watch::Sender<Permissions>,
    memory: &widened::Memory,
    configured: &Configured,
    stores: &Stores,
) -> Result<(), String> {
    match Config::load(file) {
        Ok(config)
            if let Some(fault) =
                certificates::fault_of_change(permissions.borrow().tls.as_deref(), config.tls.as_deref()) =>
        {
            let outcome = format!("the old configuration stays: {fault}");
            error!("SIGHUP: {outcome}");
            Err(outcome)
        }
        Ok(config) => {
            let now = latest(stores);
            // Nobody who may not ask any more is told of what is new.
            permissions.send_modify(|permissions| {
                permissions.requestors = Arc::new(widened::compare(&permissions.requestors, &config.requestors, now));
                memory.keep(&permissions.requestors);
                if config.tls.is_some() {
                    permissions.tls.clone_from(&config.tls);
                }
            });
            configured.reload(&config);
            info!("SIGHUP: requestors, certificates and networks taken from {}", file.display());
            Ok(())
        }
        Err(problem) => {
            let outcome = format!("the old configuration stays: {problem}");
            error!("SIGHUP: {outcome}");
            Err(outcome)
        }
    }
}

/// Whether nothing is known, nor configured.
fn is_empty<K: Key>(shared: &SharedStore<K>) -> bool {
    let counts = shared.read(Store::counts);
    counts.bindings == 0 && counts.configured == 0
}

/// The time of the store whose clock is ahead.
fn latest(stores: &Stores) -> Time {
    stores.v4.read_now(Store::now).max(stores.v6.read_now(Store::now))
}

/// A listener that is not served yet.
enum Bound {
    Tcp(Listener),
    Udp(Datagrams),
}

impl Bound {
    fn bind(listener: &config::Listener) -> anyhow::Result<Self> {
        Ok(match listener.transport {
            Transport::Tcp => Self::Tcp(Listener::bind(listener)?),
            Transport::Udp => Self::Udp(Datagrams::bind(listener)?),
        })
    }

    fn tcp_address(&self) -> Option<(Protocol, SocketAddr)> {
        match self {
            Self::Tcp(listener) => Some((listener.protocol(), listener.address())),
            Self::Udp(_) => None,
        }
    }
}
