use super::*;
use crate::v6::{INFINITE, Message, MessageType, MessageWriter, StatusCode};

/// 2001:db8::10, 2001:db8::20 and 2001:db8:40::.
const TEN: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10];
const TWENTY: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20];
const PREFIX: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn options(fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::datagram(&mut out, MessageType::LEASE_QUERY_DATA, 1);
    fill(&mut writer);
    writer.finish().expect("it fits");
    out.split_off(4)
}

fn leases(options: &[u8]) -> Vec<Lease<'_>> {
    let data = ClientData::parse(options, 0).expect("well formed as a whole");
    data.leases().collect::<Result<_, _>>().expect("well formed")
}

/// What is wrong with the only lease in these options, which begin at octet 8 of a message.
fn wrong(options: &[u8]) -> DecodeError {
    let data = ClientData::parse(options, 8).expect("well formed as a whole");
    let mut leases = data.leases();
    let wrong = leases.next().expect("there is one").expect_err("malformed");
    assert!(leases.next().is_none());
    wrong
}

//= rfc3315-22.6-01
#[test]
fn an_address_comes_before_its_lifetimes() {
    // Preferred for 3600 seconds, valid for 7200.
    let expected = [&[0, 5, 0, 24][..], &TEN, &[0, 0, 0x0e, 0x10, 0, 0, 0x1c, 0x20]].concat();
    assert_eq!(options(|writer| writer.lease(Ipv6Addr::from(TEN), None, 3600, 7200)), expected);
    let [lease] = leases(&expected)[..] else { panic!("one lease") };
    assert_eq!((lease.address, lease.prefix_length), (Ipv6Addr::from(TEN), None));
    assert_eq!((lease.preferred, lease.valid, lease.options.bytes()), (3600, 7200, &[][..]));

    for length in 0..24_u8 {
        let short = [&[0, 5, 0, length][..], &expected[4..][..usize::from(length)]].concat();
        let problem = Problem::Length { code: 5, length: usize::from(length), expected: "24 or more" };
        assert_eq!(wrong(&short), DecodeError { offset: 12, problem });
    }
    // Options of its own: a status of 6 octets.
    let nested = [&[0, 5, 0, 30][..], &expected[4..], &[0, 13, 0, 2, 0, 3]].concat();
    let [lease] = leases(&nested)[..] else { panic!("one lease") };
    assert_eq!((lease.address, lease.valid), (Ipv6Addr::from(TEN), 7200));
    assert_eq!(lease.options.find(OptionCode::STATUS_CODE), Some(&[0, 3][..]));
    let half = [&[0, 5, 0, 25][..], &expected[4..], &[0]].concat();
    assert_eq!(wrong(&half), DecodeError { offset: 36, problem: Problem::HalfCode });
}

//= rfc3633-10-01
#[test]
fn the_lifetimes_of_a_prefix_come_before_it() {
    let expected = [&[0, 26, 0, 25, 0, 0, 0x0e, 0x10, 0, 0, 0x1c, 0x20, 56][..], &PREFIX].concat();
    assert_eq!(options(|writer| writer.lease(Ipv6Addr::from(PREFIX), Some(56), 3600, 7200)), expected);
    let [lease] = leases(&expected)[..] else { panic!("one lease") };
    assert_eq!((lease.address, lease.prefix_length), (Ipv6Addr::from(PREFIX), Some(56)));
    assert_eq!((lease.preferred, lease.valid, lease.options.bytes()), (3600, 7200, &[][..]));

    for length in 0..25_u8 {
        let short = [&[0, 26, 0, length][..], &expected[4..][..usize::from(length)]].concat();
        let problem = Problem::Length { code: 26, length: usize::from(length), expected: "25 or more" };
        assert_eq!(wrong(&short), DecodeError { offset: 12, problem });
    }
    let with_length = |length| [&expected[..12], &[length], &PREFIX].concat();
    for length in 0..=128 {
        assert_eq!(leases(&with_length(length))[0].prefix_length, Some(length));
    }
    for value in 129..=255 {
        let problem = Problem::Value { code: 26, value };
        assert_eq!(wrong(&with_length(value)), DecodeError { offset: 20, problem });
    }
    let nested = [&[0, 26, 0, 31][..], &expected[4..], &[0, 13, 0, 2, 0, 6]].concat();
    let [lease] = leases(&nested)[..] else { panic!("one lease") };
    assert_eq!((lease.address, lease.valid), (Ipv6Addr::from(PREFIX), 7200));
    assert_eq!(lease.options.find(OptionCode::STATUS_CODE), Some(&[0, 6][..]));
    let overrun = [&[0, 26, 0, 30][..], &expected[4..], &[0, 13, 0, 2, 0]].concat();
    let problem = Problem::Overrun { code: 13, length: 2, left: 1 };
    assert_eq!(wrong(&overrun), DecodeError { offset: 37, problem });
}

