//! Times: what they count from, by whose clock, and what does not end (RFC 7653 sections 6.3.1 and 8.5).

use leasequery_protocol::clock::{STRETCH, Skew};
use leasequery_protocol::requestor::v6::BulkQuery;
use leasequery_store::Time;

use crate::peer::*;

/// A LEASEQUERY-DATA about one lease, sent at a time of the server's.
fn at(seconds: u32, preferred: u32, valid: u32, ago: u32) -> Vec<u8> {
    let data = client_data(&[opt(1, &CLIENT), ia_address(1, preferred, valid, &[]), clt(ago)]);
    message(DATA, XID, &[base_time(seconds), data].concat())
}

//= alq6-2-01
//= alq6-6.3.1-01
//= alq6-6.3.1-03
//= alq6-8.4-01
#[test]
fn all_times_of_a_message_count_from_its_base_time() {
    let mut requestor = Requestor::begun();
    let row = requestor.row(&at(START_2000 - 7, 100, 200, 30));
    assert_eq!((row.base_time, row.has_base_time), (START.minus(7), true));
    assert_eq!(row.times.last_transaction, START.minus(37), "seconds between two times of the server");
    assert_eq!(row.times.preferred, Some(START.plus(93)));
    assert_eq!(row.times.expires, Some(START.plus(193)));
}

//= alq6-2-01
#[test]
fn the_scale_of_dhcpv6_begins_with_2000() {
    let row = Requestor::asking().row(&bare_reply(XID, &[base_time(0), lease(1)].concat()));
    assert_eq!(row.base_time, Time(946_684_800));
    let row = Requestor::asking().row(&bare_reply(XID, &[base_time(START_2000), lease(1)].concat()));
    assert_eq!(row.base_time, START);
    // It goes on until 2136, and the store's only until 2106: what is beyond does no harm.
    for seconds in [3_348_282_494_u32, 3_348_282_495, 3_348_282_496, u32::MAX] {
        let row = Requestor::asking().row(&bare_reply(XID, &[base_time(seconds), lease(1)].concat()));
        assert_eq!(row.base_time, Time(u32::MAX - 1));
        assert_ne!(row.times.expires, Some(Time::INFINITE));
    }
}

//= alq6-8.4-01
//= alq6-8.4-02
#[test]
fn times_are_told_by_the_local_clock_and_base_times_by_the_server_s() {
    for ahead in [86_400_i64, -86_400, 1] {
        let server = u32::try_from(i64::from(START_2000) + ahead).unwrap();
        let mut requestor = Requestor::asking();
        requestor.rows(&bare_reply(XID, &[base_time(server), lease(9)].concat()));
        assert_eq!(requestor.connection.skew().seconds(), ahead);
        let row = requestor.row(&at(server, 100, 200, 30));
        assert_eq!(row.base_time.0, server + 946_684_800);
        assert_eq!(row.times.last_transaction, START.minus(30));
        assert_eq!(row.times.expires, Some(START.plus(200)));
        // A message that lay in a buffer for half a minute is as old as it says.
        requestor.wait(30);
        let row = requestor.row(&at(server, 100, 200, 30));
        assert_eq!(row.times.last_transaction, START.minus(30));
        assert_eq!(row.times.expires, Some(START.plus(200)));
        let done = requestor.done(&done(XID));
        assert_eq!(done.resume_point, Some(Time(server + 946_684_800)), "what is asked with is the server's own time");
    }
}

//= alq6-8.4-03
#[test]
fn the_difference_of_the_clocks_is_followed_and_one_late_message_moves_nothing() {
    let mut requestor = Requestor::begun();
    let tell = |requestor: &mut Requestor, ahead: i64| {
        let server = u32::try_from(i64::from(START_2000) + i64::try_from(requestor.now.as_secs()).unwrap() + ahead);
        requestor.row(&at(server.unwrap(), 1, 2, 0));
        requestor.connection.skew().seconds()
    };
    assert_eq!(tell(&mut requestor, 0), 0);
    assert_eq!(tell(&mut requestor, -300), 0, "five minutes late");
    // A server that is too fast by a second in an hour.
    for hour in 1..=48 {
        for _ in 0..36 {
            requestor.wait(100);
            tell(&mut requestor, hour);
        }
        assert_eq!(requestor.connection.skew().seconds(), hour);
    }
    // One that was set back, or is too slow, is followed a little later.
    requestor.wait(u64::from(STRETCH));
    tell(&mut requestor, 40);
    requestor.wait(u64::from(STRETCH));
    assert_eq!(tell(&mut requestor, 40), 40);
}

