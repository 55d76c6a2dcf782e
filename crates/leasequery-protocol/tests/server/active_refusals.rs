//! Active queries that are not answered, and what happens to those that may not go on (RFC 7724 sections 8.1 to 8.4).

use std::net::Ipv4Addr;

use leasequery_protocol::server::{Allow, CloseReason, Limits, Policy};
use leasequery_store::{Update, V4Key, VpnName};
use leasequery_wire::v4::{MessageType, OptionCode, StatusCode};

use crate::support::*;
use crate::watch::Said::{Leased, Other, Status};
use crate::watch::*;

/// The text of a refusal with this status, behind which the connection is closed.
fn refused(watch: &mut Watch, query: &Query, status: StatusCode) -> String {
    let replies = watch.ask(&query.clone().xid(99));
    assert_eq!(said(&replies), [Status(status)]);
    let reply = &replies[0];
    assert_eq!((reply.xid(), base_time(reply)), (99, Some(watch.world.store.now())));
    assert_eq!(reply.message().server_identifier(), Ok(Some(SERVER)));
    assert_eq!(watch.closed(), Some(CloseReason::Refused(99)));
    watch.assert_over();
    reply.status().unwrap().1
}

//= rfc7724-8.2-02
//= rfc7724-8.2-03
#[test]
fn a_query_that_is_wrong_is_told_so_by_a_status_and_the_connection_is_closed() {
    let mut named = active();
    named.header.ciaddr = Ipv4Addr::new(10, 0, 0, 1);
    let selector = "an active query is about all bindings, it has no selector";
    let queries = [
        (named, "ciaddr is 10.0.0.1, it must be zero in a query over TCP"),
        (active().mac(MAC_1), selector),
        (active().raw_hardware(0, 0, &MAC_1), selector),
        (active().client_id(b"\0x"), selector),
        (active().remote_id(b"here"), selector),
        (active().relay_id(b"here"), selector),
        (active().mac(MAC_1).client_id(b"\0x"), selector),
        (active().option(OptionCode(154), &[1, 2, 3]), "option 154 cannot have 3 octets"),
        (active().since(NOW).since(NOW), "option 154"),
        (active().list(&[]), "option 55 cannot have 0 octets"),
        (active().vpn(&[77, 0]), "option 221 cannot have the value 77"),
        (active().raw_hardware(1, 17, &MAC_1), "17"),
    ];
    for (query, part) in queries {
        let mut watch = Watch::new(World::new());
        let text = refused(&mut watch, &query, StatusCode::MALFORMED_QUERY);
        assert!(text.contains(part), "{text:?} does not tell of {part:?}");
    }
}

//= rfc7724-8.2-06
//= rfc7724-8.2-07
#[test]
fn query_end_time_is_malformed_in_an_active_query() {
    for query in [active().until(NOW), active().since(NOW).until(NOW), active().option(OptionCode(155), &[1])] {
        refused(&mut Watch::new(World::new()), &query, StatusCode::MALFORMED_QUERY);
    }
}

//= rfc7724-8.1-01
#[test]
fn by_default_no_requestor_may_send_active_queries() {
    let policy = Policy { name: "bng-2".to_owned(), ..Policy::default() };
    let mut watch = Watch::with(World::new(), policy, Limits::default());
    let text = refused(&mut watch, &active(), StatusCode::NOT_ALLOWED);
    assert_eq!(text, "bng-2 may not send active queries");
}

//= rfc7724-8.1-01
//= rfc7724-9-06
#[test]
fn where_active_queries_are_not_enabled_they_end_the_connection_without_an_answer() {
    let world = World::new();
    let mut peer = world.connect();
    assert_eq!(peer.ask(&active()), []);
    assert_eq!(peer.closed(), Some(CloseReason::Unsupported(MessageType::ACTIVE_LEASE_QUERY.into())));
}

//= rfc7724-8-01
#[test]
fn where_active_queries_are_enabled_bulk_queries_are_answered_too() {
    let mut world = World::new();
    world.commit(&lease(key(1)));
    let mut watch = Watch::new(world);
    assert_eq!(bindings(&watch.ask(&Query::all())).len(), 1);
    // The connection is free again.
    assert_eq!(watch.ask(&active()), []);
    watch.world.commit(&lease(key(2)));
    assert_eq!(said(&watch.listen()), [Leased(2)]);
}

