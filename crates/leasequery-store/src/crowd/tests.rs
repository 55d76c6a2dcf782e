use std::net::Ipv4Addr;

use super::*;
use crate::{Settings, SourceId, Update, V4Key};

const SOURCE: SourceId = SourceId(0);
const REMOTE: &[u8] = b"port 7";

fn key(vpn: u16, number: u32) -> V4Key {
    V4Key { vpn: VpnIndex(vpn), address: Ipv4Addr::from_bits(0x0a00_0000 + number) }
}

/// When a binding is said to have been heard of: in no order.
fn time(number: u32) -> Time {
    Time(1_000_000 + number.wrapping_mul(2_654_435_761) % 100_000)
}

fn say(store: &mut Store<V4Key>, key: V4Key, heard: Time, state: State) {
    let mac = [2, 0, 0, 0, 0, 9];
    let update = Update {
        hardware: Some(Hardware { htype: 1, address: &mac }),
        client_id: Some(&[1, 2, 0, 0, 0, 0, 9]),
        remote_id: Some(REMOTE),
        last_transaction: Some(heard),
        ..Update::new(key, state)
    };
    store.commit(SOURCE, &update);
}

fn latest(store: &Store<V4Key>, selector: Selector<'_>, vpn: u16, budget: &Budget) -> Vec<(Time, V4Key)> {
    store.latest(selector, VpnIndex(vpn), budget).map(|b| (b.last_transaction().expect("said"), b.key())).collect()
}

fn selectors() -> [Selector<'static>; 3] {
    let hardware = Hardware { htype: 1, address: &[2, 0, 0, 0, 0, 9] };
    [Selector::RemoteId(REMOTE), Selector::Hardware(hardware), Selector::ClientId(&[1, 2, 0, 0, 0, 0, 9])]
}

#[test]
fn the_latest_come_first_however_many_there_are_and_cost_what_they_are() {
    for count in [1, 3, 4, 200, 256, 257, 5000] {
        let mut store = Store::new(Settings::default());
        store.advance(Time(2_000_000));
        for number in 0..count {
            say(&mut store, key(0, number), time(number), State::Active);
        }
        say(&mut store, key(1, 1), Time(1_900_000), State::Active);
        let mut expected: Vec<_> = (0..count).map(|number| (time(number), key(0, number))).collect();
        expected.sort_unstable_by(|a, b| b.cmp(a));
        for selector in selectors() {
            let all = latest(&store, selector, 0, &Budget::unlimited());
            assert_eq!(
                all.iter().map(|(time, _)| time).collect::<Vec<_>>(),
                expected.iter().map(|(t, _)| t).collect::<Vec<_>>()
            );
            let budget = Budget::new(3 * CROWD);
            let first: Vec<_> = store.latest(selector, VpnIndex(0), &budget).take(10).map(|b| b.key()).collect();
            assert_eq!(first, all.iter().take(10).map(|(_, key)| *key).collect::<Vec<_>>());
            assert!(!budget.is_spent(), "{count} bindings, {} left", budget.left());
            assert_eq!(latest(&store, selector, 1, &Budget::unlimited()), [(Time(1_900_000), key(1, 1))]);
        }
    }
}

#[test]
fn renewals_ends_and_other_clients_move_a_binding_in_the_order() {
    let mut store = Store::new(Settings { history: 50, ..Settings::default() });
    store.advance(Time(2_000_000));
    for number in 0..600 {
        say(&mut store, key(0, number), time(number), State::Active);
    }
    let first = |store: &Store<V4Key>| latest(store, Selector::RemoteId(REMOTE), 0, &Budget::unlimited())[0];
    say(&mut store, key(0, 17), Time(1_800_000), State::Active);
    assert_eq!(first(&store), (Time(1_800_000), key(0, 17)));
    // It may be heard of earlier than was said.
    say(&mut store, key(0, 17), Time(1_000), State::Active);
    assert_ne!(first(&store).1, key(0, 17));
    say(&mut store, key(0, 18), Time(1_800_001), State::Active);
    store.end_lease(SOURCE, key(0, 18), State::Released);
    assert_ne!(first(&store).1, key(0, 18));
    say(&mut store, key(0, 19), Time(1_800_002), State::Active);
    let other = Update {
        remote_id: Some(b"other"),
        last_transaction: Some(Time(1_800_003)),
        whole: true,
        ..Update::new(key(0, 19), State::Active)
    };
    store.commit(SOURCE, &other);
    assert_ne!(first(&store).1, key(0, 19));
    // All but a few end and are forgotten.
    for number in 5..600 {
        store.end_lease(SOURCE, key(0, number), State::Released);
    }
    assert_eq!(latest(&store, Selector::RemoteId(REMOTE), 0, &Budget::unlimited()).len(), 5);
    store.advance(Time(2_000_100));
    say(&mut store, key(0, 3), Time(1_900_000), State::Active);
    let left = latest(&store, Selector::RemoteId(REMOTE), 0, &Budget::unlimited());
    assert_eq!((left.len(), left[0]), (5, (Time(1_900_000), key(0, 3))));
    assert!(store.crowd(Indexed::RemoteId, identifier(REMOTE)).is_none());
}
