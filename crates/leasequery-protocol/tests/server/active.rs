//! Active queries (RFC 7724 section 8.2): what is told, and in which messages.

use leasequery_protocol::server::{CloseReason, Policy};
use leasequery_store::{Budget, State, SweepEnd, Update, V4Key, VpnName};
use leasequery_wire::v4::{MessageType, OptionCode, StatusCode};

use crate::support::*;
use crate::watch::Said::{Free, Leased};
use crate::watch::*;

/// A lease of which much is known.
fn full(key: V4Key) -> Update<'static, V4Key> {
    Update {
        hardware: Some(ethernet(&MAC_1)),
        client_id: Some(b"\0client"),
        renews: Some(NOW.plus(1800)),
        rebinds: Some(NOW.plus(3150)),
        relay_info: Some(&[2, 4, b'h', b'e', b'r', b'e']),
        remote_id: Some(b"here"),
        options: &[(12, b"host"), (92, &[10, 0, 0, 1, 10, 0, 0, 2])],
        remote: true,
        ..lease(key)
    }
}

//= rfc7724-8.2-10
#[test]
fn without_a_query_start_time_only_what_changes_after_the_query_is_told() {
    let mut world = World::new();
    world.commit(&lease(key(1)));
    let mut watch = Watch::begun(world);
    watch.world.commit(&lease(key(2)));
    assert_eq!(said(&watch.listen()), [Leased(2)]);
    watch.later(3);
    assert_eq!(watch.listen(), [], "once");
}

//= rfc7724-3-01
//= rfc7724-7.3-01
//= rfc7724-8.2-16
//= rfc7724-8.2-18
#[test]
fn each_change_of_a_binding_is_told_in_the_next_turn() {
    let mut watch = Watch::begun(World::new());
    let bound = Update { hardware: Some(ethernet(&MAC_1)), ..lease(key(1)) };
    let mut tell = |update: Update<'_, V4Key>| {
        watch.world.commit(&update);
        said(&watch.listen())
    };
    assert_eq!(tell(bound), [Leased(1)]);
    assert_eq!(tell(bound), [], "it is no change to say the same again");
    assert_eq!(tell(Update { expires: Some(NOW.plus(3700)), ..bound }), [Leased(1)], "renewed");
    assert_eq!(tell(Update { hardware: Some(ethernet(&MAC_2)), ..bound }), [Leased(1)], "another client");
    assert_eq!(tell(Update { remote: true, ..bound }), [Leased(1)], "heard of from a partner");
    assert_eq!(tell(Update { state: State::Released, ..bound }), [Free(1)]);
    assert_eq!(tell(bound), [Leased(1)]);
    assert_eq!(tell(Update::new(key(1), State::Abandoned)), [Free(1)], "declined");
    assert_eq!(tell(bound), [Leased(1)]);
    watch.world.store.end_lease(watch.world.source, key(1), State::Available);
    assert_eq!(said(&watch.listen()), [Free(1)], "deleted");
}

//= rfc7724-8.2-16
#[test]
fn a_lease_that_runs_out_is_told_though_no_source_says_so() {
    let mut watch = Watch::begun(World::new());
    watch.world.commit(&Update { expires: Some(NOW.plus(50)), ..lease(key(1)) });
    assert_eq!(said(&watch.listen()), [Leased(1)]);
    assert_eq!(watch.listen_after(49), []);
    let replies = watch.listen_after(1);
    assert_eq!(said(&replies), [Free(1)]);
    assert_eq!(replies[0].option(OptionCode::DHCP_STATE), Some(vec![State::Expired as u8]));
}

//= rfc7724-8.2-16
#[test]
fn what_a_source_no_longer_has_is_told() {
    let mut watch = Watch::begun(World::new());
    watch.world.commit(&lease(key(1)));
    assert_eq!(said(&watch.listen()), [Leased(1)]);
    let source = watch.world.source;
    watch.world.store.begin_sweep(source);
    assert!(watch.world.store.end_sweep(source, &mut SweepEnd::default(), &Budget::new(64)));
    assert_eq!(said(&watch.listen()), [Free(1)]);
}

//= rfc7724-4-02
#[test]
fn changes_of_every_network_relay_and_vpn_are_told() {
    let mut watch = Watch::begun(World::new());
    let blue = watch.world.vpn("blue");
    watch.world.commit(&Update { remote_id: Some(b"here"), ..lease(key(1)) });
    watch.world.commit(&Update { relay_id: Some(b"there"), ..lease(key(0x0001_0000)) });
    watch.world.commit(&lease(V4Key { vpn: blue, ..key(3) }));
    let replies = watch.listen();
    assert_eq!(said(&replies), [Leased(1), Leased(0x0001_0000), Leased(3)]);
    let vpns: Vec<_> = replies.iter().map(|reply| reply.option(OptionCode::VPN_SELECTION)).collect();
    assert_eq!(vpns, [None, None, Some(b"\0blue".to_vec())]);
}

