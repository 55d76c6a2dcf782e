//! Octets that are no message, or one that has no place (RFC 8415 section 21.1, RFC 5460 sections 5.1 and 6.3).

use leasequery_protocol::requestor::v6::BulkQuery;
use leasequery_protocol::requestor::{Failure, Fault, Violation};
use leasequery_wire::v6::MessageType;
use leasequery_wire::{FrameFault, Problem};

use crate::peer::*;

fn unknown(kind: u8, xid: u32) -> Fault {
    Fault::Violation(Violation::UnknownXid { kind: MessageType(kind).into(), xid })
}

//= rfc5460-6.3-10
#[test]
fn a_message_that_matches_no_query_ends_the_connection_and_all_its_queries() {
    for (kind, stray) in [(DONE, done(XID + 7)), (REPLY, reply(XID + 7, &[])), (DATA, data(XID + 7, &lease(1)))] {
        let mut requestor = Requestor::asking();
        let other = requestor.ask(BulkQuery::default());
        // What came before it is good, what comes after it is not looked at.
        requestor.receive(&[reply(other, &lease(1)), stray, reply(XID, &lease(3)), done(other)].concat());
        let (events, failure) = requestor.drain();
        assert_eq!(keys(&events), [(other, address(1))]);
        let expected = Failure::Message { number: 2, fault: unknown(kind, XID + 7) };
        assert_eq!(failure, Some(expected.clone()));
        requestor.wait(1000);
        assert_eq!(requestor.connection.poll_timeout(), None);
        assert_eq!(requestor.drain(), (vec![], Some(expected)));
        assert!(!requestor.connection.wants_close());
    }
    assert_eq!(Requestor::new().fault(&done(XID)), unknown(DONE, XID), "nothing was asked");
    let mut requestor = Requestor::begun();
    requestor.done(&done(XID));
    assert_eq!(requestor.fault(&data(XID, &lease(1))), unknown(DATA, XID), "it has been answered");
}

#[test]
fn messages_of_a_response_come_in_their_order() {
    let out_of_turn = |kind| Fault::Violation(Violation::OutOfTurn(MessageType(kind).into()));
    assert_eq!(Requestor::asking().fault(&data(XID, &lease(1))), out_of_turn(DATA));
    assert_eq!(Requestor::asking().fault(&done(XID)), out_of_turn(DONE));
    assert_eq!(Requestor::begun().fault(&reply(XID, &lease(1))), out_of_turn(REPLY));
    assert_eq!(Requestor::begun().fault(&reply(XID, &[])), out_of_turn(REPLY));
    assert_eq!(Requestor::following(None).fault(&data(XID, &[])), out_of_turn(DATA));
    assert_eq!(Requestor::following(None).fault(&done(XID)), out_of_turn(DONE));
    let mut requestor = Requestor::following(None);
    requestor.events(&reply(XID, &[]));
    assert_eq!(requestor.fault(&reply(XID, &[])), out_of_turn(REPLY));
    // The order is that of each response.
    let mut requestor = Requestor::begun();
    let other = requestor.ask(BulkQuery::default());
    assert_eq!(requestor.fault(&data(other, &lease(1))), out_of_turn(DATA));
}

//= rfc5460-4-03
#[test]
fn types_that_are_no_answer_end_the_connection() {
    for kind in (0..=255).filter(|kind| ![REPLY, DATA, DONE].contains(kind)) {
        let expected = Fault::Violation(Violation::UnexpectedType(MessageType(kind).into()));
        let options = [opt(2, &SERVER), opt(1, &OWN), lease(1)].concat();
        assert_eq!(Requestor::asking().fault(&message(kind, XID, &options)), expected);
        assert_eq!(Requestor::begun().fault(&message(kind, XID, &options)), expected);
        assert_eq!(Requestor::following(None).fault(&message(kind, XID, &options)), expected);
    }
}

//= rfc5460-5.1-02
#[test]
fn a_length_that_no_message_has_ends_the_connection_before_the_message_is_there() {
    for length in 0..4_u16 {
        let mut requestor = Requestor::begun();
        let fault = requestor.fault(&length.to_be_bytes());
        assert_eq!(fault, Fault::Frame(FrameFault { length: usize::from(length), minimum: 4 }));
    }
    assert!(Requestor::begun().done(&[0, 4, DONE, 1, 2, 3]).status.is_success(), "four octets are a message");
}

