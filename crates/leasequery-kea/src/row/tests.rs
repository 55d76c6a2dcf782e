use proptest::prelude::*;

use super::super::v4::{Header, Row};
use super::*;

/// As Kea 2.2 writes it, and as Kea 3.3 does.
const OLD: &str =
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context";
const NEW: &str =
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id";

fn header(line: &str) -> Header {
    Header::parse(line.as_bytes()).expect("a header")
}

fn parse(header_line: &str, line: &str) -> Result<(Row, Vec<u8>), RowError> {
    let mut bytes = Vec::new();
    Row::parse(line.as_bytes(), &header(header_line), &mut bytes).map(|row| (row, bytes))
}

#[test]
fn reads_a_row_of_each_generation() {
    let old = r#"10.77.1.0,00:0c:01:02:03:04,01:00:0c:01:02:03:04,600,1790000600,7,0,0,Host&#x2cname,0,{ "ISC": { "relay-agent-info": "0x0106657468302F310206AABBCCDDEE01" } }"#;
    let new = r#"10.77.1.0,00:0c:01:02:03:04,01:00:0c:01:02:03:04,600,1790000600,7,0,0,Host&#x2Cname,0,{ "ISC": { "relay-agent-info": { "remote-id": "AABBCCDDEE01"&#x2c "sub-options": "0x0106657468302F310206AABBCCDDEE01" } } },0"#;
    for (header, line) in [(OLD, old), (NEW, new)] {
        let (row, bytes) = parse(header, line).expect("a row");
        assert_eq!(
            (row.address, row.valid_lifetime, row.expire, row.subnet_id, row.state),
            ([10, 77, 1, 0].into(), 600, 1_790_000_600, 7, KeaState::Assigned)
        );
        assert_eq!(bytes[row.own.hwaddr], [0, 0x0c, 1, 2, 3, 4]);
        assert_eq!(bytes[row.client_id], [1, 0, 0x0c, 1, 2, 3, 4]);
        assert_eq!(&bytes[row.hostname], b"Host,name");
        assert_eq!(bytes[row.relay_info], *b"\x01\x06eth0/1\x02\x06\xaa\xbb\xcc\xdd\xee\x01");
        assert!(!row.relay_unreadable);
    }
}

#[test]
fn rows_may_be_wider_or_narrower_than_the_header() {
    let (narrow, _) = parse(NEW, "10.0.0.1,02,,60,1000,1,0,0,").expect("up to hostname is enough");
    assert_eq!((narrow.state, narrow.own.hwaddr.len(), narrow.relay_info.len()), (KeaState::Assigned, 1, 0));
    let (wide, _) = parse(OLD, "10.0.0.1,,,60,1000,1,0,0,,1,,0,something,new").expect("what is behind is ignored");
    assert_eq!(wide.state, KeaState::Declined);
    assert_eq!(parse(OLD, "10.0.0.1,,,60,1000,1,0,0"), Err(RowError::Columns(8, 9)));
}

