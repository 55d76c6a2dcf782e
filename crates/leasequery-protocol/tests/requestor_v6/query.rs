//! The octets of queries (RFC 5007 section 4.1.2.1, RFC 5460 section 6.2, RFC 7653 sections 6.2.1 and 8.4).

use leasequery_protocol::requestor::QueryError;
use leasequery_protocol::requestor::v6::{ActiveQuery, BulkQuery, Primary, Query, Selector};
use leasequery_store::Time;

use crate::peer::{OWN, Requestor, START, START_2000, body, ip, opt, options};

/// The frame that asks this.
pub(crate) fn frame(query: impl Into<Query>) -> Vec<u8> {
    let mut requestor = Requestor::new();
    requestor.connection.ask(requestor.now, query).unwrap();
    requestor.connection.poll_transmit().to_vec()
}

/// Each primary selector once, and the type and the option it is asked by.
pub(crate) fn primaries() -> Vec<(Primary, u8, Vec<u8>)> {
    let relay = vec![0xff, 0xfe, 7];
    let remote = vec![0, 0, 0, 9, b'r'];
    let own_address = [&ip(1).octets()[..], &[0; 8]].concat();
    vec![
        (Primary::Address(ip(1)), 1, opt(5, &own_address)),
        (Primary::ClientId(vec![0, 1, 2]), 2, opt(1, &[0, 1, 2])),
        (Primary::RelayId(relay.clone()), 3, opt(53, &relay)),
        (Primary::All, 4, Vec::new()),
        (Primary::RemoteId(remote.clone()), 5, opt(37, &remote)),
    ]
}

/// Everything that may be asked for: bulk and active, with and without link, times, and options.
fn all_queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for (primary, ..) in primaries() {
        for bits in 0..16_u32 {
            let selector = Selector { primary: primary.clone(), link: (bits & 1 != 0).then_some(ip(0)) };
            let since = (bits & 2 != 0).then_some(START.minus(500));
            let until = (bits & 4 != 0).then_some(START);
            let options = if bits & 8 != 0 { vec![39] } else { Vec::new() };
            queries.push(Query::Bulk(BulkQuery { selector: selector.clone(), since, until, options: options.clone() }));
            queries.push(Query::Active(ActiveQuery { selector, since, options }));
        }
    }
    queries
}

//= rfc3315-6-01
//= rfc5460-4-06
//= rfc5460-5.1-01
//= rfc5460-5.1-02
//= rfc5460-6.2-01
//= rfc5007-4.1.2.1-01
//= rfc5007-4.1.2.1-02
//= rfc3315-22.7-01
//= alq6-6.3.2-01
#[test]
fn a_bulk_query_for_everything_has_exactly_these_octets() {
    // RFC 5460 has none. It is one by link that names no link, for all that changed since the beginning of time.
    #[rustfmt::skip]
    let expected = [
        0, 59,                       // length of the message
        14, 1, 2, 3,                 // LEASEQUERY, transaction-id
        0, 1, 0, 6, 0, 3, 0, 1, 0xaa, 0xbb,
        0, 6, 0, 4, 0, 100, 0, 47,   // base-time and relay data
        0, 101, 0, 4, 0, 0, 0, 0,
        0, 44, 0, 25, 4,             // by link-address
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 6, 0, 4, 0, 100, 0, 47,
    ];
    assert_eq!(frame(BulkQuery::default()), expected);
}

//= rfc3315-9-01
//= rfc3315-22.6-01
//= rfc4649-3-01
//= rfc5007-4.1.2.1-03
//= rfc5460-5.3-01
//= rfc5460-5.3.1-01
//= rfc5460-5.3.3-01
//= rfc5460-5.4.1-01
//= rfc5460-3-01
#[test]
fn each_type_of_query_has_exactly_these_octets() {
    let list = [0, 6, 0, 4, 0, 100, 0, 47];
    for (primary, query_type, option) in primaries() {
        for link in [None, Some(ip(0xbeef))] {
            let selector = Selector { primary: primary.clone(), link };
            if selector == Selector::default() {
                continue;
            }
            let link = link.map_or([0; 16], |link| link.octets());
            let value = [&[query_type][..], &link, &option, &list].concat();
            let expected = [&[14, 1, 2, 3][..], &opt(1, &OWN), &list, &opt(44, &value)].concat();
            let octets = frame(BulkQuery { selector: selector.clone(), ..BulkQuery::default() });
            assert_eq!(body(&octets), expected, "{selector:?}");
        }
    }
}

