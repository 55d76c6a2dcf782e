//! What the messages of an active response mean (RFC 7653 section 8.4).

use leasequery_protocol::clock::Skew;
use leasequery_protocol::requestor::{ActiveStatus, Fault, Violation};
use leasequery_store::Time;
use leasequery_wire::v6::{MessageType, StatusCode};

use crate::peer::*;

/// An active query that has been answered by an empty LEASEQUERY-REPLY.
fn answered(since: Option<Time>) -> Requestor {
    let mut requestor = Requestor::following(since);
    let events = requestor.events(&reply(XID, &[]));
    assert_eq!(events, [alive(START)]);
    requestor
}

fn alive(base_time: Time) -> Seen {
    Seen::Status(XID, ActiveStatus::Alive, Some(base_time), String::new())
}

/// A message with a base-time of so many seconds after the start.
fn at(kind: u8, seconds: u32, options: &[u8]) -> Vec<u8> {
    let ids = if kind == REPLY { [opt(2, &SERVER), opt(1, &OWN)].concat() } else { Vec::new() };
    message(kind, XID, &[&ids, &base_time(START_2000 + seconds)[..], options].concat())
}

//= alq6-4-02
//= rfc7653-active-13
//= rfc7653-active-14
#[test]
fn a_response_goes_on_from_a_reply_with_or_without_data() {
    // A reply without data is no end here, as it would be in bulk.
    for first in [vec![], status(0, ""), lease(1)] {
        let mut requestor = Requestor::following(None);
        assert_eq!(requestor.events(&reply(XID, &first)).len(), 1);
        assert!(!requestor.connection.wants_close());
        for _ in 0..1000 {
            assert_eq!(requestor.row(&data(XID, &lease(2))).key, address(2), "the same one as often as it changes");
        }
        assert!(!requestor.connection.wants_close());
    }
}

//= rfc7653-active-13
//= rfc5460-6.3-06
#[test]
fn data_without_a_client_are_a_sign_of_life() {
    let mut requestor = answered(None);
    for minute in 1..=10 {
        requestor.wait(60);
        for rest in [vec![], status(0, ""), opt(39, b"x")] {
            let events = requestor.events(&at(DATA, minute * 60, &rest));
            assert_eq!(events, [alive(START.plus(minute * 60))]);
        }
        assert_eq!(requestor.connection.poll_timeout(), Some(requestor.now + std::time::Duration::from_mins(2)));
    }
    let events = requestor.events(&message(DATA, XID, &[]));
    assert_eq!(events, [Seen::Status(XID, ActiveStatus::Alive, None, String::new())], "it need not say when");
}

#[test]
fn a_client_of_which_too_little_is_said_is_discarded() {
    let mut requestor = answered(None);
    let thin = client_data(&[opt(1, &CLIENT), ia_address(1, 1, 2, &[])]);
    assert_eq!(requestor.events(&data(XID, &thin)), [Seen::Discarded(XID)]);
    assert_eq!(requestor.row(&data(XID, &lease(2))).key, address(2));
}

//= alq6-8.3.1-07
//= rfc7653-options-01
#[test]
fn the_catch_up_phase_ends_in_three_ways_and_the_response_goes_on() {
    let ends = [
        (REPLY, 12, ActiveStatus::DataMissing),
        (DATA, 12, ActiveStatus::DataMissing),
        (DATA, 13, ActiveStatus::CatchUpComplete),
    ];
    for (kind, code, meaning) in ends {
        let mut requestor =
            if kind == REPLY { Requestor::following(Some(START.minus(500))) } else { answered(Some(START.minus(500))) };
        if kind == DATA {
            requestor.rows(&at(DATA, 70, &lease(1)));
            requestor.events(&at(DATA, 70, &[]));
            requestor.events(&at(DATA, 70, &status(99, "")));
            assert_eq!(requestor.connection.skew(), Skew::default(), "nothing else ends it");
        }
        let events = requestor.events(&at(kind, 70, &status(code, "so")));
        assert_eq!(events, [Seen::Status(XID, meaning, Some(START.plus(70)), "so".to_owned())]);
        assert_eq!(requestor.connection.skew().seconds(), 70, "from here on base-times tell of the clock");
        assert_eq!(requestor.row(&at(DATA, 70, &lease(1))).times.last_transaction, START.minus(5));
        assert!(!requestor.connection.wants_close());
    }
}

