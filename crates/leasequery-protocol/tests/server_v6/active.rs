//! Active queries (RFC 7653 sections 6, 8 and 9): what is told, and in which messages.

use std::net::Ipv6Addr;

use leasequery_protocol::server::{Allow, CloseReason, Limits, Policy, Turn};
use leasequery_store::{Budget, Link, State, Time, Update, V6Key};
use leasequery_wire::v6::{MessageType, OptionCode, QueryType, StatusCode};

use crate::support::*;

/// With an active query that has no start-time, to which nothing but the beginning is said yet.
fn begun(world: World) -> Watch {
    let mut watch = Watch::new(world);
    let replies = watch.ask(&active());
    assert_eq!(said(&replies), [Said::Nothing]);
    assert_eq!(replies[0].kind(), MessageType::LEASE_QUERY_REPLY);
    watch
}

fn renewed(key: V6Key, client: &[u8], seconds: u32) -> Update<'_, V6Key> {
    let (heard, expires) = (NOW.plus(seconds), NOW.plus(seconds).plus(3600));
    Update { last_transaction: Some(heard), expires: Some(expires), ..lease(key, client) }
}

//= alq6-6.2-01
//= alq6-6.2-03
//= rfc7653-active-01
//= alq6-8.1-03
//= alq6-9.2-06
#[test]
fn the_reply_comes_at_once_though_there_is_nothing_to_tell_and_says_who_answers_whom() {
    let mut world = World::new();
    world.commit(&lease(key(1, 1), ALICE));
    let mut watch = Watch::new(world);
    let query = active().xid(0x00ab_cdef);
    assert_eq!(query.frame()[2], 22);
    let replies = watch.ask(&query);
    let [reply] = replies.as_slice() else { panic!("{replies:?}") };
    assert_eq!((reply.kind(), reply.xid()), (MessageType::LEASE_QUERY_REPLY, 0x00ab_cdef));
    assert_eq!(reply.codes(), [2, 1, 100]);
    assert_eq!(reply.option(OptionCode::SERVER_ID), Some(&SERVER[..]));
    assert_eq!(reply.option(OptionCode::CLIENT_ID), Some(&REQUESTOR[..]));
}

//= alq6-6.1-01
//= alq6-4-02
//= alq6-2-02
#[test]
fn an_active_response_octet_by_octet() {
    let mut watch = begun(World::new());
    watch.later(0x10);
    watch.world.commit(&lease(key(1, 1), b"\0\x04a"));
    let leased = watch.octets(PLENTY);
    watch.world.release(key(1, 1));
    let ended = watch.octets(PLENTY);
    let expected = |lifetimes: [u8; 8]| {
        let parts = [
            &[0, 59, 17, 1, 2, 3][..],
            // 1,700,000,016 less 946,684,800.
            &[0, 100, 0, 4, 0x2c, 0xe6, 0xad, 0x90],
            &[0, 45, 0, 43, 0, 1, 0, 3, 0, 4, b'a'],
            &[0, 5, 0, 24],
            &address(1, 1).octets(),
            &lifetimes,
            &[0, 46, 0, 4, 0, 0, 0, 0x10],
        ];
        parts.concat()
    };
    assert_eq!(leased, expected([0, 0, 14, 0, 0, 0, 14, 0]));
    assert_eq!(ended, expected([0; 8]));
}

//= alq6-6.2-02
//= alq6-6.2-01
//= alq6-8.1-03
//= alq6-4-02
//= alq6-4-03
//= alq6-3-02
//= alq6-9.2-06
#[test]
fn a_session_is_one_reply_then_data_and_never_done() {
    let mut watch = Watch::new(World::new());
    let mut replies = watch.ask(&active().xid(77));
    for number in 0..100 {
        watch.world.commit(&lease(key(1, number), &client(number)));
        replies.extend(watch.listen_after(30));
        replies.extend(watch.listen_after(60));
    }
    assert!(replies.len() > 200);
    assert_eq!(replies[0].kind().0, 15);
    for reply in &replies[1..] {
        assert_eq!((reply.kind().0, reply.xid()), (17, 77));
        assert!([&[100, 45][..], &[100]].contains(&&*reply.codes()), "{:?}", reply.codes());
    }
    assert_eq!(watch.turn, Turn::Idle);
}

