use leasequery_store::{Budget, Settings, SweepEnd, V4Key};
use leasequery_wire::v4::{BOOT_REPLY, Header, Message, MessageType, MessageWriter, OptionCode};

use leasequery_store::Time;

use super::*;
use crate::clock::{Made, Skew};

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
    lasts: Option<u32>,
}

const LEASE: Said =
    Said { active: true, began: Some(100), heard: Some(50), remote: false, client: 1, relay: false, lasts: Some(3600) };
/// It was over 100 seconds ago.
const OVER: Said = Said { active: false, lasts: None, ..LEASE };
/// An address without a client.
const FREE: Said = Said { client: 0, ..OVER };

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
    say_more(store, source, said, origin, ahead, |_| {})
}

/// The same with more options.
fn say_more(
    store: &mut Store<V4Key>,
    source: SourceId,
    said: Said,
    origin: Origin,
    ahead: u32,
    fill: impl FnOnce(&mut MessageWriter<'_>),
) -> Change {
    let mut out = Vec::new();
    let mac = [2, 0, 0, 0, 0, said.client];
    let header = Header { ciaddr: KEY.address, ..Header::new(BOOT_REPLY, 1) };
    let header = if said.client == 0 { header } else { Header { htype: 1, chaddr: &mac, ..header } };
    let kind = if said.active { MessageType::LEASE_ACTIVE } else { MessageType::LEASE_UNASSIGNED };
    let mut writer = MessageWriter::frame(&mut out, &header, kind);
    if let Some(seconds) = said.lasts {
        writer.u32(OptionCode::LEASE_TIME, seconds);
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
    fill(&mut writer);
    writer.finish().unwrap();
    let (now, mut skew) = (store.now(), Skew::default());
    skew.observe(now.plus(ahead), now);
    let record = Record::new(Message::parse(&out[2..]).unwrap(), Made::said(now.plus(ahead)), None, skew).unwrap();
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

//= rfc4388-6.8-01
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
    assert_better(LEASE, OVER);
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
    let mut store = store();
    say(&mut store, FIRST, LEASE);
    assert_eq!(say_ahead(&mut store, SECOND, FREE, Origin::Sweep, 0), Change::None);
    assert_eq!(store.lookup(KEY).unwrap().state(), State::Active);
    assert_eq!(say_ahead(&mut store, FIRST, FREE, Origin::Sweep, 0), Change::Lease);
    assert_eq!(store.lookup(KEY).unwrap().state(), State::Available);
    assert_eq!(believed(&store), 1, "the last client stays known");
    assert_eq!(say_ahead(&mut store, FIRST, FREE, Origin::Sweep, 0), Change::None);
}

//= rfc6926-7.6-03
//= rfc6926-7.6-05
//= rfc6926-7.6-06
#[test]
fn a_second_or_two_do_not_decide() {
    let local = |heard, began| Said { heard, began: Some(began), ..LEASE };
    let remote = |heard, began| Said { remote: true, ..local(heard, began) };
    for apart in 0..=2 {
        assert_better(local(Some(40 + apart), 100), remote(Some(40), 100));
        assert_better(local(None, 40 + apart), remote(None, 40));
        assert_better(local(None, 40 + apart), remote(Some(40), 100));
    }
    for apart in 3..=5 {
        assert_better(remote(Some(40), 100), local(Some(40 + apart), 100));
        assert_better(remote(None, 40), local(None, 40 + apart));
        assert_better(remote(Some(40), 100), local(None, 40 + apart));
    }
}

//= rfc6926-7.6-04
#[test]
fn a_release_counts_from_when_it_was_if_the_client_was_not_heard() {
    // The example of the ledger: the lease began long ago, and its client was last heard 50 seconds ago.
    let lease = Said { began: Some(5000), ..LEASE };
    let release = |ago| Said { heard: None, began: Some(ago), ..OVER };
    assert_better(release(40), lease);
    assert_better(lease, release(60));
}

#[test]
fn whoever_tells_no_times_at_all_is_judged_by_the_rest() {
    let silent = Said { heard: None, began: None, client: 2, ..LEASE };
    for (said, stored, believed_in) in [
        (silent, Said { remote: true, ..LEASE }, 2),
        (Said { remote: true, ..silent }, LEASE, 1),
        (silent, OVER, 2),
        (Said { active: false, lasts: None, ..silent }, LEASE, 1),
    ] {
        let mut store = store();
        say(&mut store, FIRST, stored);
        say(&mut store, SECOND, said);
        assert_eq!(believed(&store), believed_in, "{said:?}");
    }
}

//= rfc6926-7.6-07
#[test]
fn the_same_source_is_believed_in_the_end_in_whatever_order_they_speak() {
    for remote in [false, true] {
        for order in [[FIRST, SECOND], [SECOND, FIRST]] {
            let mut store = store();
            for source in order {
                say(&mut store, source, Said { client: source.0 + 1, remote, ..LEASE });
            }
            assert_eq!(believed(&store), 1, "{order:?}");
        }
    }
}

#[test]
fn one_second_is_rounding_and_two_are_news() {
    let with = |began, heard, lasts| Said { began: Some(began), heard: Some(heard), lasts: Some(lasts), ..LEASE };
    for (said, change) in [
        (with(101, 51, 3601), Change::None),
        (with(99, 49, 3599), Change::None),
        (with(102, 50, 3600), Change::Times),
        (with(100, 52, 3600), Change::Times),
        (with(100, 48, 3600), Change::Times),
        (with(100, 50, 3602), Change::Times),
    ] {
        let mut store = store();
        say(&mut store, FIRST, LEASE);
        assert_eq!(say_ahead(&mut store, FIRST, said, Origin::Sweep, 0), change, "{said:?}");
    }
    // Little by little a time does not walk away.
    let mut store = store();
    say(&mut store, FIRST, LEASE);
    for heard in [49, 48, 49] {
        say_ahead(&mut store, FIRST, with(100, heard, 3600), Origin::Sweep, 0);
    }
    assert_eq!(store.lookup(KEY).unwrap().last_transaction(), Some(NOW.minus(48)));
}

#[test]
fn another_client_has_its_own_times() {
    let client =
        |id: &'static [u8]| move |writer: &mut MessageWriter<'_>| writer.option(OptionCode::CLIENT_IDENTIFIER, id);
    let mut store = store();
    say_more(&mut store, FIRST, LEASE, Origin::Sweep, 0, client(b"one"));
    let said = Said { began: Some(99), heard: Some(49), ..LEASE };
    assert_eq!(say_more(&mut store, FIRST, said, Origin::Sweep, 0, client(b"two")), Change::Lease);
    let binding = store.lookup(KEY).unwrap();
    assert_eq!(binding.start_of_state(), NOW.minus(99));
    assert_eq!(binding.last_transaction(), Some(NOW.minus(49)));
}

#[test]
fn times_that_have_passed_are_told_of_no_more_and_are_known_all_the_same() {
    let renewal = |seconds| move |writer: &mut MessageWriter<'_>| writer.u32(OptionCode::RENEWAL_TIME, seconds);
    let later =
        |seconds| Said { began: Some(100 + seconds), heard: Some(50 + seconds), lasts: Some(3600 - seconds), ..LEASE };
    for (seconds, change, renews) in [(1000, Change::Times, None), (2000, Change::None, Some(NOW.plus(1800)))] {
        let mut store = store();
        say_more(&mut store, FIRST, LEASE, Origin::Sweep, 0, renewal(1800));
        store.advance(NOW.plus(seconds));
        assert_eq!(say_ahead(&mut store, FIRST, later(seconds), Origin::Sweep, 0), change, "after {seconds} seconds");
        assert_eq!(store.lookup(KEY).unwrap().renews(), renews);
    }
}

#[test]
fn the_order_of_options_is_no_news() {
    let options = |codes: [u8; 3]| {
        move |writer: &mut MessageWriter<'_>| {
            for code in codes {
                writer.option(OptionCode(code), &[code, 1]);
            }
        }
    };
    let mut store = store();
    assert_eq!(say_more(&mut store, FIRST, LEASE, Origin::Live, 0, options([60, 12, 200])), Change::Lease);
    for codes in [[12, 60, 200], [200, 60, 12]] {
        assert_eq!(say_more(&mut store, FIRST, LEASE, Origin::Live, 0, options(codes)), Change::None);
    }
    let codes: Vec<u16> = store.lookup(KEY).unwrap().options().map(|(code, _)| code).collect();
    assert_eq!(codes, [12, 60, 200]);
    assert_eq!(say_more(&mut store, FIRST, LEASE, Origin::Live, 0, options([12, 60, 201])), Change::Lease);
}

#[test]
fn an_address_that_has_just_become_free_is_free_and_its_client_gone() {
    for origin in [Origin::Live, Origin::CatchUp] {
        let mut store = store();
        say(&mut store, FIRST, LEASE);
        assert_eq!(say_ahead(&mut store, FIRST, FREE, origin, 0), Change::Lease);
        let binding = store.lookup(KEY).unwrap();
        assert_eq!((binding.state(), binding.hardware()), (State::Available, None));
        // Another server has to have heard something later.
        say(&mut store, SECOND, LEASE);
        assert_eq!(store.lookup(KEY).unwrap().state(), State::Active);
        say_ahead(&mut store, FIRST, Said { heard: None, began: Some(60), ..FREE }, origin, 0);
        assert_eq!(store.lookup(KEY).unwrap().state(), State::Active);
        say_ahead(&mut store, FIRST, Said { heard: None, began: Some(40), ..FREE }, origin, 0);
        assert_eq!(store.lookup(KEY).unwrap().state(), State::Available);
    }
}

#[test]
fn what_is_over_anyway_stays_as_it_ended() {
    let state = |state: State| move |writer: &mut MessageWriter<'_>| writer.u8(OptionCode::DHCP_STATE, state as u8);
    let mut store = store();
    say_more(&mut store, FIRST, OVER, Origin::Live, 0, state(State::Released));
    assert_eq!(say_ahead(&mut store, FIRST, FREE, Origin::Sweep, 0), Change::None);
    assert_eq!(store.lookup(KEY).unwrap().state(), State::Released);
}

#[test]
fn an_end_that_its_source_says_no_more_is_no_word_against_another_source() {
    let mut store = store();
    let ended = Said { began: Some(10), heard: None, ..FREE };
    say(&mut store, FIRST, ended);
    assert_eq!(say(&mut store, SECOND, LEASE), Change::None, "it ended later");
    // The first server lost that in a crash.
    assert_eq!(say_ahead(&mut store, FIRST, Said { began: Some(900), ..ended }, Origin::Sweep, 0), Change::None);
    assert_eq!(say_ahead(&mut store, SECOND, LEASE, Origin::Sweep, 0), Change::Lease);
    assert_eq!(store.lookup(KEY).unwrap().state(), State::Active);
}

#[test]
fn an_address_without_a_client_that_is_not_free_is_told_of() {
    for state in [State::Abandoned, State::Remote, State::Transitioning] {
        let mut store = store();
        let fill = |writer: &mut MessageWriter<'_>| writer.u8(OptionCode::DHCP_STATE, state as u8);
        assert_eq!(say_more(&mut store, FIRST, FREE, Origin::Sweep, 0, fill), Change::Lease);
        assert_eq!(store.lookup(KEY).unwrap().state(), state);
    }
}

//= rfc6926-7.6-01
#[test]
fn an_address_is_one_of_its_vpn() {
    let vpn =
        |value: &'static [u8]| move |writer: &mut MessageWriter<'_>| writer.option(OptionCode::VPN_SELECTION, value);
    let mut store = store();
    say(&mut store, FIRST, LEASE);
    say_more(&mut store, SECOND, Said { client: 2, ..LEASE }, Origin::Live, 0, vpn(b"\0blue"));
    say_more(&mut store, SECOND, Said { client: 3, ..LEASE }, Origin::Live, 0, vpn(&[1, 0, 0, 1, 0, 0, 0, 9]));
    say_more(&mut store, SECOND, Said { client: 4, ..LEASE }, Origin::Live, 0, vpn(&[255]));
    assert_eq!(believed(&store), 1, "whoever comes first in the configuration");
    for (name, client) in [(VpnName::Name(b"blue"[..].into()), 2), (VpnName::Id([0, 0, 1, 0, 0, 0, 9]), 3)] {
        let key = V4Key { vpn: store.find_vpn(&name).unwrap(), ..KEY };
        assert_eq!(store.lookup(key).unwrap().hardware().unwrap().address[5], client);
    }
}

/// What a server no longer has, or who is no longer followed, is no reason to keep another server's lease out.
#[test]
fn what_nobody_says_any_more_is_worse_than_anything() {
    let vanished: [fn(&mut Store<V4Key>); 3] = [
        |store| {
            store.begin_sweep(FIRST);
            assert!(store.end_sweep(FIRST, &mut SweepEnd::default(), &Budget::new(64)));
        },
        |store| assert!(store.end_source(FIRST, &mut SweepEnd::default(), &Budget::new(64))),
        |store| {
            let free = Said {
                active: false,
                began: Some(900),
                heard: None,
                remote: false,
                client: 0,
                relay: false,
                lasts: None,
            };
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
    assert!(store.end_source(FIRST, &mut SweepEnd::default(), &Budget::new(64)));
    say(&mut store, SECOND, Said { client: 2, heard: Some(50), ..LEASE });
    assert_eq!((believed(&store), store.lookup(KEY).unwrap().state()), (2, State::Active));
}

#[test]
fn an_end_without_a_client_comes_out_the_same_live_and_in_bulk() {
    let out = |origin| {
        let mut store = store();
        say(&mut store, FIRST, LEASE);
        store.advance(NOW.plus(200));
        say_more(&mut store, FIRST, FREE, origin, 0, |writer| writer.u8(OptionCode::DHCP_STATE, State::Released as u8));
        let binding = store.lookup(KEY).unwrap();
        (binding.state(), binding.hardware().is_some(), binding.start_of_state())
    };
    assert_eq!(out(Origin::Sweep), (State::Released, false, NOW.plus(100)));
    assert_eq!(out(Origin::Live), out(Origin::Sweep));
}
