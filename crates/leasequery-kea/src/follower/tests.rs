//! The follower against a writer that plays Kea: appends, rotates, cleans up, dies.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;

use leasequery_live::SharedStore;
use leasequery_live::registry::Registry;
use leasequery_store::{
    BACK, Binding, Budget, Entry, Key, Revision, Selector, Settings, SourceId, State, Store, Time, V4Key, VpnRange,
};
use proptest::prelude::*;

use super::super::v4::Follower;
use super::*;

mod again;
mod asked;
mod ends;
mod kea;
mod rewritten;
mod v6;

use kea::{Form, Kea};

const HEADER: &str =
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n";
const SOURCE: SourceId = SourceId(0);

fn row(address: u8, client: u8, lifetime: u32, expire: u64) -> String {
    format!("10.0.0.{address},02:00:00:00:00:{client:02x},,{lifetime},{expire},1,0,0,,0,")
}

impl Kea {
    /// Of DHCPv4.
    fn new() -> Self {
        Self::playing(Form { header: HEADER, columns: 11, lifetime: 3, row })
    }
}

fn shared() -> Arc<SharedStore<V4Key>> {
    let mut store = Store::new(Settings::default());
    store.source("kea");
    Arc::new(SharedStore::new(store))
}

/// The way of the source into it.
fn feed<K: Key>(shared: &Arc<SharedStore<K>>) -> Feed<K> {
    Feed::open(&Registry::default(), "kea", shared).expect("room")
}

fn follower(kea: &Kea, shared: &Arc<SharedStore<V4Key>>) -> Follower {
    Follower::new(kea.path(""), None, VpnIndex::DEFAULT, feed(shared)).hasty()
}

/// Looks often enough that everything is at rest.
fn settle<F: Family>(follower: &mut super::Follower<F>) {
    for _ in 0..5 {
        follower.step().expect("readable");
    }
}

/// Addresses and clients of the active leases.
fn active(shared: &SharedStore<V4Key>) -> BTreeMap<u8, u8> {
    shared.read(|store| {
        let budget = Budget::unlimited();
        let bound = store.scan(Selector::All, VpnRange::All, None, &budget).filter_map(|entry| match entry {
            Entry::Bound(binding) if binding.state() == State::Active => Some(binding),
            _ => None,
        });
        let client = |binding: Binding<'_, V4Key>| {
            let [a, b, c, last] = binding.key().address.octets();
            assert_eq!([a, b, c], [10, 0, 0], "nobody leases such addresses");
            (last, binding.hardware().map_or(0, |hardware| hardware.address[5]))
        };
        bound.map(client).collect()
    })
}

fn revision(shared: &SharedStore<V4Key>) -> Revision {
    shared.read(Store::revision)
}

fn commits(shared: &SharedStore<V4Key>, since: Revision) -> u64 {
    revision(shared).0 - since.0
}

#[test]
fn the_first_load_is_the_meaning_of_all_files_together() {
    let mut kea = Kea::new();
    kea.lease(1, 1);
    kea.lease(2, 2);
    kea.rotate();
    kea.clean_up(3);
    kea.lease(2, 0);
    kea.lease(3, 3);
    kea.rotate();
    kea.lease(3, 4);
    let shared = shared();
    follower(&kea, &shared).step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
}

#[test]
fn a_cleanup_that_stopped_in_the_middle_loses_nothing() {
    for stop_after in [1, 2, 3] {
        let mut kea = Kea::new();
        kea.lease(1, 1);
        kea.lease(2, 2);
        kea.rotate();
        kea.clean_up(3);
        kea.lease(2, 0);
        kea.rotate();
        kea.clean_up(stop_after);
        kea.lease(3, 3);
        let shared = shared();
        follower(&kea, &shared).step().expect("readable");
        assert_eq!(active(&shared), kea.leases, "stopped after step {stop_after}");
    }
}