//= rfc7653-active-10
//= alq6-3-02
//= alq6-2-02
#[test]
fn each_change_of_a_lease_is_told_in_the_next_turn() {
    for key in [key(1, 1), delegated(1)] {
        let mut watch = begun(World::new());
        let mut tell = |update: Update<'_, V6Key>| {
            watch.world.commit(&update);
            said(&watch.listen())
        };
        assert_eq!(tell(lease(key, ALICE)), [there(key)]);
        assert_eq!(tell(lease(key, ALICE)), [], "it is no change to say the same again");
        assert_eq!(tell(renewed(key, ALICE, 10)), [there(key)], "renewed");
        assert_eq!(tell(renewed(key, BOB, 10)), [there(key), over(key), there(key)], "another client");
        assert_eq!(tell(Update { remote: true, ..renewed(key, BOB, 10) }), [there(key)], "heard of from a partner");
        assert_eq!(tell(Update { state: State::Released, ..lease(key, BOB) }), [over(key)]);
        assert_eq!(tell(lease(key, ALICE)), [there(key), over(key), there(key)], "whose end was told already");
        watch.world.store.end_lease(watch.world.source, key, State::Available);
        assert_eq!(said(&watch.listen()), [over(key)], "deleted");
    }
}

/// Which client has which host of a link, or lost it.
fn whose(replies: &[Reply]) -> Vec<(Vec<u8>, u16, bool)> {
    let told = |data: Data| data.leases.into_iter().map(move |lease| (data.client.clone(), lease));
    let told = replies.iter().filter_map(Reply::data).flat_map(told);
    told.map(|(client, lease)| (client, lease.key.address().segments()[7], lease.valid > 0)).collect()
}

//= alq6-2-02
//= alq6-3-02
#[test]
fn a_client_whose_address_another_one_gets_is_told_to_have_lost_it() {
    let (lost, has) =
        (|client: &[u8], host| (client.to_vec(), host, false), |client: &[u8], host| (client.to_vec(), host, true));
    let mut watch = begun(World::new());
    watch.world.commit(&lease(key(1, 1), ALICE));
    watch.world.commit(&lease(key(1, 2), ALICE));
    watch.world.commit(&lease(key(1, 3), BOB));
    watch.listen();
    watch.later(5);
    watch.world.commit(&renewed(key(1, 1), BOB, 5));
    let told = whose(&watch.listen());
    let both = [has(BOB, 1), has(BOB, 3)];
    assert_eq!(told, [&both[..], &[lost(ALICE, 1)], &both].concat(), "it is never free, whoever keeps what of it");
    watch.world.commit(&renewed(key(1, 1), BOB, 6));
    assert_eq!(whose(&watch.listen()), both, "it is told once");

    // Who comes back is told of whatever was lost since, and nobody of what he has by now.
    watch.later(5);
    watch.world.commit(&renewed(key(1, 1), b"\0\x04c", 10));
    watch.world.commit(&renewed(key(1, 1), ALICE, 11));
    let mut late = Watch::new(watch.world);
    let told = whose(&late.ask(&active().since(NOW.plus(6))));
    let of_first: Vec<_> = told.into_iter().filter(|(_, host, _)| *host == 1).collect();
    let has = || has(ALICE, 1);
    assert_eq!(of_first, [has(), lost(BOB, 1), has(), lost(b"\0\x04c", 1), has()]);

    // Nobody is known to have it.
    late.world.commit(&Update { whole: true, ..Update::new(key(1, 1), State::Abandoned) });
    assert_eq!(whose(&late.listen()), [lost(ALICE, 1)]);
}

