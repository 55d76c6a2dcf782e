//! Active queries: what is sent, and what the messages of an answer mean (RFC 7724 sections 7.3 and 7.4).

use std::net::Ipv4Addr;
use std::time::Duration;

use leasequery_protocol::clock::Skew;
use leasequery_protocol::requestor::QueryError;
use leasequery_protocol::requestor::v4::{ActiveQuery, BulkQuery, VpnChoice};
use leasequery_protocol::requestor::{ActiveStatus, Failure, Fault, Violation};
use leasequery_store::Time;
use leasequery_wire::v4::{BOOT_REPLY, BOOT_REQUEST, Header, MessageType, MessageWriter, OptionCode, StatusCode};

use crate::peer::{Requestor, START, Seen, XID, active, address, body, done_with, message, raw_options};

const DATA: Duration = Duration::from_mins(5);
const RECEIVE: Duration = Duration::from_mins(2);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The message that a query is.
fn written(query: ActiveQuery) -> Vec<u8> {
    let mut requestor = Requestor::new();
    requestor.connection.ask(requestor.now, query).unwrap();
    body(requestor.connection.poll_transmit()).to_vec()
}

/// A requestor that has sent an active query.
fn following(since: Option<Time>) -> Requestor {
    let mut requestor = Requestor::new();
    let query = ActiveQuery { since, ..ActiveQuery::default() };
    assert_eq!(requestor.connection.ask(requestor.now, query), Ok(XID));
    let length = requestor.connection.poll_transmit().len();
    requestor.connection.handle_sent(requestor.now, length);
    requestor
}

/// A DHCPLEASEQUERYSTATUS, with what `fill` appends.
fn status_with(fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    message(MessageType::LEASE_QUERY_STATUS, XID, Ipv4Addr::UNSPECIFIED, fill)
}

fn status(code: StatusCode) -> Vec<u8> {
    status_with(|writer| writer.status(code, "so"))
}

fn status_at(code: StatusCode, base_time: Time) -> Vec<u8> {
    status_with(|writer| {
        writer.u32(OptionCode::BASE_TIME, base_time.0);
        writer.status(code, "");
    })
}

/// A DHCPLEASEACTIVE about 10.0.0.1, and when its state is said to have begun by the local clock.
fn began(requestor: &mut Requestor, base_time: Time) -> Time {
    let frame = message(MessageType::LEASE_ACTIVE, XID, address(1), |writer| {
        writer.u32(OptionCode::BASE_TIME, base_time.0);
        writer.u32(OptionCode::START_TIME_OF_STATE, 5);
    });
    requestor.record(&frame).times.start_of_state.unwrap()
}

//= rfc7724-7.3-02
//= rfc7724-7.3-03
//= rfc7724-7.3-04
//= rfc7724-7.3-05
//= rfc7724-7.3-07
#[test]
fn a_query_is_its_type_a_list_and_perhaps_a_time() {
    let octets = written(ActiveQuery::default());
    let mut header = vec![BOOT_REQUEST, 0, 0, 0];
    header.extend_from_slice(&XID.to_be_bytes());
    header.resize(236, 0);
    assert_eq!(octets[..236], header, "no address of any kind and no hardware");
    let usual = vec![152, 51, 58, 59, 153, 91, 156, 157, 61, 82];
    assert_eq!(raw_options(&octets), [(53, vec![16]), (55, usual.clone())]);

    let octets = written(ActiveQuery { since: Some(START), vpn: None, options: vec![12, 51, 12, 60] });
    let start = START.0.to_be_bytes().to_vec();
    assert_eq!(raw_options(&octets), [(53, vec![16]), (55, [usual, vec![12, 60]].concat()), (154, start)]);
}

#[test]
fn a_vpn_is_named_only_if_one_is_wanted() {
    for (choice, value) in [
        (VpnChoice::Name(b"blue".to_vec()), b"\0blue".to_vec()),
        (VpnChoice::Default, vec![255]),
        (VpnChoice::All, vec![254]),
    ] {
        let octets = written(ActiveQuery { vpn: Some(choice), ..ActiveQuery::default() });
        assert!(raw_options(&octets).contains(&(221, value)));
    }
}

#[test]
fn what_cannot_be_said_is_not_asked() {
    let mut requestor = Requestor::new();
    let query = ActiveQuery { vpn: Some(VpnChoice::Name("bläu".into())), ..ActiveQuery::default() };
    assert!(matches!(requestor.connection.ask(requestor.now, query), Err(QueryError::VpnName(_))));
    for code in [0, 255] {
        let query = ActiveQuery { options: vec![code], ..ActiveQuery::default() };
        assert_eq!(requestor.connection.ask(requestor.now, query), Err(QueryError::OptionCode(code.into())));
    }
    assert_eq!(requestor.connection.poll_transmit(), [0; 0]);
    assert!(!requestor.connection.wants_close());
}

