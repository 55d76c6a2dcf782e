use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use leasequery_client::Server;
use leasequery_record::Protocol;

use super::selectors::{parse_option_code, v4_options};
use super::tls::Tls;
use super::whom::Profiles;
use super::{Ending, help, parse_duration};
use crate::output::{Format, Progress, sum_up};
use crate::verify::{Asked, Side, SideError, verify};

/// Proves a copy: asks two servers (a DHCP server and a mirror of it, or two failover partners) for everything and lists
/// every difference. Times are the same within 2 seconds; a lease that is over may have been forgotten by one of them; who
/// says it is of no account. An address that only one of them has configured is a difference, unless a file does not tell
/// which are.
#[derive(Debug, Args)]
#[command(after_long_help = help::VERIFY)]
pub(super) struct Verify {
    /// HOST[:PORT], an IPv6 address in brackets, or a file of records as `bulk` and `watch` print them
    a: String,
    /// HOST[:PORT], an IPv6 address in brackets
    b: Server,
    /// Ask for DHCPv4
    #[arg(long, conflicts_with = "v6")]
    v4: bool,
    /// Ask for DHCPv6
    #[arg(long)]
    v6: bool,
    /// What differs no longer after this time is not reported
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    settle: Duration,
    /// Compare these DHCP options, too
    #[arg(long, value_name = "CODE,…", value_delimiter = ',', value_parser = parse_option_code)]
    options: Vec<u16>,
    /// How to print: the default is table on a terminal and json elsewhere
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// How long to wait for data
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0, value_parser = super::bulk::parse_seconds)]
    timeout: f64,
    #[command(flatten)]
    profiles: Profiles,
    #[command(flatten)]
    tls: Tls,
}

impl Verify {
    pub(super) fn run(self) -> Result<(), Ending> {
        let mut out = io::stdout().lock();
        let format = self.format.unwrap_or(if out.is_terminal() { Format::Table } else { Format::Json });
        if matches!(format, Format::Csv) {
            return Err(Ending::Usage("differences are printed as table or json".to_owned()));
        }
        let profile = self.profiles.load()?;
        let a = if Path::new(&self.a).exists() {
            Side::File(self.a.into())
        } else {
            let server: Server = self
                .a
                .parse()
                .map_err(|problem| Ending::Usage(format!("A is neither a file nor a server: {problem}")))?;
            if self.a.contains('/') {
                return Err(Ending::Usage(format!("{}: there is no such file", self.a)));
            }
            let resolved = server.resolve(self.v4, self.v6);
            let (protocol, addresses) = resolved
                .map_err(|problem| Ending::Peer(format!("there is no file {}, and no server: {problem}", self.a)))?;
            Side::Server { name: server.at(protocol), protocol, addresses, tls: self.tls.client(&server, &profile)? }
        };
        let (protocol, addresses) = self.b.resolve(self.v4, self.v6).map_err(Ending::Peer)?;
        if matches!(a, Side::Server { protocol: other, .. } if other != protocol) {
            let text = "one is asked for DHCPv4 and the other for DHCPv6; --v4 or --v6 decides";
            return Err(Ending::Usage(text.to_owned()));
        }
        let b =
            Side::Server { name: self.b.at(protocol), protocol, addresses, tls: self.tls.client(&self.b, &profile)? };
        if matches!(protocol, Protocol::V4) {
            v4_options(&self.options)?;
        }
        let timeout = Duration::from_secs_f64(self.timeout);
        let asked = Asked { options: self.options, settle: self.settle, timeout };
        let progress = Progress::doing();
        let verdict = verify(&a, &b, &asked, &|what| progress.say(what)).map_err(|error| match error {
            SideError::Refused(text) | SideError::Peer(text) => Ending::Peer(text),
            SideError::File(text) => Ending::Usage(text),
        })?;
        progress.clear();
        for difference in &verdict.differences {
            match format {
                Format::Json => difference.write_json(&mut out)?,
                Format::Table | Format::Csv => difference.write_line(&mut out)?,
            }
        }
        out.flush()?;
        let (addresses, leased) = (verdict.addresses, verdict.leased);
        match verdict.differences.len() {
            0 => sum_up(format_args!("equal: {addresses} addresses, {leased} leased")),
            differ => return Err(Ending::Status(format!("{differ} of {addresses} addresses differ"))),
        }
        Ok(())
    }
}
