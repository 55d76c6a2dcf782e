use proptest::prelude::*;

use super::*;
use crate::v6::{ClientData, Message, MessageWriter};

/// fe80::1, 2001:db8::1 and 2001:db8:1::1.
const PEER: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const INNER_LINK: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const OUTER_PEER: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// Type, hop-count and addresses.
fn header(hop_count: u8, link: [u8; 16], peer: [u8; 16]) -> Vec<u8> {
    [&[12, hop_count][..], &link, &peer].concat()
}

/// OPTION_INTERFACE_ID "ge-0" and OPTION_REMOTE_ID of enterprise 9.
const RELAY_OPTIONS: [u8; 18] = [0, 18, 0, 4, b'g', b'e', b'-', b'0', 0, 37, 0, 6, 0, 0, 0, 9, 0xaa, 0xbb];

/// A Relay-Forward that passed two relays, as RFC 8415 section 9 has it, without the client's message.
fn two_hops() -> Vec<u8> {
    let inner = [&header(0, INNER_LINK, PEER)[..], &RELAY_OPTIONS].concat();
    // The outer relay puts its Relay-ID in front of the message of 52 octets.
    [&header(1, [0; 16], OUTER_PEER)[..], &[0, 53, 0, 4, 0, 3, 0, 1, 0, 9, 0, 52], &inner].concat()
}

/// The relays' options without the Relay Message options, which `write_relayed` makes itself.
fn own_options(relays: &[Relay<'_>]) -> Vec<Vec<u8>> {
    let own = |relay: &Relay<'_>| {
        let options = relay.options.iter().filter(|(code, _)| *code != OptionCode::RELAY_MESSAGE);
        options.fold(Vec::new(), |mut bytes, (code, value)| {
            bytes.extend_from_slice(&code.0.to_be_bytes());
            bytes.extend_from_slice(&u16::try_from(value.len()).expect("it was an option").to_be_bytes());
            bytes.extend_from_slice(value);
            bytes
        })
    };
    relays.iter().map(own).collect()
}

fn chain(bytes: &[u8]) -> Vec<Relay<'_>> {
    Relay::chain(bytes).collect::<Result<_, _>>().expect("well formed")
}

/// Relays with these options each, the one nearest to the server first.
fn relays(options: &[Vec<u8>]) -> Vec<Relay<'_>> {
    let hops = options.iter().rev().zip(0_u8..).map(|(options, hop_count)| Relay {
        kind: MessageType::RELAY_FORWARD,
        hop_count,
        link: Ipv6Addr::from_bits(u128::from(hop_count) << 64),
        peer: Ipv6Addr::from_bits(u128::from(hop_count) + 1),
        options: Options::parse(options, HEADER).expect("well formed"),
    });
    let mut relays: Vec<_> = hops.collect();
    relays.reverse();
    relays
}

/// An option that makes a relay's options this long.
fn filler(length: usize) -> Vec<u8> {
    let value = u16::try_from(length - 4).expect("it fits an option");
    [&[0, 18][..], &value.to_be_bytes(), &vec![7; length - 4]].concat()
}

//= rfc3315-7.1-01
#[test]
fn a_relayed_message_is_a_type_hops_two_addresses_and_options() {
    let bytes = two_hops();
    let found = chain(&bytes);
    let [outer, inner] = found[..] else { panic!("two hops, not {}", found.len()) };
    assert_eq!((outer.kind, outer.hop_count, outer.link), (MessageType(12), 1, Ipv6Addr::UNSPECIFIED));
    assert_eq!(outer.peer, "2001:db8:1::1".parse::<Ipv6Addr>().expect("an address"));
    assert_eq!(outer.options.find(OptionCode::RELAY_ID), Some(&[0, 3, 0, 1][..]));
    assert_eq!(outer.options.find(OptionCode(9)), Some(&bytes[46..]));
    assert_eq!(outer.relayed(), Some(&bytes[46..]));
    assert_eq!((inner.kind, inner.hop_count), (MessageType::RELAY_FORWARD, 0));
    assert_eq!(inner.link, "2001:db8::1".parse::<Ipv6Addr>().expect("an address"));
    assert_eq!(inner.peer, "fe80::1".parse::<Ipv6Addr>().expect("an address"));
    assert_eq!((inner.options.bytes(), inner.relayed()), (&RELAY_OPTIONS[..], None));
    assert_eq!(inner.options.find(OptionCode::INTERFACE_ID), Some(&b"ge-0"[..]));
    assert_eq!(inner.options.find(OptionCode::REMOTE_ID), Some(&[0, 0, 0, 9, 0xaa, 0xbb][..]));

    let own = own_options(&found);
    let again: Vec<_> = found
        .iter()
        .zip(&own)
        .map(|(relay, own)| Relay { options: Options::parse(own, HEADER).expect("well formed"), ..*relay })
        .collect();
    let mut out = vec![1, 2];
    write_relayed(&again, &mut out).expect("it fits");
    assert_eq!((&out[..2], &out[2..]), (&[1, 2][..], &bytes[..]));
}

