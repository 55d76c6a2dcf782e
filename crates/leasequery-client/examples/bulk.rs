//! Asks a server for everything it knows (RFC 6926) and prints it, a record of JSON a line.
//!
//! `cargo run --example bulk -- 127.0.0.1:6767`

use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use leasequery_client::{Server, Sink, Target, fetch};
use leasequery_protocol::follower::Followed;
use leasequery_protocol::follower::V4Wanted;
use leasequery_protocol::requestor::v4::{BulkQuery, Query, Record, V4};
use leasequery_record::View;

struct Print<W>(W);

impl<W: Write> Sink<V4> for Print<W> {
    fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        let mut line = Vec::new();
        View::of_v4(record).write_json(&mut line);
        self.0.write_all(&line)
    }
}

pub(crate) fn bulk(server: &str, out: impl Write) -> Result<(), Box<dyn std::error::Error>> {
    let server: Server = server.parse()?;
    let (_, addresses) = server.resolve(true, false)?;
    let target = Target { addresses: &addresses, tls: None };
    let protocol = |peer: IpAddr| V4::with_peer(&V4Wanted::default(), peer);
    let done = fetch(target, protocol, &Query::Bulk(BulkQuery::default()), Duration::from_mins(1), &mut Print(out))?;
    if done.status.is_success() { Ok(()) } else { Err(format!("{}: {}", done.status, done.text).into()) }
}

#[allow(dead_code, reason = "tests take the part above")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    bulk(&std::env::args().nth(1).ok_or("which server?")?, io::stdout().lock())
}
