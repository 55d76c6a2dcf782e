//! Single queries over UDP: their octets, and how answers are read (RFC 5007 sections 4.2.2 and 4.3).

use std::net::Ipv6Addr;

use leasequery_protocol::requestor::QueryError;
use leasequery_protocol::requestor::v6::{Answer, Ignored, Primary, Selector, SingleQuery};
use leasequery_store::Time;
use leasequery_wire::v6::{MessageType, StatusCode};
use leasequery_wire::{DecodeError, Problem};

use crate::peer::{
    CLIENT, OWN, REPLY, Row, SERVER, START, START_2000, XID, address, base_time, client_data, clt, ia_address,
    ia_prefix, ip, lease, opt, options, prefix, status,
};
use crate::query::primaries;

/// What is asked for about each client whatever the query: the base-time and relay data.
const USUAL: [u8; 8] = [0, 6, 0, 4, 0, 100, 0, 47];

pub(crate) fn asking(primary: Primary) -> SingleQuery {
    SingleQuery {
        selector: Selector { primary, link: None },
        options: Vec::new(),
        client_id: OWN.into(),
        server_id: None,
    }
}

pub(crate) fn by_address() -> SingleQuery {
    asking(Primary::Address(ip(3)))
}

pub(crate) fn by_client() -> SingleQuery {
    asking(Primary::ClientId(CLIENT.to_vec()))
}

pub(crate) fn datagram(query: &SingleQuery) -> Vec<u8> {
    let mut out = b"before".to_vec();
    query.write(XID, &mut out).unwrap();
    assert_eq!(out[..6], *b"before");
    out.split_off(6)
}

/// A message of some kind, of nothing but these options.
fn message(kind: u8, options: &[Vec<u8>]) -> Vec<u8> {
    let [_, a, b, c] = XID.to_be_bytes();
    [&[kind, a, b, c][..], &options.concat()].concat()
}

/// An answer of the server to the requestor, with these options besides.
pub(crate) fn reply(options: &[Vec<u8>]) -> Vec<u8> {
    message(REPLY, &[&[opt(2, &SERVER), opt(1, &OWN)], options].concat())
}

