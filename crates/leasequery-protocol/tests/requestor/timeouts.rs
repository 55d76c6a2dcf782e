//! BULK_LQ_DATA_TIMEOUT on both ways (RFC 6926 sections 7.2 and 7.3).

use std::time::Duration;

use leasequery_protocol::requestor::v4::{ActiveQuery, BulkQuery, V4};
use leasequery_protocol::requestor::{Connection, Failure, Timeouts};

use crate::peer::{Requestor, START, XID, active, done};

const DATA: Duration = Duration::from_mins(5);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

//= rfc6926-6.3-06
#[test]
fn the_data_timeout_is_300_seconds_by_default() {
    assert_eq!(Timeouts::default().data, DATA);
}

//= rfc6926-6.3-08
#[test]
fn the_data_timeout_can_be_changed() {
    let timeouts = Timeouts { data: seconds(7), ..Timeouts::default() };
    let mut connection = Connection::new(V4::new(None), timeouts, XID);
    connection.ask(seconds(1), BulkQuery::default()).unwrap();
    assert_eq!(connection.poll_timeout(), Some(seconds(8)));
    assert_eq!(connection.handle_timeout(seconds(8)), Err(Failure::Blocked(seconds(7))));
}

#[test]
fn without_anything_to_send_or_outstanding_there_is_no_timer() {
    let mut requestor = Requestor::new();
    assert_eq!(requestor.connection.poll_timeout(), None);
    requestor.ask(&BulkQuery::default());
    requestor.done(&done(XID));
    assert_eq!(requestor.connection.poll_timeout(), None);
    requestor.wait(10_000);
    assert_eq!(requestor.connection.handle_timeout(requestor.now), Ok(()));
}

//= rfc6926-7.2-17
//= rfc6926-7.2-18
#[test]
fn a_query_that_is_not_taken_ends_the_connection() {
    let mut requestor = Requestor::new();
    requestor.wait(10);
    requestor.connection.ask(requestor.now, BulkQuery::default()).unwrap();
    assert_eq!(requestor.connection.poll_timeout(), Some(seconds(310)));
    assert_eq!(requestor.connection.handle_timeout(seconds(309)), Ok(()));
    assert_eq!(requestor.connection.handle_timeout(seconds(310)), Err(Failure::Blocked(DATA)));
    assert_eq!(requestor.connection.poll_timeout(), None);
    assert_eq!(requestor.drain().1, Some(Failure::Blocked(DATA)));
}

//= rfc6926-7.2-19
#[test]
fn one_octet_taken_restarts_the_timer_for_sending() {
    let mut requestor = Requestor::new();
    requestor.connection.ask(requestor.now, BulkQuery::default()).unwrap();
    requestor.wait(299);
    requestor.connection.handle_sent(requestor.now, 0);
    assert_eq!(requestor.connection.poll_timeout(), Some(seconds(300)));
    requestor.connection.handle_sent(requestor.now, 1);
    assert_eq!(requestor.connection.poll_timeout(), Some(seconds(599)));
    assert_eq!(requestor.connection.handle_timeout(seconds(598)), Ok(()));
    assert_eq!(requestor.connection.handle_timeout(seconds(599)), Err(Failure::Blocked(DATA)));
}

//= rfc6926-7.2-17
#[test]
fn replies_to_one_query_do_not_hide_that_another_one_is_not_taken() {
    let mut requestor = Requestor::asking();
    requestor.connection.ask(requestor.now, BulkQuery::default()).unwrap();
    for _ in 0..2 {
        requestor.wait(150);
        requestor.record(&active(XID, 1));
    }
    assert_eq!(requestor.connection.handle_timeout(requestor.now), Err(Failure::Blocked(DATA)));
}

//= rfc6926-7.3-01
//= rfc6926-7.3-02
#[test]
fn a_server_that_stops_sending_ends_the_connection() {
    let mut requestor = Requestor::asking();
    for last in 1..=3 {
        requestor.wait(20);
        requestor.record(&active(XID, last));
    }
    assert_eq!(requestor.connection.poll_timeout(), Some(seconds(360)));
    assert_eq!(requestor.connection.handle_timeout(seconds(359)), Ok(()));
    assert_eq!(requestor.connection.handle_timeout(seconds(360)), Err(Failure::NoData(DATA)));
    assert_eq!(requestor.drain().1, Some(Failure::NoData(DATA)));
}

//= rfc6926-7.3-01
#[test]
fn the_timer_for_replies_starts_with_the_query_if_none_was_outstanding() {
    let mut requestor = Requestor::asking();
    requestor.done(&done(XID));
    requestor.wait(1000);
    requestor.ask(&BulkQuery::default());
    assert_eq!(requestor.connection.poll_timeout(), Some(seconds(1300)));
}

#[test]
fn a_part_of_a_message_is_progress() {
    let mut requestor = Requestor::asking();
    let reply = active(XID, 1);
    requestor.wait(299);
    assert_eq!(requestor.events(&reply[..100]), []);
    assert_eq!(requestor.connection.poll_timeout(), Some(seconds(599)));
}

#[test]
fn looking_in_vain_for_an_event_is_not_progress() {
    let mut requestor = Requestor::asking();
    requestor.wait(299);
    assert_eq!(requestor.drain(), (Vec::new(), None));
    assert_eq!(requestor.connection.poll_timeout(), Some(DATA));
}

//= rfc6926-7.3-02
#[test]
fn the_time_that_the_requestor_spends_on_records_is_not_the_servers() {
    let mut requestor = Requestor::asking();
    requestor.receive(&[active(XID, 1), active(XID, 2)].concat());
    for _ in 0..2 {
        assert!(requestor.next().unwrap().is_some());
        requestor.wait(400);
        assert_eq!(requestor.connection.poll_timeout(), None);
        assert_eq!(requestor.connection.handle_timeout(requestor.now), Ok(()));
    }
    assert_eq!(requestor.next(), Ok(None));
    assert_eq!(requestor.connection.poll_timeout(), Some(seconds(800 + 300)));
    assert_eq!(requestor.connection.handle_timeout(seconds(1100)), Err(Failure::NoData(DATA)));
    assert_eq!(requestor.wall(), START.plus(800));
}

//= rfc7724-7.3-13
#[test]
fn an_active_query_that_cannot_be_sent_is_given_up_after_the_data_timeout() {
    let timeouts = Timeouts { data: seconds(7), active_receive: seconds(500) };
    let mut connection = Connection::new(V4::new(None), timeouts, 1);
    connection.ask(seconds(1), ActiveQuery::default()).unwrap();
    connection.handle_sent(seconds(2), 1);
    assert_eq!(connection.handle_timeout(seconds(8)), Ok(()));
    assert_eq!(connection.handle_timeout(seconds(9)), Err(Failure::Blocked(seconds(7))));
}
