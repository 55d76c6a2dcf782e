use crate::code::code_points;

code_points! {
    /// Type of a message, its first octet.
    MessageType: u8, "message type",
    /// RFC 8415 section 7.3; the answer to STARTTLS.
    REPLY = 7 "REPLY";
    /// RFC 8415 section 9.
    RELAY_FORWARD = 12 "RELAY-FORW";
    /// RFC 8415 section 9.
    RELAY_REPLY = 13 "RELAY-REPL";
    /// RFC 5007 section 4.1.1.
    LEASE_QUERY = 14 "LEASEQUERY";
    /// RFC 5007 section 4.1.1.
    LEASE_QUERY_REPLY = 15 "LEASEQUERY-REPLY";
    /// RFC 5460 section 5.2.2.
    LEASE_QUERY_DONE = 16 "LEASEQUERY-DONE";
    /// RFC 5460 section 5.2.1.
    LEASE_QUERY_DATA = 17 "LEASEQUERY-DATA";
    /// RFC 7653 section 6.2.1.
    ACTIVE_LEASE_QUERY = 22 "ACTIVELEASEQUERY";
    /// RFC 7653 section 6.2.2.
    START_TLS = 23 "STARTTLS";
}

code_points! {
    /// The code inside OPTION_STATUS_CODE.
    StatusCode: u16, "status",
    /// RFC 8415 section 21.13.
    SUCCESS = 0 "Success";
    /// RFC 8415 section 21.13.
    UNSPEC_FAIL = 1 "UnspecFail";
    /// RFC 8415 section 21.13.
    NO_ADDRS_AVAIL = 2 "NoAddrsAvail";
    /// RFC 8415 section 21.13.
    NO_BINDING = 3 "NoBinding";
    /// RFC 8415 section 21.13.
    NOT_ON_LINK = 4 "NotOnLink";
    /// RFC 8415 section 21.13.
    USE_MULTICAST = 5 "UseMulticast";
    /// RFC 8415 section 21.13.
    NO_PREFIX_AVAIL = 6 "NoPrefixAvail";
    /// RFC 5007 section 4.1.3.
    UNKNOWN_QUERY_TYPE = 7 "UnknownQueryType";
    /// RFC 5007 section 4.1.3.
    MALFORMED_QUERY = 8 "MalformedQuery";
    /// RFC 5007 section 4.1.3.
    NOT_CONFIGURED = 9 "NotConfigured";
    /// RFC 5007 section 4.1.3.
    NOT_ALLOWED = 10 "NotAllowed";
    /// RFC 5460 section 5.5.
    QUERY_TERMINATED = 11 "QueryTerminated";
    /// RFC 7653 section 11.
    DATA_MISSING = 12 "DataMissing";
    /// RFC 7653 section 11.
    CATCH_UP_COMPLETE = 13 "CatchUpComplete";
    /// RFC 7653 section 11.
    NOT_SUPPORTED = 14 "NotSupported";
    /// RFC 7653 section 11.
    TLS_CONNECTION_REFUSED = 15 "TLSConnectionRefused";
}

code_points! {
    /// What a query is by, the first octet of OPTION_LQ_QUERY.
    QueryType: u8, "query-type",
    /// RFC 5007 section 4.1.2.1.
    BY_ADDRESS = 1 "QUERY_BY_ADDRESS";
    /// RFC 5007 section 4.1.2.1.
    BY_CLIENT_ID = 2 "QUERY_BY_CLIENTID";
    /// RFC 5460 section 5.3.1.
    BY_RELAY_ID = 3 "QUERY_BY_RELAY_ID";
    /// RFC 5460 section 5.3.2.
    BY_LINK_ADDRESS = 4 "QUERY_BY_LINK_ADDRESS";
    /// RFC 5460 section 5.3.3.
    BY_REMOTE_ID = 5 "QUERY_BY_REMOTE_ID";
}

code_points! {
    /// Code of an option; the constants are those that leasequery has to do with.
    OptionCode: u16, "option",
    /// RFC 8415 section 21.2.
    CLIENT_ID = 1 "OPTION_CLIENTID";
    /// RFC 8415 section 21.3.
    SERVER_ID = 2 "OPTION_SERVERID";
    /// RFC 8415 section 21.6.
    IA_ADDRESS = 5 "OPTION_IAADDR";
    /// RFC 8415 section 21.7.
    REQUEST = 6 "OPTION_ORO";
    /// RFC 8415 section 21.10.
    RELAY_MESSAGE = 9 "OPTION_RELAY_MSG";
    /// RFC 8415 section 21.11, never used here (RFC 7653 section 10).
    AUTHENTICATION = 11 "OPTION_AUTH";
    /// RFC 8415 section 21.15.
    USER_CLASS = 15 "OPTION_USER_CLASS";
    /// RFC 8415 section 21.13.
    STATUS_CODE = 13 "OPTION_STATUS_CODE";
    /// RFC 8415 section 21.18.
    INTERFACE_ID = 18 "OPTION_INTERFACE_ID";
    /// RFC 8415 section 21.22.
    IA_PREFIX = 26 "OPTION_IAPREFIX";
    /// RFC 4649 section 3.
    REMOTE_ID = 37 "OPTION_REMOTE_ID";
    /// RFC 4704.
    CLIENT_FQDN = 39 "OPTION_CLIENT_FQDN";
    /// RFC 5007 section 4.1.2.1.
    QUERY = 44 "OPTION_LQ_QUERY";
    /// RFC 5007 section 4.1.2.2.
    CLIENT_DATA = 45 "OPTION_CLIENT_DATA";
    /// RFC 5007 section 4.1.2.3.
    CLT_TIME = 46 "OPTION_CLT_TIME";
    /// RFC 5007 section 4.1.2.4.
    RELAY_DATA = 47 "OPTION_LQ_RELAY_DATA";
    /// RFC 5007 section 4.1.2.5.
    CLIENT_LINK = 48 "OPTION_LQ_CLIENT_LINK";
    /// RFC 5460 section 5.4.1.
    RELAY_ID = 53 "OPTION_RELAY_ID";
    /// RFC 6939: hardware type in two octets, then the address.
    CLIENT_LINK_LAYER_ADDRESS = 79 "OPTION_CLIENT_LINKLAYER_ADDR";
    /// RFC 7653 section 6.3.1.
    BASE_TIME = 100 "OPTION_LQ_BASE_TIME";
    /// RFC 7653 section 6.3.2.
    START_TIME = 101 "OPTION_LQ_START_TIME";
    /// RFC 7653 section 6.3.3.
    END_TIME = 102 "OPTION_LQ_END_TIME";
    /// RFC 8357: the relay's source port.
    RELAY_PORT = 135 "OPTION_RELAY_PORT";
}
