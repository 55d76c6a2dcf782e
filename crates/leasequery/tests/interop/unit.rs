//! The systemd unit as it is shipped, under a real systemd.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use leasequery_testing::pki::Pki;
use tempfile::TempDir;

use super::PATIENCE;
use super::tool;

const DIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dist");
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop");

const LEASES: &str = "/var/lib/kea/kea-leases4.csv";
const HEADER_V6: &str = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,\
                         hostname,hwaddr,state,user_context,hwtype,hwaddr_source";
const HEADER: &str =
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context";
const ASK: &str = "leasequery bulk 127.0.0.1 --tls --ca /srv/ca.pem --cert /srv/me.pem --key /srv/me.key";

/// Tries what the daemon must not be able to do, in its place, and says what it could do.
const PROBE: &str = r#"
for place in / /etc /etc/leasequery /usr/local/bin /var /var/lib /var/lib/kea /var/log /run /root /home /boot; do
  if touch "$place/probe" 2>/dev/null; then echo "wrote $place"; fi
done
for file in /etc/shadow /etc/leasequery/server.key /proc/1/environ; do
  if cat "$file" >/dev/null 2>&1; then echo "read $file"; fi
done
for command in "unshare -U true" "unshare -m true" "mount -t tmpfs tmpfs /mnt" "chown 12345 $STATE_DIRECTORY" \
  "chmod u+s $STATE_DIRECTORY" "hostname probe" "renice -n 5 $$" \
  "python3 -c 'import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)'" \
  "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'" \
  "python3 -c 'import mmap; mmap.mmap(-1, 4096, prot=7)'"; do
  if sh -c "$command" >/dev/null 2>&1; then echo "did $command"; fi
done
touch "$STATE_DIRECTORY/probe" && rm "$STATE_DIRECTORY/probe" && echo "has its state"
"#;

/// A container with the machine's own system in it.
struct Machine {
    nspawn: Child,
    /// Its first process, as it is seen from here.
    init: String,
    _directories: [TempDir; 2],
}

