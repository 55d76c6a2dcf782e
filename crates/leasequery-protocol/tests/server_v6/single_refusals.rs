//! Single queries that are refused, and datagrams that are not answered (RFC 5007 sections 4.2 and 4.4.1).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use leasequery_protocol::server::v6::answer as answer_datagram;
use leasequery_protocol::server::{Allow, Policy, Silence, Verdict};
use leasequery_wire::v6::{MessageType, OptionCode, QueryType, StatusCode};
use leasequery_wire::{DecodeError, Problem};

use super::single::{FROM, ask, ask_as, datagram, refused, send, silence, told, world};
use crate::support::*;

/// A link that is none of the server's.
const ELSEWHERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xeeee, 0, 0, 0, 0, 1);

/// A query with this as its OPTION_LQ_QUERY.
fn raw(value: &[u8]) -> Query {
    Query::of_kind(MessageType::LEASE_QUERY).outer(OptionCode::QUERY, value)
}

fn good() -> Query {
    Query::address(address(1, 1))
}

//= rfc5007-4.1.3-01
//= rfc5007-4.1.2.1-11
#[test]
fn a_query_of_an_unknown_kind_is_told_so() {
    let world = world();
    for number in (6..=255).chain([0]) {
        refused(&world, &Query::by(QueryType(number)), StatusCode(7));
        // Whatever it has, and wherever it is.
        let query = Query { selector: Some((QueryType(number), ELSEWHERE)), ..good() };
        refused(&world, &query, StatusCode(7));
    }
}

//= rfc5007-4.1.3-01
//= rfc5007-4.1.2.1-12
#[test]
fn a_query_without_what_its_kind_needs_is_malformed() {
    let world = world();
    let needs = [
        (QueryType::BY_ADDRESS, Query::client(ALICE)),
        (QueryType::BY_CLIENT_ID, good()),
        (QueryType::BY_RELAY_ID, Query::remote(b"\0\0\0\x01r")),
        (QueryType::BY_REMOTE_ID, Query::relay(b"\0\x01r")),
    ];
    for (query_type, other) in needs {
        let wrong = Query { selector: Some((query_type, Ipv6Addr::UNSPECIFIED)), ..other };
        // Nor does it help to have it beside OPTION_LQ_QUERY.
        let beside = wrong.inner.iter().fold(Query::by(query_type), |query, (code, value)| query.outer(*code, value));
        for query in [Query::by(query_type), wrong, beside] {
            let tcp = world.ask(&query);
            refusal(&tcp, StatusCode(8));
            if [QueryType::BY_ADDRESS, QueryType::BY_CLIENT_ID].contains(&query_type) {
                assert_eq!(refused(&world, &query, StatusCode(8)), tcp[0].text());
            }
        }
    }
}

//= rfc5007-4.1.3-01
//= rfc5007-4.1.2.1-12
#[test]
fn a_query_that_cannot_be_read_is_malformed() {
    let world = world();
    let head = |query_type: u8| [&[query_type][..], &[0; 16]].concat();
    let with = |query_type, rest: &[u8]| raw(&[&head(query_type), rest].concat());
    let queries = [
        (raw(&[]), "option 44 cannot have 0 octets"),
        (raw(&head(1)[..16]), "option 44 cannot have 16 octets"),
        (with(1, &[0, 5]), "option 5 has no length"),
        (with(1, &[0, 5, 0, 24, 0]), "option 5 says 24 octets, 1 left"),
        (with(1, &options(&[(5, &[0; 23])])), "option 5 cannot have 23 octets"),
        (with(2, &options(&[(1, &[0; 1])])), "option 1 cannot have 1 octets"),
        (with(2, &options(&[(1, &[0; 131])])), "option 1 cannot have 131 octets"),
        (good().inner(OptionCode::REQUEST, &[0, 23, 0]), "option 6 cannot have 3 octets"),
        (good().outer(OptionCode::REQUEST, &[0]), "option 6 cannot have 1 octets"),
    ];
    for (query, expected) in queries {
        let text = refused(&world, &query, StatusCode(8));
        assert!(text.contains(expected), "{text:?} instead of {expected:?}");
    }
    assert!(told(&world, &Query::client(&[7; 130])).is_none(), "the longest DUID");
}

