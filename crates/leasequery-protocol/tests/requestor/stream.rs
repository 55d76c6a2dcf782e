//! Messages are cut by their length prefix alone, however the octets arrive (RFC 6926 section 6.1).

use leasequery_wire::v4::{OptionCode, StatusCode};

use crate::peer::{Requestor, Seen, XID, active, active_with, done, unassigned};

/// A response with messages of different lengths.
fn response() -> Vec<u8> {
    let long = active_with(XID, 3, |writer| writer.option(OptionCode::HOST_NAME, &[b'h'; 300]));
    let failed = active_with(XID, 4, |writer| writer.status(StatusCode::UNSPEC_FAIL, "no"));
    [active(XID, 1), unassigned(XID, 2), long, failed, active(XID, 5), done(XID)].concat()
}

fn in_one_piece() -> Vec<Seen> {
    Requestor::asking().events(&response())
}

//= rfc6926-6.1-02
#[test]
fn two_messages_in_one_piece_are_two_events() {
    let events = in_one_piece();
    assert_eq!(events.len(), 6);
    assert!(matches!(events[5], Seen::Done(XID, _)));
}

//= rfc6926-6.1-02
#[test]
fn one_octet_at_a_time_gives_the_same_events() {
    let mut requestor = Requestor::asking();
    let events: Vec<Seen> = response().iter().flat_map(|octet| requestor.events(&[*octet])).collect();
    assert_eq!(events, in_one_piece());
}

//= rfc6926-6.1-02
#[test]
fn a_cut_at_any_octet_gives_the_same_events() {
    let (stream, expected) = (response(), in_one_piece());
    for cut in 0..=stream.len() {
        let mut requestor = Requestor::asking();
        let mut events = requestor.events(&stream[..cut]);
        events.extend(requestor.events(&stream[cut..]));
        assert_eq!(events, expected, "cut at {cut}");
    }
}

#[test]
fn pieces_that_come_before_the_earlier_ones_were_read_are_kept_in_order() {
    let mut requestor = Requestor::asking();
    for piece in response().chunks(111) {
        requestor.receive(piece);
    }
    assert_eq!(requestor.drain(), (in_one_piece(), None));
}

#[test]
fn an_event_taken_between_two_pieces_is_not_repeated() {
    let stream = response();
    let mut requestor = Requestor::asking();
    let mut events = Vec::new();
    for piece in stream.chunks(700) {
        requestor.receive(piece);
        events.extend(requestor.next().unwrap());
    }
    events.extend(requestor.drain().0);
    assert_eq!(events, in_one_piece());
}
