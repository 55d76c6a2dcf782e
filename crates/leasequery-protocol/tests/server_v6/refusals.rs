//! Queries that are not answered, and how that is said (RFC 5007 section 4.1.3, RFC 5460 sections 5.5 and 7.2).

use leasequery_protocol::server::v6::V6;
use leasequery_protocol::server::{Allow, CloseReason, Event, Limits, Policy};
use leasequery_wire::v6::{MessageType, OptionCode, QueryType, StatusCode};

use crate::support::*;

fn world() -> World {
    let mut world = World::new();
    world.commit(&lease(key(1, 1), ALICE));
    world.commit(&lease(key(1, 2), BOB));
    world
}

/// The text of a refusal, behind which the connection goes on being used.
fn refused(query: &Query, status: StatusCode) -> String {
    let mut watch = Watch::new(world());
    let replies = watch.ask(&query.clone().xid(0x00ab_cdef));
    let text = refusal(&replies, status);
    assert_eq!(replies[0].xid(), 0x00ab_cdef);
    assert_eq!(replies[0].codes()[..2], [2, 1]);
    assert_eq!(replies[0].option(OptionCode::SERVER_ID), Some(&SERVER[..]));
    assert_eq!(replies[0].option(OptionCode::CLIENT_ID), Some(&REQUESTOR[..]));
    let event = Event::Refused { xid: 0x00ab_cdef, status: status.into(), text: text.clone() };
    assert_eq!(watch.events(), [event]);
    assert_eq!(answer(&watch.ask(&Query::everything())).len(), 2, "the connection stays");
    text
}

//= rfc5007-4.1.3-01
//= rfc5460-5.5-01
//= rfc7653-options-01
#[test]
fn statuses_have_their_numbers() {
    let statuses = [
        StatusCode::UNKNOWN_QUERY_TYPE,
        StatusCode::MALFORMED_QUERY,
        StatusCode::NOT_CONFIGURED,
        StatusCode::NOT_ALLOWED,
        StatusCode::QUERY_TERMINATED,
        StatusCode::DATA_MISSING,
        StatusCode::CATCH_UP_COMPLETE,
        StatusCode::NOT_SUPPORTED,
        StatusCode::TLS_CONNECTION_REFUSED,
    ];
    assert_eq!(statuses.map(|status| status.0), [7, 8, 9, 10, 11, 12, 13, 14, 15]);
}

//= rfc5007-4.1.3-01
//= rfc5460-7.2-02
//= rfc5460-7.2-03
//= rfc5460-5.2.1-04
//= rfc5460-6.3-08
#[test]
fn a_query_of_an_unknown_kind_is_told_so() {
    for number in (6..=255).chain([0]) {
        refused(&Query::by(QueryType(number)), StatusCode(7));
    }
}

//= rfc5007-4.1.3-01
//= rfc5460-7.2-02
//= rfc5460-7.2-03
//= rfc5460-6.3-08
//= rfc5007-4.1.2.1-01
//= rfc3315-22.1-01
//= rfc4649-3-01
//= rfc3315-22.6-01
//= rfc3315-22.7-01
#[test]
fn a_malformed_query_is_told_what_is_wrong() {
    let client_id = |value: &[u8]| Query::by(QueryType::BY_CLIENT_ID).inner(OptionCode::CLIENT_ID, value);
    let raw = |value: &[u8]| Query::of_kind(MessageType::LEASE_QUERY).outer(OptionCode::QUERY, value);
    let address = |value: &[u8]| Query::by(QueryType::BY_ADDRESS).inner(OptionCode::IA_ADDRESS, value);
    let queries = [
        (raw(&[]), "option 44 cannot have 0 octets"),
        (raw(&[2; 16]), "option 44 cannot have 16 octets"),
        (raw(&[&[2][..], &[0; 16], &[0, 1]].concat()), "option 1 has no length"),
        (raw(&[&[2][..], &[0; 16], &[0, 1, 0, 9, 0]].concat()), "option 1 says 9 octets, 1 left"),
        (Query::by(QueryType::BY_ADDRESS), "QUERY_BY_ADDRESS has no OPTION_IAADDR"),
        (address(&[0; 23]), "option 5 cannot have 23 octets"),
        (Query::by(QueryType::BY_CLIENT_ID), "QUERY_BY_CLIENTID has no OPTION_CLIENTID"),
        (client_id(&[0; 131]), "option 1 cannot have 131 octets"),
        (client_id(&[0]), "option 1 cannot have 1 octets"),
        (Query::by(QueryType::BY_RELAY_ID), "QUERY_BY_RELAY_ID has no OPTION_RELAY_ID"),
        (Query::relay(&[0]), "option 53 cannot have 1 octets"),
        (Query::by(QueryType::BY_REMOTE_ID), "QUERY_BY_REMOTE_ID has no OPTION_REMOTE_ID"),
        (Query::remote(&[0; 4]), "option 37 cannot have 4 octets"),
        (Query::by(QueryType::BY_LINK_ADDRESS), "a query by link-address has to name a link"),
        (Query::client(ALICE).inner(OptionCode::REQUEST, &[0, 47, 0]), "option 6 cannot have 3 octets"),
        (Query::client(ALICE).outer(OptionCode::REQUEST, &[0, 47, 0]), "option 6 cannot have 3 octets"),
        (Query::client(ALICE).outer(OptionCode::START_TIME, &[0; 3]), "option 101 cannot have 3 octets"),
    ];
    for (query, part) in queries {
        let text = refused(&query, StatusCode(8));
        assert!(text.contains(part), "{text:?} does not tell of {part:?}");
    }
}