#[test]
fn what_was_told_ahead_is_told_again_behind_the_loss_of_the_former_client() {
    let mut watch = begun(World::new());
    watch.world.commit(&lease(key(1, 1), ALICE));
    watch.listen();
    // Both leases of Bob are told with the other one.
    watch.later(5);
    watch.world.commit(&renewed(key(1, 2), BOB, 5));
    watch.world.commit(&renewed(key(1, 1), BOB, 5));
    let told = whose(&watch.listen());
    let of_first: Vec<_> =
        told.iter().filter(|(_, host, _)| *host == 1).map(|(client, _, has)| (&client[..], *has)).collect();
    assert_eq!(of_first, [(BOB, true), (BOB, true), (ALICE, false), (BOB, true)]);
}

//= alq6-2-02
#[test]
fn a_lease_that_runs_out_is_told_once_with_lifetimes_of_zero_though_no_source_says_so() {
    let mut watch = begun(World::new());
    watch.world.commit(&Update { expires: Some(NOW.plus(50)), ..lease(key(1, 1), ALICE) });
    watch.world.commit(&lease(key(1, 2), ALICE));
    assert_eq!(said(&watch.listen()), [Said::Leases(vec![(key(1, 1), true), (key(1, 2), true)])]);
    assert_eq!(watch.listen_after(49), []);
    let replies = watch.listen_after(1);
    let [reply] = replies.as_slice() else { panic!("{replies:?}") };
    let data = reply.data().unwrap();
    assert_eq!(data.client, ALICE);
    let left: Vec<_> = data.leases.iter().map(|lease| (lease.key, lease.preferred, lease.valid)).collect();
    assert_eq!(left, [(key(1, 2), 3550, 3550), (key(1, 1), 0, 0)]);
    assert_eq!(data.codes(), [1, 5, 5, 46]);
    // And from then on it is not spoken of.
    watch.world.commit(&renewed(key(1, 2), ALICE, 50));
    assert_eq!(said(&watch.listen()), [there(key(1, 2))]);
    assert_eq!(said(&watch.listen_after(60)), [Said::Nothing]);
}

//= alq6-2-02
#[test]
fn what_a_source_no_longer_has_is_told() {
    let mut watch = begun(World::new());
    watch.world.commit(&lease(key(1, 1), ALICE));
    assert_eq!(said(&watch.listen()), [there(key(1, 1))]);
    let source = watch.world.source;
    watch.world.store.begin_sweep(source);
    assert!(watch.world.store.end_sweep(source, &mut leasequery_store::SweepEnd::default(), &Budget::new(64)));
    assert_eq!(said(&watch.listen()), [over(key(1, 1))]);
}

#[test]
fn what_has_no_client_cannot_be_told() {
    let mut watch = begun(World::new());
    watch.world.commit(&Update::new(key(1, 1), State::Abandoned));
    watch.world.commit(&Update::new(key(1, 2), State::Active));
    assert_eq!(said(&watch.listen()), []);
}

//= alq6-6.2.1-06
#[test]
fn without_a_query_in_it_an_active_query_is_about_everything() {
    let mut watch = begun(World::new());
    watch.world.commit(&Update { remote_id: Some(b"\0\0\0\x01a"), ..lease(key(1, 1), ALICE) });
    watch.world.commit(&Update { relay_id: Some(b"\0\x01r"), ..lease(key(2, 1), BOB) });
    watch.world.commit(&lease(delegated(1), ALICE));
    assert_eq!(said(&watch.listen()), [there(key(1, 1)), there(key(2, 1)), there(delegated(1))]);
}

