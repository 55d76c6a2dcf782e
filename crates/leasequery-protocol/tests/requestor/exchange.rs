//! When a query over UDP is sent again (RFC 2131 section 4.1, RFC 5007 section 4.1.4), with a fake clock.

use std::time::Duration;

use leasequery_protocol::requestor::{Exchange, Poll, Schedule};

const START: Duration = Duration::from_secs(1000);

/// Seconds from each transmission to what comes next, and whether that is giving up.
fn gaps(schedule: Schedule, seed: u64, most: usize) -> (Vec<f64>, bool) {
    let mut exchange = Exchange::new(schedule, seed);
    let (mut now, mut gaps) = (START, Vec::new());
    assert_eq!(exchange.poll(now), Poll::Send, "the first time at once");
    loop {
        let Poll::Wait(until) = exchange.poll(now) else { panic!("sent twice at once") };
        assert_eq!(exchange.poll(until.saturating_sub(Duration::from_nanos(1))), Poll::Wait(until));
        gaps.push(until.saturating_sub(now).as_secs_f64());
        now = until;
        match exchange.poll(now) {
            Poll::Send if gaps.len() < most => {}
            Poll::Send => return (gaps, false),
            Poll::Failed => {
                assert_eq!(exchange.poll(now + Duration::from_hours(1)), Poll::Failed);
                return (gaps, true);
            }
            Poll::Wait(_) => panic!("nothing to wait for"),
        }
    }
}

//= rfc2131-4.1-04
//= rfc4388-6.6-01
#[test]
fn dhcpv4_waits_twice_as_long_each_time_up_to_64_seconds_give_or_take_one() {
    let (mut least, mut greatest) = (f64::MAX, f64::MIN);
    for seed in 0..200 {
        let (gaps, failed) = gaps(Schedule::V4, seed, 8);
        assert!(!failed, "only its caller gives up");
        for (gap, expected) in gaps.iter().zip([4.0, 8.0, 16.0, 32.0, 64.0, 64.0, 64.0, 64.0]) {
            assert!((gap - expected).abs() <= 1.0, "{gaps:?}");
            least = least.min(gap - expected);
            greatest = greatest.max(gap - expected);
        }
    }
    assert!(least < -0.9 && greatest > 0.9, "all of the second is made use of");
}

//= rfc5007-4.3.2-05
//= rfc5007-4.3.2-06
#[test]
fn dhcpv6_waits_about_twice_as_long_each_time_up_to_10_seconds_and_gives_up_after_five() {
    let mut capped = 0;
    for seed in 0..200 {
        let (gaps, failed) = gaps(Schedule::V6, seed, usize::MAX);
        assert!(failed);
        assert_eq!(gaps.len(), 5);
        assert!((0.9..=1.1).contains(&gaps[0]));
        for pair in gaps.windows(2) {
            let doubled = 1.9 * pair[0]..=2.1 * pair[0] + 1e-6;
            let at_most = 9.0..=11.0;
            assert!(doubled.contains(&pair[1]) || (at_most.contains(&pair[1]) && 2.1 * pair[0] > 10.0), "{gaps:?}");
            capped += usize::from(!doubled.contains(&pair[1]));
        }
    }
    assert!(capped > 100, "the fifth is twice the fourth of about 8 seconds, which is too much");
}

//= rfc2131-4.1-04
#[test]
fn requestors_that_begin_together_do_not_go_on_together() {
    for schedule in [Schedule::V4, Schedule::V6] {
        assert_ne!(gaps(schedule, 1, 6), gaps(schedule, 2, 6));
        assert_eq!(gaps(schedule, 1, 6), gaps(schedule, 1, 6));
    }
}

#[test]
fn who_looks_late_is_not_made_to_hurry() {
    let mut exchange = Exchange::new(Schedule::V4, 1);
    assert_eq!(exchange.poll(START), Poll::Send);
    let late = START + Duration::from_mins(1);
    assert_eq!(exchange.poll(late), Poll::Send);
    let Poll::Wait(until) = exchange.poll(late) else { panic!("sent twice at once") };
    assert!(until >= late + Duration::from_secs(7));
}

#[test]
fn the_end_of_time_is_no_panic() {
    let mut exchange = Exchange::new(Schedule::V4, 1);
    for _ in 0..100 {
        assert_ne!(exchange.poll(Duration::MAX), Poll::Failed);
    }
}
