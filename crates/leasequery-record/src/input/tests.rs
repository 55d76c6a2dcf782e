use std::net::Ipv4Addr;

use leasequery_store::{Binding, Budget, Outcome, Settings, SourceId, State, Store, Time, V4Key, V6Key, VpnIndex};
use proptest::prelude::*;
use serde_json::json;

use super::{Input, RecordError};
use crate::View;

const NOW: u32 = 1_795_168_800;

fn store() -> Store<V4Key> {
    let mut store = Store::new(Settings::default());
    store.advance(Time(NOW));
    store
}

fn error(line: &str) -> String {
    Input::parse(line.as_bytes()).expect_err(line).to_string()
}

fn commit(input: &Input, store: &mut Store<V4Key>) -> Result<Outcome, RecordError> {
    let Input::V4(input) = input else { panic!("{input:?}") };
    input.commit(store, SourceId(0))
}

fn take(store: &mut Store<V4Key>, record: &serde_json::Value) -> Outcome {
    let input = Input::parse(record.to_string().as_bytes()).expect("a right record");
    commit(&input, store).expect("the store takes it")
}

fn binding(store: &Store<V4Key>, vpn: VpnIndex) -> Binding<'_, V4Key> {
    store.lookup(V4Key { vpn, address: Ipv4Addr::new(10, 0, 0, 10) }).expect("a binding")
}

#[test]
fn every_field_reaches_the_store() {
    let mut store = store();
    // Sub-options: 1 circuit-id "c", 2 Remote ID "re", 12 Relay-ID "id".
    let relay = "0101630202726 50c026964".replace(' ', "");
    take(
        &mut store,
        &json!({
            "protocol": "v4", "address": "10.0.0.10", "vpn": "blue", "state": "active",
            "htype": 6, "mac": "02:00:00:00:00:0a", "client-id": "ff010203",
            "start-time-of-state": "2026-11-20T09:00:00Z", "client-last-transaction-time": "2026-11-20T09:30:00Z",
            "expires": "2026-11-20T11:00:00Z", "renews": "2026-11-20T10:10:00Z", "rebinds": "2026-11-20T10:20:00Z",
            "relay-agent-information": relay, "options": {"60": "6d73", "12": "686f7374"}, "data-source": "remote",
            "server": "192.0.2.1", "base-time": "2026-11-20T10:00:00Z"
        }),
    );
    let vpn = store.find_vpn(&leasequery_store::VpnName::Name(b"blue".as_slice().into())).expect("known now");
    let binding = binding(&store, vpn);
    assert_eq!(binding.state(), State::Active);
    let hardware = binding.hardware().expect("hardware");
    assert_eq!((hardware.htype, hardware.address), (6, [2, 0, 0, 0, 0, 0x0a].as_slice()));
    assert_eq!(binding.client_id(), Some([0xff, 1, 2, 3].as_slice()));
    assert_eq!(binding.start_of_state(), Time(NOW - 3600));
    assert_eq!(binding.last_transaction(), Some(Time(NOW - 1800)));
    assert_eq!(binding.expires(), Some(Time(NOW + 3600)));
    assert_eq!(binding.renews(), Some(Time(NOW + 600)));
    assert_eq!(binding.rebinds(), Some(Time(NOW + 1200)));
    assert_eq!(binding.relay_info().map(<[u8]>::len), Some(11));
    assert_eq!(binding.option(12), Some(b"host".as_slice()));
    assert_eq!(binding.option(60), Some(b"ms".as_slice()));
    assert!(binding.is_remote());
    let vpns = leasequery_store::VpnRange::One(vpn);
    assert_eq!(store.scan(leasequery_store::Selector::RemoteId(b"re"), vpns, None, &Budget::unlimited()).count(), 1);
    assert_eq!(store.scan(leasequery_store::Selector::RelayId(b"id"), vpns, None, &Budget::unlimited()).count(), 1);
}

#[test]
fn identifiers_without_the_relay_agent_information_make_one() {
    let mut store = store();
    take(
        &mut store,
        &json!({"protocol": "v4", "address": "10.0.0.10", "state": "active", "remote-id": "7265", "relay-id": "6964"}),
    );
    let binding = binding(&store, VpnIndex::DEFAULT);
    assert_eq!(binding.relay_info(), Some([2, 2, b'r', b'e', 12, 2, b'i', b'd'].as_slice()));
    assert!(!binding.is_remote());
    assert_eq!(binding.hardware(), None);
}

