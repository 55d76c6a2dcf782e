use proptest::prelude::*;

use super::*;

/// What the standard library says it is.
fn expected(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok()
}

#[test]
fn all_forms_of_an_address_are_read_and_nothing_else() {
    for text in [
        "::",
        "::1",
        "1::",
        "fe80::1",
        "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::",
        "::2:3:4:5:6:7:8",
        "1:2::7:8",
        "ABCD::ef01",
        "::ffff:10.0.0.1",
        "1:2:3:4:5:6:10.0.0.1",
        "0000:0:00::",
    ] {
        assert!(expected(text).is_some(), "{text}");
        assert_eq!(address(text.as_bytes()), expected(text), "{text}");
    }
    for text in [
        "",
        ":",
        "1",
        ":1",
        "1:",
        ":::",
        "1:::2",
        "1::2::3",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "12345::",
        "g::",
        "fe80::1%lo",
        "::10.0.0",
        "10.0.0.1",
        "::/64",
        " ::",
        ":: ",
        "1:2:3:4::5:6:7:8",
    ] {
        assert_eq!(expected(text), None, "{text}");
        assert_eq!(address(text.as_bytes()), None, "{text}");
    }
}

proptest! {
    #[test]
    fn it_reads_what_the_standard_library_reads(
        text in "[0-9a-fA-F:.]{0,20}",
        groups in proptest::collection::vec("[0-9a-f]{0,4}", 1..10),
        bits in any::<u128>(),
        zeros in any::<u128>(),
    ) {
        let written = Ipv6Addr::from(bits & zeros & (zeros << 16)).to_string();
        for text in [text, groups.join(":"), written] {
            prop_assert_eq!(address(text.as_bytes()), expected(&text), "{}", text);
        }
    }
}
