use proptest::prelude::*;

use super::*;
use crate::{Budget, Selector, Settings, State, Store, Time, Update, V4Key, VpnRange};

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

/// Whether the gaps are what they have to be: as large as possible, and listed twice.
fn check_gaps(arena: &Arena) {
    let by_size: BTreeSet<_> = arena.gaps.iter().map(|(unit, size)| (*size, *unit)).collect();
    assert_eq!(arena.by_size, by_size);
    let rest = (!arena.rest.is_empty()).then_some((arena.rest.start, arena.rest.end));
    let gaps = arena.gaps.iter().map(|(unit, size)| (*unit, unit + size));
    let mut free: Vec<_> = gaps.chain(rest).collect();
    free.sort_unstable();
    for pair in free.windows(2) {
        let (end, next) = (pair[0].1, pair[1].0);
        assert!(end < next || (end == next && next.is_multiple_of(UNITS_PER_CHUNK)), "{pair:?}");
    }
}

proptest! {
    #[test]
    fn pieces_of_changing_sizes_take_no_more_room_than_a_factor_of_what_lives(
        steps in prop::collection::vec((0_usize..100, 0_usize..=4096), 0..600),
    ) {
        const PIECES: usize = 100;
        let mut arena = Arena::default();
        let mut pieces = vec![(Piece::default(), Vec::new()); PIECES];
        for (step, (which, length)) in steps.into_iter().enumerate() {
            let (piece, bytes) = &mut pieces[which];
            // Small ones among the large ones.
            let length = if length % 3 == 0 { length % 64 } else { length };
            *bytes = vec![step.to_le_bytes()[0]; length];
            *piece = arena.replace(*piece, bytes).expect("room");
            prop_assert!(arena.capacity() <= CHUNK, "{} octets after {step} steps", arena.capacity());
        }
        check_gaps(&arena);
        for (piece, bytes) in &pieces {
            prop_assert_eq!(arena.get(*piece), bytes.as_slice());
        }
        for (piece, _) in &pieces {
            arena.remove(*piece);
        }
        check_gaps(&arena);
        prop_assert!(arena.gaps.is_empty(), "all that was given back is in one");
    }

    #[test]
    fn chunks_without_pieces_go_back_and_are_taken_again(
        order in Just((0_usize..200).collect::<Vec<_>>()).prop_shuffle(),
        length in 30_000_usize..=65_535,
    ) {
        let mut arena = Arena::default();
        for _ in 0..2 {
            let pieces: Vec<_> = (0..200).map(|_| arena.insert(&octets(length)).expect("room")).collect();
            let full = arena.capacity();
            prop_assert!(full <= 200 * length * 5 / 4 + CHUNK);
            for (left, number) in (0..200).rev().zip(&order) {
                arena.remove(pieces[*number]);
                let living = order[200 - left..].iter().map(|number| pieces[*number].unit() / UNITS_PER_CHUNK);
                let chunks = living.collect::<BTreeSet<_>>().len();
                prop_assert!(arena.capacity() <= (chunks + 1) * CHUNK, "one is at hand at most");
            }
            check_gaps(&arena);
        }
        prop_assert!(arena.chunks.len() <= 200 * length / CHUNK * 5 / 4 + 2, "numbers are given again");
    }
}

#[test]
fn a_hundred_bindings_whose_attributes_change_their_sizes_stay_in_a_few_chunks() {
    const BINDINGS: u32 = 100;
    let mut store = Store::<V4Key>::new(Settings::default());
    store.advance(Time(1_700_000_000));
    let source = store.source("test").expect("the first source");
    let mut random = 1_u32;
    let mut lengths = vec![0; BINDINGS as usize];
    for _ in 0..50_000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (number, length) = (random >> 8 & 0xff, (random >> 16 & 0xfff) as usize);
        let Some(known) = lengths.get_mut(number as usize) else { continue };
        *known = length;
        let bytes = octets(length);
        let key = V4Key::new(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number));
        let update = Update { relay_info: Some(&bytes), ..Update::new(key, State::Active) };
        store.commit(source, &update);
        assert!(store.counts().arena <= 2 * CHUNK, "{} octets", store.counts().arena);
    }
    let budget = Budget::unlimited();
    let stored = store.scan(Selector::All, VpnRange::All, None, &budget).count();
    assert_eq!(stored, lengths.len());
}
