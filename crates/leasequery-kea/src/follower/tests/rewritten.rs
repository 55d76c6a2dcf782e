//! Files that somebody else than Kea changes, while they are followed and between two runs.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::*;

/// A followed file with leases 1 to 5, and the follower.
fn followed() -> (Kea, Arc<SharedStore<V4Key>>, Follower) {
    let mut kea = Kea::new();
    for number in 1..=5 {
        kea.lease(number, number);
    }
    let shared = shared();
    let mut follower = follower(&kea, &shared);
    follower.step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
    (kea, shared, follower)
}

/// The file with other clients, rows of the same length and in the same places.
fn others(kea: &Kea, leases: u8) -> (String, BTreeMap<u8, u8>) {
    let rows: String = (1..=leases).map(|number| kea.row(number, number + 10)).collect();
    (HEADER.to_owned() + &rows, (1..=leases).map(|number| (number, number + 10)).collect())
}

/// Both who goes on following and who comes back after a restart have to notice.
fn both(change: &dyn Fn(&mut Kea) -> BTreeMap<u8, u8>) {
    for restarted in [false, true] {
        let (mut kea, shared, mut following) = followed();
        let leases = change(&mut kea);
        if restarted {
            following = follower(&kea, &shared);
        }
        settle(&mut following);
        assert_eq!(active(&shared), leases, "restarted: {restarted}");
        let (before, read) = (revision(&shared), following.status().get().full_reads);
        settle(&mut following);
        assert_eq!((commits(&shared, before), following.status().get().full_reads), (0, read), "it is read again once");
    }
}

#[test]
fn a_file_that_is_written_over_is_read_again() {
    // Shorter, as long as it was, and longer.
    for number in [3, 5, 8] {
        both(&|kea| {
            let (text, leases) = others(kea, number);
            fs::write(kea.path(""), text).expect("room");
            leases
        });
    }
}

#[test]
fn a_row_that_is_written_over_is_seen_wherever_it_is() {
    for place in 0..5_u8 {
        both(&|kea| {
            let row = kea.row(place + 1, 9);
            let file = File::options().write(true).open(kea.path("")).expect("there");
            let at = HEADER.len() + usize::from(place) * row.len();
            let mac = row.find("09,").expect("the client");
            file.write_all_at(b"09", (at + mac) as u64).expect("room");
            let mut leases = kea.leases.clone();
            leases.insert(place + 1, 9);
            leases
        });
    }
}

#[test]
fn what_somebody_has_written_into_and_closed_is_compared_also_if_its_last_row_is_where_it_was() {
    let (kea, shared, mut follower) = followed();
    let text = fs::read_to_string(kea.path("")).expect("readable");
    let text = text.replacen(":01,", ":09,", 1) + &kea.row(6, 6);
    fs::write(kea.path(""), text).expect("room");
    follower.closed = true;
    settle(&mut follower);
    follower.closed = false;
    settle(&mut follower);
    assert_eq!(active(&shared), BTreeMap::from([(1, 9), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]));
}

#[test]
fn a_file_before_the_current_one_that_is_replaced_is_noticed() {
    for suffix in [".1", ".2", ".completed"] {
        for renamed in [false, true] {
            for restarted in [false, true] {
                let mut kea = Kea::new();
                let shared = shared();
                kea.lease(1, 1);
                kea.lease(2, 2);
                kea.rotate();
                match suffix {
                    ".2" => kea.clean_up(3),
                    ".completed" => kea.clean_up(2),
                    _ => {}
                }
                kea.lease(3, 3);
                let mut following = follower(&kea, &shared);
                settle(&mut following);
                assert_eq!(active(&shared), kea.leases);
                let text = HEADER.to_owned() + &kea.row(1, 9);
                if renamed {
                    // A cleanup puts new files where they were not, never one in the place of another but `.2`.
                    if suffix == ".completed" {
                        continue;
                    }
                    fs::write(kea.path(".new"), text).expect("room");
                    fs::rename(kea.path(".new"), kea.path(suffix)).expect("renamed");
                } else {
                    fs::write(kea.path(suffix), text).expect("room");
                }
                if restarted {
                    following = follower(&kea, &shared);
                }
                settle(&mut following);
                assert_eq!(active(&shared), BTreeMap::from([(1, 9), (3, 3)]), "{suffix} {renamed} {restarted}");
                // Nothing of it is in the way of Kea.
                if suffix == ".1" {
                    kea.clean_up(3);
                }
                kea.lease(4, 4);
                settle(&mut following);
                assert_eq!(active(&shared), BTreeMap::from([(1, 9), (3, 3), (4, 4)]));
            }
        }
    }
}

#[test]
fn what_a_cleanup_has_made_is_known_before_the_next_row_comes() {
    for restarted in [false, true] {
        let (mut kea, shared, mut following) = followed();
        kea.rotate();
        settle(&mut following);
        kea.clean_up(3);
        settle(&mut following);
        fs::write(kea.path(".2"), HEADER.to_owned() + &kea.row(1, 9)).expect("room");
        if restarted {
            following = follower(&kea, &shared);
        }
        settle(&mut following);
        assert_eq!(active(&shared), BTreeMap::from([(1, 9)]), "restarted: {restarted}");
    }
}

#[test]
fn a_file_that_is_written_over_and_then_rotated_away_is_read_again() {
    for restarted in [false, true] {
        for number in [3, 5, 8] {
            let (mut kea, shared, mut following) = followed();
            let (text, mut leases) = others(&kea, number);
            fs::write(kea.path(""), text).expect("room");
            kea.rotate();
            kea.lease(9, 9);
            leases.insert(9, 9);
            if restarted {
                following = follower(&kea, &shared);
            }
            settle(&mut following);
            assert_eq!(active(&shared), leases, "{number}, restarted: {restarted}");
        }
    }
}

