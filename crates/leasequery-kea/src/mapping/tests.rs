use leasequery_store::{Settings, V4Key};

use super::super::v4::{Batch, Header};
use super::*;

const HEADER: &str =
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context";
const NOW: u32 = 1_790_000_000;
const SOURCE: SourceId = SourceId(0);

struct Kea {
    store: Store<V4Key>,
    header: Header,
}

impl Kea {
    fn new() -> Self {
        let mut store = Store::new(Settings::default());
        store.advance(Time(NOW));
        store.source("kea");
        Self { store, header: Header::parse(HEADER.as_bytes()).expect("a header") }
    }

    /// Writes a row about 10.0.0.1 and says how many commits it made.
    fn row(&mut self, client: u8, lifetime: u32, expire: u32, state: u8) -> usize {
        let mac = if state == 1 { String::new() } else { format!("02:00:00:00:00:{client:02x}") };
        let context = r#"{ "ISC": { "relay-agent-info": "0x0201090C0107" } }"#;
        let line = format!("10.0.0.1,{mac},,{lifetime},{expire},1,0,0,host,{state},{context}");
        let mut batch = Batch::default();
        batch.add(line.as_bytes(), &self.header).expect("a row");
        batch.commit(&mut self.store, SOURCE, VpnIndex::DEFAULT, None)
    }

    fn pass(&mut self, now: u32) {
        self.store.advance(Time(now));
    }

    fn found(&self) -> Option<(State, u32)> {
        let binding = self.store.lookup(V4Key::new([10, 0, 0, 1].into()))?;
        Some((binding.state(), binding.start_of_state().0))
    }
}

#[test]
fn a_lease_is_active_since_its_first_row_and_renewals_do_not_change_that() {
    let mut kea = Kea::new();
    kea.row(1, 600, NOW + 600, 0);
    assert_eq!(kea.found(), Some((State::Active, NOW)));
    kea.pass(NOW + 300);
    kea.row(1, 600, NOW + 900, 0);
    assert_eq!(kea.found(), Some((State::Active, NOW)));
    let binding = kea.store.lookup(V4Key::new([10, 0, 0, 1].into())).expect("there");
    assert_eq!((binding.last_transaction(), binding.expires()), (Some(Time(NOW + 300)), Some(Time(NOW + 900))));
    assert_eq!(
        (binding.remote_id(), binding.relay_id(), binding.option(12)),
        (Some(&[9][..]), Some(&[7][..]), Some(&b"host"[..]))
    );
    assert_eq!(binding.hardware().map(|hardware| hardware.htype), Some(1));
}

#[test]
fn an_expired_lease_is_expired_before_kea_says_so_and_kea_saying_so_is_no_news() {
    let mut kea = Kea::new();
    kea.row(1, 600, NOW + 600, 0);
    kea.pass(NOW + 605);
    assert_eq!(kea.found(), Some((State::Expired, NOW + 600)));
    assert_eq!(kea.row(1, 600, NOW + 600, 2), 0, "reclaimed");
    assert_eq!(kea.found(), Some((State::Expired, NOW + 600)));
    kea.pass(NOW + 700);
    assert_eq!(kea.row(1, 0, NOW, 2), 1, "flushed");
    assert_eq!(kea.found(), Some((State::Available, NOW + 700)));
    assert_eq!(kea.row(1, 0, NOW, 2), 0, "told again");
}

#[test]
fn a_release_is_told_once_by_up_to_three_rows() {
    for first in [0, 3] {
        let mut kea = Kea::new();
        kea.row(1, 600, NOW + 600, 0);
        kea.pass(NOW + 10);
        assert_eq!(kea.row(1, 0, NOW, first), 1);
        assert_eq!(kea.found(), Some((State::Released, NOW + 10)));
        assert_eq!(kea.row(1, 0, NOW, first), 0);
    }
}

#[test]
fn what_kea_removes_after_its_time_was_not_released() {
    // With hold-reclaimed-time 0 there is no row in state 2.
    let mut kea = Kea::new();
    kea.row(1, 600, NOW + 600, 0);
    kea.pass(NOW + 605);
    assert_eq!(kea.row(1, 0, NOW, 0), 1);
    assert_eq!(kea.found(), Some((State::Available, NOW + 605)));
    assert_eq!(kea.row(1, 0, NOW, 0), 0, "removed again");
    assert_eq!(kea.found(), Some((State::Available, NOW + 605)));
}

