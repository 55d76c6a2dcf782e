//! A daemon's listener over the leases of an access network, for benchmarks.

#![allow(dead_code, unreachable_pub, clippy::cast_precision_loss, reason = "each benchmark takes what it needs")]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use leasequery_daemon::config::{self, OverHttp, Requestor, Requestors, Service};
use leasequery_daemon::listeners::{Listener, Places};
use leasequery_daemon::{Access, Around, Permissions};
use leasequery_live::turns::Turns;
use leasequery_live::{Lifecycle, Stores};
use leasequery_protocol::requestor::v4::{BulkQuery, V4};
use leasequery_protocol::requestor::v6::{self, V6};
use leasequery_protocol::requestor::{Connection, Timeouts};
use leasequery_protocol::server::{Allow, Limits, Policy};
use leasequery_store::{Hardware, Link, Start, State, Store, Time, Update, V4Key, V6Key};
use tokio::runtime::Runtime;

pub fn now() -> Time {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    Time(u32::try_from(seconds).expect("before 2106"))
}

/// How many bindings are asked for in the environment.
pub fn bindings() -> u32 {
    std::env::var("BINDINGS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000)
}

/// Active leases with MAC address, client-identifier, option 82 of 41 octets and a host name.
pub fn fill(store: &mut Store<V4Key>, bindings: u32) {
    let source = store.source("bench").expect("the first source");
    for number in 0..bindings {
        let [_, a, b, c] = number.to_be_bytes();
        let mac = [2, 0, 0, a, b, c];
        let relay_info = relay_info(number);
        let name = format!("host-{number:07}");
        let update = Update {
            start_of_state: Start::Entered(now()),
            hardware: Some(Hardware { htype: 1, address: &mac }),
            client_id: Some(&[1, 2, 0, 0, a, b, c]),
            last_transaction: Some(now()),
            expires: Some(now().plus(86_400)),
            renews: Some(now().plus(43_200)),
            rebinds: Some(now().plus(75_600)),
            relay_info: Some(&relay_info),
            remote_id: Some(&relay_info[18..27]),
            relay_id: Some(&relay_info[29..41]),
            options: &[(12, name.as_bytes())],
            ..Update::new(V4Key::new(Ipv4Addr::from_bits(0x0a00_0000 + number)), State::Active)
        };
        store.commit(source, &update);
    }
}

pub fn relay_info(number: u32) -> Vec<u8> {
    let mut info = vec![1, 14];
    info.extend_from_slice(format!("eth0/1/2:{:05}", number % 4096).as_bytes());
    info.extend_from_slice(&[2, 9]);
    info.extend_from_slice(format!("{:09}", number / 2).as_bytes());
    info.extend_from_slice(&[12, 12]);
    info.extend_from_slice(format!("relay-{:06}", number / 2000).as_bytes());
    info
}

/// As many clients of DHCPv6 with an address each, on links of 4,096 of them, behind relays.
pub fn fill_v6(store: &mut Store<V6Key>, bindings: u32) {
    let source = store.source("bench").expect("the first source");
    let link = |number: u32| Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(number / 4096) << 64);
    let links = (0..=bindings / 4096).map(|number| {
        let address = link(number * 4096);
        Link { address, networks: vec![(address, 64)] }
    });
    store.set_links(None, links.collect());
    for number in 0..bindings {
        let [a, b, c, d] = number.to_be_bytes();
        let duid = [0, 1, 0, 1, 0x2a, 0x10, 7, 8, 2, 0, a, b, c, d];
        let update = Update {
            client_id: Some(&duid),
            last_transaction: Some(now()),
            expires: Some(now().plus(86_400)),
            renews: Some(now().plus(43_200)),
            ..Update::new(V6Key::new(Ipv6Addr::from_bits(link(number).to_bits() | u128::from(number))), State::Active)
        };
        store.commit(source, &update);
    }
}

/// What `leasequery bulk --options 12` asks.
pub fn everything() -> BulkQuery {
    BulkQuery { options: vec![12], ..BulkQuery::default() }
}

/// The same as a message with its length.
pub fn query() -> Vec<u8> {
    let mut connection = Connection::new(V4::new(None), Timeouts::default(), 7);
    connection.ask(Duration::ZERO, everything()).expect("it can be said");
    connection.poll_transmit().to_vec()
}

/// What `leasequery bulk --v6` asks, as a message with its length.
pub fn query_v6() -> Vec<u8> {
    let client: Arc<[u8]> = Arc::new([0, 3, 0, 1, 2, 0, 0, 0, 0, 1]);
    let mut connection = Connection::new(V6::new(client), Timeouts::default(), 7);
    connection.ask(Duration::ZERO, v6::BulkQuery::default()).expect("it can be said");
    connection.poll_transmit().to_vec()
}

/// A listener that serves everybody on this machine.
pub struct Daemon {
    pub address: SocketAddr,
    _runtime: Runtime,
    _lifecycle: Lifecycle,
}

impl Daemon {
    /// In the clear, or with TLS.
    pub fn start(stores: &Stores, service: Service, tls: Option<leasequery_tls::Server>) -> Self {
        let runtime = leasequery_daemon::runtime().expect("a runtime");
        let allow = Allow { active: true, ..Allow::default() };
        let everybody = Requestor {
            addresses: vec!["127.0.0.0/8".parse().expect("a prefix")],
            certificate_names: None,
            policy: Arc::new(Policy { allow, ..Policy::default() }),
            over_http: OverHttp::default(),
        };
        let listener = config::Listener {
            address: "127.0.0.1:0".parse().expect("an address"),
            transport: config::Transport::Tcp,
            service,
            active: true,
            secure: tls.is_some(),
        };
        let permissions = Permissions { requestors: Arc::new(Requestors(vec![everybody])), tls: tls.map(Arc::new) };
        let lifecycle = Lifecycle::new();
        let (_, access) = Access::new(permissions, &lifecycle);
        let address = runtime.block_on(async {
            let listener = Listener::bind(&listener).expect("a port");
            let address = listener.address();
            stores.v4.keep(&lifecycle.running());
            let around = Around::new(stores.clone(), access, Turns::of_runtime());
            tokio::spawn(listener.run(around, Limits::default(), Places::new(10, 10)));
            address
        });
        Self { address, _runtime: runtime, _lifecycle: lifecycle }
    }
}

/// The median of five runs.
pub fn repeat(mut run: impl FnMut() -> f64) -> f64 {
    let mut runs: Vec<f64> = (0..5).map(|_| run()).collect();
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}
