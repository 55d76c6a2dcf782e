use proptest::prelude::*;

/// The option for a host name; empty if there is none.
fn write(name: &[u8]) -> Vec<u8> {
    let mut bytes = [b"before".as_slice(), name].concat();
    let place = super::write(6..bytes.len(), &mut bytes);
    assert_eq!(bytes[..6 + name.len()], [b"before".as_slice(), name].concat(), "what was there stays");
    assert_eq!(place, 6 + name.len()..bytes.len());
    bytes.split_off(place.start)
}

#[test]
fn names_become_labels() {
    assert_eq!(write(b"host-1.Example.net."), b"\0\x06host-1\x07Example\x03net\0");
    assert_eq!(write(b"_host.example"), b"\0\x05_host\x07example", "not qualified");
    assert_eq!(write(b"h"), b"\0\x01h");
    assert_eq!(write(&[b'a'; 63])[..2], [0, 63]);
}

#[test]
fn what_is_no_name_is_left_out() {
    let long = [b"a".repeat(63), b"b".repeat(63), b"c".repeat(63), b"d".repeat(61)].join(&b'.');
    assert_eq!(write(&[&long[..], b"."].concat()).len(), 1 + 255);
    assert_eq!(write(&[&long[..], b"d."].concat()), b"");
    for name in [&b""[..], b".", b"..", b".a", b"a..b", b"a..", b"a b", b"a,b", "\u{e9}".as_bytes(), &[b'a'; 64]] {
        assert_eq!(write(name), b"", "{name:?}");
    }
}

proptest! {
    #[test]
    fn no_name_makes_it_panic(name in proptest::collection::vec(prop_oneof![Just(b'.'), Just(b'a'), any::<u8>()], 0..300)) {
        let option = write(&name);
        prop_assert!(option.len() <= 256);
    }
}
