//! The course of things as it should be: everything first, then every change (RFC 7653 sections 4 and 8).

use leasequery_protocol::follower::V6Wanted;
use leasequery_protocol::follower::{Follower, Link, Position, Settings};
use leasequery_protocol::requestor::v6::{Primary, Selector, V6};
use leasequery_wire::v6::{MessageType, StatusCode};

use crate::peer::*;

//= alq6-4-01
//= rfc7653-active-08
#[test]
fn everything_is_asked_for_first_and_then_changes_since_the_first_message_of_that() {
    let mut scene = Scene::new();
    let bulk = scene.answer(Link::Bulk);
    assert!(bulk.is_whole());
    // RFC 5460 has no query for everything: by link, of none, since the beginning of time.
    let query = bulk.query.unwrap();
    assert_eq!((query[0], &query[1..17]), (4, &[0; 16][..]));
    assert_eq!(scene.follower.poll_connect(scene.now), None, "one after the other");
    let first = scene.time();
    scene.say(Link::Bulk, &lease(bulk.xid, 1, first));
    scene.wait(5);
    scene.say(Link::Bulk, &[lease(bulk.xid, 2, scene.time()), done(bulk.xid, Some(scene.time()), None)].concat());
    assert!(!scene.follower.is_open(Link::Bulk), "what has been asked for is here");
    let active = scene.answer(Link::Active);
    assert_eq!((active.kind, active.since), (MessageType::ACTIVE_LEASE_QUERY, Some(first)));
    assert_eq!(active.query, None);
    scene.say(Link::Active, &alive(active.xid, first));
    assert!(!scene.follower.is_live());
    scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(scene.time())));
    assert!(scene.follower.is_live());
    scene.say(Link::Active, &ended(active.xid, 1, scene.time()));
    assert_eq!(
        scene.seen(),
        ["Connected", "Initial 1 Lease", "Initial 2 Lease", "InitialComplete", "CatchUpComplete", "Live 1 Lease"]
    );
    assert_eq!(scene.leased(), [2]);
}

//= rfc5460-6.3-05
#[test]
fn a_server_that_has_nothing_says_so_in_one_message() {
    let mut scene = Scene::new();
    let bulk = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &done(bulk.xid, Some(NOW), None));
    assert_eq!(scene.seen(), ["Connected", "InitialComplete"]);
    assert_eq!(scene.answer(Link::Active).since, Some(NOW));
}

//= alq6-6.2.1-04
//= alq6-6.2.1-05
//= alq6-6.2.1-07
#[test]
fn whoever_wants_a_part_asks_for_it_everywhere() {
    let selector = Selector { primary: Primary::RelayId(vec![0, 3, 9]), link: None };
    let wanted = V6Wanted { selector, ..wanted() };
    let mut scene = Scene::wanting(wanted, None, settings());
    let bulk = scene.answer(Link::Bulk);
    assert_eq!((bulk.since, bulk.query.as_ref().unwrap()[0]), (None, 3), "that is a query of its own");
    scene.say(Link::Bulk, &done(bulk.xid, Some(NOW), None));
    let active = scene.answer(Link::Active);
    assert_eq!((active.since, &active.query), (Some(NOW), &bulk.query));
}

//= alq6-6.2.1-07
#[test]
fn both_queries_say_who_asks_and_ask_for_times_and_options() {
    let mut scene = Scene::new();
    let bulk = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &done(bulk.xid, Some(NOW), None));
    let active = scene.answer(Link::Active);
    for asked in [bulk, active] {
        let begin = [&[0, 1, 0, 4][..], &OWN, &[0, 6, 0, 6, 0, 100, 0, 47, 0, 39]].concat();
        assert_eq!(&asked.octets[4..4 + begin.len()], begin);
    }
}

//= alq6-8.2-04
//= alq6-8.3-01
#[test]
fn whoever_wants_changes_only_asks_for_nothing_else() {
    let mut scene = Scene::with(None, Settings { initial: false, sweep: None, ..settings() });
    let active = scene.answer(Link::Active);
    assert_eq!((active.kind, active.since), (MessageType::ACTIVE_LEASE_QUERY, None));
    scene.say(Link::Active, &lease(active.xid, 1, scene.time()));
    assert_eq!(scene.seen(), ["Connected", "Live 1 Lease"]);
    assert_eq!(scene.resume(), Some(scene.time()), "there is no catching up without a time to begin with");
}

