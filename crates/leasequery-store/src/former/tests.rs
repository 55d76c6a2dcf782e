use std::net::Ipv6Addr;

use crate::durable::{Durable, Memory};
use crate::{Budget, Outcome, Revision, Settings, SourceId, State, Store, Time, Update, V6Key};

const SOURCE: SourceId = SourceId(0);
const KEY: V6Key = V6Key::new(Ipv6Addr::LOCALHOST);

fn settings() -> Settings {
    Settings { history: 100, durable: true, ..Settings::default() }
}

fn store() -> Store<V6Key> {
    let mut store = Store::new(settings());
    store.advance(Time(1000));
    store.source("kea");
    store
}

fn lease(store: &mut Store<V6Key>, client: u8) {
    let update = Update { client_id: Some(&[0, 3, client]), ..Update::new(KEY, State::Active) };
    assert!(matches!(store.commit(SOURCE, &update), Outcome::Committed(_)));
}

/// Which clients have the address or lost it, in the order of changes behind a revision.
fn told(store: &Store<V6Key>, after: Revision) -> Vec<(u8, bool)> {
    let client = |id: Option<&[u8]>| id.map_or(0, |id| id[2]);
    let budget = Budget::unlimited();
    store.changes(after, &budget).map(|binding| (client(binding.client_id()), !binding.state().is_ended())).collect()
}

#[test]
fn each_client_that_lost_an_address_is_known_until_the_history_has_passed() {
    let mut store = store();
    lease(&mut store, 1);
    let before = store.revision();
    lease(&mut store, 2);
    assert_eq!(told(&store, before), [(1, false), (2, true)]);
    let between = store.revision();
    lease(&mut store, 3);
    assert_eq!(told(&store, before), [(1, false), (2, false), (3, true)]);
    assert_eq!(told(&store, between), [(2, false), (3, true)], "the first one's loss has been told");
    lease(&mut store, 1);
    assert_eq!(told(&store, before), [(2, false), (3, false), (1, true)], "it has it again");
    let counts = store.counts();
    assert_eq!((counts.bindings, counts.active), (3, 1));
    assert_eq!(store.lookup(KEY).and_then(|binding| binding.client_id()), Some(&[0, 3, 1][..]));
    let budget = Budget::unlimited();
    assert_eq!(store.of_client(&[0, 3, 2], None, &budget).count(), 0, "it is in the order of changes only");
    store.advance(Time(1101));
    assert_eq!(told(&store, Revision::default()), [(1, true)]);
    assert_eq!((store.counts().bindings, store.history_floor()), (1, Time(1001)));
    assert!(store.forgotten_up_to() > before, "who comes from before is told that data are missing");
}

#[test]
fn two_clients_that_take_an_address_from_each_other_do_not_fill_the_history() {
    let mut store = store();
    for round in 0..200 {
        lease(&mut store, 1 + round % 2);
    }
    assert_eq!(store.counts().bindings, 2);
    assert_eq!(store.forgotten_up_to(), Revision::default());
}

#[test]
fn a_client_whose_lease_had_ended_is_told_of_before_the_next_one() {
    let mut store = store();
    lease(&mut store, 1);
    let before = store.revision();
    store.end_lease(SOURCE, KEY, State::Released);
    lease(&mut store, 2);
    assert_eq!(told(&store, before), [(1, false), (2, true)]);
    // Nor does it matter whether anybody is known to have it now.
    store.commit(SOURCE, &Update::new(KEY, State::Abandoned));
    assert_eq!(told(&store, before)[..2], [(1, false), (2, false)]);
}

#[test]
fn what_a_former_client_had_is_on_disk() {
    let disk = Memory::new();
    let open = || Durable::<V6Key, Memory>::open_on(disk.clone(), settings()).expect("it opens");
    let (mut durable, _) = open();
    let mut store = store();
    let mut write = |store: &mut Store<V6Key>| {
        durable.forget(store.take_forgotten());
        durable.write(durable.collect(store, &Budget::unlimited())).expect("it writes");
        open().1
    };
    lease(&mut store, 1);
    let before = store.revision();
    write(&mut store);
    lease(&mut store, 2);
    lease(&mut store, 3);
    let mut restored = write(&mut store);
    assert_eq!(told(&restored, before), [(1, false), (2, false), (3, true)]);
    assert_eq!((restored.counts().bindings, restored.counts().active), (3, 1));
    lease(&mut store, 2);
    lease(&mut restored, 2);
    assert_eq!(told(&restored, before), told(&store, before));
    let restored = write(&mut store);
    assert_eq!(told(&restored, before), [(1, false), (3, false), (2, true)], "what is told no more is off the disk");
    store.advance(Time(1101));
    let mut restored = write(&mut store);
    assert_eq!(told(&restored, Revision::default()), [(2, true)]);
    restored.advance(Time(1101));
    assert_eq!(restored.counts().bindings, 1);
}
