use proptest::prelude::*;

use super::*;
use crate::v6::{INFINITE, MIN_MESSAGE, Message, QueryType};
use crate::{Framing, split_frame};

fn message(fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::datagram(&mut out, MessageType::LEASE_QUERY_REPLY, 0x0001_0203);
    fill(&mut writer);
    writer.finish().expect("it fits");
    out
}

/// The options alone.
fn options(fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    message(fill).split_off(MIN_MESSAGE)
}

fn frame(out: &mut Vec<u8>, kind: MessageType, fill: impl FnOnce(&mut MessageWriter<'_>)) {
    let mut writer = MessageWriter::frame(out, kind, 0x000a_0b0c);
    fill(&mut writer);
    writer.finish().expect("it fits");
}

//= rfc3315-6-01
#[test]
fn a_message_is_a_type_a_transaction_id_and_options_without_padding() {
    let out = message(|writer| {
        writer.option(OptionCode::SERVER_ID, &[0, 3, 0, 1, 2, 0, 0, 0, 0]);
        writer.u32(OptionCode::BASE_TIME, 0x3134_3539);
    });
    let expected = [
        15, 0x01, 0x02, 0x03, // LEASEQUERY-REPLY and the transaction-id
        0, 2, 0, 9, 0, 3, 0, 1, 2, 0, 0, 0, 0, // of odd length
        0, 100, 0, 4, 0x31, 0x34, 0x35, 0x39,
    ];
    assert_eq!(out, expected);
    let read = Message::parse(&expected).expect("well formed");
    assert_eq!((read.message_type(), read.transaction_id()), (MessageType::LEASE_QUERY_REPLY, 0x0001_0203));
    assert_eq!(read.server_id(), Ok(Some(&[0, 3, 0, 1, 2, 0, 0, 0, 0][..])));
    assert_eq!(read.base_time(), Ok(Some(0x3134_3539)));
    assert_eq!(read.options().iter().count(), 2);
}

#[test]
fn a_transaction_id_has_24_bits() {
    let mut out = Vec::new();
    MessageWriter::datagram(&mut out, MessageType::LEASE_QUERY, 0xffab_cdef).finish().expect("it fits");
    assert_eq!(out, [14, 0xab, 0xcd, 0xef]);
    assert_eq!(Message::parse(&[14, 0xff, 0xff, 0xff]).expect("well formed").transaction_id(), MAX_TRANSACTION_ID);
}

//= rfc5007-4.1.1-01
//= rfc5007-4.1.1-02
//= rfc5460-5.2.1-01
//= rfc5460-5.2.2-01
//= rfc7653-active-01
//= rfc7653-tls-01
#[test]
fn message_types_have_the_numbers_of_their_rfcs() {
    let types = [
        (MessageType::REPLY, 0x07, "REPLY"),
        (MessageType::RELAY_FORWARD, 0x0c, "RELAY-FORW"),
        (MessageType::RELAY_REPLY, 0x0d, "RELAY-REPL"),
        (MessageType::LEASE_QUERY, 0x0e, "LEASEQUERY"),
        (MessageType::LEASE_QUERY_REPLY, 0x0f, "LEASEQUERY-REPLY"),
        (MessageType::LEASE_QUERY_DONE, 0x10, "LEASEQUERY-DONE"),
        (MessageType::LEASE_QUERY_DATA, 0x11, "LEASEQUERY-DATA"),
        (MessageType::ACTIVE_LEASE_QUERY, 0x16, "ACTIVELEASEQUERY"),
        (MessageType::START_TLS, 0x17, "STARTTLS"),
        (MessageType(1), 0x01, "message type 1"),
    ];
    for (kind, number, name) in types {
        assert_eq!(kind.to_string(), name);
        let mut out = Vec::new();
        frame(&mut out, kind, |_| {});
        assert_eq!(out, [0, 4, number, 0x0a, 0x0b, 0x0c], "a type and a transaction-id, and no options");
        let mut out = Vec::new();
        MessageWriter::datagram(&mut out, kind, 0x000a_0b0c).finish().expect("it fits");
        assert_eq!(out, [number, 0x0a, 0x0b, 0x0c]);
        let read = Message::parse(&out).expect("well formed");
        assert_eq!((read.message_type(), read.transaction_id()), (kind, 0x000a_0b0c));
    }
}

#[test]
fn options_have_the_numbers_and_names_of_their_rfcs() {
    let codes = [
        (OptionCode::CLIENT_ID, 1, "OPTION_CLIENTID"),
        (OptionCode::SERVER_ID, 2, "OPTION_SERVERID"),
        (OptionCode::IA_ADDRESS, 5, "OPTION_IAADDR"),
        (OptionCode::REQUEST, 6, "OPTION_ORO"),
        (OptionCode::RELAY_MESSAGE, 9, "OPTION_RELAY_MSG"),
        (OptionCode::AUTHENTICATION, 11, "OPTION_AUTH"),
        (OptionCode::STATUS_CODE, 13, "OPTION_STATUS_CODE"),
        (OptionCode::INTERFACE_ID, 18, "OPTION_INTERFACE_ID"),
        (OptionCode::IA_PREFIX, 26, "OPTION_IAPREFIX"),
        (OptionCode::REMOTE_ID, 37, "OPTION_REMOTE_ID"),
        (OptionCode::CLIENT_FQDN, 39, "OPTION_CLIENT_FQDN"),
        (OptionCode::QUERY, 44, "OPTION_LQ_QUERY"),
        (OptionCode::CLIENT_DATA, 45, "OPTION_CLIENT_DATA"),
        (OptionCode::CLT_TIME, 46, "OPTION_CLT_TIME"),
        (OptionCode::RELAY_DATA, 47, "OPTION_LQ_RELAY_DATA"),
        (OptionCode::CLIENT_LINK, 48, "OPTION_LQ_CLIENT_LINK"),
        (OptionCode::RELAY_ID, 53, "OPTION_RELAY_ID"),
        (OptionCode::CLIENT_LINK_LAYER_ADDRESS, 79, "OPTION_CLIENT_LINKLAYER_ADDR"),
        (OptionCode::BASE_TIME, 100, "OPTION_LQ_BASE_TIME"),
        (OptionCode::START_TIME, 101, "OPTION_LQ_START_TIME"),
        (OptionCode::END_TIME, 102, "OPTION_LQ_END_TIME"),
        (OptionCode::RELAY_PORT, 135, "OPTION_RELAY_PORT"),
        (OptionCode(0x1234), 0x1234, "option 4660"),
    ];
    for (code, number, name) in codes {
        assert_eq!((code.0, code.to_string().as_str()), (number, name));
        let [high, low] = number.to_be_bytes();
        assert_eq!(options(|writer| writer.option(code, &[7])), [high, low, 0, 1, 7]);
        assert_eq!(options(|writer| writer.u32(code, 0x0102_0304)), [high, low, 0, 4, 1, 2, 3, 4]);
    }
}

//= rfc5007-4.1.3-01
//= rfc5460-5.5-01
//= rfc7653-options-01
#[test]
fn status_codes_have_their_numbers_and_names() {
    let names = [
        "Success",
        "UnspecFail",
        "NoAddrsAvail",
        "NoBinding",
        "NotOnLink",
        "UseMulticast",
        "NoPrefixAvail",
        "UnknownQueryType",
        "MalformedQuery",
        "NotConfigured",
        "NotAllowed",
        "QueryTerminated",
        "DataMissing",
        "CatchUpComplete",
        "NotSupported",
        "TLSConnectionRefused",
        "status 16",
    ];
    for (number, name) in (0_u8..).zip(names) {
        let code = StatusCode(u16::from(number));
        assert_eq!(code.to_string(), name);
        let out = message(|writer| writer.status(code, ""));
        assert_eq!(out[4..], [0, 13, 0, 2, 0, number]);
        let status = Message::parse(&out).expect("well formed").status().expect("two octets").expect("there");
        assert_eq!((status.code, status.text.as_ref()), (code, ""));
    }
    let constants = [
        (StatusCode::UNKNOWN_QUERY_TYPE, 7),
        (StatusCode::MALFORMED_QUERY, 8),
        (StatusCode::NOT_CONFIGURED, 9),
        (StatusCode::NOT_ALLOWED, 10),
        (StatusCode::QUERY_TERMINATED, 11),
        (StatusCode::DATA_MISSING, 12),
        (StatusCode::CATCH_UP_COMPLETE, 13),
        (StatusCode::NOT_SUPPORTED, 14),
        (StatusCode::TLS_CONNECTION_REFUSED, 15),
    ];
    for (code, number) in constants {
        assert_eq!(options(|writer| writer.status(code, "")), [0, 13, 0, 2, 0, number]);
    }
}

//= rfc3315-22.13-01
#[test]
fn a_status_is_a_code_and_a_text_in_utf_8_without_nul() {
    let write = |text: &str| options(|writer| writer.status(StatusCode::MALFORMED_QUERY, text));
    assert_eq!(write("no"), [0, 13, 0, 4, 0, 8, b'n', b'o']);
    assert_eq!(write(""), [0, 13, 0, 2, 0, 8]);
    assert_eq!(write("\0n\0o\0"), [0, 13, 0, 4, 0, 8, b'n', b'o']);
    assert_eq!(write("é"), [0, 13, 0, 4, 0, 8, 0xc3, 0xa9]);
    let long = write(&format!("a{}", "é".repeat(600)));
    assert_eq!(long[..6], [0, 13, 4, 1, 0, 8], "cut behind a whole character, at 1023");
    assert_eq!(long.len(), 6 + 1023);
    let read = |value: &[u8]| {
        let out = message(|writer| writer.option(OptionCode::STATUS_CODE, value));
        let read = Message::parse(&out).expect("well formed");
        read.status().map(|status| status.map(|status| (status.code.0, status.text.into_owned())))
    };
    assert_eq!(read(&[0, 8]), Ok(Some((8, String::new()))));
    assert_eq!(read(b"\0\x08no"), Ok(Some((8, "no".to_owned()))));
    assert_eq!(read(b"\xff\xfea\xff\0b\0"), Ok(Some((0xfffe, "a\u{fffd}b".to_owned()))), "shown all the same");
    assert!(read(&[]).is_err() && read(&[0]).is_err());
    let none = message(|_| {});
    assert_eq!(Message::parse(&none).expect("well formed").status(), Ok(None));
}

//= rfc5007-4.1.2.1-03
//= rfc5460-5.3-01
#[test]
fn query_types_have_their_numbers() {
    let types = [
        (QueryType::BY_ADDRESS, 1, "QUERY_BY_ADDRESS"),
        (QueryType::BY_CLIENT_ID, 2, "QUERY_BY_CLIENTID"),
        (QueryType::BY_RELAY_ID, 3, "QUERY_BY_RELAY_ID"),
        (QueryType::BY_LINK_ADDRESS, 4, "QUERY_BY_LINK_ADDRESS"),
        (QueryType::BY_REMOTE_ID, 5, "QUERY_BY_REMOTE_ID"),
        (QueryType(200), 200, "query-type 200"),
    ];
    for (kind, number, name) in types {
        let out = message(|writer| {
            let query = writer.query(kind, Ipv6Addr::UNSPECIFIED);
            writer.close(query);
        });
        assert_eq!((&out[4..8], out[8]), (&[0, 44, 0, 17][..], number));
        let query = Message::parse(&out).expect("well formed").query().expect("17 octets").expect("there");
        assert_eq!((query.query_type, query.query_type.to_string().as_str()), (kind, name));
    }
}

//= rfc5460-5.1-01
//= rfc5460-5.1-02
//= rfc5460-5.1-03
//= alq6-6.1-01
#[test]
fn a_length_in_two_octets_big_endian_precedes_a_message_and_does_not_count_itself() {
    let mut stream = vec![];
    frame(&mut stream, MessageType::ACTIVE_LEASE_QUERY, |writer| {
        writer.option(OptionCode::CLIENT_ID, &[0, 4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
        writer.u32(OptionCode::START_TIME, 1);
    });
    assert_eq!(stream[..6], [0x00, 0x20, 22, 0x0a, 0x0b, 0x0c]);
    assert_eq!(stream.len(), 2 + 0x20);
    frame(&mut stream, MessageType::LEASE_QUERY_DATA, |_| {});
    assert_eq!(stream[34..], [0, 4, 17, 0x0a, 0x0b, 0x0c]);
    frame(&mut stream, MessageType::LEASE_QUERY, |writer| writer.option(OptionCode::CLIENT_ID, &[7; 300]));
    assert_eq!(stream[40..43], [0x01, 0x34, 14]);

    let whole: [&[u8]; 3] = [&stream[2..34], &stream[36..40], &stream[42..]];
    let all_at_once = cut_frames(&stream);
    assert_eq!(all_at_once, (whole.to_vec(), &[][..]));
    // One octet at a time.
    let (mut buffer, mut found) = (Vec::new(), Vec::new());
    for octet in &stream {
        buffer.push(*octet);
        let (bodies, rest) = cut_frames(&buffer);
        found.extend(bodies.into_iter().map(<[u8]>::to_vec));
        buffer = rest.to_vec();
    }
    assert_eq!((found.len(), buffer.len()), (3, 0));
    assert!(found.iter().zip(whole).all(|(found, whole)| found == whole));
    assert!(found.iter().all(|body| Message::parse(body).is_ok()));
    for short in 0..4 {
        assert!(split_frame(&[0, short, 14, 0, 0, 1], MIN_MESSAGE).is_err(), "no message has {short} octets");
    }
}

/// The messages of a stream, and what is left of it.
fn cut_frames(stream: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let (mut found, mut left) = (Vec::new(), stream);
    while let Framing::Frame { body, rest } = split_frame(left, MIN_MESSAGE).expect("no fault") {
        found.push(body);
        left = rest;
    }
    (found, left)
}

#[test]
fn a_message_may_have_65535_octets_and_a_longer_one_is_taken_back() {
    for (value, fits) in [(65_527, true), (65_528, false), (65_535, false), (65_536, false), (200_000, false)] {
        for framed in [false, true] {
            let mut out = vec![1, 2, 3];
            let (kind, value) = (MessageType::LEASE_QUERY_DATA, vec![7; value]);
            let mut writer = if framed {
                MessageWriter::frame(&mut out, kind, 1)
            } else {
                MessageWriter::datagram(&mut out, kind, 1)
            };
            writer.option(OptionCode::CLIENT_FQDN, &value);
            assert_eq!(writer.len(), 8 + value.len());
            let result = writer.finish();
            assert_eq!(out[..3], [1, 2, 3], "what was there stays");
            if fits {
                let prefix: &[u8] = if framed { &[0xff, 0xff] } else { &[] };
                assert_eq!((result, out.len()), (Ok(()), 3 + prefix.len() + MAX_MESSAGE));
                assert!(out[3..].starts_with(prefix));
                let read = Message::parse(&out[3 + prefix.len()..]).expect("well formed");
                assert_eq!(read.options().find(OptionCode::CLIENT_FQDN), Some(&value[..]));
            } else {
                assert_eq!((result, out.len()), (Err(TooLong(8 + value.len())), 3));
            }
        }
    }
}

#[test]
fn an_option_that_grows_too_long_makes_the_message_too_long() {
    let mut out = Vec::new();
    let mut writer = MessageWriter::frame(&mut out, MessageType::LEASE_QUERY_DATA, 1);
    let data = writer.open(OptionCode::CLIENT_DATA);
    for nth in 0..3000 {
        writer.lease(Ipv6Addr::from_bits(nth), None, 1, 2);
    }
    writer.close(data);
    let length = 4 + 4 + 3000 * 28;
    assert_eq!(writer.len(), length);
    assert_eq!(writer.finish(), Err(TooLong(length)));
    assert!(out.is_empty());
    frame(&mut out, MessageType::LEASE_QUERY_DATA, |_| {});
    assert_eq!(out, [0, 4, 17, 0x0a, 0x0b, 0x0c], "the buffer can be used again");
}

#[test]
fn options_go_into_the_one_that_was_begun_last() {
    let out = options(|writer| {
        let data = writer.open(OptionCode::CLIENT_DATA);
        writer.option(OptionCode::CLIENT_ID, &[0, 9]);
        let inner = writer.open(OptionCode(200));
        writer.option(OptionCode(201), &[]);
        writer.close(inner);
        writer.u32(OptionCode::CLT_TIME, 3);
        writer.close(data);
        writer.option(OptionCode(202), &[1]);
    });
    let expected = [
        0, 45, 0, 22, 0, 1, 0, 2, 0, 9, 0, 200, 0, 4, 0, 201, 0, 0, 0, 46, 0, 4, 0, 0, 0, 3, // one option
        0, 202, 0, 1, 1,
    ];
    assert_eq!(out, expected);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        kind: u8, xid in 0..=MAX_TRANSACTION_ID, framed: bool, kept in proptest::collection::vec(any::<u8>(), 0..5),
        values in proptest::collection::vec((any::<u16>(), proptest::collection::vec(any::<u8>(), 0..600)), 0..20),
    ) {
        let mut out = kept.clone();
        let mut writer = if framed {
            MessageWriter::frame(&mut out, MessageType(kind), xid)
        } else {
            MessageWriter::datagram(&mut out, MessageType(kind), xid)
        };
        for (code, value) in &values {
            writer.option(OptionCode(*code), value);
        }
        let length = writer.len();
        writer.finish().expect("it fits");
        prop_assert_eq!(&out[..kept.len()], &kept[..]);
        let mut bytes = &out[kept.len()..];
        if framed {
            let Ok(Framing::Frame { body, rest: [] }) = split_frame(bytes, MIN_MESSAGE) else { panic!("one frame") };
            bytes = body;
        }
        prop_assert_eq!(bytes.len(), length);
        let read = Message::parse(bytes).expect("well formed");
        prop_assert_eq!((read.message_type().0, read.transaction_id()), (kind, xid));
        let found: Vec<_> = read.options().iter().map(|(code, value)| (code.0, value.to_vec())).collect();
        prop_assert_eq!(found, values);
    }

    #[test]
    fn any_text_makes_a_status_that_is_read(code: u16, text in "\\PC{0,700}|[\0a-zé€😀]{0,700}") {
        let out = message(|writer| writer.status(StatusCode(code), &text));
        let status = Message::parse(&out).expect("well formed").status().expect("well formed").expect("there");
        let clean = text.replace('\0', "");
        prop_assert_eq!(status.code, StatusCode(code));
        prop_assert!(clean.starts_with(status.text.as_ref()));
        prop_assert!(status.text == clean || (1021..=1024).contains(&status.text.len()));
    }

    #[test]
    fn leases_are_read_as_they_were_written(
        leases in proptest::collection::vec((any::<u128>(), proptest::option::of(0..=128_u8), any::<u32>(), any::<u32>()), 0..40),
    ) {
        let out = message(|writer| {
            let data = writer.open(OptionCode::CLIENT_DATA);
            for (address, length, preferred, valid) in &leases {
                writer.lease(Ipv6Addr::from_bits(*address), *length, *preferred, *valid);
            }
            writer.u32(OptionCode::CLT_TIME, INFINITE);
            writer.close(data);
        });
        let data = Message::parse(&out).expect("well formed").client_data().expect("well formed").expect("there");
        let found: Vec<_> = data.leases().map(|lease| {
            let lease = lease.expect("well formed");
            assert!(lease.options.bytes().is_empty());
            (lease.address.to_bits(), lease.prefix_length, lease.preferred, lease.valid)
        }).collect();
        prop_assert_eq!(found, leases);
        prop_assert_eq!(data.clt_time(), Ok(Some(u32::MAX)));
    }
}
