//! The whole system in one process: a simulated access network, the server, and requestors that ask it over TCP.

mod mirror;
mod network;
mod story;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use ipnet::{IpNet, Ipv4Net};
use leasequery_protocol::server::{Allow, Limits, Policy};
use leasequery_store::{Store, V4Key};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::{self, Requestor, Requestors};
use crate::requestor::wall_clock;
use crate::serve::{Control, Listener, SharedStore, Stores};
use mirror::Mirror;
use network::AccessNetwork;

/// How the demonstration runs.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// How long; `None` until it is interrupted.
    pub(crate) duration: Option<Duration>,
    /// How many requestors keep a copy.
    pub(crate) requestors: usize,
    /// Changes a second.
    pub(crate) rate: u32,
    /// How the program was called, for the commands to try.
    pub(crate) program: String,
}

/// Seconds for which the network has been there.
const PAST: u32 = 600;
/// How often it is reported what has happened.
const PERIOD: Duration = Duration::from_secs(1);
/// Connections beside those of the requestors, for whoever watches.
const VISITORS: usize = 16;
/// How often the network moves.
const TICK: Duration = Duration::from_millis(5);
/// Changes committed at a time, so that nobody waits for the store.
const BATCH: u128 = 512;

/// Runs the demonstration and says whether the requestors' copies equal the store at its end.
pub(crate) fn run(settings: &Settings) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(play(settings));
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

async fn play(settings: &Settings) -> anyhow::Result<bool> {
    let mut store = Store::new(leasequery_store::Settings::default());
    let source = store.source("demo").context("a new store has room for a source")?;
    let mut network = AccessNetwork::new(fastrand::u64(..), source, settings.rate);
    // Whoever looks should find a network that has been there for a while.
    store.advance(wall_clock().minus(PAST));
    store.set_networks(None, &network.configured(store.now()));
    network.populate(&mut store);
    let resident = network.resident().context("somebody is there")?;
    let shared = Arc::new(SharedStore::new(store));
    let stores = Stores { v4: Arc::clone(&shared), ..Stores::new(leasequery_store::Settings::default()) };

    let listener = Listener::bind(&config::Listener {
        address: (Ipv4Addr::LOCALHOST, 0).into(),
        transport: config::Transport::Tcp,
        service: config::Service::V4 { server_id: None },
        active: true,
    })?;
    let server = listener.address();
    let (control_sender, control) = watch::channel(Control { requestors: loopback()?, shutdown: false });
    let mut tasks = JoinSet::new();
    shared.keep(&control);
    let connections = 2 * settings.requestors + VISITORS;
    tasks.spawn(listener.run(stores, control.clone(), Limits::default(), connections));

    story::introduction(settings, server, &network, &resident)?;
    let begun = shared.read(Store::revision);
    let still = Arc::new(AtomicBool::new(false));
    let moving = {
        let (shared, still, rate) = (Arc::clone(&shared), Arc::clone(&still), settings.rate);
        tokio::task::spawn_blocking(move || simulate(network, &shared, rate, &still))
    };
    let copies: Vec<Mirror> = std::iter::repeat_with(Mirror::new).take(settings.requestors).collect();
    for copy in &copies {
        copy.follow(server, control.clone(), &mut tasks);
    }

    let start = Instant::now();
    let mut seconds = tokio::time::interval_at((start + PERIOD).into(), PERIOD);
    let end = settings.duration.map(|duration| start + duration);
    let mut before = begun;
    loop {
        tokio::select! {
            biased;
            _ = seconds.tick() => {
                let (revision, counts) = shared.read(|store| (store.revision(), store.counts()));
                story::second(start.elapsed(), revision.0 - before.0, counts.active, &copies)?;
                before = revision;
            }
            () = until(end) => break,
            _ = tokio::signal::ctrl_c() => break,
        }
    }

    let elapsed = start.elapsed();
    still.store(true, Ordering::Relaxed);
    let tally = moving.await?;
    let equal = settle(&shared, &copies).await;
    let total = shared.read(Store::revision).0 - begun.0;
    story::summary(elapsed, total, tally, &copies, equal)?;
    control_sender.send_modify(|control| control.shutdown = true);
    Ok(equal)
}

/// Whoever is on this machine may ask.
fn loopback() -> anyhow::Result<Arc<Requestors>> {
    let addresses = vec![IpNet::V4(Ipv4Net::new(Ipv4Addr::LOCALHOST, 8)?.trunc())];
    let policy =
        Policy { name: "demo".to_owned(), allow: Allow { active: true, ..Allow::default() }, ..Policy::default() };
    Ok(Arc::new(Requestors(vec![Requestor { addresses, policy: Arc::new(policy) }])))
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end.into()).await,
        None => std::future::pending().await,
    }
}

/// Moves the network until it has to stand still.
fn simulate(mut network: AccessNetwork, shared: &SharedStore<V4Key>, rate: u32, still: &AtomicBool) -> network::Tally {
    let start = Instant::now();
    let mut steps = 0;
    while !still.load(Ordering::Relaxed) {
        let due = start.elapsed().as_micros() * u128::from(rate) / 1_000_000;
        let batch = due.saturating_sub(steps).min(BATCH);
        if batch == 0 {
            std::thread::sleep(TICK);
            continue;
        }
        shared.write(|store| (0..batch).for_each(|_| network.step(store)));
        steps += batch;
    }
    network.tally()
}

/// Waits until the copies equal the store. What runs out by itself goes on while the network stands still.
async fn settle(shared: &SharedStore<V4Key>, copies: &[Mirror]) -> bool {
    for _ in 0..100 {
        if shared.read(|store| copies.iter().all(|copy| copy.equals(store))) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}
