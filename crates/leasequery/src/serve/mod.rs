//! The daemon: sources, store and listeners in one process.

mod connection;
mod describe;
mod listener;
mod shared;
mod state;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use leasequery_protocol::follower;
use leasequery_protocol::requestor::Timeouts;
use leasequery_protocol::requestor::v4::{VpnChoice, Wanted};
use leasequery_protocol::server::Limits;
use leasequery_store::{Settings, SourceId, Store, V4Key, VpnIndex, VpnName};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::config::{self, Config, Requestors, Source};
use crate::source::{self, Configured};

pub use describe::describe;
pub use listener::Listener;
pub use shared::{SharedStore, keep_pulse, keep_time};

/// What the daemon's connections have to know of the outside.
#[derive(Debug, Clone, Default)]
pub struct Control {
    /// Who may ask.
    pub requestors: Arc<Requestors>,
    /// Set when the daemon ends.
    pub shutdown: bool,
}

/// How long connections have to say their last words. The daemon is gone within 5 seconds.
const GRACE: Duration = Duration::from_secs(3);

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
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve(config, file));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(config: Config, file: &Path) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut reload = signal(SignalKind::hangup())?;

    let mut listeners = Vec::new();
    for listener in &config.listeners {
        listeners.push(Listener::bind(listener)?);
    }
    let settings =
        Settings { history: config.limits.history, durable: config.state_dir.is_some(), ..Settings::default() };
    // A file is read again from its position; a client that pushed something considers it told.
    let repeats = !config.sources.iter().any(|source| matches!(source, Source::Push { .. }));
    let (shared, keeper) = state::open(config.state_dir.as_deref(), settings, repeats)?;
    end_departed_sources(&config, &shared);
    let configured = Configured::new(Arc::clone(&shared), &config)?;

    let (control_sender, control) =
        watch::channel(Control { requestors: Arc::clone(&config.requestors), shutdown: false });
    let mut tasks = JoinSet::new();
    tasks.spawn(keep_time(Arc::clone(&shared), control.clone()));
    tasks.spawn(keep_pulse(Arc::clone(&shared), control.clone()));

    let (loaded, mut first_loads) = mpsc::channel(config.sources.len().max(1));
    for source in &config.sources {
        let id = shared.write(|store| store.source(&source.name())).context("more than 256 sources")?;
        start_source(source, id, &config.limits, &shared, &configured, &control, loaded.clone(), &mut tasks)?;
    }
    drop(loaded);
    let stop = loop {
        tokio::select! {
            loaded = first_loads.recv() => if loaded.is_none() { break None },
            _ = terminate.recv() => break Some("SIGTERM"),
            _ = interrupt.recv() => break Some("SIGINT"),
        }
    };

    if stop.is_none() {
        if config.listeners.iter().any(|listener| listener.active) {
            until_history(&shared).await;
        }
        let limits = Limits {
            queries: config.limits.queries_per_connection,
            data_timeout: config.limits.data_timeout,
            active_send_timeout: config.limits.active_send_timeout,
            active_idle_timeout: config.limits.active_idle_timeout,
        };
        let mut ready = String::from("ready");
        for listener in listeners {
            ready.push_str(" v4-tcp=");
            ready.push_str(&listener.address().to_string());
            let (shared, control) = (Arc::clone(&shared), control.clone());
            tasks.spawn(listener.run(shared, control, limits, config.limits.connections));
        }
        let mut stdout = std::io::stdout().lock();
        // Whoever waits for the line may have gone; that is no reason not to serve.
        let _ = writeln!(stdout, "{ready}").and_then(|()| stdout.flush());
        drop(stdout);
        info!("{ready}");

        let reason = loop {
            tokio::select! {
                _ = terminate.recv() => break "SIGTERM",
                _ = interrupt.recv() => break "SIGINT",
                _ = reload.recv() => reconfigure(file, &control_sender, &configured),
            }
        };
        info!("{reason}: ending");
    }

    control_sender.send_modify(|control| control.shutdown = true);
    let all_done = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all_done).await.is_err() {
        warn!("some connections did not end in time");
    }
    if let Some(keeper) = keeper {
        keeper.stop();
    }
    Ok(())
}

