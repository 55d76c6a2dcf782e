//! Catching up with what changed since a start-time (RFC 7653 sections 8.3 and 9.2).

use leasequery_protocol::server::{CloseReason, Turn};
use leasequery_store::{Settings, Time, Update};
use leasequery_wire::v6::MessageType;

use crate::support::*;

/// A store whose history is whole from a second after [`NOW`]; it is ten seconds later.
fn world(settings: Settings) -> World {
    let mut world = World::with(settings);
    world.store.advance(NOW.plus(10));
    world
}

/// Clients 11 to 15 with an address each, leased in the second of its number.
fn five() -> World {
    let mut world = world(Settings::default());
    for number in 11..16 {
        world.store.advance(NOW.plus(number.into()));
        world.commit(&lease(key(1, number), &client(number)));
    }
    world.store.advance(NOW.plus(100));
    world
}

fn leased(number: u16) -> Said {
    there(key(1, number))
}

fn ended(number: u16) -> Said {
    over(key(1, number))
}

fn catch_up(watch: &mut Watch, since: Time) -> Vec<Said> {
    said(&watch.ask(&active().since(since)))
}

/// What is said after the LEASEQUERY-REPLY, which may have the first binding.
fn told(since: u32) -> Vec<Said> {
    catch_up(&mut Watch::new(five()), NOW.plus(since))
}

//= alq6-6.2.1-03
//= alq6-8.3.1-06
//= alq6-9.2-13
//= alq6-6.2-03
//= alq6-9.2-12
#[test]
fn what_changed_at_the_start_time_or_later_is_told_and_then_that_it_is_complete() {
    let all = [leased(11), leased(12), leased(13), leased(14), leased(15), COMPLETE];
    assert_eq!(told(10), all);
    assert_eq!(told(11), all);
    assert_eq!(told(12), all[1..]);
    assert_eq!(told(15), all[4..]);
    assert_eq!(told(16), [Said::Nothing, COMPLETE]);
    assert_eq!(told(100), [Said::Nothing, COMPLETE], "nothing has changed");
    let kinds: Vec<_> = Watch::new(five()).ask(&active().since(NOW.plus(14))).iter().map(Reply::kind).collect();
    let data = MessageType::LEASE_QUERY_DATA;
    assert_eq!(kinds, [MessageType::LEASE_QUERY_REPLY, data, data]);
}

//= alq6-9.2-13
//= alq6-8.3.1-06
#[test]
fn complete_is_said_in_a_message_of_its_own_behind_the_reply() {
    for since in [15, 16] {
        let replies = Watch::new(five()).ask(&active().since(NOW.plus(since)));
        let [reply, complete] = replies.as_slice() else { panic!("{replies:?}") };
        assert_eq!((reply.kind(), reply.status()), (MessageType::LEASE_QUERY_REPLY, None));
        assert_eq!((complete.kind().0, complete.codes()), (17, vec![100, 13]));
        assert_eq!(complete.status().map(|status| status.0), Some(13));
        assert_eq!(complete.base_time(), Some(NOW.plus(100)));
    }
    let quiet = Query::of_kind(MessageType::ACTIVE_LEASE_QUERY).since(NOW.plus(50));
    assert!(Watch::new(five()).ask(&quiet).iter().all(|reply| reply.base_time().is_none()));
}

//= alq6-9.2-13
//= alq6-8.3.1-09
#[test]
fn catching_up_is_complete_once_and_then_only_new_changes_are_told() {
    let mut watch = Watch::new(five());
    assert_eq!(catch_up(&mut watch, NOW.plus(14)), [leased(14), leased(15), COMPLETE]);
    for number in 20..30 {
        watch.world.commit(&lease(key(1, number), &client(number)));
        assert_eq!(said(&watch.listen()), [leased(number)]);
        assert_eq!(said(&watch.listen_after(60)), [Said::Nothing]);
    }
}

