use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{self, IsTerminal, StdoutLock};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use leasequery_client::{ExchangeError, exchange};
use leasequery_live::wall_clock;
use leasequery_protocol::requestor::Schedule;
use leasequery_protocol::requestor::v4::{self, V4};
use leasequery_protocol::requestor::v6::{self, V6};
use leasequery_record::Family;
use leasequery_record::Protocol;
use leasequery_wire::v6::MAX_TRANSACTION_ID;

use super::selectors::{Selectors, v4_options};
use super::whom::{Asked, Whom};
use super::{Ending, help};
use crate::output::{Format, Level, Printer, say};

/// One leasequery over UDP, sent again until it is answered; prints the leases it finds.
#[derive(Debug, Args)]
#[command(after_long_help = [help::QUERY, help::ASKING].join("\n"))]
pub(super) struct Query {
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    selectors: Selectors,
    /// Where the answer is to go, if not to the address that the query is sent from (DHCPv4)
    #[arg(long, value_name = "A")]
    giaddr: Option<Ipv4Addr>,
    /// How to print: the default is table on a terminal and json elsewhere
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// How long to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = super::bulk::parse_seconds)]
    timeout: f64,
}

impl Query {
    pub(super) fn run(self) -> Result<(), Ending> {
        let Asked { protocol, addresses, .. } = self.whom.resolve()?;
        let server = *addresses.first().ok_or_else(|| Ending::Peer("no address to send to".to_owned()))?;
        let stdout = io::stdout().lock();
        let format = self.format.unwrap_or(if stdout.is_terminal() { Format::Table } else { Format::Json });
        let mut asking = Asking {
            printer: Printer::new(format, self.selectors.columns(protocol), stdout),
            server,
            timeout: Duration::from_secs_f64(self.timeout),
            patience: None,
            missing: None,
            found: false,
        };
        let hint = self.selectors.hint(protocol);
        match protocol {
            Protocol::V4 => asking.v4(&self.selectors, self.giaddr)?,
            Protocol::V6 if self.giaddr.is_some() => return Err(Ending::Usage("--giaddr is for DHCPv4".to_owned())),
            Protocol::V6 => asking.v6(self.selectors)?,
        }
        let Asking { printer, missing, found, .. } = asking;
        printer.finish()?;
        if !found && missing.is_none() {
            match (hint, protocol) {
                (Some(hint), _) => say(Level::Note, format_args!("nothing was found: {hint}")),
                (None, Protocol::V6) => say(Level::Note, format_args!("the server knows of no lease of this")),
                // Its answer has been told.
                (None, Protocol::V4) => {}
            }
        }
        missing.map_or(Ok(()), Err)
    }
}

struct Asking<'a> {
    printer: Printer<StdoutLock<'a>>,
    server: SocketAddr,
    timeout: Duration,
    /// Until when further queries are waited for, once there is an answer: all of them together as long as the first one.
    patience: Option<Instant>,
    /// Why a further query has no answer. What has been found is printed all the same.
    missing: Option<Ending>,
    /// There is a lease, or an address that is free.
    found: bool,
}

