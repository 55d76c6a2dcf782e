//! What a status-code means in a reply and at the end (RFC 6926 section 6.2.2).

use leasequery_protocol::requestor::Fault;
use leasequery_wire::Problem;
use leasequery_wire::v4::{OptionCode, StatusCode};

use crate::peer::{Requestor, Seen, XID, active, active_with, address, addresses, done, done_with};

//= rfc6926-6.2.2-06
//= rfc6926-7.3-13
#[test]
fn an_end_without_status_or_data_is_success() {
    let mut requestor = Requestor::asking();
    let end = requestor.done(&done(XID));
    assert_eq!((end.status, end.text.as_str()), (StatusCode::SUCCESS.into(), ""));
    assert!(requestor.connection.wants_close());
}

//= rfc6926-6.2.2-01
//= rfc6926-6.2.2-04
#[test]
fn each_status_ends_the_query_with_its_name_and_text() {
    let names = ["Success", "UnspecFail", "QueryTerminated", "MalformedQuery", "NotAllowed"];
    for (code, name) in (0..).zip(names) {
        let end = Requestor::asking().done(&done_with(XID, &[code, b'n', b'o']));
        assert_eq!(end.status.to_string(), name);
        assert_eq!(end.text, "no");
        assert_eq!(end.status == StatusCode::SUCCESS, code == 0);
    }
    let unknown = Requestor::asking().done(&done_with(XID, &[42])).status;
    assert_ne!(unknown, StatusCode::SUCCESS);
    assert_eq!(unknown.to_string(), "status 42");
}

//= rfc6926-6.2.2-01
#[test]
fn a_status_without_its_code_is_malformed() {
    let fault = Requestor::asking().fault(&done_with(XID, &[]));
    assert!(
        matches!(&fault, Fault::Malformed(error) if matches!(error.problem, Problem::Length { code: 151, length: 0, .. }))
    );
}

#[test]
fn a_malformed_end_is_not_the_end_of_a_good_answer() {
    let mut requestor = Requestor::asking();
    requestor.fault(&done_with(XID, &[]));
    assert!(!requestor.connection.wants_close());
    assert!(requestor.next().is_err());
}

//= rfc6926-6.2.2-02
#[test]
fn texts_are_utf_8_and_what_is_not_is_replaced() {
    let end = Requestor::asking().done(&done_with(XID, "\u{3}keine Geräte".as_bytes()));
    assert_eq!(end.text, "keine Geräte");
    let mut requestor = Requestor::asking();
    let events = requestor.events(&active_with(XID, 9, |writer| {
        writer.option(OptionCode::STATUS_CODE, &[1, b'a', 0xff, b'b']);
    }));
    assert_eq!(
        events,
        [Seen::Failed(XID, "10.0.0.9".to_owned(), StatusCode::UNSPEC_FAIL.into(), "a\u{fffd}b".to_owned())]
    );
    requestor.record(&active(XID, 10));
}

//= rfc6926-6.2.2-03
#[test]
fn nuls_in_a_text_are_removed_and_the_session_goes_on() {
    let end = Requestor::asking().done(&done_with(XID, b"\x03\0n\0o\0"));
    assert_eq!((end.status, end.text.as_str()), (StatusCode::MALFORMED_QUERY.into(), "no"));
}

//= rfc6926-6.2.2-05
#[test]
fn a_bad_status_in_a_reply_costs_that_reply_and_one_at_the_end_the_query() {
    let bad = active_with(XID, 2, |writer| writer.status(StatusCode::UNSPEC_FAIL, "locked"));
    let mut requestor = Requestor::asking();
    let events = requestor.events(&[active(XID, 1), bad, active(XID, 3)].concat());
    assert_eq!(addresses(&events), [(XID, address(1)), (XID, address(3))]);
    assert_eq!(
        events[1],
        Seen::Failed(XID, "10.0.0.2".to_owned(), StatusCode::UNSPEC_FAIL.into(), "locked".to_owned())
    );
    assert_eq!(requestor.done(&done(XID)).status, StatusCode::SUCCESS);

    let mut requestor = Requestor::asking();
    requestor.record(&active(XID, 1));
    assert_eq!(requestor.done(&done_with(XID, &[1])).status, StatusCode::UNSPEC_FAIL);
    assert!(requestor.connection.wants_close());
}

#[test]
fn a_good_status_with_a_text_is_no_obstacle() {
    let good = active_with(XID, 2, |writer| writer.status(StatusCode::SUCCESS, "all is well"));
    let row = Requestor::asking().record(&good);
    assert_eq!(row.address, address(2));
    assert_eq!(row.options, []);
}

#[test]
fn a_reply_without_an_address_may_still_tell_of_a_failure() {
    use leasequery_wire::v4::MessageType;
    let frame = crate::peer::message(MessageType::LEASE_UNASSIGNED, XID, std::net::Ipv4Addr::UNSPECIFIED, |writer| {
        writer.status(StatusCode::UNSPEC_FAIL, "no");
    });
    assert!(matches!(Requestor::asking().events(&frame).as_slice(), [Seen::Failed(..)]));
}
