//! Answers single queries over UDP (RFC 4388): who has this address, and what does this client have?
//!
//! `cargo run --example datagrams -- 127.0.0.1:6767`, then `leasequery query 127.0.0.1:6767 --address 10.0.0.10`.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;

use leasequery_protocol::server::v4::answer;
use leasequery_protocol::server::{Policy, Verdict};
use leasequery_store::{Store, V4Key};

#[allow(dead_code, reason = "only its store is wanted")]
pub(crate) mod server;

/// Octets of the longest query that is read.
const LENGTH: usize = 8192;

/// Answers whoever asks. Who that may be is for the caller to say: this permits everybody.
pub(crate) fn serve(socket: &UdpSocket, store: &Store<V4Key>) -> std::io::Result<()> {
    let policy = Arc::new(Policy::default());
    let (mut query, mut out) = (vec![0; LENGTH], Vec::new());
    loop {
        let (length, from) = socket.recv_from(&mut query)?;
        out.clear();
        let permit = |_| Some(Arc::clone(&policy));
        match answer(&query[..length], from, Ipv4Addr::LOCALHOST, permit, store, &mut out) {
            // It goes where RFC 4388 says, which is not always where the query came from.
            Verdict::Answer { to, .. } => drop(socket.send_to(&out, to)?),
            Verdict::Silence(reason) => eprintln!("{from}: {reason}"),
        }
    }
}

#[allow(dead_code, reason = "tests take the parts above")]
fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let socket = UdpSocket::bind(address)?;
    println!("{}", socket.local_addr()?);
    serve(&socket, &server::store())
}
