use std::io::{self, IsTerminal};
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use leasequery_client::Upstream;
use leasequery_protocol::follower;
use leasequery_protocol::follower::V4Wanted;
use leasequery_protocol::follower::V6Wanted;
use leasequery_protocol::requestor::Timeouts;
use leasequery_protocol::requestor::v4::{V4, VpnChoice};
use leasequery_protocol::requestor::v6::{self, V6};
use leasequery_record::Family;
use leasequery_record::Protocol;

use super::selectors::{parse_option_code, parse_vpn_choice, v4_options};
use super::tls::Tls;
use super::whom::{Asked, Whom};
use super::{Ending, help, parse_duration};
use crate::output::Format;
use crate::watch::{Ended, Settings, watch};

/// Active Leasequery: first the present state (a bulk query), then every change as it happens. Reconnects, catches up and
/// fills gaps; a server without Active Leasequery is asked for changes again and again.
#[derive(Debug, Args)]
#[command(after_long_help = [help::WATCH, help::ASKING].join("\n"))]
#[allow(clippy::struct_excessive_bools, reason = "flags of the command line")]
pub(super) struct Watch {
    #[command(flatten)]
    whom: Whom,
    /// Only what changes from now on
    #[arg(long)]
    no_initial: bool,
    /// Remember how far it was followed, and in FILE.told what was told, and go on from there
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Stop after this time instead of running until interrupted
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// How often a server without Active Leasequery is asked for changes
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    poll: Duration,
    /// The least time from one attempt to connect to the next
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    retry: Duration,
    /// Run this for each changed lease, with the record on its standard input: one at a time, and with the latest state
    /// of a lease only
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// Leave out changes of nothing but times
    #[arg(long)]
    ignore_renewals: bool,
    /// Only this VPN
    #[arg(long, value_name = "NAME|OUI:INDEX|all", value_parser = parse_vpn_choice)]
    vpn: Option<VpnChoice>,
    /// Only the link of this address (DHCPv6)
    #[arg(long, value_name = "A")]
    link: Option<Ipv6Addr>,
    /// Ask for these DHCP options besides the usual ones
    #[arg(long, value_name = "CODE,…", value_delimiter = ',', value_parser = parse_option_code)]
    options: Vec<u16>,
    /// How to print: the default is table on a terminal and json elsewhere
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// How long to wait for data of a bulk query
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0, value_parser = super::bulk::parse_seconds)]
    timeout: f64,
    /// How long to wait for a message of a server that tells of changes
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = parse_duration)]
    active_receive_timeout: Duration,
    #[command(flatten)]
    tls: Tls,
}

impl Watch {
    pub(super) fn run(self) -> Result<(), Ending> {
        // Says at once what is wrong with the name, and which protocol it means.
        let asked = self.whom.resolve()?;
        let protocol = asked.protocol;
        match protocol {
            Protocol::V4 if self.link.is_some() => Err(Ending::Usage("--link is for DHCPv6".to_owned())),
            Protocol::V6 if self.vpn.is_some() => Err(Ending::Usage("--vpn is for DHCPv4".to_owned())),
            Protocol::V4 => {
                let wanted =
                    V4Wanted { vpn: self.vpn.clone(), options: v4_options(&self.options)?, ..V4Wanted::default() };
                self.watch::<V4>(&asked, wanted)
            }
            Protocol::V6 => {
                let selector = v6::Selector { primary: v6::Primary::All, link: self.link };
                let wanted = V6Wanted {
                    selector,
                    options: self.options.clone(),
                    client_id: leasequery_client::duid::own(),
                    listeners: [].into(),
                };
                self.watch::<V6>(&asked, wanted)
            }
        }
    }

    fn watch<P: Family>(self, asked: &Asked, wanted: P::Wanted) -> Result<(), Ending> {
        let terminal = io::stdout().is_terminal();
        let settings = Settings::<P> {
            server: Upstream {
                address: asked.server.at(asked.protocol),
                tls: self.tls.client(&asked.server, &asked.profile)?,
            },
            wanted,
            follower: follower::Settings {
                retry: self.retry,
                poll: self.poll,
                initial: !self.no_initial,
                kept: true,
                sweep: if self.no_initial { None } else { follower::Settings::default().sweep },
                timeouts: Timeouts {
                    data: Duration::from_secs_f64(self.timeout),
                    active_receive: self.active_receive_timeout,
                },
            },
            duration: self.duration,
            state: self.state,
            exec: self.exec,
            ignore_renewals: self.ignore_renewals,
            format: self.format.unwrap_or(if terminal { Format::Table } else { Format::Json }),
        };
        watch(settings).map_err(|ended| match ended {
            Ended::Output(error) => Ending::from(error),
            Ended::Refused(text) => Ending::Status(text),
            Ended::Unreachable(text) => Ending::Peer(text),
            Ended::State(text) => Ending::Usage(text),
        })
    }
}
