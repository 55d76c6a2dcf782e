use std::net::Ipv4Addr;

use super::*;
use crate::{About, Outcome, Settings, SweepEnd, Time, Update, V4Key};

const T: Time = Time(1_800_000_000);
const DAY: u32 = 86_400;

fn key(number: u8) -> V4Key {
    V4Key::new(Ipv4Addr::new(10, 0, 0, number))
}

fn lease(store: &mut Store<V4Key>, source: SourceId, number: u8, expires: Time) {
    let update =
        Update { client_id: Some(&[1, number]), expires: Some(expires), ..Update::new(key(number), State::Active) };
    assert!(!matches!(store.commit(source, &update), Outcome::Refused));
}

fn active(store: &Store<V4Key>) -> Vec<u8> {
    let is_active = |number: &u8| store.lookup(key(*number)).is_some_and(|binding| binding.state() == State::Active);
    (1..10).filter(is_active).collect()
}

/// One that follows a server, and one that reads what a server beside it writes.
fn store() -> (Store<V4Key>, SourceId, SourceId) {
    let mut store = Store::new(Settings::default());
    store.advance(T);
    let [there, here] = ["there", "here"].map(|name| store.source(name).expect("a number"));
    store.set_converted(there);
    for source in [there, here] {
        store.await_source(source, "it has not been read");
        store.begin_sweep(source);
    }
    for (source, number) in [(there, 1), (there, 2), (here, 3)] {
        lease(&mut store, source, number, T.plus(DAY));
    }
    store.set_whole(there);
    store.set_whole(here);
    (store, there, here)
}

#[test]
fn what_another_clock_saw_pass_has_passed() {
    let (mut store, there, here) = store();
    store.advance(T.plus(5 * DAY));
    store.trust_times(here);
    assert_eq!((active(&store), store.is_known()), (vec![1, 2], false));
    store.trust_times(there);
    assert!(store.is_known());
    store.advance(T.plus(5 * DAY + AGAIN));
    assert_eq!(active(&store), []);
    // What is unknown for another reason stays so.
    store.await_source(there, "it is gone");
    store.advance(T.plus(9 * DAY));
    store.trust_times(there);
    assert!(!store.is_known());
}

#[test]
fn a_step_ends_what_is_here_at_once_and_what_is_there_when_that_is_known() {
    let (mut store, there, _) = store();
    store.advance(T.plus(60));
    assert!(store.is_known(), "as long as a clock just runs");
    let asks = store.asks();
    store.advance(T.plus(5 * DAY));
    assert!(store.asks() > asks, "whoever follows a server is woken");
    assert_eq!(active(&store), [1, 2]);
    let binding = store.lookup(key(1)).expect("it is there");
    assert!(store.is_doubted(&binding));
    let unknown = store.unknown(About::Bindings, &[]).expect("nobody knows");
    assert_eq!(unknown.source, "there");

    // What had been under way is about the time before.
    store.set_whole(there);
    assert!(!store.is_known());
    store.begin_sweep(there);
    lease(&mut store, there, 2, T.plus(6 * DAY));
    assert!(!store.is_doubted(&store.lookup(key(2)).expect("it is there")));
    // It has not come yet to what is told last.
    store.advance(T.plus(5 * DAY + 50));
    assert_eq!(active(&store), [1, 2]);
    assert!(store.end_sweep(there, &mut SweepEnd::default(), &crate::Budget::unlimited()));
    store.set_whole(there);
    assert_eq!(active(&store), [2]);
    assert!(store.is_known());
    store.advance(T.plus(6 * DAY - 1));
    assert_eq!(active(&store), [2]);
    store.advance(T.plus(6 * DAY));
    assert_eq!(active(&store), [2], "another step");
    store.begin_sweep(there);
    store.set_whole(there);
    store.advance(T.plus(6 * DAY + AGAIN));
    assert_eq!(active(&store), [], "it was right");
}
