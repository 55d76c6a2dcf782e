use proptest::prelude::*;

use super::*;

const BASE: u32 = 1_735_689_600;

/// The server's clock at a local time, if it is ahead by so much.
fn ahead(local: u32, seconds: i64) -> Time {
    Time(u32::try_from(i64::from(local) + seconds).unwrap())
}

#[test]
fn a_larger_difference_counts_at_once() {
    let mut skew = Skew::default();
    for seconds in [-50, -20, 0, 7, 3600] {
        skew.observe(ahead(BASE, seconds), Time(BASE));
        assert_eq!(skew.seconds(), seconds);
    }
}

#[test]
fn a_smaller_one_counts_when_the_larger_ones_are_old() {
    let mut skew = Skew::default();
    skew.observe(ahead(BASE, 100), Time(BASE));
    for (later, expected) in [(1, 100), (STRETCH - 1, 100), (STRETCH, 100), (2 * STRETCH - 1, 100), (2 * STRETCH, 50)] {
        skew.observe(ahead(BASE + later, 50), Time(BASE + later));
        assert_eq!(skew.seconds(), expected, "{later} seconds later");
    }
}

#[test]
fn what_was_remembered_holds_until_it_is_old() {
    let mut skew = Skew::remembered(-7);
    assert_eq!(skew.seconds(), -7);
    for (later, expected) in [(0, -7), (STRETCH - 1, -7), (STRETCH, -20)] {
        skew.observe(ahead(BASE + later, -20), Time(BASE + later));
        assert_eq!(skew.seconds(), expected, "{later} seconds later");
    }
}

#[test]
fn what_was_remembered_does_not_count_if_the_first_message_is_far_from_it() {
    for far in [-86_400, 86_400] {
        let mut skew = Skew::remembered(7);
        assert!(skew.is_remembered());
        // What lies in the past says nothing of now.
        assert!(skew.observe_past(ahead(BASE, -90_000), Time(BASE)));
        assert!(skew.is_remembered());
        assert!(skew.observe(ahead(BASE + 1, far), Time(BASE + 1)));
        assert_eq!((skew.seconds(), skew.is_remembered()), (far, false));
        assert!(!skew.observe(ahead(BASE + 2, 7), Time(BASE + 2)), "and then it takes two");
    }
}

#[test]
fn a_local_clock_that_is_set_back_is_followed() {
    let mut skew = Skew::default();
    skew.observe(Time(BASE), Time(BASE));
    skew.observe(Time(BASE + 10), Time(BASE - 3590));
    assert_eq!(skew.seconds(), 3600);
}

#[test]
fn a_single_time_that_makes_no_sense_spoils_nothing() {
    let mut skew = Skew::default();
    assert!(skew.observe(ahead(BASE, 100), Time(BASE)));
    for absurd in [Time(u32::MAX - 1), Time(0), ahead(BASE, 100_000)] {
        assert!(!skew.observe(absurd, Time(BASE + 1)));
        assert_eq!(skew.seconds(), 100);
        assert!(skew.observe(ahead(BASE + 2, 100), Time(BASE + 2)));
    }
    assert!(skew.observe_past(Time(5), Time(BASE + 3)), "what is told of may be long past");
    assert!(!skew.observe_past(Time(u32::MAX - 1), Time(BASE + 3)), "but not in the next century");
    assert_eq!(skew.seconds(), 100);
}

#[test]
fn a_clock_that_is_stepped_by_years_is_followed_from_the_second_message_on() {
    const YEAR: i64 = 365 * 86_400;
    for step in [YEAR, -YEAR, 2 * 3600, -2 * 3600] {
        let mut skew = Skew::default();
        skew.observe(ahead(BASE, 7), Time(BASE));
        assert!(!skew.observe(ahead(BASE + 1, step), Time(BASE + 1)));
        assert_eq!(skew.seconds(), 7);
        assert!(skew.observe(ahead(BASE + 9, step + 1), Time(BASE + 9)));
        assert_eq!(skew.seconds(), step + 1);
    }
}

//= rfc2132-9.2-01
#[test]
fn infinite_stays_infinite_and_nothing_else_becomes_it() {
    let mut skew = Skew::default();
    skew.observe(ahead(BASE, -100), Time(BASE));
    assert_eq!(skew.to_local(Time::INFINITE), Time::INFINITE);
    assert_eq!(skew.to_server(Time::INFINITE), Time::INFINITE);
    assert_eq!(skew.to_local(Time(u32::MAX - 1)), Time(u32::MAX - 1));
    assert_eq!(skew.to_server(Time(5)), Time(0));
}

proptest! {
    #[test]
    fn conversion_there_and_back_changes_nothing(offset in -100_000_i64..100_000, time in 1_000_000_u32..4_000_000_000) {
        let mut skew = Skew::default();
        skew.observe(ahead(BASE, offset), Time(BASE));
        prop_assert_eq!(skew.to_server(skew.to_local(Time(time))), Time(time));
    }

    /// However late a message is and however long nothing came before it, it moves nothing.
    //= rfc6926-2-02
    #[test]
    fn one_late_message_moves_nothing(
        offset in -10_000_i64..10_000,
        quiet in 0_u32..1_000_000,
        delay in 0_i64..100_000,
    ) {
        let mut skew = Skew::default();
        skew.observe(ahead(BASE, offset), Time(BASE));
        skew.observe(ahead(BASE + quiet, offset - delay), Time(BASE + quiet));
        prop_assert_eq!(skew.seconds(), offset);
    }

    /// Messages at odd fractions of a second over a clock that drifts by a second an hour, each late by up to half a
    /// minute but for one in ten: the estimate is never behind the truth by more than the rounding of two clocks, nor
    /// ahead of it by more than that and the drift of a period.
    //= rfc6926-2-02
    #[test]
    fn drift_is_followed_through_late_messages(seed: u64, losing: bool) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut skew = Skew::default();
        let mut local = f64::from(BASE);
        let truth = |local: f64| 1000.0 + (local - f64::from(BASE)) / if losing { -3600.0 } else { 3600.0 };
        for message in 0..7200 {
            local += 10.0 * random.f64();
            let delay = if message % 10 == 0 { 0.0 } else { 30.0 * random.f64() };
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds of this century")]
            let (base, arrival) = ((local - delay + truth(local)) as u32, local as u32);
            skew.observe(Time(base), Time(arrival));
            if message > 100 {
                #[allow(clippy::cast_precision_loss, reason = "about a thousand")]
                let error = skew.seconds() as f64 - truth(local);
                prop_assert!((-1.0..1.5).contains(&error), "{error} seconds off at message {message}");
            }
        }
    }
}
