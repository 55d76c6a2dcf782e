//! The whole system in one process: a simulated access network, the server, and requestors that ask it over TCP.

mod mirror;
mod network;
mod story;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use leasequery_daemon::config::{self, OverHttp, Requestor, Requestors};
use leasequery_daemon::listeners::{Datagrams, Listener, Places};
use leasequery_daemon::{Access, Around, Permissions};
use leasequery_live::turns::Turns;
use leasequery_live::wall_clock;
use leasequery_live::{Lifecycle, SharedStore, Stores};
use leasequery_protocol::follower::V4Wanted;
use leasequery_protocol::follower::V6Wanted;
use leasequery_protocol::requestor::v4::V4;
use leasequery_protocol::requestor::v6::{self, V6};
use leasequery_protocol::server::{Allow, Limits, Policy};
use leasequery_store::Store;
use tokio::task::JoinSet;

use mirror::Mirror;
use network::{AccessNetwork, DualStack};

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

/// What a requestor has, of both protocols.
pub(crate) struct Copies {
    v4: Mirror<V4>,
    v6: Mirror<V6>,
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
    let runtime = leasequery_daemon::runtime()?;
    let result = runtime.block_on(play(settings));
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

async fn play(settings: &Settings) -> anyhow::Result<bool> {
    let (mut v4, mut v6) =
        (Store::new(leasequery_store::Settings::default()), Store::new(leasequery_store::Settings::default()));
    let room = "a new store has room for a source";
    let (source_v4, source_v6) = (v4.source("demo").context(room)?, v6.source("demo").context(room)?);
    let mut network = AccessNetwork::new(fastrand::u64(..), source_v4, settings.rate);
    let dual = DualStack::new(source_v6);
    // Whoever looks should find a network that has been there for a while.
    v4.advance(wall_clock().minus(PAST));
    v6.advance(wall_clock().minus(PAST));
    v4.set_networks(None, &network.configured(v4.now()));
    v6.set_links(None, DualStack::links());
    network.populate(&mut v4, |happening| dual.follow(happening, &mut v6));
    let resident = network.resident().context("somebody is there")?;
    let stores = Stores { v4: Arc::new(SharedStore::new(v4)), v6: Arc::new(SharedStore::new(v6)) };

    let lifecycle = Lifecycle::new();
    let running = lifecycle.running();
    let permissions = Permissions { requestors: loopback()?, ..Permissions::default() };
    let (_permissions, access) = Access::new(permissions, &lifecycle);
    let mut tasks = JoinSet::new();
    stores.v4.keep(&running);
    stores.v6.keep(&running);
    let connections = 2 * settings.requestors + VISITORS;
    let duid = leasequery_client::duid::own();
    let mut servers = Vec::new();
    let around = Around::new(stores.clone(), access, Turns::of_runtime());
    for (address, service) in [
        (IpAddr::from(Ipv4Addr::LOCALHOST), config::Service::V4 { server_id: None }),
        (IpAddr::from(Ipv6Addr::LOCALHOST), config::Service::V6 { server_id: Arc::clone(&duid) }),
    ] {
        let tcp = config::Listener {
            address: (address, 0).into(),
            transport: config::Transport::Tcp,
            service: service.clone(),
            active: true,
            secure: false,
        };
        // A machine without IPv6 can do DHCPv6 over IPv4 all the same.
        let tcp = Listener::bind(&tcp).or_else(|_| {
            Listener::bind(&config::Listener { address: (Ipv4Addr::LOCALHOST, 0).into(), ..tcp.clone() })
        })?;
        // One port for both is easier to remember. It may be taken for the other.
        let udp = config::Listener {
            address: tcp.address(),
            transport: config::Transport::Udp,
            service,
            active: false,
            secure: false,
        };
        if let Ok(udp) = Datagrams::bind(&udp) {
            let around = around.clone();
            tasks.spawn_blocking(move || udp.run(&around));
        }
        servers.push(tcp.address());
        let places = Places::new(connections, connections);
        tasks.spawn(tcp.run(around.clone(), Limits::default(), places));
    }
    let [server_v4, server_v6] = servers[..] else { anyhow::bail!("two servers were started") };

    story::introduction(settings, [server_v4, server_v6], &network, &resident)?;
    let revision = |stores: &Stores| stores.v4.read(Store::revision).0 + stores.v6.read(Store::revision).0;
    let begun = stores.v4.read(Store::revision);
    let still = Arc::new(AtomicBool::new(false));
    let moving = {
        let (stores, still, rate) = (stores.clone(), Arc::clone(&still), settings.rate);
        tokio::task::spawn_blocking(move || simulate(network, &dual, &stores, rate, &still))
    };
    let copies: Vec<Copies> =
        std::iter::repeat_with(|| Copies { v4: Mirror::new(), v6: Mirror::new() }).take(settings.requestors).collect();
    for copy in &copies {
        copy.v4.follow(server_v4, V4Wanted::default(), running.clone(), &mut tasks);
        let (selector, client_id) = (v6::Selector::default(), Arc::clone(&duid));
        let wanted = V6Wanted { selector, options: Vec::new(), client_id, listeners: [].into() };
        copy.v6.follow(server_v6, wanted, running.clone(), &mut tasks);
    }

    let start = Instant::now();
    let mut seconds = tokio::time::interval_at((start + PERIOD).into(), PERIOD);
    let end = settings.duration.map(|duration| start + duration);
    let mut before = revision(&stores);
    loop {
        tokio::select! {
            biased;
            _ = seconds.tick() => {
                let now = revision(&stores);
                let active = stores.v4.read(|store| store.counts().active) + stores.v6.read(|store| store.counts().active);
                story::second(start.elapsed(), now - before, active, &copies)?;
                before = now;
            }
            () = until(end) => break,
            _ = tokio::signal::ctrl_c() => break,
        }
    }

    let elapsed = start.elapsed();
    still.store(true, Ordering::Relaxed);
    let tally = moving.await?;
    let equal = settle(&stores, &copies).await;
    let total = stores.v4.read(Store::revision).0 - begun.0;
    story::summary(elapsed, total, tally, &copies, equal)?;
    lifecycle.end();
    Ok(equal)
}

/// Whoever is on this machine may ask.
fn loopback() -> anyhow::Result<Arc<Requestors>> {
    let addresses = vec![
        IpNet::V4(Ipv4Net::new(Ipv4Addr::LOCALHOST, 8)?.trunc()),
        IpNet::V6(Ipv6Net::new(Ipv6Addr::LOCALHOST, 128)?),
    ];
    let policy =
        Policy { name: "demo".to_owned(), allow: Allow { active: true, ..Allow::default() }, ..Policy::default() };
    Ok(Arc::new(Requestors(vec![Requestor {
        addresses,
        certificate_names: None,
        policy: Arc::new(policy),
        over_http: OverHttp::default(),
    }])))
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end.into()).await,
        None => std::future::pending().await,
    }
}

/// Moves the network until it has to stand still.
fn simulate(
    mut network: AccessNetwork,
    dual: &DualStack,
    stores: &Stores,
    rate: u32,
    still: &AtomicBool,
) -> network::Tally {
    let start = Instant::now();
    let mut steps = 0;
    while !still.load(Ordering::Relaxed) {
        let due = start.elapsed().as_micros() * u128::from(rate) / 1_000_000;
        let batch = due.saturating_sub(steps).min(BATCH);
        if batch == 0 {
            std::thread::sleep(TICK);
            continue;
        }
        let happened: Vec<_> = stores.v4.write(|store| (0..batch).filter_map(|_| network.step(store)).collect());
        stores.v6.write(|store| happened.into_iter().for_each(|happening| dual.follow(happening, store)));
        steps += batch;
    }
    network.tally()
}

/// Waits until the copies equal the store. What runs out by itself goes on while the network stands still.
async fn settle(stores: &Stores, copies: &[Copies]) -> bool {
    for _ in 0..100 {
        let v4 = stores.v4.read(|store| copies.iter().all(|copy| copy.v4.equals(store)));
        if v4 && stores.v6.read(|store| copies.iter().all(|copy| copy.v6.equals(store))) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}
