//! Several queries over one connection (RFC 6926 section 7.7), and its end (section 7.8).

use leasequery_protocol::requestor::Failure;
use leasequery_protocol::requestor::v4::{BulkQuery, Primary};
use leasequery_wire::v4::StatusCode;

use crate::peer::{Requestor, Seen, XID, active, address, addresses, done, done_with, unassigned};
use crate::query::primaries;

//= rfc6926-6.1-04
//= rfc6926-7.7-01
//= rfc6926-7.7-05
#[test]
fn the_example_of_section_7_7_1_is_sorted_by_transaction_id() {
    let mut requestor = Requestor::new();
    let all = BulkQuery::default();

    let first = requestor.ask(&all);
    assert!(matches!(requestor.events(&done(first)).as_slice(), [Seen::Done(xid, _)] if *xid == first));

    let second = requestor.ask(&all);
    let events = requestor.events(&[active(second, 1), active(second, 2), active(second, 3), done(second)].concat());
    assert_eq!(addresses(&events), [1, 2, 3].map(|last| (second, address(last))));
    assert!(matches!(events[3], Seen::Done(xid, _) if xid == second));

    let (third, fourth) = (requestor.ask(&all), requestor.ask(&all));
    let stream = [
        active(fourth, 41),
        active(fourth, 42),
        active(third, 31),
        active(fourth, 43),
        unassigned(third, 32),
        active(fourth, 44),
        active(third, 33),
        done(third),
        active(fourth, 45),
        done(fourth),
    ];
    let events = requestor.events(&stream.concat());
    let of =
        |wanted| addresses(&events).into_iter().filter(|(xid, _)| *xid == wanted).map(|(_, a)| a).collect::<Vec<_>>();
    assert_eq!(of(third), [31, 32, 33].map(address));
    assert_eq!(of(fourth), [41, 42, 43, 44, 45].map(address));
    assert!(matches!(events[7], Seen::Done(xid, _) if xid == third));
    assert!(matches!(events[9], Seen::Done(xid, _) if xid == fourth));
    assert_eq!([first, second, third, fourth], [0, 1, 2, 3].map(|n| XID + n));
}

//= rfc6926-6.1-04
//= rfc6926-7.7-01
#[test]
fn queries_are_written_back_to_back_without_waiting_for_an_answer() {
    let mut requestor = Requestor::new();
    let mut expected = Vec::new();
    for primary in primaries() {
        let query = BulkQuery { primary, ..BulkQuery::default() };
        let mut frame = crate::query::frame(&query);
        let xid = requestor.connection.ask(requestor.now, &query).unwrap();
        frame[6..10].copy_from_slice(&xid.to_be_bytes());
        expected.extend(frame);
    }
    assert_eq!(requestor.connection.poll_transmit(), expected);
    // The socket takes it in pieces; nothing is lost or repeated.
    let mut sent = Vec::new();
    while !requestor.connection.poll_transmit().is_empty() {
        let piece = requestor.connection.poll_transmit().len().min(100);
        sent.extend_from_slice(&requestor.connection.poll_transmit()[..piece]);
        requestor.connection.handle_sent(requestor.now, piece);
    }
    assert_eq!(sent, expected);
}

//= rfc6926-7.7-07
#[test]
fn a_server_that_answers_one_query_after_the_other_keeps_the_waiting_ones_alive() {
    let mut requestor = Requestor::new();
    let queries: Vec<u32> = (0..4).map(|_| requestor.ask(&BulkQuery::default())).collect();
    for xid in queries {
        for last in 1..=3 {
            // Each answer takes ten minutes, twice the time that a query may be without data.
            requestor.wait(200);
            assert_eq!(requestor.connection.handle_timeout(requestor.now), Ok(()));
            requestor.record(&active(xid, last));
        }
        assert!(!requestor.connection.wants_close());
        requestor.done(&done(xid));
    }
    assert!(requestor.connection.wants_close());
}

#[test]
fn the_connection_is_to_be_closed_when_everything_has_been_answered_and_not_before() {
    let mut requestor = Requestor::new();
    assert!(!requestor.connection.wants_close());
    let (first, second) = (requestor.ask(&BulkQuery::default()), requestor.ask(&BulkQuery::default()));
    requestor.done(&done(second));
    assert!(!requestor.connection.wants_close());
    requestor.done(&done_with(first, &[StatusCode::NOT_ALLOWED.0]));
    assert!(requestor.connection.wants_close());
    // Another query can still be asked.
    requestor.ask(&BulkQuery { primary: Primary::ClientId(vec![1, 2]), ..BulkQuery::default() });
    assert!(!requestor.connection.wants_close());
}

#[test]
fn a_server_that_closes_after_the_last_answer_has_done_nothing_wrong() {
    let mut requestor = Requestor::asking();
    requestor.receive(&[active(XID, 1), done(XID)].concat());
    requestor.connection.handle_eof();
    let (events, failure) = requestor.drain();
    assert_eq!((events.len(), failure), (2, None));
    assert_eq!(requestor.connection.poll_timeout(), None);
}

//= rfc6926-4-01
//= rfc6926-7.8-04
#[test]
fn a_connection_that_ends_in_the_middle_of_a_reply_fails_with_what_came_before_it_intact() {
    let replies: Vec<Vec<u8>> = (0..501).map(|n| active(XID, u8::try_from(n % 250).unwrap() + 1)).collect();
    let stream = replies.concat();
    let mut requestor = Requestor::asking();
    requestor.receive(&stream[..stream.len() - 1]);
    requestor.connection.handle_eof();
    let (events, failure) = requestor.drain();
    assert_eq!(addresses(&events).len(), 500);
    assert_eq!(failure, Some(Failure::Closed));
    assert!(!requestor.connection.wants_close());
    assert_eq!(requestor.connection.poll_timeout(), None);
    assert_eq!(requestor.next(), Err(Failure::Closed));
}

#[test]
fn an_end_without_a_word_is_told_from_an_end_within_an_answer() {
    let mut requestor = Requestor::asking();
    requestor.connection.handle_eof();
    assert_eq!(requestor.drain(), (vec![], Some(Failure::Unanswered)));
    let mut requestor = Requestor::asking();
    requestor.receive(&done(XID)[..1]);
    requestor.connection.handle_eof();
    assert_eq!(requestor.drain(), (vec![], Some(Failure::Closed)));
}

//= rfc6926-4-01
#[test]
fn an_end_between_two_replies_is_no_success_either() {
    let mut requestor = Requestor::asking();
    let other = requestor.ask(&BulkQuery::default());
    requestor.receive(&[active(XID, 1), active(other, 2), done(XID)].concat());
    requestor.connection.handle_eof();
    let (events, failure) = requestor.drain();
    assert_eq!(events.len(), 3);
    assert_eq!(failure, Some(Failure::Closed));
}
