use std::collections::HashSet;
use std::net::Ipv4Addr;

use leasequery_store::Time;
use leasequery_wire::DecodeError;
use leasequery_wire::v4::{
    BOOT_REPLY, BOOT_REQUEST, Header, Message, MessageType, MessageWriter, OptionCode, SubOption, Vpn,
};
use thiserror::Error;

use super::query::{
    CLIENT_ID, HARDWARE, REMOTE_ID, VpnChoice, check_length, check_qualifiers, describe, relay_agent_information,
    request_list,
};
use super::{QueryError, Record};
use crate::clock::{Made, Skew};

/// What fits an Ethernet frame: with less, a server leaves out options (RFC 2131 section 2).
const MAX_DATAGRAM: u16 = 1500;
/// The headers of IPv4 and UDP in front of a message.
const HEADERS: usize = 28;

/// A query over UDP (RFC 4388 section 6.2, RFC 6148 section 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleQuery {
    /// What it is about.
    pub target: Target,
    /// The requestor's own address, where it awaits the answer.
    pub giaddr: Ipv4Addr,
    /// In which VPN; one, or the default one.
    pub vpn: VpnChoice,
    /// Codes of options wanted besides the usual ones.
    pub options: Vec<u8>,
}

/// What a query over UDP is about: one thing, because the server has nothing else to go by (RFC 4388 section 6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An address; the best choice where it is known (RFC 4388 section 5).
    Address(Ipv4Addr),
    /// The client with a hardware address of 1 to 16 octets.
    Hardware {
        /// Type (1: Ethernet).
        htype: u8,
        /// The octets.
        address: Vec<u8>,
    },
    /// The client with a client-identifier of 2 octets or more.
    ClientId(Vec<u8>),
    /// The leases made under a Remote ID of 1 to 255 octets.
    RemoteId(Vec<u8>),
}

/// What a server answers.
#[derive(Debug)]
pub enum Answer<'a> {
    /// DHCPLEASEUNKNOWN: the address is not the server's, or it has no lease of this client, or not this VPN.
    Unknown,
    /// DHCPLEASEUNASSIGNED: the address is the server's, and not leased.
    Unassigned(Record<'a>),
    /// DHCPLEASEACTIVE: the address is leased.
    Active {
        /// The lease, of several the one with the latest transaction.
        record: Record<'a>,
        /// All addresses that the same client has, that of the record first.
        addresses: Vec<Ipv4Addr>,
    },
}

/// Why a datagram is not the answer that is awaited. Anybody can send one, so it fails nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Ignored {
    /// Its octets are no message, or an option is malformed.
    #[error("malformed message: {0}")]
    Malformed(#[from] DecodeError),
    /// It is not from a server.
    #[error("op is {0}, not 2 (BOOTREPLY)")]
    NotAReply(u8),
    /// It answers another query.
    #[error("its xid is {0:#010x}, not that of the query")]
    OtherXid(u32),
    /// Its type is none of the three.
    #[error("{0} is no answer to the query")]
    UnexpectedType(MessageType),
    /// It tells of no address.
    #[error("{0} with zero ciaddr")]
    NoAddress(MessageType),
    /// It is about another address than the one that was asked for.
    #[error("an answer about {found} to a query about {asked}")]
    OtherAddress {
        /// The address of the answer.
        found: Ipv4Addr,
        /// The address of the query.
        asked: Ipv4Addr,
    },
    /// It is about another VPN than the query, as that of a server without VPNs (RFC 6607 section 6).
    #[error("an answer about {found} to a query about {asked}")]
    WrongVpn {
        /// The VPN of the answer.
        found: String,
        /// The VPN of the query.
        asked: String,
    },
}

impl SingleQuery {
    /// Appends the query. On an error nothing is appended.
    pub fn write(&self, xid: u32, out: &mut Vec<u8>) -> Result<(), QueryError> {
        self.check()?;
        let mut header = Header { giaddr: self.giaddr, ..Header::new(BOOT_REQUEST, xid) };
        match &self.target {
            Target::Address(address) => header.ciaddr = *address,
            Target::Hardware { htype, address } => {
                header.htype = *htype;
                header.chaddr = address;
            }
            Target::ClientId(_) | Target::RemoteId(_) => {}
        }
        let mut list = request_list(&self.options);
        // A server tells of further addresses unasked, but a query by Remote ID has to ask (RFC 6148 section 4.1).
        if matches!(self.target, Target::RemoteId(_)) && !list.contains(&OptionCode::ASSOCIATED_IP.0) {
            list.push(OptionCode::ASSOCIATED_IP.0);
        }
        let mut writer = MessageWriter::datagram(out, &header, MessageType::LEASE_QUERY);
        writer.option(OptionCode::PARAMETER_REQUEST_LIST, &list);
        writer.option(OptionCode::MAX_MESSAGE_SIZE, &MAX_DATAGRAM.to_be_bytes());
        if let Target::ClientId(id) = &self.target {
            writer.option(OptionCode::CLIENT_IDENTIFIER, id);
        }
        if self.vpn != VpnChoice::Default {
            writer.vpn(self.vpn.selection());
        }
        if let Target::RemoteId(id) = &self.target {
            relay_agent_information(&mut writer, SubOption::REMOTE_ID, id);
        }
        Ok(writer.finish()?)
    }