//= alq6-6.2.1-06
#[test]
fn a_query_in_it_is_a_filter() {
    let mut world = World::new();
    let network = |number| Link { address: address(number, 0), networks: vec![(address(number, 0), 64)] };
    world.store.set_links(None, vec![network(1), network(2)]);
    let queries: [(Query, &[u16]); 6] = [
        (Query::link(address(1, 99)), &[1, 2]),
        (Query::client(ALICE), &[1, 3]),
        (Query::client(ALICE).on(address(2, 0)), &[3]),
        (Query::relay(b"\0\x01r"), &[2, 3]),
        (Query::remote(b"\0\0\0\x01a"), &[4]),
        (Query::address(address(1, 2)), &[2]),
    ];
    for (query, expected) in queries {
        let mut watch = Watch::new(world);
        assert_eq!(said(&watch.ask(&query.active().base_time())), [Said::Nothing]);
        let seconds = watch.now.as_secs().try_into().unwrap();
        let update = |key, client| renewed(key, client, seconds);
        watch.world.commit(&update(key(1, 1), ALICE));
        watch.world.commit(&Update { relay_id: Some(b"\0\x01r"), ..update(key(1, 2), BOB) });
        watch.world.commit(&Update { relay_id: Some(b"\0\x01r"), ..update(key(2, 3), ALICE) });
        watch.world.commit(&Update { remote_id: Some(b"\0\0\0\x01a"), ..update(key(2, 4), BOB) });
        let told: Vec<_> = watch.listen().iter().flat_map(|reply| reply.data().unwrap().leases).collect();
        let hosts: Vec<_> = told.iter().map(|lease| lease.key.address().segments()[7]).collect();
        assert_eq!(hosts, expected);
        world = watch.world;
        for (link, host) in [(1, 1), (1, 2), (2, 3), (2, 4)] {
            world.release(key(link, host));
        }
    }
}

//= alq6-9.2-07
//= alq6-4-02
//= alq6-6.2.1-07
//= alq6-6.3.1-03
#[test]
fn a_client_looks_as_in_bulk() {
    let info = [&[0; 16][..], &[12, 0], &[0; 32]].concat();
    for codes in [&[][..], &[23, 47], &[39], &[47, 5, 1, 4711]] {
        let mut world = World::new();
        world.commit(&lease(key(1, 2), ALICE));
        let mut watch = Watch::new(world);
        let list = [codes, &[100]].concat();
        // Without a query in it, the only list there is counts.
        watch.ask(&Query::of_kind(MessageType::ACTIVE_LEASE_QUERY).request(&list));
        watch.later(100);
        watch.world.commit(&Update {
            relay_info: Some(&info),
            options: &[(23, b"dns"), (39, b"name")],
            renews: Some(NOW.plus(500)),
            ..renewed(key(1, 1), ALICE, 100)
        });
        watch.later(5);
        let bulk = watch.world.ask(&Query::client(ALICE).about(codes).base_time());
        let told = watch.listen();
        assert_eq!(told[0].data(), bulk[0].data());
        assert_eq!(told[0].base_time(), bulk[0].base_time());
        assert_eq!(told.len(), 1);
    }
}

//= alq6-6.2.1-07
#[test]
fn the_list_inside_of_the_query_counts_if_there_is_one() {
    let mut watch = Watch::new(World::new());
    watch.ask(&Query::client(ALICE).about(&[23]).request(&[39]).active());
    watch.world.commit(&Update { options: &[(23, b"dns"), (39, b"name")], ..lease(key(1, 1), ALICE) });
    assert_eq!(watch.listen()[0].data().unwrap().codes(), [1, 5, 46, 23]);
}

//= alq6-9.2-08
//= alq6-6.3.1-02
#[test]
fn every_message_has_the_base_time_if_it_was_asked_for_in_whichever_list() {
    let queries = [
        (active(), true),
        (Query::client(ALICE).about(&[100]).active(), true),
        (Query::client(ALICE).about(&[23]).request(&[24, 100]).active(), true),
        (Query::of_kind(MessageType::ACTIVE_LEASE_QUERY), false),
        (Query::client(ALICE).about(&[23]).active(), false),
    ];
    for (query, asked) in queries {
        for since in [None, Some(NOW.plus(1))] {
            let mut watch = Watch::new(World::new());
            watch.world.store.advance(NOW.plus(1));
            watch.world.commit(&lease(key(1, 9), ALICE));
            let query = since.map_or(query.clone(), |since| query.clone().since(since));
            let mut told = vec![(1, watch.ask(&query))];
            watch.later(9);
            watch.world.commit(&lease(key(1, 1), ALICE));
            told.push((10, watch.listen()));
            told.push((70, watch.listen_after(60)));
            for (seconds, replies) in told {
                assert!(!replies.is_empty());
                let time = asked.then_some(NOW.plus(seconds));
                assert!(replies.iter().all(|reply| reply.base_time() == time), "{seconds}");
            }
            // The last word has it anyway.
            assert_eq!(watch.terminate("over")[0].base_time(), Some(NOW.plus(70)));
        }
    }
}