#[test]
fn each_row_is_taken_once_through_rotations_and_cleanups() {
    let mut kea = Kea::new();
    let shared = shared();
    let mut follower = follower(&kea, &shared);
    follower.step().expect("readable");
    for round in 0..20_u8 {
        let before = revision(&shared);
        kea.lease(round, round + 1);
        // Written before the rotation and not yet read.
        kea.lease(100, round + 1);
        kea.rotate();
        kea.lease(101, round + 1);
        follower.step().expect("readable");
        follower.step().expect("readable");
        assert_eq!(active(&shared), kea.leases);
        assert_eq!(commits(&shared, before), 3, "none missed, none repeated");
        kea.clean_up(3);
        let before = revision(&shared);
        follower.step().expect("readable");
        assert_eq!(commits(&shared, before), 0, "a cleanup is no change");
    }
}

#[test]
fn rotations_that_were_missed_are_made_up_for_without_flapping() {
    let mut kea = Kea::new();
    let shared = shared();
    let mut follower = follower(&kea, &shared);
    kea.lease(1, 1);
    kea.lease(2, 2);
    kea.lease(3, 3);
    follower.step().expect("readable");
    let before = revision(&shared);
    kea.rotate();
    kea.clean_up(3);
    kea.lease(1, 0);
    kea.lease(2, 9);
    kea.lease(2, 2);
    kea.rotate();
    kea.clean_up(3);
    kea.lease(4, 4);
    follower.step().expect("readable");
    follower.step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
    assert_eq!(commits(&shared, before), 3, "1 ended, 2 was renewed, 4 began; what 2 was in between is over");
    let gone = shared.read(|store| store.lookup(V4Key::new([10, 0, 0, 1].into())).map(|binding| binding.state()));
    assert_eq!(gone, Some(State::Available), "nobody knows how it ended");
}

#[test]
fn a_history_is_vouched_for_if_the_file_repeats_what_a_crash_took() {
    for (unclean, cleaned, kept) in [(true, false, true), (true, true, false), (false, true, true)] {
        let mut kea = Kea::new();
        kea.lease(1, 1);
        let shared = shared();
        follower(&kea, &shared).step().expect("readable");
        // A crash takes this lease, of which requestors were told, and a cleanup its end.
        kea.lease(2, 2);
        kea.lease(2, 0);
        if cleaned {
            kea.rotate();
            kea.clean_up(3);
        }
        if unclean {
            shared.set_unclean();
        }
        shared.write(|store| store.advance(store.now().plus(BACK)));
        let floor = shared.read(Store::history_floor);
        follower(&kea, &shared).step().expect("readable");
        assert_eq!(active(&shared), kea.leases);
        assert_eq!(shared.read(Store::history_floor) == floor, kept, "unclean: {unclean}, cleaned: {cleaned}");
    }
}

/// A wrong clock ends leases and then forgets them. They are still in the file.
#[test]
fn when_the_clock_is_set_back_all_is_read_again() {
    let mut kea = Kea::new();
    for address in 1..=3 {
        kea.lease(address, address);
    }
    let shared = shared();
    let wrong_clock = || {
        shared.write(|store| {
            let now = store.now();
            for days in [2, 4] {
                store.advance(now.plus(days * 86_400));
            }
            assert_eq!(store.counts().bindings, 0, "expired, and forgotten after a day");
        });
        // And now it is right again.
        shared.write(|_| ());
        assert_eq!(active(&shared), BTreeMap::new());
    };
    let is_known = || shared.read(Store::is_known);
    shared.write(|store| store.await_source(SOURCE, "it has not been read"));
    let mut running = follower(&kea, &shared);
    settle(&mut running);
    running.cover(None, false);
    assert!(is_known());
    wrong_clock();
    assert!(!is_known(), "what was forgotten may be leased");
    running.cover(None, false);
    assert!(!is_known(), "it has not been read since");
    settle(&mut running);
    running.cover(None, false);
    assert!(is_known());
    assert_eq!(active(&shared), kea.leases);
    let before = revision(&shared);
    settle(&mut running);
    assert_eq!(commits(&shared, before), 0, "once is enough");
    // A run that begins after the clock was set back does not go on where the last one stopped.
    wrong_clock();
    settle(&mut follower(&kea, &shared));
    assert_eq!(active(&shared), kea.leases);
}

#[test]
fn a_row_counts_once_it_is_whole() {
    let mut kea = Kea::new();
    let shared = shared();
    let mut follower = follower(&kea, &shared);
    follower.step().expect("readable");
    let row = kea.row(1, 1);
    for piece in row.as_bytes().chunks(7) {
        assert_eq!(active(&shared), BTreeMap::new());
        kea.file.write_all(piece).expect("room");
        follower.step().expect("readable");
    }
    kea.note(1, 1);
    assert_eq!(active(&shared), kea.leases);
}

