use thiserror::Error;

/// Why octets are not the message they should be: what is wrong, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("octet {offset}: {problem}")]
pub struct DecodeError {
    /// Offset of the octet at fault, counted from the start of the message.
    ///
    /// For a value that was joined from pieces (RFC 3396) it is counted from the start of the value.
    pub offset: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// The ways in which a message can be malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// Shorter than the fixed header (RFC 2131 section 2, RFC 8415 section 8).
    #[error("a DHCP message has at least {least} octets, this one {found}")]
    Truncated {
        /// Octets that are there.
        found: usize,
        /// Octets that a message of this protocol has at least.
        least: usize,
    },
    /// The options do not begin with 99.130.83.99 (RFC 2131 section 3).
    #[error("the magic cookie is {0:#010x}, not 0x63825363")]
    Cookie(u32),
    /// The hardware address would not fit its field of 16 octets.
    #[error("hlen is {0}, chaddr has 16 octets")]
    HardwareLength(u8),
    /// An option or sub-option runs past the end of what holds it.
    #[error("option {code} says {length} octets, {left} left")]
    Overrun {
        /// Code of the option or sub-option.
        code: u16,
        /// Octets that it claims.
        length: u16,
        /// Octets that are there.
        left: usize,
    },
    /// A code without its whole length.
    #[error("option {0} has no length")]
    NoLength(u16),
    /// No dhcp-message-type (option 53).
    #[error("no dhcp-message-type")]
    NoMessageType,
    /// An end of options in the middle of a code.
    #[error("half an option code")]
    HalfCode,
    /// Not a Relay-Forward where there has to be one (RFC 5007 section 4.1.2.4).
    #[error("message type {0} is no Relay-Forward")]
    NotRelayed(u8),
    /// An option whose value cannot have this length.
    #[error("option {code} cannot have {length} octets, only {expected}")]
    Length {
        /// Code of the option or sub-option.
        code: u16,
        /// Length of its value in octets.
        length: usize,
        /// The lengths that would be right.
        expected: &'static str,
    },
    /// A value that its option does not allow.
    #[error("option {code} cannot have the value {value}")]
    Value {
        /// Code of the option or sub-option.
        code: u16,
        /// The value at fault.
        value: u8,
    },
}

/// The message would be longer than 65,535 octets, all that fits behind a length prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a message of {0} octets does not fit a frame of 65535")]
pub struct TooLong(pub usize);