//= alq6-9.2-13
#[test]
fn without_a_start_time_nothing_is_said_of_catching_up() {
    let mut watch = Watch::new(five());
    assert_eq!(said(&watch.ask(&active())), [Said::Nothing]);
    watch.world.commit(&lease(key(1, 1), ALICE));
    assert_eq!(said(&watch.listen()), [leased(1)]);
    for _ in 0..10 {
        assert_eq!(said(&watch.listen_after(60)), [Said::Nothing]);
    }
}

//= alq6-8.3.1-03
//= alq6-8.3.1-04
//= alq6-8.3.1-05
//= alq6-8.3.1-02
//= alq6-3-03
//= alq6-9.2-13
#[test]
fn what_the_history_does_not_reach_is_missing_at_once_and_only_new_changes_are_told() {
    for query in [active(), Query::of_kind(MessageType::ACTIVE_LEASE_QUERY)] {
        let mut world = world(Settings { history: 10, ..Settings::default() });
        for number in 1..5 {
            world.commit(&lease(key(1, number), &client(number)));
            world.release(key(1, number));
        }
        world.store.advance(NOW.plus(21));
        assert_eq!(world.store.history_floor(), NOW.plus(11));
        world.commit(&lease(key(1, 9), &client(9)));
        let mut watch = Watch::new(world);
        watch.later(1);
        let replies = watch.ask(&query.since(NOW.plus(10)));
        let [reply] = replies.as_slice() else { panic!("{replies:?}") };
        assert_eq!((reply.kind(), reply.codes()), (MessageType::LEASE_QUERY_REPLY, vec![2, 1, 100, 13]));
        assert_eq!(reply.status().map(|status| status.0), Some(12));
        assert_eq!(reply.base_time(), Some(NOW.plus(22)), "whether it was asked for or not");
        for number in 20..25 {
            watch.world.commit(&lease(key(1, number), &client(number)));
            let replies = watch.listen();
            assert_eq!(said(&replies), [leased(number)], "in the second of the gap's end, too");
            assert_eq!(replies[0].kind(), MessageType::LEASE_QUERY_DATA);
            assert_eq!(said(&watch.listen_after(60)), [Said::Nothing]);
        }
    }
}

//= rfc7653-catchup-01
//= rfc7653-catchup-02
#[test]
fn by_default_a_day_of_the_past_is_kept_and_it_is_a_setting() {
    for (settings, kept) in [(Settings::default(), 86_400), (Settings { history: 600, ..Settings::default() }, 600)] {
        let mut world = world(settings);
        world.commit(&Update { expires: Some(NOW.plus(1_000_000)), ..lease(key(1, 1), ALICE) });
        world.release(key(1, 1));
        world.store.advance(NOW.plus(10 + kept));
        let mut watch = Watch::new(world);
        assert_eq!(catch_up(&mut watch, NOW.plus(10)), [ended(1), COMPLETE]);
        let mut world = watch.world;
        world.store.advance(NOW.plus(11 + kept));
        assert_eq!(catch_up(&mut Watch::new(world), NOW.plus(10)), [MISSING]);
    }
}

//= rfc7653-catchup-02
//= alq6-3-03
#[test]
fn the_past_is_bounded_in_number_and_what_is_beyond_is_missing() {
    let mut world = world(Settings { max_ended: 100, ..Settings::default() });
    for number in 0..5000_u16 {
        world.store.advance(NOW.plus(20 + u32::from(number) / 10));
        world.commit(&lease(key(1, number), ALICE));
        world.release(key(1, number));
        assert!(world.store.counts().bindings <= 111, "those of this second may be more");
    }
    world.store.advance(NOW.plus(1000));
    assert_eq!(catch_up(&mut Watch::new(world), NOW.plus(20)), [MISSING]);
}

//= rfc7653-catchup-04
//= alq6-8.3.1-03
#[test]
fn the_history_reaches_back_to_its_first_whole_second() {
    let floor = NOW.plus(1);
    assert_eq!(five().store.history_floor(), floor);
    assert_eq!(catch_up(&mut Watch::new(five()), floor).last(), Some(&COMPLETE));
    assert_eq!(catch_up(&mut Watch::new(five()), NOW), [MISSING]);
    assert_eq!(catch_up(&mut Watch::new(five()), Time(0)), [MISSING]);
    let mut lost = five();
    lost.store.lose_history();
    assert_eq!(catch_up(&mut Watch::new(lost), NOW.plus(99)), [MISSING], "it began anew");
}

