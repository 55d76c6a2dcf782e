use crate::code::code_points;

code_points! {
    /// dhcp-message-type, option 53.
    MessageType: u8, "message type",
    /// RFC 2132 section 9.6.
    DISCOVER = 1 "DHCPDISCOVER";
    /// RFC 2132 section 9.6.
    REQUEST = 3 "DHCPREQUEST";
    /// RFC 4388 section 6.1.
    LEASE_QUERY = 10 "DHCPLEASEQUERY";
    /// RFC 4388 section 6.1.
    LEASE_UNASSIGNED = 11 "DHCPLEASEUNASSIGNED";
    /// RFC 4388 section 6.1.
    LEASE_UNKNOWN = 12 "DHCPLEASEUNKNOWN";
    /// RFC 4388 section 6.1.
    LEASE_ACTIVE = 13 "DHCPLEASEACTIVE";
    /// RFC 6926 section 6.2.1.
    BULK_LEASE_QUERY = 14 "DHCPBULKLEASEQUERY";
    /// RFC 6926 section 6.2.1.
    LEASE_QUERY_DONE = 15 "DHCPLEASEQUERYDONE";
    /// RFC 7724 section 5.2.1.
    ACTIVE_LEASE_QUERY = 16 "DHCPACTIVELEASEQUERY";
    /// RFC 7724 section 5.2.1.
    LEASE_QUERY_STATUS = 17 "DHCPLEASEQUERYSTATUS";
    /// RFC 7724 section 5.2.1.
    TLS = 18 "DHCPTLS";
}

code_points! {
    /// The code inside option 151, status-code (RFC 6926 section 6.2.2, RFC 7724 section 5.2.2).
    StatusCode: u8, "status",
    /// The query, or the message, went well.
    SUCCESS = 0 "Success";
    /// Failed for a reason that has no code of its own.
    UNSPEC_FAIL = 1 "UnspecFail";
    /// The server ends a query in progress.
    QUERY_TERMINATED = 2 "QueryTerminated";
    /// The query breaks the rules of its format.
    MALFORMED_QUERY = 3 "MalformedQuery";
    /// The server does not answer this query, or not to this requestor.
    NOT_ALLOWED = 4 "NotAllowed";
    /// The history does not reach back to query-start-time.
    DATA_MISSING = 5 "DataMissing";
    /// A keep-alive of an active query.
    CONNECTION_ACTIVE = 6 "ConnectionActive";
    /// All changes since query-start-time have been sent.
    CATCH_UP_COMPLETE = 7 "CatchUpComplete";
    /// The server does not do TLS here.
    TLS_CONNECTION_REFUSED = 8 "TLSConnectionRefused";
}

code_points! {
    /// State of an address, option 156, dhcp-state (RFC 6926 section 6.2.7). Names are those of the JSON record.
    State: u8, "state",
    /// Free for this server to lease.
    AVAILABLE = 1 "available";
    /// Leased.
    ACTIVE = 2 "active";
    /// The lease ran out.
    EXPIRED = 3 "expired";
    /// The client gave it back.
    RELEASED = 4 "released";
    /// Found in use by somebody unknown.
    ABANDONED = 5 "abandoned";
    /// Made free by an administrator.
    RESET = 6 "reset";
    /// Free for another server to lease.
    REMOTE = 7 "remote";
    /// Between two states, waiting for other servers.
    TRANSITIONING = 8 "transitioning";
}

code_points! {
    /// Code of a DHCP option; the constants are those that leasequery has to do with.
    OptionCode: u8, "option",
    /// RFC 2132 section 3.14.
    HOST_NAME = 12 "host-name";
    /// RFC 2132 section 9.2.
    LEASE_TIME = 51 "dhcp-lease-time";
    /// RFC 2132 section 9.3.
    OVERLOAD = 52 "option-overload";
    /// RFC 2132 section 9.6.
    MESSAGE_TYPE = 53 "dhcp-message-type";
    /// RFC 2132 section 9.7.
    SERVER_IDENTIFIER = 54 "server-identifier";
    /// RFC 2132 section 9.8.
    PARAMETER_REQUEST_LIST = 55 "dhcp-parameter-request-list";
    /// RFC 2132 section 9.10.
    MAX_MESSAGE_SIZE = 57 "maximum-dhcp-message-size";
    /// RFC 2132 section 9.11.
    RENEWAL_TIME = 58 "renewal-time";
    /// RFC 2132 section 9.12.
    REBINDING_TIME = 59 "rebinding-time";
    /// RFC 2132 section 9.13.
    VENDOR_CLASS_IDENTIFIER = 60 "vendor-class-identifier";
    /// RFC 2132 section 9.14.
    CLIENT_IDENTIFIER = 61 "client-identifier";
    /// RFC 3004.
    USER_CLASS = 77 "user-class";
    /// RFC 3046.
    RELAY_AGENT_INFORMATION = 82 "relay-agent-information";
    /// RFC 3118, never used on TCP (RFC 6926 section 9).
    AUTHENTICATION = 90 "authentication";
    /// RFC 4388 section 6.1.
    CLIENT_LAST_TRANSACTION_TIME = 91 "client-last-transaction-time";
    /// RFC 4388 section 6.1.
    ASSOCIATED_IP = 92 "associated-ip";
    /// RFC 6926 section 6.2.2.
    STATUS_CODE = 151 "status-code";
    /// RFC 6926 section 6.2.3.
    BASE_TIME = 152 "base-time";
    /// RFC 6926 section 6.2.4.
    START_TIME_OF_STATE = 153 "start-time-of-state";
    /// RFC 6926 section 6.2.5.
    QUERY_START_TIME = 154 "query-start-time";
    /// RFC 6926 section 6.2.6.
    QUERY_END_TIME = 155 "query-end-time";
    /// RFC 6926 section 6.2.7.
    DHCP_STATE = 156 "dhcp-state";
    /// RFC 6926 section 6.2.8.
    DATA_SOURCE = 157 "data-source";
    /// RFC 6607 section 3.1.
    VPN_SELECTION = 221 "vpn-selection";
}

impl OptionCode {
    /// A single octet of filling (RFC 2132 section 3.1).
    pub(crate) const PAD: u8 = 0;
    /// The single octet that ends the options (RFC 2132 section 3.2).
    pub(crate) const END: u8 = 255;
}

/// Where a binding was last changed, option 157, data-source (RFC 6926 section 6.2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataSource(pub u8);

impl DataSource {
    /// The REMOTE flag alone; the other bits are sent as zero.
    pub const REMOTE: Self = Self(1);

    /// Whether the change happened on another server. The other seven bits are ignored.
    pub const fn is_remote(self) -> bool {
        self.0 & 1 != 0
    }
}
