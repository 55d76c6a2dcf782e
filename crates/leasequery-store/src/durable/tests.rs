use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::{Outcome, Revision, State, Time, Update, V4Key, VpnName};

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
    store.set_networks(None, &[Network { first: key(1), last: key(9), since: Time(1000) }]);
    for number in 1..=5 {
        lease(&mut store, number, &[1, number]);
    }
    store.advance(Time(1003));
    lease(&mut store, 2, &[1, 99]);
    store.set_position(SOURCE, b"line 7".to_vec());
    let batch = durable.collect(&store, &Budget::new(1000));
    assert!(batch.is_complete());
    durable.write(batch).expect("it writes");
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
    durable.write(durable.collect(&store, &Budget::new(1000))).expect("it writes");
    for number in 1..=5 {
        lease(&mut store, number, &[1, number]);
    }
    store.set_position(SOURCE, b"behind all five".to_vec());
    // A crash after the first batch of two: the position is still the old one, so all five are read again.
    let batch = durable.collect(&store, &Budget::new(2));
    assert!(!batch.is_complete());
    durable.write(batch).expect("it writes");
    drop(durable);
    let (_, restored) = open(directory.path());
    assert_eq!(restored.counts().bindings, 2);
    assert_eq!(restored.position(SOURCE), None);
}

/// Counts the octets that are written.
struct Counting<'a>(Memory, &'a AtomicUsize);

impl Disk for Counting<'_> {
    type Bytes = <Memory as Disk>::Bytes;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Self::Bytes>, DurableError> {
        self.0.get(table, key)
    }

    fn iterate(&self, table: Table) -> impl Iterator<Item = Result<(Self::Bytes, Self::Bytes), DurableError>> {
        self.0.iterate(table)
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), DurableError> {
        let octets: usize = writes.iter().filter_map(|write| Some(write.value.as_ref()?.len())).sum();
        self.1.fetch_add(octets, Ordering::Relaxed);
        self.0.apply(writes)
    }

    fn sync(&self) -> Result<(), DurableError> {
        self.0.sync()
    }
}

#[test]
fn names_of_vpns_are_written_when_they_change_and_not_with_the_clock() {
    let octets = AtomicUsize::new(0);
    let (mut durable, mut store) =
        Durable::<V4Key, _>::open_on(Counting(Memory::new(), &octets), settings()).expect("it opens");
    let mut write = |store: &Store<V4Key>| {
        octets.store(0, Ordering::Relaxed);
        durable.write(durable.collect(store, &Budget::new(1000))).expect("it writes");
        octets.load(Ordering::Relaxed)
    };
    store.advance(Time(1000));
    for number in 0..500_u32 {
        store.vpn(None, &VpnName::Name([&[b'x'; 100][..], &number.to_be_bytes()].concat().into())).expect("a number");
    }
    assert!(write(&store) > 50_000);
    store.advance(Time(1001));
    let clock = write(&store);
    assert!(clock > 0 && clock < 500, "{clock} octets");
    store.vpn(None, &VpnName::Name(b"blue"[..].into())).expect("a number");
    assert!(write(&store) > 50_000);
}

#[test]
fn bindings_of_an_incomplete_batch_have_the_names_they_refer_to() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut durable, mut store) = open(directory.path());
    store.advance(Time(1000));
    let source = store.source("kea").expect("a number");
    let vpn = store.vpn(None, &VpnName::Name(b"blue".as_slice().into())).expect("a number");
    for number in 1..=3 {
        store.commit(source, &Update::new(V4Key { vpn, ..key(number) }, State::Active));
    }
    let batch = durable.collect(&store, &Budget::new(2));
    assert!(!batch.is_complete());
    durable.write(batch).expect("it writes");
    drop(durable);
    let (_, restored) = open(directory.path());
    let names: Vec<_> = restored
        .changes(Revision::default(), &Budget::unlimited())
        .map(|binding| (restored.vpn_name(binding.key().vpn).cloned(), restored.owner(&binding)))
        .collect();
    assert_eq!(names, vec![(store.vpn_name(vpn).cloned(), Some(source)); 2]);
    assert_eq!(restored.sources().collect::<Vec<_>>(), [(source, "kea")]);
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
    durable.write(durable.collect(&store, &Budget::new(1000))).expect("it writes");
    store.advance(Time(1011));
    assert_eq!(store.counts().bindings, 0);
    lease(&mut store, 2, &[1, 2]);
    let forgotten = store.take_forgotten();
    assert_eq!(forgotten.len(), 2);
    durable.forget(forgotten);
    durable.write(durable.collect(&store, &Budget::new(1000))).expect("it writes");
    drop(durable);
    let (_, restored) = open(directory.path());
    assert!(restored.lookup(key(1)).is_none());
    assert_eq!(restored.lookup(key(2)).map(|binding| binding.state()), Some(State::Active));
    assert_eq!(restored.history_floor(), Time(1001));
}