//= alq6-8.2-01
//= alq6-8.2-02
//= alq6-8.3-01
//= alq6-8.3.1-07
#[test]
fn base_times_count_only_outside_of_the_catch_up_phase() {
    let mut scene = Scene::back();
    let active = scene.answer(Link::Active);
    scene.say(Link::Active, &[lease(active.xid, 1, NOW.minus(400)), lease(active.xid, 2, NOW)].concat());
    scene.say(Link::Active, &alive(active.xid, NOW));
    scene.say(Link::Active, &status(active.xid, StatusCode(99), Some(NOW)));
    assert_eq!(scene.resume(), Some(NOW.minus(500)));
    scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(NOW.plus(1))));
    assert_eq!(scene.resume(), Some(NOW.plus(1)));
    scene.say(Link::Active, &lease(active.xid, 3, NOW.plus(7)));
    assert_eq!(scene.resume(), Some(NOW.plus(7)));
    scene.say(Link::Active, &lease(active.xid, 3, NOW.plus(3)));
    assert_eq!(scene.resume(), Some(NOW.plus(7)), "the largest one counts");
    scene.say(Link::Active, &alive(active.xid, NOW.plus(9)));
    assert_eq!(scene.resume(), Some(NOW.plus(9)));
    let seen = scene.seen();
    let expected = ["Connected", "CatchUp 1 Lease", "CatchUp 2 Lease", "Warning", "CatchUpComplete", "Live 3 Lease"];
    assert_eq!(seen[..6], expected);
}

//= alq6-8.2-01
//= alq6-8.3.1-10
//= alq6-6.3.2-03
#[test]
fn catching_up_begins_at_the_same_time_until_it_is_complete() {
    let mut scene = Scene::back();
    for round in 0..3 {
        let link = scene.next_connection();
        assert_eq!(link, Link::Active);
        let active = scene.accept(link);
        assert_eq!(active.since, Some(NOW.minus(500)), "unchanged");
        scene.say(Link::Active, &lease(active.xid, 1, scene.time()));
        scene.say(Link::Active, &alive(active.xid, scene.time()));
        if round == 0 {
            scene.close(Link::Active);
        } else {
            scene.say(Link::Active, &done(active.xid, Some(scene.time()), Some(StatusCode::QUERY_TERMINATED)));
        }
        assert_eq!(scene.kept().unwrap_or(NOW.minus(500)), NOW.minus(500));
    }
}

//= alq6-8.2-03
//= alq6-8.1-02
//= alq6-8.6-01
//= alq6-6.3.2-03
//= rfc7653-timeouts-02
#[test]
fn whoever_lost_its_server_goes_on_from_the_highest_base_time() {
    for way in 0..3 {
        let mut scene = Scene::new();
        let active = scene.begin(&[1]);
        // The clock of the server is an hour ahead.
        let time = NOW.plus(3600);
        scene.say(Link::Active, &[lease(active.xid, 1, time), lease(active.xid, 2, time.minus(4))].concat());
        if way == 2 {
            // Everything is asked for anew, as the clock is not what it was.
            assert_eq!(scene.follower.poll_connect(scene.now), Some(Link::Bulk));
            scene.refuse(Link::Bulk);
        }
        match way {
            0 => scene.close(Link::Active),
            1 => scene.say(Link::Active, &done(active.xid, None, Some(StatusCode::QUERY_TERMINATED))),
            _ => scene.wait(120),
        }
        assert!(!scene.follower.is_open(Link::Active));
        assert_eq!(scene.kept(), Some(time));
        let link = scene.next_connection();
        assert_eq!(link, Link::Active);
        let again = scene.accept(link);
        assert_eq!(again.since, Some(time), "by the server's clock");
        assert_ne!(again.xid, active.xid);
    }
}

