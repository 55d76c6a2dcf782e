use leasequery_store::Time;
use leasequery_wire::v4::{BOOT_REQUEST, Header, MessageType, MessageWriter, OptionCode, SubOption, Vpn};

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
    /// The leases of a hardware address of at most 16 octets.
    Hardware {
        /// Type (1: Ethernet).
        htype: u8,
        /// The octets.
        address: Vec<u8>,
    },
    /// The leases of a client-identifier.
    ClientId(Vec<u8>),
    /// The leases made under a Remote ID.
    RemoteId(Vec<u8>),
    /// The leases made through a relay.
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
    /// In the one with this name.
    Name(Vec<u8>),
    /// In the one with this identifier (RFC 2685).
    Id([u8; 7]),
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

impl BulkQuery {
    /// Appends the query as a frame.
    pub(super) fn write(&self, xid: u32, out: &mut Vec<u8>) {
        let mut header = Header::new(BOOT_REQUEST, xid);
        if let Primary::Hardware { htype, address } = &self.primary {
            header.htype = *htype;
            header.chaddr = address;
        }
        let mut writer = MessageWriter::frame(out, &header, MessageType::BULK_LEASE_QUERY);
        writer.option(OptionCode::PARAMETER_REQUEST_LIST, &self.request_list());
        if let Primary::ClientId(id) = &self.primary {
            writer.option(OptionCode::CLIENT_IDENTIFIER, id);
        }
        for (code, time) in [(OptionCode::QUERY_START_TIME, self.since), (OptionCode::QUERY_END_TIME, self.until)] {
            if let Some(time) = time {
                writer.u32(code, time.0);
            }
        }
        match &self.vpn {
            VpnChoice::Default => {}
            VpnChoice::All => writer.vpn(Vpn::All),
            VpnChoice::Name(name) => writer.vpn(Vpn::Name(name)),
            VpnChoice::Id(id) => writer.vpn(Vpn::Id(*id)),
        }
        match &self.primary {
            Primary::RemoteId(id) => relay_agent_information(&mut writer, SubOption::REMOTE_ID, id),
            Primary::RelayId(id) => relay_agent_information(&mut writer, SubOption::RELAY_ID, id),
            _ => {}
        }
        let result = writer.finish();
        debug_assert_eq!(result, Ok(()), "identifiers are cut to what an option holds");
    }

    fn request_list(&self) -> Vec<u8> {
        let mut list: Vec<u8> = USUAL.map(|code| code.0).to_vec();
        for code in &self.options {
            if !list.contains(code) {
                list.push(*code);
            }
        }
        list
    }
}

/// Option 82 with one sub-option, of which 255 octets are all that can be said.
fn relay_agent_information(writer: &mut MessageWriter<'_>, code: SubOption, id: &[u8]) {
    let id = &id[..id.len().min(usize::from(u8::MAX))];
    let mut info = Vec::with_capacity(2 + id.len());
    info.push(code.0);
    info.extend(u8::try_from(id.len()));
    info.extend_from_slice(id);
    writer.option(OptionCode::RELAY_AGENT_INFORMATION, &info);
}
