//! Messages on a stream (RFC 5460 section 5.1), and what has no place there.

use leasequery_protocol::server::{CloseReason, Turn};
use leasequery_wire::v6::{MessageType, OptionCode, StatusCode};

use crate::support::*;

fn world() -> World {
    let mut world = World::new();
    for (number, key) in (0..).zip([key(1, 1), key(1, 2), key(1, 3)]) {
        world.commit(&lease(key, &client(number)));
    }
    world
}

//= rfc5460-5.1-03
#[test]
fn queries_are_understood_however_they_are_cut() {
    let stream = [Query::everything().xid(1).frame(), Query::address(address(1, 2)).xid(2).frame()].concat();
    let sorted = |mut replies: Vec<Reply>| {
        replies.sort_by_key(Reply::xid);
        replies
    };
    let mut whole = Watch::new(world());
    whole.send(&stream);
    let expected = sorted(whole.listen());
    assert_eq!(expected.len(), 4 + 2);
    for cut in 1..stream.len() {
        let mut watch = Watch::new(world());
        watch.send(&stream[..cut]);
        let mut replies = watch.listen();
        watch.send(&stream[cut..]);
        replies.extend(watch.listen());
        assert_eq!(sorted(replies), expected, "cut at {cut}");
    }
    let mut watch = Watch::new(world());
    let mut replies = Vec::new();
    for octet in &stream {
        assert!(watch.connection.wants_read());
        watch.send(&[*octet]);
        replies.extend(watch.listen());
    }
    assert_eq!(sorted(replies), expected, "octet by octet");
}

//= rfc5460-5.1-01
//= rfc5460-5.1-02
//= rfc5460-4-06
//= rfc3315-6-01
//= rfc3315-22.1-01
//= rfc5007-4.1.2.2-01
//= rfc5007-4.1.2.3-01
//= rfc3315-22.6-01
//= rfc3633-10-01
//= rfc5460-5.2.1-01
//= rfc5460-5.2.2-01
#[test]
fn an_answer_octet_by_octet() {
    let mut world = World::new();
    world.commit(&lease(key(1, 1), b"\0\x04a"));
    world.commit(&lease(delegated(1), b"\0\x04b"));
    world.store.advance(NOW.plus(0x10));
    let mut watch = Watch::new(world);
    watch.send(&Query::everything().base_time().xid(0x00ab_cdef).frame());
    let mut out = watch.octets(PLENTY);
    while watch.turn == Turn::More {
        out.extend(watch.octets(PLENTY));
    }
    // 1,700,000,016 less 946,684,800.
    let base_time = "00640004".to_owned() + "2ce6ad90";
    let expected = [
        "0057 0f abcdef",
        "0002000a 000300010200000000fe",
        "0001000a 000300010200000000aa",
        &base_time,
        "002d002b",
        "00010003 000461",
        "00050018 20010db8000000010000000000000001 00000e00 00000e00",
        "002e0004 00000010",
        "003c 11 abcdef",
        &base_time,
        "002d002c",
        "00010003 000462",
        "001a0019 00000e00 00000e00 38 20010db8d00001000000000000000000",
        "002e0004 00000010",
        "000c 10 abcdef",
        &base_time,
    ];
    let expected: String = expected.iter().flat_map(|part| part.chars()).filter(|c| *c != ' ').collect();
    let octets: Vec<_> = expected.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
    let octets: Vec<_> = octets.iter().map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    assert_eq!(out, octets);
}

#[test]
fn output_is_appended() {
    let mut watch = Watch::new(world());
    watch.send(&Query::everything().frame());
    let mut out = vec![0xaa];
    watch.connection.poll_transmit(watch.now, &watch.world.store, &mut out, PLENTY);
    assert_eq!(out[0], 0xaa);
    assert_eq!(replies(&out[1..])[0].kind(), MessageType::LEASE_QUERY_REPLY);
}

#[test]
fn a_turn_stops_behind_the_message_that_fills_the_room() {
    let mut watch = Watch::new(world());
    watch.send(&Query::everything().frame());
    let mut messages = 0;
    loop {
        let told = watch.turn(1).len();
        assert!(told <= 1);
        messages += told;
        if watch.turn == Turn::Idle {
            break;
        }
    }
    assert_eq!(messages, 4);
}

//= rfc5460-4-03
#[test]
fn messages_of_other_types_end_the_connection_without_an_answer() {
    let served = [MessageType::LEASE_QUERY, MessageType::ACTIVE_LEASE_QUERY, MessageType::START_TLS];
    for kind in (0..=255).map(MessageType).filter(|kind| !served.contains(kind)) {
        let mut watch = Watch::new(world());
        assert_eq!(watch.ask(&Query { kind, ..Query::everything() }), [], "{kind}");
        assert_eq!(watch.closed(), Some(CloseReason::Unsupported(kind.into())));
        watch.assert_over();
    }
}

