use std::time::Duration;

use leasequery_wire::{DecodeError, FrameFault, TooLong};
use thiserror::Error;

use crate::code::MessageType;

/// Why a connection is of no more use. All queries that are outstanding on it fail with it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// The server closed it before the end of an answer. How it was closed means nothing (RFC 6926 section 7.8).
    #[error("the server closed the connection before the end of its answer")]
    Closed,
    /// The server closed it without a single octet. One that requires TLS does so, and says nothing (RFC 7724 section
    /// 8.1, RFC 7653 section 9.1).
    #[error(
        "the server closed the connection without a word: it may not permit this requestor to ask, or not without TLS, or \
         speak the other protocol (DHCPv4 or DHCPv6) there"
    )]
    Unanswered,
    /// What protects the connection failed: why, for people.
    #[error("{0}")]
    Broken(String),
    /// The server stopped sending.
    #[error("no data from the server for {} seconds", .0.as_secs_f64())]
    NoData(Duration),
    /// The server stopped taking data.
    #[error("the server has not taken the query for {} seconds", .0.as_secs_f64())]
    Blocked(Duration),
    /// The server broke the protocol.
    #[error("protocol violation in message {number} of the connection: {fault}")]
    Message {
        /// Which of the server's messages, counted from 1.
        number: u64,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with a message from the server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// Its length prefix cannot be one.
    #[error(transparent)]
    Frame(#[from] FrameFault),
    /// Its octets are no message, or an option is malformed.
    #[error("malformed message: {0}")]
    Malformed(#[from] DecodeError),
    /// It is a message, but has no place here.
    #[error(transparent)]
    Violation(#[from] Violation),
}

/// A rule that the server broke with a well-formed message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Violation {
    /// A message that belongs to no query (RFC 6926 section 7.3): no query has this xid, or none has it any more.
    #[error("{kind} with xid {xid:#010x}, which no outstanding query has")]
    UnknownXid {
        /// The message.
        kind: MessageType,
        /// Its transaction id.
        xid: u32,
    },
    /// A type that is no answer to the query (RFC 6926 section 7.3, RFC 7724 section 7.4).
    #[error("{0} is no answer to the query")]
    UnexpectedType(MessageType),
    /// The first message of a response that comes again, or another one before it (RFC 5460 section 5.2).
    #[error("{0} out of turn")]
    OutOfTurn(MessageType),
    /// A reply that is not for us, or from nobody (RFC 5007 section 4.2.2).
    #[error("LEASEQUERY-REPLY {0}")]
    Unaddressed(&'static str),
    /// A reply about no address (RFC 6926 section 7.3).
    #[error("{0} with zero ciaddr")]
    NoAddress(MessageType),
    /// A reply about another VPN than the query. A server without VPNs answers so; its bindings must not be filed under
    /// the VPN that was asked for (RFC 6607 section 6).
    #[error("a reply about {found} to a query about {asked}")]
    WrongVpn {
        /// The VPN of the reply.
        found: String,
        /// The VPN of the query.
        asked: String,
    },
}

/// Why a query cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueryError {
    /// The primary selector has no octets, or more than its place in the message.
    #[error("a {what} has {least} to {most} octets, not {length}")]
    Length {
        /// Which one.
        what: &'static str,
        /// Octets given.
        length: usize,
        /// The fewest that it can have.
        least: usize,
        /// The most that it can have.
        most: usize,
    },
    /// A name of a VPN that is no ASCII text (RFC 6607 section 3.5).
    #[error("'{0}' is no name of a VPN: it has to be ASCII text without NUL")]
    VpnName(String),
    /// All VPNs, which only a query over TCP can ask for (RFC 6926 section 6.2.9).
    #[error("a single query is about one VPN, not about all")]
    AllVpns,
    /// No address where one has to be.
    #[error("{0} cannot be 0.0.0.0")]
    Unspecified(&'static str),
    /// Something else than an address or a DUID (RFC 5460 section 3).
    #[error("over UDP there are queries by address and by DUID; all others need TCP")]
    OnlyTcp,
    /// A code that no option has.
    #[error("{0} is no code of an option")]
    OptionCode(u16),
    /// The message does not fit its frame.
    #[error(transparent)]
    TooLong(#[from] TooLong),
}
