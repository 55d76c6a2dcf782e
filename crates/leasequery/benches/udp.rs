//! Single queries over UDP: answers a second of the daemon's listener, beside a bare echo of tokio's that is asked in the
//! same way, and beside ISC's dhcpd if that can be started. A client keeps a number of queries outstanding, and counts
//! answers for a second at a time.

#![allow(missing_docs, clippy::cast_precision_loss)]

mod dhcpd;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use leasequery_daemon::config::{self, OverHttp, Requestor, Requestors};
use leasequery_daemon::listeners::Datagrams;
use leasequery_daemon::{Access, Around, Permissions};
use leasequery_live::turns::Turns;
use leasequery_live::{Lifecycle, Stores};
use leasequery_protocol::server::Policy;
use leasequery_store::{Hardware, Settings, SourceId, State, Time, Update, V4Key, V6Key};
use leasequery_wire::{v4, v6};

use dhcpd::Dhcpd;

/// Queries that are outstanding.
const WINDOW: usize = 128;
const BINDINGS: u32 = 100_000;
const ROUNDS: usize = 5;
const SOURCE: SourceId = SourceId(0);

fn stores() -> Stores {
    let stores = Stores::new(Settings::default());
    let far = Time(u32::MAX - 1);
    stores.v4.write(|store| {
        store.source("bench");
        for number in 0..BINDINGS {
            let [_, a, b, c] = number.to_be_bytes();
            let mac = [2, 0, 0, a, b, c];
            let relay = [1, 6, b'e', b't', b'h', a, b, c, 2, 6, b'l', b'i', b'n', a, b, c];
            let key = V4Key::new(Ipv4Addr::from_bits(0x0a00_0000 + number));
            let update = Update {
                hardware: Some(Hardware { htype: 1, address: &mac }),
                client_id: Some(&[1, 2, 0, 0, a, b, c]),
                last_transaction: Some(store.now()),
                expires: Some(far),
                relay_info: Some(&relay),
                ..Update::new(key, State::Active)
            };
            store.commit(SOURCE, &update);
        }
    });
    stores.v6.write(|store| {
        store.source("bench");
        for number in 0..BINDINGS {
            let [_, a, b, c] = number.to_be_bytes();
            let duid = [0, 3, 0, 1, 2, 0, 0, a, b, c];
            let update = Update {
                client_id: Some(&duid),
                last_transaction: Some(store.now()),
                expires: Some(far),
                ..Update::new(V6Key::new(v6_address(number)), State::Active)
            };
            store.commit(SOURCE, &update);
        }
    });
    stores
}

fn v6_address(number: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(number))
}

fn query_v4(number: u32, giaddr: Ipv4Addr) -> Vec<u8> {
    let mut out = Vec::new();
    let header = v4::Header {
        ciaddr: Ipv4Addr::from_bits(0x0a00_0000 + number),
        giaddr,
        ..v4::Header::new(v4::BOOT_REQUEST, number)
    };
    let mut writer = v4::MessageWriter::datagram(&mut out, &header, v4::MessageType::LEASE_QUERY);
    writer.option(v4::OptionCode::PARAMETER_REQUEST_LIST, &[51, 58, 59, 61, 82, 91]);
    writer.finish().expect("a short message");
    out
}

fn query_local(number: u32) -> Vec<u8> {
    query_v4(number, Ipv4Addr::LOCALHOST)
}

fn query_v6(number: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = v6::MessageWriter::datagram(&mut out, v6::MessageType::LEASE_QUERY, number);
    writer.option(v6::OptionCode::CLIENT_ID, &[0, 3, 0, 1, 2, 0, 0, 0, 0, 1]);
    let open = writer.query(v6::QueryType::BY_ADDRESS, Ipv6Addr::UNSPECIFIED);
    writer.lease(v6_address(number), None, 0, 0);
    writer.option(v6::OptionCode::REQUEST, &[0, 47]);
    writer.close(open);
    writer.finish().expect("a short message");
    out
}

