use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use leasequery_store::V4Key;
use proptest::prelude::*;

use super::*;

const NOW: Time = Time(1000);

fn key(number: u8) -> V4Key {
    V4Key::new(Ipv4Addr::new(10, 0, 0, number))
}

fn networks(told: &[(u8, Option<u32>)]) -> Vec<(u8, u8, u32)> {
    let mut ranges = Ranges::new();
    for (number, since) in told {
        ranges.add(key(*number), since.map(Time));
    }
    let last = |key: V4Key| key.address.octets()[3];
    let mut networks = Vec::new();
    while !ranges.take(&Budget::new(2), NOW, &mut networks) {}
    networks.iter().map(|network| (last(network.first), last(network.last), network.since.0)).collect()
}

#[test]
fn neighbours_that_agree_are_one_network() {
    assert_eq!(
        networks(&[(1, Some(5)), (2, None), (3, Some(5)), (4, Some(6)), (6, None)]),
        [(1, 3, 5), (4, 4, 6), (6, 6, 1000)]
    );
}

#[test]
fn the_order_of_an_answer_does_not_matter() {
    assert_eq!(networks(&[(3, None), (1, Some(5)), (2, None)]), [(1, 3, 5)]);
}

#[test]
fn an_answer_that_repeats_itself_takes_no_more_memory() {
    let mut ranges = Ranges::new();
    for number in 0..1_000_000_u32 {
        ranges.add(key(u8::try_from(number * 7 % 200).unwrap()), Some(Time(5 + number % 7)));
    }
    assert!(ranges.list.capacity() <= 2 * FEW);
}

proptest! {
    #[test]
    fn the_networks_are_the_addresses_that_were_told_of(
        told in prop::collection::vec((0_u8..60, prop::option::of(1_u32..4)), 0..200),
    ) {
        let mut all: BTreeMap<u8, Vec<u32>> = BTreeMap::new();
        for (number, since) in &told {
            all.entry(*number).or_default().extend(since);
        }
        let networks = networks(&told);
        let covered: Vec<u8> = networks.iter().flat_map(|(first, last, _)| *first..=*last).collect();
        prop_assert_eq!(&covered, &all.keys().copied().collect::<Vec<_>>(), "each once, in order");
        for (first, last, since) in networks {
            // Nothing is said to be there for longer than anybody said.
            let earliest = (first..=last).flat_map(|number| &all[&number]).min();
            prop_assert!(earliest.is_none_or(|earliest| since >= *earliest));
        }
    }
}
