//! The follower of Kea's lease files, while Kea and others do with them whatever they like.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use leasequery_kea::Follower;
use leasequery_live::registry::Registry;
use leasequery_live::{Feed, SharedStore};
use leasequery_store::{Budget, Entry, Selector, Settings, State, Store, V4Key, VpnIndex, VpnRange};
use tempfile::TempDir;

use crate::input::Input;

const HEADER: &str =
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n";
/// What happens in one input, at most.
const EVENTS: usize = 60;
/// Looks after which everything is at rest.
const LOOKS: usize = 8;

/// Runs one input: what happens to the files, and when the follower looks and starts anew.
///
/// In the end, when nothing happens any more, it knows what somebody knows who reads the files for the first time.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut files = Files::new();
    let shared = store();
    let mut follower = files.follower(&shared);
    for _ in 0..EVENTS {
        if input.is_empty() {
            break;
        }
        match input.u8() % 16 {
            0..=3 => files.append(&mut input),
            4 => files.rotate(),
            5 => files.clean_up(),
            6 => files.append_half(&mut input),
            7 => files.write_over(&mut input),
            8 => files.cut(&mut input),
            9 => files.edit(&mut input),
            10 => files.write_over_past(&mut input),
            11 => files.replace(&mut input),
            12 => follower = files.follower(&shared),
            _ => drop(follower.look(std::mem::take(&mut files.closed))),
        }
    }
    files.finish();
    let (late, mut first) = (store(), None);
    for follower in [&mut follower, first.insert(files.follower(&late))] {
        for _ in 0..LOOKS {
            drop(follower.look(std::mem::take(&mut files.closed)));
        }
    }
    let reads = first.is_some_and(|follower| follower.status().get().full_reads > 0);
    if reads {
        assert_eq!(active(&shared), active(&late));
        let before = shared.read(Store::revision);
        for _ in 0..LOOKS {
            assert!(follower.look(false).is_ok());
        }
        assert_eq!(shared.read(Store::revision), before, "nothing is repeated");
    }
}

/// Inputs to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    vec![
        // Leases, looks, a rotation and its cleanup.
        vec![0, 1, 1, 0, 2, 2, 13, 0, 3, 3, 4, 0, 1, 0, 13, 5, 13, 5, 13, 5, 13, 0, 4, 4],
        // Written over, cut, edited.
        vec![0, 1, 1, 0, 2, 2, 13, 7, 3, 1, 2, 3, 13, 13, 8, 40, 13, 9, 60, 7, 13, 13, 13],
        // The files before the current one.
        vec![0, 1, 1, 0, 2, 2, 4, 5, 5, 5, 13, 13, 10, 1, 2, 1, 5, 2, 6, 13, 13, 13, 12, 13],
        // Another file in its place, half a row, restarts.
        vec![0, 1, 1, 13, 11, 2, 3, 3, 4, 4, 13, 13, 6, 5, 5, 30, 13, 13, 0, 6, 6, 12, 13],
    ]
}

