use proptest::prelude::*;

use super::*;
use crate::v6::{Message, Relay, is_duid};

fn parse(bytes: &[u8]) -> Options<'_> {
    Options::parse(bytes, 4).expect("well formed")
}

fn wrong(bytes: &[u8]) -> DecodeError {
    Options::parse(bytes, 4).expect_err("malformed")
}

//= rfc3315-22.1-01
#[test]
fn the_length_of_an_option_counts_its_value_which_ends_within_what_holds_it() {
    let options = parse(&[0, 1, 0, 2, 7, 8, 0x12, 0x34, 0, 0, 0, 2, 0, 1, 9]);
    let found: Vec<_> = options.iter().collect();
    assert_eq!(found, [(OptionCode(1), &[7, 8][..]), (OptionCode(0x1234), &[]), (OptionCode(2), &[9])]);
    let long = [&[0, 1, 0x01, 0x2c][..], &[7; 300]].concat();
    assert_eq!(parse(&long).find(OptionCode::CLIENT_ID), Some(&[7; 300][..]));

    let overrun = |code, length, left| Problem::Overrun { code, length, left };
    assert_eq!(wrong(&[0, 1, 0, 3, 7, 8]), DecodeError { offset: 4, problem: overrun(1, 3, 2) });
    let second = [0, 1, 0, 1, 7, 0, 2, 0xff, 0xff, 9];
    assert_eq!(wrong(&second), DecodeError { offset: 9, problem: overrun(2, 0xffff, 1) });
    assert_eq!(wrong(&[0, 1, 0, 0, 0]), DecodeError { offset: 8, problem: Problem::HalfCode });
    assert_eq!(wrong(&[0, 1, 0, 0, 0x12, 0x34]), DecodeError { offset: 8, problem: Problem::NoLength(0x1234) });
    assert_eq!(wrong(&[0, 1, 0, 0, 0x12, 0x34, 0]), DecodeError { offset: 8, problem: Problem::NoLength(0x1234) });

    // The same in each thing that holds options: OPTION_CLT_TIME ends behind it, though not behind the message.
    let (inside, behind) = ([0, 46, 0, 4, 0, 0, 0], [0, 0, 0, 0]);
    let overrun = |offset| DecodeError { offset, problem: overrun(46, 4, 3) };
    let bytes = [&[17, 0, 0, 1][..], &inside].concat();
    assert_eq!(Message::parse(&bytes), Err(overrun(4)));
    let bytes = [&[17, 0, 0, 1, 0, 45, 0, 7][..], &inside, &behind].concat();
    assert_eq!(Message::parse(&bytes).expect("well formed as a whole").client_data(), Err(overrun(8)));
    let bytes = [&[14, 0, 0, 1, 0, 44, 0, 24][..], &[0; 17], &inside, &behind].concat();
    assert_eq!(Message::parse(&bytes).expect("well formed as a whole").query(), Err(overrun(25)));
    for (code, header) in [(5, 24), (26, 25)] {
        let inner = [&vec![0; usize::from(header)][..], &inside, &behind].concat();
        let data = [0, 45, 0, header + 15, 0, code, 0, header + 7];
        let bytes = [&[17, 0, 0, 1][..], &data, &inner].concat();
        let data = Message::parse(&bytes).expect("well formed as a whole").client_data();
        let lease = data.expect("well formed so far").expect("there").leases().next().expect("there");
        assert_eq!(lease.map(|lease| lease.valid), Err(overrun(12 + usize::from(header))));
    }
    let bytes = [&[12][..], &[0; 33], &inside].concat();
    assert_eq!(Relay::parse(&bytes), Err(overrun(34)));
}

