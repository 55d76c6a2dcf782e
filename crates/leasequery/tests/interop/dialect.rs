//! Kea's configuration and lease files, as Kea itself reads them.
//!
//! `tests/kea-config` of leasequery-kea has configurations that cover Kea's grammar: those that Kea takes (`.conf`), those that it refuses
//! (`.refused`), and what they include. Kea has to say the same (`-t`), and what is in them (`config-get`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use leasequery_kea::columns::Header;
use leasequery_kea::mapping::Batch;
use leasequery_kea::{Config, v4, v6};
use leasequery_store::{Budget, Entry, Selector, Settings, State, Store, Time, V4Key, V6Key, VpnIndex, VpnRange};
use serde_json::{Value, json};

use super::family::Family;
use super::tool;

/// The configurations that Kea takes are taken, and mean the same. What Kea refuses does no harm.
pub(crate) fn configurations(family: Family) {
    let work = tempfile::tempdir().expect("a directory");
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../leasequery-kea/tests/kea-config").join(family.name());
    for file in files(&corpus) {
        std::fs::copy(&file, work.path().join(file.file_name().expect("a name"))).expect("room");
    }
    for file in with_end(work.path(), "refused") {
        assert!(!is_taken_by_kea(family, work.path(), &file), "{} is taken by this Kea", file.display());
        let _ = (v4::KeaConfig::load(&file), v6::KeaConfig::load(&file));
    }
    for file in with_end(work.path(), "conf") {
        assert!(is_taken_by_kea(family, work.path(), &file), "{} is refused by this Kea", file.display());
        let kea = Running::start(family, work.path(), &file);
        let answer = work.path().join("answer.json");
        std::fs::write(&answer, arguments(&kea.ask("config-get"))).expect("room");
        match family {
            Family::V4 => {
                let (ours, theirs): (v4::KeaConfig, v4::KeaConfig) = load(&file, &answer);
                let ranges = |config: &v4::KeaConfig| {
                    let mut ranges = config.ranges().to_vec();
                    ranges.sort_unstable();
                    ranges
                };
                assert_eq!(ranges(&ours), ranges(&theirs), "{}", file.display());
                for subnet in (0..20).chain([u32::MAX - 1]) {
                    for lifetime in [60, 300, 3600, 86_400, u32::MAX] {
                        let (ours, theirs) = (ours.timers(subnet, lifetime), theirs.timers(subnet, lifetime));
                        assert_eq!(ours, theirs, "{}: subnet {subnet}, {lifetime} s", file.display());
                    }
                }
                assert_eq!(ours.without_extended_info(), theirs.without_extended_info(), "{}", file.display());
            }
            Family::V6 => {
                let (ours, theirs): (v6::KeaConfig, v6::KeaConfig) = load(&file, &answer);
                assert_eq!(ours.links(), theirs.links(), "{}", file.display());
                for subnet in 0..20 {
                    assert_eq!(ours.link_of(subnet), theirs.link_of(subnet), "{}", file.display());
                }
                assert_eq!(ours.without_extended_info(), theirs.without_extended_info(), "{}", file.display());
            }
        }
    }
}

fn load<F: leasequery_kea::Family>(file: &Path, answer: &Path) -> (Config<F>, Config<F>) {
    let ours = Config::load(file).unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!(ours.warnings(), &[] as &[String], "{}", file.display());
    (ours, Config::load(answer).expect("what Kea says"))
}

