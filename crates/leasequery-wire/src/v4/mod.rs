//! DHCPv4: RFC 2131, 2132, 3046, 3396, 4388, 6607, 6925, 6926 and 7724.

mod code;
mod message;
mod option;
mod relay;
mod vpn;
mod writer;

pub use code::{DataSource, MessageType, OptionCode, State, StatusCode};
pub use message::{Message, Status};
pub use relay::{RelayAgentInformation, SubOption};
pub use vpn::Vpn;
pub use writer::{Header, MessageWriter};

/// `op` of a message from a requestor to a server (RFC 2131 section 2).
pub const BOOT_REQUEST: u8 = 1;
/// `op` of a message from a server to a requestor (RFC 2131 section 2).
pub const BOOT_REPLY: u8 = 2;
/// Octets before the options: the fixed header and the magic cookie (RFC 2131 section 2).
pub const MIN_MESSAGE: usize = 240;

/// What the options area begins with (RFC 2131 section 3).
const COOKIE: u32 = 0x6382_5363;