//= alq6-8.3-07
#[test]
fn last_words_are_the_latest_resume_point() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    scene.say(Link::Active, &done(active.xid, Some(NOW.plus(9)), Some(StatusCode::QUERY_TERMINATED)));
    assert!(!scene.follower.is_open(Link::Active));
    assert_eq!(scene.resume(), Some(NOW.plus(9)));
    assert_eq!(scene.seen().last().map(String::as_str), Some("Disconnected"));
}

//= alq6-7-01
//= alq6-8.3.1-11
//= alq6-8.3.1-12
//= rfc7653-active-14
#[test]
fn the_last_message_about_a_lease_holds_and_one_is_enough() {
    let mut scene = Scene::back();
    let active = scene.answer(Link::Active);
    // Whatever happened to it meanwhile, it is told of once.
    scene.say(Link::Active, &ended(active.xid, 1, NOW.minus(100)));
    assert_eq!(scene.leased(), [0; 0], "the end of a lease that nobody has told of");
    scene.say(Link::Active, &lease(active.xid, 2, NOW.minus(100)));
    scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(NOW)));
    assert_eq!(scene.leased(), [2]);
    for _ in 0..500 {
        scene.say(Link::Active, &[lease(active.xid, 1, NOW), ended(active.xid, 1, NOW)].concat());
    }
    assert_eq!(scene.leased(), [2]);
    scene.say(Link::Active, &lease(active.xid, 1, NOW.minus(3)));
    assert_eq!(scene.leased(), [1, 2], "whatever its base-time");
}

//= rfc5460-6.3.1-03
#[test]
fn an_answer_that_is_not_whole_proves_nothing() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1, 2]);
    let sweep = scene.until_sweep(&active);
    assert!(sweep.is_whole());
    scene.say(Link::Bulk, &lease(sweep.xid, 2, scene.time()));
    scene.close(Link::Bulk);
    assert_eq!(scene.leased(), [1, 2], "it broke off");
    for code in [StatusCode::UNSPEC_FAIL, StatusCode::QUERY_TERMINATED] {
        let sweep = scene.until_sweep(&active);
        scene.say(Link::Bulk, &[lease(sweep.xid, 2, scene.time()), done(sweep.xid, None, Some(code))].concat());
        assert_eq!(scene.leased(), [1, 2], "it failed");
    }
    let sweep = scene.until_sweep(&active);
    scene.say(Link::Bulk, &status(sweep.xid, StatusCode::UNSPEC_FAIL, None));
    assert_eq!(scene.leased(), [1, 2], "a reply with an error is no empty answer");
    // It is not asked for again at once, and then compared.
    scene.seen();
    let sweep = scene.until_sweep(&active);
    scene.say(Link::Bulk, &[lease(sweep.xid, 2, scene.time()), done(sweep.xid, Some(scene.time()), None)].concat());
    assert_eq!(scene.seen(), ["Sweep 2 Times", "gone 1", "Swept"]);
    assert_eq!(scene.leased(), [2]);
}

#[test]
fn an_answer_that_could_not_tell_of_a_client_removes_nothing() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1, 2]);
    let sweep = scene.until_sweep(&active);
    scene.seen();
    let failed = status(sweep.xid, StatusCode::UNSPEC_FAIL, None);
    let time = scene.time();
    scene.say(Link::Bulk, &[lease(sweep.xid, 2, time), failed, done(sweep.xid, Some(time), None)].concat());
    assert_eq!(scene.leased(), [1, 2]);
    assert_eq!(scene.seen(), ["Sweep 2 Times", "Warning"], "it was no sweep");
}

//= rfc5460-6.3.1-03
#[test]
fn an_initial_answer_that_breaks_off_is_asked_for_again_as_a_whole() {
    let mut scene = Scene::new();
    let bulk = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &lease(bulk.xid, 1, NOW));
    scene.close(Link::Bulk);
    assert_eq!(scene.seen(), ["Connected", "Initial 1 Lease", "Disconnected"]);
    assert_eq!(scene.kept(), None, "there is nothing to go on from");
    assert_eq!(scene.next_connection(), Link::Bulk);
    let again = scene.accept(Link::Bulk);
    assert!(again.is_whole());
    assert_eq!(scene.leased(), [1], "what came is true all the same");
    scene.say(Link::Bulk, &[lease(again.xid, 2, NOW), done(again.xid, Some(scene.time()), None)].concat());
    assert_eq!(scene.leased(), [2], "and is compared with the whole");
}

