use leasequery_wire::v6::RelayData;
use proptest::prelude::*;

use super::*;

/// The relay data in a context, which is escaped as Kea does it.
fn read(context: &str) -> Result<Vec<u8>, Unreadable> {
    let (mut bytes, mut scratch) = (vec![1, 2, 3], Scratch::default());
    // What is left of another row does not matter.
    let _ = super::read(SINGLE[0].as_bytes(), &mut Vec::new(), &mut scratch);
    let escaped = context.replace(',', "&#x2c");
    let result = super::read(escaped.as_bytes(), &mut bytes, &mut scratch).map(|place| bytes[place].to_vec());
    assert_eq!(bytes[..3], [1, 2, 3], "what was there stays");
    assert_eq!(bytes.len(), 3 + result.as_ref().map_or(0, Vec::len), "and nothing else is left behind");
    result
}

fn address(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

/// As Kea 2.2 writes it, as Kea since 2.3.2 does, and as others might.
const SINGLE: [&str; 4] = [
    r#"{ "ISC": { "relays": [ { "hop": 3, "link": "fd77::2", "options": "0x00250005000009BF61", "peer": "fe80::1" } ] } }"#,
    r#"{ "ISC": { "relay-info": [ { "hop": 3, "link": "fd77::2", "options": "0x00250005000009BF61", "peer": "fe80::1", "remote-id": "000009BF61" } ] } }"#,
    r#"{ "ISC": { "relay-info": [ { "hop": 3, "link": "fd77::2", "options": "0x00250005000009BF61", "peer": "fe80::1", "relay-id": "00", "remote-id": "000009BF61" } ] } }"#,
    r#"{"ISC":{"limits":{},"relay-info":[{"peer":"fe80::1","options":"00250005000009bf61","link":"fd77::2","hop":3}]},"mine":"\"x\""}"#,
];

#[test]
fn both_generations_are_read() {
    let mut expected = address("fe80::1").octets().to_vec();
    expected.extend([12, 3]);
    expected.extend(address("fd77::2").octets());
    expected.extend(address("fe80::1").octets());
    expected.extend([0, 37, 0, 5, 0, 0, 9, 0xbf, b'a']);
    for context in SINGLE {
        assert_eq!(read(context).as_ref(), Ok(&expected), "{context}");
    }
}

#[test]
fn kea_s_own_text_needs_no_thorough_look() {
    for (context, own) in SINGLE.iter().zip([true, true, true, false]) {
        let mut scratch = Scratch::default();
        assert_eq!(exact(context.replace(',', "&#x2c").as_bytes(), &mut scratch).is_some(), own, "{context}");
    }
}

#[test]
fn relays_on_the_way_are_inside_each_other_the_one_nearest_to_the_client_innermost() {
    let layouts = [
        r#"{ "ISC": { "relays": [ { "hop": 1, "link": "::", "options": "0x00120001AA", "peer": "fd77::2" }, { "hop": 0, "link": "fd77::2", "peer": "fe80::1" } ] } }"#,
        r#"{ "ISC": { "relay-info": [ { "hop": 1, "link": "::", "options": "0x00120001AA", "peer": "fd77::2" }, { "hop": 0, "link": "fd77::2", "peer": "fe80::1" } ] } }"#,
    ];
    for context in layouts {
        let mut scratch = Scratch::default();
        assert!(exact(context.replace(',', "&#x2c").as_bytes(), &mut scratch).is_some());
        let octets = read(context).expect("readable");
        let (peer, message) = octets.split_first_chunk::<16>().expect("long enough");
        let data = RelayData { peer: (*peer).into(), message };
        assert_eq!(data.peer, address("fd77::2"), "of the outermost one");
        let relays: Vec<_> = Relay::chain(data.message).map(|relay| relay.expect("sound")).collect();
        let seen: Vec<_> = relays.iter().map(|relay| (relay.hop_count, relay.link, relay.peer)).collect();
        let (client, first) = (address("fe80::1"), address("fd77::2"));
        assert_eq!(seen, [(1, Ipv6Addr::UNSPECIFIED, first), (0, first, client)]);
        assert_eq!(relays[0].options.find(OptionCode::INTERFACE_ID), Some(&[0xaa][..]));
        assert_eq!(relays[1].relayed(), None, "the client's own message is not there");
    }
}

#[test]
fn a_context_without_relays_has_none() {
    for context in [r#"{ "mine": 1 }"#, r#"{ "ISC": { "limits": { } } }"#, r#"{ "ISC": { "relay-info": [ ] } }"#, "{ }"]
    {
        assert_eq!(read(context), Ok(Vec::new()), "{context}");
    }
}

#[test]
fn what_makes_no_sense_costs_the_relay_data_only() {
    let relay = |members: &str| format!(r#"{{ "ISC": {{ "relay-info": [ {{ {members} }} ] }} }}"#);
    let crowd = vec![r#"{ "hop": 1, "link": "::", "peer": "::" }"#; 33].join(", ");
    for context in [
        relay(r#""link": "fd77::2", "peer": "fe80::1""#),
        relay(r#""hop": 0, "peer": "fe80::1""#),
        relay(r#""hop": 0, "link": "fd77::2""#),
        relay(r#""hop": 256, "link": "fd77::2", "peer": "fe80::1""#),
        relay(r#""hop": "0", "link": "fd77::2", "peer": "fe80::1""#),
        relay(r#""hop": 0, "link": "10.0.0.1", "peer": "fe80::1""#),
        relay(r#""hop": 0, "link": "fd77::2", "peer": "fe80::1%eth0""#),
        relay(r#""hop": 0, "link": "fd77::2", "options": "0x00250", "peer": "fe80::1""#),
        relay(r#""hop": 0, "link": "fd77::2", "options": "0x0025zz", "peer": "fe80::1""#),
        relay(r#""hop": 0, "link": "fd77::2", "options": 7, "peer": "fe80::1""#),
        // An option that runs past its end, and one that does not belong there.
        relay(r#""hop": 0, "link": "fd77::2", "options": "0x0025000501", "peer": "fe80::1""#),
        relay(r#""hop": 0, "link": "fd77::2", "options": "0x0009000101", "peer": "fe80::1""#),
        format!(r#"{{ "ISC": {{ "relay-info": [ {crowd} ] }} }}"#),
        r#"{ "ISC": { "relay-info": { } } }"#.to_owned(),
        r#"{ "ISC": { "relays": [ 7 ] } }"#.to_owned(),
        "{ not json".to_owned(),
        "[ ]".to_owned(),
        "3600".to_owned(),
    ] {
        assert_eq!(read(&context), Err(Unreadable), "{context}");
    }
}

proptest! {
    #[test]
    fn no_context_makes_it_panic(
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        place in 0..200_usize,
        octet in any::<u8>(),
        layout in 0..SINGLE.len(),
    ) {
        let mut context = SINGLE[layout].replace(',', "&#x2c").into_bytes();
        let place = place % context.len();
        context[place] = octet;
        for context in [&context[..], &context[..place], &noise] {
            let (mut bytes, mut scratch) = (Vec::new(), Scratch::default());
            let _ = super::read(context, &mut bytes, &mut scratch);
        }
    }
}
