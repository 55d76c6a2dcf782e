//! A Bulk Leasequery server inside of somebody's own DHCP server: a store that the DHCP server commits to, and a thread
//! for each connection. No runtime, no configuration, and no more dependencies than the rules need.
//!
//! `cargo run --example server -- 127.0.0.1:6767`, then `leasequery bulk 127.0.0.1:6767`.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use leasequery_protocol::server::v4::V4;
use leasequery_protocol::server::{Connection, Limits, Policy, Turn};
use leasequery_store::{Hardware, Settings, State, Store, Time, Update, V4Key};

/// Octets made at a time; the store is locked no longer than that takes.
const ROOM: usize = 64 * 1024;

/// Serves whoever connects. Who that may be is for the caller to say: this permits everybody.
pub(crate) fn serve(listener: &TcpListener, store: &Arc<RwLock<Store<V4Key>>>) -> std::io::Result<()> {
    for stream in listener.incoming() {
        let (stream, store) = (stream?, Arc::clone(store));
        std::thread::spawn(move || converse(stream, &store));
    }
    Ok(())
}

/// Turns the wheel of one connection: input, output, timer.
fn converse(mut stream: TcpStream, store: &RwLock<Store<V4Key>>) -> std::io::Result<()> {
    let start = Instant::now();
    let protocol = V4::new(Ipv4Addr::LOCALHOST, Arc::new(Policy::default()), false);
    let mut connection = Connection::new(protocol, Limits::default(), Duration::ZERO);
    let (mut input, mut out) = ([0; 4096], Vec::new());
    loop {
        let turn = match store.read() {
            Ok(store) => connection.poll_transmit(start.elapsed(), &store, &mut out, ROOM),
            Err(_) => return Err(ErrorKind::Other.into()),
        };
        stream.write_all(&out)?;
        connection.handle_progress(start.elapsed(), out.len(), 0);
        out.clear();
        match turn {
            Turn::More => continue,
            Turn::Close | Turn::Secure => return Ok(()),
            Turn::Idle => {}
        }
        let left = connection.poll_timeout().map(|due| due.saturating_sub(start.elapsed()));
        // Zero would mean for ever.
        stream.set_read_timeout(left.map(|left| left.max(Duration::from_millis(1))))?;
        match stream.read(&mut input) {
            Ok(0) => connection.handle_eof(),
            Ok(length) => connection.handle_bytes(start.elapsed(), &input[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if connection.handle_timeout(start.elapsed()) {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// A store with one lease, as a DHCP server would commit each of its own.
pub(crate) fn store() -> Store<V4Key> {
    let mut store = Store::new(Settings::default());
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = Time(u32::try_from(seconds).unwrap_or(u32::MAX));
    // Whoever owns the store moves its clock: leases run out by it.
    store.advance(now);
    if let Some(source) = store.source("our own leases") {
        let lease = Update {
            hardware: Some(Hardware { htype: 1, address: &[2, 0, 0, 0, 0, 10] }),
            last_transaction: Some(now),
            expires: Some(now.plus(3600)),
            ..Update::new(V4Key::new(Ipv4Addr::new(10, 0, 0, 10)), State::Active)
        };
        store.commit(source, &lease);
    }
    store
}

#[allow(dead_code, reason = "tests take the parts above")]
fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address)?;
    println!("{}", listener.local_addr()?);
    serve(&listener, &Arc::new(RwLock::new(store())))
}