#[test]
fn a_row_glued_to_a_torn_one_is_parted_from_it() {
    let whole = Kea::new().row(1, 1);
    for cut in 1..whole.len() {
        let mut kea = Kea::new();
        let shared = shared();
        let mut follower = follower(&kea, &shared);
        let (torn, glued) = (kea.row(1, 1), kea.row(2, 2));
        kea.write(&torn[..cut]);
        follower.step().expect("readable");
        follower.step().expect("readable");
        kea.write(&glued);
        kea.note(2, 2);
        if cut == torn.len() - 1 {
            // Nothing but its newline is missing, as when Kea is killed after the first of two writes.
            kea.note(1, 1);
        }
        follower.step().expect("readable");
        assert_eq!(active(&shared), kea.leases, "cut at {cut}: {}", &torn[..cut]);
        assert_eq!(follower.status().get().broken, u64::from(cut < torn.len() - 1));
    }
}

#[test]
fn a_row_seen_while_it_is_written_is_not_cut_there() {
    // What is behind the first digit of the address would be a row too.
    let mut kea = Kea::new();
    let shared = shared();
    let mut follower = follower(&kea, &shared);
    follower.step().expect("readable");
    follower.settled = SETTLED;
    let row = kea.row(1, 1);
    kea.write(&row[..1]);
    follower.step().expect("readable");
    kea.write(&row[1..]);
    kea.note(1, 1);
    follower.step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
    // But where only that makes sense of a line.
    let (torn, glued) = (kea.row(3, 3), kea.row(2, 2));
    kea.write(&torn[..30]);
    follower.step().expect("readable");
    kea.write(&glued);
    kea.note(2, 2);
    follower.step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
}

#[test]
fn the_end_of_a_rotated_file_is_read_as_kea_reads_it() {
    for (missing, taken) in [(1, true), (2, false), (20, false)] {
        let mut kea = Kea::new();
        let shared = shared();
        let mut following = follower(&kea, &shared);
        following.step().expect("readable");
        let row = kea.row(1, 1);
        kea.write(&row[..row.len() - missing]);
        if taken {
            kea.note(1, 1);
        }
        kea.rotate();
        kea.lease(2, 2);
        following.step().expect("readable");
        assert_eq!(active(&shared), kea.leases, "{missing} octets are missing");
        // The same goes for who comes later.
        let late = self::shared();
        follower(&kea, &late).step().expect("readable");
        assert_eq!(active(&late), kea.leases, "{missing} octets are missing");
    }
}

#[test]
fn a_broken_row_costs_itself_only() {
    let mut kea = Kea::new();
    kea.lease(1, 1);
    kea.write("10.0.0.2,zz,,60,1,1,0,0,,0,\n\nrubbish\n10.0.0.3\n");
    kea.lease(4, 4);
    let shared = shared();
    let mut follower = follower(&kea, &shared);
    follower.step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
    let status = follower.status().get();
    assert_eq!((status.rows, status.broken), (2, 4));
    // And while it is followed.
    kea.write("10.0.0.2,zz,,60,1,1,0,0,,0,\n");
    let context = "{ \"ISC\": { \"relay-agent-info\": \"0x01\" } }";
    kea.write(&format!("10.0.0.5,02,,3600,{},1,0,0,,0,{context}\n", kea.expire));
    follower.step().expect("readable");
    let status = follower.status().get();
    assert_eq!((status.rows, status.broken, status.unreadable_relays, status.behind), (3, 5, 1, 0));
}

#[test]
fn a_line_without_end_is_passed_over() {
    for loaded in [false, true] {
        let mut kea = Kea::new();
        let shared = shared();
        let mut follower = follower(&kea, &shared);
        if !loaded {
            follower.step().expect("readable");
        }
        kea.lease(1, 1);
        for _ in 0..5 {
            // As a power cut leaves it: space that was never written.
            kea.write(&"\0".repeat(1_000_000));
            if !loaded {
                follower.step().expect("readable");
                assert_eq!(active(&shared), kea.leases);
            }
        }
        kea.write("\n");
        kea.lease(2, 2);
        follower.step().expect("readable");
        assert_eq!(active(&shared), kea.leases);
        kea.lease(3, 3);
        follower.step().expect("readable");
        assert_eq!(active(&shared), kea.leases);
        assert_eq!(follower.status().get().broken, 1);
        assert_eq!(follower.current.as_ref().map(|current| current.line), Some(5));
    }
}