//= alq6-8.4-04
#[test]
fn a_server_without_base_times_is_followed_all_the_same() {
    let mut scene = Scene::new();
    let bulk = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &client(bulk.xid, &[(1, 600)], None));
    scene.wait(10);
    scene.say(Link::Bulk, &done(bulk.xid, None, None));
    let active = scene.answer(Link::Active);
    assert_eq!(active.since, Some(NOW.minus(2)), "the clocks are taken to be equal, but for a little");
    scene.say(Link::Active, &status(active.xid, StatusCode::SUCCESS, None));
    scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, None));
    scene.say(Link::Active, &client(active.xid, &[(2, 600)], None));
    assert_eq!(scene.leased(), [1, 2]);
    assert_eq!(scene.resume(), Some(NOW.minus(2)), "nothing says how far it has come");
    assert_eq!(scene.store.lookup(address(1)).unwrap().expires(), Some(NOW.plus(600)));
}

//= alq6-6.3.2-04
//= rfc5460-6.4-01
#[test]
fn each_server_is_asked_with_its_own_times() {
    let mut scene = Scene::new();
    scene.begin(&[1, 2]);
    let other = scene.store.source("other").unwrap();
    let mut second: Follower<V6> = Follower::new(wanted(), other, None, settings(), 8);
    let mut log = Log::default();
    assert_eq!(second.poll_connect(scene.now), Some(Link::Bulk));
    second.handle_connected(Link::Bulk, scene.now, PEER.into(), &mut scene.store);
    let octets = second.poll_transmit(Link::Bulk).to_vec();
    let xid = u32::from_be_bytes([0, octets[3], octets[4], octets[5]]);
    second.handle_sent(Link::Bulk, scene.now, octets.len());
    let ahead = NOW.plus(86_400);
    // As the other connection has begun long ago, the words are taken as they come there.
    let mut stage = Scene::new();
    let answer = stage.worded(Link::Bulk, &[lease(xid, 3, ahead), done(xid, Some(ahead), None)].concat());
    second.handle_bytes(Link::Bulk, &answer);
    second.advance(scene.now, &mut scene.store, &mut log, 100);
    assert_eq!(scene.leased(), [1, 2, 3], "what one does not have is no news about what the other has");
    assert_eq!(second.position(), Some(Position { resume: ahead, skew: 86_400 }));
    assert_eq!(scene.follower.position(), Some(Position { resume: NOW, skew: 0 }));
    assert_eq!(scene.kept(), Some(NOW));
    assert_eq!(second.poll_connect(scene.now), Some(Link::Active));
    second.handle_connected(Link::Active, scene.now, PEER.into(), &mut scene.store);
    let octets = second.poll_transmit(Link::Active);
    let start = [&[0, 101, 0, 4][..], &wire(ahead).to_be_bytes()].concat();
    assert!(octets.windows(8).any(|window| window == start));
}

/// A message with several leases is taken lease by lease, and only the last one vouches for all of them.
//= alq6-8.2-02
#[test]
fn the_resume_point_does_not_pass_a_lease_that_has_not_been_taken() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    let before = scene.resume();
    let later = NOW.plus(50);
    let octets = client(active.xid, &[(2, 600), (3, 600), (4, 600), (5, 0)], Some(later));
    scene.follower.handle_bytes(Link::Active, &octets);
    for leased in [vec![1, 2], vec![1, 2, 3], vec![1, 2, 3, 4]] {
        assert!(scene.step());
        assert_eq!(scene.leased(), leased);
        assert_eq!((scene.resume(), scene.kept()), (before, before), "a crash now would lose the rest");
    }
    scene.step();
    assert_eq!((scene.resume(), scene.kept()), (Some(later), Some(later)));
    // Nor does it pass a message of which a part has come.
    let octets = client(active.xid, &[(6, 600), (7, 600)], Some(NOW.plus(60)));
    let (first, second) = octets.split_at(octets.len() - 1);
    scene.hear(Link::Active, first);
    assert_eq!((scene.resume(), scene.leased()), (Some(later), vec![1, 2, 3, 4]));
    scene.hear(Link::Active, second);
    assert_eq!((scene.resume(), scene.leased()), (Some(NOW.plus(60)), vec![1, 2, 3, 4, 6, 7]));
}

