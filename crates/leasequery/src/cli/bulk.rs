use std::io::{self, IsTerminal, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use leasequery_client::{FetchError, Sink, Target, fetch};
use leasequery_protocol::follower::Followed;
use leasequery_protocol::follower::V4Wanted;
use leasequery_protocol::requestor::Failure;
use leasequery_protocol::requestor::v4::{self, V4};
use leasequery_protocol::requestor::v6::{self, V6};
use leasequery_record::Family;
use leasequery_record::Protocol;

use super::selectors::Selectors;
use super::tls::Tls;
use super::whom::{Asked, Whom};
use super::{Ending, help};
use crate::output::{Columns, Format, Level, Printer, Progress, say, sum_up};

/// One Bulk Leasequery over TCP or TLS; prints every binding.
#[derive(Debug, Args)]
#[command(after_long_help = [help::BULK, help::ASKING].join("\n"))]
pub(super) struct Bulk {
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    selectors: Selectors,
    /// How to print: the default is table on a terminal and json elsewhere
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// How long to wait for data
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0, value_parser = parse_seconds)]
    timeout: f64,
    #[command(flatten)]
    tls: Tls,
}

pub(super) fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.001..=1e9).contains(seconds));
    seconds.ok_or_else(|| format!("'{text}' is not a number of seconds above 0"))
}

impl Bulk {
    pub(super) fn run(self) -> Result<(), Ending> {
        let Asked { server, protocol, addresses, profile } = self.whom.resolve()?;
        let tls = self.tls.client(&server, &profile)?;
        let target = Target { addresses: &addresses, tls: tls.as_ref() };
        let (format, timeout) = (self.format, Duration::from_secs_f64(self.timeout));
        let about = About {
            columns: self.selectors.columns(protocol),
            hint: self.selectors.hint(protocol),
            everything: self.selectors.is_everything(),
        };
        match protocol {
            Protocol::V4 => {
                let query = v4::Query::Bulk(self.selectors.v4_bulk()?);
                print::<V4>(target, |peer| V4::with_peer(&V4Wanted::default(), peer), &query, &about, timeout, format)
            }
            Protocol::V6 => {
                let query = v6::Query::Bulk(self.selectors.v6_bulk()?);
                let duid = leasequery_client::duid::own();
                print::<V6>(target, |_| V6::new(Arc::clone(&duid)), &query, &about, timeout, format)
            }
        }
    }
}

/// What is asked for, as far as that matters to what is said about the answer.
struct About {
    columns: Columns,
    everything: bool,
    /// What is probably the mistake if nothing is found.
    hint: Option<String>,
}

/// Asks, and prints what comes.
fn print<P: Family>(
    target: Target<'_>,
    protocol: impl Fn(IpAddr) -> P,
    query: &P::Query,
    about: &About,
    timeout: Duration,
    format: Option<Format>,
) -> Result<(), Ending> {
    let stdout = io::stdout().lock();
    let format = format.unwrap_or(if stdout.is_terminal() { Format::Table } else { Format::Json });
    let mut sink =
        Print { printer: Printer::new(format, about.columns, stdout), progress: Progress::new(), count: 0, active: 0 };
    let secure = target.tls.is_some();
    let start = Instant::now();
    let result = fetch(target, protocol, query, timeout, &mut sink);
    sink.progress.clear();
    let Print { printer, count, active, .. } = sink;
    let flushed = if result.is_ok() || count > 0 { printer.finish() } else { Ok(()) };
    let done = result.map_err(|error| match error {
        FetchError::Query(error) => Ending::Usage(error.to_string()),
        FetchError::Output(error) => Ending::from(error),
        FetchError::Connect(..) | FetchError::Secure(_) => Ending::Peer(error.to_string()),
        FetchError::Failure(Failure::Unanswered) if !secure => Ending::Peer(format!(
            "{error} (--tls, {})",
            match P::PROTOCOL {
                Protocol::V4 => "--v6",
                Protocol::V6 => "--v4",
            }
        )),
        // The server's end of the handshake comes last, and its last word may get lost.
        FetchError::Failure(Failure::Unanswered) => Ending::Peer(
            "the server closed the connection without a word: it may not accept our certificate".to_owned(),
        ),
        error if count == 0 => Ending::Peer(error.to_string()),
        error => Ending::Peer(format!("{error} (incomplete: {count} bindings received)")),
    })?;
    flushed?;
    match done.status {
        status if status.is_success() => {
            let seconds = start.elapsed().as_secs_f64();
            let bindings = if count == 1 { "binding" } else { "bindings" };
            sum_up(format_args!("{count} {bindings}, {active} of them active, in {seconds:.1} seconds"));
            match &about.hint {
                _ if count > 0 => {}
                Some(hint) => say(Level::Note, format_args!("nothing was found: {hint}")),
                None if about.everything => {
                    let what = match P::PROTOCOL {
                        Protocol::V4 => "no address is configured there, and none is leased",
                        Protocol::V6 => "nothing is leased there",
                    };
                    say(Level::Note, format_args!("{what}, as far as this requestor may see"));
                }
                None => {}
            }
            Ok(())
        }
        status if done.text.is_empty() => Err(Ending::Status(status.to_string())),
        status => Err(Ending::Status(format!("{status}: {}", done.text))),
    }
}

/// Prints and counts what comes.
struct Print<W: Write> {
    printer: Printer<W>,
    progress: Progress,
    count: u64,
    active: u64,
}

impl<P: Family, W: Write> Sink<P> for Print<W> {
    fn record(&mut self, record: &P::Record<'_>) -> io::Result<()> {
        self.count += 1;
        self.progress.set(self.count);
        let view = P::view(record);
        self.active += u64::from(view.is_active());
        self.printer.print(&view)
    }

    fn failed(&mut self, text: String) {
        say(Level::Warning, format_args!("the server could not tell about {text}"));
    }

    fn pause(&mut self) -> io::Result<()> {
        self.printer.flush()
    }
}