/// The rows that Kea takes are taken, with the same client, lifetime and state.
pub(crate) fn rows(family: Family) {
    let work = tempfile::tempdir().expect("a directory");
    let (header, rows) = match family {
        Family::V4 => (V4_HEADER, v4_rows()),
        Family::V6 => (V6_HEADER, v6_rows()),
    };
    let text: String =
        [header].into_iter().chain(rows.iter().map(String::as_str)).map(|line| line.to_owned() + "\n").collect();
    let leases = work.path().join("leases.csv");
    std::fs::write(&leases, &text).expect("room");
    let (scope, own) = match family {
        Family::V4 => ("Dhcp4", json!({})),
        Family::V6 => (
            "Dhcp6",
            json!({ "server-id": { "type": "LL", "htype": 1, "identifier": "020000000001", "persist": false } }),
        ),
    };
    let mut config = json!({ scope: {
        "control-socket": { "socket-type": "unix", "socket-name": "kea.sock" },
        "interfaces-config": { "interfaces": [] },
        "lease-database": { "type": "memfile", "name": leases, "lfc-interval": 0 },
        "hooks-libraries": [ { "library": hook("libdhcp_lease_cmds.so") } ],
    } });
    if let (Some(config), Some(own)) = (config[scope].as_object_mut(), own.as_object()) {
        config.extend(own.clone());
    }
    let file = work.path().join("kea.conf");
    std::fs::write(&file, config.to_string()).expect("room");
    let kea = Running::start(family, work.path(), &file);
    let command = match family {
        Family::V4 => "lease4-get-all",
        Family::V6 => "lease6-get-all",
    };
    let answer: Value = serde_json::from_str(&kea.ask(command)).expect("JSON");
    let theirs: BTreeMap<String, String> = answer["arguments"]["leases"]
        .as_array()
        .expect("leases")
        .iter()
        .map(|lease| (lease["ip-address"].as_str().expect("an address").to_owned(), theirs(lease)))
        .collect();
    let ours = ours(family, &text);
    for row in &rows {
        let address = row.split(',').next().unwrap_or_default();
        assert_eq!(ours.get(address), theirs.get(address), "{row}");
    }
    assert!(theirs.len() > 10 && theirs.len() < rows.len(), "there are both");
}

const V4_HEADER: &str = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state";
const V6_HEADER: &str = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state";

/// What is in a column that takes numbers, which of them makes a row that is none.
const NUMBERS: [&str; 16] = [
    "-1",
    "-2",
    "",
    "+5",
    "5",
    "007",
    "4294967295",
    "4294967296",
    "-4294967295",
    " 5",
    "5 ",
    "0x5",
    "1.0",
    "1e3",
    "-",
    "+-1",
];

fn v4_rows() -> Vec<String> {
    let long = |octets: usize| vec!["0a"; octets].join(":");
    let identifiers = [
        ("02:00:00:00:00:01", String::new()),
        ("2:0:0:0:0:1", "1:2:0:0:0:0:1".to_owned()),
        ("020000000001", String::new()),
        ("02-00-00-00-00-01", String::new()),
        ("02:00:00:00:00:0g", String::new()),
        ("02:", String::new()),
        ("02::03", String::new()),
        ("2", String::new()),
        ("0A:0b:FF", "FF:aB".to_owned()),
        ("", "01020000000002".to_owned()),
        ("", "1020000000002".to_owned()),
        ("", "0x0102".to_owned()),
        ("", "0X0102".to_owned()),
        ("", "01 02 3".to_owned()),
        ("", "01 02:03".to_owned()),
        ("", "01-02".to_owned()),
        ("", "1".to_owned()),
        ("", String::new()),
        (&*long(20), "ff:00:01".to_owned()),
        (&*long(21), "ff:00:01".to_owned()),
        (&*long(17), String::new()),
    ]
    .map(|(mac, client_id)| (mac.to_owned(), client_id));
    let mut rows = Vec::new();
    for (number, (mac, client_id)) in identifiers.iter().enumerate() {
        rows.push(format!("10.0.0.{number},{mac},{client_id},4294967295,6091054095,1,0,0,,0"));
    }
    for (column, place) in [(3, 1), (4, 2), (5, 3), (6, 4), (7, 5)] {
        for (number, text) in NUMBERS.iter().enumerate() {
            let mut fields = [
                &format!("10.0.{place}.{number}"),
                "02:00:00:00:00:01",
                "",
                "-1",
                "6091054095",
                "1",
                "0",
                "0",
                "h",
                "0",
            ];
            fields[column] = text;
            rows.push(fields.join(","));
        }
    }
    // Narrower than the header, wider, and without anybody.
    rows.extend(
        [
            "10.0.9.1,02:00:00:00:00:01,,-1,6091054095,1,0,0,h,0,{ \"a\": 1 }",
            "10.0.9.2,02:00:00:00:00:01,,-1,6091054095,1,0,0,h,0,,7",
            "10.0.9.3,,,-1,6091054095,1,0,0,h,1",
            "10.0.9.4,,,-1,6091054095,1,0,0,h,2",
            "10.0.9.5,02:00:00:00:00:01,,0,6091054095,1,0,0,h,0",
            "10.0.9,02:00:00:00:00:01,,-1,6091054095,1,0,0,h,0",
            "010.0.9.6,02:00:00:00:00:01,,-1,6091054095,1,0,0,h,0",
        ]
        .map(str::to_owned),
    );
    rows
}