/// The files, and Kea, which has the current one open.
struct Files {
    directory: TempDir,
    kea: File,
    /// Seconds by which no two rows are the same, and no two times that somebody sets.
    clock: u64,
    /// Somebody who wrote into the current file has closed it.
    closed: bool,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let kea = begin(&directory.path().join("leases.csv"));
        Self { directory, kea, clock: 0, closed: false }
    }

    fn path(&self, suffix: &str) -> PathBuf {
        self.directory.path().join(format!("leases.csv{suffix}"))
    }

    fn follower(&self, shared: &Arc<SharedStore<V4Key>>) -> Follower {
        let feed = Feed::open(&Registry::default(), "kea", shared).expect("room");
        let follower = Follower::new(self.path(""), None, VpnIndex::DEFAULT, feed);
        follower.hasty()
    }

    /// A row about one of few addresses.
    fn row(&mut self, input: &mut Input<'_>) -> String {
        self.clock += 1;
        let (address, client, expire) = (input.below(12), input.below(5), 4_000_000_000 + self.clock);
        let lifetime = if client == 0 { 0 } else { 3600 };
        format!("10.0.0.{address},02:00:00:00:00:{client:02x},,{lifetime},{expire},1,0,0,,0,\n")
    }

    fn rows(&mut self, input: &mut Input<'_>) -> String {
        let rows = input.below(6);
        (0..rows).fold(HEADER.to_owned(), |text, _| text + &self.row(input))
    }

    /// Kea goes to the end of its file, whatever that has become, and writes. It begins a line: what becomes of a row that is
    /// glued to half a one depends on who saw it.
    fn append(&mut self, input: &mut Input<'_>) {
        let row = self.row(input);
        self.write(&row);
    }

    /// The other half never comes.
    fn append_half(&mut self, input: &mut Input<'_>) {
        let row = self.row(input);
        self.write(&row[..input.below(row.len())]);
    }

    fn write(&mut self, text: &str) {
        let end = self.kea.seek(SeekFrom::End(0)).expect("its end");
        let mut last = *b"\n";
        if end > 0 {
            self.kea.read_exact_at(&mut last, end - 1).expect("it is there");
        }
        let newline = if last == *b"\n" { "" } else { "\n" };
        self.kea.write_all((newline.to_owned() + text).as_bytes()).expect("room");
    }

    fn is_cleaning(&self) -> bool {
        self.path(".1").exists() || self.path(".completed").exists()
    }

    fn rotate(&mut self) {
        if !self.is_cleaning() {
            fs::rename(self.path(""), self.path(".1")).expect("renamed");
            self.kea = begin(&self.path(""));
        }
    }

    /// The next step of a cleanup.
    fn clean_up(&mut self) {
        let [completed, second, first] = [".completed", ".2", ".1"].map(|suffix| self.path(suffix));
        if completed.exists() {
            if second.exists() {
                fs::remove_file(second).expect("removed");
            } else if first.exists() {
                fs::remove_file(first).expect("removed");
            } else {
                fs::rename(completed, second).expect("renamed");
            }
        } else if first.exists() {
            let mut rows = BTreeMap::new();
            for file in [&second, &first] {
                let text = fs::read(file).unwrap_or_default();
                for row in String::from_utf8_lossy(&text).lines().skip(1).filter(|row| row.split(',').count() == 11) {
                    rows.insert(row.split(',').next().unwrap_or_default().to_owned(), row.to_owned());
                }
            }
            rows.retain(|_, row| row.split(',').nth(3) != Some("0"));
            let text = rows.values().fold(HEADER.to_owned(), |text, row| text + row + "\n");
            fs::write(self.path(".output"), text).expect("room");
            fs::rename(self.path(".output"), completed).expect("renamed");
        }
    }

    /// Somebody who is not Kea has written: it has a time of its own, as the clock of files is a coarse one.
    fn touch(&mut self, file: &File) {
        self.clock += 1;
        file.set_modified(UNIX_EPOCH + Duration::from_secs(self.clock)).expect("possible");
    }

    fn write_over(&mut self, input: &mut Input<'_>) {
        let text = self.rows(input);
        let file = OpenOptions::new().write(true).truncate(true).open(self.path("")).expect("there");
        file.write_all_at(text.as_bytes(), 0).expect("room");
        self.touch(&file);
        self.closed = true;
    }

    fn cut(&mut self, input: &mut Input<'_>) {
        let file = OpenOptions::new().write(true).open(self.path("")).expect("there");
        let length = file.metadata().expect("there").len();
        file.set_len(u64::from(input.u16()) % (length + 1)).expect("cut");
        self.touch(&file);
        self.closed = true;
    }

    /// Changes a client's last digit, or whatever else is there.
    fn edit(&mut self, input: &mut Input<'_>) {
        let file = OpenOptions::new().write(true).open(self.path("")).expect("there");
        let length = file.metadata().expect("there").len();
        if length > HEADER.len() as u64 {
            let place = HEADER.len() as u64 + u64::from(input.u16()) % (length - HEADER.len() as u64);
            file.write_all_at(&[b'0' + input.u8() % 10], place).expect("room");
        }
        self.touch(&file);
        self.closed = true;
    }

    fn write_over_past(&mut self, input: &mut Input<'_>) {
        let path = self.path([".1", ".2", ".completed"][input.below(3)]);
        let text = self.rows(input);
        if let Ok(file) = OpenOptions::new().write(true).truncate(true).open(path) {
            file.write_all_at(text.as_bytes(), 0).expect("room");
            self.touch(&file);
        }
    }

    /// Puts another file in the place of the current one. Kea does not notice, and is started anew.
    fn replace(&mut self, input: &mut Input<'_>) {
        let text = self.rows(input);
        fs::write(self.path(".new"), text).expect("room");
        fs::rename(self.path(".new"), self.path("")).expect("renamed");
        self.kea = OpenOptions::new().read(true).write(true).open(self.path("")).expect("there");
    }

    /// Nothing is left in the middle.
    fn finish(&mut self) {
        self.write("");
    }
}

fn begin(path: &std::path::Path) -> File {
    let options = || OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
    let mut file = options().expect("a file");
    file.write_all(HEADER.as_bytes()).expect("room");
    file
}

fn store() -> Arc<SharedStore<V4Key>> {
    let mut store = Store::new(Settings::default());
    store.source("kea");
    Arc::new(SharedStore::new(store))
}

/// Addresses of the active leases and their clients.
fn active(shared: &SharedStore<V4Key>) -> BTreeMap<std::net::Ipv4Addr, Vec<u8>> {
    shared.read(|store| {
        let budget = Budget::unlimited();
        let bound = store.scan(Selector::All, VpnRange::All, None, &budget).filter_map(|entry| match entry {
            Entry::Bound(binding) if binding.state() == State::Active => Some(binding),
            _ => None,
        });
        bound
            .map(|binding| (binding.key().address, binding.hardware().map(|hardware| hardware.address.to_vec())))
            .map(|(address, client)| (address, client.unwrap_or_default()))
            .collect()
    })
}
