use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::{Network, Settings, SourceId, State, Store, Time, Update, V4Key, V6Key};

fn key(number: u8) -> V4Key {
    V4Key::new(Ipv4Addr::new(10, 0, 0, number))
}

/// A store of `count` bindings, every third of which was renewed.
fn store(count: u8) -> Store<V4Key> {
    let mut store = Store::new(Settings::default());
    store.advance(Time(1000));
    let renewed = (0..count).filter(|number| number % 3 == 0).map(|number| (number, b"again"));
    for (number, client) in (0..count).map(|number| (number, b"first")).chain(renewed) {
        let update = Update { client_id: Some(client), ..Update::new(key(number), State::Active) };
        store.commit(SourceId(0), &update);
    }
    store
}

#[test]
fn each_binding_comes_once_at_its_last_change_however_many_there_are() {
    for count in [0, 1, 2, 31, 32, 33, 34, 100, 200] {
        let store = store(count);
        let expected = (0..count).filter(|number| number % 3 != 0).chain((0..count).step_by(3));
        let found: Vec<_> =
            store.changes(Revision::default(), &Budget::unlimited()).map(|binding| binding.key()).collect();
        assert_eq!(found, expected.map(key).collect::<Vec<_>>(), "{count}");
    }
}

/// All entries of a scan that is resumed wherever its budget is spent.
fn in_bites<K: Key>(store: &Store<K>, budget: usize) -> Vec<K> {
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..1000 {
        let budget = Budget::new(budget);
        let mut scan = store.scan(Selector::All, VpnRange::All, after, &budget);
        found.extend(scan.by_ref().map(|entry| entry.key()));
        after = scan.cursor();
        if scan.is_over() {
            return found;
        }
    }
    panic!("it never comes to an end");
}

#[test]
fn a_scan_ends_behind_the_greatest_key_there_is() {
    let mut store = Store::new(Settings::default());
    let greatest = V6Key::new(Ipv6Addr::from_bits(u128::MAX));
    let keys = [V6Key::prefix(greatest.address(), 127), V6Key::prefix(greatest.address(), 128), greatest];
    for key in keys {
        store.commit(SourceId(0), &Update::new(key, State::Active));
    }
    for budget in 1..5 {
        assert_eq!(in_bites(&store, budget), keys, "{budget}");
    }

    let mut store = Store::new(Settings::default());
    let last = |number, vpn| V4Key { address: Ipv4Addr::from_bits(u32::MAX - number), vpn: VpnIndex(vpn) };
    let range = |vpn| Network { first: last(2, vpn), last: last(0, vpn), since: Time(1) };
    store.set_networks(None, &[range(0), range(u16::MAX)]);
    store.commit(SourceId(0), &Update::new(last(0, 0), State::Active));
    let expected = [(2, 0), (1, 0), (0, 0), (2, u16::MAX), (1, u16::MAX), (0, u16::MAX)];
    for budget in 1..8 {
        assert_eq!(in_bites(&store, budget), expected.map(|(number, vpn)| last(number, vpn)), "{budget}");
    }
}

#[test]
fn a_live_cursor_allocates_nothing() {
    let store = store(100);
    let budget = Budget::unlimited();
    for (expected, after) in [(0, store.revision), (1, Revision(store.revision.0 - 1))] {
        let mut changes = Changes::new(&store.records, &store.siblings, store.recency.after(after), after, &budget);
        assert_eq!(changes.by_ref().count(), expected);
        assert_eq!(changes.ahead.capacity(), 0);
    }
}
