//! What becomes of rows in the store.

use leasequery_store::{Budget, Settings, SourceId, SweepEnd};
use serde_json::json;

use super::super::*;
use super::{NEW, address, header};

const NOW: u32 = 1_790_000_000;
const SOURCE: SourceId = SourceId(0);

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
        let binding = self.store.lookup(KEY)?;
        Some((binding.state(), binding.start_of_state().0, binding.client_id().unwrap_or_default().to_vec()))
    }
}

const KEY: V6Key = V6Key::new(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x10));

/// The second one is nearest to the client.
pub(super) const RELAYS: &str = r#"{ "ISC": { "relays": [ { "hop": 1, "link": "::", "options": "0x0025000500000009AA00350002BB01", "peer": "fd77::2" }, { "hop": 0, "link": "fd77::2", "options": "0x0025000500000009CC", "peer": "fe80::1" } ] } }"#;

#[test]
fn a_lease_has_all_that_a_row_tells() {
    let mut kea = Kea::new();
    kea.assign("00:01:02");
    assert_eq!(kea.found(), Some((State::Active, NOW, vec![0, 1, 2])));
    let binding = kea.store.lookup(KEY).expect("there");
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
    assert_eq!(kea.store.lookup(KEY).map(|binding| binding.remote_ids().count()), Some(2));
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
    let binding = kea.store.lookup(KEY).expect("there");
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
        assert_eq!(kea.store.lookup(KEY).map(|binding| binding.remote_ids().count()), Some(2));
        // Reading all files does not take it for gone.
        kea.store.begin_sweep(SOURCE);
        assert_eq!(kea.row(&declined), 0);
        let mut end = SweepEnd::default();
        while !kea.store.end_sweep(SOURCE, &mut end, &Budget::new(64)) {}
        assert_eq!(end.ended(), 0);
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