//= alq6-6.3.1-03
#[test]
fn times_of_a_message_count_from_its_base_time() {
    let mut watch = begun(World::new());
    for number in 1..3 {
        watch.later(10);
        watch.world.commit(&lease(key(number, 1), &client(number)));
    }
    watch.later(10);
    let times = |reply: &Reply| {
        let data = reply.data().unwrap();
        (reply.base_time().unwrap().since(NOW), data.leases[0].valid, data.clt)
    };
    let told: Vec<_> = watch.listen().iter().map(times).collect();
    // All has been told with the second one, so its time is now.
    assert_eq!(told, [(10, 3590, 10), (30, 3570, 30)]);
    // Who did not ask for it counts from now.
    let mut watch = Watch::new(World::new());
    watch.ask(&Query::of_kind(MessageType::ACTIVE_LEASE_QUERY));
    for number in 1..3 {
        watch.world.commit(&lease(key(number, 1), &client(number)));
        watch.later(10);
    }
    let valid: Vec<_> = watch.listen().iter().map(|reply| reply.data().unwrap().leases[0].valid).collect();
    assert_eq!(valid, [3580, 3580]);
}

//= alq6-7-02
//= alq6-7-03
#[test]
fn what_changes_often_while_the_reader_stands_still_is_told_once_as_it_is_then() {
    let mut watch = begun(World::new());
    watch.world.commit(&lease(key(1, 1), ALICE));
    assert_eq!(watch.listen().len(), 1);
    watch.connection.handle_progress(watch.now, 0, 300);
    for change in 0..10_000 {
        let number = u16::try_from(change % 100).unwrap();
        watch.world.commit(&renewed(key(1, number), &client(number), change));
    }
    watch.world.release(key(1, 7));
    watch.later(60);
    watch.connection.handle_progress(watch.now, 300, 0);
    let replies = watch.listen();
    let all = (0..100).filter(|number| *number != 7).map(|number| there(key(1, number)));
    // Alice lost the first one, which somebody else has.
    let expected = [there(key(1, 1)), over(key(1, 1))].into_iter().chain(all).chain([over(key(1, 7))]);
    assert_eq!(said(&replies), expected.collect::<Vec<_>>());
    let data = replies[100].data().unwrap();
    assert_eq!((data.client, data.leases[0].valid), (client(99), 9999 + 3600), "the last of its changes");
    assert_eq!(watch.listen(), []);
}

//= rfc5007-4.1.2.2-02
//= alq6-7-03
#[test]
fn changes_of_a_client_on_a_link_that_wait_together_are_told_in_one_message() {
    let mut watch = begun(World::new());
    for (link, host) in [(1, 1), (2, 1), (1, 2), (1, 3), (2, 2)] {
        watch.world.commit(&lease(key(link, host), ALICE));
    }
    let leases = |keys: &[V6Key]| Said::Leases(keys.iter().map(|key| (*key, true)).collect());
    let expected = [leases(&[key(1, 1), key(1, 2), key(1, 3)]), leases(&[key(2, 1), key(2, 2)])];
    assert_eq!(said(&watch.listen()), expected);
    // What was told ahead is told again when it changes again.
    watch.world.commit(&renewed(key(1, 1), ALICE, 1));
    watch.world.commit(&renewed(key(1, 3), ALICE, 1));
    watch.later(1);
    assert_eq!(said(&watch.turn(1)), expected[..1]);
    watch.world.release(key(1, 3));
    watch.world.commit(&renewed(key(1, 2), ALICE, 1));
    let ended = Said::Leases(vec![(key(1, 1), true), (key(1, 2), true), (key(1, 3), false)]);
    assert_eq!(said(&watch.listen()), [ended]);
}

