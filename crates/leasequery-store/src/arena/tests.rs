use super::*;

/// Octets that tell pieces apart.
fn octets(length: usize) -> Vec<u8> {
    vec![length.to_le_bytes()[0]; length]
}

#[test]
fn pieces_keep_their_octets_and_their_room_is_used_again() {
    let mut arena = Arena::default();
    let pieces: Vec<_> = (0..2000_usize).map(|n| arena.insert(&octets(n)).expect("room")).collect();
    for (n, piece) in pieces.iter().enumerate() {
        assert_eq!(arena.get(*piece), octets(n));
    }
    let capacity = arena.capacity();
    for piece in &pieces {
        arena.remove(*piece);
    }
    for n in 0..2000_usize {
        arena.insert(&vec![1; n]).expect("room");
    }
    assert_eq!(arena.capacity(), capacity, "what was given back was taken again");
}

#[test]
fn a_replaced_piece_stays_in_its_place_if_it_fits_there() {
    let mut arena = Arena::default();
    let piece = arena.insert(&[1; 9]).expect("room");
    let same = arena.replace(piece, &[2; 12]).expect("room");
    assert_eq!((same.unit(), arena.get(same)), (piece.unit(), &[2; 12][..]));
    let other = arena.replace(same, &[3; 13]).expect("room");
    assert_ne!(other.unit(), piece.unit());
    assert_eq!(arena.get(other), [3; 13]);
    assert_eq!(arena.insert(&vec![0; 70_000]), None);
}
