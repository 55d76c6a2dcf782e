//! What may become of much, and of many changes, is bounded: memory by what lives, work by the budget.

#![allow(missing_docs)]

use std::net::Ipv4Addr;

use leasequery_store::{
    Budget, Revision, Selector, Settings, SourceId, State, Store, Time, Update, V4Key, VpnIndex, VpnRange,
};

const SOURCE: SourceId = SourceId(0);
const START: u32 = 1_700_000_000;

fn key(number: u32) -> V4Key {
    V4Key::new(Ipv4Addr::from_bits(0x0a00_0000 + number))
}

fn store(settings: Settings) -> Store<V4Key> {
    let mut store = Store::new(settings);
    store.advance(Time(START));
    store
}

#[test]
fn an_address_that_flaps_takes_the_place_of_no_other_that_has_ended() {
    let mut store = store(Settings { max_ended: 100, history: 86_400, ..Settings::default() });
    for number in 0..50 {
        store.commit(SOURCE, &Update::new(key(number), State::Released));
    }
    for _ in 0..20_000 {
        store.commit(SOURCE, &Update::new(key(99), State::Active));
        store.commit(SOURCE, &Update::new(key(99), State::Released));
    }
    store.advance(Time(START + 3600));
    assert!((0..50).all(|number| store.lookup(key(number)).is_some()));
    assert_eq!(store.history_floor(), Time(START + 1), "nothing has been forgotten");
}

#[test]
fn as_many_ended_bindings_are_kept_as_may_and_the_oldest_go_first() {
    let mut store = store(Settings { max_ended: 1000, history: 86_400, ..Settings::default() });
    for second in 0..30 {
        for number in 0..50 {
            store.commit(SOURCE, &Update::new(key(second * 50 + number), State::Active));
            store.commit(SOURCE, &Update::new(key(second * 50 + number), State::Released));
        }
        store.advance(Time(START + second + 1));
        let kept = store.counts().bindings;
        assert_eq!(kept, (50 * (second as usize + 1)).min(1000));
    }
    assert!(store.lookup(key(499)).is_none() && store.lookup(key(500)).is_some());
    assert_eq!(store.history_floor(), Time(START + 10), "what the second before had is gone");
}

#[test]
fn what_is_due_is_done_a_bite_at_a_time_and_the_floor_is_true_in_between() {
    const COUNT: u32 = 30_000;
    let mut store = store(Settings { history: 100, ..Settings::default() });
    for number in 0..COUNT {
        store.commit(SOURCE, &Update { expires: Some(Time(START + 10)), ..Update::new(key(number), State::Active) });
    }
    let mut bites = 0;
    let mut before = store.revision();
    store.advance(Time(START + 10));
    while store.is_behind() {
        assert!(store.revision().0 - before.0 < 5000, "a bite is a bite");
        before = store.revision();
        store.advance(Time(START + 10));
        bites += 1;
    }
    assert!(bites >= 5 && store.counts().active == 0);
    let late = Time(START + 10 + 101);
    store.advance(late);
    let kept = store.counts().bindings;
    assert!(kept > 0 && kept < COUNT as usize);
    assert_eq!(store.history_floor(), Time(START + 11));
    assert!(store.forgotten_up_to() > Revision(0));
    while store.next_deadline().is_some_and(|due| due <= late) {
        store.advance(late);
    }
    assert_eq!(store.counts().bindings, 0);
}

#[test]
fn what_is_passed_over_is_paid_for_and_the_cursor_is_behind_it() {
    let mut store = store(Settings::default());
    for number in 0..1000 {
        let key = V4Key { vpn: VpnIndex(1), ..key(number) };
        store.commit(SOURCE, &Update { remote_id: Some(b"all"), ..Update::new(key, State::Active) });
    }
    for number in 0..1000 {
        store.commit(SOURCE, &Update { remote_id: Some(b"all"), ..Update::new(key(number), State::Active) });
    }
    // Changed again, so that the first half of the log is out of date.
    for number in 0..1000 {
        let last_transaction = Some(Time(START));
        let key = V4Key { vpn: VpnIndex(1), ..key(number) };
        store.commit(SOURCE, &Update { remote_id: Some(b"all"), last_transaction, ..Update::new(key, State::Active) });
    }
    let (mut after, mut found, mut bites) = (Revision(0), 0, 0);
    loop {
        let budget = Budget::new(64);
        let mut changes = store.changes(after, &budget);
        found += changes.by_ref().count();
        bites += 1;
        after = changes.cursor();
        if changes.is_over() {
            break;
        }
    }
    assert_eq!((found, bites), (2000, 3000_usize.div_ceil(64)));
    // What is in other VPNs is not even walked over.
    for (vpn, selector) in [(1, Selector::RemoteId(b"all")), (0, Selector::RemoteId(b"all")), (1, Selector::All)] {
        let budget = Budget::new(1001);
        let mut scan = store.scan(selector, VpnRange::One(VpnIndex(vpn)), None, &budget);
        assert_eq!(scan.by_ref().count(), 1000);
        assert!(scan.is_over());
    }
}