//= alq6-6.3.1-03
#[test]
fn a_client_that_was_heard_after_the_base_time_is_told_of_again() {
    let mut watch = begun(World::new());
    watch.later(10);
    watch.world.commit(&renewed(key(1, 1), ALICE, 10));
    watch.later(10);
    watch.world.commit(&renewed(key(1, 2), ALICE, 20));
    watch.later(10);
    let heard = |reply: &Reply| reply.base_time().unwrap().minus(reply.data().unwrap().clt);
    let replies = watch.listen();
    assert_eq!(replies.last().map(heard), Some(NOW.plus(20)));
}

#[test]
fn one_of_very_many_leases_of_a_client_is_told_for_itself() {
    let mut world = World::new();
    for host in 0..500 {
        world.commit(&lease(key(1, host), ALICE));
    }
    let mut watch = begun(world);
    for host in 0..500 {
        watch.world.commit(&renewed(key(1, host), ALICE, 1));
    }
    watch.later(1);
    let replies = watch.listen();
    assert_eq!(said(&replies), (0..500).map(|host| there(key(1, host))).collect::<Vec<_>>());
}

#[test]
fn a_client_with_leases_on_very_many_links_costs_no_look_at_all_of_them_for_each() {
    // Whoever took one would look at hundreds of millions.
    let mut watch = begun(World::new());
    for number in 0..20_000 {
        watch.world.commit(&lease(key(number, 1), ALICE));
    }
    assert_eq!(said(&watch.listen()), (0..20_000).map(|number| there(key(number, 1))).collect::<Vec<_>>());
    assert_eq!(watch.world.keys(&Query::client(ALICE)).len(), 20_000);
}

#[test]
fn a_client_with_very_long_options_is_told_of_all_the_same() {
    let long = vec![7; 40_000];
    let info = vec![0; 30_000];
    let mut watch = Watch::new(World::new());
    watch.ask(&Query::of_kind(MessageType::ACTIVE_LEASE_QUERY).request(&[17, 47]));
    // Each would fit, but not both.
    watch.world.commit(&Update {
        options: &[(17, long.as_slice())],
        relay_info: Some(&info[..25_000]),
        ..lease(key(1, 1), ALICE)
    });
    assert_eq!(said(&watch.listen()), [there(key(1, 1))]);
    watch.world.commit(&Update {
        options: &[(17, &long[..35_000])],
        relay_info: Some(&info),
        ..lease(key(1, 1), ALICE)
    });
    assert_eq!(said(&watch.listen()), [there(key(1, 1))]);
}

//= alq6-8.3-02
//= alq6-8.3-03
//= alq6-8.3-04
//= alq6-8.3-05
//= alq6-8.3-06
//= rfc7653-close-02
//= rfc7653-close-03
//= rfc5460-5.5-02
#[test]
fn terminating_says_so_as_the_last_word_and_closes() {
    for query in [active(), Query::of_kind(MessageType::ACTIVE_LEASE_QUERY)] {
        let mut watch = Watch::new(World::new());
        watch.ask(&query.xid(9));
        watch.later(5);
        let last = watch.terminate("the server is ending");
        let [done] = last.as_slice() else { panic!("{last:?}") };
        assert_eq!((done.kind(), done.xid()), (MessageType::LEASE_QUERY_DONE, 9));
        assert_eq!((done.status(), done.text()), (Some(StatusCode(11)), "terminated: the server is ending".to_owned()));
        assert_eq!(done.base_time(), Some(NOW.plus(5)), "whether it was asked for or not");
        assert_eq!(watch.closed(), Some(CloseReason::Terminated("the server is ending".to_owned())));
        assert_eq!(watch.terminate("again"), []);
        watch.assert_over();
    }
}

