use proptest::prelude::*;

use super::*;
use crate::v6::{MessageWriter, QueryType, Relay};

/// 2001:db8::1 and 2001:db8:1::1.
const LINK: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const OTHER_LINK: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

fn message(fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::datagram(&mut out, MessageType::LEASE_QUERY_REPLY, 1);
    fill(&mut writer);
    writer.finish().expect("it fits");
    out
}

/// An option in octets.
fn option(code: OptionCode, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("it fits");
    [&code.0.to_be_bytes()[..], &length.to_be_bytes(), value].concat()
}

/// What a requestor asks, with everything that has a length.
fn sample_query() -> Vec<u8> {
    message(|writer| {
        writer.option(OptionCode::CLIENT_ID, &[0, 3, 0, 1, 9]);
        writer.option(OptionCode::SERVER_ID, &[0, 2, 9]);
        let query = writer.query(QueryType::BY_ADDRESS, Ipv6Addr::from(LINK));
        writer.lease(Ipv6Addr::from(LINK), None, 0, 0);
        writer.option(OptionCode::CLIENT_ID, &[0, 3, 0, 1, 8]);
        writer.option(OptionCode::RELAY_ID, &[0, 3, 7]);
        writer.option(OptionCode::REMOTE_ID, &[0, 0, 0, 9, 7]);
        writer.option(OptionCode::REQUEST, &[0, 47, 0, 39]);
        writer.u32(OptionCode::START_TIME, 1);
        writer.u32(OptionCode::END_TIME, 2);
        writer.close(query);
    })
}

/// What a server says, with everything that has a length.
fn sample_answer() -> Vec<u8> {
    let relay = [&[12, 0][..], &LINK, &OTHER_LINK, &[0, 18, 0, 1, 7, 0, 53, 0, 3, 0, 3, 9]].concat();
    let length = u8::try_from(relay.len()).expect("short");
    let relays = [&LINK[..], &[12, 1], &[0; 32], &[0, 37, 0, 5, 0, 0, 0, 9, 7, 0, 9, 0, length], &relay].concat();
    message(|writer| {
        writer.status(StatusCode::SUCCESS, "fine");
        writer.u32(OptionCode::BASE_TIME, 1);
        let data = writer.open(OptionCode::CLIENT_DATA);
        writer.option(OptionCode::CLIENT_ID, &[0, 3, 0, 1, 8]);
        writer.option(OptionCode::IA_ADDRESS, &[&LINK[..], &[0, 0, 0, 1, 0, 0, 0, 2, 0, 13, 0, 2, 0, 3]].concat());
        writer.lease(Ipv6Addr::from(OTHER_LINK), Some(56), 1, 2);
        writer.u32(OptionCode::CLT_TIME, 3);
        writer.option(OptionCode::RELAY_DATA, &relays);
        writer.close(data);
        writer.option(OptionCode::RELAY_DATA, &relays);
        writer.option(OptionCode::CLIENT_LINK, &[LINK, OTHER_LINK].concat());
        writer.option(OptionCode(0xabcd), &[9]);
    })
}

/// Reads everything that can be read, and counts what is well formed.
fn read_all(bytes: &[u8]) -> usize {
    let relays = |bytes: &[u8]| Relay::chain(bytes).map(|relay| relay.map_or(0, |r| read_options(r.options))).sum();
    let mut found: usize = relays(bytes);
    let Ok(message) = Message::parse(bytes) else { return found };
    assert!(message.transaction_id() <= crate::v6::MAX_TRANSACTION_ID);
    let _ = message.message_type().to_string();
    found += usize::from(matches!(message.client_id(), Ok(Some(_))));
    found += usize::from(matches!(message.server_id(), Ok(Some(_))));
    found += usize::from(matches!(message.base_time(), Ok(Some(_))));
    found += usize::from(matches!(message.status(), Ok(Some(_))));
    found += message.client_links().ok().flatten().map_or(0, Iterator::count);
    found += read_options(message.options());
    if let Ok(Some(query)) = message.query() {
        found += usize::from(matches!(query.address(), Ok(Some(_))));
        found += usize::from(matches!(query.remote_id(), Ok(Some(_))));
        found += read_options(query.options);
    }
    let mut relay_data = vec![message.relay_data()];
    if let Ok(Some(data)) = message.client_data() {
        found += usize::from(matches!(data.client_id(), Ok(Some(_))));
        found += usize::from(matches!(data.clt_time(), Ok(Some(_))));
        found += data.leases().map(|lease| lease.map_or(0, |lease| 1 + read_options(lease.options))).sum::<usize>();
        found += read_options(data.options());
        relay_data.push(data.relay_data());
    }
    found + relay_data.into_iter().flatten().flatten().map(|data| relays(data.message)).sum::<usize>()
}

