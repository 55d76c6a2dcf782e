use std::io::{Seek, SeekFrom, Write};

use super::super::lines::SETTLED;
use super::super::v4::V4;
use super::*;

const HEADER: &str = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname\n";

/// A file that has been read to its end.
fn read(text: &str) -> Current<V4> {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(text.as_bytes()).expect("room");
    let mut current = Current::begin(file).expect("readable");
    while current.next(SETTLED).expect("readable").is_some() {}
    current
}

fn terms() -> Terms {
    Terms::of::<V4>(None, None)
}

#[test]
fn it_comes_back_from_its_octets_and_from_nothing_else() {
    let current = read(&format!("{HEADER}one\ntwo\n"));
    let stamp = Stamp::of(&current.file.metadata().expect("there"));
    let past =
        Past { completed: None, second: Some(stamp), first: Some(Stamp { modified: -1, is_named: false, ..stamp }) };
    let name = VpnName::Id([1; 7]);
    let position = Position::of(&current, past, Terms::of::<V4>(Some(&name), Some(&CurrentConfig::default())));
    let bytes = position.to_bytes();
    assert_eq!(Position::from_bytes(&bytes), Some(position));
    for length in (0..bytes.len()).chain([bytes.len() + 1, bytes.len() + 8]) {
        let mut other = bytes.clone();
        other.resize(length, 0);
        assert_eq!(Position::from_bytes(&other), None, "{length} octets");
    }
}

#[test]
fn a_place_is_found_again_only_if_all_of_it_holds() {
    let mut current = read(&format!("{HEADER}one\ntwo\nthree"));
    let position = Position::of(&current, Past::default(), terms());
    assert_eq!((position.line, position.offset), (3, HEADER.len() as u64 + 8));
    let found = |position: Position, file: &File| position.find_in::<V4>(file).expect("readable").is_some();
    assert!(found(position, &current.file));
    let identity = position.identity;
    for identity in [
        Identity { inode: identity.inode + 1, ..identity },
        Identity { device: identity.device + 1, ..identity },
        Identity { made: identity.made + 1, ..identity },
    ] {
        assert!(!found(Position { identity, ..position }, &current.file));
    }
    assert!(!found(Position { offset: position.offset - 4, ..position }, &current.file));
    assert!(!found(Position { offset: 0, ..position }, &current.file));
    // Something else stands there now, or before.
    for place in [position.offset - 2, position.offset - 6] {
        current.file.seek(SeekFrom::Start(place)).expect("there");
        current.file.write_all(b"x").expect("room");
        assert!(!found(position, &current.file));
        current.file.seek(SeekFrom::Start(place)).expect("there");
        current
            .file
            .write_all(&[b"one\ntwo"[usize::try_from(place - HEADER.len() as u64).expect("small")]])
            .expect("room");
        assert!(found(position, &current.file));
    }
    current.file.set_len(position.offset - 1).expect("cut");
    assert!(!found(position, &current.file));
}

#[test]
fn a_header_alone_is_a_place_only_where_it_is_known_when_the_file_was_made() {
    let current = read(HEADER);
    let position = Position::of(&current, Past::default(), terms());
    let made = position.identity.made;
    let found = position.find_in::<V4>(&current.file).expect("readable");
    assert_eq!(found.is_some(), made != 0);
}
