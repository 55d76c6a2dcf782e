//! A busy Kea, whose file has to be read again, or is read for the first time.

use super::super::super::config::Config;
use super::super::super::v4::V4;
use super::*;

/// Who waits for longer than any test takes before a file counts that is not known.
fn patient(kea: &Kea, shared: &Arc<SharedStore<V4Key>>) -> Follower {
    Follower { settled: SETTLED, rest: Rest::new(Duration::from_hours(1)), ..follower(kea, shared) }
}

/// A row as Kea writes it now.
fn lease_now(kea: &mut Kea, address: u8, client: u8) {
    let expire = u64::from(leasequery_live::wall_clock().0) + 3600;
    kea.write(&(row(address, client, 3600, expire) + "\n"));
    kea.note(address, client);
}

fn is_known(follower: &mut Follower, shared: &SharedStore<V4Key>) -> bool {
    follower.cover(None, true);
    shared.read(Store::is_known)
}

/// Followed, and whole.
fn whole(kea: &mut Kea) -> (Arc<SharedStore<V4Key>>, Follower) {
    kea.lease(1, 1);
    kea.lease(2, 2);
    let shared = shared();
    shared.write(|store| store.await_source(SOURCE, "it has not been read"));
    let mut following = follower(kea, &shared);
    settle(&mut following);
    assert!(is_known(&mut following, &shared));
    (shared, Follower { settled: SETTLED, rest: Rest::new(Duration::from_hours(1)), ..following })
}

#[test]
fn what_is_followed_is_read_again_at_once_however_busy_kea_is() {
    let changed = |what: &str, follower: &mut Follower, shared: &SharedStore<V4Key>| match what {
        "another configuration" => {
            let other =
                serde_json::json!({ "Dhcp4": { "subnet4": [{ "id": 1, "subnet": "10.0.0.0/24", "renew-timer": 9 }] } });
            follower.config.as_ref().expect("there").set(Config::from_json(&other).expect("a configuration"));
        }
        "another era" => {
            shared.write(|store| store.advance(store.now().plus(3 * 86_400)));
            shared.write(|_| ());
        }
        _ => {
            let key = V4Key::new([10, 0, 0, 1].into());
            let other = shared.write(|store| store.source("other")).expect("room");
            shared.write(|store| {
                let update = leasequery_store::Update {
                    hardware: Some(leasequery_store::Hardware { htype: 1, address: &[2, 0, 0, 0, 0, 1] }),
                    last_transaction: Some(store.now().plus(500_000)),
                    expires: Some(store.now().plus(600_000)),
                    ..leasequery_store::Update::new(key, State::Active)
                };
                store.commit(other, &update);
                store.withdraw(other, key);
            });
        }
    };
    for what in ["another configuration", "another era", "leases of another source"] {
        let mut kea = Kea::new();
        let (shared, following) = whole(&mut kea);
        let config = Arc::new(CurrentConfig::new(Config::<V4>::unread()));
        let mut follower = Follower { generation: config.generation(), config: Some(config), ..following };
        changed(what, &mut follower, &shared);
        for round in 0..40 {
            kea.lease(3 + round % 5, round + 1);
            follower.look(false).expect("readable");
            assert_eq!(active(&shared), kea.leases, "{what}");
            assert!(is_known(&mut follower, &shared), "{what}");
            if round % 8 == 0 && !kea.path(".1").exists() {
                kea.rotate();
            } else if round % 8 == 4 {
                kea.clean_up(3);
            }
        }
        assert_eq!(follower.status().get().full_reads, 2, "{what}");
        assert!(shared.read(|store| store.position(SOURCE).is_some_and(|position| !position.is_empty())));
    }
}

