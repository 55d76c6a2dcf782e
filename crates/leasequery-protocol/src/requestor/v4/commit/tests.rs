use leasequery_store::{Settings, V4Key};
use leasequery_wire::v4::{BOOT_REPLY, Header, Message, MessageType, MessageWriter, OptionCode};

use super::*;
use crate::clock::Skew;

const NOW: Time = Time(1_700_000_000);
const KEY: V4Key = V4Key::new(std::net::Ipv4Addr::new(10, 0, 0, 1));

/// What a server says about the address: seconds before now at which the state began and the client was last heard.
#[derive(Debug, Clone, Copy)]
struct Said {
    active: bool,
    began: Option<u32>,
    heard: Option<u32>,
    remote: bool,
    client: u8,
    relay: bool,
}

const LEASE: Said = Said { active: true, began: Some(100), heard: Some(50), remote: false, client: 1, relay: false };

fn store() -> Store<V4Key> {
    let mut store = Store::new(Settings::default());
    store.advance(NOW);
    store.source("first").unwrap();
    store.source("second").unwrap();
    store
}

const FIRST: SourceId = SourceId(0);
const SECOND: SourceId = SourceId(1);

/// Takes it as said by a source, by a server whose clock is ahead.
fn say_ahead(store: &mut Store<V4Key>, source: SourceId, said: Said, origin: Origin, ahead: u32) -> Change {
    let mut out = Vec::new();
    let mac = [2, 0, 0, 0, 0, said.client];
    let header = Header { ciaddr: KEY.address, ..Header::new(BOOT_REPLY, 1) };
    let header = if said.client == 0 { header } else { Header { htype: 1, chaddr: &mac, ..header } };
    let kind = if said.active { MessageType::LEASE_ACTIVE } else { MessageType::LEASE_UNASSIGNED };
    let mut writer = MessageWriter::frame(&mut out, &header, kind);
    if said.active {
        writer.u32(OptionCode::LEASE_TIME, 3600);
    }
    if let Some(seconds) = said.began {
        writer.u32(OptionCode::START_TIME_OF_STATE, seconds);
    }
    if let Some(seconds) = said.heard {
        writer.u32(OptionCode::CLIENT_LAST_TRANSACTION_TIME, seconds);
    }
    writer.u8(OptionCode::DATA_SOURCE, u8::from(said.remote));
    if said.relay {
        writer.option(OptionCode::RELAY_AGENT_INFORMATION, &[2, 2, 7, 7]);
    }
    writer.finish().unwrap();
    let mut skew = Skew::default();
    skew.observe(NOW.plus(ahead), NOW);
    let record = Record::new(Message::parse(&out[2..]).unwrap(), NOW.plus(ahead), None, skew).unwrap();
    commit(&record, origin, source, store).unwrap().change
}

fn say(store: &mut Store<V4Key>, source: SourceId, said: Said) -> Change {
    say_ahead(store, source, said, Origin::Live, 0)
}

fn believed(store: &Store<V4Key>) -> u8 {
    store.lookup(KEY).unwrap().hardware().unwrap().address[5]
}

/// In both orders of arrival, and from either source, the better record is believed in the end.
#[track_caller]
fn assert_better(better: Said, worse: Said) {
    let (better, worse) = (Said { client: 1, ..better }, Said { client: 2, ..worse });
    for (sources, order) in
        [((FIRST, SECOND), true), ((FIRST, SECOND), false), ((SECOND, FIRST), true), ((SECOND, FIRST), false)]
    {
        let mut store = store();
        let said = [(sources.0, better), (sources.1, worse)];
        let said = if order { said } else { [said[1], said[0]] };
        for (source, said) in said {
            say(&mut store, source, said);
        }
        assert_eq!(believed(&store), 1, "{sources:?}, {order}");
    }
}

//= rfc6926-7.6-03
#[test]
fn whoever_heard_later_of_the_client_is_better() {
    let later = Said { heard: Some(10), began: Some(900), remote: true, ..LEASE };
    assert_better(later, Said { heard: Some(20), began: Some(30), ..LEASE });
}

//= rfc6926-7.6-04
#[test]
fn who_did_not_hear_of_the_client_is_judged_by_since_when() {
    assert_better(Said { heard: Some(10), ..LEASE }, Said { heard: None, began: Some(20), ..LEASE });
    assert_better(Said { heard: None, began: Some(20), ..LEASE }, Said { heard: Some(30), began: Some(5), ..LEASE });
}

//= rfc6926-7.6-05
#[test]
fn where_nobody_heard_of_the_client_the_later_state_is_better() {
    let later = Said { heard: None, began: Some(10), remote: true, ..LEASE };
    assert_better(later, Said { heard: None, began: Some(20), ..LEASE });
}

//= rfc6926-7.6-06
#[test]
fn where_times_do_not_decide_who_has_it_himself_is_better() {
    assert_better(Said { heard: Some(11), ..LEASE }, Said { heard: Some(10), remote: true, ..LEASE });
}