#[track_caller]
pub(crate) fn rows(query: &SingleQuery, datagram: &[u8]) -> Vec<Row> {
    match query.read(XID, datagram, START) {
        Ok(Answer::Leases(records)) => records.iter().map(Row::new).collect(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn ignored(datagram: &[u8]) -> Ignored {
    let ignored = by_address().read(XID, datagram, START).expect_err("it is not the answer");
    assert_eq!(by_client().read(XID, datagram, START).expect_err("nor to this query"), ignored);
    ignored
}

//= rfc5007-4.1.1-01
//= rfc5007-4.1.2.1-01
//= rfc5007-4.1.2.1-02
//= rfc5007-4.1.2.1-03
//= rfc5007-4.1.2.1-05
//= rfc5007-4.3.1-02
//= rfc5007-4.3.1-03
//= rfc5460-4-06
#[test]
fn a_query_by_address_has_exactly_these_octets() {
    #[rustfmt::skip]
    let expected = [
        14, 1, 2, 3,                                                // LEASEQUERY, transaction-id
        0, 1, 0, 6, 0, 3, 0, 1, 0xaa, 0xbb,                         // whose it is
        0, 44, 0, 53, 1,                                            // by address
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,             // on whichever link
        0, 5, 0, 24, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3,
        0, 0, 0, 0, 0, 0, 0, 0,
        0, 6, 0, 4, 0, 100, 0, 47,                                  // base-time and relay data
    ];
    assert_eq!(datagram(&by_address()), expected);
}

//= rfc5007-4.1.1-01
//= rfc5007-4.1.2.1-03
//= rfc5007-4.1.2.1-08
//= rfc5007-4.3.1-02
//= rfc5007-4.3.1-03
#[test]
fn a_query_by_client_id_has_both_duids_each_in_its_place() {
    let query = [&[2][..], &[0; 16], &opt(1, &CLIENT), &USUAL].concat();
    let expected = [&[14, 1, 2, 3][..], &opt(1, &OWN), &opt(44, &query)].concat();
    assert_ne!(OWN[..], CLIENT[..]);
    assert_eq!(datagram(&by_client()), expected);
}

//= rfc5007-4.1.2.1-02
//= rfc5007-4.1.2.1-09
//= rfc5007-4.3.1-02
//= rfc5007-4.3.1-03
//= rfc5007-4.3.1-04
#[test]
fn link_options_and_server_are_said_if_they_are_given() {
    for query in [by_address(), by_client()] {
        let plain = options(&datagram(&query)[4..]);
        assert_eq!(plain.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [1, 44]);
        let selector = Selector { link: Some(ip(0xbeef)), ..query.selector.clone() };
        let full = SingleQuery { selector, options: vec![23, 47, 39, 23], server_id: Some(SERVER.to_vec()), ..query };
        let found = options(&datagram(&full)[4..]);
        assert_eq!(found[..2], [(1, OWN.to_vec()), (2, SERVER.to_vec())]);
        let (code, value) = &found[2];
        assert_eq!((*code, found.len()), (44, 3));
        assert_eq!((value[0], &value[1..17]), (plain[1].1[0], &ip(0xbeef).octets()[..]));
        let inside = options(&value[17..]);
        assert_eq!(inside[0], options(&plain[1].1[17..])[0]);
        assert_eq!(inside[1..], [(6, vec![0, 100, 0, 47, 0, 23, 0, 39])]);
    }
}

//= rfc5460-3-02
#[test]
fn queries_for_tcp_are_not_asked_over_udp() {
    for (primary, query_type, _) in primaries() {
        for link in [None, Some(ip(0))] {
            let mut query = asking(primary.clone());
            query.selector.link = link;
            let mut out = Vec::new();
            let written = query.write(XID, &mut out);
            if query_type < 3 {
                assert_eq!((written, out[0]), (Ok(()), 14));
            } else {
                assert_eq!((written, out), (Err(QueryError::OnlyTcp), Vec::new()));
            }
        }
    }
}

//= rfc5007-4.3.1-03
#[test]
fn what_cannot_be_asked_is_refused_and_leaves_nothing_behind() {
    let refused = |query: &SingleQuery| {
        let mut out = b"before".to_vec();
        let error = query.write(XID, &mut out).expect_err("it cannot be asked");
        assert_eq!(out, b"before");
        error
    };
    for (length, fits) in [(0, false), (1, false), (2, true), (130, true), (131, false)] {
        let query = asking(Primary::ClientId(vec![7; length]));
        if fits {
            datagram(&query);
        } else {
            assert_eq!(refused(&query), QueryError::Length { what: "DUID", length, least: 2, most: 130 });
        }
    }
    assert_eq!(refused(&SingleQuery { options: vec![23, 0], ..by_address() }), QueryError::OptionCode(0));
    let all = (1..=65_535).collect();
    assert!(matches!(refused(&SingleQuery { options: all, ..by_address() }), QueryError::TooLong(_)));
}

//= rfc5007-4.1.1-02
//= rfc5007-4.3.3-01
#[test]
fn a_lease_is_read_with_all_that_is_said_of_it() {
    let relayed = [&[0; 16][..], &[12, 0], &ip(1).octets(), &ip(2).octets(), &opt(18, b"if")].concat();
    let data = [opt(1, &CLIENT), ia_address(3, 1200, 2400, &opt(13, b"\0\0")), clt(100), opt(39, b"name")];
    for answer in [
        reply(&[client_data(&[&data[..], &[opt(47, &relayed)]].concat())]),
        // Some servers put it there.
        reply(&[client_data(&data), opt(47, &relayed)]),
    ] {
        for query in [by_address(), by_client()] {
            let rows = rows(&query, &answer);
            let [row] = &rows[..] else { panic!("{rows:?}") };
            assert_eq!((row.key, row.active, &row.client_id[..]), (address(3), true, &CLIENT[..]));
            // Times count from the arrival.
            assert_eq!(row.times.last_transaction, START.minus(100));
            assert_eq!(row.times.preferred, Some(START.plus(1200)));
            assert_eq!(row.times.expires, Some(START.plus(2400)));
            assert_eq!((row.base_time, row.has_base_time), (START, false));
            assert_eq!(row.server.as_deref(), Some(&SERVER[..]));
            assert_eq!(row.relay_data.as_ref().unwrap().1, relayed[16..]);
            assert_eq!(row.relays, [(ip(1), vec![(18, b"if".to_vec())])]);
            assert_eq!(row.options, [(39, b"name".to_vec())]);
        }
    }
}

#[test]
fn times_count_from_the_arrival_whatever_the_clock_of_the_server() {
    for wrong in [0, START_2000 - 5000, START_2000 + 5000] {
        let rows = rows(&by_address(), &reply(&[base_time(wrong), lease(3)]));
        assert_eq!(rows[0].times.expires, Some(START.plus(3600)));
        assert_eq!(rows[0].times.last_transaction, START.minus(5));
        assert_eq!((rows[0].base_time, rows[0].has_base_time), (Time(wrong + 946_684_800), true));
    }
    let forever = [opt(1, &CLIENT), ia_address(3, u32::MAX, u32::MAX, &[]), clt(0)];
    assert_eq!(rows(&by_address(), &reply(&[client_data(&forever)]))[0].times.expires, Some(Time::INFINITE));
}

//= rfc5007-4.3.3-01
//= rfc5007-4.3.3-02
#[test]
fn all_leases_of_the_client_are_read_in_their_order() {
    let data = [
        ia_address(3, 0, 60, &[]),
        opt(1, &CLIENT),
        ia_prefix(7, 60, 60, &[]),
        clt(5),
        ia_address(4, 60, 60, &[]),
        ia_prefix(8, 60, 0, &[]),
    ];
    let rows = rows(&by_client(), &reply(&[client_data(&data)]));
    let told: Vec<_> = rows.iter().map(|row| (row.key, row.active)).collect();
    // What is over is told as such.
    assert_eq!(told, [(address(3), true), (prefix(7), true), (address(4), true), (prefix(8), false)]);
    for row in &rows {
        assert_eq!((&row.client_id[..], row.on_link), (&CLIENT[..], Some(ip(3))));
        assert_eq!(row.times.last_transaction, START.minus(5));
    }
}

#[test]
fn as_many_leases_as_a_datagram_has_are_read() {
    let leases: Vec<_> = (1..=2300).map(|last| ia_address(last, 60, 60, &[])).collect();
    let data = [&[opt(1, &CLIENT), clt(5)], &leases[..]].concat();
    let rows = rows(&by_client(), &reply(&[client_data(&data)]));
    assert_eq!(rows.iter().map(|row| row.key).collect::<Vec<_>>(), (1..=2300).map(address).collect::<Vec<_>>());
}

//= rfc5007-4.3.3-01
#[test]
fn success_may_be_said() {
    let said = |success: &[Vec<u8>]| rows(&by_address(), &reply(&[success, &[lease(3)]].concat()));
    let silent = said(&[]);
    assert_eq!(silent.len(), 1);
    for success in [status(0, ""), status(0, "here you are"), opt(13, b"\0\0\0\xff")] {
        assert_eq!(said(std::slice::from_ref(&success)), silent);
        assert_eq!(rows(&by_address(), &reply(std::slice::from_ref(&success))), []);
        let links = reply(&[success, opt(48, &ip(0).octets())]);
        assert!(matches!(by_client().read(XID, &links, START), Ok(Answer::Links(links)) if links == [ip(0)]));
    }
}

//= rfc5007-4.3.3-05
#[test]
fn an_answer_that_tells_of_nothing_says_that_there_is_nothing() {
    for answer in [reply(&[]), reply(&[base_time(START_2000)]), reply(&[opt(4711, b"?")])] {
        for query in [by_address(), by_client()] {
            assert_eq!(rows(&query, &answer), []);
        }
    }
}

//= rfc5007-4.3.3-03
#[test]
fn client_data_that_lack_something_are_thrown_away() {
    let whole = [opt(1, &CLIENT), ia_address(3, 60, 60, &[]), clt(5)];
    assert_eq!(rows(&by_address(), &reply(&[client_data(&whole)])).len(), 1);
    for missing in 0..3 {
        let mut rest = whole.to_vec();
        rest.remove(missing);
        assert_eq!(rows(&by_address(), &reply(&[client_data(&rest)])), []);
        assert_eq!(rows(&by_address(), &reply(&[status(0, ""), client_data(&rest)])), []);
    }
}

//= rfc5007-4.1.2.5-01
//= rfc5007-4.3.3-04
#[test]
fn links_are_named_in_their_order_and_nothing_is_taken_from_beside_them() {
    let links: Vec<u8> = [ip(7), ip(1), ip(5)].iter().flat_map(Ipv6Addr::octets).collect();
    for answer in [reply(&[opt(48, &links)]), reply(&[lease(3), opt(48, &links)])] {
        match by_client().read(XID, &answer, START) {
            Ok(Answer::Links(links)) => assert_eq!(links, [ip(7), ip(1), ip(5)]),
            other => panic!("{other:?}"),
        }
    }
    for length in [1, 15, 17, 47] {
        let Ignored::Malformed(DecodeError { problem, .. }) = ignored(&reply(&[opt(48, &links[..length])])) else {
            panic!("{length}")
        };
        assert!(matches!(problem, Problem::Length { code: 48, .. }));
    }
}

//= rfc5007-4.1.3-01
//= rfc5007-4.3.3-06
//= rfc5007-4.3.3-07
#[test]
fn an_error_is_told_and_nothing_is_taken_from_beside_it() {
    // Which of them it is decides nothing here: the query has failed, and whoever asked is told why.
    for code in (1..=20).chain([4711, 65_535]) {
        for answer in [
            reply(&[status(code, "why")]),
            reply(&[lease(3), status(code, "why")]),
            reply(&[status(code, "why"), opt(48, &ip(0).octets())]),
            // What it tells of need not even be readable.
            reply(&[status(code, "why"), opt(45, b"?"), opt(48, b"?"), opt(100, b"?")]),
        ] {
            for query in [by_address(), by_client()] {
                match query.read(XID, &answer, START) {
                    Ok(Answer::Failed(found, text)) => assert_eq!((found, &text[..]), (StatusCode(code), "why")),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    let Ok(Answer::Failed(code, text)) = by_address().read(XID, &reply(&[status(10, "")]), START) else { panic!() };
    assert_eq!((code, &text[..]), (StatusCode::NOT_ALLOWED, ""));
    let named = [(7, "UnknownQueryType"), (8, "MalformedQuery"), (9, "NotConfigured"), (10, "NotAllowed")];
    for (code, name) in named {
        assert!(StatusCode(code).to_string().contains(name), "{}", StatusCode(code));
    }
}

//= rfc5007-4.2.1-01
//= rfc5007-4.2.2-04
#[test]
fn what_answers_another_query_or_none_is_ignored() {
    let good = reply(&[lease(3)]);
    assert_eq!(rows(&by_address(), &good).len(), 1);
    let with = |place: usize, value: u8| {
        let mut octets = good.clone();
        octets[place] = value;
        ignored(&octets)
    };
    for kind in (0..=255).filter(|kind| *kind != REPLY) {
        assert_eq!(with(0, kind), Ignored::UnexpectedType(MessageType(kind)));
    }
    assert_eq!(with(3, 4), Ignored::OtherXid(0x01_0204));
    assert_eq!(with(1, 0), Ignored::OtherXid(0x00_0203));
    // A query of anybody's, even our own that comes back.
    assert_eq!(ignored(&datagram(&by_address())), Ignored::UnexpectedType(MessageType::LEASE_QUERY));
    assert_eq!(with(3, 4).to_string(), "its transaction-id is 0x010204, not that of the query");
    // What was ignored spoils nothing.
    assert_eq!(rows(&by_address(), &good).len(), 1);
}

//= rfc5007-4.2.2-01
//= rfc5007-4.2.2-02
//= rfc5007-4.2.2-03
#[test]
fn what_is_from_nobody_or_for_another_is_ignored() {
    let (from, to) = (opt(2, &SERVER), opt(1, &OWN));
    for rest in [vec![lease(3)], Vec::new(), vec![status(9, "")], vec![opt(48, &ip(0).octets())]] {
        let answer = |options: &[Vec<u8>]| message(REPLY, &[options, &rest].concat());
        let whole = answer(&[to.clone(), from.clone()]);
        assert!(by_address().read(XID, &whole, START).is_ok(), "in whichever order");
        let nobody = Ignored::Unaddressed("without OPTION_SERVERID");
        assert_eq!(ignored(&answer(std::slice::from_ref(&to))), nobody);
        assert_eq!(ignored(&answer(&[])), nobody);
        let lost = Ignored::Unaddressed("without OPTION_CLIENTID");
        assert_eq!(ignored(&answer(std::slice::from_ref(&from))), lost, "the one in the data is a client's");
        let other = Ignored::Unaddressed("with the OPTION_CLIENTID of another requestor");
        for name in [&CLIENT[..], &OWN[..5], &[0, 3, 0, 1, 0xaa, 0xbc], &[0, 3, 0, 1, 0xaa, 0xbb, 0]] {
            assert_eq!(ignored(&answer(&[from.clone(), opt(1, name)])), other);
        }
        for broken in [[opt(2, b"\0"), to.clone()], [from.clone(), opt(1, &[1; 131])]] {
            assert!(matches!(ignored(&answer(&broken)), Ignored::Malformed(_)));
        }
    }
    let text = "LEASEQUERY-REPLY without OPTION_SERVERID";
    assert_eq!(ignored(&message(REPLY, &[to])).to_string(), text);
}

#[test]
fn what_cannot_be_read_is_ignored_as_a_whole() {
    let whole = reply(&[lease(3)]);
    for length in [0, 3, 5, whole.len() - 1] {
        assert!(matches!(ignored(&whole[..length]), Ignored::Malformed(_)));
    }
    let (client, time, good) = (opt(1, &CLIENT), clt(5), ia_address(3, 60, 60, &[]));
    for broken in [
        vec![opt(13, b"\0")],
        vec![opt(45, b"\0\x01\0")],
        vec![client_data(&[client.clone(), good.clone(), opt(46, b"\0\0\0")])],
        vec![client_data(&[opt(1, b"\0"), good.clone(), time.clone()])],
        vec![client_data(&[client.clone(), opt(5, &[0; 23]), time.clone()])],
        // Also if one that is good comes before it.
        vec![client_data(&[client.clone(), good.clone(), opt(26, &[0; 24]), time.clone()])],
        vec![client_data(&[client.clone(), good.clone(), time.clone(), ia_address(4, 60, 60, b"\0\x0d\0")])],
        vec![client_data(&[client, good, time]), opt(100, b"\0\0\0")],
    ] {
        assert!(matches!(ignored(&reply(&broken)), Ignored::Malformed(_)), "{broken:?}");
    }
}
