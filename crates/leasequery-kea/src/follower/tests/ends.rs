//! Last rows whose newline has not come.

use super::*;

#[test]
fn a_row_without_its_newline_counts_once_the_file_is_at_rest() {
    let mut kea = Kea::new();
    let shared = shared();
    let mut follower = Follower { rest: Rest::new(Duration::from_hours(1)), ..follower(&kea, &shared) };
    follower.step().expect("readable");
    let row = kea.row(1, 1);
    kea.write(row.trim_end());
    settle(&mut follower);
    assert_eq!(active(&shared), BTreeMap::new(), "it may go on");
    follower.rest = Rest::new(Duration::ZERO);
    settle(&mut follower);
    kea.note(1, 1);
    assert_eq!(active(&shared), kea.leases);
    // Then its newline comes, or another row without one between them.
    let before = revision(&shared);
    kea.write("\n");
    settle(&mut follower);
    assert_eq!((commits(&shared, before), follower.status().get().rows), (0, 1), "it is not taken twice");
    kea.write(kea.row(2, 2).trim_end());
    settle(&mut follower);
    kea.note(2, 2);
    kea.lease(3, 3);
    settle(&mut follower);
    assert_eq!(active(&shared), kea.leases);
    assert_eq!((commits(&shared, before), follower.status().get().rows), (2, 3));
    // Or what makes it another row.
    kea.write("10.0.0.4,02:00:00:00:00:04,,3600,4000000000,1,0,0,,0,");
    settle(&mut follower);
    kea.write("{ \"ISC\": { \"relay-agent-info\": \"0x020109\" } }\n");
    settle(&mut follower);
    let remote_id = shared.read(|store| {
        let binding = store.lookup(V4Key::new([10, 0, 0, 4].into())).expect("there");
        binding.remote_id().map(<[u8]>::to_vec)
    });
    assert_eq!((remote_id, follower.status().get().broken), (Some(vec![9]), 0));
}

#[test]
fn half_a_row_counts_never() {
    let mut kea = Kea::new();
    let shared = shared();
    let mut follower = follower(&kea, &shared);
    let row = kea.row(1, 1);
    kea.write(&row[..row.len() - 2]);
    settle(&mut follower);
    assert_eq!(active(&shared), BTreeMap::new());
    kea.write("\n");
    settle(&mut follower);
    kea.note(1, 1);
    assert_eq!(active(&shared), kea.leases, "it is a row of an older schema");
    assert_eq!(follower.status().get().broken, 0);
}

#[test]
fn a_first_look_takes_the_end_of_a_file_that_is_at_rest() {
    let mut kea = Kea::new();
    kea.lease(1, 1);
    kea.lease(2, 1);
    kea.write(kea.row(2, 2).trim_end());
    kea.note(2, 2);
    let shared = shared();
    let mut follower = follower(&kea, &shared);
    follower.step().expect("readable");
    assert!(follower.current.is_none(), "somebody may be in the middle of writing it");
    settle(&mut follower);
    assert_eq!(active(&shared), kea.leases);
    let before = revision(&shared);
    kea.write("\n");
    kea.lease(3, 3);
    settle(&mut follower);
    assert_eq!(active(&shared), kea.leases);
    assert_eq!(commits(&shared, before), 1);
    assert_eq!(follower.status().get().broken, 0);
}

#[test]
fn what_is_read_again_keeps_a_last_row_without_newline() {
    let mut kea = Kea::new();
    let shared = shared();
    let mut follower = follower(&kea, &shared);
    kea.lease(1, 1);
    kea.lease(2, 2);
    settle(&mut follower);
    let text = HEADER.to_owned() + &kea.row(1, 5) + kea.row(2, 2).trim_end();
    fs::write(kea.path(""), text).expect("room");
    let before = revision(&shared);
    settle(&mut follower);
    assert_eq!(active(&shared), BTreeMap::from([(1, 5), (2, 2)]));
    assert!(commits(&shared, before) <= 2, "the second lease has not ended");
    settle(&mut self::follower(&kea, &shared));
    assert_eq!(active(&shared), BTreeMap::from([(1, 5), (2, 2)]));
}

#[test]
fn the_end_of_an_older_file_does_not_win_over_the_current_one() {
    let mut kea = Kea::new();
    kea.write(kea.row(1, 1).trim_end());
    kea.rotate();
    kea.lease(1, 2);
    let shared = shared();
    settle(&mut follower(&kea, &shared));
    assert_eq!(active(&shared), kea.leases);
}
