//! Catching up with what changed since query-start-time (RFC 7724 sections 6, 7.4.1 and 8.2).

use leasequery_protocol::server::{CloseReason, Limits, Turn};
use leasequery_store::{Settings, State, Time, Update};
use leasequery_wire::v4::OptionCode;

use crate::support::*;
use crate::watch::Said::{Free, Leased};
use crate::watch::*;

/// A store whose history is whole from a second after [`NOW`]; it is ten seconds later.
fn world(settings: Settings) -> World {
    let mut world = World::with(settings);
    world.store.advance(NOW.plus(10));
    world
}

/// Addresses 11 to 15, each leased in the second of its number.
fn five() -> World {
    let mut world = world(Settings::default());
    for number in 11..16 {
        world.store.advance(NOW.plus(number));
        world.commit(&lease(key(number)));
    }
    world.store.advance(NOW.plus(100));
    world
}

fn released(number: u32) -> Update<'static, leasequery_store::V4Key> {
    Update::new(key(number), State::Released)
}

fn catch_up(watch: &mut Watch, since: Time) -> Vec<Said> {
    said(&watch.ask(&active().since(since)))
}

//= rfc7724-7.4.1-01
//= rfc7724-8.2-09
//= rfc7724-8.2-08
//= rfc7724-8.2-11
#[test]
fn what_changed_at_query_start_time_or_later_is_told_and_then_that_it_is_complete() {
    let told = |since| catch_up(&mut Watch::new(five()), NOW.plus(since));
    let all = [Leased(11), Leased(12), Leased(13), Leased(14), Leased(15), COMPLETE];
    assert_eq!(told(10), all);
    assert_eq!(told(11), all);
    assert_eq!(told(12), all[1..]);
    assert_eq!(told(15), all[4..]);
    assert_eq!(told(16), [COMPLETE]);
    assert_eq!(told(100), [COMPLETE], "nothing has changed");
}

//= rfc7724-8.2-11
//= rfc7724-7.4.1-08
//= rfc7724-4-03
#[test]
fn catching_up_is_complete_once_and_then_only_new_changes_are_told() {
    let mut watch = Watch::new(five());
    assert_eq!(catch_up(&mut watch, NOW.plus(14)), [Leased(14), Leased(15), COMPLETE]);
    for number in 20..30 {
        watch.world.commit(&lease(key(number)));
        assert_eq!(said(&watch.listen()), [Leased(number)]);
        assert_eq!(said(&watch.listen_after(60)), [ALIVE]);
    }
}

//= rfc7724-8.2-11
#[test]
fn without_query_start_time_nothing_is_said_of_catching_up() {
    let mut watch = Watch::begun(five());
    watch.world.commit(&lease(key(1)));
    assert_eq!(said(&watch.listen()), [Leased(1)]);
    for _ in 0..10 {
        assert_eq!(said(&watch.listen_after(60)), [ALIVE]);
    }
}

//= rfc7724-7.4.1-03
//= rfc7724-7.4.1-04
//= rfc7724-7.4.1-05
//= rfc7724-3-04
#[test]
fn what_the_history_does_not_reach_is_missing_at_once_and_only_new_changes_are_told() {
    let settings = Settings { history: 10, ..Settings::default() };
    let mut world = world(settings);
    for number in 1..5 {
        world.commit(&released(number));
    }
    world.store.advance(NOW.plus(21));
    assert_eq!(world.store.history_floor(), NOW.plus(11));
    world.commit(&lease(key(9)));
    let mut watch = Watch::new(world);
    watch.later(1);
    let replies = watch.ask(&active().since(NOW.plus(10)));
    assert_eq!(said(&replies), [MISSING]);
    assert_eq!(base_time(&replies[0]), Some(NOW.plus(22)));
    for number in 20..25 {
        watch.world.commit(&lease(key(number)));
        assert_eq!(said(&watch.listen()), [Leased(number)], "in the second of the gap's end, too");
        assert_eq!(said(&watch.listen_after(60)), [ALIVE]);
    }
}

//= rfc7724-7.4.1-01
#[test]
fn what_was_forgotten_before_query_start_time_is_not_missed() {
    let mut world = world(Settings { history: 10, ..Settings::default() });
    world.commit(&released(1));
    world.store.advance(NOW.plus(21));
    assert!(world.store.lookup(key(1)).is_none());
    world.commit(&lease(key(2)));
    let floor = world.store.history_floor();
    assert_eq!(catch_up(&mut Watch::new(world), floor), [Leased(2), COMPLETE]);
}

