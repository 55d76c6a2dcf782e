use std::io::{self, IsTerminal, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use leasequery_protocol::requestor::v4::{BulkQuery, V4};
use leasequery_protocol::requestor::{Connection, Done, Event, Protocol, Timeouts};
use leasequery_store::Time;
use leasequery_wire::v4::StatusCode;

use super::selectors::Selectors;
use super::server::Server;
use super::{Ending, complain};
use crate::output::{Format, Printer, Progress};
use crate::record::View;

/// One Bulk Leasequery over TCP; prints every binding.
#[derive(Debug, Args)]
pub(super) struct Bulk {
    /// HOST[:PORT], an IPv6 address in brackets
    server: Server,
    /// Ask for DHCPv4
    #[arg(long, conflicts_with = "v6")]
    v4: bool,
    /// Ask for DHCPv6
    #[arg(long)]
    v6: bool,
    #[command(flatten)]
    selectors: Selectors,
    /// How to print: the default is table on a terminal and json elsewhere
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// How long to wait for data
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0, value_parser = parse_seconds)]
    timeout: f64,
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.001..=1e9).contains(seconds));
    seconds.ok_or_else(|| format!("'{text}' is not a number of seconds above 0"))
}

impl Bulk {
    pub(super) fn run(self) -> Result<(), Ending> {
        let addresses = self.server.resolve(self.v4, self.v6)?;
        let query = self.selectors.bulk_query()?;
        // What cannot be said is found out before anybody is bothered.
        V4::new(None).write(&query, 0, &mut Vec::new()).map_err(|error| Ending::Usage(error.to_string()))?;
        let timeout = Duration::from_secs_f64(self.timeout);
        let stream = connect(&addresses, timeout)?;

        let stdout = io::stdout().lock();
        let format = self.format.unwrap_or(if stdout.is_terminal() { Format::Table } else { Format::Json });
        let mut printer = Printer::new(format, stdout);
        let mut progress = Progress::new();
        let mut count = 0_u64;
        let result = fetch(&stream, &query, timeout, |view| {
            count += 1;
            progress.set(count);
            printer.print(view)
        });
        progress.clear();
        let flushed = printer.finish();
        let done = result.map_err(|ending| match ending {
            Ending::Peer(text) => Ending::Peer(format!("{text} (incomplete: {count} bindings received)")),
            other => other,
        })?;
        flushed?;
        match done.status {
            StatusCode::SUCCESS => Ok(()),
            status if done.text.is_empty() => Err(Ending::Status(status.to_string())),
            status => Err(Ending::Status(format!("{status}: {}", done.text))),
        }
    }
}

/// Connects to the first address that answers.
fn connect(addresses: &[SocketAddr], timeout: Duration) -> Result<TcpStream, Ending> {
    let mut last = String::new();
    for address in addresses {
        match TcpStream::connect_timeout(address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("no connection to {address}: {error}"),
        }
    }
    Err(Ending::Peer(last))
}

/// Sends a query and gives each record to `take`, until the final message.
pub(crate) fn fetch(
    mut stream: &TcpStream,
    query: &BulkQuery,
    timeout: Duration,
    mut take: impl FnMut(&View<'_>) -> io::Result<()>,
) -> Result<Done, Ending> {
    let io_failure = |error: io::Error| Ending::Peer(format!("the connection broke: {error}"));
    let peer = match stream.peer_addr().map_err(io_failure)?.ip() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    };
    let start = Instant::now();
    let mut connection = Connection::new(V4::new(peer), Timeouts { data: timeout }, fastrand::u32(..));
    connection.ask(start.elapsed(), query).map_err(|error| Ending::Usage(error.to_string()))?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        loop {
            let event = connection
                .poll_event(start.elapsed(), wall_clock())
                .map_err(|failure| Ending::Peer(failure.to_string()))?;
            match event {
                Some(Event::Record { record, .. }) => take(&View::new(&record))?,
                Some(Event::Failed { about, status, text, .. }) => {
                    complain(format_args!("warning: {about} was not told: {status}: {text}"));
                }
                Some(Event::Done { done, .. }) => {
                    // Everything has been read, so this closes without a reset (RFC 6926 section 7.8).
                    let _ = stream.shutdown(Shutdown::Write);
                    return Ok(done);
                }
                None => break,
            }
        }
        let left = connection.poll_timeout().unwrap_or(timeout).saturating_sub(start.elapsed());
        let left = left.max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left)).map_err(io_failure)?;
        stream.set_write_timeout(Some(left)).map_err(io_failure)?;
        let unsent = connection.poll_transmit();
        let result = if unsent.is_empty() {
            stream.read(&mut buffer).map(|length| match length {
                0 => connection.handle_eof(),
                length => connection.handle_bytes(&buffer[..length]),
            })
        } else {
            stream.write(unsent).map(|sent| connection.handle_sent(start.elapsed(), sent))
        };
        match result {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                connection.handle_timeout(start.elapsed()).map_err(|failure| Ending::Peer(failure.to_string()))?;
            }
            // A reset tells no more than a close (RFC 6926 section 7.8).
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => connection.handle_eof(),
            Err(error) => return Err(io_failure(error)),
        }
    }
}

fn wall_clock() -> Time {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Time(u32::try_from(seconds).unwrap_or(u32::MAX))
}
