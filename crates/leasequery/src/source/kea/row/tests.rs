use proptest::prelude::*;

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
        assert_eq!(bytes[row.hwaddr], [0, 0x0c, 1, 2, 3, 4]);
        assert_eq!(bytes[row.client_id], [1, 0, 0x0c, 1, 2, 3, 4]);
        assert_eq!(&bytes[row.hostname], b"Host,name");
        assert_eq!(bytes[row.relay_info], *b"\x01\x06eth0/1\x02\x06\xaa\xbb\xcc\xdd\xee\x01");
        assert!(!row.relay_unreadable);
    }
}

#[test]
fn rows_may_be_wider_or_narrower_than_the_header() {
    let (narrow, _) = parse(NEW, "10.0.0.1,,,60,1000,1,0,0,").expect("up to hostname is enough");
    assert_eq!((narrow.state, narrow.hwaddr.len(), narrow.relay_info.len()), (KeaState::Assigned, 0, 0));
    let (wide, _) = parse(OLD, "10.0.0.1,,,60,1000,1,0,0,,1,,0,something,new").expect("what is behind is ignored");
    assert_eq!(wide.state, KeaState::Declined);
    assert_eq!(parse(OLD, "10.0.0.1,,,60,1000,1,0,0"), Err(RowError::Columns(8, 9)));
}

#[test]
fn columns_are_found_by_their_names() {
    let (row, _) =
        parse("state,hostname,subnet_id,expire,valid_lifetime,client_id,hwaddr,address", "2,,9,1000,60,,,10.0.0.1")
            .expect("a row");
    assert_eq!((row.address, row.subnet_id, row.state), ([10, 0, 0, 1].into(), 9, KeaState::Reclaimed));
    assert_eq!(Header::parse(b"address,duid,valid_lifetime,expire"), Err(RowError::Header("hwaddr")));
}

#[test]
fn a_lease_without_end_is_read() {
    let (row, _) = parse(OLD, "10.0.0.1,,,4294967295,6084967295,1,0,0,,0,").expect("a row");
    assert_eq!((row.valid_lifetime, row.expire), (u32::MAX, 6_084_967_295));
}

#[test]
fn a_wrong_value_is_named_with_its_column() {
    let cases = [
        ("10.0.0,,,60,1000,1,0,0,,0,", "address"),
        ("10.0.0.1,0g,,60,1000,1,0,0,,0,", "hwaddr"),
        ("10.0.0.1,00:,,60,1000,1,0,0,,0,", "hwaddr"),
        ("10.0.0.1,00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10,,60,1000,1,0,0,,0,", "hwaddr"),
        ("10.0.0.1,,1,60,1000,1,0,0,,0,", "client_id"),
        ("10.0.0.1,,,-1,1000,1,0,0,,0,", "valid_lifetime"),
        ("10.0.0.1,,,60,,1,0,0,,0,", "expire"),
        ("10.0.0.1,,,60,1000,x,0,0,,0,", "subnet_id"),
        ("10.0.0.1,,,60,1000,1,0,0,,4,", "state"),
        ("10.0.0.1,,,60,1000,1,0,0,,256,", "state"),
        ("10.0.0.1,00-01,,60,1000,1,0,0,,0,", "hwaddr"),
        ("10.0.0.1,00:01:,,60,1000,1,0,0,,0,", "hwaddr"),
        ("10.0.0.1,,,4294967296,1000,1,0,0,,0,", "valid_lifetime"),
        ("10.0.0.1,,,60,1234567890123,1,0,0,,0,", "expire"),
        ("10.0.0.1,,,60,12:4,1,0,0,,0,", "expire"),
    ];
    for (line, column) in cases {
        match parse(OLD, line) {
            Err(RowError::Value { column: found, .. }) => assert_eq!(found, column, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
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