fn open_on(disk: &Memory) -> (Durable<V4Key, Memory>, Store<V4Key>) {
    Durable::open_on(disk.clone(), settings()).expect("it opens")
}

fn write_all(durable: &mut Durable<V4Key, Memory>, store: &Store<V4Key>) {
    durable.write(durable.collect(store, &Budget::new(1000))).expect("it writes");
    durable.sync().expect("it is synced");
}

fn network(first: u8, last: u8) -> Network<V4Key> {
    Network { first: key(first), last: key(last), since: Time(1000) }
}

#[test]
fn a_crash_takes_what_was_not_synced() {
    let disk = Memory::new();
    let (mut durable, mut store) = open_on(&disk);
    store.advance(Time(1000));
    lease(&mut store, 1, b"a");
    write_all(&mut durable, &store);
    lease(&mut store, 2, b"b");
    let batch = durable.collect(&store, &Budget::new(1000));
    assert_eq!(open_on(&disk).1.counts().bindings, 1, "what is only collected is not there");
    durable.write(batch).expect("it writes");
    assert_eq!(open_on(&disk).1.counts().bindings, 2);
    disk.crash();
    assert_eq!(open_on(&disk).1.counts().bindings, 1);
}

#[test]
fn a_crash_may_leave_some_of_what_was_not_synced() {
    let disk = Memory::new();
    let (mut durable, mut store) = open_on(&disk);
    store.advance(Time(1000));
    for number in 1..=3 {
        lease(&mut store, number, b"a");
        let batch = durable.collect(&store, &Budget::new(1000));
        durable.write(batch).expect("it writes");
    }
    assert_eq!(disk.unsynced(), 3);
    disk.crash_after(2);
    assert_eq!(open_on(&disk).1.counts().bindings, 2);
    assert_eq!(disk.unsynced(), 0);
}

#[test]
fn networks_come_back_with_their_owners() {
    let disk = Memory::new();
    let (mut durable, mut store) = open_on(&disk);
    store.advance(Time(1000));
    let sources = ["a", "b"].map(|name| store.source(name));
    store.set_networks(None, &[network(1, 2)]);
    store.set_networks(sources[0], &[network(5, 6)]);
    store.set_networks(sources[1], &[network(6, 9)]);
    write_all(&mut durable, &store);
    let (mut durable, mut store) = open_on(&disk);
    for (owner, expected) in [(None, network(1, 2)), (sources[0], network(5, 6)), (sources[1], network(6, 9))] {
        assert_eq!(store.networks_of(owner), [expected]);
    }
    assert_eq!(store.counts().configured, 7);
    store.set_networks(sources[1], &[]);
    write_all(&mut durable, &store);
    assert_eq!(open_on(&disk).1.counts().configured, 4);
}

#[test]
fn networks_are_written_only_when_they_change() {
    let disk = Memory::new();
    let (mut durable, mut store) = open_on(&disk);
    store.advance(Time(1000));
    let source = store.source("a");
    store.set_networks(None, &[network(1, 2)]);
    store.set_networks(source, &[network(5, 6)]);
    let owners = |durable: &Durable<V4Key, Memory>, store: &Store<V4Key>| {
        let networks = durable.collect(store, &Budget::new(1000)).networks.expect("it is complete");
        networks.owned.into_iter().map(|owned| owned.owner).collect::<Vec<_>>()
    };
    assert_eq!(owners(&durable, &store), [None, source]);
    write_all(&mut durable, &store);
    store.advance(Time(1001));
    lease(&mut store, 1, b"a");
    store.set_networks(source, &[network(5, 6)]);
    assert_eq!(owners(&durable, &store), []);
    store.set_networks(source, &[network(5, 7)]);
    assert_eq!(owners(&durable, &store), [source]);
    write_all(&mut durable, &store);
    let (durable, store) = open_on(&disk);
    assert_eq!(owners(&durable, &store), [], "what was restored is there already");
}