fn read_options(options: Options<'_>) -> usize {
    let mut length = 0;
    let mut found = options.requested().map_or(0, Iterator::count);
    for (code, value) in options.iter() {
        length += 4 + value.len();
        assert!(options.find(code).is_some());
        found += usize::from(matches!(options.duid(code), Ok(Some(_))));
        found += usize::from(matches!(options.u32(code), Ok(Some(_))));
    }
    assert_eq!(length, options.bytes().len(), "there is nothing between options");
    found
}

#[test]
fn a_message_has_four_octets_or_more() {
    for length in 0..4 {
        let short = Message::parse(&[14, 0, 0, 1][..length]).expect_err("cut");
        assert_eq!(short, DecodeError { offset: length, problem: Problem::Truncated { found: length, least: 4 } });
    }
    let least = Message::parse(&[14, 0, 0, 1]).expect("no options");
    assert_eq!((least.transaction_id(), least.options().bytes()), (1, &[][..]));
    assert_eq!(least, Message::parse(&[14, 0, 0, 1]).expect("no options"));
    assert_eq!((least.client_id(), least.server_id(), least.base_time()), (Ok(None), Ok(None), Ok(None)));
    assert!(matches!(least.client_links(), Ok(None)));
    assert_eq!((least.relay_data(), least.status()), (Ok(None), Ok(None)));
}

//= rfc5007-4.1.2.5-01
#[test]
fn links_of_a_client_are_addresses_one_behind_the_other() {
    let both = [LINK, OTHER_LINK].concat();
    let out = message(|writer| writer.option(OptionCode::CLIENT_LINK, &both));
    assert_eq!(out, [&[15, 0, 0, 1, 0, 48, 0, 32][..], &LINK, &OTHER_LINK].concat());
    let links = |value: &[u8]| {
        let bytes = message(|writer| writer.option(OptionCode::CLIENT_LINK, value));
        Message::parse(&bytes)
            .expect("well formed")
            .client_links()
            .map(|links| links.expect("there").collect::<Vec<_>>())
    };
    assert_eq!(links(&both), Ok([LINK, OTHER_LINK].map(Ipv6Addr::from).to_vec()));
    assert_eq!(links(&[]), Ok(vec![]));
    for length in [1, 15, 17, 31] {
        let problem = Problem::Length { code: 48, length, expected: "a multiple of 16" };
        assert_eq!(links(&both[..length.min(32)]), Err(DecodeError { offset: 8, problem }));
    }
}

//= alq6-6.3.1-01
#[test]
fn a_base_time_is_four_octets_without_a_sign() {
    let expected = [15, 0, 0, 1, 0, 100, 0, 4, 0xb1, 0x34, 0x35, 0x39];
    assert_eq!(message(|writer| writer.u32(OptionCode::BASE_TIME, 0xb134_3539)), expected);
    assert_eq!(Message::parse(&expected).expect("well formed").base_time(), Ok(Some(0xb134_3539)));
    for length in [0, 1, 3, 5, 8] {
        let bytes = message(|writer| writer.option(OptionCode::BASE_TIME, &vec![0; length]));
        let problem = Problem::Length { code: 100, length, expected: "4" };
        let read = Message::parse(&bytes).expect("well formed as a whole").base_time();
        assert_eq!(read, Err(DecodeError { offset: 8, problem }));
    }
}

