//! Which messages answer a bulk query, and what they carry besides the data (RFC 5460 sections 5.2, 6.3 and 7.2).

use leasequery_store::{Time, Update};
use leasequery_wire::v6::{MessageType, OptionCode, QueryType, StatusCode};

use crate::support::*;

fn world(leases: u16) -> World {
    let mut world = World::new();
    world.configure(&[&[(address(1, 0), 64)]]);
    for host in 0..leases {
        world.commit(&Update { relay_id: Some(b"\0\x01r"), ..lease(key(1, host), &client(host)) });
    }
    world
}

/// Queries that are about everything in that world.
fn queries() -> Vec<Query> {
    vec![Query::everything(), Query::link(address(1, 0)), Query::relay(b"\0\x01r")]
}

//= rfc5460-5.2-01
//= rfc5460-5.2-03
//= rfc5460-5.2-04
//= rfc5460-5.2.1-03
//= rfc5460-5.2.1-06
//= rfc5460-5.2.2-02
//= rfc5460-5.2.2-03
#[test]
fn one_reply_has_the_first_client_the_rest_follows_and_then_it_is_done() {
    for query in queries() {
        let replies = world(500).ask(&query.xid(0x00fe_dcba));
        let kinds: Vec<_> = replies.iter().map(|reply| reply.kind().0).collect();
        let mut expected = vec![17; 501];
        (expected[0], expected[500]) = (15, 16);
        assert_eq!(kinds, expected);
        assert!(replies.iter().all(|reply| reply.xid() == 0x00fe_dcba));
        assert!(replies[..500].iter().all(|reply| reply.data().is_some()));
        assert!(replies[500].data().is_none());
    }
}

//= rfc5460-5.2-04
//= rfc5460-5.2.1-05
//= rfc5460-5.2.2-03
#[test]
fn a_single_client_is_told_of_in_the_reply() {
    for query in queries() {
        let kinds: Vec<_> = world(1).ask(&query).iter().map(Reply::kind).collect();
        assert_eq!(kinds, [MessageType::LEASE_QUERY_REPLY, MessageType::LEASE_QUERY_DONE]);
    }
}

//= rfc5460-7.2-05
//= rfc5460-6.3-08
//= rfc5460-5.2-01
#[test]
fn an_empty_answer_is_one_reply_without_status_and_without_data() {
    let mut all = queries();
    all.push(Query::address(address(1, 1)));
    all.push(Query::client(ALICE));
    all.push(Query::remote(b"\0\0\0\x01r"));
    for query in all {
        let replies = world(0).ask(&query);
        let [reply] = replies.as_slice() else { panic!("{replies:?}") };
        assert_eq!(reply.kind(), MessageType::LEASE_QUERY_REPLY);
        assert_eq!(reply.codes(), [2, 1]);
        let replies = world(0).ask(&query.base_time());
        assert_eq!(replies.len(), 1);
        assert_eq!(replies[0].codes(), [2, 1, 100]);
    }
}

//= rfc5460-5.2-02
//= rfc5460-5.2.1-07
//= rfc5460-5.2.1-08
//= rfc5460-5.2.1-09
//= rfc5460-5.2.2-05
#[test]
fn only_the_reply_says_who_answers_whom() {
    for query in queries() {
        let replies = world(20).ask(&query.client_id(Some(b"\xff\xfewhoever")));
        assert_eq!(replies[0].codes(), [2, 1, 45]);
        assert_eq!(replies[0].option(OptionCode::SERVER_ID), Some(&SERVER[..]));
        assert_eq!(replies[0].option(OptionCode::CLIENT_ID), Some(&b"\xff\xfewhoever"[..]));
        assert!(replies[1..20].iter().all(|reply| reply.codes() == [45]));
        assert_eq!(replies[20].codes(), []);
    }
}

//= alq6-9.2-09
//= alq6-6.3.1-01
//= alq6-2-01
//= alq6-6.3.1-02
#[test]
fn every_message_of_an_answer_has_the_base_time_if_it_was_asked_for() {
    let mut world = world(20);
    world.store.advance(NOW.plus(33));
    for query in queries() {
        let seconds = (NOW.0 + 33 - 946_684_800).to_be_bytes();
        // In whichever of the two lists.
        for query in
            [query.clone().request(&[100]), query.clone().about(&[100]), query.clone().request(&[23, 100, 100])]
        {
            for reply in world.ask(&query) {
                assert_eq!(reply.option(OptionCode::BASE_TIME), Some(&seconds[..]));
                assert_eq!(reply.codes().iter().filter(|code| **code == 100).count(), 1);
                assert!(reply.data().is_none_or(|data| data.option(100).is_none()));
            }
        }
        assert!(world.ask(&query.request(&[23])).iter().all(|reply| reply.base_time().is_none()));
    }
    let refused = [
        (Query::link(address(7, 0)), StatusCode::NOT_CONFIGURED),
        (Query::by(QueryType::BY_LINK_ADDRESS), StatusCode::MALFORMED_QUERY),
        (Query::by(QueryType(99)), StatusCode::UNKNOWN_QUERY_TYPE),
    ];
    for (query, status) in refused {
        let replies = world.ask(&query.clone().base_time());
        refusal(&replies, status);
        assert_eq!(replies[0].base_time(), Some(NOW.plus(33)));
        assert_eq!(world.ask(&query)[0].base_time(), None);
    }
}

//= alq6-6.3.1-02
#[test]
fn the_base_time_of_a_message_is_when_it_was_made() {
    let mut watch = Watch::new(world(4));
    watch.send(&Query::everything().base_time().frame());
    let mut times = Vec::new();
    loop {
        times.extend(watch.turn(1).iter().filter_map(Reply::base_time));
        if watch.turn != leasequery_protocol::server::Turn::More {
            break;
        }
        watch.later(10);
    }
    assert_eq!(times[..4], [0, 10, 20, 30].map(|seconds| NOW.plus(seconds)));
    assert!(times[4] >= NOW.plus(40));
}

//= alq6-2-01
#[test]
fn no_time_wraps_around() {
    let mut world = World::new();
    world.commit(&lease(key(1, 1), ALICE));
    // 2^32 - 1 seconds since 2000 are in 2136, and not just before 2000.
    let since = Query::by(QueryType::BY_LINK_ADDRESS).since(Time(EPOCH - 1));
    assert!(since.frame().ends_with(&[0, 101, 0, 4, 0xff, 0xff, 0xff, 0xff]));
    assert_eq!(world.keys(&since), []);
    let until = Query::by(QueryType::BY_LINK_ADDRESS).until(Time(EPOCH - 1));
    assert_eq!(world.keys(&until), [key(1, 1)]);
}