//= alq6-5-01
//= alq6-2-01
//= alq6-6.3.2-01
//= alq6-6.3.3-01
#[test]
fn times_count_from_2000_and_are_part_of_the_message() {
    for (since, until) in [(None, None), (Some(START), None), (None, Some(START)), (Some(START.minus(9)), Some(START))]
    {
        let selector = Selector { primary: Primary::ClientId(vec![0, 1]), link: None };
        let octets = frame(BulkQuery { selector, since, until, ..BulkQuery::default() });
        let found = options(&body(&octets)[4..]);
        let of = |code| found.iter().find(|(c, _)| *c == code).map(|(_, value)| value.clone());
        let wire = |time: Time| (time.0 - 946_684_800).to_be_bytes().to_vec();
        assert_eq!(of(101), since.map(wire));
        assert_eq!(of(102), until.map(wire));
    }
    assert_eq!(START.0 - 946_684_800, START_2000);
    let octets = frame(BulkQuery { since: Some(Time(946_684_800)), ..BulkQuery::default() });
    assert!(options(&body(&octets)[4..]).contains(&(101, vec![0; 4])), "the first second of 2000 is zero");
}

#[test]
fn the_beginning_of_time_is_the_first_second_that_dhcpv6_has() {
    // A follower asks since then if no time is a good one. By the scale of DHCPv6 it would be in the next century.
    for query in [
        Query::Bulk(BulkQuery { since: Some(Time::default()), until: Some(START), ..BulkQuery::default() }),
        Query::Active(ActiveQuery { since: Some(Time::default()), ..ActiveQuery::default() }),
    ] {
        let octets = frame(query);
        assert!(options(&body(&octets)[4..]).contains(&(101, vec![0; 4])));
    }
}

//= alq6-2-01
//= alq6-6.3.2-04
#[test]
fn a_time_that_the_server_said_is_said_back_as_it_was() {
    // One that is beyond 2106, where the scale of the store ends, as one before it: so nothing is passed over.
    let last = u32::MAX - 1 - 946_684_800;
    for seconds in [0, 1, START_2000, last, last + 1, last + 2, u32::MAX] {
        let mut requestor = Requestor::following(None);
        let events = requestor.events(&crate::peer::bare_reply(crate::peer::XID, &crate::peer::base_time(seconds)));
        let [crate::peer::Seen::Status(_, _, Some(time), _)] = events.as_slice() else { panic!("{events:?}") };
        let octets = frame(ActiveQuery { since: Some(*time), ..ActiveQuery::default() });
        assert!(options(&body(&octets)[4..]).contains(&(101, seconds.min(last).to_be_bytes().to_vec())), "{seconds}");
    }
}

//= rfc7653-active-01
//= alq6-6.1-01
//= alq6-6.2.1-04
//= alq6-6.2.1-07
//= alq6-3-01
#[test]
fn an_active_query_for_everything_has_exactly_these_octets() {
    #[rustfmt::skip]
    let expected = [
        0, 22,
        22, 1, 2, 3,                 // ACTIVELEASEQUERY, transaction-id
        0, 1, 0, 6, 0, 3, 0, 1, 0xaa, 0xbb,
        0, 6, 0, 4, 0, 100, 0, 47,   // and no OPTION_LQ_QUERY
    ];
    assert_eq!(frame(ActiveQuery::default()), expected);
}

//= alq6-6.2.1-02
//= alq6-8.2-04
#[test]
fn an_active_query_names_a_time_only_if_one_is_given() {
    for since in [None, Some(START)] {
        let octets = frame(ActiveQuery { since, ..ActiveQuery::default() });
        let list = [0, 100, 0, 47].to_vec();
        let mut expected = vec![(1, OWN.to_vec()), (6, list)];
        expected.extend(since.map(|_| (101, START_2000.to_be_bytes().to_vec())));
        assert_eq!(options(&body(&octets)[4..]), expected);
    }
}

//= alq6-6.2.1-05
//= rfc5007-4.1.2.1-02
#[test]
fn an_active_query_for_a_part_says_which_part() {
    for (primary, query_type, option) in primaries() {
        for link in [None, Some(ip(0xbeef))] {
            let selector = Selector { primary: primary.clone(), link };
            if selector == Selector::default() {
                continue;
            }
            let octets = frame(ActiveQuery { selector: selector.clone(), since: Some(START), options: vec![] });
            let list = [0, 6, 0, 4, 0, 100, 0, 47];
            let link = link.map_or([0; 16], |link| link.octets());
            let value = [&[query_type][..], &link, &option, &list].concat();
            let expected =
                [&[22, 1, 2, 3][..], &opt(1, &OWN), &list, &opt(101, &START_2000.to_be_bytes()), &opt(44, &value)];
            assert_eq!(body(&octets), expected.concat(), "{selector:?}");
        }
    }
}