//= alq6-8.3.1-03
#[test]
fn times_that_a_wrong_clock_has_shown_are_missing_for_good() {
    let mut world = five();
    world.store.advance(NOW.plus(50));
    world.store.advance(NOW.plus(52));
    assert_eq!(world.store.era(), 1);
    for (since, now) in [(100, 52), (100, 100), (13, 100)] {
        world.store.advance(NOW.plus(now));
        let mut watch = Watch::new(world);
        assert_eq!(catch_up(&mut watch, NOW.plus(since)), [MISSING], "{since} at {now}");
        world = watch.world;
    }
    world.store.advance(NOW.plus(200));
    world.commit(&lease(key(1, 20), &client(20)));
    let mut watch = Watch::new(world);
    assert_eq!(catch_up(&mut watch, NOW.plus(200)), [leased(20), COMPLETE]);
    watch.world.store.advance(NOW.plus(100));
    watch.world.commit(&lease(key(1, 21), &client(21)));
    assert_eq!(said(&watch.listen()), [TERMINATED], "and whoever is live has to come back");
}

//= alq6-8.3.1-03
#[test]
fn nobody_can_vouch_for_a_start_time_more_than_two_seconds_ahead() {
    let complete = vec![Said::Nothing, COMPLETE];
    for (ahead, words) in [(1, complete.clone()), (2, complete), (3, vec![MISSING]), (1_000_000, vec![MISSING])] {
        let mut watch = Watch::new(five());
        let replies = watch.ask(&active().since(NOW.plus(100 + ahead)));
        assert_eq!(said(&replies), words, "{ahead} s");
        assert_eq!(replies[0].base_time(), Some(NOW.plus(100)));
        watch.world.commit(&lease(key(1, 1), ALICE));
        assert_eq!(said(&watch.listen()), [leased(1)], "it changed before that time, but after the query");
    }
}

//= alq6-8.3.1-08
//= alq6-8.3.1-04
//= alq6-8.3.1-05
//= alq6-9.2-13
#[test]
fn history_that_ages_away_while_catching_up_is_missing_at_once() {
    let mut world = world(Settings { history: 10, ..Settings::default() });
    for number in 1..9 {
        world.commit(&lease(key(1, number), &client(number)));
        world.release(key(1, number));
    }
    world.commit(&lease(key(1, 9), &client(9)));
    let mut watch = Watch::new(world);
    watch.send(&Query::of_kind(MessageType::ACTIVE_LEASE_QUERY).since(NOW.plus(10)).frame());
    assert_eq!(said(&watch.turn(1)), [ended(1)]);
    watch.later(10);
    assert_eq!(said(&watch.turn(1)), [ended(2)], "it is all still there");
    watch.later(1);
    let replies = watch.listen();
    assert_eq!(said(&replies), [MISSING], "also instead of what is left");
    assert_eq!((replies[0].kind(), replies[0].base_time()), (MessageType::LEASE_QUERY_DATA, Some(NOW.plus(21))));
    watch.world.commit(&lease(key(1, 20), &client(20)));
    assert_eq!(said(&watch.listen()), [leased(20)]);
    assert_eq!(said(&watch.listen_after(60)), [Said::Nothing]);
}

//= alq6-9.2-04
//= alq6-9.2-05
//= rfc7653-close-02
//= rfc7653-close-03
#[test]
fn changes_forgotten_after_catching_up_end_the_query_so_that_coming_back_shows_the_gap() {
    let mut watch = Watch::new(world(Settings { history: 10, ..Settings::default() }));
    watch.ask(&active());
    for number in [1, 2] {
        watch.world.commit(&lease(key(1, number), &client(number)));
        watch.world.release(key(1, number));
    }
    assert_eq!(said(&watch.turn(1)), [ended(1)]);
    watch.later(11);
    let replies = watch.listen();
    assert_eq!(said(&replies), [TERMINATED]);
    assert_eq!(replies[0].kind(), MessageType::LEASE_QUERY_DONE);
    let told_until = replies[0].base_time().expect("the last word has base-time");
    assert!(told_until <= NOW.plus(10), "the change that nobody was told of");
    let reason = "changes were forgotten before they could be sent".to_owned();
    assert_eq!(watch.closed(), Some(CloseReason::Aborted { xid: XID, reason }));
    watch.assert_over();
    assert_eq!(catch_up(&mut Watch::new(watch.world), told_until), [MISSING]);
}

