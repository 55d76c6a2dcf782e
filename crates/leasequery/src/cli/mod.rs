//! The command line: one file for each command.

mod bulk;
mod certificates;
mod demo;
mod help;
mod hints;
mod manual;
mod query;
mod selectors;
mod serve;
mod status;
mod tls;
mod verify;
mod watch;
mod whom;

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use jiff::SignedDuration;
use leasequery_live::wall_clock;
use leasequery_record::parse_time;
use leasequery_store::Time;

use crate::output::{Level, Manner, say};

/// DHCP Leasequery, both ends: serve a DHCP server's leases, or ask for them.
#[derive(Debug, Parser)]
#[command(name = "leasequery", version, max_term_width = 100, after_long_help = help::PROGRAM)]
struct Arguments {
    #[command(flatten)]
    manner: Manner,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole system in one process, nothing to install or configure.
    Demo(demo::Demo),
    /// The daemon: follows DHCP servers and answers leasequeries about their leases.
    Serve(serve::Serve),
    /// One leasequery over UDP; prints the leases it finds.
    Query(Box<query::Query>),
    /// One Bulk Leasequery over TCP or TLS; prints every binding.
    Bulk(Box<bulk::Bulk>),
    /// Active Leasequery: the present state, then every change as it happens.
    Watch(Box<watch::Watch>),
    /// Proves a copy: asks two servers for everything and lists every difference.
    Verify(verify::Verify),
    /// How a daemon is: its sources, who asks, its stores. Exits with 0 if all is well, 1 if something is not, 3 if it is not there.
    Status(status::Status),
    /// A private authority with certificates for a server and its requestors, for a trial of TLS.
    Certificates(certificates::Certificates),
    /// A script with which a shell completes commands and options.
    Completions(manual::Completions),
    /// The manual pages.
    Manual(manual::Manual),
}

/// How a command ends when it does not end well.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The server answered with an error status.
    Status(String),
    /// Wrong usage or configuration.
    Usage(String),
    /// No connection, a timeout or a protocol violation by the peer.
    Peer(String),
    /// Nobody reads the output any more. Not an error.
    BrokenPipe,
}

impl Ending {
    fn code(&self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Status(_) => 1,
            Self::Usage(_) => 2,
            Self::Peer(_) => 3,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(text) | Self::Usage(text) | Self::Peer(text) => f.write_str(text),
            Self::BrokenPipe => f.write_str("the output is closed"),
        }
    }
}

/// An error in writing the output.
impl From<std::io::Error> for Ending {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::Peer(format!("cannot write the output: {error}")),
        }
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    duration.ok_or_else(|| format!("'{text}' is not a duration; '10s' or '5m' would be one"))
}

/// A time, or how long ago it was.
fn parse_moment(text: &str) -> Result<Time, String> {
    let back =
        || text.parse::<SignedDuration>().ok().and_then(|back| u32::try_from(back.unsigned_abs().as_secs()).ok());
    parse_time(text).or_else(|_| back().map(|back| wall_clock().minus(back)).ok_or(())).map_err(|()| {
        format!(
            "'{text}' is neither a time, such as '2026-11-20T08:00:00Z' or seconds since 1970, nor a duration back from now, \
             such as '1h'"
        )
    })
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let Arguments { manner, command } = Arguments::parse();
    manner.adopt();
    let result = match command {
        Command::Demo(demo) => demo.run(),
        Command::Serve(serve) => serve.run(),
        Command::Query(query) => query.run(),
        Command::Bulk(bulk) => bulk.run(),
        Command::Watch(watch) => watch.run(),
        Command::Verify(verify) => verify.run(),
        Command::Status(status) => status.run(),
        Command::Certificates(certificates) => certificates.run(),
        Command::Completions(completions) => completions.run(),
        Command::Manual(manual) => manual.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(ending) => {
            if !matches!(ending, Ending::BrokenPipe) {
                say(Level::Error, format_args!("{ending}"));
            }
            ExitCode::from(ending.code())
        }
    }
}