#[test]
fn a_row_without_its_newline_survives_that_all_is_read_again() {
    let mut kea = Kea::new();
    let (shared, following) = whole(&mut kea);
    let mut follower = Follower { rest: Rest::new(Duration::ZERO), ..following };
    kea.write(kea.row(3, 3).trim_end());
    kea.note(3, 3);
    settle(&mut follower);
    let before = revision(&shared);
    follower.want_again();
    settle(&mut follower);
    assert_eq!((active(&shared), follower.again.wanted), (kea.leases.clone(), false));
    kea.write("\n");
    settle(&mut follower);
    assert_eq!((active(&shared), commits(&shared, before)), (kea.leases.clone(), 0));
}

#[test]
fn while_a_file_before_it_is_replaced_the_current_one_is_followed() {
    for restarted in [false, true] {
        let mut kea = Kea::new();
        let (shared, mut follower) = whole(&mut kea);
        fs::write(kea.path(".2"), HEADER.to_owned() + &kea.row(9, 9)).expect("room");
        if restarted {
            follower = patient(&kea, &shared);
        }
        for round in 0..20 {
            kea.lease(3, round + 1);
            follower.step().expect("readable");
            assert_eq!(active(&shared), kea.leases);
            std::thread::sleep(SETTLED / 4);
        }
        assert!(!is_known(&mut follower, &shared), "nobody knows what there is of the other file");
        follower.rest = Rest::new(Duration::ZERO);
        settle(&mut follower);
        kea.note(9, 9);
        assert_eq!(active(&shared), kea.leases);
        assert!(is_known(&mut follower, &shared));
    }
}

#[test]
fn an_old_state_is_not_known_while_another_file_is_there() {
    for restarted in [false, true] {
        for is_of_kea in [false, true] {
            let mut kea = Kea::new();
            let (shared, mut follower) = whole(&mut kea);
            let text = HEADER.to_owned() + &kea.row(1, 1) + &kea.row(7, 7);
            fs::write(kea.path(".new"), text).expect("room");
            fs::rename(kea.path(".new"), kea.path("")).expect("renamed");
            kea.file = fs::OpenOptions::new().append(true).open(kea.path("")).expect("there");
            if restarted {
                follower = patient(&kea, &shared);
            }
            let known = kea.leases.clone();
            follower.step().expect("readable");
            for round in 0..20 {
                assert_eq!(active(&shared), known, "it may be a part of something");
                assert!(!is_known(&mut follower, &shared), "restarted: {restarted}, round {round}");
                kea.lease(3, round + 1);
                follower.step().expect("readable");
            }
            if is_of_kea {
                lease_now(&mut kea, 4, 4);
                follower.step().expect("readable");
                assert!(is_known(&mut follower, &shared), "Kea writes into it, so it has read it: {restarted}");
                assert_eq!(active(&shared), BTreeMap::from([(1, 1), (7, 7), (3, 20), (4, 4)]));
            }
        }
    }
}

#[test]
fn a_file_that_is_written_row_by_row_is_no_state_at_the_first_row() {
    for is_of_kea in [false, true] {
        let mut kea = Kea::new();
        let shared = shared();
        shared.write(|store| store.await_source(SOURCE, "it has not been read"));
        let mut follower = patient(&kea, &shared);
        for round in 0..20 {
            kea.lease(round, round + 1);
            follower.step().expect("readable");
            assert!(!is_known(&mut follower, &shared) && active(&shared).is_empty());
        }
        if is_of_kea {
            lease_now(&mut kea, 30, 1);
            follower.step().expect("readable");
            assert!(is_known(&mut follower, &shared));
            assert_eq!(active(&shared), kea.leases);
        }
    }
}

#[test]
fn a_header_alone_ends_leases_only_after_a_long_time() {
    for leases in [0, 1] {
        let mut kea = Kea::new();
        let (shared, mut follower) = whole(&mut kea);
        let text = if leases == 0 { HEADER.to_owned() } else { HEADER.to_owned() + &kea.row(1, 1) };
        fs::write(kea.path(""), text).expect("room");
        settle(&mut follower);
        assert!(!is_known(&mut follower, &shared));
        let view = View::at(&follower.names).expect("readable");
        let identity = view.current.expect("there").identity;
        let is_state = |at_rest, for_long| {
            let motion = Motion { at_rest, for_long, by_rows: false };
            follower.is_state(&view, identity, motion).expect("readable")
        };
        assert_eq!((is_state(false, false), is_state(true, false), is_state(true, true)), (false, leases > 0, true));
    }
}