#[test]
fn a_file_of_something_else_changes_nothing() {
    let mut kea = Kea::new();
    let shared = shared();
    kea.lease(1, 1);
    follower(&kea, &shared).step().expect("readable");
    let rows = fs::read(kea.path("")).expect("readable");
    for suffix in ["", ".1", ".2", ".completed"] {
        fs::write(kea.path(suffix), "address,duid,valid_lifetime\n10.0.0.1,1,2\n").expect("room");
        shared.write(|store| store.set_position(SOURCE, Vec::new()));
        let mut follower = follower(&kea, &shared);
        let problem = follower.step().expect_err("no lease file").to_string();
        assert!(problem.contains("column hwaddr is missing"), "{problem}");
        assert_eq!(active(&shared), kea.leases);
        if suffix.is_empty() {
            fs::write(kea.path(""), &rows).expect("room");
        } else {
            fs::remove_file(kea.path(suffix)).expect("removed");
        }
        follower.step().expect("readable again");
        assert_eq!(active(&shared), kea.leases);
    }
}

#[test]
fn a_file_that_was_replaced_or_cut_is_compared_with_what_is_known() {
    let mut kea = Kea::new();
    let shared = shared();
    let mut follower = follower(&kea, &shared);
    kea.lease(1, 1);
    kea.lease(2, 2);
    follower.step().expect("readable");
    fs::write(kea.path(".new"), HEADER.to_owned() + &kea.row(2, 3)).expect("room");
    fs::rename(kea.path(".new"), kea.path("")).expect("renamed");
    settle(&mut follower);
    assert_eq!(active(&shared), BTreeMap::from([(2, 3)]));
    fs::write(kea.path(""), HEADER).expect("room");
    settle(&mut follower);
    assert_eq!(active(&shared), BTreeMap::new());
}

#[test]
fn a_restart_goes_on_where_the_file_was_left_and_notices_if_it_is_another() {
    let mut kea = Kea::new();
    let shared = shared();
    kea.lease(1, 1);
    kea.lease(2, 2);
    follower(&kea, &shared).step().expect("readable");
    let before = revision(&shared);
    kea.lease(3, 3);
    let mut second = follower(&kea, &shared);
    second.step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
    assert_eq!(commits(&shared, before), 1);
    assert_eq!(second.current.as_ref().map(|current| current.line), Some(4), "lines are counted on");
    // While we are away the file is rotated twice.
    kea.lease(1, 0);
    kea.rotate();
    kea.clean_up(3);
    kea.rotate();
    kea.clean_up(3);
    kea.lease(5, 5);
    follower(&kea, &shared).step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
    // Or a power cut has taken back what was written last.
    let mut text = fs::read_to_string(kea.path("")).expect("readable");
    text.truncate(HEADER.len());
    text.push_str(&kea.row(6, 6));
    text.push_str(&kea.row(7, 7));
    fs::write(kea.path(""), text).expect("room");
    kea.leases = BTreeMap::from([(2, 2), (3, 3), (6, 6), (7, 7)]);
    settle(&mut follower(&kea, &shared));
    assert_eq!(active(&shared), kea.leases);
}

#[test]
fn what_was_deleted_before_a_rewrite_does_not_come_back() {
    let mut kea = Kea::new();
    let shared = shared();
    let mut follower = follower(&kea, &shared);
    kea.lease(1, 1);
    kea.lease(2, 2);
    kea.rotate();
    kea.clean_up(3);
    follower.step().expect("readable");
    follower.step().expect("readable");
    kea.lease(1, 0);
    kea.lease(3, 3);
    kea.rewrite();
    kea.lease(4, 4);
    let before = revision(&shared);
    follower.step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
    assert_eq!(commits(&shared, before), 3, "one has gone and two have come");
    kea.lease(5, 5);
    follower.step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
}

