//! The JSON record: one lease on one line, as the commands print it and the push source takes it.

mod family;
mod input;
mod names;
mod text;
mod view;

pub use family::{Family, Protocol};
pub use input::{Input, RecordError, V4Input, V6Input};
pub use names::{meant, unknown_name};
pub use text::{
    hex_text, mac_text, parse_end, parse_hex, parse_identifier, parse_mac, parse_time, parse_vpn, time_text,
    vpn_name_text, vpn_text,
};
pub use view::{FIELDS, Value, View};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
