use super::*;
use crate::{State, V4Key};

fn packed(relay: Relay<'_>, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let update = Update { options, ..Update::new(V4Key::new([10, 0, 0, 1].into()), State::Active) };
    pack(&mut out, Some(&[1, 2]), Some(Hardware { htype: 6, address: &[3; 8] }), relay, &update);
    out
}

const INFO: &[u8] = &[1, 2, 7, 7, 2, 3, 9, 8, 7];

#[test]
fn attributes_come_back_and_identifiers_inside_the_relay_information_take_no_room() {
    let options: [(u16, &[u8]); 2] = [(12, b"host"), (300, &[5; 300])];
    let inside = packed(
        Relay {
            info: Some(INFO),
            remote_ids: Ids::Given(Some(&INFO[6..]), &[]),
            relay_ids: Ids::Given(Some(&[9, 9, 9, 9]), &[]),
        },
        &options,
    );
    let found = unpack(&inside).expect("sound");
    assert_eq!((found.client_id, found.hardware), (Some(&[1, 2][..]), Some(&[6, 3, 3, 3, 3, 3, 3, 3, 3][..])));
    assert_eq!(
        (found.relay_info, found.remote_id, found.relay_id),
        (Some(INFO), Some(&[9, 8, 7][..]), Some(&[9, 9, 9, 9][..]))
    );
    assert!(self::options(found.options).eq(options));
    assert!(is_sound(&inside));
    let outside = packed(
        Relay {
            info: Some(INFO),
            remote_ids: Ids::Given(Some(&[6; 3]), &[]),
            relay_ids: Ids::Given(Some(&[9, 9, 9, 9]), &[]),
        },
        &options,
    );
    assert!(inside.len() < outside.len());
}

#[test]
fn an_absent_identifier_and_an_empty_one_differ() {
    let empty =
        packed(Relay { info: None, remote_ids: Ids::Given(Some(&[]), &[]), relay_ids: Ids::Given(None, &[]) }, &[]);
    let found = unpack(&empty).expect("sound");
    assert_eq!((found.remote_id, found.relay_id), (Some(&[][..]), None));
}

#[test]
fn a_part_that_was_cut_is_not_sound() {
    let whole = packed(
        Relay { info: Some(INFO), remote_ids: Ids::Given(Some(&INFO[6..]), &[]), relay_ids: Ids::Given(None, &[]) },
        &[(12, b"host")],
    );
    let boundaries: Vec<usize> = (0..whole.len()).filter(|length| is_sound(&whole[..*length])).collect();
    // Cut between two attributes it is a part with fewer of them.
    assert_eq!(boundaries, [0, 4, 15, 26, 29]);
}

#[test]
fn one_attribute_is_found_as_all_of_them_are() {
    let empty: &[u8] = &[];
    for (info, remote_id, relay_id) in [
        (Some(INFO), Some(&INFO[6..]), Some(&[9, 9, 9, 9][..])),
        (Some(INFO), Some(&[4, 4][..]), Some(&INFO[2..4])),
        (None, Some(empty), None),
        (None, None, None),
    ] {
        let packed = packed(
            Relay { info, remote_ids: Ids::Given(remote_id, &[]), relay_ids: Ids::Given(relay_id, &[]) },
            &[(12, b"host")],
        );
        let all = unpack(&packed).expect("sound");
        assert_eq!(find(&packed, Identity::ClientId, 0), all.client_id);
        assert_eq!(find(&packed, Identity::RemoteId, 0), all.remote_id);
        assert_eq!(find(&packed, Identity::RelayId, 0), all.relay_id);
    }
}

#[test]
fn several_relays_have_several_identifiers_each_once() {
    let more: [&[u8]; 3] = [&[4, 4], &INFO[6..], &[]];
    let ids = Ids::Given(Some(&INFO[6..]), &more);
    let packed = packed(Relay { info: Some(INFO), remote_ids: ids, relay_ids: ids }, &[]);
    for identity in [Identity::RemoteId, Identity::RelayId] {
        let found: Vec<&[u8]> = (0..).map_while(|nth| find(&packed, identity, nth)).collect();
        assert_eq!(found, [&INFO[6..], &[4, 4], &[]]);
    }
    assert!(is_sound(&packed));
}

#[test]
fn a_link_address_is_kept_without_its_zeros() {
    for (text, length) in [("2001:db8:1::", 6), ("2001:db8::1", 16), ("::", 0), ("2001:db8:0:100::", 7)] {
        let octets = text.parse::<Ipv6Addr>().expect("an address").octets();
        assert_eq!(link_octets(&octets).len(), length);
        assert_eq!(link_address(link_octets(&octets)).octets(), octets);
    }
}