#[test]
fn a_message_of_which_nothing_can_be_known_vouches_for_nothing() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    // The client's data without OPTION_CLT_TIME, which is its last option.
    let mut octets = client(active.xid, &[(2, 600)], Some(NOW.plus(50)));
    octets.truncate(octets.len() - 8);
    let lengths = [1, 6 + 8 + 3];
    for place in lengths {
        octets[place] -= 8;
    }
    scene.say(Link::Active, &octets);
    assert!(scene.follower.is_open(Link::Active));
    assert_eq!((scene.resume(), scene.leased()), (Some(NOW), vec![1]));
}

//= rfc5460-6.3.1-03
#[test]
fn a_bulk_answer_cut_at_any_octet_is_no_answer() {
    for cut in 0.. {
        let mut scene = Scene::new();
        let bulk = scene.answer(Link::Bulk);
        let first = scene.worded(Link::Bulk, &client(bulk.xid, &[(1, 600), (2, 600)], Some(NOW)));
        let rest = scene.worded(Link::Bulk, &[lease(bulk.xid, 3, NOW), done(bulk.xid, Some(NOW), None)].concat());
        let stream = [first.clone(), rest.clone()].concat();
        if cut >= stream.len() {
            break;
        }
        scene.hear(Link::Bulk, &stream[..cut]);
        scene.close(Link::Bulk);
        assert_eq!((scene.resume(), scene.kept()), (None, None));
        let told = if cut < first.len() {
            0
        } else if cut < stream.len() - 6 - 8 {
            2
        } else {
            3
        };
        assert_eq!(scene.leased().len(), told, "cut at {cut}");
        assert_eq!(scene.next_connection(), Link::Bulk);
        assert!(scene.accept(Link::Bulk).is_whole());
    }
}

//= alq6-8.3.1-10
#[test]
fn a_connection_cut_at_any_octet_leaves_a_resume_point_that_loses_nothing() {
    let script = |xid: u32| {
        vec![
            (client(xid, &[(1, 600), (2, 600)], Some(NOW.minus(400))), 2),
            (status(xid, StatusCode::CATCH_UP_COMPLETE, Some(NOW.minus(300))), 0),
            (client(xid, &[(3, 600), (4, 600), (5, 600)], Some(NOW.minus(200))), 3),
            (alive(xid, NOW.minus(100)), 0),
            (client(xid, &[(6, 600)], Some(NOW)), 1),
        ]
    };
    let points = [500, 500, 300, 200, 100, 0].map(|ago| NOW.minus(ago));
    for cut in 0.. {
        let mut scene = Scene::back();
        let active = scene.answer(Link::Active);
        let messages: Vec<_> =
            script(active.xid).into_iter().map(|(m, leases)| (scene.worded(Link::Active, &m), leases)).collect();
        let stream: Vec<u8> = messages.iter().flat_map(|(message, _)| message.clone()).collect();
        if cut > stream.len() {
            break;
        }
        scene.hear(Link::Active, &stream[..cut]);
        scene.close(Link::Active);
        let mut end = 0;
        let whole = messages.iter().take_while(|(message, _)| {
            end += message.len();
            end <= cut
        });
        let counts: Vec<usize> = whole.map(|(_, leases)| *leases).collect();
        assert_eq!(scene.leased().len(), counts.iter().sum::<usize>(), "cut at {cut}");
        assert_eq!(scene.resume(), Some(points[counts.len()]), "cut at {cut}");
        assert!(!scene.follower.is_open(Link::Active));
    }
}