#[test]
fn without_catching_up_base_times_tell_of_the_clock_at_once() {
    let mut requestor = Requestor::following(None);
    let row = requestor.row(&at(REPLY, 30, &lease(1)));
    assert_eq!(row.times.last_transaction, START.minus(5));
    assert_eq!(requestor.connection.skew().seconds(), 30);
}

#[test]
fn what_was_known_of_the_clock_holds_while_catching_up() {
    let mut requestor = Requestor::following(Some(START.minus(500)));
    requestor.connection.set_skew(Skew::remembered(100));
    // A message made long ago, by a server that is 100 seconds ahead.
    let octets = [base_time(START_2000 + 100 - 400), lease(1)].concat();
    let row = requestor.row(&bare_reply(XID, &octets));
    assert_eq!(row.times.last_transaction, START.minus(405));
    assert_eq!(requestor.connection.skew().seconds(), 100);
}

//= alq6-8.3-07
//= rfc5460-5.5-01
#[test]
fn a_final_message_is_the_end_whatever_it_says() {
    for (options, code) in [(vec![], 0), (status(11, "bye"), 11), (status(12, ""), 12), (status(999, ""), 999)] {
        let mut requestor = answered(Some(START));
        let events = requestor.events(&at(DONE, 9, &options));
        let [Seen::Status(XID, ActiveStatus::Ended(found), time, _)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((*found, *time), (StatusCode(code).into(), Some(START.plus(9))));
        assert!(requestor.connection.wants_close(), "and may be closed");
        assert_eq!(requestor.connection.poll_timeout(), None);
        let unknown = Violation::UnknownXid { kind: MessageType::LEASE_QUERY_DATA.into(), xid: XID };
        assert_eq!(requestor.fault(&data(XID, &lease(1))), Fault::Violation(unknown));
    }
}

//= rfc7653-active-15
//= rfc5007-4.1.3-01
//= rfc7653-options-01
#[test]
fn an_error_in_the_reply_is_the_end_but_for_missing_data() {
    for code in [1, 7, 8, 9, 10, 11, 14, 15, 999] {
        let mut requestor = Requestor::following(Some(START.minus(9)));
        let events = requestor.events(&reply(XID, &status(code, "no")));
        let ended = ActiveStatus::Ended(StatusCode(code).into());
        assert_eq!(events, [Seen::Status(XID, ended, Some(START), "no".to_owned())]);
        assert!(requestor.connection.wants_close());
    }
}

#[test]
fn an_error_in_the_middle_ends_nothing() {
    let mut requestor = answered(None);
    for code in [1, 2, 7, 10, 11, 14, 999] {
        let events = requestor.events(&data(XID, &status(code, "hm")));
        let other = ActiveStatus::Other(StatusCode(code).into());
        assert_eq!(events, [Seen::Status(XID, other, Some(START), "hm".to_owned())]);
        assert_eq!(requestor.row(&data(XID, &lease(2))).key, address(2));
    }
}

#[test]
fn ends_of_leases_are_told_as_lifetimes_of_zero() {
    let mut requestor = answered(None);
    let octets = client_data(&[opt(1, &CLIENT), clt(3), ia_address(1, 60, 90, &[]), ia_prefix(4, 0, 0, &[])]);
    let rows = requestor.rows(&data(XID, &octets));
    assert_eq!(
        rows.iter().map(|row| (row.key, row.active)).collect::<Vec<_>>(),
        [(address(1), true), (prefix(4), false)]
    );
}
