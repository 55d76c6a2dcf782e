use leasequery_store::{Time, VpnName};
use leasequery_wire::v4::Vpn;
use proptest::prelude::*;

use super::{
    hex_text, mac_text, parse_end, parse_hex, parse_identifier, parse_mac, parse_time, parse_vpn, printable,
    push_address, push_number, time_text, vpn_text,
};

#[test]
fn times_are_rfc_3339_in_utc_over_the_whole_scale() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_795_219_199, "2026-11-20T23:59:59Z"),
        (4_107_542_399, "2100-02-28T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
        (u32::MAX - 1, "2106-02-07T06:28:14Z"),
    ] {
        assert_eq!(time_text(Time(seconds)), text);
        assert_eq!(parse_time(text), Ok(Time(seconds)), "{text}");
    }
    assert_eq!(time_text(Time::INFINITE), "never", "the end of the scale is no end");
    assert_eq!(parse_end("never"), Ok(Time::INFINITE));
    assert_eq!(parse_end("2026-11-20T10:00:00Z"), Ok(Time(1_795_168_800)));
    assert!(parse_time("never").is_err(), "nothing begins then");
}

#[test]
fn times_are_read_in_any_offset_and_as_seconds() {
    assert_eq!(parse_time("2026-11-20T12:00:00+02:00"), Ok(Time(1_795_168_800)));
    assert_eq!(parse_time("2026-11-20T10:00:00.999Z"), Ok(Time(1_795_168_800)));
    assert_eq!(parse_time("1795168800"), Ok(Time(1_795_168_800)));
    for far in ["2106-02-07T06:28:15Z", "9999-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.9+14:00"] {
        assert_eq!(parse_time(far), Ok(Time::INFINITE), "{far}");
    }
    for wrong in ["", "yesterday", "2026-11-20", "2026-11-20T10:00:00", "-1", "1969-12-31T23:59:59Z", "1e9"] {
        assert!(parse_time(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn hardware_addresses_are_read_in_every_usual_way() {
    let mac = Ok(vec![2, 0, 0, 0, 0, 0x0a]);
    for text in ["02:00:00:00:00:0a", "02-00-00-00-00-0A", "0200.0000.000a", "02000000000a"] {
        assert_eq!(parse_mac(text), mac, "{text}");
    }
    assert_eq!(parse_mac("01").map(|mac| mac.len()), Ok(1));
    assert_eq!(parse_mac(&"00".repeat(16)).map(|mac| mac.len()), Ok(16));
    for wrong in [
        "",
        ":",
        "02:00:00:00:00:0g",
        "02:00:00:00:00:0",
        "2:0:0:0:0:a",
        "02::00",
        "02:00-00",
        "0200.00",
        &"00".repeat(17),
    ] {
        assert!(parse_mac(wrong).is_err(), "{wrong:?}");
    }
    assert_eq!(mac_text(&[2, 0, 0, 0, 0, 0x0a]), "02:00:00:00:00:0a");
}

#[test]
fn vpns_are_names_or_identifiers_in_hex() {
    let name = |name: &str| Ok(VpnName::Name(name.as_bytes().into()));
    assert_eq!(parse_vpn("blue"), name("blue"));
    assert_eq!(parse_vpn("00005e:00000001"), Ok(VpnName::Id([0, 0, 0x5e, 0, 0, 0, 1])));
    assert_eq!(parse_vpn("5e:01"), name("5e:01"));
    assert_eq!(parse_vpn("00005g:00000001"), name("00005g:00000001"));
    for wrong in ["", "all", "blü", "a\0", &"x".repeat(255)] {
        assert!(parse_vpn(wrong).is_err(), "{wrong:?}");
    }
    assert_eq!(vpn_text(Vpn::Id([0, 0, 0x5e, 0, 0, 0, 1])), "00005e:00000001");
    assert_eq!(vpn_text(Vpn::Name(b"blue")), "blue");
    assert_eq!(vpn_text(Vpn::Default), "");
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was(bytes in proptest::collection::vec(any::<u8>(), 0..300), seconds: u32) {
        prop_assert_eq!(parse_hex(&hex_text(&bytes)), Ok(bytes.clone()));
        let mac = &bytes[..bytes.len().min(16)];
        if !mac.is_empty() {
            prop_assert_eq!(parse_mac(&mac_text(mac)), Ok(mac.to_vec()));
        }
        prop_assert_eq!(parse_end(&time_text(Time(seconds))), Ok(Time(seconds)));
    }

    #[test]
    fn a_time_is_written_as_jiff_writes_it(seconds in 0..u32::MAX) {
        let expected = jiff::Timestamp::from_second(i64::from(seconds)).expect("in range").to_string();
        prop_assert_eq!(time_text(Time(seconds)), expected);
    }

    #[test]
    fn an_address_and_a_number_are_written_as_the_standard_library_writes_them(address: u32, number: u16) {
        let address = std::net::Ipv4Addr::from(address);
        let mut out = Vec::new();
        push_address(&mut out, address);
        prop_assert_eq!(String::from_utf8(out), Ok(address.to_string()));
        let mut out = Vec::new();
        push_number(&mut out, number);
        prop_assert_eq!(String::from_utf8(out), Ok(number.to_string()));
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in any::<String>()) {
        let _ = (parse_hex(&text), parse_mac(&text), parse_time(&text), parse_vpn(&text));
    }
}

#[test]
fn hex_is_read_in_every_usual_way_and_nothing_else() {
    for text in
        ["000301ab", "000301AB", "0x000301ab", "0X000301AB", "00:03:01:ab", "00-03-01-ab", "0:3:1:aB", "0x00:03:01:ab"]
    {
        assert_eq!(parse_hex(text), Ok(vec![0, 3, 1, 0xab]), "{text}");
    }
    assert_eq!(parse_hex(""), Ok(Vec::new()));
    for wrong in [
        "0", "000", "zz", " 00", "+1", "0x0", "00:", ":00", "00::01", "00:03-01", "000:1", "+1:02", "0g", "00 03",
        "0x0x00", "é", "0:é",
    ] {
        assert!(parse_hex(wrong).is_err(), "{wrong}");
    }
    assert_eq!(parse_identifier("text:line-00239"), Ok(b"line-00239".to_vec()));
    assert_eq!(parse_identifier("text:"), Ok(Vec::new()));
    assert_eq!(parse_identifier("6c:69"), Ok(b"li".to_vec()));
    assert_eq!(printable(b"line 7~"), Some("line 7~"));
    for not in [&b""[..], b"\0a", b"a\n", b"\xff", "é".as_bytes(), b"\x7f"] {
        assert_eq!(printable(not), None, "{not:?}");
    }
}