#[test]
fn what_kea_does_is_no_reason_to_read_again() {
    let (mut kea, shared, mut follower) = followed();
    for round in 0..30_u8 {
        kea.lease(round, round + 1);
        kea.rotate();
        follower.step().expect("readable");
        for step in 1..=3 {
            kea.clean_up(step);
            kea.lease(round, round + 2);
            follower.step().expect("readable");
            follower.step().expect("readable");
        }
        assert_eq!(active(&shared), kea.leases);
    }
    assert_eq!(follower.status().get().full_reads, 1);
}

#[test]
fn nothing_ends_while_a_file_is_being_written_over() {
    let (mut kea, shared, mut follower) = followed();
    let text = fs::read(kea.path("")).expect("readable");
    let before = revision(&shared);
    // Emptied, with its header only, cut within a row and behind one.
    let row = (text.len() - HEADER.len()) / 5;
    for length in [0, HEADER.len(), HEADER.len() + row * 2 - 7, HEADER.len() + row * 3] {
        follower.rest = Rest::new(Duration::from_hours(1));
        fs::write(kea.path(""), &text[..length]).expect("room");
        settle(&mut follower);
        assert_eq!(active(&shared), kea.leases, "cut at {length}");
        fs::write(kea.path(""), &text).expect("room");
        follower.rest = Rest::new(Duration::ZERO);
        settle(&mut follower);
        assert_eq!(commits(&shared, before), 0, "cut at {length}");
    }
    assert_eq!(follower.status().get().full_reads, 1);
    kea.file = fs::OpenOptions::new().append(true).open(kea.path("")).expect("there");
    kea.lease(6, 6);
    settle(&mut follower);
    assert_eq!(active(&shared), kea.leases);
}

#[test]
fn an_empty_file_is_no_state_of_anything() {
    for cleaned in [false, true] {
        let (mut kea, shared, mut follower) = followed();
        if cleaned {
            kea.rotate();
            settle(&mut follower);
            kea.clean_up(3);
            settle(&mut follower);
        }
        fs::write(kea.path(""), "").expect("room");
        settle(&mut follower);
        assert_eq!(active(&shared), kea.leases);
        assert_eq!(follower.absent.map(|(what, _)| what), Some(Absence::Empty));
        // A first look takes nothing from it either.
        let late = self::shared();
        let mut second = self::follower(&kea, &late);
        settle(&mut second);
        assert!(second.current.is_none());
        // With a header it is one.
        fs::write(kea.path(""), HEADER).expect("room");
        settle(&mut follower);
        assert_eq!(active(&shared), if cleaned { kea.leases.clone() } else { BTreeMap::new() });
        assert!(follower.absent.is_none());
    }
}

#[test]
fn behind_a_file_that_keeps_growing_by_rows_it_is_read_as_well() {
    let (mut kea, shared, mut follower) = followed();
    let (text, _) = others(&kea, 8);
    fs::write(kea.path(""), text).expect("room");
    kea.file = fs::OpenOptions::new().append(true).open(kea.path("")).expect("there");
    for round in 0..6 {
        kea.lease(9, round + 1);
        follower.step().expect("readable");
    }
    assert_eq!(active(&shared).len(), 9);
    assert_eq!(follower.status().get().full_reads, 2);
}

#[test]
fn a_file_that_was_moved_away_and_removed_and_is_still_found_is_an_error() {
    let (kea, shared, _) = followed();
    let file = File::open(kea.path("")).expect("there");
    // As a mount of a single file shows it.
    let path = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file)));
    let mut mounted = Follower { path: path.clone(), names: Names::new(path), ..follower(&kea, &shared) };
    settle(&mut mounted);
    assert!(mounted.absent.is_none());
    fs::rename(kea.path(""), kea.path(".1")).expect("renamed");
    settle(&mut mounted);
    fs::remove_file(kea.path(".1")).expect("removed");
    settle(&mut mounted);
    let (what, _) = mounted.absent.expect("it is noticed");
    assert!(what.reason().contains("mount its directory"));
    assert_eq!(what, Absence::Unnamed);
    assert_eq!(active(&shared), kea.leases);
    // Who starts then notices it too.
    let mut late =
        Follower { path: mounted.path.clone(), names: Names::new(mounted.path), ..follower(&kea, &self::shared()) };
    settle(&mut late);
    assert_eq!(late.absent.map(|(what, _)| what), Some(Absence::Unnamed));
}

#[test]
fn a_copy_over_the_file_is_noticed_while_it_runs() {
    let (kea, shared, _) = followed();
    let follower = Follower { settled: SETTLED, rest: Rest::new(REST), ..follower(&kea, &shared) };
    let stop = std::sync::atomic::AtomicBool::new(false);
    let text = fs::read_to_string(kea.path("")).expect("readable");
    // The last row is where it was.
    let text = text.replacen(":01,", ":09,", 1) + &kea.row(6, 6);
    std::thread::scope(|scope| {
        let stop = &stop;
        let thread = scope.spawn(move || follower.run(&|| stop.load(std::sync::atomic::Ordering::Relaxed)));
        std::thread::sleep(Duration::from_millis(200));
        fs::write(kea.path(""), text).expect("room");
        // Where the system does not tell who has closed the file it takes a minute.
        let start = Instant::now();
        while active(&shared).get(&1) != Some(&9) && start.elapsed() < Duration::from_mins(3) {
            std::thread::sleep(Duration::from_millis(20));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        thread.join().expect("it ends");
    });
    assert_eq!(active(&shared), BTreeMap::from([(1, 9), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]));
}