/// Answers a second, the best of some seconds.
fn ask(server: SocketAddr, from: SocketAddr, query: impl Fn(u32) -> Vec<u8>) -> f64 {
    let queries: Vec<Vec<u8>> = (0..BINDINGS).step_by(97).map(query).collect();
    let socket = UdpSocket::bind(from).expect("a socket");
    socket.connect(server).expect("it is there");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    let mut next = queries.iter().cycle();
    let mut send = || socket.send(next.next().expect("they go round")).expect("it is sent");
    let mut input = [0; 2048];
    let mut best = 0.0_f64;
    for _ in 0..WINDOW {
        send();
    }
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut answers = 0_u32;
        while start.elapsed() < Duration::from_secs(1) {
            if socket.recv(&mut input).is_ok() {
                answers += 1;
            }
            send();
        }
        best = best.max(f64::from(answers) / start.elapsed().as_secs_f64());
    }
    best
}

/// An echo as simple as it gets.
fn echo(address: &str) -> SocketAddr {
    let (sender, receiver) = std::sync::mpsc::channel();
    let address = address.to_owned();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let socket = tokio::net::UdpSocket::bind(address).await.expect("a socket");
            sender.send(socket.local_addr().expect("an address")).expect("somebody waits");
            let mut buffer = [0; 2048];
            loop {
                if let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                    let _ = socket.send_to(&buffer[..length], from).await;
                }
            }
        });
    });
    receiver.recv().expect("it is bound")
}

fn serve(listener: &config::Listener, stores: &Stores) -> SocketAddr {
    let addresses = ["127.0.0.0/8", "::1/128"].map(|net| net.parse().expect("a prefix")).to_vec();
    let everybody = Requestor {
        addresses,
        certificate_names: None,
        policy: Arc::new(Policy::default()),
        over_http: OverHttp::default(),
    };
    let permissions = Permissions { requestors: Arc::new(Requestors(vec![everybody])), ..Permissions::default() };
    let lifecycle = Lifecycle::new();
    let (_, access) = Access::new(permissions, &lifecycle);
    let datagrams = Datagrams::bind(listener).expect("a port");
    let (address, stores) = (datagrams.address(), stores.clone());
    std::thread::spawn(move || {
        let _lifecycle = lifecycle;
        datagrams.run(&Around::new(stores, access, Turns::new(2)));
    });
    address
}

fn main() {
    let stores = stores();
    let duid: Arc<[u8]> = vec![0, 3, 0, 1, 2, 0, 0, 0, 0, 2].into();
    for (name, address, service, query) in [
        ("DHCPv4", "127.0.0.1:0", config::Service::V4 { server_id: None }, query_local as fn(u32) -> Vec<u8>),
        ("DHCPv6", "[::1]:0", config::Service::V6 { server_id: duid }, query_v6),
    ] {
        let listener = config::Listener {
            address: address.parse().expect("an address"),
            transport: config::Transport::Udp,
            service,
            active: false,
            secure: false,
        };
        let limit = ask(echo(address), listener.address, query);
        let rate = ask(serve(&listener, &stores), listener.address, query);
        println!("{:<44} {:>9.0} /s", format!("echo of tokio's, asked as {name}"), limit);
        println!(
            "{:<44} {:>9.0} /s {:>5.0} % of the echo",
            format!("{name} queries by address"),
            rate,
            100.0 * rate / limit
        );
    }
    match Dhcpd::start(BINDINGS) {
        Ok(_dhcpd) => {
            let from = (dhcpd::RELAY, 67).into();
            let rate = ask((dhcpd::SERVER, 67).into(), from, |number| query_v4(number, dhcpd::RELAY));
            println!("{:<44} {rate:>9.0} /s", "the same of ISC's dhcpd, over veth");
        }
        Err(error) => println!("ISC's dhcpd is left out: {error}"),
    }
}