//= alq6-6.2.1-03
//= alq6-8.3.1-13
//= alq6-2-02
#[test]
fn bindings_that_ended_meanwhile_are_told() {
    let mut world = five();
    world.release(key(1, 12));
    // The lease of 15 is renewed, the others run out.
    world.commit(&Update { expires: Some(NOW.plus(80_000)), ..lease(key(1, 15), &client(15)) });
    world.store.advance(NOW.plus(20_000));
    let mut watch = Watch::new(world);
    let replies = watch.ask(&active().since(NOW.plus(50)));
    assert_eq!(said(&replies), [ended(12), leased(15), ended(11), ended(13), ended(14), COMPLETE]);
    assert_eq!(replies[0].data().unwrap().client, client(12));
}

//= alq6-8.3.1-01
//= alq6-8.3.1-13
//= alq6-9.2-13
#[test]
fn changes_made_while_catching_up_are_told_though_it_goes_on() {
    let mut watch = Watch::new(five());
    watch.send(&active().since(NOW.plus(11)).frame());
    let mut replies = [watch.turn(1), watch.turn(1)].concat();
    assert_eq!(watch.turn, Turn::More);
    watch.later(1);
    watch.world.commit(&lease(key(1, 20), &client(20)));
    // One that has been told already, and one that has not.
    watch.world.release(key(1, 11));
    watch.world.release(key(1, 14));
    // And another lease of a client whose turn is still to come.
    watch.world.commit(&lease(key(1, 16), &client(13)));
    replies.extend(watch.listen());
    let both = Said::Leases(vec![(key(1, 13), true), (key(1, 16), true)]);
    let expected = [leased(11), leased(12), both, leased(15), COMPLETE, leased(20), ended(11), ended(14)];
    assert_eq!(said(&replies), expected);
    let times: Vec<_> = replies.iter().map(|reply| reply.base_time().unwrap().since(NOW)).collect();
    assert_eq!(times, [11, 12, 13, 15, 101, 101, 101, 101]);
}

//= alq6-9.2-13
#[test]
fn catching_up_is_complete_even_if_all_that_was_left_changed_again() {
    let mut watch = Watch::new(five());
    watch.send(&active().since(NOW.plus(14)).frame());
    assert_eq!(said(&watch.turn(1)), [leased(14)]);
    watch.world.release(key(1, 15));
    assert_eq!(said(&watch.listen()), [COMPLETE, ended(15)]);
}

//= alq6-6.2.1-06
//= alq6-9.2-13
#[test]
fn what_is_not_asked_for_is_not_told_in_catching_up_either() {
    let query = Query::client(&client(13)).active().base_time().since(NOW.plus(10));
    assert_eq!(said(&Watch::new(five()).ask(&query)), [leased(13), COMPLETE]);
}

#[test]
fn catching_up_heeds_the_room() {
    let mut world = world(Settings::default());
    for number in 0..5000 {
        world.commit(&lease(key(1, number), &client(number)));
    }
    let mut watch = Watch::new(world);
    watch.send(&active().since(NOW.plus(10)).frame());
    let mut told = Vec::new();
    loop {
        let replies = watch.turn(4000);
        assert!(replies.iter().map(|reply| reply.0.len() + 2).sum::<usize>() < 4000 + 2 * 400);
        told.extend(said(&replies));
        if watch.turn == Turn::Idle {
            break;
        }
    }
    assert_eq!(told, (0..5000).map(leased).chain([COMPLETE]).collect::<Vec<_>>());
}
