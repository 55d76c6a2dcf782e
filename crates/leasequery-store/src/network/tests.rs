use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::{V4Key, VpnIndex};

type Range = (u8, u8, u32);

fn key(number: u8) -> V4Key {
    V4Key { vpn: VpnIndex(u16::from(number / 16)), address: Ipv4Addr::new(255, 255, 255, 240 + number % 16) }
}

fn range((first, last, since): Range) -> Network<V4Key> {
    Network { first: key(first), last: key(last), since: Time(since) }
}

fn ranges(of: &[Range]) -> Vec<Network<V4Key>> {
    of.iter().copied().map(range).collect()
}

const ONE: Option<SourceId> = Some(SourceId(1));

#[test]
fn what_anybody_configured_is_configured() {
    let mut networks = Networks::new();
    networks.replace(None, ranges(&[(1, 4, 10)]));
    networks.replace(ONE, ranges(&[(3, 6, 10)]));
    assert_eq!(networks.len(), 6);
    assert_eq!((networks.of(None), networks.of(ONE)), (&ranges(&[(1, 4, 10)])[..], &ranges(&[(3, 6, 10)])[..]));
    networks.replace(None, Vec::new());
    assert_eq!(networks.len(), 4);
    assert!(networks.contains(key(3)) && !networks.contains(key(2)));
    networks.replace(ONE, Vec::new());
    assert_eq!(networks.len(), 0);
}

#[test]
fn the_earliest_time_holds_whoever_configured_the_address_first() {
    let mut networks = Networks::new();
    networks.replace(ONE, ranges(&[(1, 4, 10)]));
    networks.replace(None, ranges(&[(1, 8, 20)]));
    networks.replace(ONE, Vec::new());
    assert_eq!(networks.union, ranges(&[(1, 4, 10), (5, 8, 20)]));
    assert_eq!(networks.of(None), networks.union, "so it comes back after a restart");
    // A time before that of somebody else's is theirs too.
    networks.replace(ONE, ranges(&[(5, 6, 15)]));
    networks.replace(ONE, Vec::new());
    assert_eq!(networks.of(None), ranges(&[(1, 4, 10), (5, 6, 15), (7, 8, 20)]));
}

#[test]
fn the_same_ranges_again_are_no_change() {
    let mut networks = Networks::new();
    networks.replace(None, ranges(&[(1, 4, 10), (6, 8, 10)]));
    networks.replace(ONE, ranges(&[(3, 6, 10)]));
    let generation = networks.generation();
    networks.replace(ONE, ranges(&[(3, 4, 30), (5, 6, 40)]));
    networks.replace(None, ranges(&[(6, 8, 50), (1, 4, 50)]));
    assert_eq!(networks.generation(), generation);
    assert_eq!(networks.changed_since(generation).count(), 0);
    networks.replace(ONE, ranges(&[(3, 7, 60)]));
    let changed: Vec<_> = networks.changed_since(generation).map(|owned| owned.owner).collect();
    assert_eq!(changed, [ONE], "the other one has what it had");
}

#[test]
fn a_bite_of_a_change_looks_at_no_more_than_its_budget() {
    const ALL: u32 = 10_000;
    let at = |number: u32| V4Key { vpn: VpnIndex::DEFAULT, address: number.into() };
    let every_second = |shift: u32| {
        (0..ALL).map(move |number| (2 * number + shift, 3 * number)).map(|(number, since)| Network {
            first: at(number),
            last: at(number),
            since: Time(since),
        })
    };
    let mut networks = Networks::new();
    networks.replace(None, every_second(0).collect());
    let mut change = NetworkChange::new(ONE, every_second(1).collect(), false);
    let mut bites = 0;
    loop {
        let place = |change: &NetworkChange<V4Key>| change.at.map_or(0, |at| u32::from(at.address));
        let before = place(&change);
        let over = networks.change(&mut change, &Budget::new(100));
        bites += 1;
        // It may have begun anew.
        let moved = place(&change).saturating_sub(before);
        assert!(moved <= 400, "{moved} addresses in a bite");
        if over {
            break;
        }
        // What is configured in the middle of it is not lost.
        if bites == 50 {
            networks.replace(Some(SourceId(2)), vec![Network { first: at(7), last: at(7), since: Time(1) }]);
        }
    }
    assert!(bites > 300, "{bites}");
    assert_eq!(networks.of(ONE).len(), ALL as usize);
    assert_eq!(
        (networks.of(None).len(), networks.of(Some(SourceId(2))).len(), networks.len()),
        (ALL as usize, 1, 20_000)
    );
}

fn some_ranges() -> impl Strategy<Value = Vec<Range>> {
    proptest::collection::vec((0..32_u8, 0..10_u8, 1..50_u32), 0..5)
        .prop_map(|ranges| ranges.into_iter().map(|(first, length, since)| (first, first + length, since)).collect())
}

proptest! {
    #[test]
    fn any_history_is_as_address_by_address(
        steps in proptest::collection::vec((0..3_u8, any::<bool>(), some_ranges()), 1..8),
        bite in 1..20_usize,
    ) {
        let mut networks = Networks::new();
        let mut model: [BTreeMap<V4Key, Time>; 3] = Default::default();
        for (owner, keeps, told) in steps {
            let told = ranges(&told);
            let mut change = NetworkChange::new(owner.checked_sub(1).map(SourceId), told.clone(), keeps);
            let before = networks.union.clone();
            while !networks.change(&mut change, &Budget::new(bite)) {
                prop_assert_eq!(&networks.union, &before, "the old ones stay until the new ones are whole");
            }

            let before: Vec<_> = model.iter().flatten().map(|(key, since)| (*key, *since)).collect();
            let mine = &mut model[usize::from(owner)];
            if !keeps {
                mine.clear();
            }
            for range in told.iter().filter(|range| range.first.vpn == range.last.vpn) {
                for key in (0..=255).map(key).filter(|key| range.first <= *key && *key <= range.last) {
                    let since = mine.entry(key).or_insert(range.since);
                    *since = range.since.min(*since);
                }
            }
            let mut earliest = BTreeMap::new();
            for (key, since) in before.into_iter().chain(model.iter().flatten().map(|(key, since)| (*key, *since))) {
                let known = earliest.entry(key).or_insert(since);
                *known = since.min(*known);
            }
            for mine in &mut model {
                for (key, since) in mine.iter_mut() { *since = earliest[key]; }
            }
            let expand = |ranges: &[Network<V4Key>]| {
                let at = |key: V4Key| ranges.iter().find(|range| range.first <= key && key <= range.last);
                (0..=255).map(key).filter_map(|key| Some((key, at(key)?.since))).collect::<BTreeMap<_, _>>()
            };
            for (owner, mine) in (0_u8..).zip(&model) {
                prop_assert_eq!(&expand(networks.of(owner.checked_sub(1).map(SourceId))), mine);
            }
            let union: BTreeMap<_, _> = model.iter().flatten().map(|(key, since)| (*key, *since)).collect();
            prop_assert_eq!(networks.len(), union.len() as u64);
            prop_assert_eq!(expand(&networks.union), union);
        }
    }
}