//= rfc7724-7.4.1-03
#[test]
fn the_history_reaches_back_to_its_first_whole_second() {
    let floor = NOW.plus(1);
    assert_eq!(five().store.history_floor(), floor);
    assert_eq!(catch_up(&mut Watch::new(five()), floor).last(), Some(&COMPLETE));
    assert_eq!(catch_up(&mut Watch::new(five()), NOW), [MISSING]);
    assert_eq!(catch_up(&mut Watch::new(five()), Time(0)), [MISSING]);
}

//= rfc7724-7.4.1-03
//= rfc7724-7.4.1-04
//= rfc7724-7.4.1-05
#[test]
fn nobody_can_vouch_for_a_query_start_time_more_than_two_seconds_ahead() {
    for (ahead, word) in [(1, COMPLETE), (2, COMPLETE), (3, MISSING), (1_000_000, MISSING)] {
        let mut watch = Watch::new(five());
        let replies = watch.ask(&active().since(NOW.plus(100 + ahead)));
        assert_eq!(said(&replies), [word], "{ahead} s");
        assert_eq!(base_time(&replies[0]), Some(NOW.plus(100)));
        watch.world.commit(&lease(key(1)));
        assert_eq!(said(&watch.listen()), [Leased(1)], "it changed before that time, but after the query");
        assert_eq!(said(&watch.listen_after(60)), [ALIVE]);
    }
}

//= rfc7724-7.4.1-10
//= rfc7724-7.4.1-04
//= rfc7724-7.4.1-05
#[test]
fn history_that_ages_away_while_catching_up_is_missing_at_once() {
    let mut world = world(Settings { history: 10, ..Settings::default() });
    for number in 1..9 {
        world.commit(&released(number));
    }
    world.commit(&lease(key(9)));
    let mut watch = Watch::new(world);
    watch.send(&active().since(NOW.plus(10)).frame());
    assert_eq!(said(&watch.turn(1)), [Free(1)]);
    watch.later(10);
    assert_eq!(said(&watch.turn(1)), [Free(2)], "it is all still there");
    watch.later(1);
    let replies = watch.listen();
    assert_eq!(said(&replies), [MISSING], "also instead of what is left");
    assert_eq!(base_time(&replies[0]), Some(NOW.plus(21)));
    watch.world.commit(&lease(key(20)));
    assert_eq!(said(&watch.listen()), [Leased(20)]);
    assert_eq!(said(&watch.listen_after(60)), [ALIVE]);
}

//= rfc7724-8.4-04
//= rfc7724-8.4-05
//= rfc7724-7.4-10
#[test]
fn changes_forgotten_after_catching_up_end_the_query_so_that_coming_back_shows_the_gap() {
    let world = world(Settings { history: 10, ..Settings::default() });
    let mut watch = Watch::begun(world);
    watch.world.commit(&released(1));
    watch.world.commit(&released(2));
    assert_eq!(said(&watch.turn(1)), [Free(1)]);
    watch.later(11);
    let replies = watch.listen();
    assert_eq!(said(&replies), [TERMINATED]);
    let told_until = base_time(&replies[0]).expect("the last word has base-time");
    assert!(told_until <= NOW.plus(10), "the change that nobody was told of");
    let reason = "changes were forgotten before they could be sent".to_owned();
    assert_eq!(watch.closed(), Some(CloseReason::Aborted { xid: 0x0102_0304, reason }));
    watch.assert_over();
    assert_eq!(catch_up(&mut Watch::new(watch.world), told_until), [MISSING]);
}

#[test]
fn a_query_broken_off_before_the_gap_could_be_told_is_told_until_where_it_wanted_to_start() {
    let mut watch = Watch::new(five());
    // What follows the query ends the connection before there is a turn.
    watch.send(&[active().since(NOW).frame(), vec![0, 1]].concat());
    let replies = watch.listen();
    assert_eq!(said(&replies), [TERMINATED]);
    assert_eq!(base_time(&replies[0]), Some(NOW));
}