#[test]
fn rows_that_were_read_on_other_terms_are_read_again_after_a_restart() {
    let mut kea = Kea::new();
    kea.lease(1, 1);
    kea.lease(2, 2);
    let shared = shared();
    let vpn = |name: &[u8]| {
        shared.write(|store| store.vpn(None, &leasequery_store::VpnName::Name(name.into()))).expect("room for it")
    };
    let (blue, red) = (vpn(b"blue"), vpn(b"red"));
    let config = |seconds: u32| {
        let timer = serde_json::json!({ "Dhcp4": { "subnet4": [{ "id": 1, "subnet": "10.0.0.0/24", "renew-timer": seconds }] } });
        Some(Arc::new(CurrentConfig::new(Config::from_json(&timer).expect("a configuration"))))
    };
    let unread = || Some(Arc::<CurrentConfig<V4>>::default());
    let found = |vpn, address: u8| {
        shared.read(|store| {
            let binding = store.lookup(V4Key { vpn, address: [10, 0, 0, address].into() })?;
            let renewal = binding.renews().zip(binding.last_transaction()).map_or(0, |(at, last)| at.0 - last.0);
            (binding.state() == State::Active).then_some(renewal)
        })
    };
    // Which VPN and configuration, how many times all has been read, and the renewal that is told.
    let runs = [
        (blue, None, 1, 0),
        (blue, None, 0, 0),
        (red, None, 1, 0),
        (red, config(100), 1, 100),
        (red, config(100), 0, 100),
        (red, config(200), 1, 200),
        (red, unread(), 0, 200),
        (red, None, 1, 0),
    ];
    for (nth, (vpn, config, reads, renewal)) in runs.into_iter().enumerate() {
        let other = if vpn == blue { red } else { blue };
        let new = Follower::new(kea.path(""), config, vpn, feed(&shared));
        // Nothing of that has to wait.
        let mut follower =
            if nth == 0 { new.hasty() } else { Follower { rest: Rest::new(Duration::from_hours(1)), ..new } };
        follower.look(false).expect("readable");
        for address in [1, 2] {
            assert_eq!((found(vpn, address), found(other, address)), (Some(renewal), None), "run {nth}");
        }
        assert!(is_known(&mut follower, &shared));
        assert_eq!(follower.status().get().full_reads, reads, "run {nth}");
        follower.look(false).expect("readable");
        assert_eq!(follower.status().get().full_reads, reads, "run {nth}");
    }
}

#[test]
fn what_is_no_lease_file_stays_so_and_is_said_once() {
    for what in ["foreign", "FIFO"] {
        let mut kea = Kea::new();
        let (shared, following) = whole(&mut kea);
        let mut follower = Follower { rest: Rest::new(Duration::ZERO), ..following };
        if what == "FIFO" {
            fs::remove_file(kea.path("")).expect("removed");
            assert!(std::process::Command::new("mkfifo").arg(kea.path("")).status().expect("it runs").success());
        } else {
            fs::write(kea.path(".new"), "a,b,c\n1,2,3\n").expect("room");
            fs::rename(kea.path(".new"), kea.path("")).expect("renamed");
        }
        let problems: Vec<_> = (0..10).map(|_| follower.look(false).err().map(|problem| problem.to_string())).collect();
        let first = problems.iter().position(Option::is_some).expect("it is found");
        assert!(first <= 1 && problems[first..].iter().all(|problem| *problem == problems[first]), "{problems:?}");
        let expected = if what == "FIFO" { "it is a FIFO or a device" } else { "is not the header" };
        assert!(problems[first].as_deref().is_some_and(|problem| problem.contains(expected)), "{problems:?}");
        assert_eq!(active(&shared), kea.leases);
    }
}