//= rfc7724-7.1-05
//= rfc7724-8.4-05
#[test]
fn a_second_active_query_is_refused_and_ends_the_first() {
    // Even if the first one has not been looked at, and whatever the limit.
    for (at_once, queries) in [(false, 4), (true, 4), (false, 1), (true, 1)] {
        let mut watch = Watch::with(World::new(), permitted(), Limits { queries, ..Limits::default() });
        let (first, second) = (active().xid(1).frame(), active().xid(2).frame());
        if at_once {
            watch.send(&[first, second].concat());
        } else {
            watch.send(&first);
            assert_eq!(watch.listen(), []);
            watch.send(&second);
        }
        let replies = watch.listen();
        assert_eq!(said(&replies), [Status(StatusCode::NOT_ALLOWED), TERMINATED]);
        assert_eq!(replies.iter().map(Reply::xid).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(watch.closed(), Some(CloseReason::Refused(2)));
        watch.assert_over();
    }
}

#[test]
fn a_bulk_query_beside_an_active_one_is_refused_and_ends_it() {
    let mut watch = Watch::begun(World::new());
    let replies = watch.ask(&Query::all().xid(2));
    assert_eq!(said(&replies), [Other(MessageType::LEASE_QUERY_DONE), TERMINATED]);
    assert_eq!(replies[0].status().unwrap().0, StatusCode::NOT_ALLOWED);
    assert_eq!(replies[0].xid(), 2);
    watch.assert_over();
}

#[test]
fn an_active_query_beside_a_bulk_query_is_refused_and_ends_it() {
    let mut world = World::new();
    world.configure(key(0), key(999));
    let mut watch = Watch::new(world);
    watch.send(&[Query::all().xid(1).frame(), active().xid(2).frame()].concat());
    let replies = watch.listen();
    assert_eq!(said(&replies), [Status(StatusCode::NOT_ALLOWED), Other(MessageType::LEASE_QUERY_DONE)]);
    assert_eq!(replies.iter().map(Reply::xid).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(replies[1].status().unwrap().0, StatusCode::QUERY_TERMINATED);
    watch.assert_over();
}

//= rfc7724-8.4-04
//= rfc7724-8.4-05
#[test]
fn whatever_else_comes_beside_an_active_query_ends_it_with_a_word() {
    let messages = [
        Query::of_kind(MessageType::TLS).frame(),
        Query::of_kind(MessageType::DISCOVER).frame(),
        vec![0, 1],
        [vec![0, 240], vec![0; 240]].concat(),
    ];
    for message in messages {
        let mut watch = Watch::begun(World::new());
        watch.send(&message);
        assert_eq!(said(&watch.listen()), [TERMINATED]);
        watch.assert_over();
    }
}

//= rfc7724-3-02
#[test]
fn withheld_options_are_left_out_though_they_are_listed() {
    let policy = Policy { withhold: vec![12], ..permitted() };
    let mut watch = Watch::with(World::new(), policy, Limits::default());
    watch.ask(&active().list(&[51, 12, 60]));
    watch.world.commit(&Update { options: &[(12, b"host"), (60, b"class")], ..lease(key(1)) });
    assert_eq!(watch.listen()[0].codes(), [54, 51, 60]);
}

//= rfc7724-3-02
#[test]
fn a_change_of_what_is_withheld_holds_from_the_next_message_on() {
    let mut watch = Watch::new(World::new());
    watch.ask(&active().list(&[51, 12, 60]));
    let mut codes = |withhold: &[u16], number| {
        assert_eq!(watch.set_policy(Policy { withhold: withhold.to_vec(), ..permitted() }), []);
        watch.world.commit(&Update { options: &[(12, b"host"), (60, b"class")], ..lease(key(number)) });
        watch.listen()[0].codes()
    };
    assert_eq!(codes(&[], 1), [54, 51, 12, 60]);
    assert_eq!(codes(&[12], 2), [51, 60]);
    assert_eq!(codes(&[60], 3), [51, 12]);
    assert_eq!(codes(&[], 4), [51, 12, 60]);
}

//= rfc7724-8.4-04
//= rfc7724-8.4-05
#[test]
fn a_requestor_that_may_no_longer_ask_is_told_and_disconnected() {
    let fewer = Policy { vpns: Some(vec![VpnName::Name(b"red".as_slice().into())]), ..permitted() };
    let changes = [
        (Policy { allow: Allow { active: false, ..permitted().allow }, ..permitted() }, "no longer permitted"),
        (fewer, "other VPNs are permitted now"),
    ];
    for (policy, reason) in changes {
        let mut watch = Watch::begun(World::new());
        watch.world.commit(&lease(key(1)));
        let replies = watch.set_policy(policy);
        assert_eq!(said(&replies), [TERMINATED], "nothing is told any more");
        assert_eq!(watch.closed(), Some(CloseReason::Terminated(reason.to_owned())));
        watch.assert_over();
    }
}

#[test]
fn a_requestor_that_may_no_longer_send_bulk_queries_keeps_its_active_one() {
    let mut watch = Watch::begun(World::new());
    let allow = Allow { bulk: false, ..permitted().allow };
    assert_eq!(watch.set_policy(Policy { allow, ..permitted() }), []);
    watch.world.commit(&lease(key(1)));
    assert_eq!(said(&watch.listen()), [Leased(1)]);
}

/// What is told again, and then: nothing that changed before is left out, and no base-time promises what is untold.
#[test]
fn what_is_newly_permitted_is_told_at_once() {
    let narrow = [
        Policy { withhold: vec![12], ..permitted() },
        Policy { vpns: Some(Vec::new()), ..permitted() },
        Policy { relays: Some(vec![(address(9).into(), 32)]), ..permitted() },
    ];
    for policy in narrow {
        let mut world = World::new();
        let vpn = world.vpn("red");
        let in_red = V4Key { vpn, address: address(2) };
        world.commit(&Update { options: &[(12, b"host")], ..lease(key(1)) });
        world.commit(&lease(in_red));
        let mut watch = Watch::with(world, policy, Limits::default());
        watch.ask(&active().list(&[12, 152]));
        watch.later(10);
        assert_eq!(watch.set_policy(permitted()), [], "the session goes on");
        watch.world.commit(&lease(key(3)));
        let replies = watch.listen();
        let told: Vec<_> = replies.iter().map(Reply::address).collect();
        assert_eq!(told, [address(1), address(2), address(3)]);
        assert_eq!(replies[0].option(OptionCode(12)).as_deref(), Some(&b"host"[..]));
        assert!(replies.iter().all(|reply| base_time(reply) == Some(NOW.plus(10))));
        assert_eq!(
            watch.set_policy(Policy { widened: Some(NOW), ..permitted() }),
            [],
            "it is not told again without need"
        );
        assert_eq!(watch.listen(), []);
    }
}

#[test]
fn whoever_comes_back_from_before_more_was_permitted_is_told_everything() {
    let told = |since: u32, until: Option<u32>, kind: MessageType| {
        let mut world = World::new();
        world.commit(&lease(key(1)));
        world.store.advance(NOW.plus(200));
        let policy = Policy { widened: Some(NOW.plus(100)), ..permitted() };
        let mut watch = Watch::with(world, policy, Limits::default());
        let mut query = Query::of_kind(kind).since(NOW.plus(since));
        if let Some(until) = until {
            query = query.until(NOW.plus(until));
        }
        watch.ask(&query).iter().filter(|reply| reply.kind() == MessageType::LEASE_ACTIVE).count()
    };
    for kind in [MessageType::ACTIVE_LEASE_QUERY, MessageType::BULK_LEASE_QUERY] {
        assert_eq!(told(90, None, kind), 1);
        assert_eq!(told(105, None, kind), 1, "that may have been said before the change reached the session");
        assert_eq!(told(150, None, kind), 0, "it has been told since");
    }
    assert_eq!(told(90, Some(110), MessageType::BULK_LEASE_QUERY), 1);
    assert_eq!(told(50, Some(90), MessageType::BULK_LEASE_QUERY), 0);
}