//= rfc7724-7.3-06
//= rfc7724-8.3-01
#[test]
fn an_active_query_may_follow_a_bulk_query_that_was_answered() {
    let mut requestor = Requestor::asking();
    requestor.done(&crate::peer::done(XID));
    let xid = requestor.connection.ask(requestor.now, ActiveQuery::default()).unwrap();
    assert_ne!(xid, XID);
    assert!(matches!(requestor.events(&active(xid, 1)).as_slice(), [Seen::Record(found, _)] if *found == xid));
}

//= rfc7724-5.2.2-02
//= rfc7724-5.2.2-03
#[test]
fn each_status_has_its_meaning_and_most_end_nothing() {
    let meanings = [
        (StatusCode::SUCCESS, ActiveStatus::Alive),
        (StatusCode::CONNECTION_ACTIVE, ActiveStatus::Alive),
        (StatusCode::CATCH_UP_COMPLETE, ActiveStatus::CatchUpComplete),
        (StatusCode::DATA_MISSING, ActiveStatus::DataMissing),
        (StatusCode(9), ActiveStatus::Other(StatusCode(9).into())),
        (StatusCode(77), ActiveStatus::Other(StatusCode(77).into())),
    ];
    let mut requestor = following(Some(START));
    for (code, meaning) in meanings {
        let events = requestor.events(&status(code));
        assert_eq!(events, [Seen::Status(XID, meaning, None, "so".to_owned())]);
    }
    // None at all is success.
    let events = requestor.events(&status_with(|_| {}));
    assert_eq!(events, [Seen::Status(XID, ActiveStatus::Alive, None, String::new())]);
    assert_eq!(requestor.record(&active(XID, 3)).address, address(3), "the response goes on");
    assert!(!requestor.connection.wants_close());
}

#[test]
fn a_status_that_ends_the_response_is_the_last_message() {
    for code in
        [StatusCode::UNSPEC_FAIL, StatusCode::QUERY_TERMINATED, StatusCode::MALFORMED_QUERY, StatusCode::NOT_ALLOWED]
    {
        let mut requestor = following(None);
        let events = requestor.events(&status_at(code, START.plus(9)));
        let time = Some(START.plus(9));
        assert_eq!(events, [Seen::Status(XID, ActiveStatus::Ended(code.into()), time, String::new())]);
        assert!(requestor.connection.wants_close());
        assert_eq!(requestor.connection.poll_timeout(), None);
        let unknown = Violation::UnknownXid { kind: MessageType::LEASE_ACTIVE.into(), xid: XID };
        assert_eq!(requestor.fault(&active(XID, 1)), Fault::Violation(unknown));
    }
}

//= rfc7724-7.1-03
//= rfc7724-4-03
#[test]
fn a_final_message_means_the_end_whatever_it_says() {
    for code in [0, 1, 2, 3, 4, 5, 8, 99] {
        let mut requestor = following(Some(START));
        let events = requestor.events(&done_with(XID, &[code]));
        assert_eq!(events, [Seen::Status(XID, ActiveStatus::Ended(StatusCode(code).into()), None, String::new())]);
        assert!(requestor.connection.wants_close());
    }
}

#[test]
fn a_status_without_its_code_breaks_the_protocol() {
    let fault = following(None).fault(&status_with(|writer| writer.option(OptionCode::STATUS_CODE, &[])));
    assert!(matches!(fault, Fault::Malformed(_)));
}

//= rfc7724-5.2.2-02
#[test]
fn a_status_about_one_binding_does_not_end_the_response() {
    let mut requestor = following(None);
    for code in [StatusCode::UNSPEC_FAIL, StatusCode::QUERY_TERMINATED, StatusCode::NOT_ALLOWED] {
        let failed = message(MessageType::LEASE_ACTIVE, XID, address(2), |writer| writer.status(code, "locked"));
        let events = requestor.events(&failed);
        assert_eq!(events, [Seen::Failed(XID, "10.0.0.2".to_owned(), code.into(), "locked".to_owned())]);
    }
    requestor.record(&active(XID, 3));
}

