//! Messages on a stream (RFC 6926 section 6.1), and what has no place there.

use leasequery_protocol::server::{CloseReason, Limits, Policy, Turn};
use leasequery_wire::v4::{BOOT_REPLY, MessageType, OptionCode, StatusCode};

use crate::support::*;

fn world() -> World {
    let mut world = World::new();
    world.configure(key(0), key(2));
    world.commit(&lease(key(1)));
    world
}

//= rfc6926-6.1-02
#[test]
fn queries_are_understood_however_they_are_cut() {
    let world = world();
    let stream = [Query::all().xid(1).frame(), Query::all().xid(2).mac(MAC_1).frame()].concat();
    let mut whole = world.connect();
    whole.send(&stream);
    let expected = whole.listen();
    assert_eq!(expected.len(), 5);
    for cut in 1..stream.len() {
        let mut peer = world.connect();
        peer.send(&stream[..cut]);
        let mut replies = peer.listen();
        peer.send(&stream[cut..]);
        replies.extend(peer.listen());
        replies.sort_by_key(Reply::xid);
        let mut sorted = expected.clone();
        sorted.sort_by_key(Reply::xid);
        assert_eq!(replies, sorted, "cut at {cut}");
    }
    let mut peer = world.connect();
    let mut replies = Vec::new();
    for octet in &stream {
        assert!(peer.connection.wants_read());
        peer.send(&[*octet]);
        replies.extend(peer.listen());
    }
    assert_eq!(replies.len(), 5, "octet by octet");
}

//= rfc6926-6.1-01
#[test]
fn output_is_whole_messages_behind_their_lengths() {
    let world = world();
    let mut connection = connection(Policy::default(), Limits::default(), TIMEOUT);
    connection.handle_bytes(TIMEOUT, &Query::all().frame());
    let mut out = vec![0xaa];
    connection.poll_transmit(TIMEOUT, &world.store, &mut out, PLENTY);
    assert_eq!(out[0], 0xaa, "output is appended");
    let mut rest = &out[1..];
    let mut ends = Vec::new();
    while let [high, low, behind @ ..] = rest {
        let (message, next) = behind.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        assert_eq!(message[0], BOOT_REPLY);
        ends.push(message.last().copied());
        rest = next;
    }
    assert_eq!(ends, [Some(255); 4]);
}

//= rfc6926-6.1-04
//= rfc6926-7.1-04
#[test]
fn queries_written_back_to_back_are_all_answered() {
    let world = world();
    let mut peer = world.connect();
    let stream: Vec<u8> = (1..=4).flat_map(|xid| Query::all().xid(xid).frame()).collect();
    peer.send(&stream);
    let replies = peer.listen();
    for xid in 1..=4 {
        let own: Vec<_> = replies.iter().filter(|reply| reply.xid() == xid).cloned().collect();
        assert_eq!(bindings(&own).len(), 3);
    }
}

#[test]
fn a_turn_stops_behind_the_message_that_fills_the_room() {
    let world = world();
    let mut peer = world.connect();
    peer.send(&Query::all().frame());
    let lengths: Vec<_> = std::iter::from_fn(|| Some(peer.turn(1).len()).filter(|length| *length > 0)).collect();
    assert_eq!(lengths, [1, 1, 1, 1]);
}

/// What is sent, and whether it ends the connection for the right reason.
type Nonsense = (Vec<u8>, fn(&CloseReason) -> bool);

fn nonsense() -> Vec<Nonsense> {
    let frame = Query::all().frame();
    let with = |offset: usize, value: u8| {
        let mut frame = frame.clone();
        frame[offset] = value;
        frame
    };
    let mut short = frame[..2 + 239].to_vec();
    short[1] = 239;
    let mut without_type = frame.clone();
    without_type[2 + 240] = 0;
    without_type[2 + 241] = 0;
    without_type[2 + 242] = 0;
    let overrun = with(2 + 241, 77);
    vec![
        (vec![0, 0], |reason| matches!(reason, CloseReason::Frame(fault) if fault.length == 0)),
        (short, |reason| matches!(reason, CloseReason::Frame(fault) if fault.length == 239)),
        (with(2 + 236, 98), |reason| matches!(reason, CloseReason::Malformed(_))),
        (without_type, |reason| matches!(reason, CloseReason::Malformed(_))),
        (overrun, |reason| matches!(reason, CloseReason::Malformed(_))),
        (with(2, BOOT_REPLY), |reason| *reason == CloseReason::NotARequest(2)),
    ]
}

