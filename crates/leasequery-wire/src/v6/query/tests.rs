use super::*;
use crate::Problem;
use crate::v6::{Message, MessageType, MessageWriter};

/// 2001:db8::1 and 2001:db8::10.
const LINK: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const ADDRESS: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10];
const DUID: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 10];
const RELAY: [u8; 6] = [0xff, 0xfe, 1, 2, 3, 4];
const REMOTE: [u8; 7] = [0, 0, 0, 9, b'a', 0, 0xff];

/// A query and nothing else.
fn message(kind: QueryType, link: Ipv6Addr, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::datagram(&mut out, MessageType::LEASE_QUERY, 1);
    let query = writer.query(kind, link);
    fill(&mut writer);
    writer.close(query);
    writer.finish().expect("it fits");
    out
}

fn query(message: &[u8]) -> Query<'_> {
    Message::parse(message).expect("well formed").query().expect("well formed").expect("there")
}

/// A query that holds one option.
fn with(code: OptionCode, value: &[u8]) -> Vec<u8> {
    message(QueryType::BY_LINK_ADDRESS, Ipv6Addr::UNSPECIFIED, |writer| writer.option(code, value))
}

/// The error that a value of this option makes: it begins behind the header of the message, the header of the query,
/// type and link, and the header of the option.
fn wrong(code: OptionCode, length: usize, expected: &'static str) -> DecodeError {
    DecodeError { offset: 4 + 4 + 17 + 4, problem: Problem::Length { code: code.0, length, expected } }
}

//= rfc5007-4.1.2.1-01
#[test]
fn a_query_is_a_type_a_link_and_options() {
    let options = [&[0, 5, 0, 24][..], &ADDRESS, &[0; 8]].concat();
    let expected = [&[14, 0, 0, 1, 0, 44, 0, 45, 1][..], &LINK, &options].concat();
    let link = Ipv6Addr::from(LINK);
    let written = message(QueryType::BY_ADDRESS, link, |writer| writer.lease(Ipv6Addr::from(ADDRESS), None, 0, 0));
    assert_eq!(written, expected);
    let read = query(&expected);
    assert_eq!((read.query_type, read.link), (QueryType::BY_ADDRESS, link));
    assert_eq!(read.options.bytes(), options);
    assert_eq!(read.address(), Ok(Some(Ipv6Addr::from(ADDRESS))));
    for length in 0..17_u8 {
        let short = [&[14, 0, 0, 1, 0, 44, 0, length][..], &expected[8..][..usize::from(length)]].concat();
        let short = Message::parse(&short).expect("well formed as a whole").query().expect_err("cut");
        let problem = Problem::Length { code: 44, length: usize::from(length), expected: "17 or more" };
        assert_eq!(short, DecodeError { offset: 8, problem });
    }
    assert_eq!(Message::parse(&[14, 0, 0, 1]).expect("well formed").query(), Ok(None));
}

