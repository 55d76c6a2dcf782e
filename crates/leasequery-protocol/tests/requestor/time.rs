//! Times are converted with base-time and skew (RFC 6926 section 7.4).

use leasequery_protocol::requestor::v4::{BulkQuery, Times};
use leasequery_store::Time;
use leasequery_wire::v4::{MessageType, OptionCode};

use crate::peer::{Requestor, START, XID, address, body, done, done_with, message, raw_options};

/// A DHCPLEASEACTIVE with a base-time and durations.
fn timed(base_time: Time, durations: &[(OptionCode, u32)]) -> Vec<u8> {
    message(MessageType::LEASE_ACTIVE, XID, address(10), |writer| {
        writer.u32(OptionCode::BASE_TIME, base_time.0);
        for (code, seconds) in durations {
            writer.u32(*code, *seconds);
        }
    })
}

const ALL: [(OptionCode, u32); 5] = [
    (OptionCode::LEASE_TIME, 60),
    (OptionCode::RENEWAL_TIME, 20),
    (OptionCode::REBINDING_TIME, 40),
    (OptionCode::CLIENT_LAST_TRANSACTION_TIME, 10),
    (OptionCode::START_TIME_OF_STATE, 500),
];

/// What [`ALL`] means, counted from a local time.
fn all_from(base: Time) -> Times {
    Times {
        start_of_state: Some(base.minus(500)),
        last_transaction: Some(base.minus(10)),
        expires: Some(base.plus(60)),
        renews: Some(base.plus(20)),
        rebinds: Some(base.plus(40)),
    }
}

//= rfc6926-7.4-05
#[test]
fn equal_clocks_change_nothing() {
    let mut requestor = Requestor::asking();
    assert_eq!(requestor.record(&timed(START, &ALL)).times, all_from(START));
    assert_eq!(requestor.connection.skew().seconds(), 0);
}

//= rfc6926-7.4-01
//= rfc6926-7.4-03
#[test]
fn times_of_a_server_that_is_ahead_are_told_by_the_local_clock_and_base_time_by_its_own() {
    let mut requestor = Requestor::asking();
    requestor.wait(5000);
    let ahead = requestor.wall().plus(100);
    let row = requestor.record(&timed(ahead, &ALL));
    assert_eq!(row.times, all_from(requestor.wall()));
    assert_eq!(row.base_time, ahead);
    assert_eq!(requestor.connection.skew().seconds(), 100);
}

#[test]
fn times_of_a_server_that_is_behind_are_told_by_the_local_clock() {
    let mut requestor = Requestor::asking();
    let row = requestor.record(&timed(START.minus(3600), &ALL));
    assert_eq!(row.times, all_from(START));
}

//= rfc6926-6.2.3-03
#[test]
fn durations_count_from_the_base_time_of_their_message_and_not_from_its_arrival() {
    let mut requestor = Requestor::asking();
    requestor.record(&timed(START, &[]));
    requestor.wait(10);
    // Made ten seconds ago and held back since.
    assert_eq!(requestor.record(&timed(START, &ALL)).times, all_from(START));
    // The skew is one for the connection, the base-time one for each message.
    assert_eq!(requestor.record(&timed(START.plus(10), &ALL)).times, all_from(START.plus(10)));
}

//= rfc2132-9.2-01
#[test]
fn a_lease_without_end_is_not_shifted() {
    let infinite =
        [OptionCode::LEASE_TIME, OptionCode::RENEWAL_TIME, OptionCode::REBINDING_TIME].map(|code| (code, u32::MAX));
    for base in [START.minus(100), START, START.plus(100)] {
        let times = Requestor::asking().record(&timed(base, &infinite)).times;
        assert_eq!(times.expires, Some(Time::INFINITE));
        assert_eq!(times.renews, Some(Time::INFINITE));
        assert_eq!(times.rebinds, Some(Time::INFINITE));
    }
    // The longest lease with an end has one, even where the scale has none.
    let longest = Requestor::asking().record(&timed(START, &[(OptionCode::LEASE_TIME, u32::MAX - 1)])).times;
    assert_eq!(longest.expires, Some(Time(u32::MAX - 1)));
}

#[test]
fn what_is_longer_ago_than_1970_is_as_old_as_can_be_said() {
    let times = Requestor::asking().record(&timed(START, &[(OptionCode::START_TIME_OF_STATE, u32::MAX)])).times;
    assert_eq!(times.start_of_state, Some(Time(0)));
}

#[test]
fn a_message_without_base_time_was_made_when_it_came() {
    let mut requestor = Requestor::asking();
    let bare = |requestor: &mut Requestor| {
        let frame = message(MessageType::LEASE_ACTIVE, XID, address(10), |writer| {
            writer.u32(OptionCode::LEASE_TIME, 60);
        });
        let row = requestor.record(&frame);
        (row.base_time, row.times.expires)
    };
    assert_eq!(bare(&mut requestor), (START, Some(START.plus(60))));
    requestor.wait(10);
    requestor.record(&timed(START.plus(110), &[]));
    // By then the server's clock is known.
    assert_eq!(bare(&mut requestor), (START.plus(110), Some(START.plus(70))));
}

