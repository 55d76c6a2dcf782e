use leasequery_store::{Settings, SourceId};
use proptest::prelude::*;

use super::*;

mod mapping;

/// As Kea 2.2 writes it, and as Kea 3.3 does.
const OLD: &str = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context,hwtype,hwaddr_source";
const NEW: &str = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context,hwtype,hwaddr_source,pool_id";

fn header(line: &str) -> Header {
    Header::parse(line.as_bytes()).expect("a header")
}

fn parse(header_line: &str, line: &str) -> Result<(Row, Vec<u8>), RowError> {
    let mut bytes = Vec::new();
    let row = Row::read(line.as_bytes(), &header(header_line), &mut bytes, &mut relay::Scratch::default());
    row.map(|row| (row, bytes))
}

fn address(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

#[test]
fn reads_a_row_of_each_generation() {
    let old = r#"2001:db8:1::10,00:03:00:01:0c,600,1790000600,7,300,0,12345,128,1,1,host.example.,00:0c:01:02:03:04,0,{ "ISC": { "relays": [ { "hop": 0&#x2c "link": "fd77::2"&#x2c "options": "0x00250005000009BF61"&#x2c "peer": "fe80::1" } ] } },1,2"#;
    let new = r#"2001:db8:1::10,00:03:00:01:0c,600,1790000600,7,300,0,12345,128,1,1,host.example.,00:0c:01:02:03:04,4,{ "ISC": { "relay-info": [ { "hop": 0&#x2c "link": "fd77::2"&#x2c "options": "0x00250005000009BF61"&#x2c "peer": "fe80::1"&#x2c "remote-id": "000009BF61" } ] } },1,2,0"#;
    for (header, line) in [(OLD, old), (NEW, new)] {
        let (row, bytes) = parse(header, line).expect("a row");
        assert_eq!(
            (row.address, row.valid_lifetime, row.expire, row.subnet_id, row.state),
            (address("2001:db8:1::10"), 600, 1_790_000_600, 7, KeaState::Assigned)
        );
        assert_eq!((row.own.prefix_length, row.own.pref_lifetime), (None, 300));
        assert_eq!(bytes[row.client_id], [0, 3, 0, 1, 0x0c]);
        assert_eq!(&bytes[row.hostname], b"host.example.");
        assert_eq!(&bytes[row.own.fqdn], b"\0\x04host\x07example\0");
        assert_eq!(bytes[row.own.link_layer], [0, 1, 0, 0x0c, 1, 2, 3, 4]);
        assert_eq!(row.relay_info.len(), 16 + 34 + 9);
        assert!(!row.relay_unreadable);
    }
}

#[test]
fn rows_may_be_wider_or_narrower_than_the_header() {
    let (narrow, _) = parse(NEW, "2001:db8::,00:01,60,1000,1,30,2,1,56,0,0,").expect("up to hostname is enough");
    assert_eq!((narrow.state, narrow.own.prefix_length), (KeaState::Assigned, Some(56)));
    assert_eq!((narrow.own.link_layer.len(), narrow.own.fqdn.len(), narrow.relay_info.len()), (0, 0, 0));
    let (wide, bytes) =
        parse(OLD, "2001:db8::,00:01,60,1000,1,30,0,1,128,0,0,,aa,1,,,,0,new").expect("the rest is ignored");
    assert_eq!(wide.state, KeaState::Declined);
    assert_eq!(bytes[wide.own.link_layer], [0, 1, 0xaa], "Ethernet where nothing is said");
    assert_eq!(parse(OLD, "2001:db8::,00:01,60,1000,1,30,0,1,128,0,0"), Err(RowError::Columns(11, 12)));
    // The first schema, and no other order.
    let first = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname";
    assert!(parse(first, "2001:db8::,00:01,60,1000,1,30,0,1,128,0,0,").is_ok());
    assert_eq!(Header::parse(b"address,duid,expire"), Err(RowError::Header("DHCPv6", "pref_lifetime")));
    let other = first.replace(",hostname", "").replace("iaid", "hostname,iaid");
    assert_eq!(Header::parse(other.as_bytes()), Err(RowError::Order("DHCPv6")));
}

/// As Kea 2.2 takes it.
#[test]
fn what_is_beyond_the_header_are_the_next_columns_of_kea() {
    let old = OLD.strip_suffix(",user_context,hwtype,hwaddr_source").expect("an older schema");
    let row =
        format!("2001:db8::1,00:01,60,1000,1,30,0,1,128,0,0,,02:00,0,{},32,1", mapping::RELAYS.replace(',', "&#x2c"));
    let (row, bytes) = parse(old, &row).expect("a row");
    assert_eq!((&bytes[row.own.link_layer], row.relay_unreadable), (&[0, 32, 2, 0][..], false));
    assert!(!row.relay_info.is_empty());
}

/// As Kea 2.2 takes them.
#[test]
fn what_converters_write_is_taken() {
    let (row, _) = parse(OLD, "2001:db8::1,00:01,-1,1000,-1,-1,00,-1716864052,-1,0,0,,,0,,,").expect("a row");
    assert_eq!((row.valid_lifetime, row.own.pref_lifetime, row.own.prefix_length), (u32::MAX, u32::MAX, None));
    let (row, bytes) = parse(OLD, "2001:db8::,0003000102,60,1000,1,30,+2,7,056,0,0,,2:0,0,,-1,").expect("a row");
    assert_eq!((&bytes[row.client_id], row.own.prefix_length), (&[0, 3, 0, 1, 2][..], Some(56)));
    assert_eq!(bytes[row.own.link_layer], [255, 255, 2, 0]);
    assert!(parse(OLD, "2001:db8::,00:01,60,1000,1,30,2,7,-1,0,0,,,0,,,").is_err(), "of a prefix the length counts");
}

#[test]
fn a_lease_is_one_also_if_its_hardware_address_makes_no_sense() {
    let long = "00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14";
    for (hwaddr, hwtype, source) in [
        ("020000000001", "1", "2"),
        ("zz", "1", "2"),
        ("02:", "1", "2"),
        (long, "1", "2"),
        ("02", "65536", "2"),
        ("02", "x", "2"),
        ("02", "1", "x"),
    ] {
        let row = format!("2001:db8::1,00:01,60,1000,1,30,0,1,128,0,0,,{hwaddr},0,,{hwtype},{source}");
        let (row, _) = parse(OLD, &row).expect("a row");
        assert!(row.own.link_layer.is_empty(), "{hwaddr} {hwtype} {source}");
    }
    let (row, bytes) = parse(OLD, "2001:db8::1,00:01,60,1000,1,30,0,1,128,0,0,,0,0,,1,0").expect("a row");
    assert_eq!(bytes[row.own.link_layer], [0, 1, 0]);
}

#[test]
fn a_lease_of_nobody_is_none_unless_it_was_declined() {
    for duid in ["", "00", "00:00:00"] {
        let row = |state: u8| parse(OLD, &format!("2001:db8::1,{duid},60,1000,1,30,0,1,128,0,0,,02:00,{state},,1,1"));
        assert!(row(1).is_ok());
        for state in [0, 2, 3, 4] {
            assert_eq!(row(state), Err(RowError::Nobody), "{duid} {state}");
        }
    }
}

#[test]
fn a_row_without_its_newline_is_whole_if_it_has_every_column() {
    let line = "2001:db8::1,00:01,60,1000,1,30,0,1,128,0,0,host,00:0c:01:02:03:04,0,{ \"a\": 1 },32,2";
    assert!(header(NEW).is_whole(line.as_bytes()), "Kea 2.2 writes rows of its own width into files of Kea 3");
    for cut in 0..line.len() {
        let whole = line[..cut].ends_with(",32,");
        assert_eq!(header(OLD).is_whole(&line.as_bytes()[..cut]), whole, "{}", &line[..cut]);
    }
    // Several beginnings do not make a row.
    let glued = "2001:db8::6,00:01,3600,1795323475,1,1800,0,2001:db8::7,00:01,3600,1795323475,1,1800,0,1,128,0";
    assert!(!header(OLD).is_whole(glued.as_bytes()));
}

#[test]
fn a_wrong_value_is_named_with_its_column() {
    let cases = [
        ("10.0.0.1,00:01,60,1000,1,30,0,1,128,0,0,,,0,,,", "address"),
        ("::,00:01,60,1000,1,30,0,1,128,0,0,,,0,,,", "address"),
        ("ff02::1:2,00:01,60,1000,1,30,0,1,128,0,0,,,0,,,", "address"),
        ("2001:db8::g,00:01,60,1000,1,30,0,1,128,0,0,,,0,,,", "address"),
        ("2001:db8::1%lo,00:01,60,1000,1,30,0,1,128,0,0,,,0,,,", "address"),
        ("2001:db8::1,0:01:,60,1000,1,30,0,1,128,0,0,,,0,,,", "duid"),
        ("2001:db8::1,01,60,1000,1,30,0,1,128,0,0,,,0,,,", "duid"),
        ("2001:db8::1,00:01,x,1000,1,30,0,1,128,0,0,,,0,,,", "valid_lifetime"),
        ("2001:db8::1,00:01,60,,1,30,0,1,128,0,0,,,0,,,", "expire"),
        ("2001:db8::1,00:01,60,1000,x,30,0,1,128,0,0,,,0,,,", "subnet_id"),
        ("2001:db8::1,00:01,60,1000,1,x,0,1,128,0,0,,,0,,,", "pref_lifetime"),
        ("2001:db8::1,00:01,60,1000,1,30,3,1,128,0,0,,,0,,,", "lease_type"),
        ("2001:db8::1,00:01,60,1000,1,30,0,4294967296,128,0,0,,,0,,,", "iaid"),
        ("2001:db8::1,00:01,60,1000,1,30,2,1,129,0,0,,,0,,,", "prefix_len"),
        ("2001:db8::1,00:01,60,1000,1,30,0,1,,0,0,,,0,,,", "prefix_len"),
        ("2001:db8::1,00:01,60,1000,1,30,0,1,128,2,0,,,0,,,", "fqdn_fwd"),
        ("2001:db8::1,00:01,60,1000,1,30,0,1,128,0,,,,0,,,", "fqdn_rev"),
        ("2001:db8::1,00:01,60,1000,1,30,0,1,128,0,0,,,5,,,", "state"),
    ];
    for (line, column) in cases {
        match parse(OLD, line) {
            Err(RowError::Value { column: found, .. }) => assert_eq!(found, column, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

proptest! {
    #[test]
    fn no_line_makes_it_panic(
        line in "[0-9a-f:.,&#x{}\"\\- ISCrelaynfohpktins\\[\\]]{0,300}",
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        place in 0..300_usize,
        octet in any::<u8>(),
    ) {
        let context = mapping::RELAYS.replace(',', "&#x2c");
        let mut row = format!("2001:db8:1::10,00:01,600,1790000600,7,30,2,1,56,0,0,a.b.,02:00,0,{context},6,1,0").into_bytes();
        let place = place % row.len();
        row[place] = octet;
        let mut store = Store::new(Settings::default());
        let mut batch = Batch::default();
        for line in [line.as_bytes(), &noise, &row, &row[..place]] {
            let _ = batch.add(line, &header(NEW));
            let _ = header(NEW).is_whole(line);
            let _ = Header::parse(line);
        }
        batch.commit(&mut store, SourceId(0), VpnIndex::DEFAULT, None);
    }
}