//= rfc5007-4.1.3-01
//= rfc5007-4.4.1-07
#[test]
fn a_link_that_is_none_of_ours_is_not_configured() {
    let world = world();
    let text = "2001:db8:eeee::1 is on no link of this server";
    for query in [good().on(ELSEWHERE), Query::client(ALICE).on(ELSEWHERE), Query::address(ELSEWHERE)] {
        assert_eq!(refused(&world, &query, StatusCode(9)), text);
    }
    // An address of ours does not make up for a link that is not.
    refused(&world, &Query::address(ELSEWHERE).on(ELSEWHERE), StatusCode(9));
    // Where a link is named, it is the one that counts.
    assert_eq!(told(&world, &Query::address(ELSEWHERE).on(address(1, 0))), None);
    // A client-id names no link, so that nothing is missing.
    assert_eq!(told(&world, &Query::client(b"\0\x03\0\x01nobody")), None);
}

//= rfc5007-4.1.3-01
//= rfc5460-4-04
//= rfc5460-4-05
#[test]
fn queries_for_tcp_are_not_allowed_whatever_else_is_wrong_with_them() {
    let world = world();
    for number in [3, 4, 5_u8] {
        let by = |link| Query { selector: Some((QueryType(number), link)), ..Query::relay(b"\0\x01r") };
        let head = [&[number][..], &[0; 16]].concat();
        let queries = [
            by(address(1, 0)),
            by(Ipv6Addr::UNSPECIFIED).inner(OptionCode::REMOTE_ID, b"\0\0\0\x01r"),
            // Not configured.
            by(ELSEWHERE),
            // Malformed: nothing to look for, or it, or what is asked for, cannot be read.
            Query::by(QueryType(number)),
            Query::by(QueryType(number)).inner(OptionCode::RELAY_ID, b"").inner(OptionCode::REMOTE_ID, b""),
            by(address(1, 0)).inner(OptionCode::REQUEST, b"\0"),
            by(address(1, 0)).outer(OptionCode::REQUEST, b"\0"),
            raw(&[&head[..], &[0, 53]].concat()),
            raw(&[&head[..], &[0, 53, 0, 9, 0]].concat()),
            raw(&head[..16]),
            raw(&head[..1]),
        ];
        for query in queries {
            let text = refused(&world, &query, StatusCode(10));
            assert!(text.ends_with("is for queries over TCP"), "{text:?}");
        }
    }
    // They find something where they belong.
    assert_eq!(world.keys(&Query::link(address(1, 0))).len(), 3);
}

//= rfc5007-4.2.1-02
//= rfc5007-4.2.1-03
//= rfc5007-4.2.1-04
#[test]
fn a_query_from_nobody_to_another_or_for_nothing_is_dropped() {
    let world = world();
    let silence = |query: &Query| silence(&world, &datagram(query));
    let nobody = Silence::Unusable("a query without OPTION_CLIENTID");
    assert_eq!(silence(&good().client_id(None)), nobody);
    assert_eq!(silence(&Query::client(ALICE).client_id(None)), nobody, "that of a client does not count");
    let other = Silence::Unusable("a query to another server");
    assert_eq!(silence(&good().outer(OptionCode::SERVER_ID, BOB)), other);
    assert_eq!(silence(&good().outer(OptionCode::SERVER_ID, &SERVER[..9])), other);
    let nothing = Query::of_kind(MessageType::LEASE_QUERY);
    assert_eq!(silence(&nothing), Silence::Unusable("a query without OPTION_LQ_QUERY"));
    // Whatever else it is.
    assert_eq!(silence(&Query::by(QueryType(200)).client_id(None)), nobody);
    assert_eq!(silence(&Query::by(QueryType(3)).outer(OptionCode::SERVER_ID, BOB)), other);
    for query in [good(), good().outer(OptionCode::SERVER_ID, &SERVER)] {
        assert!(told(&world, &query).is_some());
    }
    // A name that is none can be neither compared nor repeated.
    for name in [&b""[..], b"\0", &[1; 131]] {
        for query in [good().client_id(Some(name)), good().outer(OptionCode::SERVER_ID, name)] {
            assert!(matches!(silence(&query), Silence::Malformed(_)));
        }
    }
}

