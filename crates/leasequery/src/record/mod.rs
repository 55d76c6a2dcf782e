//! The JSON record: one lease on one line, as the commands print it and the push source takes it.

mod input;
mod text;
mod view;

pub use input::{Input, RecordError};
pub use text::{Hex, Mac, Rfc3339, parse_hex, parse_mac, parse_time, parse_vpn, vpn_text};
pub use view::View;