impl Machine {
    /// Boots it, with files added to those of this machine.
    fn boot(files: TempDir) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut nspawn = container(files.path(), directory.path()).spawn().expect("unshare is there");
        let start = Instant::now();
        let init = loop {
            assert!(nspawn.try_wait().expect("it can be asked").is_none(), "no container can be started here");
            assert!(start.elapsed() < PATIENCE, "the container does not start");
            if let Some(init) = first_process(nspawn.id().to_string()) {
                break init;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let machine = Self { nspawn, init, _directories: [files, directory] };
        machine.eventually("systemctl is-active sysinit.target");
        machine
    }

    /// Runs a command line in it.
    fn run(&self, command: &str) -> Output {
        let mut inside = as_root("nsenter");
        let environment = ["env", "-i", "LC_ALL=C", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];
        inside.args(["--target", &self.init, "--all"]).args(environment).args(["sh", "-c", command]);
        inside.output().expect("nsenter is there")
    }

    /// Runs a command line that has to succeed, and gives what it printed.
    fn does(&self, command: &str) -> String {
        let output = self.run(command);
        let log = || String::from_utf8_lossy(&self.run("journalctl -u leasequery").stdout).into_owned();
        assert!(output.status.success(), "{command}: {output:?}\n{}", log());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Repeats a command line until it succeeds.
    fn eventually(&self, command: &str) {
        let start = Instant::now();
        while !self.run(command).status.success() {
            assert!(start.elapsed() < PATIENCE, "{command} does not succeed: {:?}", self.run(command));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A property of the service.
    fn property(&self, name: &str) -> String {
        self.does(&format!("systemctl show --value --property {name} leasequery")).trim().to_owned()
    }

    /// How many addresses with a lease it tells of.
    fn leases(&self) -> usize {
        self.does(ASK).lines().filter(|line| line.contains("\"state\":\"active\"")).count()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // All the others end with it.
        let _ = as_root("kill").args(["-KILL", &self.init]).status();
        let _ = self.nspawn.wait();
    }
}

/// Whether there can be a container here.
pub(crate) fn has_containers() -> bool {
    let [files, directory] = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let trial = container(files.path(), directory.path()).arg("trial").stderr(Stdio::null()).status();
    trial.is_ok_and(|status| status.success())
}

fn container(files: &Path, directory: &Path) -> Command {
    let mut command = as_root("unshare");
    command.args(["--mount", "sh"]).arg(Path::new(HERE).join("machine.sh")).args([files, directory]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A command that needs the rights of root.
fn as_root(name: &str) -> Command {
    if std::fs::metadata("/proc/self").expect("there is /proc").uid() == 0 {
        return tool(name);
    }
    let mut command = Command::new("sudo");
    command.args(["--non-interactive", name]);
    command
}

/// The one among a process and what descends from it that is the first of a container.
fn first_process(mut process: String) -> Option<String> {
    loop {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let ids: Vec<_> = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?.split_whitespace().collect();
        let name = status.lines().find_map(|line| line.strip_prefix("Name:"))?.trim();
        if ids.len() > 1 && ids.last() == Some(&"1") && name == "systemd" {
            return Some(process);
        }
        let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
        children.split_whitespace().next()?.clone_into(&mut process);
    }
}

/// Files of a machine on which everything has been done that `docs/running.md` says.
fn installed(config: &str) -> TempDir {
    let files = tempfile::tempdir().expect("a directory");
    let place = |path: &str| -> PathBuf {
        let path = files.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        path
    };
    let copy = |from: &Path, to: &str| {
        std::fs::copy(from, place(to)).expect("copied");
    };
    copy(Path::new(env!("CARGO_BIN_EXE_leasequery")), "usr/local/bin/leasequery");
    for file in ["leasequery.service", "leasequery.service.d/kea.conf", "leasequery.service.d/tls.conf"] {
        copy(&Path::new(DIST).join(file), &format!("etc/systemd/system/{file}"));
    }
    std::fs::write(place("etc/leasequery/leasequery.toml"), config).expect("written");
    std::fs::write(place("etc/leasequery/probe"), PROBE).expect("written");
    // Waiting for a network that is not there is not what is tested.
    std::os::unix::fs::symlink("/dev/null", place("etc/systemd/system/network-online.target")).expect("a link");

    let pki = Pki::new();
    let (server, me) = (pki.files("server", &["127.0.0.1", "::1"]), pki.files("me", &["bng-1.example.net"]));
    copy(&server.certificate, "etc/leasequery/server.pem");
    copy(&server.key, "etc/leasequery/server.key");
    copy(&server.ca, "etc/leasequery/requestors-ca.pem");
    copy(&me.ca, "srv/ca.pem");
    copy(&me.certificate, "srv/me.pem");
    copy(&me.key, "srv/me.key");
    std::fs::write(place("var/lib/kea/kea-leases4.csv"), format!("{HEADER}\n{}", row(10))).expect("written");
    // As a Kea without a lease leaves it.
    std::fs::write(place("var/lib/kea/kea-leases6.csv"), format!("{HEADER_V6}\n")).expect("written");
    files
}

fn row(last: u8) -> String {
    format!("10.0.0.{last},02:00:00:00:00:{last:02x},,2000000000,3700000000,1,0,0,,0,\n")
}

/// The example, for a machine without any network, and with a listener more.
fn example() -> String {
    let example = std::fs::read_to_string(Path::new(DIST).join("leasequery.toml")).expect("the example");
    let addresses = "addresses         = [\"192.0.2.16/28\", \"2001:db8::10/124\"]";
    assert!(example.contains(addresses));
    let udp = "[[listen]]\nprotocol = \"v4\"\ntransport = \"udp\"\naddress = \"127.0.0.1\"\n";
    format!("{example}\n{udp}")
        .replace(addresses, "addresses = [\"127.0.0.1\", \"::1\"]")
        .replace("\"192.0.2.1\"", "\"127.0.0.1\"")
        .replace("\"2001:db8::1\"", "\"::1\"")
}

pub(crate) fn under_systemd() {
    let machine = Machine::boot(installed(&example()));
    // As Kea 3 leaves its files; Debian's packages made the user.
    machine.does("chown -R _kea:_kea /var/lib/kea && chmod 750 /var/lib/kea && chmod 640 /var/lib/kea/*");
    machine.does("chown -R root:root /etc/leasequery && chmod 600 /etc/leasequery/server.key");
    let said = machine.run("systemd-analyze verify leasequery.service 2>&1").stdout;
    assert_eq!(about_the_unit(&String::from_utf8_lossy(&said)), [""; 0]);

    machine.does("systemctl start leasequery");
    // It serves at once, and knows everything when the lease file, whose owner has just changed, is at rest.
    machine.eventually(ASK);
    assert_eq!(machine.leases(), 1);
    machine.does(&format!("{} --v6", ASK.replace("127.0.0.1", "::1")));
    assert!(machine.does("leasequery query 127.0.0.1 --address 10.0.0.10").contains("\"active\""));
    machine
        .eventually("systemctl show --value --property StatusText leasequery | grep -q '^ready v4-tcp=127.0.0.1:67 '");
    machine.eventually("test $(journalctl -u leasequery | grep -c ' ready v4-tcp=127.0.0.1:67 ') = 1");

    least_privileges(&machine);

    // What Kea writes is seen, and heard of: there is a watch for each file.
    let process = machine.property("MainPID");
    assert_eq!(machine.does(&format!("ls -l /proc/{process}/fd | grep -c anon_inode:inotify")).trim(), "2");
    machine.does(&format!("printf '%s\\n' '{}' >> {LEASES}", row(11).trim_end()));
    machine.eventually(&format!("{ASK} | grep -q 10.0.0.11"));

    let push = |who: &str| {
        let client = "import socket,sys; s = socket.socket(socket.AF_UNIX); s.connect('/run/leasequery/push.sock'); \
                      s.sendall(sys.argv[1].encode()); s.shutdown(1); print(s.recv(1000).decode())";
        let record = r#"{"protocol":"v4","address":"10.0.0.12","state":"active","mac":"02:00:00:00:00:0c","expires":"2090-01-01T00:00:00Z"}"#;
        machine.run(&format!("{who} python3 -c \"{client}\" '{record}'"))
    };
    let output = push("setpriv --reuid=nobody --regid=nogroup --clear-groups");
    assert!(String::from_utf8_lossy(&output.stderr).contains("PermissionError"), "{output:?}");
    let output = push("");
    assert!(String::from_utf8_lossy(&output.stdout).contains("{\"committed\": 1}"), "{output:?}");
    assert_eq!(machine.leases(), 3);

    // A mistake is told, and changes nothing.
    let check = "leasequery serve --config /etc/leasequery/leasequery.toml --check";
    machine.does(check);
    machine.does("cp /etc/leasequery/leasequery.toml /tmp/good && echo nonsense >> /etc/leasequery/leasequery.toml");
    assert_eq!(machine.run(check).status.code(), Some(2));
    machine.does("systemctl reload leasequery");
    machine.eventually("systemctl show --property StatusText leasequery | grep -q 'the old configuration stays: '");
    assert_eq!(machine.leases(), 3);
    machine.does("sed 's/bng-1.example.net/bng-2.example.net/' /tmp/good > /etc/leasequery/leasequery.toml");
    machine.does("systemctl reload leasequery");
    machine.eventually(&format!("! {ASK} 2>/dev/null"));

    machine.does("systemctl stop leasequery");
    assert_eq!((machine.property("Result"), machine.property("ExecMainStatus")), ("success".into(), "0".into()));
    assert_eq!(machine.does("ls -d /run/leasequery 2>/dev/null || echo gone"), "gone\n");
    let state = machine.does("find /var/lib/private/leasequery -printf '%y%m\\n' | sort -u");
    assert_eq!(state, "d700\nf600\n");

    // As another user, perhaps, with what it knew; and with a group that may push.
    machine.does("groupadd --system leasequery-push");
    machine.does(
        "cd /etc/systemd/system/leasequery.service.d && printf '[Service]\\nGroup=leasequery-push\\n' > push.conf",
    );
    machine
        .does("cp /tmp/good /etc/leasequery/leasequery.toml && systemctl daemon-reload && systemctl start leasequery");
    machine.eventually(ASK);
    assert_eq!(machine.leases(), 3);
    let output = push("setpriv --reuid=nobody --regid=leasequery-push --clear-groups");
    assert!(String::from_utf8_lossy(&output.stdout).contains("{\"committed\": 1}"), "{output:?}");

    machine.does("systemctl stop leasequery && echo nonsense >> /etc/leasequery/leasequery.toml");
    assert!(!machine.run("systemctl start leasequery").status.success());
    machine.eventually("journalctl -u leasequery | grep -q 'error: /etc/leasequery/leasequery.toml:[0-9]'");
}

/// What was said about the unit, and not about others, of which every machine has its own.
fn about_the_unit(said: &str) -> Vec<&str> {
    said.lines().filter(|line| line.contains("leasequery")).collect()
}

/// That it has no more than it needs.
fn least_privileges(machine: &Machine) {
    let process = machine.property("MainPID");
    let status = machine.does(&format!("cat /proc/{process}/status"));
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.expect("a field").split_whitespace().next().expect("a value").to_owned()
    };
    // CAP_NET_BIND_SERVICE is the tenth.
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(u64::from_str_radix(&field(set), 16), Ok(1 << 10), "{set}");
    }
    assert_eq!((field("NoNewPrivs").as_str(), field("Seccomp").as_str()), ("1", "2"));
    assert_ne!(field("Uid"), "0");
    assert!(!machine.does(&format!("tr '\\0' '\\n' < /proc/{process}/environ")).contains("PRIVATE KEY"));

    // Outside of it all of that can be done.
    let attempts = machine.does("mkdir /tmp/probe && STATE_DIRECTORY=/tmp/probe sh /etc/leasequery/probe");
    assert_eq!(attempts.lines().count(), 26, "{attempts}");
    // What is run for a reload is in the same place, with the same rights.
    machine.does(
        "mkdir -p /run/systemd/system/leasequery.service.d && cd /run/systemd/system/leasequery.service.d && \
         printf '[Service]\\nExecReload=/bin/sh -c \"sh /etc/leasequery/probe > $STATE_DIRECTORY/said 2>&1\"\\n' > p.conf && \
         systemctl daemon-reload && systemctl reload leasequery && rm p.conf && systemctl daemon-reload",
    );
    let said = machine.does("cat /var/lib/leasequery/said && rm /var/lib/leasequery/said");
    assert_eq!(said, "has its state\n");
}

pub(crate) fn exposure() {
    let mut analyze = tool("systemd-analyze");
    analyze.args(["security", "--offline=true", "--threshold=16", "--no-pager"]);
    let output = analyze.arg(Path::new(DIST).join("leasequery.service")).output().expect("systemd-analyze is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
