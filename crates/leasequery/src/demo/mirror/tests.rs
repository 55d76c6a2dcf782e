use std::net::Ipv4Addr;

use leasequery_store::{
    Entry, Hardware, Network, Selector, Settings, State, Store, Time, Update, V4Key, VpnIndex, VpnRange,
};

use super::{Known, Mirror};

const NOW: u32 = 1_795_168_800;

fn key(last: u8) -> V4Key {
    V4Key { vpn: VpnIndex::DEFAULT, address: Ipv4Addr::new(10, 0, 0, last) }
}

fn store() -> Store<V4Key> {
    let mut store = Store::new(Settings::default());
    store.advance(Time(NOW));
    store.set_networks(None, &[Network { first: key(1), last: key(4), since: Time(NOW) }]);
    lease(&mut store, 2, NOW + 3600);
    store
}

fn lease(store: &mut Store<V4Key>, last: u8, expires: u32) {
    let source = store.source("test").expect("room for a source");
    let update = Update {
        hardware: Some(Hardware { htype: 1, address: &[2, 0, 0, 0, 0, last] }),
        expires: Some(Time(expires)),
        ..Update::new(key(last), State::Active)
    };
    store.commit(source, &update);
}

fn copy_of(store: &Store<V4Key>) -> Mirror {
    let entries = store.scan(Selector::All, VpnRange::All, None);
    let known = entries.map(|entry: Entry<'_, V4Key>| (entry.key().address, Known::of_entry(&entry))).collect();
    Mirror { known, ..Mirror::default() }
}

#[test]
fn a_copy_equals_what_it_was_made_of() {
    let store = store();
    assert_eq!(copy_of(&store).differences(&store), [Ipv4Addr::UNSPECIFIED; 0]);
    assert_eq!(copy_of(&store).counts(), (4, 1));
}

#[test]
fn each_kind_of_difference_is_found() {
    let mut other = store();
    lease(&mut other, 3, NOW + 3600);
    assert_eq!(copy_of(&store()).differences(&other), [key(3).address], "a lease that the copy does not know");
    assert_eq!(copy_of(&other).differences(&store()), [key(3).address], "a lease that has ended");
    let mut other = store();
    lease(&mut other, 2, NOW + 3602);
    assert_eq!(copy_of(&other).differences(&store()), [key(2).address], "another end");
    let mut other = store();
    lease(&mut other, 2, NOW + 3601);
    assert!(copy_of(&other).differences(&store()).is_empty(), "a second is what clocks differ by");
    other.set_networks(None, &[Network { first: key(1), last: key(5), since: Time(NOW) }]);
    assert_eq!(copy_of(&other).differences(&store()), [key(5).address], "an address that is not configured");
    assert_eq!(copy_of(&store()).differences(&other), [key(5).address], "an address that the copy does not know");
}
