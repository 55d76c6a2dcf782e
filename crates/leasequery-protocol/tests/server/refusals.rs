//! Queries that are not answered (RFC 6926 section 8.2), and that all else goes on.

use std::net::Ipv4Addr;

use leasequery_protocol::server::{Allow, Event, Policy};
use leasequery_store::Update;
use leasequery_wire::v4::{MessageType, OptionCode, StatusCode};

use crate::support::*;

fn world() -> World {
    let mut world = World::new();
    world.configure(key(0), key(3));
    world
}

//= rfc6926-8.2-09
#[test]
fn a_query_that_names_an_address_in_the_header_is_malformed() {
    let world = world();
    let somewhere = Ipv4Addr::new(10, 0, 0, 1);
    for field in ["ciaddr", "yiaddr", "siaddr"] {
        let mut query = Query::all();
        match field {
            "ciaddr" => query.header.ciaddr = somewhere,
            "yiaddr" => query.header.yiaddr = somewhere,
            _ => query.header.siaddr = somewhere,
        }
        let text = refusal(&world.ask(&query), StatusCode::MALFORMED_QUERY);
        assert_eq!(text, format!("{field} is 10.0.0.1, it must be zero in a query over TCP"));
    }
    let mut query = Query::all();
    query.header.giaddr = somewhere;
    assert_eq!(world.addresses(&query).len(), 4, "giaddr does not matter");
}

//= rfc6926-8.2-10
#[test]
fn a_query_with_two_primary_selectors_is_not_allowed() {
    let world = world();
    let queries = [
        Query::all().mac(MAC_1).client_id(b"id"),
        Query::all().mac(MAC_1).remote_id(b"id"),
        Query::all().mac(MAC_1).relay_id(b"id"),
        Query::all().client_id(b"id").remote_id(b"id"),
        Query::all().client_id(b"id").relay_id(b"id"),
        Query::all().relay_info(&[(2, b"id"), (12, b"id")]),
    ];
    for query in &queries {
        let text = refusal(&world.ask(query), StatusCode::NOT_ALLOWED);
        assert!(text.starts_with("2 of MAC address"), "{text}");
    }
    let query = Query::all().mac(MAC_1).client_id(b"id").relay_info(&[(2, b"id"), (12, b"id")]);
    assert!(refusal(&world.ask(&query), StatusCode::NOT_ALLOWED).starts_with("4 of"));
}

/// Queries whose options are wrong in themselves, and a part of what is said about it.
fn malformed() -> Vec<(Query, &'static str)> {
    vec![
        (Query::all().client_id(b"x"), "client-identifier has 1 octets"),
        (Query::all().client_id(b""), "client-identifier has 0 octets"),
        (Query::all().remote_id(b""), "Remote ID is empty"),
        (Query::all().relay_id(b""), "Relay-ID is empty"),
        (Query::all().option(OptionCode(82), &[2, 9, 0]), "says 9 octets, 1 left"),
        (Query::all().option(OptionCode(82), &[152, 1, 0]), "option 152 cannot have 1 octets"),
        (Query::all().option(OptionCode(154), &[1, 2, 3]), "option 154 cannot have 3 octets"),
        (Query::all().option(OptionCode(155), &[1, 2, 3, 4, 5]), "option 155 cannot have 5 octets"),
        (Query::all().list(&[]), "option 55 cannot have 0 octets"),
        (Query::all().vpn(&[]), "option 221 cannot have 0 octets"),
        (Query::all().vpn(&[1, 0, 0]), "option 221 cannot have 3 octets"),
        (Query::all().vpn(&[255, 0]), "option 221 cannot have 2 octets"),
        (Query::all().vpn(&[77, 0]), "option 221 cannot have the value 77"),
        (
            Query::all().since(NOW.plus(500)).until(NOW),
            "query-start-time 1700000500 is after query-end-time 1700000000",
        ),
    ]
}

//= rfc6926-8.2-05
//= rfc6926-8.2-03
//= rfc6926-8.2-06
#[test]
fn a_bad_option_is_reported_and_the_connection_serves_the_next_query() {
    let world = world();
    let mut peer = world.connect();
    for (query, part) in malformed() {
        let text = refusal(&peer.ask(&query), StatusCode::MALFORMED_QUERY);
        assert!(text.contains(part), "{text:?} does not tell of {part:?}");
        assert_eq!(bindings(&peer.ask(&Query::all())).len(), 4);
    }
    assert_eq!(peer.closed(), None);
}

//= rfc6926-7.2-12
#[test]
fn a_qualifier_given_twice_is_malformed() {
    let world = world();
    let queries =
        [Query::all().since(NOW).since(NOW), Query::all().until(NOW).until(NOW), Query::all().vpn(&[255]).vpn(&[255])];
    for query in &queries {
        refusal(&world.ask(query), StatusCode::MALFORMED_QUERY);
    }
}

//= rfc6926-8.1-06
//= rfc6926-8.1-07
//= rfc6926-9-04
#[test]
fn a_requestor_without_bulk_is_told_so_and_stays_connected() {
    let world = world();
    let allow = Allow { udp: true, bulk: false, active: true };
    let mut peer = world.connect_as(Policy { name: "bng-1".to_owned(), allow, ..Policy::default() });
    for _ in 0..2 {
        let text = refusal(&peer.ask(&Query::all()), StatusCode::NOT_ALLOWED);
        assert_eq!(text, "bng-1 may not send bulk queries");
    }
    let refused = Event::Refused {
        xid: 0x0102_0304,
        status: StatusCode::NOT_ALLOWED.into(),
        text: "bng-1 may not send bulk queries".to_owned(),
    };
    assert_eq!(peer.events(), [refused.clone(), refused]);
}

//= rfc6926-8.2-02
//= rfc6926-8.2-03
#[test]
fn the_last_message_of_every_answer_is_done_with_a_status_if_and_only_if_it_failed() {
    let world = world();
    let fine = [Query::all(), Query::all().mac(MAC_1), Query::all().since(NOW)];
    let refused = malformed().into_iter().map(|(query, _)| query).chain([Query::all().mac(MAC_1).client_id(b"id")]);
    for (query, fails) in fine.into_iter().map(|query| (query, false)).chain(refused.map(|query| (query, true))) {
        let replies = world.ask(&query);
        let (done, before) = replies.split_last().unwrap();
        assert_eq!(done.kind(), MessageType::LEASE_QUERY_DONE);
        assert!(before.iter().all(|reply| reply.kind() != MessageType::LEASE_QUERY_DONE));
        assert_eq!(done.status().is_some_and(|(code, _)| code != StatusCode::SUCCESS), fails);
    }
}

#[test]
fn a_refusal_carries_the_servers_time() {
    let world = world();
    let [reply] = &world.ask(&Query::all().client_id(b"x"))[..] else { panic!("one message") };
    assert_eq!(reply.number(OptionCode::BASE_TIME), Some(NOW.0));
}

//= rfc6926-9-07
#[test]
fn authentication_in_a_query_is_ignored_and_never_sent() {
    let mut world = world();
    world.commit(&Update { options: &[(90, b"secret")], ..lease(key(1)) });
    let replies = world.ask(&Query::all().option(OptionCode::AUTHENTICATION, &[1; 30]).list(&[90, 152]));
    assert_eq!(bindings(&replies).len(), 4);
    assert!(replies.iter().all(|reply| !reply.codes().contains(&90)));
}