//= rfc5007-4.2.2-05
#[test]
fn what_is_no_query_is_dropped() {
    let world = world();
    // A Relay-Forward has another form, and is looked into.
    for kind in (0..=255).filter(|kind| ![14, 12].contains(kind)) {
        let query = Query { kind: MessageType(kind), ..good() };
        assert_eq!(silence(&world, &datagram(&query)), Silence::NotAQuery(kind));
    }
    // An answer of our own that comes back.
    let reply = ask(&world, &good());
    assert_eq!(silence(&world, &reply.0), Silence::NotAQuery(15));
}

//= rfc5460-4-06
#[test]
fn what_is_no_message_is_dropped() {
    let world = world();
    let octets = datagram(&good());
    let problem = |octets: &[u8]| match silence(&world, octets) {
        Silence::Malformed(DecodeError { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(problem(b""), Problem::Truncated { found: 0, least: 4 });
    assert_eq!(problem(&octets[..3]), Problem::Truncated { found: 3, least: 4 });
    // Options may end at the end of one, but not elsewhere.
    for length in 5..octets.len() {
        match silence(&world, &octets[..length]) {
            Silence::Malformed(_) => assert_ne!(length, 18),
            other => assert_eq!((length, other), (18, Silence::Unusable("a query without OPTION_LQ_QUERY"))),
        }
    }
    assert_eq!(silence(&world, &octets[..4]), Silence::Unusable("a query without OPTION_CLIENTID"));
    // On TCP it would have its length in front.
    assert!(matches!(silence(&world, &good().frame()), Silence::Malformed(_)));
}

//= rfc5007-4.4.1-03
//= rfc5007-4.4.1-04
#[test]
fn who_may_not_ask_over_udp_is_not_answered() {
    let world = world();
    let octets = datagram(&good());
    let tcp = Policy { allow: Allow { udp: false, ..permitted().allow }, ..permitted() };
    assert_eq!(send(&world, &octets, &tcp).0, Verdict::Silence(Silence::NotPermitted(FROM.ip())));
    let udp = Policy { allow: Allow { udp: true, bulk: false, active: false }, ..permitted() };
    assert!(ask_as(&world, &good(), &udp).data().is_some());
    let stranger = SocketAddr::from((address(1, 1), FROM.port()));
    let mut out = Vec::new();
    let permit = |source: IpAddr| (source == FROM.ip()).then(|| Arc::new(permitted()));
    let verdict = answer_datagram(&octets, stranger, &SERVER, permit, &world.store, &mut out);
    assert_eq!(verdict, Verdict::Silence(Silence::NotPermitted(stranger.ip())));
    assert_eq!(out, b"");
    // Nor is it told that its datagram is none.
    assert_eq!(send(&world, b"", &tcp).0, Verdict::Silence(Silence::NotPermitted(FROM.ip())));
}

//= rfc5007-4.4.1-14
#[test]
fn any_requestor_is_answered_by_its_name() {
    let world = world();
    for name in [&b"\0\x01"[..], &[0xff; 130]] {
        for query in [good(), Query::by(QueryType(200)), Query::by(QueryType(3)), Query::address(ELSEWHERE)] {
            let reply = ask(&world, &query.client_id(Some(name)));
            assert_eq!(reply.option(OptionCode::CLIENT_ID), Some(name));
        }
    }
}
