use std::fmt;
use std::net::SocketAddr;

use leasequery_store::Time;
use leasequery_wire::v4::{BOOT_REQUEST, Header, MessageType, MessageWriter, OptionCode, SubOption, Vpn};

use crate::asker;
use crate::requestor::QueryError;

/// A query over TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// For what there is.
    Bulk(BulkQuery),
    /// For what changes.
    Active(ActiveQuery),
}

impl From<BulkQuery> for Query {
    fn from(query: BulkQuery) -> Self {
        Self::Bulk(query)
    }
}

impl From<&BulkQuery> for Query {
    fn from(query: &BulkQuery) -> Self {
        Self::Bulk(query.clone())
    }
}

impl From<ActiveQuery> for Query {
    fn from(query: ActiveQuery) -> Self {
        Self::Active(query)
    }
}

/// An active query (RFC 7724 section 7.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActiveQuery {
    /// Also what changed at this time or later, by the server's clock.
    pub since: Option<Time>,
    /// In which VPN; `None` leaves it to the server, which tells of all of them.
    pub vpn: Option<VpnChoice>,
    /// Codes of options wanted besides the usual ones.
    pub options: Vec<u8>,
}

/// A bulk query (RFC 6926 section 7.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BulkQuery {
    /// Whose bindings; one value, because a query has at most one primary selector.
    pub primary: Primary,
    /// Only what changed at this time or later, by the server's clock.
    pub since: Option<Time>,
    /// Only what changed at this time or earlier, by the server's clock.
    pub until: Option<Time>,
    /// In which VPN.
    pub vpn: VpnChoice,
    /// Codes of options wanted besides the usual ones.
    pub options: Vec<u8>,
}

/// What a bulk query asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Primary {
    /// All configured addresses.
    #[default]
    All,
    /// The leases of a hardware address of 1 to 16 octets.
    Hardware {
        /// Type (1: Ethernet).
        htype: u8,
        /// The octets.
        address: Vec<u8>,
    },
    /// The leases of a client-identifier of 2 octets or more.
    ClientId(Vec<u8>),
    /// The leases made under a Remote ID of 1 to 255 octets.
    RemoteId(Vec<u8>),
    /// The leases made through the relay with a Relay-ID of 1 to 255 octets.
    RelayId(Vec<u8>),
}

/// In which VPN a query looks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum VpnChoice {
    /// In the default one.
    #[default]
    Default,
    /// In all of them.
    All,
    /// In the one with this name, in ASCII.
    Name(Vec<u8>),
    /// In the one with this identifier (RFC 2685).
    Id([u8; 7]),
}

impl VpnChoice {
    /// Whether an answer may be about this VPN.
    pub(super) fn covers(&self, vpn: Vpn<'_>) -> bool {
        match self {
            Self::All => vpn != Vpn::All,
            choice => choice.selection() == vpn,
        }
    }

    pub(super) fn selection(&self) -> Vpn<'_> {
        match self {
            Self::Default => Vpn::Default,
            Self::All => Vpn::All,
            Self::Name(name) => Vpn::Name(name),
            Self::Id(id) => Vpn::Id(*id),
        }
    }
}

/// For people.
impl fmt::Display for VpnChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe(self.selection()))
    }
}

/// A VPN for people.
pub(super) fn describe(vpn: Vpn<'_>) -> String {
    match vpn {
        Vpn::Default => "the default VPN".to_owned(),
        Vpn::All => "all VPNs".to_owned(),
        Vpn::Name(name) => format!("VPN {}", name.escape_ascii()),
        Vpn::Id([a, b, c, index @ ..]) => format!("VPN {a:02x}{b:02x}{c:02x}:{:08x}", u32::from_be_bytes(index)),
    }
}

/// What a requestor always asks for: what is needed to know the binding, and to compare it with what others say.
const USUAL: [OptionCode; 10] = [
    OptionCode::BASE_TIME,
    OptionCode::LEASE_TIME,
    OptionCode::RENEWAL_TIME,
    OptionCode::REBINDING_TIME,
    OptionCode::START_TIME_OF_STATE,
    OptionCode::CLIENT_LAST_TRANSACTION_TIME,
    OptionCode::DHCP_STATE,
    OptionCode::DATA_SOURCE,
    OptionCode::CLIENT_IDENTIFIER,
    OptionCode::RELAY_AGENT_INFORMATION,
];

