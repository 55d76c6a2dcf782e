use super::*;

/// What Kea 2.2 makes of these in a lease file.
#[test]
fn numbers_are_what_kea_makes_of_them() {
    let cases = [
        ("0", Some(0)),
        ("5", Some(5)),
        ("+5", Some(5)),
        ("007", Some(7)),
        ("-0", Some(0)),
        ("-1", Some(u32::MAX)),
        ("-2", Some(u32::MAX - 1)),
        ("-1716864052", Some(2_578_103_244)),
        ("4294967295", Some(u32::MAX)),
        ("-4294967295", Some(1)),
        ("00000000000000000000000000000000000000012", Some(12)),
        ("4294967296", None),
        ("-4294967296", None),
        ("9999999999999", None),
        ("18446744073709551616", None),
        ("", None),
        ("-", None),
        ("+", None),
        ("+-1", None),
        ("--1", None),
        (" 5", None),
        ("5 ", None),
        ("0x5", None),
        ("1.0", None),
        ("1e3", None),
        ("+0000000000000000000000000000000000000000+1", None),
    ];
    for (text, value) in cases {
        assert_eq!(u32("iaid", text.as_bytes()).ok(), value, "{text}");
    }
    assert_eq!(
        [u16("a", b"65535"), u16("a", b"-1"), u16("a", b"-65535")].map(Result::ok),
        [Some(65535), Some(65535), Some(1)]
    );
    assert!(u16("a", b"65536").is_err() && u16("a", b"70000").is_err());
}

#[test]
fn signs_count_where_kea_has_them() {
    for (text, sound) in
        [("2147483647", true), ("-2147483648", true), ("2147483648", false), ("-2147483649", false), ("", false)]
    {
        assert_eq!(is_i32(text.as_bytes()), sound, "{text}");
    }
}

#[test]
fn times_have_64_bits() {
    let cases = [
        ("6091054095", Some(6_091_054_095)),
        ("-1", Some(-1)),
        ("18446744073709551615", Some(-1)),
        ("9999999999999", Some(9_999_999_999_999)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("18446744073709551616", None),
        ("", None),
        ("1e9", None),
    ];
    for (text, value) in cases {
        assert_eq!(time("expire", text.as_bytes()).ok(), value, "{text}");
    }
}

#[test]
fn truth_is_zero_or_one() {
    for text in ["0", "1", "+1", "+0", "-0", "00", "01"] {
        assert!(is_bool(text.as_bytes()), "{text}");
    }
    for text in ["", "-1", "2", "true", "10", "4294967296"] {
        assert!(!is_bool(text.as_bytes()), "{text}");
    }
}
