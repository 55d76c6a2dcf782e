use proptest::prelude::*;

use super::*;
use crate::v4::{BOOT_REPLY, BOOT_REQUEST, Message, State};

fn message(fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer =
        MessageWriter::datagram(&mut out, &Header::new(BOOT_REPLY, 0x0102_0304), MessageType::LEASE_ACTIVE);
    fill(&mut writer);
    writer.finish().expect("it fits");
    out
}

/// The options behind the message type, without the end mark.
fn options(fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let out = message(fill);
    assert_eq!(out.last(), Some(&255));
    out[243..out.len() - 1].to_vec()
}

//= rfc2131-2-01
#[test]
fn the_header_has_236_octets_in_the_order_of_the_rfc() {
    let header = Header {
        op: BOOT_REQUEST,
        htype: 6,
        chaddr: &[0x21, 0x22, 0x23, 0x24, 0x25, 0x26],
        xid: 0x0102_0304,
        ciaddr: Ipv4Addr::new(10, 1, 1, 1),
        yiaddr: Ipv4Addr::new(10, 2, 2, 2),
        siaddr: Ipv4Addr::new(10, 3, 3, 3),
        giaddr: Ipv4Addr::new(10, 4, 4, 4),
    };
    let mut out = Vec::new();
    MessageWriter::datagram(&mut out, &header, MessageType::BULK_LEASE_QUERY).finish().expect("it fits");
    let mut expected = vec![1, 6, 6, 0, 1, 2, 3, 4, 0, 0, 0, 0];
    expected.extend_from_slice(&[10, 1, 1, 1, 10, 2, 2, 2, 10, 3, 3, 3, 10, 4, 4, 4]);
    expected.extend_from_slice(&[0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend_from_slice(&[0; 64 + 128]);
    assert_eq!(expected.len(), 236);
    expected.extend_from_slice(&[99, 130, 83, 99, 53, 1, 14, 255]);
    assert_eq!(out, expected);
    let read = Message::parse(&out).expect("well formed");
    assert_eq!((read.op(), read.htype(), read.chaddr(), read.xid()), (1, 6, header.chaddr, header.xid));
    assert_eq!(read.ciaddr(), header.ciaddr);
    assert_eq!((read.yiaddr(), read.siaddr(), read.giaddr()), (header.yiaddr, header.siaddr, header.giaddr));
}

//= rfc2131-2-02
#[test]
fn chaddr_is_sixteen_octets_of_which_hlen_count_and_the_rest_are_zero() {
    let header = Header { chaddr: &[7; 6], htype: 1, ..Header::new(BOOT_REPLY, 1) };
    let mut out = Vec::new();
    MessageWriter::datagram(&mut out, &header, MessageType::LEASE_ACTIVE).finish().expect("it fits");
    assert_eq!((out[2], &out[28..34], &out[34..44]), (6, &[7; 6][..], &[0; 10][..]));
    assert_eq!(Message::parse(&out).expect("well formed").chaddr(), [7; 6]);
    out[2] = 17;
    assert!(Message::parse(&out).is_err(), "seventeen octets are not there");
}

//= rfc4388-6.1-01
//= rfc6926-6.2.1-01
//= rfc7724-5.2.1-01
#[test]
fn message_types_have_the_numbers_of_their_rfcs() {
    let types = [
        (MessageType::LEASE_QUERY, 10),
        (MessageType::LEASE_UNASSIGNED, 11),
        (MessageType::LEASE_UNKNOWN, 12),
        (MessageType::LEASE_ACTIVE, 13),
        (MessageType::BULK_LEASE_QUERY, 14),
        (MessageType::LEASE_QUERY_DONE, 15),
        (MessageType::ACTIVE_LEASE_QUERY, 16),
        (MessageType::LEASE_QUERY_STATUS, 17),
        (MessageType::TLS, 18),
    ];
    for (kind, number) in types {
        let mut out = Vec::new();
        MessageWriter::datagram(&mut out, &Header::new(BOOT_REPLY, 1), kind).finish().expect("it fits");
        assert_eq!(out[240..], [53, 1, number, 255]);
        assert_eq!(Message::parse(&out).expect("well formed").message_type(), kind);
    }
}

/// How an option is written, and the octets it then has.
type Case<'a> = (&'a dyn Fn(&mut MessageWriter<'_>), &'a [u8]);

//= rfc2132-9.2-01
//= rfc2132-9.7-01
//= rfc2132-9.8-01
//= rfc2132-9.11-01
//= rfc4388-6.1-02
//= rfc4388-6.1-04
//= rfc6926-2-01
//= rfc6926-6.2.3-01
//= rfc6926-6.2.4-01
//= rfc6926-6.2.5-01
//= rfc6926-6.2.6-01
//= rfc6926-6.2.7-01
//= rfc6926-6.2.8-01
#[test]
fn options_have_the_octets_of_their_rfcs_and_no_other_lengths() {
    let word = |code| move |writer: &mut MessageWriter<'_>| writer.u32(code, 0x6774_8580);
    let cases: [Case<'_>; 14] = [
        (&|w| w.u32(OptionCode::LEASE_TIME, 3600), &[51, 4, 0, 0, 0x0e, 0x10]),
        (&|w| w.address(OptionCode::SERVER_IDENTIFIER, Ipv4Addr::new(192, 0, 2, 1)), &[54, 4, 192, 0, 2, 1]),
        (&|w| w.option(OptionCode::PARAMETER_REQUEST_LIST, &[152, 51, 153, 91]), &[55, 4, 152, 51, 153, 91]),
        (&|w| w.option(OptionCode::MAX_MESSAGE_SIZE, &[5, 0xdc]), &[57, 2, 5, 0xdc]),
        (&|w| w.u32(OptionCode::RENEWAL_TIME, 1800), &[58, 4, 0, 0, 7, 8]),
        (&|w| w.u32(OptionCode::REBINDING_TIME, 3150), &[59, 4, 0, 0, 0x0c, 0x4e]),
        (&|w| w.u32(OptionCode::CLIENT_LAST_TRANSACTION_TIME, 90), &[0x5b, 4, 0, 0, 0, 0x5a]),
        (&|w| w.option(OptionCode::ASSOCIATED_IP, &[10, 0, 0, 1, 10, 0, 0, 2]), &[0x5c, 8, 10, 0, 0, 1, 10, 0, 0, 2]),
        // 2025-01-01T00:00:00Z.
        (&word(OptionCode::BASE_TIME), &[152, 4, 0x67, 0x74, 0x85, 0x80]),
        (&word(OptionCode::START_TIME_OF_STATE), &[153, 4, 0x67, 0x74, 0x85, 0x80]),
        (&word(OptionCode::QUERY_START_TIME), &[154, 4, 0x67, 0x74, 0x85, 0x80]),
        (&word(OptionCode::QUERY_END_TIME), &[155, 4, 0x67, 0x74, 0x85, 0x80]),
        (&|w| w.u8(OptionCode::DHCP_STATE, State::ABANDONED.0), &[156, 1, 5]),
        (&|w| w.u8(OptionCode::DATA_SOURCE, 1), &[0x9d, 1, 1]),
    ];
    for (write, expected) in cases {
        assert_eq!(options(write), expected);
        // One octet too many or too few.
        for value in [&expected[2..expected.len() - 1], &[&expected[2..], &[0]].concat()] {
            let code = OptionCode(expected[0]);
            let out = message(|writer| writer.option(code, value));
            let read = Message::parse(&out).expect("well formed as a whole");
            let wrong = match code {
                OptionCode::LEASE_TIME => read.lease_time().is_err(),
                OptionCode::SERVER_IDENTIFIER => read.server_identifier().is_err(),
                OptionCode::MAX_MESSAGE_SIZE => read.max_message_size().is_err(),
                OptionCode::RENEWAL_TIME => read.renewal_time().is_err(),
                OptionCode::REBINDING_TIME => read.rebinding_time().is_err(),
                OptionCode::CLIENT_LAST_TRANSACTION_TIME => read.client_last_transaction_time().is_err(),
                OptionCode::ASSOCIATED_IP => read.associated_ip().is_err(),
                OptionCode::BASE_TIME => read.base_time().is_err(),
                OptionCode::START_TIME_OF_STATE => read.start_time_of_state().is_err(),
                OptionCode::QUERY_START_TIME => read.query_start_time().is_err(),
                OptionCode::QUERY_END_TIME => read.query_end_time().is_err(),
                OptionCode::DHCP_STATE => read.dhcp_state().is_err(),
                OptionCode::DATA_SOURCE => read.data_source().is_err(),
                _ => read.parameter_request_list().is_ok(),
            };
            assert!(wrong, "{code} of {} octets", value.len());
        }
    }
    // Times are unsigned: 2040 and an infinite lease.
    let out = message(|writer| {
        writer.u32(OptionCode::BASE_TIME, 2_208_988_800);
        writer.u32(OptionCode::LEASE_TIME, u32::MAX);
        writer.option(OptionCode::ASSOCIATED_IP, &[10, 0, 0, 1, 10, 0, 0, 2]);
    });
    let read = Message::parse(&out).expect("well formed");
    assert_eq!((read.base_time(), read.lease_time()), (Ok(Some(2_208_988_800)), Ok(Some(u32::MAX))));
    let found: Vec<_> = read.associated_ip().expect("two addresses").collect();
    assert_eq!(found, [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)]);
    let empty = message(|writer| writer.option(OptionCode::PARAMETER_REQUEST_LIST, &[]));
    assert!(Message::parse(&empty).expect("well formed").parameter_request_list().is_err(), "at least one code");
}

//= rfc6926-6.2.2-01
//= rfc6926-6.2.2-02
//= rfc6926-6.2.2-03
#[test]
fn a_status_is_a_code_and_a_text_in_utf_8_without_nul() {
    assert_eq!(options(|w| w.status(StatusCode::MALFORMED_QUERY, "no")), [0x97, 3, 3, 0x6e, 0x6f]);
    assert_eq!(options(|w| w.status(StatusCode::NOT_ALLOWED, "")), [0x97, 1, 4]);
    assert_eq!(options(|w| w.status(StatusCode::NOT_ALLOWED, "\0n\0o\0")), [0x97, 3, 4, 0x6e, 0x6f]);
    let long = "é".repeat(200);
    let out = message(|writer| writer.status(StatusCode::UNSPEC_FAIL, &long));
    let status =
        Message::parse(&out).expect("well formed").status().expect("a length of 255").map(|s| s.text.into_owned());
    assert_eq!(status, Some("é".repeat(127)), "cut behind a whole character");
    let none = message(|writer| writer.option(OptionCode::STATUS_CODE, &[]));
    assert!(Message::parse(&none).expect("well formed").status().is_err());
    let odd = message(|writer| writer.option(OptionCode::STATUS_CODE, b"\x01a\xff\0b"));
    let odd = Message::parse(&odd).expect("well formed");
    assert_eq!(odd.status().expect("shown all the same").map(|s| s.text.into_owned()), Some("a\u{fffd}b".to_owned()));
}

//= rfc6926-6.2.2-04
//= rfc7724-5.2.2-01
#[test]
fn status_codes_have_their_numbers_and_names() {
    let names = [
        "Success",
        "UnspecFail",
        "QueryTerminated",
        "MalformedQuery",
        "NotAllowed",
        "DataMissing",
        "ConnectionActive",
        "CatchUpComplete",
        "TLSConnectionRefused",
        "status 9",
    ];
    for (number, name) in (0..).zip(names) {
        assert_eq!(StatusCode(number).to_string(), name);
    }
}

//= rfc3046-2.0-02
//= rfc6925-4-01
#[test]
fn relay_sub_options_have_their_codes() {
    let info = options(|w| w.option(OptionCode::RELAY_AGENT_INFORMATION, &[2, 2, 0xaa, 0xbb]));
    assert_eq!(info, [0x52, 4, 2, 2, 0xaa, 0xbb]);
    let out = message(|w| w.option(OptionCode::RELAY_AGENT_INFORMATION, &[0x0c, 2, 0x0a, 0x0b, 1, 1, 7]));
    let read = Message::parse(&out).expect("well formed");
    let info = read.relay_agent_information().expect("well formed").expect("there");
    assert_eq!((info.relay_id(), info.remote_id()), (Some(&[0x0a, 0x0b][..]), None));
    assert_eq!(info.find(crate::v4::SubOption::CIRCUIT_ID), Some(&[7][..]));
}

//= rfc3396-6-01
//= rfc3396-4-01
#[test]
fn only_a_value_over_255_octets_is_split() {
    for length in [0, 1, 254, 255] {
        let value = vec![7; length];
        let out = options(|w| w.option(OptionCode::RELAY_AGENT_INFORMATION, &value));
        assert_eq!(out.len(), 2 + length, "one piece");
    }
    let value: Vec<u8> = (0..300_u16).map(|n| n.to_le_bytes()[0]).collect();
    let out = options(|w| w.option(OptionCode::RELAY_AGENT_INFORMATION, &value));
    assert_eq!((&out[..2], &out[257..259], out.len()), (&[82, 255][..], &[82, 45][..], 304));
    let whole = message(|w| w.option(OptionCode::RELAY_AGENT_INFORMATION, &value));
    assert_eq!(
        Message::parse(&whole).expect("well formed").option(OptionCode::RELAY_AGENT_INFORMATION),
        Some(&value[..])
    );
    // Whole addresses for readers that do not join.
    let addresses = options(|w| w.option(OptionCode::ASSOCIATED_IP, &[10; 400]));
    assert_eq!((addresses[1], addresses[255]), (252, 148));
}

#[test]
fn a_message_too_long_for_its_frame_is_taken_back() {
    let mut out = vec![1, 2, 3];
    let mut writer = MessageWriter::frame(&mut out, &Header::new(BOOT_REPLY, 1), MessageType::LEASE_ACTIVE);
    writer.option(OptionCode::HOST_NAME, &vec![7; 66_000]);
    assert!(matches!(writer.finish(), Err(TooLong(length)) if length > MAX_MESSAGE));
    assert_eq!(out, [1, 2, 3]);
}

#[test]
fn options_that_were_taken_back_leave_nothing_behind() {
    for framed in [false, true] {
        let mut out = b"before".to_vec();
        let header = Header::new(BOOT_REPLY, 1);
        let mut writer = if framed {
            MessageWriter::frame(&mut out, &header, MessageType::LEASE_ACTIVE)
        } else {
            MessageWriter::datagram(&mut out, &header, MessageType::LEASE_ACTIVE)
        };
        writer.u32(OptionCode::LEASE_TIME, 1);
        let length = writer.len();
        writer.option(OptionCode::CLIENT_IDENTIFIER, &[7; 300]);
        writer.truncate(length);
        writer.truncate(length + 1);
        assert_eq!(writer.len(), length);
        writer.finish().expect("it fits");
        assert!(out.starts_with(b"before"));
        assert!(out.ends_with(&[MessageType::LEASE_ACTIVE.0, 51, 4, 0, 0, 0, 1, 255]));
    }
}

#[test]
fn a_frame_is_its_length_and_the_message() {
    let mut out = vec![9];
    let mut writer = MessageWriter::frame(&mut out, &Header::new(BOOT_REPLY, 1), MessageType::LEASE_ACTIVE);
    writer.u8(OptionCode::DHCP_STATE, 2);
    writer.finish().expect("it fits");
    assert_eq!((out[0], usize::from(u16::from_be_bytes([out[1], out[2]])), out.len()), (9, 247, 250));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        xid: u32, htype: u8, address: u32, chaddr in proptest::collection::vec(any::<u8>(), 0..17),
        values in proptest::collection::btree_map(1..255_u8, proptest::collection::vec(any::<u8>(), 0..600), 0..20),
    ) {
        let header = Header { htype, chaddr: &chaddr, ciaddr: Ipv4Addr::from_bits(address), ..Header::new(BOOT_REPLY, xid) };
        let mut out = Vec::new();
        let mut writer = MessageWriter::datagram(&mut out, &header, MessageType::LEASE_ACTIVE);
        // Overload would say that there is more elsewhere, and the type is there already.
        let values: Vec<_> = values.into_iter().filter(|(code, value)| *code != 52 && *code != 53 && !value.is_empty()).collect();
        for (code, value) in &values {
            writer.option(OptionCode(*code), value);
        }
        writer.finish().expect("it fits");
        let read = Message::parse(&out).expect("well formed");
        prop_assert_eq!((read.xid(), read.htype(), read.chaddr(), read.ciaddr()), (xid, htype, &chaddr[..], header.ciaddr));
        let found: Vec<_> = read.options().map(|(code, value)| (code.0, value.to_vec())).collect();
        prop_assert_eq!(found, values);
    }
}