//= rfc5460-4-03
#[test]
fn a_message_of_another_type_ends_the_other_queries_too_and_they_are_told() {
    let mut watch = Watch::new(world());
    watch.send(&Query::everything().xid(7).frame());
    assert_eq!(watch.turn(1).len(), 1);
    watch.send(&Query::of_kind(MessageType(1)).xid(8).frame());
    let replies = watch.listen();
    let [last] = replies.as_slice() else { panic!("{replies:?}") };
    assert_eq!((last.kind(), last.xid()), (MessageType::LEASE_QUERY_DONE, 7));
    assert_eq!(last.status(), Some(StatusCode::QUERY_TERMINATED));
    assert!(last.text().ends_with("has no place here"), "{}", last.text());
    watch.assert_over();
}

/// What is sent, and whether it ends the connection for the right reason.
type Nonsense = (Vec<u8>, fn(&CloseReason) -> bool);

//= rfc5460-5.1-02
//= rfc3315-22.1-01
#[test]
fn what_is_no_message_ends_the_connection_without_an_answer() {
    let mut overrun = Query::everything().frame();
    overrun[2 + 4 + 3] = 200;
    let frames: [Nonsense; 6] = [
        (vec![0, 0], |reason| matches!(reason, CloseReason::Frame(fault) if fault.length == 0)),
        (vec![0, 3, 14, 0, 0], |reason| matches!(reason, CloseReason::Frame(fault) if fault.length == 3)),
        (overrun, |reason| matches!(reason, CloseReason::Malformed(_))),
        (vec![0, 5, 14, 0, 0, 1, 0], |reason| matches!(reason, CloseReason::Malformed(_))),
        (vec![0, 7, 14, 0, 0, 1, 0, 44, 0], |reason| matches!(reason, CloseReason::Malformed(_))),
        (vec![0, 4, 14, 0, 0, 1], |reason| matches!(reason, CloseReason::Unusable(_))),
    ];
    for (octets, right) in frames {
        let mut watch = Watch::new(world());
        watch.send(&octets);
        assert_eq!(watch.listen(), [], "{octets:?}");
        let reason = watch.closed().expect("closed");
        assert!(right(&reason), "{octets:?}: {reason}");
        watch.assert_over();
    }
}

#[test]
fn what_no_answer_would_make_sense_to_ends_the_connection_without_one() {
    let queries = [
        (Query::everything().client_id(None), "a query without OPTION_CLIENTID"),
        (Query::of_kind(MessageType::LEASE_QUERY), "a query without OPTION_LQ_QUERY"),
        (Query::everything().outer(OptionCode::SERVER_ID, &REQUESTOR), "a query to another server"),
        (active().outer(OptionCode::SERVER_ID, &REQUESTOR), "a query to another server"),
    ];
    for (query, reason) in queries {
        let mut watch = Watch::new(world());
        assert_eq!(watch.ask(&query), []);
        assert_eq!(watch.closed(), Some(CloseReason::Unusable(reason)));
        watch.assert_over();
    }
    let named = Query::everything().outer(OptionCode::SERVER_ID, &SERVER);
    assert_eq!(answer(&Watch::new(world()).ask(&named)).len(), 3, "this very server");
}

//= rfc7653-tls-23
//= rfc7653-tls-30
#[test]
fn tls_is_refused_in_the_clear_and_the_connection_stays() {
    let start = Query::of_kind(MessageType::START_TLS);
    let queries = [start.clone().client_id(None), start.clone(), start.clone().outer(OptionCode(200), b"?")];
    for query in queries {
        let mut watch = Watch::new(world());
        let replies = watch.ask(&query.clone().xid(99));
        let [reply] = replies.as_slice() else { panic!("{replies:?}") };
        assert_eq!((reply.kind(), reply.kind().0, reply.xid()), (MessageType::REPLY, 7, 99));
        assert_eq!(reply.status(), Some(StatusCode(15)));
        assert_eq!(reply.option(OptionCode::SERVER_ID), Some(&SERVER[..]));
        assert_eq!(answer(&watch.ask(&Query::everything())).len(), 3, "the connection stays");
        assert_eq!(watch.ask(&query), [], "it is the first message or none");
        assert_eq!(watch.closed(), Some(CloseReason::Unsupported(MessageType::START_TLS.into())));
    }
}