/// Waits until there is a past to catch up with, which takes a part of a second: of the one in which the store began it
/// knows but a part, and a requestor that asks for it would be told that data are missing.
async fn until_history(shared: &SharedStore) {
    while shared.read_now(|store| store.now() < store.history_floor()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Ends what sources told of that are no longer configured, for nobody else would ever end it.
fn end_departed_sources(config: &Config, shared: &SharedStore) {
    let configured: Vec<_> = config.sources.iter().map(Source::name).collect();
    let departed = shared.read(|store| {
        let departed = store.sources().filter(|(_, name)| configured.iter().all(|configured| configured != name));
        departed.map(|(id, name)| (id, name.to_owned())).collect::<Vec<_>>()
    });
    for (id, name) in departed {
        let ended = shared.write(|store| store.end_source(id));
        if ended > 0 {
            info!("{name} is no longer configured: {ended} of its bindings ended");
        }
    }
}

fn start_source(
    source: &Source,
    id: SourceId,
    limits: &config::Limits,
    shared: &Arc<SharedStore>,
    configured: &Arc<Configured>,
    control: &watch::Receiver<Control>,
    loaded: mpsc::Sender<()>,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<()> {
    match source {
        Source::Push { path } => {
            let socket = source::push::Socket::bind(path)
                .with_context(|| format!("source push: {} cannot be made", path.display()))?;
            tasks.spawn(socket.run(id, Arc::clone(shared), control.clone()));
        }
        Source::Leasequery { server, vpn, options, poll, sweep } => {
            let wanted = Wanted {
                vpn: vpn.as_ref().map(|vpn| match vpn {
                    VpnName::Name(name) => VpnChoice::Name(name.to_vec()),
                    VpnName::Id(id) => VpnChoice::Id(*id),
                }),
                options: options.clone(),
            };
            let settings = follower::Settings {
                retry: limits.active_idle_timeout,
                poll: *poll,
                sweep: Some(*sweep),
                initial: true,
                timeouts: Timeouts { data: limits.data_timeout, ..Timeouts::default() },
            };
            let (shared, control) = (Arc::clone(shared), control.clone());
            tasks.spawn(source::leasequery::run(server.clone(), wanted, settings, id, shared, control, loaded));
        }
        Source::KeaMemfile { path, vpn, .. } => {
            let vpn = match vpn {
                Some(vpn) => shared.write(|store| store.vpn(vpn)).context("more than 65535 VPNs")?,
                None => VpnIndex::DEFAULT,
            };
            let kea = configured.kea_config(id);
            let follower = source::kea::Follower::new(path.clone(), kea, id, vpn, Arc::clone(shared));
            let control = control.clone();
            tasks.spawn_blocking(move || follower.run(&|| control.borrow().shutdown, loaded));
        }
    }
    Ok(())
}

/// Takes requestors and networks from the file anew. A bad file changes nothing.
fn reconfigure(file: &Path, control: &watch::Sender<Control>, configured: &Configured) {
    match Config::load(file) {
        Ok(config) => {
            // Nobody who may not ask any more is told of what is new.
            control.send_modify(|control| control.requestors = Arc::clone(&config.requestors));
            configured.reload(&config);
            info!("SIGHUP: requestors and networks taken from {}", file.display());
        }
        Err(problem) => error!("SIGHUP: the old configuration stays: {problem}"),
    }
}

/// The address that a listener's replies name as the server.
fn server_id(configured: Option<std::net::Ipv4Addr>, local: SocketAddr) -> std::net::Ipv4Addr {
    configured.unwrap_or(match local {
        SocketAddr::V4(local) => *local.ip(),
        SocketAddr::V6(local) => local.ip().to_ipv4_mapped().unwrap_or(std::net::Ipv4Addr::UNSPECIFIED),
    })
}

/// The store of the daemon.
pub type DaemonStore = Store<V4Key>;