//= alq6-6.3.3-04
//= alq6-6.3.3-05
#[test]
fn a_local_time_is_asked_for_by_the_server_s_clock_as_far_as_it_is_known() {
    let mut requestor = Requestor::new();
    for ahead in [0, 500] {
        let until = Some(requestor.connection.skew().to_server(START));
        requestor.connection.ask(requestor.now, BulkQuery { until, ..BulkQuery::default() }).unwrap();
        let octets = requestor.connection.poll_transmit().to_vec();
        requestor.connection.handle_sent(requestor.now, octets.len());
        let until = (102, (START_2000 + ahead).to_be_bytes().to_vec());
        assert!(options(&body(&octets)[4..]).contains(&until), "taken to be equal as long as nothing is known");
        let xid = u32::from_be_bytes([0, octets[3], octets[4], octets[5]]);
        requestor.done(&bare_reply(xid, &base_time(START_2000 + 500)));
    }
}

#[test]
fn several_leases_of_a_message_have_the_same_base_time() {
    let several = client_data(&[opt(1, &CLIENT), ia_address(1, 1, 60, &[]), ia_address(2, 1, 60, &[]), clt(9)]);
    for base in [Some(START_2000 + 100), None] {
        let mut requestor = Requestor::begun();
        let options = [base.map(base_time).unwrap_or_default(), several.clone()].concat();
        let rows = requestor.rows(&message(DATA, XID, &options));
        assert_eq!(rows[0].times, rows[1].times);
        assert_eq!(rows[0].base_time, rows[1].base_time);
        assert_eq!(rows[0].times.last_transaction, START.minus(9));
    }
}

//= alq6-8.4-04
#[test]
fn without_a_base_time_they_count_from_when_the_message_came() {
    let mut requestor = Requestor::asking();
    requestor.rows(&bare_reply(XID, &lease(9)));
    requestor.wait(50);
    let row = requestor.row(&message(DATA, XID, &lease(1)));
    assert_eq!((row.base_time, row.has_base_time), (START.plus(50), false));
    assert_eq!(row.times.last_transaction, START.plus(45));
    assert_eq!(row.times.expires, Some(START.plus(50 + 3600)));
    assert_eq!(requestor.connection.skew(), Skew::default(), "nothing is learned of its clock");
    assert_eq!(requestor.done(&done(XID)).resume_point, None, "there is nothing to come back with");
    // What is known of its clock from elsewhere holds.
    let mut requestor = Requestor::asking();
    requestor.connection.set_skew(Skew::remembered(1000));
    let row = requestor.row(&bare_reply(XID, &lease(1)));
    assert_eq!((row.base_time, row.times.last_transaction), (START.plus(1000), START.minus(5)));
}

//= rfc3315-5.6-01
#[test]
fn a_lifetime_that_does_not_end_stays_so() {
    for ahead in [0, 86_400] {
        let mut requestor = Requestor::asking();
        requestor.rows(&bare_reply(XID, &[base_time(START_2000 + ahead), lease(9)].concat()));
        let row = requestor.row(&at(START_2000 + ahead, u32::MAX, u32::MAX, 1));
        assert_eq!((row.times.preferred, row.times.expires), (Some(Time::INFINITE), Some(Time::INFINITE)));
        let row = requestor.row(&at(START_2000 + ahead, 10, u32::MAX, 1));
        assert_eq!((row.times.preferred, row.times.expires), (Some(START.plus(10)), Some(Time::INFINITE)));
        // However long another one is, it ends.
        let row = requestor.row(&at(START_2000 + ahead, u32::MAX - 1, u32::MAX - 1, 1));
        assert_ne!(row.times.expires, Some(Time::INFINITE));
    }
    let mut requestor = Requestor::begun();
    let row = requestor.row(&message(
        DATA,
        XID,
        &client_data(&[opt(1, &CLIENT), ia_prefix(3, u32::MAX, u32::MAX, &[]), clt(0)]),
    ));
    assert_eq!(row.times.expires, Some(Time::INFINITE));
}

#[test]
fn a_lease_is_over_if_it_is_valid_for_no_time() {
    let mut requestor = Requestor::begun();
    let row = requestor.row(&at(START_2000, 0, 0, 9));
    assert!(!row.active);
    assert_eq!((row.times.preferred, row.times.expires), (None, None));
    assert_eq!(row.times.last_transaction, START.minus(9));
    let row = requestor.row(&at(START_2000, 0, 1, 9));
    assert!(row.active, "one that is no longer preferred is still there");
    assert_eq!((row.times.preferred, row.times.expires), (Some(START), Some(START.plus(1))));
}

#[test]
fn times_beyond_both_ends_do_no_harm() {
    let mut requestor = Requestor::begun();
    assert_eq!(requestor.row(&at(START_2000, 1, 2, u32::MAX)).times.last_transaction, Time(0));
    assert_eq!(requestor.row(&at(0, 1, 2, u32::MAX)).times.last_transaction, Time(0));
}