//= alq6-6.3.3-03
//= alq6-10-01
//= rfc5007-4.1.2.3-02
#[test]
fn no_query_has_an_option_twice_nor_one_that_has_no_place_in_it() {
    for query in all_queries() {
        let octets = frame(query.clone());
        let message = options(&body(&octets)[4..]);
        let mut codes: Vec<u16> = message.iter().map(|(code, _)| *code).collect();
        codes.sort_unstable();
        let count = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), count, "{query:?}");
        assert!(codes.iter().all(|code| [1, 6, 44, 101, 102].contains(code)), "{query:?}");
        if matches!(query, Query::Active(_)) {
            assert!(!codes.contains(&102), "{query:?}");
        }
        if let Some((_, value)) = message.iter().find(|(code, _)| *code == 44) {
            let inner: Vec<u16> = options(&value[17..]).into_iter().map(|(code, _)| code).collect();
            assert!(inner.iter().all(|code| [1, 5, 6, 37, 53].contains(code)), "{query:?}");
        }
    }
}

//= rfc5007-4.1.2.1-09
//= rfc3315-22.7-01
#[test]
fn options_of_the_caller_are_asked_for_once_besides_the_usual_ones() {
    let list = vec![0, 100, 0, 47, 0, 39, 1, 0];
    let octets = frame(BulkQuery { options: vec![39, 47, 256, 39], ..BulkQuery::default() });
    let message = options(&body(&octets)[4..]);
    assert!(message.contains(&(6, list.clone())));
    let query = &message.iter().find(|(code, _)| *code == 44).unwrap().1;
    assert_eq!(options(&query[17..]), [(6, list.clone())]);
    // Without OPTION_LQ_QUERY there is one list only, and it is about the clients.
    let octets = frame(ActiveQuery { options: vec![39, 256], ..ActiveQuery::default() });
    assert_eq!(options(&body(&octets)[4..]), [(1, OWN.to_vec()), (6, list)]);
}

//= rfc3315-9.1-01
//= rfc4649-3-01
#[test]
fn what_cannot_be_said_is_not_asked() {
    let wrong = [
        Primary::ClientId(vec![0]),
        Primary::ClientId(vec![0; 131]),
        Primary::RelayId(vec![]),
        Primary::RelayId(vec![0; 131]),
        Primary::RemoteId(vec![0; 4]),
        Primary::RemoteId(vec![0; 60_001]),
    ];
    for primary in wrong {
        let selector = Selector { primary, link: None };
        let mut requestor = Requestor::new();
        let bulk = BulkQuery { selector: selector.clone(), ..BulkQuery::default() };
        assert!(matches!(requestor.connection.ask(requestor.now, bulk), Err(QueryError::Length { .. })));
        let active = ActiveQuery { selector, ..ActiveQuery::default() };
        assert!(matches!(requestor.connection.ask(requestor.now, active), Err(QueryError::Length { .. })));
        assert!(requestor.connection.poll_transmit().is_empty());
        assert!(!requestor.connection.wants_close());
    }
    let mut requestor = Requestor::new();
    let zero = BulkQuery { options: vec![39, 0], ..BulkQuery::default() };
    assert_eq!(requestor.connection.ask(requestor.now, zero), Err(QueryError::OptionCode(0)));
    for length in [2, 130] {
        for primary in [Primary::ClientId(vec![0xff; length]), Primary::RelayId(vec![0xff; length])] {
            let selector = Selector { primary, link: None };
            frame(BulkQuery { selector, ..BulkQuery::default() });
        }
    }
    let selector = Selector { primary: Primary::RemoteId(vec![0; 5]), link: None };
    frame(BulkQuery { selector, ..BulkQuery::default() });
}

#[test]
fn a_query_that_does_not_fit_its_frame_is_not_asked() {
    let selector = Selector { primary: Primary::RemoteId(vec![1; 60_000]), link: None };
    let mut requestor = Requestor::new();
    let query = BulkQuery { selector, options: (1..3000).collect(), ..BulkQuery::default() };
    assert!(matches!(requestor.connection.ask(requestor.now, query), Err(QueryError::TooLong(_))));
    assert!(requestor.connection.poll_transmit().is_empty());
}