//= rfc6926-7.6-07
#[test]
fn where_nothing_of_that_decides_a_lease_is_better_than_none_and_then_the_source_decides() {
    assert_better(LEASE, Said { active: false, ..LEASE });
    let mut store = store();
    say(&mut store, SECOND, LEASE);
    say(&mut store, FIRST, Said { client: 2, ..LEASE });
    assert_eq!(believed(&store), 2);
    say(&mut store, SECOND, Said { client: 3, ..LEASE });
    assert_eq!(believed(&store), 2, "whoever comes first in the configuration");
}

//= rfc6926-7.6-02
#[test]
fn times_are_compared_by_our_clock() {
    let mut store = store();
    say_ahead(&mut store, SECOND, Said { heard: Some(20), ..LEASE }, Origin::Live, 1000);
    say(&mut store, FIRST, Said { heard: Some(10), client: 2, ..LEASE });
    assert_eq!(believed(&store), 2);
}

#[test]
fn what_the_same_source_says_later_holds_whatever_its_times() {
    let mut store = store();
    assert_eq!(say(&mut store, FIRST, LEASE), Change::Lease);
    assert_eq!(say(&mut store, FIRST, Said { heard: Some(500), began: Some(500), client: 2, ..LEASE }), Change::Lease);
    assert_eq!(believed(&store), 2);
}

//= rfc6926-6.2.8-05
#[test]
fn whatever_is_told_happened_on_another_server_and_what_that_one_said_is_kept() {
    let mut store = store();
    say(&mut store, FIRST, LEASE);
    let binding = store.lookup(KEY).unwrap();
    assert!(binding.is_remote() && !binding.is_remote_there());
    assert_eq!(say(&mut store, FIRST, Said { remote: true, ..LEASE }), Change::Lease);
    assert!(store.lookup(KEY).unwrap().is_remote_there());
}

#[test]
fn rounding_is_no_change_unless_it_was_told_as_one() {
    for (origin, change) in
        [(Origin::Sweep, Change::None), (Origin::CatchUp, Change::None), (Origin::Live, Change::Times)]
    {
        let mut store = store();
        say(&mut store, FIRST, LEASE);
        assert_eq!(say_ahead(&mut store, FIRST, Said { heard: Some(51), ..LEASE }, origin, 0), change, "{origin:?}");
        let far = Said { heard: Some(40), ..LEASE };
        assert_eq!(say_ahead(&mut store, FIRST, far, origin, 0), Change::Times);
    }
}

#[test]
fn what_is_absent_now_is_absent() {
    let mut store = store();
    say(&mut store, FIRST, Said { relay: true, ..LEASE });
    assert!(store.lookup(KEY).unwrap().relay_info().is_some());
    assert_eq!(say(&mut store, FIRST, LEASE), Change::Lease);
    assert_eq!(store.lookup(KEY).unwrap().relay_info(), None);
}

#[test]
fn an_address_that_is_free_ends_a_lease_of_the_same_source_only() {
    let free = Said { active: false, client: 0, ..LEASE };
    let mut store = store();
    say(&mut store, FIRST, LEASE);
    assert_eq!(say_ahead(&mut store, SECOND, free, Origin::Sweep, 0), Change::None);
    assert_eq!(store.lookup(KEY).unwrap().state(), State::Active);
    assert_eq!(say_ahead(&mut store, FIRST, free, Origin::Sweep, 0), Change::Lease);
    assert_eq!(store.lookup(KEY).unwrap().state(), State::Available);
    assert_eq!(believed(&store), 1, "the last client stays known");
    assert_eq!(say_ahead(&mut store, FIRST, free, Origin::Sweep, 0), Change::None);
}

/// What a server no longer has, or who is no longer followed, is no reason to keep another server's lease out.
#[test]
fn what_nobody_says_any_more_is_worse_than_anything() {
    let vanished: [fn(&mut Store<V4Key>); 3] = [
        |store| {
            store.begin_sweep(FIRST);
            store.end_sweep(FIRST);
        },
        |store| {
            store.end_source(FIRST);
        },
        |store| {
            let free = Said { active: false, began: Some(900), heard: None, remote: false, client: 0, relay: false };
            say_ahead(store, FIRST, free, Origin::Sweep, 0);
        },
    ];
    for vanish in vanished {
        let mut store = store();
        say(&mut store, FIRST, Said { client: 1, heard: Some(10), ..LEASE });
        say(&mut store, SECOND, Said { client: 2, heard: Some(50), ..LEASE });
        assert_eq!(believed(&store), 1);
        vanish(&mut store);
        assert_eq!(store.lookup(KEY).unwrap().state(), State::Available);
        say(&mut store, SECOND, Said { client: 2, heard: Some(50), ..LEASE });
        assert_eq!((believed(&store), store.lookup(KEY).unwrap().state()), (2, State::Active));
    }
}

#[test]
fn what_a_source_ended_before_it_was_given_up_is_nobodys_word_either() {
    let mut store = store();
    say(&mut store, FIRST, Said { client: 1, heard: Some(10), active: false, ..LEASE });
    store.end_source(FIRST);
    say(&mut store, SECOND, Said { client: 2, heard: Some(50), ..LEASE });
    assert_eq!((believed(&store), store.lookup(KEY).unwrap().state()), (2, State::Active));
}