//= alq6-8.3-03
#[test]
fn the_last_word_to_whom_nothing_was_said_is_a_reply() {
    let mut watch = Watch::new(World::new());
    // What follows the query ends the connection before there is a turn.
    watch.send(&[active().frame(), vec![0, 1]].concat());
    let replies = watch.listen();
    assert_eq!(said(&replies), [TERMINATED]);
    assert_eq!(replies[0].kind(), MessageType::LEASE_QUERY_REPLY);
    assert_eq!(replies[0].codes(), [2, 1, 100, 13]);
    watch.assert_over();
}

//= alq6-8.3-04
#[test]
fn the_last_word_has_the_time_of_the_oldest_change_that_was_not_sent() {
    let mut watch = begun(World::new());
    for number in 1..5 {
        watch.later(10);
        watch.world.commit(&lease(key(number, 1), &client(number)));
    }
    assert_eq!(said(&watch.turn(1)), [there(key(1, 1))]);
    watch.later(10);
    watch.world.release(key(2, 1));
    watch.later(10);
    assert_eq!(watch.terminate("over")[0].base_time(), Some(NOW.plus(30)));
}

//= rfc7653-close-04
//= alq6-8.6-01
#[test]
fn the_requestors_end_is_answered_with_ours_whatever_is_left_to_say() {
    for unsaid in [0, 10] {
        let mut watch = begun(World::new());
        for number in 0..unsaid {
            watch.world.commit(&lease(key(1, number), ALICE));
        }
        watch.connection.handle_eof();
        assert_eq!(watch.listen(), []);
        assert_eq!(watch.closed(), Some(CloseReason::Peer));
        watch.assert_over();
    }
}

//= alq6-8.6-01
#[test]
fn the_requestor_may_close_at_any_octet() {
    let query = active().frame();
    let octets = [query.clone(), query.clone()].concat();
    for length in 0..octets.len() {
        let mut watch = Watch::new(World::new());
        watch.send(&octets[..length]);
        assert_eq!(said(&watch.listen()), vec![Said::Nothing; usize::from(length >= query.len())]);
        watch.world.commit(&lease(key(1, 1), ALICE));
        watch.connection.handle_eof();
        assert_eq!(watch.listen(), []);
        assert_eq!(watch.closed(), Some(CloseReason::Peer));
        watch.assert_over();
    }
}

//= rfc7653-close-02
//= rfc7653-close-03
//= alq6-9.2-04
//= alq6-9.2-05
#[test]
fn who_may_no_longer_ask_is_told_and_disconnected() {
    let mut watch = begun(World::new());
    watch.world.commit(&lease(key(1, 1), ALICE));
    let allow = Allow { active: false, ..permitted().allow };
    assert_eq!(said(&watch.set_policy(Policy { allow, ..permitted() })), [TERMINATED], "nothing is told any more");
    assert_eq!(watch.closed(), Some(CloseReason::Terminated("no longer permitted".to_owned())));
    watch.assert_over();

    let mut watch = begun(World::new());
    let allow = Allow { bulk: false, ..permitted().allow };
    assert_eq!(watch.set_policy(Policy { allow, ..permitted() }), []);
    watch.world.commit(&lease(key(1, 1), ALICE));
    assert_eq!(said(&watch.listen()), [there(key(1, 1))], "it is bulk queries that it may not send");
}

//= alq6-9.2-04
//= alq6-9.2-05
#[test]
fn whatever_comes_beside_an_active_query_ends_it_with_a_word() {
    let messages = [
        Query::of_kind(MessageType::START_TLS).frame(),
        Query::of_kind(MessageType(1)).frame(),
        vec![0, 1],
        vec![0, 4, 14, 0, 0, 0],
    ];
    for message in messages {
        let mut watch = begun(World::new());
        watch.send(&message);
        let replies = watch.listen();
        assert_eq!(said(&replies), [TERMINATED]);
        assert_eq!(replies[0].kind(), MessageType::LEASE_QUERY_DONE);
        watch.assert_over();
    }
}