#[test]
fn rows_that_came_to_disk_before_their_position_are_not_repeated() {
    let mut kea = Kea::new();
    let shared = shared();
    kea.lease(1, 1);
    follower(&kea, &shared).step().expect("readable");
    let position = shared.read(|store| store.position(SOURCE).map(<[u8]>::to_vec)).expect("there is one");
    kea.lease(1, 0);
    kea.lease(2, 2);
    kea.lease(2, 3);
    follower(&kea, &shared).step().expect("readable");
    let before = revision(&shared);
    shared.write(|store| store.set_position(SOURCE, position));
    follower(&kea, &shared).step().expect("readable");
    assert_eq!(commits(&shared, before), 0);
    assert_eq!(active(&shared), kea.leases);
}

#[test]
fn a_position_is_never_apart_from_the_rows_before_it() {
    let mut kea = Kea::new();
    let shared = shared();
    let mut follower = follower(&kea, &shared);
    follower.step().expect("readable");
    let length = kea.row(10, 1).len() as u64;
    let row = |number: u32| {
        format!("10.0.{}.{},02:00:00:00:00:01,,3600,{},1,0,0,,0,\n", number / 90, 10 + number % 90, kea.expire)
    };
    let rows: String = (0..900).map(row).collect();
    kea.write(&rows);
    std::thread::scope(|scope| {
        let follower = scope.spawn(move || follower.step().expect("readable"));
        let mut seen = Vec::new();
        while !follower.is_finished() {
            shared.read(|store| {
                let position = store.position(SOURCE).and_then(Position::from_bytes).expect("there is one");
                assert_eq!(store.revision().0 * length, position.offset - HEADER.len() as u64);
                seen.push(position.line);
            });
        }
    });
    assert_eq!(revision(&shared).0, 900);
}

#[test]
fn a_source_that_is_gone_ends_nothing() {
    let mut kea = Kea::new();
    let shared = shared();
    let mut following = follower(&kea, &shared);
    kea.lease(1, 1);
    following.step().expect("readable");
    fs::remove_file(kea.path("")).expect("removed");
    following.step().expect("nothing to read");
    assert_eq!(active(&shared), kea.leases);
    assert!(following.absent.is_some());
    // Nor does a restart.
    let mut second = follower(&kea, &shared);
    second.step().expect("nothing to read");
    assert_eq!(active(&shared), kea.leases);
    kea.file = kea.begin(&kea.path(""));
    kea.lease(1, 2);
    for mut follower in [following, second] {
        settle(&mut follower);
        assert_eq!(active(&shared), kea.leases);
        assert!(follower.absent.is_none());
    }
}

#[test]
fn what_kea_left_when_it_died_in_a_rotation_counts() {
    let mut kea = Kea::new();
    let shared = shared();
    kea.lease(1, 1);
    kea.lease(2, 2);
    kea.rotate();
    kea.clean_up(3);
    kea.lease(1, 0);
    fs::rename(kea.path(""), kea.path(".1")).expect("renamed");
    let mut follower = follower(&kea, &shared);
    follower.step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
    kea.file = kea.begin(&kea.path(""));
    kea.lease(3, 3);
    follower.step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
}

#[test]
fn missing_relay_information_is_counted() {
    let mut kea = Kea::new();
    let shared = shared();
    kea.lease(1, 1);
    kea.lease(1, 2);
    kea.lease(2, 2);
    kea.lease(3, 3);
    kea.lease(3, 0);
    kea.write(&format!(
        "10.0.0.4,02,,60,{},1,0,0,,0,{{ \"ISC\": {{ \"relay-agent-info\": \"0x0100\" }} }}\n",
        kea.expire
    ));
    kea.write("10.0.0.5,02,,60,1700000000,1,0,0,,0,\n");
    let mut follower = follower(&kea, &shared);
    follower.step().expect("readable");
    let status = follower.status().get();
    assert_eq!((status.leases, status.without_relay), (3, 2), "of those that are in force");
    assert_eq!((status.full_reads, status.rows), (1, 5), "superseded rows are not read");
}