fn v6_rows() -> Vec<String> {
    let mut rows = Vec::new();
    for (number, duid) in
        ["00:03:00:01:02", "0003000102", "3000102", "3:1:2", "0x000301", "00 03 1", "00:03:", "zz", ""]
            .iter()
            .enumerate()
    {
        rows.push(format!("2001:db8::{:x},{duid},-1,6091054095,1,-1,0,1,128,0,0,,,0", number + 1));
    }
    for (column, place) in [(2, 1), (3, 2), (4, 3), (5, 4), (7, 6), (8, 7), (9, 8)] {
        for (number, text) in NUMBERS.iter().enumerate() {
            let address = format!("2001:db8:{place}::{:x}", number + 1);
            let mut fields =
                [&*address, "00:03:00:01:02", "-1", "6091054095", "1", "-1", "0", "1", "128", "0", "0", "", "", "0"];
            fields[column] = text;
            rows.push(fields.join(","));
        }
    }
    for (number, own) in [
        "020000000001,0",
        "zz,0",
        "02:,0",
        "2:0:0:0:0:1,0",
        "02:00:00:00:00:01,0,{ \"a\": 1 },32,1",
        "02:00:00:00:00:01,0,,70000,1",
        "02,0,,x,1",
        "02,0,,1,x",
        "02,0,,,",
    ]
    .iter()
    .enumerate()
    {
        rows.push(format!(
            "2001:db8:9::{:x},00:03:00:01:02,-1,6091054095,1,-1,0,-1716864052,128,0,0,,{own}",
            number + 1
        ));
    }
    rows.push("2001:db8:a::1,00,-1,6091054095,1,-1,0,1,128,0,0,,,1".to_owned());
    rows
}

/// The client of a lease that Kea has, and whether it is assigned.
fn theirs(lease: &Value) -> String {
    let text = |name: &str| lease[name].as_str().unwrap_or_default().replace(':', "");
    let mac = text("hw-address");
    // One of DHCPv6 is told of as an option, and one that has no room is not told.
    let mac = if mac.len() > 32 { String::new() } else { mac };
    let client = if lease["duid"].is_null() { text("client-id") } else { text("duid") };
    let client = if client == "00" { String::new() } else { client };
    format!("{mac} {client} {}", if lease["state"] == 0 { "assigned" } else { "declined" })
}

