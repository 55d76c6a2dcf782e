use proptest::prelude::*;

use super::*;

/// Header and cookie, with the options behind them.
fn with_options(options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 236];
    bytes[0] = 1;
    bytes.extend_from_slice(&[99, 130, 83, 99]);
    bytes.extend_from_slice(options);
    bytes
}

fn problem(bytes: &[u8]) -> Problem {
    Message::parse(bytes).expect_err("malformed").problem
}

/// A query as a requestor may send it, with everything that has a length.
fn sample() -> Vec<u8> {
    with_options(&[
        53, 1, 14, 55, 3, 152, 51, 82, 61, 7, 1, 2, 0, 0, 0, 0, 10, 0, 0, 154, 4, 0x67, 0x74, 0x85, 0x80, 221, 5, 0,
        98, 108, 117, 101, 200, 0, 82, 9, 2, 2, 7, 7, 12, 3, 1, 2, 3, 255, 0, 0,
    ])
}

//= rfc2131-3-01
#[test]
fn a_message_has_240_octets_and_the_cookie() {
    let good = with_options(&[53, 1, 14, 255]);
    assert!(Message::parse(&good).is_ok());
    assert_eq!(problem(&good[..239]), Problem::Truncated { found: 239, least: 240 });
    let mut wrong = good;
    wrong[239] = 98;
    assert_eq!(problem(&wrong), Problem::Cookie(0x6382_5362));
}

//= rfc2132-9.6-01
#[test]
fn a_message_has_a_type_of_one_octet() {
    assert_eq!(problem(&with_options(&[12, 1, 65, 255])), Problem::NoMessageType);
    for value in [&[53, 0][..], &[53, 2, 14, 0]] {
        assert!(matches!(problem(&with_options(value)), Problem::Length { code: 53, .. }));
    }
}

//= rfc2131-4.1-01
#[test]
fn options_end_at_their_end_mark() {
    let bytes = with_options(&[53, 1, 14, 255, 61, 200, 1]);
    assert_eq!(Message::parse(&bytes).expect("well formed").client_identifier(), None);
    let without = with_options(&[53, 1, 14, 61, 2, 7, 7]);
    assert_eq!(Message::parse(&without).expect("accepted").client_identifier(), Some(&[7, 7][..]));
}

//= rfc2132-2-01
#[test]
fn pads_are_single_octets_unknown_options_are_skipped_and_none_runs_past_the_end() {
    let bytes = with_options(&[0, 0, 53, 1, 14, 200, 3, 255, 255, 255, 0, 61, 2, 7, 8, 255]);
    let message = Message::parse(&bytes).expect("well formed");
    assert_eq!(message.client_identifier(), Some(&[7, 8][..]));
    assert_eq!(message.option(OptionCode(200)), Some(&[255; 3][..]));
    assert_eq!(message.options().map(|(code, _)| code.0).collect::<Vec<_>>(), [200, 61]);
    let overrun = Message::parse(&with_options(&[53, 1, 14, 61, 9, 1, 2])).expect_err("malformed");
    assert_eq!(overrun, DecodeError { offset: 243, problem: Problem::Overrun { code: 61, length: 9, left: 2 } });
    assert_eq!(problem(&with_options(&[53, 1, 14, 61])), Problem::NoLength(61));
}

//= rfc2131-4.1-02
#[test]
fn overloaded_fields_hold_further_options() {
    for overload in 1..=3 {
        let mut bytes = with_options(&[52, 1, overload, 53, 1, 14, 61, 1, 1, 255]);
        bytes[108..113].copy_from_slice(&[61, 1, 2, 255, 9]);
        bytes[44..48].copy_from_slice(&[61, 1, 3, 255]);
        let message = Message::parse(&bytes).expect("well formed");
        let expected: &[u8] = match overload {
            1 => &[1, 2],
            2 => &[1, 3],
            // The file field comes before sname.
            _ => &[1, 2, 3],
        };
        assert_eq!(message.client_identifier(), Some(expected), "overload {overload}");
    }
    let mut bytes = with_options(&[52, 1, 1, 53, 1, 14, 255]);
    bytes[234..236].copy_from_slice(&[61, 9]);
    bytes[108..110].copy_from_slice(&[200, 124]);
    assert!(Message::parse(&bytes).is_err(), "an option runs out of the file field");
}

//= rfc3396-7-01
#[test]
fn pieces_of_an_option_are_joined_in_their_order() {
    // The pieces part a sub-option in its middle.
    let bytes = with_options(&[53, 1, 14, 82, 4, 2, 4, 1, 2, 61, 2, 7, 7, 82, 2, 3, 4, 255]);
    let message = Message::parse(&bytes).expect("well formed");
    let info = message.relay_agent_information().expect("well formed").expect("there");
    assert_eq!(info.remote_id(), Some(&[1, 2, 3, 4][..]));
    assert_eq!(message.options().count(), 2);
    let twice = with_options(&[53, 1, 14, 154, 4, 0, 0, 0, 1, 154, 4, 0, 0, 0, 2, 255]);
    let error = Message::parse(&twice).expect("well formed as a whole").query_start_time().expect_err("eight octets");
    assert_eq!(error.problem, Problem::Length { code: 154, length: 8, expected: "4" });
}