//= rfc7724-4-02
#[test]
fn a_vpn_selection_in_the_query_is_a_filter() {
    let told = |policy: Policy, query: &Query| {
        let mut world = World::new();
        let vpns = [world.vpn("blue"), world.vpn("red")];
        let mut watch = Watch::with(world, policy, leasequery_protocol::server::Limits::default());
        let refused = watch.ask(query);
        watch.world.commit(&lease(key(1)));
        for (number, vpn) in (2..).zip(vpns) {
            watch.world.commit(&lease(V4Key { vpn, ..key(number) }));
        }
        said(&[refused, watch.listen()].concat())
    };
    let all = [Leased(1), Leased(2), Leased(3)];
    assert_eq!(told(permitted(), &active()), all);
    assert_eq!(told(permitted(), &active().vpn(&[254])), all);
    assert_eq!(told(permitted(), &active().vpn(&[255])), [Leased(1)]);
    assert_eq!(told(permitted(), &active().vpn(b"\0blue")), [Leased(2)]);
    let red = Policy { vpns: Some(vec![VpnName::Name(b"red".as_slice().into())]), ..permitted() };
    assert_eq!(told(red.clone(), &active()), [Leased(1), Leased(3)]);
    assert_eq!(told(red.clone(), &active().vpn(b"\0red")), [Leased(3)]);
    for unseen in [b"\0blue".as_slice(), b"\0green"] {
        assert_eq!(told(red.clone(), &active().vpn(unseen)), [Said::Status(StatusCode::NOT_ALLOWED)]);
    }
}

//= rfc7724-3-05
//= rfc7724-5.2-01
//= rfc7724-8.2-04
//= rfc7724-7.4-04
#[test]
fn a_binding_looks_as_in_bulk() {
    let lists = [None, Some(&[51, 58, 59, 61, 82, 12, 91, 152, 153, 156, 157][..]), Some(&[12, 51]), Some(&[82, 54])];
    for list in lists {
        for state in (1..=8).filter_map(State::from_number) {
            let with_list = |query: Query| list.iter().fold(query, |query, list| query.list(list));
            let mut world = World::new();
            let blue = world.vpn("blue");
            let mut watch = Watch::new(world);
            watch.ask(&with_list(active()).vpn(b"\0blue"));
            let key = V4Key { vpn: blue, ..key(7) };
            watch.world.commit(&Update { state, ..full(key) });
            watch.later(5);
            let bulk = watch.world.ask(&with_list(Query::all()).vpn(b"\0blue"));
            let told = watch.listen();
            assert_eq!(told, bindings(&bulk), "the same octets");
            assert_eq!(told[0].address(), address(7));
        }
    }
}

//= rfc7724-7.4-13
//= rfc7724-5.2.2-04
#[test]
fn a_binding_has_neither_associated_ip_nor_a_status() {
    let mut watch = Watch::new(World::new());
    watch.ask(&active().list(&[92, 151, 51]));
    for number in 1..4 {
        watch.world.commit(&full(key(number)));
    }
    let codes: Vec<_> = watch.listen().iter().map(Reply::codes).collect();
    assert_eq!(codes, [vec![54, 51], vec![51], vec![51]]);
}

//= rfc7724-8.2-04
#[test]
fn the_first_message_names_the_server_whichever_it_is_and_no_other_does() {
    let mut world = World::new();
    world.store.advance(NOW.plus(10));
    let mut watch = Watch::begun(world);
    watch.world.commit(&lease(key(1)));
    let mut replies = watch.listen();
    replies.extend(watch.listen_after(60));
    replies.extend(watch.terminate("over"));
    assert_eq!(said(&replies), [Leased(1), ALIVE, TERMINATED]);
    let mut responses = vec![replies];

    let firsts = [(ALIVE, active()), (COMPLETE, active().since(NOW.plus(131))), (MISSING, active().since(NOW))];
    for (first, query) in firsts {
        watch = Watch::new(watch.world);
        let mut replies = watch.ask(&query);
        replies.extend(watch.listen_after(60));
        watch.world.commit(&full(key(watch.now.as_secs().try_into().unwrap())));
        replies.extend(watch.listen());
        watch.later(1);
        assert_eq!(said(&replies)[0], first);
        responses.push(replies);
    }
    watch = Watch::begun(watch.world);
    responses.push(watch.terminate("over"));
    for replies in &responses {
        let servers: Vec<_> = replies.iter().map(|reply| reply.message().server_identifier().unwrap()).collect();
        assert_eq!(servers[0], Some(SERVER), "{:?}", said(replies));
        assert!(servers[1..].iter().all(Option::is_none), "{:?}", said(replies));
    }
}