//= rfc5007-4.1.3-01
//= rfc5460-7.2-03
//= rfc5460-6.3-08
#[test]
fn what_is_on_no_link_of_the_server_is_told_so() {
    for query in [Query::address(address(9, 1)), Query::client(ALICE).on(address(9, 0)), Query::link(address(9, 0))] {
        refused(&query, StatusCode(9));
    }
}

//= rfc3315-22.13-01
#[test]
fn the_text_of_a_status_fills_its_option() {
    let replies = world().ask(&Query::by(QueryType::BY_LINK_ADDRESS));
    let text = b"a query by link-address has to name a link";
    assert_eq!(replies[0].option(OptionCode::STATUS_CODE), Some(&[&[0, 8][..], text].concat()[..]));
}

fn without(bulk: bool, active: bool) -> Policy {
    Policy { allow: Allow { udp: true, bulk, active }, ..permitted() }
}

//= rfc5460-7.1-04
//= rfc5460-7.1-07
//= rfc5007-4.4.1-03
//= rfc5007-4.4.1-04
//= rfc5460-6.3-08
#[test]
fn who_may_not_send_bulk_queries_is_told_so() {
    let text = refusal(&world().ask_as(&Query::everything(), without(false, true)), StatusCode(10));
    assert_eq!(text, "bng-1 may not send bulk queries");
}

//= alq6-6.2-04
//= alq6-9.2-02
//= alq6-9.2-03
//= alq6-9.2-10
//= alq6-9.2-11
//= alq6-6.2.1-07
//= alq6-9.1-01
#[test]
fn an_active_query_that_is_refused_is_told_so_in_one_reply_and_the_connection_is_closed() {
    let bad = Query::by(QueryType(99)).active();
    let queries = [
        (active().until(NOW), permitted(), 8),
        (active().since(NOW).until(NOW.plus(5)), permitted(), 8),
        (active().outer(OptionCode::END_TIME, &[0]), permitted(), 8),
        (active().outer(OptionCode::START_TIME, &[0]), permitted(), 8),
        (active().client_id(None), permitted(), 8),
        (Query { outer: Vec::new(), ..active() }.outer(OptionCode::REQUEST, &[1]), permitted(), 8),
        (active().outer(OptionCode::QUERY, &[1]), permitted(), 8),
        (Query::by(QueryType::BY_LINK_ADDRESS).active(), permitted(), 8),
        (Query::by(QueryType::BY_CLIENT_ID).active(), permitted(), 8),
        (bad, permitted(), 7),
        (Query::link(address(9, 0)).active(), permitted(), 9),
        (active(), without(true, false), 10),
    ];
    for (query, policy, status) in queries {
        let mut watch = Watch::with(world(), policy, Limits::default());
        let replies = watch.ask(&query.clone().xid(77));
        let text = refusal(&replies, StatusCode(status));
        assert!(!text.is_empty());
        assert_eq!(replies[0].xid(), 77);
        assert_eq!(replies[0].option(OptionCode::SERVER_ID), Some(&SERVER[..]));
        assert_eq!(watch.closed(), Some(CloseReason::Refused(77)));
        watch.assert_over();
    }
}

//= rfc7653-active-04
//= rfc7653-active-05
#[test]
fn where_active_queries_are_not_enabled_that_is_said_and_the_connection_closed() {
    let protocol = V6::new(SERVER.into(), permitted().into(), false);
    let mut watch = Watch::around(world(), protocol, Limits::default());
    assert_eq!(answer(&watch.ask(&Query::everything())).len(), 2);
    let replies = watch.ask(&active().xid(5));
    assert_eq!(refusal(&replies, StatusCode(14)), "active queries are not answered here");
    assert_eq!(replies[0].xid(), 5);
    assert_eq!(watch.events().pop(), Some(Event::Closing(CloseReason::Refused(5))));
    watch.assert_over();
}

//= rfc7653-active-02
//= rfc7653-active-03
#[test]
fn by_default_nobody_may_send_active_queries() {
    // It takes both: that they are answered at all, and that this requestor may send them.
    let policy = Policy { name: "bng-2".to_owned(), ..Policy::default() };
    let text = refusal(&world().ask_as(&active(), policy), StatusCode::NOT_ALLOWED);
    assert_eq!(text, "bng-2 may not send active queries");
}