/// All there is to know of a client with two addresses, two prefixes and an option that nobody here knows.
fn client_data() -> Vec<u8> {
    let parts: [&[u8]; 11] = [
        &[0, 45, 0, 143],
        // DUID-LL of an Ethernet address.
        &[0, 1, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 10],
        &[0, 5, 0, 24],
        &TEN,
        &[0, 0, 0x0e, 0x10, 0, 0, 0x1c, 0x20],
        &[0, 26, 0, 25, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 56],
        &PREFIX,
        &[0xab, 0xcd, 0, 3, 1, 2, 3],
        &[0, 5, 0, 24, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0, 26, 0, 25, 0, 0, 0, 1, 0, 0, 0, 2, 128, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20],
        &[0, 46, 0, 4, 0, 0, 0, 90],
    ];
    parts.concat()
}

//= rfc5007-4.1.2.2-01
#[test]
fn client_data_holds_options_and_nothing_else() {
    let duid = [0, 3, 0, 1, 2, 0, 0, 0, 0, 10];
    let [ten, twenty, prefix] = [TEN, TWENTY, PREFIX].map(Ipv6Addr::from);
    let expected = client_data();
    let written = options(|writer| {
        let data = writer.open(OptionCode::CLIENT_DATA);
        writer.option(OptionCode::CLIENT_ID, &duid);
        writer.lease(ten, None, 3600, 7200);
        writer.lease(prefix, Some(56), INFINITE, INFINITE);
        writer.option(OptionCode(0xabcd), &[1, 2, 3]);
        writer.lease(twenty, None, 0, 0);
        writer.lease(twenty, Some(128), 1, 2);
        writer.u32(OptionCode::CLT_TIME, 90);
        writer.close(data);
    });
    assert_eq!(written, expected);

    let bytes = [&[17, 0, 0, 1][..], &expected].concat();
    let read = Message::parse(&bytes).expect("well formed").client_data().expect("well formed").expect("there");
    assert_eq!(read.options().bytes(), &expected[4..]);
    assert_eq!((read.client_id(), read.clt_time()), (Ok(Some(&duid[..])), Ok(Some(90))));
    let found: Vec<_> = leases(read.options().bytes())
        .iter()
        .map(|lease| (lease.address, lease.prefix_length, lease.preferred, lease.valid))
        .collect();
    let in_their_order = [
        (ten, None, 3600, 7200),
        (prefix, Some(56), INFINITE, INFINITE),
        (twenty, None, 0, 0),
        (twenty, Some(128), 1, 2),
    ];
    assert_eq!(found, in_their_order);
    assert_eq!(read.options().find(OptionCode(0xabcd)), Some(&[1, 2, 3][..]), "an unknown option is kept");
    assert_eq!(read.relay_data(), Ok(None));

    let raw = [&[17, 0, 0, 1, 0, 45, 0, 3][..], &TEN[..3]].concat();
    let raw = Message::parse(&raw).expect("well formed as a whole").client_data();
    assert_eq!(raw, Err(DecodeError { offset: 8, problem: Problem::NoLength(0x2001) }));
    let empty = Message::parse(&[17, 0, 0, 1, 0, 45, 0, 0]).expect("well formed").client_data();
    assert!(empty.expect("empty").expect("there").options().bytes().is_empty());
    assert_eq!(Message::parse(&[17, 0, 0, 1]).expect("a message to keep alive").client_data(), Ok(None));
}