//= rfc7724-7.4-04
#[test]
fn a_message_about_nothing_is_a_keep_alive_and_one_about_somebody_without_an_address_is_none() {
    for kind in [MessageType::LEASE_ACTIVE, MessageType::LEASE_UNASSIGNED] {
        let mut requestor = following(None);
        let empty = message(kind, XID, Ipv4Addr::UNSPECIFIED, |writer| writer.u32(OptionCode::BASE_TIME, START.0));
        let events = requestor.events(&empty);
        assert_eq!(events, [Seen::Status(XID, ActiveStatus::Alive, Some(START), String::new())]);
        let client = message(kind, XID, Ipv4Addr::UNSPECIFIED, |writer| {
            writer.option(OptionCode::CLIENT_IDENTIFIER, &[1, 2, 3]);
        });
        assert_eq!(requestor.fault(&client), Fault::Violation(Violation::NoAddress(kind.into())));

        let mut out = Vec::new();
        let header = Header { htype: 1, chaddr: &[2, 0, 0, 0, 0, 1], ..Header::new(BOOT_REPLY, XID) };
        MessageWriter::frame(&mut out, &header, kind).finish().unwrap();
        assert_eq!(following(None).fault(&out), Fault::Violation(Violation::NoAddress(kind.into())));
    }
}

#[test]
fn types_that_are_no_answer_to_an_active_query_end_the_connection() {
    for kind in (0..=255).map(MessageType).filter(|kind| ![11, 13, 15, 17].contains(&kind.0)) {
        let frame = message(kind, XID, address(1), |_| {});
        assert_eq!(following(None).fault(&frame), Fault::Violation(Violation::UnexpectedType(kind.into())));
    }
}

//= rfc7724-5.3-02
//= rfc7724-7.4-03
#[test]
fn silence_counts_from_the_last_whole_message() {
    let mut requestor = following(None);
    assert_eq!(requestor.connection.poll_timeout(), Some(RECEIVE));
    requestor.wait(100);
    requestor.record(&active(XID, 1));
    assert_eq!(requestor.connection.poll_timeout(), Some(seconds(220)));
    // Whoever sends an octet now and then says nothing.
    let frame = active(XID, 2);
    for octet in 0..11 {
        requestor.wait(10);
        assert_eq!(requestor.events(&frame[octet..=octet]), []);
        assert_eq!(requestor.connection.poll_timeout(), Some(seconds(220)));
    }
    assert_eq!(requestor.connection.handle_timeout(seconds(219)), Ok(()));
    assert_eq!(requestor.connection.handle_timeout(seconds(220)), Err(Failure::NoData(RECEIVE)));
}

#[test]
fn every_message_counts_as_a_sign_of_life() {
    let failed = message(MessageType::LEASE_ACTIVE, XID, address(2), |w| w.status(StatusCode::UNSPEC_FAIL, ""));
    for frame in [active(XID, 1), status(StatusCode::CONNECTION_ACTIVE), status(StatusCode(99)), failed] {
        let mut requestor = following(Some(START));
        requestor.wait(119);
        requestor.events(&frame);
        assert_eq!(requestor.connection.poll_timeout(), Some(seconds(119) + RECEIVE));
    }
}

//= rfc7724-7.3-13
#[test]
fn a_query_that_is_not_taken_has_the_time_of_a_bulk_query() {
    let mut requestor = Requestor::new();
    requestor.connection.ask(requestor.now, ActiveQuery::default()).unwrap();
    // That nobody answers what was not sent is no silence of the server's.
    requestor.connection.handle_sent(seconds(200), 1);
    assert_eq!(requestor.connection.handle_timeout(seconds(319)), Ok(()));
    let mut blocked = Requestor::new();
    blocked.connection.ask(blocked.now, ActiveQuery::default()).unwrap();
    assert_eq!(blocked.connection.handle_timeout(seconds(299)), Ok(()));
    assert_eq!(blocked.connection.handle_timeout(seconds(300)), Err(Failure::Blocked(DATA)));
}

#[test]
fn each_kind_of_query_has_its_own_patience() {
    let mut requestor = Requestor::asking();
    assert_eq!(requestor.connection.poll_timeout(), Some(DATA));
    requestor.done(&crate::peer::done(XID));
    requestor.connection.ask(requestor.now, ActiveQuery::default()).unwrap();
    let length = requestor.connection.poll_transmit().len();
    requestor.connection.handle_sent(requestor.now, length);
    assert_eq!(requestor.connection.poll_timeout(), Some(RECEIVE));
    requestor.events(&message(MessageType::LEASE_QUERY_DONE, XID + 1, Ipv4Addr::UNSPECIFIED, |_| {}));
    requestor.ask(&BulkQuery::default());
    assert_eq!(requestor.connection.poll_timeout(), Some(DATA));
}