//= rfc3315-22.1-01
#[test]
fn an_option_that_runs_past_what_it_is_in_is_malformed() {
    let overrun = |octets: &[u8]| match Requestor::begun().fault(octets) {
        Fault::Malformed(error) => matches!(error.problem, Problem::Overrun { .. } | Problem::NoLength(_)),
        _ => false,
    };
    assert!(overrun(&data(XID, &[0, 45, 0, 5, 0, 0, 0, 0])), "in the message");
    assert!(overrun(&data(XID, &[0, 45, 0])), "half a length");
    assert!(overrun(&data(XID, &opt(45, &[0, 1, 0, 3, 0, 0]))), "in the client's data");
    let inner = client_data(&[opt(1, &CLIENT), ia_address(1, 1, 2, &[0, 13, 0, 9, 0]), clt(0)]);
    assert!(overrun(&data(XID, &inner)), "in a lease");
    // Nor may it borrow from what comes after.
    let mut lengthened = client_data(&[opt(1, &CLIENT), ia_address(1, 1, 2, &[]), clt(0)]);
    lengthened[3] -= 1;
    assert!(matches!(Requestor::begun().fault(&data(XID, &lengthened)), Fault::Malformed(_)));
}

//= rfc3315-22.6-01
//= rfc3633-10-01
//= rfc5007-4.1.2.3-01
//= alq6-6.3.1-01
#[test]
fn an_option_of_a_wrong_length_ends_the_connection() {
    let with = |options: &[Vec<u8>]| {
        let parts = [&[opt(1, &CLIENT), clt(0), ia_address(1, 1, 2, &[])], options].concat();
        client_data(&parts)
    };
    let without_time = |time: Vec<u8>| client_data(&[opt(1, &CLIENT), time, ia_address(1, 1, 2, &[])]);
    let mut long_prefix = ia_prefix(1, 1, 2, &[]);
    long_prefix[4 + 8] = 129;
    let wrong = [
        client_data(&[opt(1, &CLIENT), clt(0), opt(5, &[0; 23])]),
        with(&[opt(5, &[0; 27])]),
        with(&[opt(26, &[0; 24])]),
        with(&[long_prefix]),
        without_time(opt(46, &[0; 3])),
        without_time(opt(46, &[0; 5])),
        opt(13, &[0]),
    ];
    for options in wrong {
        let fault = Requestor::begun().fault(&data(XID, &options));
        assert!(matches!(fault, Fault::Malformed(_)), "{options:?}: {fault:?}");
    }
    for length in [0, 3, 5] {
        let time = opt(100, &vec![0; length]);
        let frame = message(DATA, XID, &[time, lease(1)].concat());
        assert!(matches!(Requestor::begun().fault(&frame), Fault::Malformed(_)));
        let frame = bare_reply(XID, &opt(100, &vec![0; length]));
        assert!(matches!(Requestor::following(None).fault(&frame), Fault::Malformed(_)));
    }
}

#[test]
fn nothing_is_told_of_a_message_that_is_broken_further_back() {
    // Whichever of its leases is malformed, none of the others is believed.
    for place in 0..5 {
        let mut leases: Vec<_> = (0..5).map(|last| ia_address(last, 1, 2, &[])).collect();
        leases[place] = opt(5, &[0; 23]);
        let options = [vec![opt(1, &CLIENT), clt(0)], leases].concat();
        assert!(matches!(Requestor::begun().fault(&data(XID, &client_data(&options))), Fault::Malformed(_)));
    }
}

#[test]
fn the_text_of_a_violation_names_the_message_and_the_rule() {
    let mut requestor = Requestor::begun();
    requestor.receive(&reply(XID, &[]));
    let text = requestor.drain().1.unwrap().to_string();
    assert_eq!(text, "protocol violation in message 2 of the connection: LEASEQUERY-REPLY out of turn");
    let mut requestor = Requestor::asking();
    requestor.receive(&message(REPLY, XID, &opt(1, &OWN)));
    let text = requestor.drain().1.unwrap().to_string();
    assert!(text.ends_with("LEASEQUERY-REPLY without OPTION_SERVERID"), "{text}");
}

proptest::proptest! {
    #[test]
    fn arbitrary_octets_never_panic(pieces in proptest::collection::vec(proptest::collection::vec(0_u8.., 0..600), 0..8)) {
        let mut requestor = Requestor::asking();
        for piece in &pieces {
            requestor.receive(piece);
            requestor.drain();
        }
    }

    #[test]
    fn a_changed_octet_never_panics(at in 0_usize..1000, value in 0_u8.., active: bool) {
        let several = client_data(&[opt(1, &CLIENT), ia_address(1, 1, 2, &[]), ia_prefix(2, 3, 4, &opt(13, &[0, 0])), clt(5)]);
        let stream = [reply(XID, &lease(1)), data(XID, &several), data(XID, &status(13, "x")), done(XID)];
        let mut stream = stream.concat();
        let at = at % stream.len();
        stream[at] = value;
        let mut requestor = if active { Requestor::following(Some(START)) } else { Requestor::asking() };
        requestor.receive(&stream);
        requestor.drain();
    }
}
