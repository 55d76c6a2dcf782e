//! Somebody who plays Kea.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// What a family's files look like.
pub(super) struct Form {
    pub(super) header: &'static str,
    /// Columns of a row.
    pub(super) columns: usize,
    /// The column with the lifetime.
    pub(super) lifetime: usize,
    /// A row about an address and its client, with lifetime and time of expiry.
    pub(super) row: fn(u8, u8, u32, u64) -> String,
}

/// A lease file and what it means.
pub(super) struct Kea {
    form: Form,
    directory: TempDir,
    pub(super) file: File,
    pub(super) leases: BTreeMap<u8, u8>,
    /// Their rows.
    rows: BTreeMap<u8, String>,
    pub(super) expire: u64,
}

impl Kea {
    pub(super) fn playing(form: Form) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = begin(&form, &directory.path().join("leases.csv"));
        let expire = u64::from(leasequery_live::wall_clock().0) + 100_000;
        Self { form, directory, file, leases: BTreeMap::new(), rows: BTreeMap::new(), expire }
    }

    /// Begins a file anew.
    pub(super) fn begin(&self, path: &Path) -> File {
        begin(&self.form, path)
    }

    pub(super) fn path(&self, suffix: &str) -> PathBuf {
        self.directory.path().join(format!("leases.csv{suffix}"))
    }

    pub(super) fn row(&self, address: u8, client: u8) -> String {
        let lifetime = if client == 0 { 0 } else { 3600 };
        (self.form.row)(address, client, lifetime, self.expire) + "\n"
    }

    pub(super) fn write(&mut self, text: &str) {
        self.file.write_all(text.as_bytes()).expect("room");
    }

    /// Gives an address to a client; client 0 ends the lease.
    pub(super) fn lease(&mut self, address: u8, client: u8) {
        // No two rows are the same: the clock goes on.
        self.expire += 1;
        let row = self.row(address, client);
        self.write(&row);
        self.note(address, client);
        self.rows.insert(address, row);
    }

    pub(super) fn note(&mut self, address: u8, client: u8) {
        if client == 0 {
            self.leases.remove(&address);
        } else {
            self.leases.insert(address, client);
        }
    }

    pub(super) fn rotate(&mut self) {
        fs::rename(self.path(""), self.path(".1")).expect("renamed");
        self.file = self.begin(&self.path(""));
    }

    /// What the lease4-write command does to the file in use.
    pub(super) fn rewrite(&mut self) {
        let rows: String =
            self.leases.keys().filter_map(|address| self.rows.get(address)).map(String::as_str).collect();
        fs::write(self.path(".tmp7"), self.form.header.to_owned() + &rows).expect("room");
        fs::rename(self.path(""), self.path(".bak7")).expect("renamed");
        fs::rename(self.path(".tmp7"), self.path("")).expect("renamed");
        self.file = fs::OpenOptions::new().append(true).open(self.path("")).expect("there");
    }

    /// What kea-lfc does, step by step; `stop_after` leaves it there.
    pub(super) fn clean_up(&self, stop_after: usize) {
        // One that was interrupted is only put in place.
        if !self.path(".completed").exists() {
            let mut rows: BTreeMap<String, String> = BTreeMap::new();
            for suffix in [".2", ".1"] {
                for row in fs::read_to_string(self.path(suffix)).unwrap_or_default().lines().skip(1) {
                    let (columns, address) = (row.split(',').count(), row.split(',').next().unwrap_or_default());
                    if columns == self.form.columns && address.parse::<IpAddr>().is_ok() {
                        rows.insert(address.to_owned(), row.to_owned());
                    }
                }
            }
            rows.retain(|_, row| row.split(',').nth(self.form.lifetime) != Some("0"));
            let text = rows.values().fold(self.form.header.to_owned(), |text, row| text + row + "\n");
            fs::write(self.path(".output"), text).expect("room");
            fs::rename(self.path(".output"), self.path(".completed")).expect("renamed");
        }
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

fn begin(form: &Form, path: &Path) -> File {
    let mut file = File::create(path).expect("a file");
    file.write_all(form.header.as_bytes()).expect("room");
    file
}