//= rfc5007-4.1.2.4-01
#[test]
fn relay_data_are_an_address_and_a_relay_forward_that_is_no_option() {
    let value = [&OUTER_PEER[..], &two_hops()].concat();
    let mut out = Vec::new();
    let mut writer = MessageWriter::datagram(&mut out, MessageType::LEASE_QUERY_REPLY, 1);
    writer.option(OptionCode::RELAY_DATA, &value);
    writer.finish().expect("it fits");
    // 16 and a message of 98.
    assert_eq!(out[4..8], [0, 47, 0, 114]);
    assert_eq!(out[8..24], OUTER_PEER);
    assert_eq!(out[24..26], [12, 1], "the message follows without a code");
    let read = Message::parse(&out).expect("well formed").relay_data().expect("well formed").expect("there");
    assert_eq!(read, RelayData { peer: Ipv6Addr::from(OUTER_PEER), message: &two_hops() });
    assert_eq!(chain(read.message).len(), 2);

    for length in 0..16 + HEADER {
        let short = RelayData::parse(&value[..length], 8).expect_err("no room for a Relay-Forward");
        assert_eq!(
            short,
            DecodeError { offset: 8, problem: Problem::Length { code: 47, length, expected: "50 or more" } }
        );
    }
    let least = [&PEER[..], &header(0, INNER_LINK, PEER)].concat();
    assert_eq!(RelayData::parse(&least, 0).expect("50 octets").message.len(), HEADER);
    // It is read in both places, and each has its own.
    let inside = [&[0, 47, 0, 50][..], &least].concat();
    let data = ClientData::parse(&inside, 8).expect("well formed").relay_data().expect("well formed").expect("there");
    assert_eq!(data.peer, Ipv6Addr::from(PEER));
    let short = ClientData::parse(&[0, 47, 0, 1, 0], 8).expect("well formed as a whole").relay_data();
    assert_eq!(short.expect_err("one octet").offset, 12);
}

#[test]
fn one_to_thirty_two_hops_are_written_and_read() {
    for hops in 1..=MAX_HOPS {
        // No two of them have options of the same length.
        let options: Vec<_> = (0..hops).map(|nth| if nth == 0 { Vec::new() } else { filler(4 + nth) }).collect();
        let relays = relays(&options);
        let mut out = Vec::new();
        write_relayed(&relays, &mut out).expect("it fits");
        let expected: usize = options.iter().map(|options| HEADER + options.len() + 4).sum::<usize>() - 4;
        assert_eq!(out.len(), expected, "the innermost has no Relay Message option");
        let found = chain(&out);
        assert_eq!(own_options(&found), options);
        let ends = |relay: &Relay<'_>| (relay.hop_count, relay.link, relay.peer);
        assert!(found.iter().map(ends).eq(relays.iter().map(ends)));
        // Each holds exactly the rest: nothing is behind a Relay Message option.
        let mut rest = &out[..];
        for (nth, relay) in found.iter().enumerate() {
            assert_eq!(relay.options.bytes(), &rest[HEADER..]);
            match relay.relayed() {
                Some(inside) => rest = &rest[rest.len() - inside.len()..],
                None => assert_eq!(nth, hops - 1),
            }
        }
    }
}

#[test]
fn what_is_no_chain_of_relays_is_not_written() {
    let mut out = vec![7];
    assert_eq!(write_relayed(&[], &mut out), None);
    assert_eq!(write_relayed(&relays(&vec![Vec::new(); MAX_HOPS + 1]), &mut out), None);
    // With the peer-address in front it has to fit an option.
    let longest = 65_535 - 16 - HEADER;
    assert_eq!(write_relayed(&relays(&[filler(longest + 1)]), &mut out), None);
    assert_eq!(write_relayed(&relays(&[filler(longest + 1 - 38), Vec::new()]), &mut out), None);
    assert_eq!(out, [7], "nothing is left of them");
    assert_eq!(write_relayed(&relays(&[filler(longest - 38), Vec::new()]), &mut out), Some(()));
    assert_eq!(out.len(), 1 + 65_535 - 16);
    assert_eq!(chain(&out[1..]).len(), 2);
}