//= rfc2131-3-01
//= rfc2131-3-02
//= rfc2131-2-03
#[test]
fn what_is_no_query_of_dhcp_ends_the_connection_without_an_answer() {
    let world = world();
    for (octets, right) in nonsense() {
        let mut peer = world.connect();
        peer.send(&octets);
        assert_eq!(peer.listen(), []);
        assert_eq!(peer.turn, Turn::Close);
        let reason = peer.closed().expect("closed");
        assert!(right(&reason), "{reason}");
        assert!(!peer.connection.wants_read());
    }
}

//= rfc7724-8.1.1-01
//= rfc6926-5-01
//= rfc6926-7.3-14
#[test]
fn messages_of_other_types_end_the_connection_without_an_answer() {
    let world = world();
    for kind in
        (0..=255).map(MessageType).filter(|kind| ![MessageType::BULK_LEASE_QUERY, MessageType::TLS].contains(kind))
    {
        let mut peer = world.connect();
        peer.send(&Query::of_kind(kind).frame());
        assert_eq!(peer.listen(), [], "{kind}");
        assert_eq!(peer.closed(), Some(CloseReason::Unsupported(kind.into())));
    }
}

//= rfc7724-8.1.1-01
//= rfc6926-8.5-06
#[test]
fn a_message_of_another_type_ends_the_other_queries_too_and_they_are_told() {
    let world = world();
    let mut peer = world.connect();
    peer.send(&Query::all().xid(7).frame());
    assert_eq!(peer.turn(1).len(), 1);
    peer.send(&Query::of_kind(MessageType::DISCOVER).xid(8).frame());
    let replies = peer.listen();
    let text = "DHCPDISCOVER has no place here".to_owned();
    assert_eq!(replies.iter().map(Reply::status).collect::<Vec<_>>(), [Some((StatusCode::QUERY_TERMINATED, text))]);
    assert_eq!(replies[0].xid(), 7);
    assert_eq!(peer.closed(), Some(CloseReason::Unsupported(MessageType::DISCOVER.into())));
}

//= rfc7724-8.1-07
//= rfc7724-8.1-18
//= rfc7724-8.1-17
#[test]
fn tls_is_refused_in_the_clear_and_the_connection_stays() {
    let world = world();
    let options = Query::of_kind(MessageType::TLS).list(&[51]).client_id(b"x").option(OptionCode(200), b"?");
    for query in [Query::of_kind(MessageType::TLS), options] {
        let mut peer = world.connect();
        let replies = peer.ask(&query.xid(99));
        assert_eq!(replies.len(), 1);
        assert_eq!((replies[0].kind(), replies[0].xid()), (MessageType::TLS, 99));
        assert_eq!(replies[0].codes(), [151]);
        assert_eq!(replies[0].status().unwrap().0, StatusCode::TLS_CONNECTION_REFUSED);
        assert_eq!(bindings(&peer.ask(&Query::all())).len(), 3, "the connection stays");
    }
}

//= rfc7724-8.1.1-01
#[test]
fn tls_is_the_first_message_or_ends_the_connection() {
    let world = world();
    for first in [Query::all(), Query::all().client_id(b"x"), Query::of_kind(MessageType::TLS)] {
        let mut peer = world.connect();
        peer.ask(&first);
        assert_eq!(peer.ask(&Query::of_kind(MessageType::TLS)), []);
        assert_eq!(peer.closed(), Some(CloseReason::Unsupported(MessageType::TLS.into())));
    }
}