#[test]
fn a_position_is_never_ahead_of_the_networks() {
    let disk = Memory::new();
    let (mut durable, mut store) = open_on(&disk);
    store.advance(Time(1000));
    let source = store.source("a");
    lease(&mut store, 1, b"a");
    store.set_networks(source, &[network(5, 6)]);
    store.set_position(SOURCE, b"behind both".to_vec());
    for room in [1, 1000] {
        durable.write(durable.collect(&store, &Budget::new(room))).expect("it writes");
        let (_, restored) = open_on(&disk);
        assert_eq!(restored.position(SOURCE).is_some(), !restored.networks_of(source).is_empty());
    }
    assert_eq!(open_on(&disk).1.position(SOURCE), Some(&b"behind both"[..]));
}

#[test]
fn a_database_of_another_layout_is_refused() {
    let disk = Memory::new();
    let (mut durable, store) = open_on(&disk);
    write_all(&mut durable, &store);
    let mut value = disk.get(Table::Metadata, METADATA).expect("it is read").expect("it is there");
    value[0] = 1;
    disk.apply(vec![Write { table: Table::Metadata, key: METADATA.to_vec(), value: Some(value) }]).expect("written");
    let refused = Durable::<V4Key, _>::open_on(disk, settings());
    assert!(matches!(refused, Err(DurableError::Layout(1))));
}

#[test]
fn a_clean_end_is_known_until_the_next_write() {
    let disk = Memory::new();
    let (mut durable, mut store) = open_on(&disk);
    assert!(durable.was_closed(), "there is nothing that could be missing");
    store.advance(Time(1000));
    write_all(&mut durable, &store);
    drop(durable);
    let (mut durable, store) = open_on(&disk);
    assert!(!durable.was_closed());
    write_all(&mut durable, &store);
    assert!(!durable.was_closed(), "it is about the last run");
    durable.close().expect("it is closed");
    disk.crash();

    // Neither looking nor closing without a change takes the mark away.
    let (durable, _) = open_on(&disk);
    assert!(durable.was_closed());
    durable.close().expect("it is closed");
    let (mut durable, mut store) = open_on(&disk);
    assert!(durable.was_closed());
    lease(&mut store, 1, b"a");
    durable.write(durable.collect(&store, &Budget::new(1000))).expect("it writes");
    assert!(!open_on(&disk).0.was_closed());
    disk.crash();
    assert!(open_on(&disk).0.was_closed(), "the change is gone, and with it that there was one");
}

#[test]
fn an_end_with_something_missing_is_not_a_clean_one() {
    let disk = Memory::new();
    let (mut durable, mut store) = open_on(&disk);
    store.advance(Time(1000));
    write_all(&mut durable, &store);
    lease(&mut store, 1, b"a");
    lease(&mut store, 2, b"b");
    durable.write(durable.collect(&store, &Budget::new(1))).expect("it writes");
    durable.close().expect("it is closed");
    assert!(!open_on(&disk).0.was_closed());
}

/// A store with some bindings on disk, of which the first one has ended since, and a second lease came.
fn failing(disk: &Memory) -> (Durable<V4Key, Memory>, Store<V4Key>) {
    let (mut durable, mut store) = open_on(disk);
    store.advance(Time(1000));
    let source = store.source("a");
    lease(&mut store, 1, b"a");
    store.set_networks(source, &[network(5, 6)]);
    store.set_position(SOURCE, b"first".to_vec());
    write_all(&mut durable, &store);
    // Written and not synced: whether it is on disk afterwards nobody knows.
    lease(&mut store, 2, b"b");
    store.set_networks(source, &[network(5, 9)]);
    store.set_position(SOURCE, b"second".to_vec());
    durable.write(durable.collect(&store, &Budget::new(1000))).expect("it writes");
    (durable, store)
}