#[test]
fn a_wrong_option_is_an_error_of_its_own_getter_only() {
    let out = message(|writer| {
        writer.option(OptionCode::CLIENT_ID, &[0]);
        writer.option(OptionCode::STATUS_CODE, &[0]);
        writer.option(OptionCode::SERVER_ID, &[0, 3, 9]);
    });
    let read = Message::parse(&out).expect("well formed as a whole");
    let wrong =
        |offset, code, length, expected| DecodeError { offset, problem: Problem::Length { code, length, expected } };
    assert_eq!(read.client_id(), Err(wrong(8, 1, 1, "2 to 130")));
    assert_eq!(read.status(), Err(wrong(13, 13, 1, "2 or more")));
    assert_eq!(read.server_id(), Ok(Some(&[0, 3, 9][..])));
    assert_eq!(
        read.status().expect_err("short").to_string(),
        "octet 13: option 13 cannot have 1 octets, only 2 or more"
    );
}

#[test]
fn what_is_inside_of_an_option_does_not_count_for_the_message() {
    let out = message(|writer| {
        let data = writer.open(OptionCode::CLIENT_DATA);
        writer.option(OptionCode::CLIENT_ID, &[0, 3, 8]);
        writer.status(StatusCode::NO_BINDING, "");
        writer.close(data);
        let query = writer.query(QueryType::BY_CLIENT_ID, Ipv6Addr::UNSPECIFIED);
        writer.u32(OptionCode::BASE_TIME, 1);
        writer.close(query);
    });
    let read = Message::parse(&out).expect("well formed");
    assert_eq!((read.client_id(), read.status(), read.base_time()), (Ok(None), Ok(None), Ok(None)));
}

#[test]
fn a_message_cut_anywhere_is_an_error_or_a_message_with_fewer_options() {
    for whole in [sample_query(), sample_answer()] {
        let all: Vec<_> = Message::parse(&whole).expect("well formed").options().iter().collect();
        let ends = |count: usize| 4 + all[..count].iter().map(|(_, value)| 4 + value.len()).sum::<usize>();
        for length in 0..whole.len() {
            let cut = Message::parse(&whole[..length]);
            match (0..all.len()).find(|count| ends(*count) == length) {
                Some(count) => {
                    let found: Vec<_> = cut.expect("cut between options").options().iter().collect();
                    assert_eq!(found, all[..count], "cut at {length}");
                }
                None => assert!(cut.is_err_and(|error| error.offset <= length), "cut at {length}"),
            }
        }
    }
}

