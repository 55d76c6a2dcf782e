use std::net::Ipv4Addr;

use super::*;
use crate::V4Key;

#[test]
fn metadata_is_read_as_it_was_written_and_damage_is_noticed() {
    let metadata = Metadata {
        now: Time(7),
        revision: Revision(1 << 40),
        eras: Eras { number: 2, began: Time(4), since: Time(6), before: Revision(9), ..Eras::default() },
        settled: true,
        history_floor: Time(5),
        bindings: 3,
        vpns: [].into(),
        sources: vec![
            SourceMetadata { name: "a".to_owned(), position: None, whole: true },
            SourceMetadata { name: "b".to_owned(), position: Some(vec![1, 2]), whole: false },
        ],
    };
    let bytes = write_metadata(&metadata);
    assert_eq!(read_metadata(&bytes), Some(metadata));
    for length in 0..bytes.len() {
        assert_eq!(read_metadata(&bytes[..length]), None, "{length} of {} octets", bytes.len());
    }
    assert_eq!(read_metadata(&[&bytes[..], &[0]].concat()), None);
}

#[test]
fn names_of_vpns_are_read_as_they_were_written_and_damage_is_noticed() {
    let vpns = [Some(VpnName::Name((*b"blue").into())), None, Some(VpnName::Id([1, 2, 3, 4, 5, 6, 7]))];
    let bytes = write_vpns(&vpns);
    assert_eq!(read_vpns(&bytes).as_deref(), Some(&vpns[..]));
    for length in 0..bytes.len() {
        assert_eq!(read_vpns(&bytes[..length]), None, "{length} of {} octets", bytes.len());
    }
    assert_eq!(read_vpns(&[&bytes[..], &[0]].concat()), None);
}

#[test]
fn networks_are_read_as_they_were_written_and_damage_is_noticed() {
    let key = |number| V4Key::new(Ipv4Addr::new(10, 0, 0, number));
    let networks = vec![
        Network { first: key(1), last: key(2), since: Time(3) },
        Network { first: key(4), last: key(9), since: Time(5) },
    ];
    let bytes = write_networks(&networks);
    assert_eq!(read_networks(&bytes), Some(networks));
    for length in 0..bytes.len() {
        assert_eq!(read_networks::<V4Key>(&bytes[..length]), None, "{length} of {} octets", bytes.len());
    }
    assert_eq!(read_networks::<V4Key>(&[&bytes[..], &[0]].concat()), None);
}