/// The same of what is made of the file.
fn ours(family: Family, text: &str) -> BTreeMap<String, String> {
    let hex = |octets: &[u8]| {
        octets.iter().fold(String::new(), |mut hex, octet| {
            write!(hex, "{octet:02x}").expect("a string takes it");
            hex
        })
    };
    let state = |state: State| if state == State::Abandoned { "declined" } else { "assigned" };
    let settings = Settings { history: u32::MAX, ..Settings::default() };
    let mut found = BTreeMap::new();
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default().as_bytes();
    match family {
        Family::V4 => {
            let (header, mut batch) = (Header::<v4::V4>::parse(header).expect("a header"), Batch::default());
            let mut store = Store::<V4Key>::new(settings);
            store.advance(Time(1_790_000_000));
            let source = store.source("kea").expect("a number is free");
            lines.for_each(|line| drop(batch.add(line.as_bytes(), &header)));
            batch.commit(&mut store, source, VpnIndex::DEFAULT, None);
            for entry in store.scan(Selector::All, VpnRange::All, None, &Budget::unlimited()) {
                let Entry::Bound(binding) = entry else { continue };
                let mac = binding.hardware().map(|hardware| hex(hardware.address)).unwrap_or_default();
                let client = binding.client_id().map(hex).unwrap_or_default();
                found.insert(binding.key().address.to_string(), format!("{mac} {client} {}", state(binding.state())));
            }
        }
        Family::V6 => {
            let (header, mut batch) = (Header::<v6::V6>::parse(header).expect("a header"), Batch::default());
            let mut store = Store::<V6Key>::new(settings);
            store.advance(Time(1_790_000_000));
            let source = store.source("kea").expect("a number is free");
            for line in lines {
                if batch.add(line.as_bytes(), &header).is_ok() {
                    let declined = line.split(',').nth(13) == Some("1");
                    let row = batch.last().expect("it was added");
                    if declined {
                        // Nobody is known to have had it, so it is no news.
                        found.insert(row.address.to_string(), "  declined".to_owned());
                    }
                }
            }
            batch.commit(&mut store, source, VpnIndex::DEFAULT, None);
            for entry in store.scan(Selector::All, VpnRange::All, None, &Budget::unlimited()) {
                let Entry::Bound(binding) = entry else { continue };
                let mac = binding.option(79).map(|option| hex(&option[2..])).unwrap_or_default();
                let client = binding.client_id().map(hex).unwrap_or_default();
                found.insert(binding.key().address().to_string(), format!("{mac} {client} {}", state(binding.state())));
            }
        }
    }
    found
}

/// What Kea answers, as it stands there: some of it is deeper than anybody else reads.
fn arguments(answer: &str) -> &str {
    let begin = "{ \"arguments\": ";
    let end = answer.rfind(", \"result\": ").expect("a result");
    answer[..end].strip_prefix(begin).unwrap_or_else(|| panic!("{answer}"))
}

fn is_taken_by_kea(family: Family, work: &Path, file: &Path) -> bool {
    let mut kea = tool(family.server());
    kea.arg("-t").arg(file).current_dir(work).env("KEA_LOCKFILE_DIR", "none");
    kea.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("Kea starts").success()
}

/// A server of Kea's that serves nobody and answers commands.
struct Running {
    child: Child,
    socket: PathBuf,
}

impl Running {
    fn start(family: Family, work: &Path, file: &Path) -> Self {
        let socket = work.join("kea.sock");
        let _ = std::fs::remove_file(&socket);
        let port = || {
            let socket = UdpSocket::bind((family.loopback(), 0)).expect("a free port");
            socket.local_addr().expect("its address").port().to_string()
        };
        let child = tool(family.server())
            .arg("-c")
            .arg(file)
            .args(["-p", &port(), "-P", &port()])
            .current_dir(work)
            .env("KEA_PIDFILE_DIR", work)
            .env("KEA_LOCKFILE_DIR", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Kea starts");
        let mut running = Self { child, socket };
        let deadline = Instant::now() + Duration::from_mins(1);
        while UnixStream::connect(&running.socket).is_err() {
            let ended = running.child.try_wait().expect("it can be asked");
            assert!(ended.is_none() && Instant::now() < deadline, "Kea does not come up with {}", file.display());
            sleep(Duration::from_millis(10));
        }
        running
    }

    fn ask(&self, command: &str) -> String {
        let mut socket = UnixStream::connect(&self.socket).expect("it listens");
        socket.write_all(json!({ "command": command }).to_string().as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).expect("it answers");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The next one would take it for a server that runs.
        if let Some(directory) = self.socket.parent() {
            for file in with_end(directory, "pid") {
                let _ = std::fs::remove_file(file);
            }
        }
    }
}

/// The files in a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let mut files: Vec<_> =
        entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

fn with_end(directory: &Path, end: &str) -> Vec<PathBuf> {
    let mut files = files(directory);
    files.retain(|file| file.extension().is_some_and(|found| found == end));
    files
}

/// Where the distribution puts Kea's hooks.
fn hook(name: &str) -> PathBuf {
    let places = std::fs::read_dir("/usr/lib").expect("there is one");
    let mut hooks = places.filter_map(Result::ok).map(|place| place.path().join("kea/hooks").join(name));
    hooks.find(|hook| hook.exists()).expect("Kea's hooks are installed with it")
}