#[test]
fn an_option_cut_anywhere_is_an_error_or_has_fewer_options() {
    // The options that hold others, where those begin, and how the whole option is read.
    type Case<'a> = (Vec<u8>, OptionCode, usize, &'a dyn Fn(&Message<'_>) -> Result<usize, DecodeError>);
    let cases: [Case<'_>; 2] = [
        (sample_query(), OptionCode::QUERY, 17, &|read| {
            read.query().map(|query| query.expect("there").options.iter().count())
        }),
        (sample_answer(), OptionCode::CLIENT_DATA, 0, &|read| {
            read.client_data().map(|data| data.expect("there").options().iter().count())
        }),
    ];
    for (whole, code, header, count) in cases {
        let whole = Message::parse(&whole).expect("well formed");
        let value = whole.options().find(code).expect("there");
        let inside = Options::parse(&value[header..], 0).expect("well formed");
        let mut boundaries = vec![header];
        for (_, value) in inside.iter() {
            boundaries.push(boundaries.last().copied().unwrap_or_default() + 4 + value.len());
        }
        for length in 0..=value.len() {
            // Something follows that would do as the rest.
            let bytes = message(|writer| {
                writer.option(code, &value[..length]);
                writer.option(OptionCode(0), &[0; 40]);
            });
            let read = Message::parse(&bytes).expect("well formed as a whole");
            let expected = boundaries.iter().position(|boundary| *boundary == length);
            assert_eq!(count(&read).ok(), expected, "cut at {length}");
            if let Err(error) = count(&read) {
                assert!((8..=8 + length).contains(&error.offset), "at {} of {length}", error.offset);
            }
            read_all(&bytes);
        }
    }
}

#[test]
fn samples_are_read_whole() {
    // Not one of the getters passes over what is there.
    let query = sample_query();
    let read = Message::parse(&query).expect("well formed");
    assert!(read.query().expect("well formed").expect("there").address().expect("well formed").is_some());
    assert!(read_all(&query) > 15);
    let answer = sample_answer();
    let read = Message::parse(&answer).expect("well formed");
    let data = read.client_data().expect("well formed").expect("there");
    assert_eq!(data.leases().flatten().count(), 2);
    for relays in [data.relay_data(), read.relay_data()] {
        let relays = relays.expect("well formed").expect("there");
        assert_eq!(Relay::chain(relays.message).flatten().count(), 2);
    }
    assert!(read_all(&answer) > 15);
}

#[test]
fn a_wrong_octet_never_panics_and_never_reads_past_the_end() {
    for whole in [sample_query(), sample_answer()] {
        for place in 0..whole.len() {
            for value in 0..=255 {
                let mut bytes = whole.clone();
                bytes[place] = value;
                read_all(&bytes);
            }
        }
    }
}

/// Options within options, with codes that mean something, and now and then with anything.
fn tree() -> impl Strategy<Value = Vec<u8>> {
    let codes = [1, 2, 5, 6, 9, 13, 18, 26, 37, 39, 44, 45, 46, 47, 48, 53, 100, 101, 102];
    let code = prop_oneof![20 => proptest::sample::select(codes.to_vec()), 1 => any::<u16>()];
    let header = proptest::sample::select(vec![0, 0, 4, 16, 17, 24, 25, 34, 50]);
    let leaf = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        Just(vec![0; 4]),
        Just(vec![0; 24]),
        Just(vec![0; 25]),
        Just([&[0; 16][..], &[12], &[0; 33]].concat()),
    ];
    leaf.prop_recursive(4, 60, 6, move |inner| {
        proptest::collection::vec((code.clone(), header.clone(), inner), 0..6).prop_map(|options| {
            let with_header = |(code, header, inner): (u16, usize, Vec<u8>)| {
                // A relay's header has to look like one.
                let fields =
                    if header >= 34 { [&vec![0; header - 34][..], &[12], &[0; 33]].concat() } else { vec![0; header] };
                option(OptionCode(code), &[fields, inner].concat())
            };
            options.into_iter().flat_map(with_header).collect()
        })
    })
}

proptest! {
    #[test]
    fn no_octets_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_all(&bytes);
        read_all(&[&[15, 0, 0, 1][..], &bytes].concat());
        for code in [OptionCode::QUERY, OptionCode::CLIENT_DATA, OptionCode::RELAY_DATA, OptionCode::STATUS_CODE, OptionCode::CLIENT_LINK] {
            read_all(&message(|writer| writer.option(code, &bytes)));
        }
    }

    #[test]
    fn no_options_within_options_make_it_panic(options in tree(), changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4)) {
        let mut bytes = [&[15, 0, 0, 1][..], &options].concat();
        read_all(&bytes);
        read_all(&[&[12][..], &[0; 33], &options].concat());
        for (place, value) in changes {
            *place.get_mut(&mut bytes) = value;
        }
        read_all(&bytes);
        read_all(&bytes[..bytes.len() / 2]);
    }

    #[test]
    fn unknown_options_survive_wherever_they_are(code in 200..=u16::MAX, value in proptest::collection::vec(any::<u8>(), 0..100)) {
        let code = OptionCode(code);
        let out = message(|writer| {
            writer.option(code, &value);
            let data = writer.open(OptionCode::CLIENT_DATA);
            writer.option(code, &value);
            let lease = [&LINK[..], &[0; 8], &option(code, &value)].concat();
            writer.option(OptionCode::IA_ADDRESS, &lease);
            writer.close(data);
            let query = writer.query(QueryType(99), Ipv6Addr::UNSPECIFIED);
            writer.option(code, &value);
            writer.close(query);
        });
        let read = Message::parse(&out).expect("well formed");
        let data = read.client_data().expect("well formed").expect("there");
        let lease = data.leases().next().expect("there").expect("well formed");
        let query = read.query().expect("well formed").expect("there");
        for options in [read.options(), data.options(), lease.options, query.options] {
            prop_assert_eq!(options.find(code), Some(&value[..]));
        }
        // What is read can be written again as it was.
        let again = message(|writer| read.options().iter().for_each(|(code, value)| writer.option(code, value)));
        prop_assert_eq!(again, out);
    }
}