//= rfc7724-7.1-04
//= rfc7724-7.3-08
//= rfc7724-7.4-10
#[test]
fn every_status_has_the_xid_of_the_query_and_base_time_whatever_was_listed() {
    for list in [&[152][..], &[51]] {
        for (since, word) in [(NOW.plus(10), COMPLETE), (NOW, MISSING)] {
            let mut world = World::new();
            world.store.advance(NOW.plus(10));
            let mut watch = Watch::new(world);
            let mut replies = watch.ask(&active().xid(77).list(list).since(since));
            replies.extend(watch.listen_after(60));
            watch.later(1);
            replies.extend(watch.terminate("over"));
            assert_eq!(said(&replies), [word, ALIVE, TERMINATED]);
            let times: Vec<_> = replies.iter().map(base_time).collect();
            assert_eq!(times, [10, 70, 71].map(|seconds| Some(NOW.plus(seconds))));
            assert!(replies.iter().all(|reply| reply.xid() == 77));
        }
    }
}

//= rfc7724-7.1-04
//= rfc7724-7.3-08
#[test]
fn every_binding_has_the_xid_of_the_query_and_base_time_if_it_was_listed() {
    for (list, listed) in [(&[152, 51][..], true), (&[51], false)] {
        let mut watch = Watch::new(World::new());
        watch.ask(&active().xid(77).list(list));
        for number in 1..5 {
            watch.later(1);
            watch.world.commit(&lease(key(number)));
        }
        let replies = watch.listen();
        let times: Vec<_> = replies.iter().map(base_time).collect();
        assert_eq!(times, [1, 2, 3, 4].map(|seconds| listed.then_some(NOW.plus(seconds))));
        assert!(replies.iter().all(|reply| reply.xid() == 77));
    }
}

#[test]
fn times_of_a_binding_count_from_the_base_time_of_its_message() {
    let mut watch = Watch::new(World::new());
    watch.ask(&active().list(&[152, 51, 91]));
    for number in 1..3 {
        watch.later(10);
        watch.world.commit(&lease(key(number)));
    }
    watch.later(10);
    let times = |reply: &Reply| [152, 51, 91].map(|code| reply.number(OptionCode(code)).unwrap());
    let told: Vec<_> = watch.listen().iter().map(times).collect();
    // All has been told with the second one, so its time is now.
    assert_eq!(told, [[NOW.0 + 10, 3590, 10], [NOW.0 + 30, 3570, 30]]);
}

//= rfc7724-7.4-09
//= rfc7724-7.4-11
//= rfc7724-7.4-12
//= rfc7724-8.4-04
//= rfc7724-8.4-05
#[test]
fn terminating_says_so_as_the_last_word_and_closes() {
    let mut watch = Watch::begun(World::new());
    watch.later(5);
    let last = watch.terminate("the server is ending");
    assert_eq!(last.len(), 1);
    assert_eq!(last[0].kind(), MessageType::LEASE_QUERY_STATUS);
    let text = "terminated: the server is ending".to_owned();
    assert_eq!(last[0].status(), Some((StatusCode::QUERY_TERMINATED, text)));
    assert_eq!(base_time(&last[0]), Some(NOW.plus(5)));
    assert_eq!(watch.closed(), Some(CloseReason::Terminated("the server is ending".to_owned())));
    assert_eq!(watch.terminate("again"), []);
    watch.assert_over();
}

//= rfc7724-7.4-10
#[test]
fn the_last_word_has_the_time_of_the_oldest_change_that_was_not_sent() {
    let mut watch = Watch::begun(World::new());
    for number in 1..5 {
        watch.later(10);
        watch.world.commit(&lease(key(number)));
    }
    assert_eq!(said(&watch.turn(1)), [Leased(1)]);
    // The one that would have been next changes again.
    watch.later(10);
    watch.world.commit(&Update::new(key(2), State::Released));
    watch.later(10);
    assert_eq!(base_time(&watch.terminate("over")[0]), Some(NOW.plus(30)));
}

//= rfc7724-8.4-06
#[test]
fn the_requestors_end_is_answered_with_ours_whatever_is_left_to_say() {
    for unsaid in [0, 10] {
        let mut watch = Watch::begun(World::new());
        for number in 0..unsaid {
            watch.world.commit(&lease(key(number)));
        }
        watch.connection.handle_eof();
        assert_eq!(watch.listen(), []);
        assert_eq!(watch.closed(), Some(CloseReason::Peer));
        watch.assert_over();
    }
}

//= rfc7724-7.5-01
#[test]
fn the_requestor_may_close_at_any_octet() {
    let query = active().frame();
    let octets = [query.clone(), query.clone()].concat();
    for length in 0..octets.len() {
        let mut watch = Watch::new(World::new());
        watch.send(&octets[..length]);
        assert_eq!(watch.listen(), []);
        assert_eq!(watch.connection.outstanding(), usize::from(length >= query.len()));
        watch.world.commit(&lease(key(1)));
        watch.connection.handle_eof();
        assert_eq!(watch.listen(), []);
        assert_eq!(watch.closed(), Some(CloseReason::Peer));
        watch.assert_over();
    }
    // All at once, with the end behind it.
    let mut watch = Watch::new(World::new());
    watch.send(&query);
    watch.connection.handle_eof();
    assert_eq!(watch.listen(), []);
    watch.assert_over();
}