#[test]
fn a_relay_whose_address_nobody_knows_is_taken_as_it_is_printed() {
    let line =
        br#"{"protocol": "v6", "address": "2001:db8::1", "state": "active", "duid": "000102", "relay-id": "000203"}"#;
    let mut store = Store::<V6Key>::new(Settings::default());
    let take = |store: &mut Store<V6Key>, line: &[u8]| match Input::parse(line) {
        Ok(Input::V6(input)) => input.commit(store, SourceId(0)),
        other => panic!("{other:?}"),
    };
    take(&mut store, line).expect("the store takes it");
    let key = V6Key::new(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    let mut printed = Vec::new();
    View::of_v6_binding(&store.lookup(key).expect("a binding")).write_json(&mut printed);
    assert!(str::from_utf8(&printed).expect("text").contains(r#""relay-peer":"::""#));
    take(&mut store, &printed).expect("the store takes it again");
}

#[test]
fn an_identifier_must_not_contradict_the_relay_agent_information() {
    let line = |id: &str| {
        format!(
            r#"{{"protocol": "v4", "address": "10.0.0.10", "state": "active", "relay-agent-information": "02027265", {id}}}"#
        )
    };
    assert!(Input::parse(line(r#""remote-id": "7265""#).as_bytes()).is_ok());
    assert!(error(&line(r#""remote-id": "7266""#)).starts_with("remote-id"));
    assert!(error(&line(r#""relay-id": "7265""#)).starts_with("relay-id"));
}

#[test]
fn every_state_is_known_by_its_name() {
    for (name, state) in [
        ("available", State::Available),
        ("active", State::Active),
        ("expired", State::Expired),
        ("released", State::Released),
        ("abandoned", State::Abandoned),
        ("reset", State::Reset),
        ("remote", State::Remote),
        ("transitioning", State::Transitioning),
    ] {
        let mut store = store();
        take(&mut store, &json!({"protocol": "v4", "address": "10.0.0.10", "state": name}));
        assert_eq!(binding(&store, VpnIndex::DEFAULT).state(), state);
    }
}

#[test]
fn a_hardware_type_is_ethernet_unless_said() {
    let mut store = store();
    take(&mut store, &json!({"protocol": "v4", "address": "10.0.0.10", "state": "active", "mac": "02:00:00:00:00:0a"}));
    assert_eq!(binding(&store, VpnIndex::DEFAULT).hardware().map(|hardware| hardware.htype), Some(1));
}

#[test]
fn delete_ends_a_lease_and_is_harmless_without_one() {
    let mut store = store();
    let delete = json!({"op": "delete", "protocol": "v4", "address": "10.0.0.10"});
    assert_eq!(take(&mut store, &delete), Outcome::Unchanged);
    take(&mut store, &json!({"protocol": "v4", "address": "10.0.0.10", "state": "active", "client-id": "0102"}));
    assert!(matches!(take(&mut store, &delete), Outcome::Committed(_)));
    assert_eq!(binding(&store, VpnIndex::DEFAULT).state(), State::Available);
    assert_eq!(take(&mut store, &delete), Outcome::Unchanged);
}

#[test]
fn the_same_record_again_changes_nothing() {
    let mut store = store();
    let record =
        json!({"protocol": "v4", "address": "10.0.0.10", "state": "active", "expires": "2026-11-20T11:00:00Z"});
    assert!(matches!(take(&mut store, &record), Outcome::Committed(_)));
    assert_eq!(take(&mut store, &record), Outcome::Unchanged);
}

#[test]
fn a_lease_without_end_has_the_last_time_of_the_scale() {
    let mut store = store();
    take(
        &mut store,
        &json!({"protocol": "v4", "address": "10.0.0.10", "state": "active", "expires": "2106-02-07T06:28:15Z"}),
    );
    assert_eq!(binding(&store, VpnIndex::DEFAULT).expires(), Some(Time::INFINITE));
}

#[test]
fn errors_name_the_field() {
    let with = |field: &str, value: &str| {
        error(&format!(r#"{{"protocol": "v4", "address": "10.0.0.10", "state": "active", "{field}": {value}}}"#))
    };
    for (field, value) in [
        ("mac", r#""02:00""#.replace("02:00", "02:zz")),
        ("mac", format!(r#""{}""#, "00".repeat(17))),
        ("client-id", r#""0""#.into()),
        ("client-id", r#""""#.into()),
        ("expires", r#""soon""#.into()),
        ("renews", r#""1969-01-01T00:00:00Z""#.into()),
        ("rebinds", r#""x""#.into()),
        ("start-time-of-state", r#""x""#.into()),
        ("client-last-transaction-time", r#""x""#.into()),
        ("relay-agent-information", r#""0104""#.into()),
        ("remote-id", r#""z""#.into()),
        ("remote-id", format!(r#""{}""#, "00".repeat(256))),
        ("relay-id", r#""123""#.into()),
        ("options", r#"{"12": "z"}"#.into()),
        ("options", r#"{"255": "00"}"#.into()),
        ("options", r#"{"host-name": "00"}"#.into()),
        ("data-source", r#""both""#.into()),
        ("op", r#""remove""#.into()),
        ("vpn", r#""blü""#.into()),
    ] {
        let text = with(field, &value);
        assert!(text.starts_with(field), "{field} = {value}: {text}");
    }
    // These are found while the JSON is read, which says where.
    for (field, value) in
        [("htype", "256"), ("htype", r#""1""#), ("expires", "[1795168800]"), ("iaid", "-1"), ("duid", "1")]
    {
        let text = with(field, value);
        assert!(text.contains("column"), "{field} = {value}: {text}");
    }
    assert!(with("duid", r#""0001""#).contains("no such field"));
    assert!(with("adress", "1").contains("\"adress\""));
    assert!(with("mac", r#""02:00:00:00:00:0a", "mac": "02:00:00:00:00:0b""#).contains("`mac`"), "twice");
}

#[test]
fn what_identifies_a_lease_is_needed() {
    assert!(error(r#"{"address": "10.0.0.10", "state": "active"}"#).starts_with("protocol"));
    assert!(error(r#"{"protocol": "v5", "address": "2001:db8::1", "state": "active"}"#).starts_with("protocol"));
    assert!(error(r#"{"protocol": "v5", "address": "10.0.0.10", "state": "active"}"#).starts_with("protocol"));
    assert!(error(r#"{"protocol": "v4", "state": "active"}"#).starts_with("address"));
    assert!(error(r#"{"protocol": "v4", "address": "10.0.0", "state": "active"}"#).starts_with("address"));
    assert!(error(r#"{"protocol": "v4", "address": "0.0.0.0", "state": "active"}"#).starts_with("address"));
    assert!(error(r#"{"protocol": "v4", "address": "10.0.0.10"}"#).starts_with("state"));
    assert!(error(r#"{"protocol": "v4", "address": "10.0.0.10", "state": "leased"}"#).starts_with("state"));
    assert!(error(r#"{"protocol": "v4", "address": "10.0.0.10", "state": "Active"}"#).starts_with("state"));
    // The reader of fields would take a list for their values.
    for list in ["[]", r#" [{"protocol": "v4"}]"#, r#"["delete", "v4", "10.0.0.10"]"#] {
        assert!(error(list).starts_with("a list is not a record"), "{list}");
    }
    assert!(error("v4 10.0.0.10").contains("JSON object"));
    assert!(error("{").contains("EOF"));
    assert!(error(r#"{"protocol": "v4", "address": "10.0.0.10", "state": "active"} x"#).contains("trailing"));
}

#[test]
fn times_may_be_numbers() {
    for (number, expected) in [("4102444800", 4_102_444_800), ("4102444800.75", 4_102_444_800), ("0", 0)] {
        let mut store = store();
        let line = format!(r#"{{"protocol": "v4", "address": "10.0.0.10", "state": "reset", "expires": {number}}}"#);
        let input = Input::parse(line.as_bytes()).expect(number);
        commit(&input, &mut store).expect("the store takes it");
        assert_eq!(binding(&store, VpnIndex::DEFAULT).expires(), Some(Time(expected)), "{number}");
    }
    let null = r#"{"protocol": "v4", "address": "10.0.0.10", "state": "active", "expires": null}"#;
    assert!(Input::parse(null.as_bytes()).is_ok());
    let before = r#"{"protocol": "v4", "address": "10.0.0.10", "state": "active", "expires": -1}"#;
    assert!(error(before).starts_with("expires: "), "{}", error(before));
}

#[test]
fn octets_are_taken_as_everybody_prints_them() {
    let forms = ["000301ab", "00:03:01:ab", "00-03-01-AB", "0x000301AB", "0x00:03:01:ab", "0:3:1:ab"];
    for form in forms {
        let v4 = json!({
            "protocol": "v4", "address": "10.0.0.10", "state": "active", "client-id": form,
            "remote-id": form, "options": {"82": form}
        });
        let mut store = store();
        take(&mut store, &v4);
        let binding = binding(&store, VpnIndex::DEFAULT);
        let octets = Some([0, 3, 1, 0xab].as_slice());
        assert_eq!((binding.client_id(), binding.remote_id(), binding.option(82)), (octets, octets, octets), "{form}");
        let v6 = json!({"protocol": "v6", "address": "2001:db8::1", "state": "active", "duid": form});
        assert!(Input::parse(v6.to_string().as_bytes()).is_ok(), "{form}");
    }
    let mut store = store();
    take(&mut store, &json!({"protocol": "v4", "address": "10.0.0.10", "state": "active", "remote-id": "text:line-7"}));
    assert_eq!(binding(&store, VpnIndex::DEFAULT).remote_id(), Some(b"line-7".as_slice()));
}

#[test]
fn a_duid_has_a_type_and_something_behind_it() {
    let line = |octets: usize| {
        json!({"protocol": "v6", "address": "2001:db8::1", "state": "active", "duid": "00".repeat(octets)}).to_string()
    };
    for (octets, right) in [(1, false), (2, false), (3, true), (130, true), (131, false)] {
        assert_eq!(Input::parse(line(octets).as_bytes()).is_ok(), right, "{octets} octets");
    }
    assert!(error(&line(2)).contains("a DUID has 3 to 130 octets, and this has 2"));
}

#[test]
fn a_relay_that_is_known_by_nothing_but_its_address_is_kept() {
    let line = json!({
        "protocol": "v6", "address": "2001:db8::1", "state": "active", "duid": "000102", "relay-peer": "2001:db8::fe"
    });
    let mut store = Store::<V6Key>::new(Settings::default());
    let Ok(Input::V6(input)) = Input::parse(line.to_string().as_bytes()) else { panic!("it is taken") };
    input.commit(&mut store, SourceId(0)).expect("the store takes it");
    let key = V6Key::new(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    let mut printed = Vec::new();
    View::of_v6_binding(&store.lookup(key).expect("a binding")).write_json(&mut printed);
    let printed = String::from_utf8(printed).expect("text");
    assert!(printed.contains(r#""relay-peer":"2001:db8::fe""#), "{printed}");
    assert!(Input::parse(printed.as_bytes()).is_ok(), "{printed}");
}

#[test]
fn what_can_be_printed_of_an_identifier_stands_beside_it_and_is_taken_again() {
    let v4 = json!({
        "protocol": "v4", "address": "10.0.0.10", "state": "active", "client-id": "00616263",
        "remote-id": "text:line \"7\"", "relay-id": "text:r"
    });
    let mut store = store();
    take(&mut store, &v4);
    let mut printed = Vec::new();
    View::of_v4_binding(&binding(&store, VpnIndex::DEFAULT), &store).write_json(&mut printed);
    let record: serde_json::Value = serde_json::from_slice(&printed).expect("JSON");
    assert_eq!((&record["remote-id-text"], &record["relay-id-text"]), (&json!("line \"7\""), &json!("r")));
    assert_eq!(record["client-id-text"], json!(null));
    assert_eq!(take(&mut store, &record), Outcome::Unchanged);
}

proptest! {
    #[test]
    fn no_line_makes_the_reader_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Input::parse(&line);
    }

    #[test]
    fn no_values_make_the_reader_panic(field in "[a-z-]{2,30}", value in any::<String>()) {
        let record = json!({"protocol": "v4", "address": "10.0.0.10", "state": "active", field: value});
        if let Ok(input) = Input::parse(record.to_string().as_bytes()) {
            let _ = commit(&input, &mut store());
        }
    }
}

#[test]
fn a_field_that_there_is_not_may_have_been_meant_as_another() {
    let said = |field: &str| {
        let line = format!(r#"{{"protocol":"v4","address":"10.0.0.1","state":"active","{field}":"x"}}"#);
        Input::parse(line.as_bytes()).expect_err("no field").to_string()
    };
    assert!(
        said("expire").starts_with("there is no field \"expire\"; did you mean \"expires\"?"),
        "{}",
        said("expire")
    );
    assert!(said("client_id").contains("did you mean \"client-id\"?"), "{}", said("client_id"));
    assert!(said("foo").starts_with("there is no field \"foo\" (column"), "{}", said("foo"));
}
