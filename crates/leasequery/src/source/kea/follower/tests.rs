//! The follower against a writer that plays Kea: appends, rotates, cleans up, dies.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;

use leasequery_store::{Entry, Revision, Selector, Settings, State, Store, Time, V4Key, VpnRange};
use tempfile::TempDir;

use super::*;

const HEADER: &str =
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n";
const SOURCE: SourceId = SourceId(0);

/// A lease file and what it means.
struct Kea {
    directory: TempDir,
    file: File,
    leases: BTreeMap<u8, u8>,
    expire: u64,
}

impl Kea {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = Self::begin(&directory.path().join("leases.csv"));
        let expire = u64::from(crate::requestor::wall_clock().0) + 100_000;
        Self { directory, file, leases: BTreeMap::new(), expire }
    }

    fn begin(path: &Path) -> File {
        let mut file = File::create(path).expect("a file");
        file.write_all(HEADER.as_bytes()).expect("room");
        file
    }

    fn path(&self, suffix: &str) -> PathBuf {
        self.directory.path().join(format!("leases.csv{suffix}"))
    }

    fn row(&self, address: u8, client: u8) -> String {
        let lifetime = if client == 0 { 0 } else { 3600 };
        format!("10.0.0.{address},02:00:00:00:00:{client:02x},,{lifetime},{},1,0,0,,0,\n", self.expire)
    }

    fn write(&mut self, text: &str) {
        self.file.write_all(text.as_bytes()).expect("room");
    }

    /// Gives an address to a client; client 0 ends the lease.
    fn lease(&mut self, address: u8, client: u8) {
        let row = self.row(address, client);
        self.write(&row);
        self.note(address, client);
    }

    fn note(&mut self, address: u8, client: u8) {
        if client == 0 {
            self.leases.remove(&address);
        } else {
            self.leases.insert(address, client);
        }
    }

    fn rotate(&mut self) {
        fs::rename(self.path(""), self.path(".1")).expect("renamed");
        self.file = Self::begin(&self.path(""));
    }

    /// What kea-lfc does, step by step; `stop_after` leaves it there.
    fn clean_up(&self, stop_after: usize) {
        let mut rows: BTreeMap<String, String> = BTreeMap::new();
        for suffix in [".2", ".1"] {
            for row in fs::read_to_string(self.path(suffix)).unwrap_or_default().lines().skip(1) {
                rows.insert(row.split(',').next().unwrap_or_default().to_owned(), row.to_owned());
            }
        }
        rows.retain(|_, row| row.split(',').nth(3) != Some("0"));
        let rows: Vec<&str> = rows.values().map(String::as_str).collect();
        let text = HEADER.to_owned()
            + &rows.join(
                "
",
            )
            + if rows.is_empty() {
                ""
            } else {
                "
"
            };
        fs::write(self.path(".output"), text).expect("room");
        fs::rename(self.path(".output"), self.path(".completed")).expect("renamed");
        if stop_after == 1 {
            return;
        }
        let _ = fs::remove_file(self.path(".2"));
        let _ = fs::remove_file(self.path(".1"));
        if stop_after == 2 {
            return;
        }
        fs::rename(self.path(".completed"), self.path(".2")).expect("renamed");
    }
}

fn shared() -> Arc<SharedStore> {
    let mut store = Store::new(Settings::default());
    store.source("kea");
    Arc::new(SharedStore::new(store))
}

fn follower(kea: &Kea, shared: &Arc<SharedStore>) -> Follower {
    Follower::new(kea.path(""), None, SOURCE, VpnIndex::DEFAULT, Arc::clone(shared))
}

/// Addresses and clients of the active leases.
fn active(shared: &SharedStore) -> BTreeMap<u8, u8> {
    shared.read(|store| {
        let bound = store.scan(Selector::All, VpnRange::All, None).filter_map(|entry| match entry {
            Entry::Bound(binding) if binding.state() == State::Active => Some(binding),
            _ => None,
        });
        bound.map(|b| (b.key().address.octets()[3], b.hardware().map_or(0, |hardware| hardware.address[5]))).collect()
    })
}

fn revision(shared: &SharedStore) -> Revision {
    shared.read(Store::revision)
}

fn commits(shared: &SharedStore, since: Revision) -> u64 {
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
    assert_eq!(commits(&shared, before), 2, "1 ended and 4 began; what 2 was in between was over when it was read");
    let gone = shared.read(|store| store.lookup(V4Key::new([10, 0, 0, 1].into())).map(|binding| binding.state()));
    assert_eq!(gone, Some(State::Available), "nobody knows how it ended");
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
        kea.write(&glued);
        kea.note(2, 2);
        // What was cut within its last columns reads as a narrower row, as another version of Kea would write it.
        if torn[..cut].matches(',').count() >= 8 {
            kea.note(1, 1);
        }
        follower.step().expect("readable");
        assert_eq!(active(&shared), kea.leases, "cut at {cut}: {}", &torn[..cut]);
    }
}

#[test]
fn a_broken_row_costs_itself_only() {
    let mut kea = Kea::new();
    kea.lease(1, 1);
    kea.write("10.0.0.2,zz,,60,1,1,0,0,,0,\n\nrubbish\n10.0.0.3\n");
    kea.lease(4, 4);
    let shared = shared();
    follower(&kea, &shared).step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
}

#[test]
fn a_file_that_was_replaced_or_cut_is_compared_with_what_is_known() {
    let mut kea = Kea::new();
    let shared = shared();
    let mut follower = follower(&kea, &shared);
    kea.lease(1, 1);
    kea.lease(2, 2);
    follower.step().expect("readable");
    // As the lease4-write command does it.
    fs::write(kea.path(".tmp7"), HEADER.to_owned() + &kea.row(2, 3)).expect("room");
    fs::rename(kea.path(""), kea.path(".bak7")).expect("renamed");
    fs::rename(kea.path(".tmp7"), kea.path("")).expect("renamed");
    follower.step().expect("readable");
    assert_eq!(active(&shared), BTreeMap::from([(2, 3)]));
    fs::write(kea.path(""), HEADER).expect("room");
    follower.step().expect("readable");
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
    follower(&kea, &shared).step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
}

#[test]
fn a_source_that_is_gone_ends_nothing() {
    let mut kea = Kea::new();
    let shared = shared();
    let mut follower = follower(&kea, &shared);
    kea.lease(1, 1);
    follower.step().expect("readable");
    fs::remove_file(kea.path("")).expect("removed");
    follower.step().expect("nothing to read");
    assert_eq!(active(&shared), kea.leases);
    kea.file = Kea::begin(&kea.path(""));
    kea.lease(1, 2);
    follower.step().expect("readable");
    follower.step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
}

#[test]
fn random_histories_end_as_the_file_says() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut kea = Kea::new();
        let shared = shared();
        let mut follower = follower(&kea, &shared);
        for _ in 0..200 {
            match random.u8(..12) {
                0 => {
                    if !kea.path(".1").exists() && !kea.path(".completed").exists() {
                        kea.rotate();
                    }
                }
                1 => {
                    if kea.path(".1").exists() || kea.path(".completed").exists() {
                        kea.clean_up(3);
                    }
                }
                2 => follower.step().expect("readable"),
                3 => follower = self::follower(&kea, &shared),
                _ => {
                    let (address, client) = (random.u8(..20), random.u8(..5));
                    kea.lease(address, client);
                }
            }
        }
        follower.step().expect("readable");
        follower.step().expect("readable");
        assert_eq!(active(&shared), kea.leases, "seed {seed}");
        assert!(shared.read(Store::now) > Time(0));
    }
}