/// Kea 2.2 takes these.
#[test]
fn what_is_beyond_the_header_are_the_next_columns_of_kea() {
    let first = OLD.strip_suffix(",state,user_context").expect("the columns of the first schema");
    let (row, _) = parse(first, "10.0.0.1,02,,60,1000,1,0,0,h").expect("a row");
    assert_eq!((row.state, row.relay_info.len()), (KeaState::Assigned, 0));
    let (row, bytes) =
        parse(first, r#"10.0.0.1,02,,60,1000,1,0,0,h,2,{ "ISC": { "relay-agent-info": "0x020109" } },7"#)
            .expect("a row");
    assert_eq!((row.state, &bytes[row.relay_info]), (KeaState::Reclaimed, &[2, 1, 9][..]));
    assert!(parse(first, "10.0.0.1,02,,60,1000,1,0,0,h,no state").is_err());
    // A header of somebody else's says nothing of what is behind it, and one that is cut short is none.
    let (row, _) = parse(&format!("{first},mine"), "10.0.0.1,02,,60,1000,1,0,0,h,2,2,2").expect("a row");
    assert_eq!(row.state, KeaState::Assigned);
    let cut = first.strip_suffix(",hostname").expect("it is the last one");
    assert_eq!(Header::parse(cut.as_bytes()), Err(RowError::Header("DHCPv4", "hostname")));
}

#[test]
fn a_lease_of_nobody_is_none_unless_it_was_declined() {
    for row in ["10.0.0.1,,,60,1000,1,0,0,,0,", "10.0.0.1,,,60,1000,1,0,0,,2,", "10.0.0.1,,,0,1000,1,0,0,,0,"] {
        assert_eq!(parse(OLD, row), Err(RowError::Nobody), "{row}");
    }
    for row in ["10.0.0.1,,,60,1000,1,0,0,,1,", "10.0.0.1,02,,60,1000,1,0,0,,0,", "10.0.0.1,,01:02,60,1000,1,0,0,,0,"] {
        assert!(parse(OLD, row).is_ok(), "{row}");
    }
}

#[test]
fn numbers_are_taken_as_kea_casts_them() {
    let (row, _) = parse(OLD, "10.0.0.1,02,,-1,-1,-2,+1,00,,+1,").expect("a row");
    assert_eq!((row.valid_lifetime, row.expire, row.subnet_id), (u32::MAX, -1, u32::MAX - 1));
    assert_eq!(row.state, KeaState::Declined);
}

#[test]
fn columns_are_found_by_their_names() {
    let columns = "subnet_id,expire,valid_lifetime,client_id,hwaddr,address,fqdn_fwd,fqdn_rev,hostname,new,state";
    let (row, bytes) = parse(columns, "9,1000,60,,02,10.0.0.1,0,0,name,x,2").expect("a row");
    assert_eq!((row.address, row.subnet_id, row.state), ([10, 0, 0, 1].into(), 9, KeaState::Reclaimed));
    assert_eq!(&bytes[row.hostname], b"name");
    assert_eq!(Header::parse(b"address,duid,valid_lifetime,expire"), Err(RowError::Header("DHCPv4", "hwaddr")));
    assert_eq!(Header::parse(b"hostname,address"), Err(RowError::Header("DHCPv4", "hwaddr")));
    let before = columns.replace("hostname,new", "new").replace("subnet_id", "hostname,subnet_id");
    assert_eq!(Header::parse(before.as_bytes()), Err(RowError::Order("DHCPv4")));
}

#[test]
fn a_row_without_its_newline_is_whole_if_it_has_every_column() {
    let line = r#"10.0.0.1,02:00:00:00:00:01,,60,1000,1,0,0,host,1,{ "a": 1 }"#;
    assert!(header(OLD).is_whole(line.as_bytes()));
    assert!(header(NEW).is_whole(line.as_bytes()), "Kea 2.2 writes rows of its own width into files of Kea 3");
    for cut in 0..line.len() {
        let whole = line[..cut].ends_with("host,1,");
        assert_eq!(header(OLD).is_whole(&line.as_bytes()[..cut]), whole, "{}", &line[..cut]);
    }
    // Several beginnings do not make a row.
    let glued =
        "10.0.0.6,02:00:00:00:00:04,,3600,1795323475,1,10.0.0.12,02:00:00:00:010.0.0.5,02:00:00:00:00:04,,3600,17";
    assert!(!header(OLD).is_whole(glued.as_bytes()));
    assert!(!header(OLD).is_whole(b"10.0.0.6,,,3600,1795323475,1,0,0,,,10.0.0.7"));
}

#[test]
fn the_address_of_a_row_is_known_before_the_rest() {
    assert_eq!(header(OLD).address_of(b"10.0.0.1,what,ever"), Some([10, 0, 0, 1].into()));
    for wrong in
        ["", "10.0.0", "10.0.0.1.2", "10.0.0.256", "10.0.0.1000", "10.0..1", "1O.0.0.1", " 10.0.0.1", "10.0.0.1 "]
    {
        assert_eq!(header(OLD).address_of(wrong.as_bytes()), None, "{wrong}");
    }
}

#[test]
fn a_lease_without_end_is_read() {
    let (row, _) = parse(OLD, "10.0.0.1,02,,4294967295,6084967295,1,0,0,,0,").expect("a row");
    assert_eq!((row.valid_lifetime, row.expire), (u32::MAX, 6_084_967_295));
}

#[test]
fn a_wrong_value_is_named_with_its_column() {
    let cases = [
        ("10.0.0,,,60,1000,1,0,0,,0,", "address"),
        ("0.0.0.0,,,60,1000,1,0,0,,0,", "address"),
        ("10.0.0.1,0g,,60,1000,1,0,0,,0,", "hwaddr"),
        ("10.0.0.1,00:,,60,1000,1,0,0,,0,", "hwaddr"),
        ("10.0.0.1,00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14,,60,1000,1,0,0,,0,", "hwaddr"),
        ("10.0.0.1,,1,60,1000,1,0,0,,0,", "client_id"),
        ("10.0.0.1,,,- 1,1000,1,0,0,,0,", "valid_lifetime"),
        ("10.0.0.1,,,60,,1,0,0,,0,", "expire"),
        ("10.0.0.1,,,60,1000,x,0,0,,0,", "subnet_id"),
        ("10.0.0.1,,,60,1000,1,2,0,,0,", "fqdn_fwd"),
        ("10.0.0.1,,,60,1000,1,0,,,0,", "fqdn_rev"),
        ("10.0.0.1,,,60,1000,1,0,0,,,", "state"),
        ("10.0.0.1,,,60,1000,1,0,0,,4,", "state"),
        ("10.0.0.1,,,60,1000,1,0,0,,256,", "state"),
        ("10.0.0.1,00-01,,60,1000,1,0,0,,0,", "hwaddr"),
        ("10.0.0.1,00:01:,,60,1000,1,0,0,,0,", "hwaddr"),
        ("10.0.0.1,,,4294967296,1000,1,0,0,,0,", "valid_lifetime"),
        ("10.0.0.1,,,60,18446744073709551616,1,0,0,,0,", "expire"),
        ("10.0.0.1,,,60,12:4,1,0,0,,0,", "expire"),
        ("010.000.000.015,,,60,1000,1,0,0,,0,", "address"),
    ];
    for (line, column) in cases {
        match parse(OLD, line) {
            Err(RowError::Value { column: found, .. }) => assert_eq!(found, column, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn a_line_of_another_system_is_no_row() {
    for (header, line) in [(OLD, "10.0.0.1,02,,60,1000,1,0,0,,0,\r"), (NEW, "10.0.0.1,02,,60,1000,1,0,0,,0,,0\r")] {
        assert_eq!(parse(header, line).map(drop), Err(RowError::CarriageReturn));
        assert!(parse(header, line.trim_end()).is_ok());
    }
}

#[test]
fn escapes_are_bytes_and_what_is_none_stands_for_itself() {
    let cases: [(&str, &[u8]); 6] = [
        ("a&#x2cb", b"a,b"),
        ("&#x26", b"&"),
        ("&#xc3&#xA9", "é".as_bytes()),
        ("&#xzz&#x", b"&#xzz&#x"),
        ("&&#x2c", b"&,"),
        ("", b""),
    ];
    for (text, expected) in cases {
        let mut bytes = vec![7];
        let range = unescape(text.as_bytes(), &mut bytes);
        assert_eq!(&bytes[range], expected, "{text}");
    }
}

proptest! {
    #[test]
    fn no_line_makes_it_panic(line in "[0-9a-f:.,&#x{}\"\\- ISCrelayagntinfosubop]{0,200}", noise in proptest::collection::vec(any::<u8>(), 0..200)) {
        for line in [line.as_bytes(), &noise] {
            let mut bytes = Vec::new();
            let _ = Row::parse(line, &header(NEW), &mut bytes);
            let _ = Header::parse(line);
        }
    }

    #[test]
    fn what_kea_escapes_comes_back(name in proptest::collection::vec(any::<u8>(), 0..40)) {
        let escaped: String = name.iter().map(|byte| match byte {
            b',' | b'&' | 0..0x20 | 0x7f.. => format!("&#x{byte:02x}"),
            byte => char::from(*byte).to_string(),
        }).collect();
        let mut bytes = Vec::new();
        let range = unescape(escaped.as_bytes(), &mut bytes);
        prop_assert_eq!(&bytes[range], &name[..]);
    }
}