#[test]
fn a_chain_ends_before_the_clients_message() {
    let solicit = [1, 0, 0, 1, 0, 8, 0, 2, 0, 0];
    let bytes = [&header(0, INNER_LINK, PEER)[..], &[0, 9, 0, 10], &solicit].concat();
    assert_eq!(chain(&bytes)[0].relayed(), Some(&solicit[..]));
    assert_eq!(chain(&bytes).len(), 1);
    let empty = [&header(0, INNER_LINK, PEER)[..], &[0, 9, 0, 0]].concat();
    assert_eq!(chain(&empty).len(), 1);
    let mut reply = empty;
    reply[0] = 13;
    assert_eq!(Relay::parse(&reply).expect("a Relay-Reply").kind, MessageType::RELAY_REPLY);
}

#[test]
fn a_chain_is_not_followed_beyond_32_hops() {
    let mut bytes = header(0, INNER_LINK, PEER);
    for hop in 1..100 {
        let length = u16::try_from(bytes.len()).expect("short");
        bytes = [&header(hop, INNER_LINK, PEER)[..], &[0, 9], &length.to_be_bytes(), &bytes].concat();
    }
    assert_eq!(chain(&bytes).len(), MAX_HOPS);
}

#[test]
fn errors_of_a_chain_come_once_and_at_its_end() {
    let mut bytes = two_hops();
    // The length of the inner relay's Remote-ID.
    bytes[46 + HEADER + 11] = 7;
    let found: Vec<_> = Relay::chain(&bytes).collect();
    assert_eq!((found.len(), found[0].is_ok()), (2, true));
    // It is the octet of the inner message.
    let problem = Problem::Overrun { code: 37, length: 7, left: 6 };
    assert_eq!(found[1], Err(DecodeError { offset: HEADER + 8, problem }));
}

#[test]
fn what_is_no_relayed_message_is_refused_where_it_is_wrong() {
    let good = header(0, INNER_LINK, PEER);
    for length in 0..HEADER {
        let cut = Relay::parse(&good[..length]).expect_err("cut");
        assert_eq!(cut, DecodeError { offset: length, problem: Problem::Truncated { found: length, least: 34 } });
    }
    for kind in (0..=255).filter(|kind| ![12, 13].contains(kind)) {
        let other = [&[kind][..], &good[1..]].concat();
        assert_eq!(Relay::parse(&other), Err(DecodeError { offset: 0, problem: Problem::NotRelayed(kind) }));
    }
    let half = [&good[..], &[0]].concat();
    assert_eq!(Relay::parse(&half), Err(DecodeError { offset: 34, problem: Problem::HalfCode }));
    let whole = two_hops();
    for length in 0..whole.len() {
        let cut = Relay::parse(&whole[..length]);
        // The outer Relay-ID ends at 42, without the inner message.
        assert_eq!(cut.is_ok(), [34, 42].contains(&length), "cut at {length}");
    }
}

proptest! {
    #[test]
    fn hops_with_any_options_are_read_as_they_were_written(
        hops in proptest::collection::vec(proptest::collection::vec((any::<u16>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..6), 1..33),
        addresses: [u128; 2], kept in proptest::collection::vec(any::<u8>(), 0..9),
    ) {
        let options: Vec<Vec<u8>> = hops.iter().map(|hop| {
            let options = hop.iter().filter(|(code, _)| *code != OptionCode::RELAY_MESSAGE.0);
            options.flat_map(|(code, value)| {
                let length = u16::try_from(value.len()).expect("short");
                [&code.to_be_bytes()[..], &length.to_be_bytes(), value].concat()
            }).collect()
        }).collect();
        let [link, peer] = addresses.map(Ipv6Addr::from_bits);
        let relays: Vec<_> = relays(&options).into_iter().map(|relay| Relay { link, peer, ..relay }).collect();
        let mut out = kept.clone();
        prop_assert_eq!(write_relayed(&relays, &mut out), Some(()));
        prop_assert_eq!(&out[..kept.len()], &kept[..]);
        let found = chain(&out[kept.len()..]);
        prop_assert_eq!(&own_options(&found), &options);
        prop_assert!(found.iter().zip(&relays).all(|(a, b)| (a.hop_count, a.link, a.peer) == (b.hop_count, link, peer)));
    }

    #[test]
    fn no_octets_make_a_chain_panic(octets in proptest::collection::vec(any::<u8>(), 0..200), place in 0..98_usize, value: u8) {
        let mut near = two_hops();
        near[place] = value;
        for bytes in [&octets, &near, &[&header(0, INNER_LINK, PEER)[..], &octets].concat()] {
            let _ = Relay::parse(bytes).map(|relay| relay.relayed());
            prop_assert!(Relay::chain(bytes).count() <= MAX_HOPS);
        }
    }
}
