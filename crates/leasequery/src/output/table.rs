//! Columns for people. Their widths are fixed, because a row is printed long before the last one is known.

use leasequery_record::Protocol;
use leasequery_record::{FIELDS, View};

/// Title of a column, the fields of which it shows the one that is there, and its width.
type Column = (&'static str, &'static [&'static str], usize);

const V4: [Column; 8] = [
    ("ADDRESS", &["address"], 15),
    ("STATE", &["state"], 9),
    ("MAC", &["mac"], 17),
    ("SINCE", &["start-time-of-state"], 20),
    ("EXPIRES", &["expires"], 20),
    ("REMOTE-ID", &["remote-id"], 32),
    ("RELAY-ID", &["relay-id"], 24),
    ("VPN", &["vpn"], 8),
];
/// DHCPv6 has no VPNs and does not tell since when a lease is there, but when its client was heard.
const V6: [Column; 7] = [
    ("ADDRESS", &["address", "prefix"], 26),
    ("STATE", &["state"], 9),
    ("DUID", &["duid"], 28),
    ("HEARD", &["client-last-transaction-time"], 20),
    ("EXPIRES", &["expires"], 20),
    ("REMOTE-ID", &["remote-id"], 32),
    ("RELAY-ID", &["relay-id"], 20),
];
/// The last column, where options were asked for.
const OPTIONS: Column = ("OPTIONS", &["options"], 0);

/// The columns of a table.
#[derive(Debug)]
pub(super) struct Table {
    columns: &'static [Column],
    options: bool,
}

impl Table {
    /// For leases of a protocol. It has a column for options where some were asked for.
    pub(super) fn new(protocol: Protocol, options: bool) -> Self {
        let columns: &[Column] = match protocol {
            Protocol::V4 => &V4,
            Protocol::V6 => &V6,
        };
        Self { columns, options }
    }

    /// Appends the titles.
    pub(super) fn header(&self, out: &mut Vec<u8>) {
        self.line(out, |out, title, _| out.extend_from_slice(title.as_bytes()));
    }

    /// Appends a row.
    pub(super) fn row(&self, out: &mut Vec<u8>, view: &View<'_>) {
        let named = || FIELDS.iter().zip(view.values());
        self.line(out, |out, _, fields| {
            let value = fields
                .iter()
                .find_map(|field| named().find(|(name, _)| *name == field)?.1.as_ref().map(|value| (*field, value)));
            if let Some((field, value)) = value {
                let start = out.len();
                value.write(out);
                if let Some(text) = view.text_of(field, value) {
                    out.extend_from_slice(format!(" ({text})").as_bytes());
                }
                // Names come from a network; they must not move the cursor of a terminal.
                for byte in &mut out[start..] {
                    if byte.is_ascii_control() {
                        *byte = b'?';
                    }
                }
            }
        });
    }

    fn line(&self, out: &mut Vec<u8>, write: impl Fn(&mut Vec<u8>, &str, &[&str])) {
        for (title, fields, width) in self.columns.iter().chain(self.options.then_some(&OPTIONS)) {
            let start = out.len();
            write(out, title, fields);
            let end = out.len().max(start + width) + 2;
            out.resize(end, b' ');
        }
        while out.last() == Some(&b' ') {
            out.pop();
        }
        out.push(b'\n');
    }
}
