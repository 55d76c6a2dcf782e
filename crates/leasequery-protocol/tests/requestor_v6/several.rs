//! Several queries over one connection (RFC 5460 section 6.5).

use std::collections::BTreeSet;

use leasequery_protocol::requestor::Failure;
use leasequery_protocol::requestor::v6::{ActiveQuery, BulkQuery, Selector};

use crate::peer::*;
use crate::query::{frame, primaries};

//= rfc5460-6.5-01
//= rfc5460-6.5-05
#[test]
fn interleaved_responses_are_sorted_by_transaction_id() {
    let mut requestor = Requestor::new();
    let (first, second) = (requestor.ask(BulkQuery::default()), requestor.ask(BulkQuery::default()));
    let both =
        |low| client_data(&[opt(1, &CLIENT), clt(0), ia_address(low, 1, 2, &[]), ia_address(low + 1, 1, 2, &[])]);
    let stream = [
        reply(second, &both(0x20)),
        reply(first, &lease(0x10)),
        data(second, &lease(0x22)),
        data(first, &both(0x11)),
        done(first),
        data(second, &both(0x23)),
        done(second),
    ];
    let events = requestor.events(&stream.concat());
    let of = |xid| keys(&events).into_iter().filter(|(x, _)| *x == xid).map(|(_, key)| key).collect::<Vec<_>>();
    assert_eq!(of(first), [0x10, 0x11, 0x12].map(address));
    assert_eq!(of(second), [0x20, 0x21, 0x22, 0x23, 0x24].map(address));
    let ends: Vec<_> =
        events.iter().filter_map(|e| if let Seen::Done(xid, _) = e { Some(*xid) } else { None }).collect();
    assert_eq!(ends, [first, second]);
    assert!(requestor.connection.wants_close());
}

//= rfc5460-6.5-02
//= alq6-6.2.1-01
#[test]
fn no_transaction_id_is_used_twice_on_a_connection() {
    let mut requestor = Requestor::new();
    let mut used = BTreeSet::new();
    for number in 0..1000 {
        let xid = requestor.ask(BulkQuery::default());
        assert!(used.insert(xid) && xid <= 0x00ff_ffff);
        if number % 3 == 0 {
            requestor.done(&reply(xid, &[]));
        }
    }
}

//= rfc5460-6.5-02
#[test]
fn transaction_ids_have_24_bits() {
    let mut requestor = Requestor::new();
    let protocol = leasequery_protocol::requestor::v6::V6::new(OWN.as_slice().into());
    let timeouts = leasequery_protocol::requestor::Timeouts::default();
    requestor.connection = leasequery_protocol::requestor::Connection::new(protocol, timeouts, 0xabff_ffff);
    assert_eq!(requestor.ask(BulkQuery::default()), 0x00ff_ffff);
    assert_eq!(requestor.ask(BulkQuery::default()), 0);
    assert_eq!(keys(&requestor.events(&reply(0x00ff_ffff, &lease(1)))), [(0x00ff_ffff, address(1))]);
    assert_eq!(keys(&requestor.events(&reply(0, &lease(1)))), [(0, address(1))]);
}

//= rfc5460-6.5-01
//= rfc5460-6.6-02
#[test]
fn queries_are_written_back_to_back_and_the_connection_serves_for_more() {
    let mut requestor = Requestor::new();
    let mut expected = Vec::new();
    for (primary, ..) in primaries() {
        let query = BulkQuery { selector: Selector { primary, link: None }, ..BulkQuery::default() };
        let mut octets = frame(query.clone());
        let xid = requestor.connection.ask(requestor.now, query).unwrap();
        octets[3..6].copy_from_slice(&xid.to_be_bytes()[1..]);
        expected.extend(octets);
    }
    assert_eq!(requestor.connection.poll_transmit(), expected);
    let mut sent = Vec::new();
    while !requestor.connection.poll_transmit().is_empty() {
        let piece = requestor.connection.poll_transmit().len().min(50);
        sent.extend_from_slice(&requestor.connection.poll_transmit()[..piece]);
        requestor.connection.handle_sent(requestor.now, piece);
    }
    assert_eq!(sent, expected);
    for number in 0..5 {
        assert!(!requestor.connection.wants_close());
        requestor.done(&reply(XID + number, &[]));
    }
    assert!(requestor.connection.wants_close());
    let next = requestor.ask(BulkQuery::default());
    assert!(!requestor.connection.wants_close());
    requestor.done(&reply(next, &[]));
}

//= rfc5460-6.3-09
#[test]
fn the_connection_is_to_be_closed_when_everything_has_been_answered_and_not_before() {
    let mut requestor = Requestor::new();
    assert!(!requestor.connection.wants_close());
    let (first, second) = (requestor.ask(BulkQuery::default()), requestor.ask(BulkQuery::default()));
    requestor.events(&[reply(second, &lease(1)), done(second)].concat());
    assert!(!requestor.connection.wants_close());
    requestor.events(&reply(first, &lease(1)));
    assert!(!requestor.connection.wants_close());
    requestor.done(&done(first));
    assert!(requestor.connection.wants_close());
}

//= rfc5460-6.6-03
#[test]
fn a_connection_that_was_kept_may_be_closed_by_the_server() {
    let mut requestor = Requestor::asking();
    requestor.done(&reply(XID, &[]));
    requestor.connection.handle_eof();
    assert_eq!(requestor.drain(), (vec![], None), "nothing is lost");
    // Who asks on it all the same is told at once, and asks on another one.
    requestor.ask(BulkQuery::default());
    assert_eq!(requestor.drain(), (vec![], Some(Failure::Closed)));
    Requestor::asking().done(&reply(XID, &[]));
}

//= alq6-6.2.1-01
#[test]
fn an_active_query_may_follow_a_bulk_query_that_was_answered() {
    let mut requestor = Requestor::asking();
    requestor.done(&reply(XID, &[]));
    let xid = requestor.ask(ActiveQuery::default());
    assert_ne!(xid, XID);
    requestor.events(&reply(xid, &[]));
    assert_eq!(keys(&requestor.events(&data(xid, &lease(1)))), [(xid, address(1))]);
}
