use leasequery_store::{Settings, SourceId};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// As Kea 2.2 writes it, and as Kea 3.3 does.
const OLD: &str = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context,hwtype,hwaddr_source";
const NEW: &str = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context,hwtype,hwaddr_source,pool_id";
const NOW: u32 = 1_790_000_000;
const SOURCE: SourceId = SourceId(0);

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
        ("2001:db8::g,00:01,60,1000,1,30,0,1,128,0,0,,,0,,,", "address"),
        ("2001:db8::1%lo,00:01,60,1000,1,30,0,1,128,0,0,,,0,,,", "address"),
        ("2001:db8::1,0:01,60,1000,1,30,0,1,128,0,0,,,0,,,", "duid"),
        ("2001:db8::1,01,60,1000,1,30,0,1,128,0,0,,,0,,,", "duid"),
        ("2001:db8::1,00:00:00,60,1000,1,30,0,1,128,0,0,,,0,,,", "duid"),
        ("2001:db8::1,,60,1000,1,30,0,1,128,0,0,,,4,,,", "duid"),
        ("2001:db8::1,00:01,-1,1000,1,30,0,1,128,0,0,,,0,,,", "valid_lifetime"),
        ("2001:db8::1,00:01,60,,1,30,0,1,128,0,0,,,0,,,", "expire"),
        ("2001:db8::1,00:01,60,1000,x,30,0,1,128,0,0,,,0,,,", "subnet_id"),
        ("2001:db8::1,00:01,60,1000,1,x,0,1,128,0,0,,,0,,,", "pref_lifetime"),
        ("2001:db8::1,00:01,60,1000,1,30,3,1,128,0,0,,,0,,,", "lease_type"),
        ("2001:db8::1,00:01,60,1000,1,30,0,4294967296,128,0,0,,,0,,,", "iaid"),
        ("2001:db8::1,00:01,60,1000,1,30,2,1,129,0,0,,,0,,,", "prefix_len"),
        ("2001:db8::1,00:01,60,1000,1,30,0,1,,0,0,,,0,,,", "prefix_len"),
        ("2001:db8::1,00:01,60,1000,1,30,0,1,128,2,0,,,0,,,", "fqdn_fwd"),
        ("2001:db8::1,00:01,60,1000,1,30,0,1,128,0,,,,0,,,", "fqdn_rev"),
        ("2001:db8::1,00:01,60,1000,1,30,0,1,128,0,0,,0,0,,,", "hwaddr"),
        (
            "2001:db8::1,00:01,60,1000,1,30,0,1,128,0,0,,00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14,0,,,",
            "hwaddr",
        ),
        ("2001:db8::1,00:01,60,1000,1,30,0,1,128,0,0,,00,0,,65536,", "hwtype"),
        ("2001:db8::1,00:01,60,1000,1,30,0,1,128,0,0,,,5,,,", "state"),
    ];
    for (line, column) in cases {
        match parse(OLD, line) {
            Err(RowError::Value { column: found, .. }) => assert_eq!(found, column, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

/// What is in a row about 2001:db8:1::10 that differs between the tests.
struct Lease<'a> {
    duid: &'a str,
    lifetime: u32,
    expire: u64,
    state: u8,
    context: &'a str,
}

struct Kea {
    store: Store<V6Key>,
    config: Option<KeaConfig>,
}

impl Kea {
    fn new() -> Self {
        let mut store = Store::new(Settings::default());
        store.advance(Time(NOW));
        store.source("kea");
        Self { store, config: None }
    }

    /// Takes lines and says how many commits they made.
    fn lines(&mut self, lines: &[&str]) -> usize {
        let mut batch = Batch::default();
        for line in lines {
            batch.add(line.as_bytes(), &header(NEW)).expect("a row");
        }
        batch.commit(&mut self.store, SOURCE, VpnIndex::DEFAULT, self.config.as_ref())
    }

    fn row(&mut self, lease: &Lease<'_>) -> usize {
        let Lease { duid, lifetime, expire, state, context } = lease;
        let preferred = lifetime / 2;
        let context = context.replace(',', "&#x2c");
        self.lines(&[&format!(
            "2001:db8:1::10,{duid},{lifetime},{expire},7,{preferred},0,1,128,0,0,host.,02:00:00:00:00:01,{state},{context},6,1,0"
        )])
    }

    fn assign(&mut self, duid: &str) {
        let expire = u64::from(self.store.now().0) + 600;
        assert_eq!(self.row(&Lease { duid, lifetime: 600, expire, state: 0, context: RELAYS }), 1);
    }

    fn found(&self) -> Option<(State, u32, Vec<u8>)> {
        let binding = self.store.lookup(KEY())?;
        Some((binding.state(), binding.start_of_state().0, binding.client_id().unwrap_or_default().to_vec()))
    }
}

#[allow(non_snake_case, reason = "a constant that cannot be one")]
fn KEY() -> V6Key {
    V6Key::new(address("2001:db8:1::10"))
}

/// The second one is nearest to the client.
const RELAYS: &str = r#"{ "ISC": { "relays": [ { "hop": 1, "link": "::", "options": "0x0025000500000009AA00350002BB01", "peer": "fd77::2" }, { "hop": 0, "link": "fd77::2", "options": "0x0025000500000009CC", "peer": "fe80::1" } ] } }"#;

#[test]
fn a_lease_has_all_that_a_row_tells() {
    let mut kea = Kea::new();
    kea.assign("00:01:02");
    assert_eq!(kea.found(), Some((State::Active, NOW, vec![0, 1, 2])));
    let binding = kea.store.lookup(KEY()).expect("there");
    assert_eq!((binding.last_transaction(), binding.expires()), (Some(Time(NOW)), Some(Time(NOW + 600))));
    assert_eq!((binding.renews(), binding.rebinds()), (Some(Time(NOW + 300)), None), "preferred until then");
    assert_eq!(binding.hardware(), None, "DHCPv6 does not ask by it");
    assert_eq!(binding.option(39), Some(&b"\0\x04host\0"[..]));
    assert_eq!(binding.option(79), Some(&[0, 6, 2, 0, 0, 0, 0, 1][..]));
    let remote_ids: Vec<_> = binding.remote_ids().collect();
    assert_eq!(remote_ids, [[0, 0, 0, 9, 0xcc], [0, 0, 0, 9, 0xaa]], "with the enterprise number, the nearest first");
    assert_eq!(binding.relay_ids().collect::<Vec<_>>(), [[0xbb, 1]]);
    assert_eq!(binding.relay_info().map(|info| info[..16].to_vec()), Some(address("fd77::2").octets().to_vec()));
    // A renewal that the client sent to the server itself tells of no relays.
    kea.store.advance(Time(NOW + 300));
    kea.row(&Lease { duid: "00:01:02", lifetime: 600, expire: u64::from(NOW) + 900, state: 0, context: "" });
    assert_eq!(kea.found(), Some((State::Active, NOW, vec![0, 1, 2])));
    assert_eq!(kea.store.lookup(KEY()).map(|binding| binding.remote_ids().count()), Some(2));
}

#[test]
fn addresses_and_prefixes_are_different_things() {
    let mut kea = Kea::new();
    let expire = NOW + 600;
    let lines = [("0", 128, "1"), ("1", 128, "2"), ("2", 56, "3")].map(|(kind, length, last)| {
        format!("2001:db8:{last}::,00:01,600,{expire},7,600,{kind},1,{length},0,0,,,0,,,,0")
    });
    assert_eq!(kea.lines(&lines.each_ref().map(String::as_str)), 3);
    for key in [
        V6Key::new(address("2001:db8:1::")),
        V6Key::new(address("2001:db8:2::")),
        V6Key::prefix(address("2001:db8:3::"), 56),
    ] {
        assert_eq!(kea.store.lookup(key).map(|binding| binding.state()), Some(State::Active), "{key}");
    }
}

#[test]
fn a_lease_without_end_never_expires_and_stays_preferred() {
    let mut kea = Kea::new();
    let expire = u64::from(NOW) + u64::from(u32::MAX);
    kea.lines(&[&format!("2001:db8:1::10,00:01,4294967295,{expire},1,4294967295,0,1,128,0,0,,,0,,,,0")]);
    kea.store.advance(Time(NOW + 1_000_000_000));
    let binding = kea.store.lookup(KEY()).expect("there");
    assert_eq!(
        (binding.state(), binding.expires(), binding.renews()),
        (State::Active, Some(Time::INFINITE), Some(Time::INFINITE))
    );
}

#[test]
fn a_release_and_an_expiry_end_a_lease_once() {
    for state in [0, 3, 4] {
        let mut kea = Kea::new();
        kea.assign("00:01:02");
        kea.store.advance(Time(NOW + 10));
        let over = Lease { duid: "00:01:02", lifetime: 0, expire: NOW.into(), state, context: RELAYS };
        assert_eq!((kea.row(&over), kea.row(&over)), (1, 0));
        assert_eq!(kea.found(), Some((State::Released, NOW + 10, vec![0, 1, 2])));
    }
    let mut kea = Kea::new();
    kea.assign("00:01:02");
    kea.store.advance(Time(NOW + 600));
    assert_eq!(kea.found(), Some((State::Expired, NOW + 600, vec![0, 1, 2])));
}

#[test]
fn a_declined_address_keeps_its_last_client() {
    for empty in ["00", "00:00:00", ""] {
        let mut kea = Kea::new();
        kea.assign("00:01:02");
        kea.store.advance(Time(NOW + 10));
        let declined = Lease { duid: empty, lifetime: 100, expire: u64::from(NOW) + 110, state: 1, context: "" };
        assert_eq!((kea.row(&declined), kea.row(&declined)), (1, 0));
        assert_eq!(kea.found(), Some((State::Abandoned, NOW + 10, vec![0, 1, 2])));
        assert_eq!(kea.store.lookup(KEY()).map(|binding| binding.remote_ids().count()), Some(2));
        // Reading all files does not take it for gone.
        kea.store.begin_sweep(SOURCE);
        assert_eq!(kea.row(&declined), 0);
        assert_eq!(kea.store.end_sweep(SOURCE), 0);
        kea.store.advance(Time(NOW + 110));
        assert_eq!(kea.found(), Some((State::Available, NOW + 110, vec![0, 1, 2])));
        // Neither is it declined again if it is read again.
        assert_eq!(kea.row(&declined), 0);
        assert_eq!(kea.row(&Lease { lifetime: 0, expire: NOW.into(), ..declined }), 0);
        assert_eq!(kea.found(), Some((State::Available, NOW + 110, vec![0, 1, 2])));
    }
}

#[test]
fn a_declined_address_that_was_nobody_s_is_no_news() {
    let mut kea = Kea::new();
    let declined = Lease { duid: "00:00:00", lifetime: 100, expire: u64::from(NOW) + 100, state: 1, context: "" };
    assert_eq!(kea.row(&declined), 0);
    assert_eq!(kea.found(), None);
}

#[test]
fn a_decline_in_the_same_batch_is_judged_by_the_rows_before_it() {
    let mut kea = Kea::new();
    let expire = NOW + 600;
    let assigned = format!("2001:db8:1::10,00:01:02,600,{expire},7,600,0,1,128,0,0,,,0,,,,0");
    let declined = assigned.replace("00:01:02", "00:00:00").replace(",0,,,,0", ",1,,,,0");
    assert_eq!(kea.lines(&[&assigned, &declined, &declined.replace(",600,", ",0,"), &assigned]), 4);
    assert_eq!(kea.found(), Some((State::Active, NOW, vec![0, 1, 2])));
}

#[test]
fn a_link_is_named_where_the_address_does_not_tell_of_it() {
    let mut kea = Kea::new();
    let config = KeaConfig::from_json(&json!({ "Dhcp6": { "subnet6": [
        { "id": 7, "subnet": "2001:db8:1::/64", "pd-pools": [ { "prefix": "2001:db8:f000::", "prefix-len": 36 } ] },
        { "id": 8, "subnet": "2001:db8:2::/64" },
    ] } }));
    kea.config = config;
    kea.store.set_links(Some(SOURCE), kea.config.as_ref().expect("a configuration").links());
    let expire = NOW + 600;
    let line = |net: &str, kind: u8, length: u8, subnet: u8| {
        format!("{net},00:01,600,{expire},{subnet},600,{kind},1,{length},0,0,,,0,,,,0")
    };
    let lines = [
        line("2001:db8:1::1", 0, 128, 7),
        line("2001:db8:f000::", 2, 56, 7),
        // A prefix that is delegated from elsewhere.
        line("2001:db8:e000::", 2, 56, 8),
        // Of a subnet that is no longer configured.
        line("2001:db8:d000::", 2, 56, 9),
        // An address of one subnet that was leased in another.
        line("2001:db8:1::2", 0, 128, 8),
    ];
    assert_eq!(kea.lines(&lines.each_ref().map(String::as_str)), 5);
    let named = |key: V6Key| {
        let binding = kea.store.lookup(key).expect("there");
        (binding.named_link(), kea.store.link_of(&binding))
    };
    let (first, second) = (Some(address("2001:db8:1::")), Some(address("2001:db8:2::")));
    assert_eq!(named(V6Key::new(address("2001:db8:1::1"))), (None, first));
    assert_eq!(named(V6Key::prefix(address("2001:db8:f000::"), 56)), (None, first));
    assert_eq!(named(V6Key::prefix(address("2001:db8:e000::"), 56)), (second, second));
    assert_eq!(named(V6Key::prefix(address("2001:db8:d000::"), 56)), (None, None));
    assert_eq!(named(V6Key::new(address("2001:db8:1::2"))), (second, second));
}

proptest! {
    #[test]
    fn no_line_makes_it_panic(
        line in "[0-9a-f:.,&#x{}\"\\- ISCrelaynfohpktins\\[\\]]{0,300}",
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        place in 0..300_usize,
        octet in any::<u8>(),
    ) {
        let context = RELAYS.replace(',', "&#x2c");
        let mut row = format!("2001:db8:1::10,00:01,600,{NOW},7,30,2,1,56,0,0,a.b.,02:00,0,{context},6,1,0").into_bytes();
        let place = place % row.len();
        row[place] = octet;
        let mut kea = Kea::new();
        let mut batch = Batch::default();
        for line in [line.as_bytes(), &noise, &row, &row[..place]] {
            let _ = batch.add(line, &header(NEW));
            let _ = header(NEW).is_whole(line);
            let _ = Header::parse(line);
        }
        batch.commit(&mut kea.store, SOURCE, VpnIndex::DEFAULT, None);
    }
}