//= rfc7724-7.4.1-01
//= rfc7724-8.2-16
//= rfc7724-8.2-12
#[test]
fn bindings_that_ended_meanwhile_are_told_by_default() {
    let mut world = five();
    world.store.end_lease(world.source, key(12), State::Available);
    world.commit(&released(13));
    // In the middle of the night nobody asks; the lease of 15 is renewed, the others run out.
    world.commit(&Update { expires: Some(NOW.plus(80_000)), ..lease(key(15)) });
    world.store.advance(NOW.plus(20_000));
    let mut watch = Watch::new(world);
    let replies = watch.ask(&active().since(NOW.plus(50)));
    assert_eq!(said(&replies), [Free(12), Free(13), Leased(15), Free(11), Free(14), COMPLETE]);
    let states: Vec<_> = replies.iter().map(|reply| reply.option(OptionCode::DHCP_STATE)).collect();
    assert_eq!(states[..2], [Some(vec![State::Available as u8]), Some(vec![State::Released as u8])]);
    assert_eq!(states[3..5], [Some(vec![State::Expired as u8]), Some(vec![State::Expired as u8])]);
}

//= rfc7724-8.2-13
//= rfc7724-3-04
//= rfc7724-7.4.1-03
#[test]
fn the_past_is_bounded_in_number_and_what_is_beyond_is_missing() {
    let mut world = world(Settings { max_ended: 100, ..Settings::default() });
    for number in 0..5000 {
        world.store.advance(NOW.plus(20 + number / 10));
        world.commit(&lease(key(number)));
        world.commit(&released(number));
        assert!(world.store.counts().bindings <= 111, "those of this second may be more");
    }
    world.store.advance(NOW.plus(1000));
    assert_eq!(catch_up(&mut Watch::new(world), NOW.plus(20)), [MISSING]);
}

//= rfc7724-7.4.1-02
//= rfc7724-8.2-11
#[test]
fn changes_made_while_catching_up_are_told_once_catching_up_is_complete() {
    let mut watch = Watch::new(five());
    watch.send(&active().since(NOW.plus(11)).frame());
    let mut replies = [watch.turn(1), watch.turn(1)].concat();
    assert_eq!(watch.turn, Turn::More);
    watch.later(1);
    watch.world.commit(&lease(key(20)));
    // One that has been told already, and one that has not.
    watch.world.commit(&released(11));
    watch.world.commit(&released(14));
    replies.extend(watch.listen());
    let told = [Leased(11), Leased(12), Leased(13), Leased(15), COMPLETE, Leased(20), Free(11), Free(14)];
    assert_eq!(said(&replies), told);
    let times: Vec<_> = replies.iter().map(|reply| base_time(reply).unwrap().since(NOW)).collect();
    assert_eq!(times, [11, 12, 13, 15, 101, 101, 101, 101]);
}

#[test]
fn catching_up_is_complete_even_if_all_that_was_left_changed_again() {
    let mut watch = Watch::new(five());
    watch.send(&active().since(NOW.plus(14)).frame());
    assert_eq!(said(&watch.turn(1)), [Leased(14)]);
    watch.world.commit(&released(15));
    assert_eq!(said(&watch.listen()), [COMPLETE, Free(15)]);
}

//= rfc7724-6-01
//= rfc7724-6-03
#[test]
fn what_changes_often_while_the_reader_stands_still_is_told_once_as_it_is_then() {
    let mut watch = Watch::begun(World::new());
    watch.world.commit(&lease(key(1)));
    assert_eq!(watch.listen().len(), 1);
    watch.connection.handle_progress(watch.now, 0, 300);
    for change in 0..10_000 {
        let update = lease(key(change % 100));
        watch.world.commit(&Update { last_transaction: Some(NOW.plus(change)), ..update });
    }
    watch.world.commit(&released(7));
    watch.later(60);
    watch.connection.handle_progress(watch.now, 300, 0);
    let replies = watch.listen();
    let expected: Vec<_> = (0..100).filter(|number| *number != 7).map(Leased).chain([Free(7)]).collect();
    assert_eq!(said(&replies), expected);
    assert_eq!(watch.listen(), []);
}

#[test]
fn catching_up_heeds_the_room() {
    let mut world = world(Settings::default());
    for number in 0..5000 {
        world.commit(&lease(key(number)));
    }
    let mut watch = Watch::with(world, permitted(), Limits::default());
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
    assert_eq!(told, (0..5000).map(Leased).chain([COMPLETE]).collect::<Vec<_>>());
}
