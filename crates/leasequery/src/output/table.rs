//! Columns for people. Their widths are fixed, because a row is printed long before the last one is known.

use crate::record::{FIELDS, View};

/// Title, field and width of each column.
const COLUMNS: [(&str, &str, usize); 8] = [
    ("ADDRESS", "address", 15),
    ("STATE", "state", 9),
    ("MAC", "mac", 17),
    ("SINCE", "start-time-of-state", 20),
    ("EXPIRES", "expires", 20),
    ("REMOTE-ID", "remote-id", 20),
    ("RELAY-ID", "relay-id", 16),
    ("VPN", "vpn", 8),
];
/// The last column, where options were asked for.
const OPTIONS: (&str, &str, usize) = ("OPTIONS", "options", 0);

/// Appends the titles.
pub(super) fn header(out: &mut Vec<u8>, options: bool) {
    line(out, options, |out, title, _| out.extend_from_slice(title.as_bytes()));
}

/// Appends a row.
pub(super) fn row(out: &mut Vec<u8>, options: bool, view: &View<'_>) {
    let values = view.values();
    line(out, options, |out, _, field| {
        let place = FIELDS.iter().position(|name| *name == field);
        if let Some(value) = place.and_then(|place| values[place].as_ref()) {
            let start = out.len();
            value.write(out);
            // Names come from a network; they must not move the cursor of a terminal.
            for byte in &mut out[start..] {
                if byte.is_ascii_control() {
                    *byte = b'?';
                }
            }
        }
    });
}

fn line(out: &mut Vec<u8>, options: bool, write: impl Fn(&mut Vec<u8>, &str, &str)) {
    for (title, field, width) in COLUMNS.iter().chain(options.then_some(&OPTIONS)) {
        let start = out.len();
        write(out, title, field);
        let end = out.len().max(start + width) + 2;
        out.resize(end, b' ');
    }
    while out.last() == Some(&b' ') {
        out.pop();
    }
    out.push(b'\n');
}
