//! How long a requestor waits (RFC 5460 sections 6.2 and 6.3, RFC 7653 sections 8.3 and 8.4).

use std::time::Duration;

use leasequery_protocol::requestor::v6::{ActiveQuery, BulkQuery, V6};
use leasequery_protocol::requestor::{Connection, Failure, Timeouts};

use crate::peer::*;

const BULK: Duration = Duration::from_mins(5);
const ACTIVE: Duration = Duration::from_mins(2);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

//= rfc5460-5.6-06
//= alq6-6.4-02
#[test]
fn the_parameters_are_those_of_the_rfcs_unless_said() {
    assert_eq!(Timeouts::default(), Timeouts { data: BULK, active_receive: ACTIVE });
}

//= rfc5460-5.6-07
//= alq6-6.4-05
#[test]
fn they_can_be_changed() {
    let timeouts = Timeouts { data: seconds(7), active_receive: seconds(3) };
    let mut bulk = Connection::new(V6::new(OWN.as_slice().into()), timeouts, XID);
    bulk.ask(seconds(1), BulkQuery::default()).unwrap();
    assert_eq!(bulk.handle_timeout(seconds(8)), Err(Failure::Blocked(seconds(7))));
    let mut active = Connection::new(V6::new(OWN.as_slice().into()), timeouts, XID);
    active.ask(seconds(1), ActiveQuery::default()).unwrap();
    active.handle_sent(seconds(1), 1000);
    assert_eq!(active.handle_timeout(seconds(3)), Ok(()));
    assert_eq!(active.handle_timeout(seconds(4)), Err(Failure::NoData(seconds(3))));
}

//= rfc5460-6.2-02
//= alq6-8.2-05
//= alq6-6.4-01
#[test]
fn a_query_that_is_not_taken_ends_the_connection_after_five_minutes() {
    for active in [false, true] {
        let mut requestor = Requestor::new();
        requestor.wait(10);
        if active {
            requestor.connection.ask(requestor.now, ActiveQuery::default()).unwrap();
        } else {
            requestor.connection.ask(requestor.now, BulkQuery::default()).unwrap();
        }
        assert_eq!(requestor.connection.handle_timeout(seconds(309)), Ok(()));
        assert_eq!(requestor.connection.handle_timeout(seconds(310)), Err(Failure::Blocked(BULK)));
        assert_eq!(requestor.drain().1, Some(Failure::Blocked(BULK)));
    }
}

//= rfc5460-6.3-01
#[test]
fn a_bulk_response_that_stops_ends_the_connection_and_one_that_trickles_does_not() {
    let mut requestor = Requestor::begun();
    let octets = data(XID, &lease(1));
    for octet in &octets {
        requestor.wait(299);
        assert_eq!(requestor.connection.handle_timeout(requestor.now), Ok(()));
        requestor.events(&[*octet]);
    }
    requestor.wait(300);
    assert_eq!(requestor.connection.handle_timeout(requestor.now), Err(Failure::NoData(BULK)));
    assert!(!requestor.connection.wants_close(), "that was not all");
}

//= rfc5460-6.5-07
#[test]
fn a_query_that_waits_for_another_one_is_not_given_up() {
    let mut requestor = Requestor::new();
    let (first, second) = (requestor.ask(BulkQuery::default()), requestor.ask(BulkQuery::default()));
    requestor.events(&reply(first, &lease(0)));
    for last in 1..=5 {
        requestor.wait(200);
        assert_eq!(requestor.connection.handle_timeout(requestor.now), Ok(()));
        requestor.events(&data(first, &lease(last)));
    }
    requestor.done(&done(first));
    requestor.wait(299);
    assert_eq!(requestor.connection.handle_timeout(requestor.now), Ok(()));
    requestor.events(&reply(second, &lease(7)));
    requestor.done(&done(second));
}

//= rfc7653-timeouts-01
//= rfc7653-active-13
#[test]
fn an_active_response_that_stops_ends_the_connection_after_two_minutes() {
    let mut requestor = Requestor::following(None);
    assert_eq!(requestor.connection.poll_timeout(), Some(ACTIVE));
    requestor.wait(100);
    requestor.events(&reply(XID, &[]));
    let signs = [
        data(XID, &[]),
        message(DATA, XID, &[]),
        data(XID, &lease(1)),
        data(XID, &status(999, "")),
        data(XID, &client_data(&[])),
    ];
    for sign in signs {
        requestor.wait(119);
        assert_eq!(requestor.connection.handle_timeout(requestor.now), Ok(()));
        requestor.events(&sign);
        assert_eq!(requestor.connection.poll_timeout(), Some(requestor.now + ACTIVE));
    }
    // Octets that make no message say nothing.
    for octet in &data(XID, &lease(1))[..11] {
        requestor.wait(10);
        requestor.events(&[*octet]);
    }
    requestor.wait(10);
    assert_eq!(requestor.connection.handle_timeout(requestor.now), Err(Failure::NoData(ACTIVE)));
}

#[test]
fn the_time_that_the_requestor_spends_on_the_leases_of_a_message_is_not_the_server_s() {
    let mut requestor = Requestor::following(None);
    requestor.events(&reply(XID, &[]));
    let leases = [ia_address(1, 1, 2, &[]), ia_address(2, 1, 2, &[])].concat();
    requestor.receive(&data(XID, &client_data(&[opt(1, &CLIENT), clt(0), leases])));
    for _ in 0..2 {
        assert!(requestor.next().unwrap().is_some());
        requestor.wait(400);
        assert_eq!(requestor.connection.poll_timeout(), None);
        assert_eq!(requestor.connection.handle_timeout(requestor.now), Ok(()));
    }
    assert_eq!(requestor.next(), Ok(None));
    assert_eq!(requestor.connection.poll_timeout(), Some(seconds(800) + ACTIVE));
}