impl Asking<'_> {
    /// How long to wait for the next answer.
    fn left(&self) -> Duration {
        self.patience.map_or(self.timeout, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Takes what came of a query. Only the first one has to be answered.
    fn judge<T>(&mut self, outcome: Result<T, Ending>, about: impl Display) -> Result<Option<T>, Ending> {
        match outcome {
            Ok(answer) => {
                self.patience.get_or_insert(Instant::now() + self.timeout);
                Ok(Some(answer))
            }
            Err(ending) if self.patience.is_none() || matches!(ending, Ending::BrokenPipe) => Err(ending),
            Err(ending) => {
                let text = format!("{about}, which the answer named: {ending}");
                self.missing.get_or_insert(match ending {
                    Ending::Status(_) => Ending::Status(text),
                    _ => Ending::Peer(text),
                });
                Ok(None)
            }
        }
    }

    /// Asks for a client's lease, and for those of its other addresses that the server names (RFC 4388 section 6.4.2).
    fn v4(&mut self, selectors: &Selectors, giaddr: Option<Ipv4Addr>) -> Result<(), Ending> {
        let (socket, own) = v4_socket(self.server)?;
        let port = socket.local_addr()?.port();
        let mut query = v4::SingleQuery {
            target: selectors.v4_target()?,
            giaddr: giaddr.unwrap_or(own),
            vpn: selectors.vpn_choice(),
            options: v4_options(&selectors.options)?,
        };
        let peer = match self.server.ip() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        };
        let mut others = VecDeque::new();
        let mut about = String::new();
        loop {
            let (server, xid, left) = (self.server, fastrand::u32(..), self.left());
            let printer = &mut self.printer;
            let write = |out: &mut Vec<u8>| query.write(xid, out);
            let answered = exchange(&socket, server, Schedule::V4, left, write, |datagram| {
                // An answer may come from another address of the server's.
                match query.read(xid, datagram, peer, wall_clock()) {
                    Ok(v4::Answer::Unknown) => {
                        say(Level::Note, format_args!("DHCPLEASEUNKNOWN: {}", unknown(&query.target)));
                        Ok(None)
                    }
                    Ok(v4::Answer::Unassigned(record)) => {
                        let address = record.address();
                        say(
                            Level::Note,
                            format_args!("DHCPLEASEUNASSIGNED: nobody has {address}, which is the server's"),
                        );
                        Ok(Some((printer.print(&V4::view(&record)), Vec::new(), false)))
                    }
                    Ok(v4::Answer::Active { record, addresses }) => {
                        Ok(Some((printer.print(&V4::view(&record)), addresses, v4::is_full(datagram))))
                    }
                    Err(ignored) => Err(ignored.to_string()),
                }
            });
            let found = answered.map_err(|error| ending(error, server, port != 67 && port != 0, left));
            if let Some((printed, addresses, full)) = self.judge(found, &about)?.flatten() {
                printed?;
                self.found = true;
                if !matches!(query.target, v4::Target::Address(_)) {
                    if full {
                        say(
                            Level::Note,
                            format_args!(
                                "the answer names {} addresses and has room for no more; there may be others, which \
                             `bulk` finds",
                                addresses.len()
                            ),
                        );
                    }
                    others.extend(addresses.into_iter().skip(1));
                }
            }
            match others.pop_front() {
                Some(address) => {
                    about = address.to_string();
                    query.target = v4::Target::Address(address);
                }
                None => return Ok(()),
            }
        }
    }

    /// Asks for a client's leases, and on each link for itself if the server says that it is on several (RFC 5007 section
    /// 4.3.3).
    fn v6(&mut self, selectors: Selectors) -> Result<(), Ending> {
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).map_err(|error| socket_error(&error))?;
        let options = selectors.options.clone();
        let (client_id, selector) = (leasequery_client::duid::own(), selectors.v6_target()?);
        let mut query = v6::SingleQuery { selector, options, client_id: Arc::clone(&client_id), server_id: None };
        let mut links = VecDeque::new();
        let mut about = String::new();
        loop {
            let (server, xid, left) = (self.server, fastrand::u32(..) & MAX_TRANSACTION_ID, self.left());
            let printer = &mut self.printer;
            let write = |out: &mut Vec<u8>| query.write(xid, out);
            let answered = exchange(&socket, server, Schedule::V6, left, write, |datagram| {
                match query.read(xid, datagram, wall_clock()) {
                    Ok(v6::Answer::Leases(records)) => {
                        let outcome: io::Result<()> =
                            records.iter().try_for_each(|record| printer.print(&V6::view(record)));
                        Ok((outcome.map_err(Ending::from), (records.len(), Vec::new())))
                    }
                    Ok(v6::Answer::Links(links)) => Ok((Ok(()), (0, links))),
                    Ok(v6::Answer::Failed(status, text)) if text.is_empty() => {
                        Ok((Err(Ending::Status(status.to_string())), Default::default()))
                    }
                    Ok(v6::Answer::Failed(status, text)) => {
                        Ok((Err(Ending::Status(format!("{status}: {text}"))), Default::default()))
                    }
                    Err(ignored) => Err(ignored.to_string()),
                }
            });
            let told = answered.map_err(|error| ending(error, server, false, left));
            let told = told.and_then(|(told, found)| told.map(|()| found));
            let (count, found) = self.judge(told, &about)?.unwrap_or_default();
            self.found |= count > 0;
            // A server that lists links again where one was named would be asked for ever.
            if query.selector.link.is_none() {
                links.extend(found);
            }
            match links.pop_front() {
                Some(link) => {
                    about = format!("link {link}");
                    query.selector.link = Some(link);
                }
                None => return Ok(()),
            }
        }
    }
}

/// A socket on the address that the server is reached from; on port 67, where servers send answers (RFC 4388 section
/// 6.4.3), if that is permitted.
fn v4_socket(server: SocketAddr) -> Result<(UdpSocket, Ipv4Addr), Ending> {
    let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(|error| socket_error(&error))?;
    let own = probe.connect(server).and_then(|()| probe.local_addr());
    let own = own.map_err(|error| Ending::Peer(format!("{server} cannot be reached: {error}")))?;
    let IpAddr::V4(own) = own.ip() else {
        return Err(Ending::Usage("single queries of DHCPv4 go over IPv4".to_owned()));
    };
    let bound = UdpSocket::bind((own, 67)).or_else(|_| UdpSocket::bind((own, 0)));
    Ok((bound.map_err(|error| socket_error(&error))?, own))
}

/// What DHCPLEASEUNKNOWN means (RFC 4388 section 6.4.1).
fn unknown(target: &v4::Target) -> String {
    match target {
        v4::Target::Address(address) => {
            format!("{address} is not the server's, or it does not know yet whether somebody has it")
        }
        _ => "the server knows of no lease of this client, or not yet".to_owned(),
    }
}

fn socket_error(error: &io::Error) -> Ending {
    Ending::Peer(format!("no socket: {error}"))
}

fn ending(error: ExchangeError, server: SocketAddr, unprivileged: bool, waited: Duration) -> Ending {
    match error {
        ExchangeError::Query(error) => Ending::Usage(error.to_string()),
        ExchangeError::Socket(error) => Ending::Peer(format!("{server}: {error}")),
        ExchangeError::NoAnswer { ignored } => {
            if unprivileged {
                say(
                    Level::Note,
                    format_args!(
                        "port 67, where some servers send every answer, could not be bound; with the right to it, try again"
                    ),
                );
            }
            let why = ignored.map(|text| format!(" (ignored: {text})")).unwrap_or_default();
            let waited = waited.as_secs_f64();
            Ending::Peer(format!(
                "no answer from {server} in {waited} seconds{why}: nobody may listen there for UDP, or for the other protocol \
                 (DHCPv4 or DHCPv6), or this address may not be permitted to ask"
            ))
        }
    }
}
