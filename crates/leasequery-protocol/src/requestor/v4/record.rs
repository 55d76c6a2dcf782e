use std::net::Ipv4Addr;

use leasequery_store::{Hardware, Time};
use leasequery_wire::DecodeError;
use leasequery_wire::v4::{Message, MessageType, OptionCode, RelayAgentInformation, State, Vpn};

use crate::clock::{Made, Skew};

/// What a server says about one address. Times are by the local clock, unless said otherwise.
#[derive(Debug)]
pub struct Record<'a> {
    message: Message<'a>,
    state: State,
    made: Made,
    server: Option<Ipv4Addr>,
    times: Times,
    remote: bool,
}

/// The times of a record, by the local clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// Since when the address is in its state.
    pub start_of_state: Option<Time>,
    /// When the client was last heard about it.
    pub last_transaction: Option<Time>,
    /// When the state ends; [`Time::INFINITE`] for a lease without end.
    pub expires: Option<Time>,
    /// When the client renews.
    pub renews: Option<Time>,
    /// When the client rebinds.
    pub rebinds: Option<Time>,
}

/// Options that have a field of their own in the record, or belong to the message.
const FIELDS: [OptionCode; 16] = [
    OptionCode::LEASE_TIME,
    OptionCode::OVERLOAD,
    OptionCode::SERVER_IDENTIFIER,
    OptionCode::RENEWAL_TIME,
    OptionCode::REBINDING_TIME,
    OptionCode::CLIENT_IDENTIFIER,
    OptionCode::RELAY_AGENT_INFORMATION,
    OptionCode::AUTHENTICATION,
    OptionCode::CLIENT_LAST_TRANSACTION_TIME,
    OptionCode::ASSOCIATED_IP,
    OptionCode::STATUS_CODE,
    OptionCode::BASE_TIME,
    OptionCode::START_TIME_OF_STATE,
    OptionCode::DHCP_STATE,
    OptionCode::DATA_SOURCE,
    OptionCode::VPN_SELECTION,
];

impl<'a> Record<'a> {
    /// Reads all options with a fixed form, so that nothing can fail later on. The VPN has been read by the caller.
    pub(crate) fn new(
        message: Message<'a>,
        made: Made,
        server: Option<Ipv4Addr>,
        skew: Skew,
    ) -> Result<Self, DecodeError> {
        let said = message.dhcp_state()?;
        let state = match message.message_type() {
            // The type of the message decides: an old server may send no state, a careless one a wrong one.
            MessageType::LEASE_ACTIVE => State::ACTIVE,
            _ => said.filter(|state| *state != State::ACTIVE).unwrap_or(State::AVAILABLE),
        };
        let ago = |seconds: Option<u32>| seconds.map(|seconds| skew.to_local(made.at.minus(seconds)));
        let ahead = |seconds: Option<u32>| {
            seconds.map(|seconds| match seconds {
                u32::MAX => Time::INFINITE,
                seconds => skew.to_local(Time(made.at.0.saturating_add(seconds).min(u32::MAX - 1))),
            })
        };
        let times = Times {
            start_of_state: ago(message.start_time_of_state()?),
            last_transaction: ago(message.client_last_transaction_time()?),
            expires: ahead(message.lease_time()?),
            renews: ahead(message.renewal_time()?),
            rebinds: ahead(message.rebinding_time()?),
        };
        // Absent is local (RFC 6926 section 6.2.8).
        let remote = message.data_source()?.is_some_and(leasequery_wire::v4::DataSource::is_remote);
        Ok(Self { message, state, made, server, times, remote })
    }

    /// The address.
    pub fn address(&self) -> Ipv4Addr {
        self.message.ciaddr()
    }

    /// The VPN, unless it is the default one.
    pub fn vpn(&self) -> Option<Vpn<'_>> {
        self.message.vpn().ok().flatten().filter(|vpn| *vpn != Vpn::Default)
    }

    /// Its state; active exactly if the message is a DHCPLEASEACTIVE.
    pub fn state(&self) -> State {
        self.state
    }

    /// Hardware address of the client, or of the last one.
    pub fn hardware(&self) -> Option<Hardware<'a>> {
        let address = self.message.chaddr();
        (!address.is_empty()).then(|| Hardware { htype: self.message.htype(), address })
    }

    /// Client-identifier of the client, or of the last one.
    pub fn client_id(&self) -> Option<&[u8]> {
        self.message.client_identifier()
    }

    /// The times.
    pub fn times(&self) -> Times {
        self.times
    }

    /// When the server made the message, by the server's clock.
    pub fn base_time(&self) -> Time {
        self.made.at
    }

    /// Whether the server said so: if it did not, or nothing that is to be believed, [`base_time`](Self::base_time) is when
    /// the message came.
    pub fn has_base_time(&self) -> bool {
        self.made.said
    }

    /// The server, as the first message of the response named it.
    pub fn server(&self) -> Option<Ipv4Addr> {
        self.server
    }

    /// Content of option 82, whether or not it can be read.
    pub fn relay_info(&self) -> Option<&[u8]> {
        self.message.option(OptionCode::RELAY_AGENT_INFORMATION)
    }

    /// The sub-options of option 82. What cannot be read costs the sub-options, not the record.
    pub fn relay_agent_information(&self) -> Option<RelayAgentInformation<'_>> {
        self.message.relay_agent_information().ok().flatten()
    }

    /// Whether the latest change happened on another server than the one that tells of it.
    pub fn is_remote(&self) -> bool {
        self.remote
    }

    /// All options without a method of their own here.
    pub fn options(&self) -> impl Iterator<Item = (OptionCode, &[u8])> {
        self.message.options().filter(|(code, _)| !FIELDS.contains(code))
    }
}
