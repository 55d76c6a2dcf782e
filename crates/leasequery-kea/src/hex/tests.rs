use super::*;

type Form = fn(&'static str, &[u8], &mut Vec<u8>) -> Result<Range<usize>, RowError>;

fn read(form: Form, text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![7];
    let read = form("column", text.as_bytes(), &mut bytes).ok();
    read.map(|range| bytes[range].to_vec())
}

/// What Kea 2.2 makes of these in a lease file.
#[test]
fn hardware_addresses_are_what_kea_takes() {
    for (text, expected) in [
        ("", Some(&[][..])),
        ("02:00:00:00:00:01", Some(&[2, 0, 0, 0, 0, 1])),
        ("2:0:0:0:0:1", Some(&[2, 0, 0, 0, 0, 1])),
        ("02:0:a:B", Some(&[2, 0, 0x0a, 0x0b])),
        // These have the length of what Kea writes.
        ("1:2:3:45", Some(&[1, 2, 3, 0x45])),
        ("12:3:4:5", Some(&[0x12, 3, 4, 5])),
        ("02", Some(&[2])),
        ("2", Some(&[2])),
        ("020000000001", None),
        ("02-00-00", None),
        ("02:00:0G", None),
        (":02", None),
        ("02:", None),
        ("02::03", None),
        (" 02:03", None),
        ("zz", None),
    ] {
        assert_eq!(read(octets, text).as_deref(), expected, "{text}");
    }
}

#[test]
fn identifiers_are_what_kea_takes() {
    for (text, expected) in [
        ("01:02:03", Some(&[1, 2, 3][..])),
        ("1:2:03", Some(&[1, 2, 3])),
        ("FF:aB", Some(&[0xff, 0xab])),
        ("010203", Some(&[1, 2, 3])),
        ("10203", Some(&[1, 2, 3])),
        ("0x010203", Some(&[1, 2, 3])),
        ("0x10203", Some(&[1, 2, 3])),
        ("01 02 3", Some(&[1, 2, 3])),
        ("1", Some(&[1])),
        ("0X0102", None),
        ("0x", None),
        ("01-02-03", None),
        ("01:02:", None),
        ("::", None),
        (" 01:02", None),
        ("01 02:03", None),
        ("01 ", None),
        ("zz", None),
    ] {
        assert_eq!(read(identifier, text).as_deref(), expected, "{text}");
    }
}