//= rfc5007-4.1.2.1-02
#[test]
fn no_link_is_sixteen_zero_octets() {
    let out = message(QueryType::BY_CLIENT_ID, Ipv6Addr::UNSPECIFIED, |_| {});
    assert_eq!(out[4..], [0, 44, 0, 17, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert!(query(&out).link.is_unspecified());
    let out = message(QueryType::BY_LINK_ADDRESS, Ipv6Addr::from(LINK), |_| {});
    assert_eq!(out[9..], LINK);
    assert_eq!(query(&out).link, Ipv6Addr::from(LINK));
}

#[test]
fn each_type_of_query_has_the_octets_of_its_rfc() {
    type Case<'a> = (QueryType, &'a dyn Fn(&mut MessageWriter<'_>), Vec<u8>);
    let cases: [Case<'_>; 5] = [
        (
            QueryType(1),
            &|writer| writer.lease(Ipv6Addr::from(ADDRESS), None, 0, 0),
            [&[0, 5, 0, 24][..], &ADDRESS, &[0; 8]].concat(),
        ),
        (QueryType(2), &|writer| writer.option(OptionCode::CLIENT_ID, &DUID), [&[0, 1, 0, 10][..], &DUID].concat()),
        (QueryType(3), &|writer| writer.option(OptionCode::RELAY_ID, &RELAY), [&[0, 53, 0, 6][..], &RELAY].concat()),
        (QueryType(4), &|_| {}, Vec::new()),
        (QueryType(5), &|writer| writer.option(OptionCode::REMOTE_ID, &REMOTE), [&[0, 37, 0, 7][..], &REMOTE].concat()),
    ];
    for (kind, write, parameters) in cases {
        let out = message(kind, Ipv6Addr::from(LINK), |writer| {
            write(writer);
            // Relay data and the client's name are asked for.
            writer.option(OptionCode::REQUEST, &[0, 47, 0, 39]);
            writer.u32(OptionCode::START_TIME, 0x3134_3539);
            writer.u32(OptionCode::END_TIME, 0x3134_3540);
        });
        let length = u8::try_from(17 + parameters.len() + 8 + 16).expect("short");
        let rest = [
            0, 6, 0, 4, 0, 47, 0, 39, // OPTION_ORO
            0, 101, 0, 4, 0x31, 0x34, 0x35, 0x39, // OPTION_LQ_START_TIME
            0, 102, 0, 4, 0x31, 0x34, 0x35, 0x40, // OPTION_LQ_END_TIME
        ];
        let expected = [&[14, 0, 0, 1, 0, 44, 0, length, kind.0][..], &LINK, &parameters, &rest].concat();
        assert_eq!(out, expected);
        let read = query(&expected);
        assert_eq!((read.query_type, read.link), (kind, Ipv6Addr::from(LINK)));
        let has = |number: u8| kind.0 == number;
        assert_eq!(read.address(), Ok(has(1).then_some(Ipv6Addr::from(ADDRESS))));
        assert_eq!(read.options.duid(OptionCode::CLIENT_ID), Ok(has(2).then_some(&DUID[..])));
        assert_eq!(read.options.duid(OptionCode::RELAY_ID), Ok(has(3).then_some(&RELAY[..])));
        assert_eq!(read.remote_id(), Ok(has(5).then_some(&REMOTE[..])));
        let requested: Vec<_> = read.options.requested().expect("an even number").collect();
        assert_eq!(requested, [OptionCode::RELAY_DATA, OptionCode::CLIENT_FQDN]);
        assert_eq!(read.options.u32(OptionCode::START_TIME), Ok(Some(0x3134_3539)));
        assert_eq!(read.options.u32(OptionCode::END_TIME), Ok(Some(0x3134_3540)));
    }
}

#[test]
fn what_the_query_asks_for_is_apart_from_what_the_message_asks_for() {
    let mut out = Vec::new();
    let mut writer = MessageWriter::frame(&mut out, MessageType::LEASE_QUERY, 1);
    writer.option(OptionCode::CLIENT_ID, &[0, 3, 0, 1, 9]);
    writer.option(OptionCode::REQUEST, &[0, 100]);
    let open = writer.query(QueryType::BY_CLIENT_ID, Ipv6Addr::UNSPECIFIED);
    writer.option(OptionCode::CLIENT_ID, &DUID);
    writer.option(OptionCode::REQUEST, &[0, 47]);
    writer.close(open);
    writer.finish().expect("it fits");
    let read = Message::parse(&out[2..]).expect("well formed");
    let codes = |options: Options<'_>| options.requested().expect("even").collect::<Vec<_>>();
    assert_eq!(codes(read.options()), [OptionCode::BASE_TIME]);
    assert_eq!(codes(query(&out[2..]).options), [OptionCode::RELAY_DATA]);
    assert_eq!(read.client_id(), Ok(Some(&[0, 3, 0, 1, 9][..])));
    assert_eq!(query(&out[2..]).options.duid(OptionCode::CLIENT_ID), Ok(Some(&DUID[..])));
}

#[test]
fn a_query_of_an_unknown_type_is_read_with_its_options() {
    let out = message(QueryType(200), Ipv6Addr::from(LINK), |writer| writer.option(OptionCode(0xabcd), &[1]));
    let read = query(&out);
    assert_eq!((read.query_type, read.options.find(OptionCode(0xabcd))), (QueryType(200), Some(&[1][..])));
    assert_eq!((read.address(), read.remote_id()), (Ok(None), Ok(None)));
}

#[test]
fn an_address_in_question_has_24_octets_or_more() {
    for length in [0, 15, 16, 23] {
        let bytes = with(OptionCode::IA_ADDRESS, &vec![0; length]);
        assert_eq!(query(&bytes).address(), Err(wrong(OptionCode::IA_ADDRESS, length, "24 or more")));
    }
    let bytes = with(OptionCode::IA_ADDRESS, &[&ADDRESS[..], &[0; 8], &[0, 13, 0, 1, 7]].concat());
    assert_eq!(query(&bytes).address(), Ok(Some(Ipv6Addr::from(ADDRESS))));
    let bytes = with(OptionCode::IA_ADDRESS, &[&ADDRESS[..], &[0; 8], &[0, 13, 0, 2, 7]].concat());
    let problem = Problem::Overrun { code: 13, length: 2, left: 1 };
    assert_eq!(query(&bytes).address(), Err(DecodeError { offset: 29 + 24, problem }));
}

// That such a query is answered with MalformedQuery is up to the server.
#[test]
fn a_duid_in_question_has_2_to_130_octets_of_any_type() {
    for code in [OptionCode::CLIENT_ID, OptionCode::RELAY_ID] {
        for length in [2, 3, 10, 129, 130] {
            let duid = [&[0xff, 0xfe][..], &vec![7; length - 2]].concat();
            let bytes = with(code, &duid);
            assert_eq!(query(&bytes).options.duid(code), Ok(Some(&duid[..])));
        }
        for length in [0, 1, 131, 300] {
            let bytes = with(code, &vec![7; length]);
            assert_eq!(query(&bytes).options.duid(code), Err(wrong(code, length, "2 to 130")));
        }
    }
}

//= rfc5460-5.4.1-01
#[test]
fn a_relay_id_is_a_duid_and_nothing_else() {
    let bytes = with(OptionCode::RELAY_ID, &RELAY);
    assert_eq!(bytes[25..], [0, 53, 0, 6, 0xff, 0xfe, 1, 2, 3, 4]);
    assert_eq!(query(&bytes).options.duid(OptionCode::RELAY_ID), Ok(Some(&RELAY[..])));
}

// That such a query is answered with MalformedQuery is up to the server.
#[test]
fn a_remote_id_in_question_is_an_enterprise_number_and_at_least_one_octet() {
    let bytes = with(OptionCode::REMOTE_ID, &REMOTE);
    assert_eq!(bytes[25..], [0, 37, 0, 7, 0, 0, 0, 9, b'a', 0, 0xff]);
    assert_eq!(query(&bytes).remote_id(), Ok(Some(&REMOTE[..])), "the enterprise number belongs to it");
    assert_eq!(query(&with(OptionCode::REMOTE_ID, &REMOTE[..5])).remote_id(), Ok(Some(&REMOTE[..5])));
    for length in 0..5 {
        let bytes = with(OptionCode::REMOTE_ID, &REMOTE[..length]);
        assert_eq!(query(&bytes).remote_id(), Err(wrong(OptionCode::REMOTE_ID, length, "5 or more")));
    }
}

// That such a query is answered with MalformedQuery is up to the server.
#[test]
fn times_that_bound_a_query_have_four_octets() {
    // From before 2068 and after it: they are unsigned.
    for (code, number) in [(OptionCode::START_TIME, 101), (OptionCode::END_TIME, 102)] {
        for (time, octets) in [(0, [0; 4]), (0x3134_3539, [0x31, 0x34, 0x35, 0x39]), (u32::MAX, [0xff; 4])] {
            let bytes = message(QueryType::BY_LINK_ADDRESS, Ipv6Addr::UNSPECIFIED, |writer| writer.u32(code, time));
            assert_eq!(bytes[25..], [&[0, number, 0, 4][..], &octets].concat());
            assert_eq!(query(&bytes).options.u32(code), Ok(Some(time)));
        }
        for length in [0, 1, 2, 3, 5, 8] {
            let bytes = with(code, &vec![0; length]);
            assert_eq!(query(&bytes).options.u32(code), Err(wrong(code, length, "4")));
        }
    }
}
