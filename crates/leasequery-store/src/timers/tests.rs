use std::net::Ipv4Addr;

use super::*;
use crate::{Settings, SourceId, State, Store, Update, V4Key};

fn commit(store: &mut Store<V4Key>, number: u32, expires: u32) {
    let key = V4Key::new(Ipv4Addr::from_bits(0x0a00_0000 + number));
    let update = Update { expires: Some(Time(expires)), ..Update::new(key, State::Active) };
    store.commit(SourceId(0), &update);
}

#[test]
fn ends_that_move_earlier_leave_nothing_behind_that_grows() {
    let mut store: Store<V4Key> = Store::new(Settings::default());
    store.advance(Time(1000));
    for number in 0..100 {
        commit(&mut store, number, 2_000_000);
    }
    for earlier in 0..300_000 {
        commit(&mut store, 7, 1_000_000 - earlier);
    }
    assert!(store.timers.len() < 3 * SLACK, "{}", store.timers.len());
    // The timers that count are still there.
    store.advance(Time(1_000_000 - 300_000 + 1));
    assert!(!store.is_behind());
    assert_eq!(store.counts().active, 99);
    store.advance(Time(2_000_000));
    while store.is_behind() {
        store.advance(Time(2_000_000));
    }
    assert_eq!(store.counts().active, 0);
}

#[test]
fn very_much_that_is_due_in_one_second_is_taken_in_pieces() {
    let mut timers = Timers::default();
    (0..1000).for_each(|record| timers.insert(Time(7), record));
    timers.insert(Time(8), 1000);
    let mut taken = Vec::new();
    while let Some((second, records)) = timers.take_due(Time(7)) {
        assert!(second == Time(7) && records.len() <= PIECE);
        taken.extend(records);
    }
    assert_eq!((taken, timers.first()), ((0..1000).collect::<Vec<_>>(), Some(Time(8))));
}