#[test]
fn a_removal_in_the_same_batch_is_judged_by_the_rows_before_it() {
    let mut kea = Kea::new();
    let mut batch = Batch::default();
    let over = NOW - 100;
    for line in [
        format!("10.0.0.1,02:00:00:00:00:01,,600,{over},1,0,0,,0,"),
        format!("10.0.0.1,02:00:00:00:00:01,,0,{over},1,0,0,,0,"),
        format!("10.0.0.2,02:00:00:00:00:01,,600,{},1,0,0,,0,", NOW + 100),
        format!("10.0.0.2,02:00:00:00:00:01,,0,{over},1,0,0,,0,"),
    ] {
        batch.add(line.as_bytes(), &kea.header).expect("a row");
    }
    assert_eq!(batch.commit(&mut kea.store, SOURCE, VpnIndex::DEFAULT, None), 4);
    assert_eq!(kea.found().map(|found| found.0), Some(State::Available));
    let other = kea.store.lookup(V4Key::new([10, 0, 0, 2].into())).map(|binding| binding.state());
    assert_eq!(other, Some(State::Released));
}

//= rfc6926-6.2.7-04 (server)
#[test]
fn a_declined_address_is_abandoned_until_its_quarantine_ends() {
    let mut kea = Kea::new();
    kea.row(1, 600, NOW + 600, 0);
    kea.pass(NOW + 10);
    kea.row(0, 100, NOW + 110, 1);
    assert_eq!(kea.found(), Some((State::Abandoned, NOW + 10)));
    kea.pass(NOW + 110);
    assert_eq!(kea.found(), Some((State::Available, NOW + 110)));
}

#[test]
fn the_end_of_a_lease_nobody_was_told_of_is_no_news() {
    let mut kea = Kea::new();
    for state in [0, 1, 2, 3] {
        assert_eq!(kea.row(1, 0, NOW, state), 0);
        assert_eq!(kea.found(), None);
    }
}

#[test]
fn a_lease_that_was_over_at_the_first_look_is_expired_since_then() {
    let mut kea = Kea::new();
    kea.row(1, 600, NOW - 100, 0);
    assert_eq!(kea.found(), Some((State::Expired, NOW - 100)));
}

#[test]
fn another_client_begins_another_lease() {
    let mut kea = Kea::new();
    kea.row(1, 600, NOW + 600, 0);
    kea.pass(NOW + 20);
    kea.row(2, 600, NOW + 620, 0);
    assert_eq!(kea.found(), Some((State::Active, NOW + 20)));
}

#[test]
fn a_lease_without_end_never_expires() {
    let mut kea = Kea::new();
    let mut batch = Batch::default();
    let line = format!("10.0.0.1,02,,4294967295,{},1,0,0,,0,", u64::from(NOW) + u64::from(u32::MAX));
    batch.add(line.as_bytes(), &kea.header).expect("a row");
    batch.commit(&mut kea.store, SOURCE, VpnIndex::DEFAULT, None);
    kea.pass(NOW + 1_000_000_000);
    assert_eq!(kea.found(), Some((State::Active, NOW)));
    assert_eq!(kea.store.end_lease(SOURCE, V4Key::new([10, 0, 0, 2].into()), State::Available), Outcome::Unchanged);
}

#[test]
fn a_hardware_address_that_does_not_fit_into_a_message_is_not_told() {
    let mut kea = Kea::new();
    let long = "00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13";
    for (mac, told) in [(long, None), (&long[..16 * 3 - 1], Some(16)), ("02:00", Some(2))] {
        let line = format!("10.0.0.1,{mac},ff:00:01,600,{},1,0,0,,0,", NOW + 600);
        let mut batch = Batch::default();
        batch.add(line.as_bytes(), &kea.header).expect("a row");
        batch.commit(&mut kea.store, SOURCE, VpnIndex::DEFAULT, None);
        let binding = kea.store.lookup(V4Key::new([10, 0, 0, 1].into())).expect("there");
        assert_eq!(binding.hardware().map(|hardware| hardware.address.len()), told);
        assert_eq!((binding.state(), binding.client_id()), (State::Active, Some(&[0xff, 0, 1][..])));
    }
}

#[test]
fn times_beyond_all_reason_are_taken_as_far_as_times_go() {
    for (lifetime, expire, state) in [
        ("-1", "-1", State::Active),
        ("600", "-9223372036854775808", State::Expired),
        ("600", "9223372036854775807", State::Active),
        ("600", "18446744073709551615", State::Expired),
    ] {
        let mut kea = Kea::new();
        let mut batch = Batch::default();
        batch.add(format!("10.0.0.1,02,,{lifetime},{expire},1,0,0,,0,").as_bytes(), &kea.header).expect("a row");
        batch.commit(&mut kea.store, SOURCE, VpnIndex::DEFAULT, None);
        assert_eq!(kea.found().map(|(state, _)| state), Some(state), "{lifetime} {expire}");
    }
}
