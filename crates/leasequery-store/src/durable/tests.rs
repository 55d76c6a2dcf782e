use std::net::Ipv4Addr;

use super::*;
use crate::{Outcome, SourceId, State, Time, Update, V4Key};

const SOURCE: SourceId = SourceId(0);

fn settings() -> Settings {
    Settings { durable: true, history: 10, ..Settings::default() }
}

fn key(number: u8) -> V4Key {
    V4Key::new(Ipv4Addr::new(10, 0, 0, number))
}

fn lease(store: &mut Store<V4Key>, number: u8, client: &[u8]) -> Outcome {
    store.commit(SOURCE, &Update { client_id: Some(client), ..Update::new(key(number), State::Active) })
}

fn open(directory: &Path) -> (Durable<V4Key>, Store<V4Key>) {
    Durable::open(directory, settings()).expect("it opens")
}

#[test]
fn a_store_comes_back_with_everything_that_was_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut durable, mut store) = open(directory.path());
    store.advance(Time(1000));
    store.source("kea");
    store.set_networks(&[Network { first: key(1), last: key(9), since: Time(1000) }]);
    for number in 1..=5 {
        lease(&mut store, number, &[1, number]);
    }
    store.advance(Time(1003));
    lease(&mut store, 2, &[1, 99]);
    store.set_position(SOURCE, b"line 7".to_vec());
    let batch = durable.collect(&store, 1000);
    assert!(batch.is_complete());
    durable.write(batch, &[]).expect("it writes");
    assert_eq!(durable.revision(), store.revision());
    drop(durable);

    let (durable, restored) = open(directory.path());
    assert_eq!(restored.metadata(), store.metadata());
    assert_eq!(durable.revision(), store.revision());
    assert_eq!(restored.position(SOURCE), Some(&b"line 7"[..]));
    let binding = restored.lookup(key(2)).expect("it was written");
    assert_eq!(
        (binding.client_id(), binding.start_of_state(), binding.changed()),
        (Some(&[1, 99][..]), Time(1003), Time(1003))
    );
    let first = restored.lookup(key(1)).expect("it was written");
    assert_eq!(first.start_of_state(), Time(1000));
}

#[test]
fn a_position_is_never_ahead_of_the_bindings() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut durable, mut store) = open(directory.path());
    store.advance(Time(1000));
    store.source("kea");
    durable.write(durable.collect(&store, 1000), &[]).expect("it writes");
    for number in 1..=5 {
        lease(&mut store, number, &[1, number]);
    }
    store.set_position(SOURCE, b"behind all five".to_vec());
    // A crash after the first batch of two: the position is still the old one, so all five are read again.
    let batch = durable.collect(&store, 2);
    assert!(!batch.is_complete());
    durable.write(batch, &[]).expect("it writes");
    drop(durable);
    let (_, restored) = open(directory.path());
    assert_eq!(restored.counts().bindings, 2);
    assert_eq!(restored.position(SOURCE), None);
}

#[test]
fn what_was_forgotten_does_not_come_back_unless_it_is_known_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut durable, mut store) = open(directory.path());
    store.advance(Time(1000));
    store.source("kea");
    for number in 1..=2 {
        lease(&mut store, number, &[1, number]);
        store.end_lease(SOURCE, key(number), State::Released);
    }
    durable.write(durable.collect(&store, 1000), &[]).expect("it writes");
    store.advance(Time(1011));
    assert_eq!(store.counts().bindings, 0);
    lease(&mut store, 2, &[1, 2]);
    let forgotten = store.take_forgotten();
    assert_eq!(forgotten.len(), 2);
    durable.write(durable.collect(&store, 1000), &forgotten).expect("it writes");
    drop(durable);
    let (_, restored) = open(directory.path());
    assert!(restored.lookup(key(1)).is_none());
    assert_eq!(restored.lookup(key(2)).map(|binding| binding.state()), Some(State::Active));
    assert_eq!(restored.history_floor(), Time(1001));
}

#[test]
fn metadata_is_read_as_it_was_written_and_damage_is_noticed() {
    let metadata = Metadata::<V4Key> {
        now: Time(7),
        revision: Revision(1 << 40),
        history_floor: Time(5),
        bindings: 3,
        vpns: vec![VpnName::Name((*b"blue").into()), VpnName::Id([1, 2, 3, 4, 5, 6, 7])],
        sources: vec![("a".to_owned(), None), ("b".to_owned(), Some(vec![1, 2]))],
        networks: vec![Network { first: key(1), last: key(2), since: Time(3) }],
    };
    let bytes = write_metadata(&metadata);
    assert_eq!(read_metadata(&bytes), Some(metadata));
    for length in 0..bytes.len() {
        assert_eq!(read_metadata::<V4Key>(&bytes[..length]), None, "{length} of {} octets", bytes.len());
    }
    assert_eq!(read_metadata::<V4Key>(&[&bytes[..], &[0]].concat()), None);
}