impl ActiveQuery {
    /// Appends the query as a frame. On an error nothing is appended.
    pub(super) fn write(&self, listeners: &[SocketAddr], xid: u32, out: &mut Vec<u8>) -> Result<(), QueryError> {
        check_qualifiers(self.vpn.as_ref(), &self.options)?;
        let mut writer = MessageWriter::frame(out, &Header::new(BOOT_REQUEST, xid), MessageType::ACTIVE_LEASE_QUERY);
        writer.option(OptionCode::PARAMETER_REQUEST_LIST, &request_list(&self.options));
        if let Some(since) = self.since {
            writer.u32(OptionCode::QUERY_START_TIME, since.0);
        }
        if let Some(vpn) = &self.vpn {
            writer.vpn(vpn.selection());
        }
        say_who_asks(listeners, &mut writer);
        Ok(writer.finish()?)
    }
}

impl BulkQuery {
    /// Appends the query as a frame. On an error nothing is appended.
    pub(super) fn write(&self, listeners: &[SocketAddr], xid: u32, out: &mut Vec<u8>) -> Result<(), QueryError> {
        self.check()?;
        let mut header = Header::new(BOOT_REQUEST, xid);
        if let Primary::Hardware { htype, address } = &self.primary {
            header.htype = *htype;
            header.chaddr = address;
        }
        let mut writer = MessageWriter::frame(out, &header, MessageType::BULK_LEASE_QUERY);
        writer.option(OptionCode::PARAMETER_REQUEST_LIST, &request_list(&self.options));
        match &self.primary {
            Primary::All | Primary::Hardware { .. } => {}
            Primary::ClientId(id) => writer.option(OptionCode::CLIENT_IDENTIFIER, id),
            Primary::RemoteId(id) => relay_agent_information(&mut writer, SubOption::REMOTE_ID, id),
            Primary::RelayId(id) => relay_agent_information(&mut writer, SubOption::RELAY_ID, id),
        }
        for (code, time) in [(OptionCode::QUERY_START_TIME, self.since), (OptionCode::QUERY_END_TIME, self.until)] {
            if let Some(time) = time {
                writer.u32(code, time.0);
            }
        }
        if self.vpn != VpnChoice::Default {
            writer.vpn(self.vpn.selection());
        }
        say_who_asks(listeners, &mut writer);
        Ok(writer.finish()?)
    }

    /// What cannot be said is refused: cut short it would be another query.
    fn check(&self) -> Result<(), QueryError> {
        match &self.primary {
            Primary::All => {}
            Primary::Hardware { address, .. } => check_length(HARDWARE, address)?,
            Primary::ClientId(id) => check_length(CLIENT_ID, id)?,
            Primary::RemoteId(id) => check_length(REMOTE_ID, id)?,
            Primary::RelayId(id) => check_length(RELAY_ID, id)?,
        }
        check_qualifiers(Some(&self.vpn), &self.options)
    }
}

fn say_who_asks(listeners: &[SocketAddr], writer: &mut MessageWriter<'_>) {
    if let Some(classes) = asker::write_v4(listeners) {
        writer.option(OptionCode::USER_CLASS, &classes);
    }
}

/// A selector that has a length, with the fewest and the most octets that it can have.
type Measure = (&'static str, usize, usize);

pub(super) const HARDWARE: Measure = ("hardware address", 1, 16);
pub(super) const CLIENT_ID: Measure = ("client-identifier", 2, u16::MAX as usize);
pub(super) const REMOTE_ID: Measure = ("Remote ID", 1, 255);
const RELAY_ID: Measure = ("Relay-ID", 1, 255);

pub(super) fn check_length((what, least, most): Measure, id: &[u8]) -> Result<(), QueryError> {
    if (least..=most).contains(&id.len()) {
        return Ok(());
    }
    Err(QueryError::Length { what, length: id.len(), least, most })
}

pub(super) fn check_qualifiers(vpn: Option<&VpnChoice>, options: &[u8]) -> Result<(), QueryError> {
    if let Some(VpnChoice::Name(name)) = vpn
        && (!name.is_ascii() || name.contains(&0))
    {
        return Err(QueryError::VpnName(name.escape_ascii().to_string()));
    }
    match options.iter().find(|code| [0, 255].contains(*code)) {
        Some(code) => Err(QueryError::OptionCode((*code).into())),
        None => Ok(()),
    }
}

pub(super) fn request_list(options: &[u8]) -> Vec<u8> {
    let mut list: Vec<u8> = USUAL.map(|code| code.0).to_vec();
    for code in options {
        if !list.contains(code) {
            list.push(*code);
        }
    }
    list
}

/// Option 82 with one sub-option.
pub(super) fn relay_agent_information(writer: &mut MessageWriter<'_>, code: SubOption, id: &[u8]) {
    let mut info = Vec::with_capacity(2 + id.len());
    info.push(code.0);
    info.extend(u8::try_from(id.len()));
    info.extend_from_slice(id);
    writer.option(OptionCode::RELAY_AGENT_INFORMATION, &info);
}