#[test]
fn it_runs_until_it_is_told_to_stop() {
    let mut kea = Kea::new();
    let shared = shared();
    let (follower, stop) = (follower(&kea, &shared), std::sync::atomic::AtomicBool::new(false));
    let status = follower.status();
    shared.write(|store| store.await_source(SOURCE, "it has not been read"));
    let eventually = |what: &str, condition: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < Duration::from_secs(20), "{what} did not come true");
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    std::thread::scope(|scope| {
        let stop = &stop;
        let thread = scope.spawn(move || follower.run(&|| stop.load(std::sync::atomic::Ordering::Relaxed)));
        eventually("the first load", &|| shared.read(Store::is_known));
        for round in 0..5 {
            kea.lease(round, round + 1);
            eventually("the lease", &|| active(&shared) == kea.leases);
            kea.rotate();
            eventually("the rotation", &|| status.get().behind == 0);
            kea.clean_up(3);
        }
        fs::rename(kea.path(""), kea.path("-away")).expect("renamed");
        eventually("the report", &|| status.get().problem.is_some());
        assert_eq!(active(&shared), kea.leases);
        fs::rename(kea.path("-away"), kea.path("")).expect("renamed");
        eventually("its end", &|| status.get().problem.is_none());
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        thread.join().expect("it ends");
    });
}

#[test]
fn random_histories_end_as_the_file_says() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut kea = Kea::new();
        let shared = shared();
        let mut follower = follower(&kea, &shared);
        let mut positions = vec![Vec::new()];
        for _ in 0..300 {
            let cleaning = kea.path(".1").exists() || kea.path(".completed").exists();
            match random.u8(..16) {
                0 if !cleaning => kea.rotate(),
                1 | 2 if cleaning => kea.clean_up(random.usize(1..=3)),
                3 => follower.step().expect("readable"),
                4 => follower = self::follower(&kea, &shared),
                5 if random.bool() => {
                    // A crash: what is on disk of the position is older than the rows.
                    let position = positions[random.usize(..positions.len())].clone();
                    shared.write(|store| store.set_position(SOURCE, position));
                    follower = self::follower(&kea, &shared);
                }
                6 if !cleaning && !kea.path(".2").exists() => kea.rewrite(),
                7 => kea.write("10.0.0.99,broken\n"),
                8 => positions.extend(shared.read(|store| store.position(SOURCE).map(<[u8]>::to_vec))),
                _ => {
                    let (address, client) = (random.u8(..20), random.u8(..5));
                    kea.lease(address, client);
                }
            }
        }
        follower.step().expect("readable");
        follower.step().expect("readable");
        assert_eq!(active(&shared), kea.leases, "seed {seed}");
        let before = revision(&shared);
        follower.step().expect("readable");
        assert_eq!(commits(&shared, before), 0, "seed {seed}: nothing is repeated");
        assert!(shared.read(Store::now) > Time(0));
    }
}

#[test]
fn random_histories_with_torn_rows_lose_only_those() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut kea = Kea::new();
        let shared = shared();
        let mut follower = follower(&kea, &shared);
        for _ in 0..200 {
            match random.u8(..10) {
                0 if !kea.path(".1").exists() => {
                    kea.rotate();
                    follower.step().expect("readable");
                    kea.clean_up(3);
                }
                1 => {
                    let row = kea.row(random.u8(..20), random.u8(1..5));
                    kea.write(&row[..random.usize(1..row.len() - 1)]);
                    follower.step().expect("readable");
                    follower.step().expect("readable");
                }
                2 => follower.step().expect("readable"),
                _ => kea.lease(random.u8(..20), random.u8(..5)),
            }
        }
        follower.step().expect("readable");
        follower.step().expect("readable");
        assert_eq!(active(&shared), kea.leases, "seed {seed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_content_of_the_files_makes_it_panic(
        contents in proptest::collection::vec("[0-9.,:\n&#xa-f{}\"]{0,300}", 4),
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        headers in any::<[bool; 4]>(),
    ) {
        let mut kea = Kea::new();
        let shared = shared();
        for ((suffix, content), header) in [".completed", ".2", ".1", ""].iter().zip(&contents).zip(headers) {
            let text = if header { HEADER.to_owned() + content } else { content.clone() };
            fs::write(kea.path(suffix), text).expect("room");
        }
        kea.file = fs::OpenOptions::new().append(true).open(kea.path("")).expect("there");
        let mut follower = follower(&kea, &shared);
        let _ = follower.step();
        kea.file.write_all(&noise).expect("room");
        let _ = follower.step();
        kea.rotate();
        kea.file.write_all(&noise).expect("room");
        let _ = follower.step();
    }
}