#[test]
fn after_a_failure_everything_is_written_again_that_was_not_synced() {
    for survivors in [0, 1] {
        let disk = Memory::new();
        let (mut durable, mut store) = failing(&disk);
        let synced = durable.synced();
        disk.fail(survivors);
        lease(&mut store, 3, b"c");
        assert!(durable.write(durable.collect(&store, &Budget::new(1000))).is_err());
        assert!(!durable.is_open());
        assert_eq!(durable.synced(), synced, "no more than that is known to be there");
        assert!(matches!(durable.sync(), Err(DurableError::GivenUp)));
        assert!(durable.reopen(|| Ok(disk.clone())).is_err(), "it fails still");
        disk.recover();
        durable.reopen(|| Ok(disk.clone())).expect("it works again");
        assert_eq!(durable.revision(), synced);
        for _ in 0..20 {
            // Nothing but what is new comes with the position that is behind it.
            durable.write(durable.collect(&store, &Budget::new(1))).expect("it writes");
        }
        durable.sync().expect("it is synced");
        disk.crash();
        let (durable, restored) = open_on(&disk);
        assert_eq!(restored.metadata(), store.metadata());
        assert_eq!(restored.counts(), store.counts());
        assert_eq!(restored.networks_of(Some(SOURCE)), [network(5, 9)]);
        assert_eq!(durable.revision(), store.revision());
    }
}

#[test]
fn what_was_forgotten_while_nothing_could_be_written_does_not_come_back() {
    let disk = Memory::new();
    let (mut durable, mut store) = failing(&disk);
    disk.fail(0);
    for number in 1..=2 {
        store.end_lease(SOURCE, key(number), State::Released);
    }
    store.advance(Time(1011));
    durable.forget(store.take_forgotten());
    assert!(durable.write(durable.collect(&store, &Budget::new(1000))).is_err());
    lease(&mut store, 2, b"b");
    disk.recover();
    durable.reopen(|| Ok(disk.clone())).expect("it works again");
    durable.write(durable.collect(&store, &Budget::new(1))).expect("it writes");
    assert!(!durable.collect(&store, &Budget::new(1)).is_complete(), "there is another one that was forgotten");
    // It fails once more before that is synced.
    disk.fail(0);
    disk.recover();
    assert!(durable.sync().is_err());
    durable.reopen(|| Ok(disk.clone())).expect("it works again");
    write_all(&mut durable, &store);
    disk.crash();
    let (_, restored) = open_on(&disk);
    assert!(restored.lookup(key(1)).is_none());
    assert_eq!(restored.lookup(key(2)).map(|binding| binding.state()), Some(State::Active));
}

#[test]
fn where_nothing_is_left_everything_is_written() {
    let disk = Memory::new();
    let (mut durable, store) = failing(&disk);
    disk.fail(0);
    assert!(durable.sync().is_err());
    let other = Memory::new();
    durable.reopen(|| Ok(other.clone())).expect("an empty one");
    write_all(&mut durable, &store);
    let (_, restored) = open_on(&other);
    assert_eq!((restored.metadata(), restored.counts()), (store.metadata(), store.counts()));
}

#[test]
fn what_happened_to_a_database_is_said_in_one_sentence() {
    use std::io::ErrorKind;
    let says = |problem: fjall::Error| DurableError::from(problem);
    let full = says(fjall::Error::Storage(fjall::LsmError::Io(ErrorKind::StorageFull.into())));
    assert_eq!((full.to_string().as_str(), full.is_lasting()), ("no space is left on the disk", false));
    assert!(matches!(says(fjall::Error::Locked), DurableError::Taken));
    assert!(!says(fjall::Error::Poisoned).is_lasting());
    for lasting in [
        fjall::Error::Io(ErrorKind::UnexpectedEof.into()),
        fjall::Error::Io(ErrorKind::NotFound.into()),
        fjall::Error::Unrecoverable,
        fjall::Error::Storage(fjall::LsmError::InvalidTrailer),
    ] {
        let problem = says(lasting);
        assert!(problem.is_lasting() && problem.to_string().starts_with("damaged: "), "{problem}");
    }
    assert_eq!(DurableError::Layout(2).to_string(), "its layout is 2, that of another version");
}