//= rfc3315-22-01
#[test]
fn an_option_that_comes_again_is_another_one() {
    let address = |last| [&[0, 5, 0, 24][..], &TEN[..15], &[last, 0, 0, 0, last, 0, 0, 1, last]].concat();
    let three = [address(1), address(2), address(1)].concat();
    let found: Vec<_> = leases(&three).iter().map(|lease| (lease.address.octets()[15], lease.valid)).collect();
    assert_eq!(found, [(1, 257), (2, 258), (1, 257)]);
    let written = options(|writer| {
        for last in [1, 2, 1] {
            let address = Ipv6Addr::from_bits((0x2001_0db8 << 96) + u128::from(last));
            writer.lease(address, None, last, 256 + last);
        }
    });
    assert_eq!(written, three);
    // Of what may be there once the first one counts.
    let twice = [0, 46, 0, 4, 0, 0, 0, 1, 0, 46, 0, 4, 0, 0, 0, 2];
    assert_eq!(ClientData::parse(&twice, 0).expect("well formed").clt_time(), Ok(Some(1)));
    let halves = [0, 46, 0, 2, 0, 0, 0, 46, 0, 2, 0, 1];
    assert!(ClientData::parse(&halves, 0).expect("well formed as a whole").clt_time().is_err());
}

//= rfc5007-4.1.2.3-01
#[test]
fn the_time_since_the_client_was_heard_is_four_octets() {
    let expected = [0, 46, 0, 4, 0x80, 0, 0, 90];
    assert_eq!(options(|writer| writer.u32(OptionCode::CLT_TIME, 0x8000_005a)), expected);
    assert_eq!(ClientData::parse(&expected, 0).expect("well formed").clt_time(), Ok(Some(0x8000_005a)));
    for length in [0, 1, 2, 3, 5, 8] {
        let bytes = options(|writer| writer.option(OptionCode::CLT_TIME, &vec![0; length]));
        let wrong = ClientData::parse(&bytes, 8).expect("well formed as a whole").clt_time().expect_err("not four");
        assert_eq!(wrong, DecodeError { offset: 12, problem: Problem::Length { code: 46, length, expected: "4" } });
    }
}

#[test]
fn a_wrong_lease_does_not_hide_the_others() {
    let bytes = options(|writer| {
        writer.lease(Ipv6Addr::from(TEN), None, 1, 2);
        writer.option(OptionCode::IA_ADDRESS, &TEN);
        writer.lease(Ipv6Addr::from(PREFIX), Some(129), 1, 2);
        writer.lease(Ipv6Addr::from(PREFIX), Some(48), 1, 2);
    });
    let data = ClientData::parse(&bytes, 8).expect("well formed as a whole");
    let found: Vec<_> = data.leases().map(|lease| lease.map(|lease| lease.prefix_length)).collect();
    let short = Problem::Length { code: 5, length: 16, expected: "24 or more" };
    let expected = [
        Ok(None),
        Err(DecodeError { offset: 8 + 28 + 4, problem: short }),
        Err(DecodeError { offset: 8 + 28 + 20 + 4 + 8, problem: Problem::Value { code: 26, value: 129 } }),
        Ok(Some(48)),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_lease_can_be_written_with_options_of_its_own() {
    let bytes = options(|writer| {
        let mut value = TEN.to_vec();
        value.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 2, 0, 13, 0, 2, 0, 3]);
        writer.option(OptionCode::IA_ADDRESS, &value);
    });
    let [lease] = leases(&bytes)[..] else { panic!("one lease") };
    assert_eq!((lease.preferred, lease.valid), (1, 2));
    let status = lease.options.find(OptionCode::STATUS_CODE);
    assert_eq!(status, Some(&StatusCode::NO_BINDING.0.to_be_bytes()[..]));
}