//= rfc3315-22.7-01
#[test]
fn a_list_of_codes_has_two_octets_for_each() {
    let list = [0, 6, 0, 6, 0, 47, 0, 46, 0, 100];
    let mut out = Vec::new();
    let mut writer = crate::v6::MessageWriter::datagram(&mut out, crate::v6::MessageType::LEASE_QUERY, 1);
    let codes = [OptionCode::RELAY_DATA, OptionCode::CLT_TIME, OptionCode::BASE_TIME];
    writer.option(OptionCode::REQUEST, &codes.map(|code| code.0.to_be_bytes()).concat());
    writer.finish().expect("it fits");
    assert_eq!(out[4..], list);
    let requested = |bytes: &[u8]| parse(bytes).requested().map(Iterator::collect::<Vec<_>>);
    assert_eq!(requested(&list), Ok(codes.to_vec()));
    assert_eq!(requested(&[0, 6, 0, 2, 0xab, 0xcd]), Ok(vec![OptionCode(0xabcd)]), "what is unknown is kept");
    assert_eq!((requested(&[]), requested(&[0, 6, 0, 0])), (Ok(vec![]), Ok(vec![])));
    for length in [1_u8, 3, 5] {
        let bytes = [&[0, 1, 0, 0, 0, 6, 0, length][..], &vec![0; usize::from(length)]].concat();
        let expected = "an even number of octets";
        let problem = Problem::Length { code: 6, length: usize::from(length), expected };
        assert_eq!(requested(&bytes), Err(DecodeError { offset: 12, problem }));
    }
}

#[test]
fn the_first_of_several_is_found_and_all_are_listed() {
    let options = parse(&[0, 200, 0, 1, 1, 0, 201, 0, 0, 0, 200, 0, 2, 2, 3, 0, 201, 0, 1, 9]);
    assert_eq!(options.find(OptionCode(200)), Some(&[1][..]));
    assert_eq!(options.find(OptionCode(201)), Some(&[][..]));
    assert_eq!(options.find(OptionCode(202)), None);
    assert_eq!(
        options.iter().map(|(code, value)| (code.0, value.len())).collect::<Vec<_>>(),
        [(200, 1), (201, 0), (200, 2), (201, 1)]
    );
    assert_eq!(options.bytes().len(), 20);
    assert_eq!(Options::default().iter().count(), 0);
    assert_eq!(Options::parse(&[], 99).expect("none").bytes(), []);
}

#[test]
fn a_duid_has_a_type_and_at_most_128_octets_behind_it() {
    for (length, right) in [(0, false), (1, false), (2, true), (3, true), (130, true), (131, false)] {
        assert_eq!(is_duid(&vec![0xff; length]), right, "{length} octets");
    }
    let bytes = [&[0, 200, 0, 0, 0, 2, 0, 131][..], &[0; 131]].concat();
    let problem = Problem::Length { code: 2, length: 131, expected: "2 to 130" };
    assert_eq!(parse(&bytes).duid(OptionCode::SERVER_ID), Err(DecodeError { offset: 12, problem }));
    assert_eq!(parse(&bytes).duid(OptionCode::CLIENT_ID), Ok(None));
}

proptest! {
    #[test]
    fn any_octets_are_options_exactly_or_wrong_at_an_option(bytes in proptest::collection::vec(prop_oneof![3 => 0..4_u8, 1 => any::<u8>()], 0..60), offset in 0..100_usize) {
        match Options::parse(&bytes, offset) {
            Ok(options) => {
                let mut again = Vec::new();
                for (code, value) in options.iter() {
                    again.extend_from_slice(&code.0.to_be_bytes());
                    again.extend_from_slice(&u16::try_from(value.len()).expect("it was an option").to_be_bytes());
                    again.extend_from_slice(value);
                    prop_assert!(options.find(code).is_some());
                }
                prop_assert_eq!(again, &bytes[..]);
            }
            Err(error) => {
                prop_assert!((offset..offset + bytes.len()).contains(&error.offset));
                // All before it is well formed, and nothing from there on is an option.
                prop_assert!(Options::parse(&bytes[..error.offset - offset], 0).is_ok());
                let again = Options::parse(&bytes[error.offset - offset..], error.offset).expect_err("malformed");
                prop_assert_eq!(again, error);
            }
        }
    }
}