    /// What cannot be said, or would not be answered, is refused.
    fn check(&self) -> Result<(), QueryError> {
        match &self.target {
            Target::Address(address) if address.is_unspecified() => {
                return Err(QueryError::Unspecified("the address asked for"));
            }
            Target::Address(_) => {}
            Target::Hardware { address, .. } => check_length(HARDWARE, address)?,
            Target::ClientId(id) => check_length(CLIENT_ID, id)?,
            Target::RemoteId(id) => check_length(REMOTE_ID, id)?,
        }
        if self.giaddr.is_unspecified() {
            return Err(QueryError::Unspecified("giaddr"));
        }
        if self.vpn == VpnChoice::All {
            return Err(QueryError::AllVpns);
        }
        check_qualifiers(Some(&self.vpn), &self.options)
    }

    /// Reads a datagram that came at `arrival`, by the local clock, while this query was outstanding with `xid`. `peer`
    /// is the server's address, for servers that send no server-identifier.
    pub fn read<'a>(
        &self,
        xid: u32,
        datagram: &'a [u8],
        peer: Option<Ipv4Addr>,
        arrival: Time,
    ) -> Result<Answer<'a>, Ignored> {
        let message = Message::parse(datagram)?;
        if message.op() != BOOT_REPLY {
            return Err(Ignored::NotAReply(message.op()));
        }
        if message.xid() != xid {
            return Err(Ignored::OtherXid(message.xid()));
        }
        let kind = message.message_type();
        if !matches!(kind, MessageType::LEASE_UNKNOWN | MessageType::LEASE_UNASSIGNED | MessageType::LEASE_ACTIVE) {
            return Err(Ignored::UnexpectedType(kind));
        }
        let unknown = kind == MessageType::LEASE_UNKNOWN;
        self.check_vpn(message.vpn()?, unknown)?;
        let found = message.ciaddr();
        if let Target::Address(asked) = self.target {
            // An unknown address need not be repeated.
            if found != asked && !(unknown && found.is_unspecified()) {
                return Err(Ignored::OtherAddress { found, asked });
            }
        } else if found.is_unspecified() && kind == MessageType::LEASE_ACTIVE {
            return Err(Ignored::NoAddress(kind));
        }
        // Some servers say unassigned of a client without a lease, which then is about no address.
        if unknown || found.is_unspecified() {
            return Ok(Answer::Unknown);
        }
        known(message, peer, arrival)
    }

    /// Bindings of another VPN must not be taken for those that were asked for. That nothing is known needs no VPN.
    fn check_vpn(&self, found: Option<Vpn<'_>>, unknown: bool) -> Result<(), Ignored> {
        let found = match found {
            None if unknown => return Ok(()),
            found => found.unwrap_or(Vpn::Default),
        };
        if self.vpn.covers(found) {
            return Ok(());
        }
        Err(Ignored::WrongVpn { found: describe(found), asked: self.vpn.to_string() })
    }
}

/// Whether an answer has no room for another address, so that the client may have more than it names: at most an option
/// would have to be begun for it.
pub fn is_full(answer: &[u8]) -> bool {
    const ADDRESS: usize = 2 + 4;
    answer.len() + ADDRESS + HEADERS > usize::from(MAX_DATAGRAM)
}

/// Reads what a server knows of an address.
fn known(message: Message<'_>, peer: Option<Ipv4Addr>, arrival: Time) -> Result<Answer<'_>, Ignored> {
    let active = message.message_type() == MessageType::LEASE_ACTIVE;
    let mut seen = HashSet::from([message.ciaddr()]);
    // The list may have the address of the record, or lack it.
    let others = message.associated_ip()?.filter(|address| seen.insert(*address));
    let addresses = std::iter::once(message.ciaddr()).chain(others).collect();
    let server = message.server_identifier()?.or(peer);
    // Times count from when the message was made, which is now, whether or not it says so.
    let mut skew = Skew::default();
    let base_time = super::base_time(&message)?;
    if let Some(base_time) = base_time {
        skew.observe(base_time, arrival);
    }
    let record = Record::new(message, Made::new(base_time, skew, arrival), server, skew)?;
    Ok(if active { Answer::Active { record, addresses } } else { Answer::Unassigned(record) })
}