//= alq6-9.2-04
//= alq6-9.2-05
#[test]
fn another_query_beside_an_active_one_is_refused_and_ends_it() {
    for other in [active(), Query::everything()] {
        // Even if the first one has not been looked at, and whatever the limit.
        for (at_once, queries) in [(false, 4), (true, 4), (false, 1), (true, 1)] {
            let limits = Limits { queries, ..Limits::default() };
            let mut watch = Watch::with(World::new(), permitted(), limits);
            let (first, second) = (active().xid(1).frame(), other.clone().base_time().xid(2).frame());
            if at_once {
                watch.send(&[first, second].concat());
            } else {
                watch.send(&first);
                watch.listen();
                watch.send(&second);
            }
            let replies = watch.listen();
            assert_eq!(said(&replies), [Said::Status(StatusCode::NOT_ALLOWED), TERMINATED]);
            assert_eq!(replies.iter().map(Reply::xid).collect::<Vec<_>>(), [2, 1]);
            assert_eq!(replies[0].base_time(), None, "that would be taken for the time until which all was told");
            assert_eq!(watch.closed(), Some(CloseReason::Refused(2)));
            watch.assert_over();
        }
    }
}

#[test]
fn an_active_query_beside_a_bulk_query_is_refused_and_ends_it() {
    let mut world = World::new();
    for host in 0..1000 {
        world.commit(&lease(key(1, host), &client(host)));
    }
    let mut watch = Watch::new(world);
    watch.send(&[Query::everything().xid(1).frame(), active().xid(2).frame()].concat());
    let replies = watch.listen();
    assert_eq!(said(&replies), [Said::Status(StatusCode::NOT_ALLOWED), TERMINATED]);
    assert_eq!(replies.iter().map(Reply::xid).collect::<Vec<_>>(), [2, 1]);
    watch.assert_over();
}

//= alq6-9-01
#[test]
fn where_active_queries_are_enabled_bulk_queries_are_answered_too() {
    let mut world = World::new();
    world.commit(&lease(key(1, 1), ALICE));
    let mut watch = Watch::new(world);
    let bulk = Query::by(QueryType::BY_LINK_ADDRESS).since(Time(EPOCH)).until(NOW).base_time();
    let replies = watch.ask(&bulk);
    assert_eq!(answer(&replies).len(), 1);
    assert!(replies.iter().all(|reply| reply.base_time() == Some(NOW)));
    // The connection is free again.
    assert_eq!(said(&watch.ask(&active())), [Said::Nothing]);
    watch.world.commit(&lease(key(1, 2), BOB));
    assert_eq!(said(&watch.listen()), [there(key(1, 2))]);
}

//= rfc5007-4.4.2-07
//= rfc7653-active-16
#[test]
fn what_is_withheld_is_not_told_actively_either() {
    let policy = Policy { withhold: vec![16], ..permitted() };
    let mut watch = Watch::with(World::new(), policy, Limits::default());
    watch.ask(&Query::of_kind(MessageType::ACTIVE_LEASE_QUERY).request(&[16, 23]));
    watch.world.commit(&Update { options: &[(16, b"class"), (23, b"dns")], ..lease(key(1, 1), ALICE) });
    assert_eq!(watch.listen()[0].data().unwrap().codes(), [1, 5, 46, 23]);
}

#[test]
fn an_address_inside_of_a_prefix_of_the_same_client_is_told_beside_it() {
    let mut watch = begun(World::new());
    let inside = V6Key::new(Ipv6Addr::from_bits(delegated(1).address().to_bits() + 1));
    watch.world.commit(&lease(delegated(1), ALICE));
    watch.world.commit(&lease(inside, ALICE));
    assert_eq!(said(&watch.listen()), [there(delegated(1)), there(inside)], "nobody knows the link of the prefix");
}