//= rfc2132-9.14-01
#[test]
fn a_client_identifier_is_opaque_and_its_type_belongs_to_it() {
    let read = |id: &[u8]| {
        let length = u8::try_from(id.len()).expect("short");
        let bytes = with_options(&[&[53, 1, 14, 61, length], id, &[255]].concat());
        Message::parse(&bytes).expect("well formed").client_identifier().map(<[u8]>::to_vec)
    };
    assert_eq!(read(&[1, 2, 3]), Some(vec![1, 2, 3]));
    assert_ne!(read(&[1, 2, 3]), read(&[0, 2, 3]));
    assert_eq!(read(&[9]), Some(vec![9]), "what a client sent is shown, however short");
}

//= rfc6926-6.2.7-02
#[test]
fn states_have_their_numbers_and_unknown_ones_are_kept() {
    let names = ["available", "active", "expired", "released", "abandoned", "reset", "remote", "transitioning"];
    for (number, name) in (1..).zip(names) {
        let bytes = with_options(&[53, 1, 11, 156, 1, number, 255]);
        let state = Message::parse(&bytes).expect("well formed").dhcp_state().expect("one octet").expect("there");
        assert_eq!((state, state.name()), (State(number), Some(name)));
    }
    for number in [0, 9, 255] {
        let bytes = with_options(&[53, 1, 11, 156, 1, number, 255]);
        let state = Message::parse(&bytes).expect("well formed").dhcp_state().expect("one octet").expect("there");
        assert_eq!((state.0, state.name()), (number, None));
    }
}

//= rfc6926-6.2.8-03
#[test]
fn only_the_lowest_bit_of_data_source_counts() {
    for (value, remote) in [(0, false), (1, true), (0xfe, false), (0xff, true)] {
        let bytes = with_options(&[53, 1, 13, 157, 1, value, 255]);
        let source = Message::parse(&bytes).expect("well formed").data_source().expect("one octet").expect("there");
        assert_eq!(source.is_remote(), remote);
    }
}

#[test]
fn a_message_cut_anywhere_is_an_error_or_a_message_with_fewer_options() {
    let whole = sample();
    let options =
        |message: &Message<'_>| message.options().map(|(code, value)| (code, value.to_vec())).collect::<Vec<_>>();
    let all = options(&Message::parse(&whole).expect("well formed"));
    for length in 0..whole.len() {
        if let Ok(message) = Message::parse(&whole[..length]) {
            let found = options(&message);
            assert_eq!(found, all[..found.len()], "cut at {length}");
        }
    }
}

#[test]
fn a_wrong_length_never_panics_and_never_reads_past_the_end() {
    let whole = sample();
    for place in 240..whole.len() {
        for value in 0..=255 {
            let mut bytes = whole.clone();
            bytes[place] = value;
            read_all(&bytes);
        }
    }
}

/// Reads everything that can be read.
fn read_all(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    let _ = (message.op(), message.htype(), message.chaddr(), message.chaddr_field(), message.xid(), message.giaddr());
    let _ = (message.server_identifier(), message.lease_time(), message.renewal_time(), message.rebinding_time());
    let _ = (message.client_last_transaction_time(), message.base_time(), message.start_time_of_state());
    let _ = (message.query_start_time(), message.query_end_time(), message.dhcp_state(), message.data_source());
    let _ = (message.client_identifier(), message.parameter_request_list(), message.status(), message.vpn());
    let _ = (message.max_message_size(), message.yiaddr(), message.siaddr());
    let _ = message.associated_ip().map(Iterator::count);
    if let Ok(Some(info)) = message.relay_agent_information() {
        let _ = (info.remote_id(), info.relay_id(), info.vpn(), info.sub_options().count());
    }
    for (code, value) in message.options() {
        assert_eq!(message.option(code), Some(value));
    }
}

proptest! {
    #[test]
    fn no_octets_make_it_panic(options in proptest::collection::vec(any::<u8>(), 0..400), fields in proptest::collection::vec(any::<u8>(), 236)) {
        read_all(&options);
        let mut bytes = with_options(&[&[53, 1, 14][..], &options].concat());
        read_all(&bytes);
        bytes[..236].copy_from_slice(&fields);
        read_all(&bytes);
        read_all(&[&bytes[..240], &[52, 1, 3, 53, 1, 14, 255]].concat());
    }
}
