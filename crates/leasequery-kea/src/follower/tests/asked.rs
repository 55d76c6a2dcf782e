//! Another source loses what the file has as well.

use leasequery_store::{Hardware, Update};

use super::*;

/// The other source has a lease of the file's, from a later transaction, and loses it without a word about it.
fn lose(shared: &SharedStore<V4Key>, other: SourceId) {
    let key = V4Key::new([10, 0, 0, 1].into());
    shared.write(|store| {
        let hardware = Some(Hardware { htype: 1, address: &[2, 0, 0, 0, 0, 1] });
        let (last_transaction, expires) = (Some(store.now().plus(500_000)), Some(store.now().plus(600_000)));
        store.commit(other, &Update { hardware, last_transaction, expires, ..Update::new(key, State::Active) });
        assert_eq!(store.lookup(key).and_then(|binding| store.owner(&binding)), Some(other));
        store.withdraw(other, key);
    });
}

#[test]
fn the_file_is_read_again_when_another_source_lost_what_it_has_but_not_again_and_again() {
    let mut kea = Kea::new();
    kea.lease(1, 1);
    kea.lease(2, 2);
    let shared = shared();
    let other = shared.write(|store| store.source("other")).expect("there is room");
    let mut follower = follower(&kea, &shared);
    settle(&mut follower);
    let (key, status) = (V4Key::new([10, 0, 0, 1].into()), follower.status());
    let expires = || shared.read(|store| store.lookup(key).expect("known").expires());
    let own = expires();

    lose(&shared, other);
    assert_eq!(active(&shared), kea.leases, "nobody is told of an end");
    assert!(shared.read(|store| store.is_asked(SOURCE)) && expires() != own);
    settle(&mut follower);
    assert_eq!((status.get().full_reads, expires()), (2, own), "it is what the file says");
    assert!(!shared.read(|store| store.is_asked(SOURCE)));

    lose(&shared, other);
    settle(&mut follower);
    assert_eq!(status.get().full_reads, 2, "it has been read just now");
    assert!(shared.read(|store| store.is_asked(SOURCE)), "which is not forgotten");
    follower.again.not_before = Some(Instant::now());
    settle(&mut follower);
    assert_eq!((status.get().full_reads, expires()), (3, own));
    assert_eq!(active(&shared), kea.leases);
}