//= rfc7724-7.4.1-06
#[test]
fn what_was_known_of_the_clock_holds_while_catching_up() {
    let mut requestor = following(Some(START.minus(500)));
    requestor.connection.set_skew(Skew::remembered(100));
    // A message made long ago, by a server that is 100 seconds ahead.
    assert_eq!(began(&mut requestor, START.plus(100).minus(400)), START.minus(405));
    requestor.events(&status_at(StatusCode::CONNECTION_ACTIVE, START.minus(300)));
    assert_eq!(requestor.connection.skew().seconds(), 100);
}

//= rfc7724-7.4-07
//= rfc7724-7.4.1-07
#[test]
fn base_times_tell_of_the_clock_from_the_end_of_catching_up_on_and_at_once_without_it() {
    for end in [StatusCode::CATCH_UP_COMPLETE, StatusCode::DATA_MISSING] {
        let mut requestor = following(Some(START.minus(500)));
        began(&mut requestor, START.plus(50));
        requestor.events(&status_at(StatusCode(99), START.plus(50)));
        assert_eq!(requestor.connection.skew(), Skew::default(), "nothing else ends it");
        requestor.events(&status_at(end, START.plus(70)));
        assert_eq!(requestor.connection.skew().seconds(), 70, "{end}");
        assert_eq!(began(&mut requestor, START.plus(70)), START.minus(5));
    }
    let mut requestor = following(None);
    assert_eq!(began(&mut requestor, START.plus(30)), START.minus(5));
    assert_eq!(requestor.connection.skew().seconds(), 30);
}

/// A reply about an address with all that is told in replies.
fn full(kind: MessageType, xid: u32) -> Vec<u8> {
    message(kind, xid, address(7), |writer| {
        writer.u32(OptionCode::BASE_TIME, START.0);
        writer.option(OptionCode::DHCP_STATE, &[if kind == MessageType::LEASE_ACTIVE { 2 } else { 4 }]);
        writer.u32(OptionCode::START_TIME_OF_STATE, 600);
        writer.u32(OptionCode::CLIENT_LAST_TRANSACTION_TIME, 90);
        writer.u32(OptionCode::LEASE_TIME, 3600);
        writer.u32(OptionCode::RENEWAL_TIME, 1800);
        writer.u32(OptionCode::REBINDING_TIME, 3150);
        writer.option(OptionCode::CLIENT_IDENTIFIER, &[0, 0xca, 0xfe]);
        writer.option(OptionCode::RELAY_AGENT_INFORMATION, &[2, 3, b'r', b'e', b'm', 12, 1, 9]);
        writer.option(OptionCode::DATA_SOURCE, &[1]);
        writer.option(OptionCode::HOST_NAME, b"host");
    })
}

//= rfc7724-3-05
//= rfc7724-5.2-01
#[test]
fn a_reply_means_the_same_in_an_active_response_as_in_a_bulk_response() {
    for kind in [MessageType::LEASE_ACTIVE, MessageType::LEASE_UNASSIGNED] {
        let bulk = Requestor::asking().record(&full(kind, XID));
        let active = following(None).record(&full(kind, XID));
        assert_eq!(active, bulk);
        assert_eq!((active.remote_id.as_deref(), active.remote), (Some(&b"rem"[..]), true));
        assert_eq!(active.options, [(12, b"host".to_vec())]);
    }
}

//= rfc7724-7.5-01
#[test]
fn the_server_may_close_at_any_octet() {
    let frames = [status_at(StatusCode::CATCH_UP_COMPLETE, START), active(XID, 1), active(XID, 2)].concat();
    let whole = following(Some(START)).events(&frames).len();
    for cut in 0..=frames.len() {
        let mut requestor = following(Some(START));
        let events = requestor.events(&frames[..cut]);
        assert!(events.len() <= whole && (cut < frames.len() || events.len() == whole));
        // Whatever came before stays told, nothing is made of half a message, and it is no orderly end in any case.
        requestor.connection.handle_eof();
        let (more, failure) = requestor.drain();
        assert!(more.is_empty() && failure.is_some(), "{cut}: {more:?}");
    }
}

//= rfc7724-7.4-05
//= rfc7724-7.4-06
#[test]
fn any_number_of_messages_about_an_address_is_told_of() {
    let mut requestor = following(None);
    for _ in 0..100 {
        let frames: Vec<_> = (0..100).map(|number| active(XID, 1 + number % 2)).collect();
        assert_eq!(requestor.events(&frames.concat()).len(), 100);
    }
    assert!(!requestor.connection.wants_close());
}
