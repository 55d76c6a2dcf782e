use std::net::Ipv4Addr;

use super::*;
use crate::{Settings, SourceId, State, Store, Time, Update, V4Key};

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