//= rfc6926-2-02
#[test]
fn one_late_message_hardly_moves_the_times_of_the_others() {
    let mut requestor = Requestor::asking();
    for _ in 0..50 {
        requestor.wait(60);
        let now = requestor.wall();
        assert_eq!(requestor.record(&timed(now.plus(100), &ALL)).times, all_from(now));
    }
    requestor.wait(3600);
    let now = requestor.wall();
    let late = requestor.record(&timed(now.plus(100).minus(30), &ALL)).times.expires.unwrap();
    let expected = now.minus(30).plus(60);
    assert!(late.0.abs_diff(expected.0) < 2, "{late:?} {expected:?}");
    assert_eq!(requestor.record(&timed(now.plus(100), &ALL)).times, all_from(now));
}

//= rfc6926-2-02
#[test]
fn ten_hours_of_drift_either_way_keep_times_within_a_second() {
    for direction in [1_i64, -1] {
        let mut requestor = Requestor::asking();
        for minute in 0..600_i64 {
            requestor.wait(60);
            let local = requestor.wall();
            // A second an hour, rounded as the server's clock rounds it.
            let ahead = 1000 + (direction * minute).div_euclid(60);
            let base = Time(u32::try_from(i64::from(local.0) + ahead).unwrap());
            let times = requestor.record(&timed(base, &ALL)).times;
            let off = times.expires.unwrap().0.abs_diff(local.0 + 60);
            assert!(off <= 1, "{off} seconds off after {minute} minutes");
        }
        assert!((requestor.connection.skew().seconds() - (1000 + direction * 10)).abs() <= 1);
    }
}

//= rfc6926-6.2.5-03
//= rfc6926-7.4-02
#[test]
fn a_later_query_for_changes_starts_at_the_base_time_of_the_first_message() {
    let mut requestor = Requestor::asking();
    let server = START.plus(100);
    requestor.record(&timed(server, &[]));
    requestor.wait(20);
    requestor.record(&timed(server.plus(20), &[]));
    let end = message(MessageType::LEASE_QUERY_DONE, XID, std::net::Ipv4Addr::UNSPECIFIED, |writer| {
        writer.u32(OptionCode::BASE_TIME, server.plus(20).0);
    });
    let resume_point = requestor.done(&end).resume_point;
    assert_eq!(resume_point, Some(server));

    let next = BulkQuery { since: resume_point, ..BulkQuery::default() };
    requestor.connection.ask(requestor.now, &next).unwrap();
    let options = raw_options(body(requestor.connection.poll_transmit()));
    assert!(options.contains(&(154, server.0.to_be_bytes().to_vec())));
}

#[test]
fn an_empty_response_is_resumed_from_its_end() {
    assert_eq!(Requestor::asking().done(&done(XID)).resume_point, Some(START));
}

#[test]
fn without_a_safe_base_time_there_is_no_resume_point() {
    // The first message had none: a later one would leave out changes of what came before it.
    let mut requestor = Requestor::asking();
    requestor.record(&message(MessageType::LEASE_ACTIVE, XID, address(1), |_| {}));
    requestor.record(&timed(START, &[]));
    assert_eq!(requestor.done(&done(XID)).resume_point, None);
    // The query failed: it has to be asked again as it was.
    let mut requestor = Requestor::asking();
    requestor.record(&timed(START, &[]));
    assert_eq!(requestor.done(&done_with(XID, &[2])).resume_point, None);
}

//= rfc6926-6.2.6-04
#[test]
fn as_long_as_nothing_is_known_the_clocks_are_taken_to_be_equal() {
    let requestor = Requestor::new();
    assert_eq!(requestor.connection.skew().to_server(START), START);
    assert_eq!(requestor.connection.skew().to_local(START), START);
}

//= rfc6926-2-01
#[test]
fn base_times_of_more_than_31_bits_are_read() {
    let later = Time(2_208_988_800); // 2040-01-01T00:00:00Z
    assert_eq!(Requestor::asking().record(&timed(later, &[])).base_time, later);
}

/// A DHCPLEASEQUERYDONE with a base-time.
fn ended(base_time: Time) -> Vec<u8> {
    message(MessageType::LEASE_QUERY_DONE, XID, address(0), |writer| {
        writer.u32(OptionCode::BASE_TIME, base_time.0);
    })
}

#[test]
fn a_later_query_starts_no_later_than_the_last_one_was_asked() {
    // Servers may stamp what they send when they send it, and may have looked long for something to tell.
    for record in [false, true] {
        let mut requestor = Requestor::asking();
        let asked = requestor.wall();
        requestor.wait(20);
        let late = requestor.wall();
        if record {
            requestor.record(&timed(late, &ALL));
        }
        let resume = requestor.done(&ended(late)).resume_point;
        assert!(resume.is_some_and(|resume| resume <= asked && resume >= asked.minus(2)), "{resume:?}");
    }
}

#[test]
fn a_first_message_that_was_long_in_coming_does_not_tell_that_clocks_differ() {
    for held_back in [0, 20] {
        let mut requestor = Requestor::asking();
        requestor.wait(20);
        let base_time = requestor.wall().minus(held_back);
        assert_eq!(requestor.record(&timed(base_time, &ALL)).times, all_from(base_time));
    }
    // Unless they differ by more than that.
    let mut requestor = Requestor::asking();
    requestor.wait(20);
    let row = requestor.record(&timed(requestor.wall().plus(100), &ALL));
    assert_eq!(row.times, all_from(requestor.wall()));
}
