//! What the tests of the whole program share: the daemon as a process, and peers that speak the wire by hand.

#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test file takes what it needs")]

pub mod v6;
mod watch;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use leasequery_wire::v4::{
    BOOT_REPLY, BOOT_REQUEST, Header, Message, MessageType, MessageWriter, OptionCode, StatusCode,
};
use leasequery_wire::{Framing, split_frame};
use serde_json::Value;
use tempfile::TempDir;

pub use watch::Watch;

/// How long anything may take before a test fails. It is for what never happens: a machine that has other things to do makes
/// everything late, and nothing wrong.
pub const PATIENCE: Duration = Duration::from_mins(2);

pub const LISTEN: &str = r#"
[[listen]]
protocol = "v4"
transport = "tcp"
address = "127.0.0.1:0"
tls = "off"
"#;

/// One of TCP over which DHCPv6 is spoken.
pub const LISTEN_V6: &str = r#"
[[listen]]
protocol = "v6"
transport = "tcp"
address = "[::1]:0"
tls = "off"
"#;

pub const REQUESTOR: &str = r#"
[[requestor]]
name = "me"
addresses = ["127.0.0.1", "::1"]
"#;

/// A listener that also answers active queries, and a requestor who may send them.
pub fn active(listen: &str) -> String {
    format!("{listen}active = true\n{REQUESTOR}allow = [\"udp\", \"bulk\", \"active\"]\n")
}

/// A listener for single queries.
pub fn listen_udp(protocol: &str, address: &str) -> String {
    format!("[[listen]]\nprotocol = \"{protocol}\"\ntransport = \"udp\"\naddress = \"{address}\"\n")
}

/// A source that follows another server.
pub fn follow(protocol: &str, server: SocketAddr) -> String {
    format!("[[source]]\ntype = \"leasequery\"\nprotocol = \"{protocol}\"\nserver = \"{server}\"\ntls = \"off\"\n")
}

pub const PUSH: &str = r#"
[[source]]
type = "push"
path = "push.sock"
"#;

/// Addresses that nobody reads to the end: sixteen million.
pub const HUGE: &str = r#"
[[network]]
protocol = "v4"
ranges = ["10.0.0.0/8"]
"#;

pub fn network(range: &str) -> String {
    format!("[[network]]\nprotocol = \"v4\"\nranges = [\"{range}\"]\n")
}

pub fn leasequery() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leasequery"));
    // Nothing that happens to be set here.
    for name in ["LOG", "SERVER", "PROFILE", "TLS", "CA", "CERT", "KEY", "SERVER_NAME"] {
        command.env_remove(format!("LEASEQUERY_{name}"));
    }
    command
}

/// An address that nobody listens on.
pub fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address")
}

/// Waits for a condition.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what} did not come true");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `leasequery serve` as a process. It is killed when it is dropped.
pub struct Daemon {
    child: Child,
    pub directory: Arc<TempDir>,
    pub ready: String,
    log: Arc<Mutex<String>>,
    printed: Arc<Mutex<String>>,
}

impl Daemon {
    /// Starts it with a configuration and waits until it is ready.
    pub fn start(config: &str) -> Self {
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        std::fs::write(directory.path().join("leasequery.toml"), config).expect("the configuration is written");
        Self::start_in(directory, leasequery())
    }

    /// The same, and it logs every query that comes.
    pub fn start_in_detail(config: &str) -> Self {
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        std::fs::write(directory.path().join("leasequery.toml"), config).expect("the configuration is written");
        let mut program = leasequery();
        program.env("LEASEQUERY_LOG", "debug");
        Self::start_in(directory, program)
    }

    /// Starts it with what `leasequery.toml` in the directory says, and waits until it is ready.
    pub fn start_in(directory: Arc<TempDir>, program: Command) -> Self {
        let mut daemon = Self::spawn(directory, program);
        eventually("it is ready", || !daemon.printed().is_empty() || !daemon.is_running());
        daemon.ready = daemon.printed();
        assert!(daemon.ready.starts_with("ready"), "{:?}: {}", daemon.ready, daemon.log());
        daemon
    }

    /// Starts it with a configuration and waits until it serves, though there are sources to be waited for.
    pub fn start_waiting(config: &str) -> Self {
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        std::fs::write(directory.path().join("leasequery.toml"), config).expect("the configuration is written");
        Self::start_waiting_in(directory, leasequery())
    }

    /// The same with what is in the directory.
    pub fn start_waiting_in(directory: Arc<TempDir>, program: Command) -> Self {
        let mut daemon = Self::spawn(directory, program);
        let serving = |log: &str| {
            log.lines().find(|line| line.contains(" serving v") || line.contains(" ready v")).map(str::to_owned)
        };
        eventually("it serves", || serving(&daemon.log()).is_some() || !daemon.is_running());
        daemon.ready = serving(&daemon.log()).unwrap_or_else(|| panic!("it does not serve: {}", daemon.log()));
        daemon
    }

    /// What it has printed on standard output.
    pub fn printed(&self) -> String {
        self.printed.lock().expect("not poisoned").clone()
    }

    fn spawn(directory: Arc<TempDir>, mut program: Command) -> Self {
        let mut child = program
            .args(["serve", "--config"])
            .arg(directory.path().join("leasequery.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, lines) = (child.stderr.take().expect("piped"), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = lines.lock().expect("not poisoned");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let printed = Arc::new(Mutex::new(String::new()));
        let (stdout, lines) = (child.stdout.take().expect("piped"), Arc::clone(&printed));
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let mut printed = lines.lock().expect("not poisoned");
                printed.push_str(&line);
                printed.push('\n');
            }
        });
        Self { child, directory, ready: String::new(), log, printed }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn log(&self) -> String {
        self.log.lock().expect("not poisoned").clone()
    }

    /// The address of the first listener for TCP.
    pub fn address(&self) -> SocketAddr {
        self.find_listener(&["v4-tcp", "v6-tcp"])
    }

    /// The address of the first listener of this name.
    pub fn listener(&self, name: &str) -> SocketAddr {
        self.find_listener(&[name])
    }

    fn find_listener(&self, names: &[&str]) -> SocketAddr {
        let words = self.ready.split_whitespace().filter_map(|word| word.split_once('='));
        let listener = words.into_iter().find(|(name, _)| names.contains(name));
        listener.and_then(|(_, address)| address.trim_end_matches(':').parse().ok()).expect("a listener")
    }

    pub fn configure(&self, config: &str) {
        std::fs::write(self.path("leasequery.toml"), config).expect("the configuration is written");
    }

    pub fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().expect("sh runs").success());
    }

    /// The addresses of all listeners of this name.
    pub fn listeners(&self, name: &str) -> Vec<SocketAddr> {
        let words = self.ready.split_whitespace().filter_map(|word| word.split_once('='));
        words.filter(|(found, _)| *found == name).map(|(_, address)| address.parse().expect("an address")).collect()
    }

    /// File descriptors that it has.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it is running").count()
    }

    /// A limit of the system for it: soft and hard.
    pub fn limit(&self, name: &str) -> [String; 2] {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.child.id())).expect("it is running");
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).expect("a limit");
        let mut words = line.split_whitespace().map(str::to_owned);
        [words.next().expect("soft"), words.next().expect("hard")]
    }

    /// Processor time that it has used, in ticks.
    pub fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it is running");
        let fields = stat.rsplit(')').next().expect("fields behind the name").split_whitespace();
        fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
    }

    /// Octets of memory that it occupies.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it is running");
        let size = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB"));
        1024 * size.and_then(|size| size.trim().parse::<u64>().ok()).expect("its size")
    }

    /// Its number.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the child can be asked").is_none()
    }

    pub fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the child can be asked") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the daemon does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Pushes lines and gives the answers.
    pub fn push(&self, lines: &str) -> Vec<Value> {
        push(&self.path("push.sock"), lines.as_bytes())
    }

    /// Pushes records, all of which have to be taken.
    pub fn push_all(&self, records: &[Value]) {
        let lines: Vec<_> = records.iter().map(ToString::to_string).collect();
        assert_eq!(self.push(&lines.join("\n")), [serde_json::json!({ "committed": records.len() })]);
    }

    pub fn connect(&self) -> Peer {
        Peer::connect(self.address())
    }

    /// Runs `leasequery bulk` against it.
    pub fn bulk(&self, arguments: &[&str]) -> Output {
        bulk(&self.address().to_string(), arguments)
    }

    /// The records that `leasequery bulk` prints, which has to succeed.
    pub fn records(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.bulk(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        records(&output)
    }

    /// Their addresses and prefixes.
    pub fn addresses(&self, arguments: &[&str]) -> Vec<String> {
        self.records(arguments).iter().map(place).collect()
    }

    /// What it says of everything, without what is its own.
    pub fn view(&self) -> Vec<Value> {
        let mut records = self.records(&[]);
        for record in &mut records {
            for own in ["server", "base-time", "data-source"] {
                record.as_object_mut().expect("an object").remove(own);
            }
        }
        records
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn bulk(server: &str, arguments: &[&str]) -> Output {
    leasequery().args(["bulk", server]).args(arguments).output().expect("the program runs")
}

pub fn records(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// What a record is about: an address or a prefix.
pub fn place(record: &Value) -> String {
    let found = record["address"].as_str().or(record["prefix"].as_str());
    found.unwrap_or_default().to_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs `leasequery verify`.
pub fn verify(a: &str, b: &str, more: &[&str]) -> Output {
    leasequery().args(["verify", a, b]).args(more).output().expect("the program runs")
}

/// Sends octets to a push socket, shuts down the sending side, and gives the answers.
pub fn push(socket: &Path, octets: &[u8]) -> Vec<Value> {
    let mut stream = UnixStream::connect(socket).expect("the push socket is there");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(octets).expect("the lines are sent");
    stream.shutdown(Shutdown::Write).expect("the sending side is shut down");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("the answers come");
    answers.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// How a peer's stream goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A message: type, transaction id, ciaddr, status.
    Message { kind: MessageType, xid: u32, address: Ipv4Addr, status: Option<(StatusCode, String)> },
    /// The other side has closed, without a reset.
    Closed,
    /// The other side has closed with a reset.
    Reset,
}

/// A socket from which single queries are sent by hand.
pub struct Asker(pub UdpSocket);

impl Asker {
    /// For one server: nobody else's datagrams are received.
    pub fn new(server: SocketAddr) -> Self {
        let local: IpAddr = if server.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        let socket = UdpSocket::bind((local, 0)).expect("a socket");
        socket.connect(server).expect("it leads there");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self(socket)
    }

    pub fn send(&self, datagram: &[u8]) {
        self.0.send(datagram).expect("it is sent");
    }

    /// The next datagram.
    pub fn next(&self) -> Vec<u8> {
        let mut input = vec![0; 65_536];
        let length = self.0.recv(&mut input).expect("an answer");
        input.truncate(length);
        input
    }

    pub fn ask(&self, datagram: &[u8]) -> Vec<u8> {
        self.send(datagram);
        self.next()
    }
}

/// A connection on which messages are written and read by hand.
pub struct Peer {
    pub stream: TcpStream,
    input: Vec<u8>,
    /// Octets of the shortest message.
    least: usize,
}

impl Peer {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        let least = if stream.peer_addr().is_ok_and(|server| server.is_ipv6()) { v6::LEAST } else { 240 };
        Self { stream, input: Vec::new(), least }
    }

    /// Connects, to speak DHCPv6 over IPv6 and DHCPv4 over IPv4.
    pub fn connect(server: SocketAddr) -> Self {
        Self::new(TcpStream::connect(server).expect("a connection"))
    }

    /// Connects from another address of this machine.
    pub fn connect_from(local: Ipv4Addr, server: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((local, 0)).into()).expect("a local address");
        socket.connect(&server.into()).expect("a connection");
        Self::new(socket.into())
    }

    pub fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).expect("the octets are sent");
    }

    /// Reads the next message, or finds out how the stream ended.
    pub fn next(&mut self) -> Next {
        let body = match self.next_body() {
            Ok(body) => body,
            Err(ended) => return ended,
        };
        let message = Message::parse(&body).expect("a message");
        let status = message.status().expect("a status");
        Next::Message {
            kind: message.message_type(),
            xid: message.xid(),
            address: message.ciaddr(),
            status: status.map(|status| (status.code, status.text.into_owned())),
        }
    }

    /// Reads the octets of the next message, or finds out how the stream ended.
    pub fn next_body(&mut self) -> Result<Vec<u8>, Next> {
        let mut piece = vec![0; 64 * 1024];
        loop {
            if let Ok(Framing::Frame { body, rest }) = split_frame(&self.input, self.least) {
                let (body, used) = (body.to_vec(), self.input.len() - rest.len());
                self.input.drain(..used);
                return Ok(body);
            }
            match self.stream.read(&mut piece) {
                Ok(0) => {
                    assert!(self.input.is_empty(), "the stream ends within a message");
                    return Err(Next::Closed);
                }
                Ok(length) => self.input.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Err(Next::Reset),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("the stream fails: {error}"),
            }
        }
    }

    /// Reads up to the final message of a query; gives the number of replies before it, and the final status.
    pub fn answer(&mut self, xid: u32) -> (usize, Option<(StatusCode, String)>) {
        let mut replies = 0;
        loop {
            match self.next() {
                Next::Message { kind: MessageType::LEASE_QUERY_DONE, xid: found, status, .. } => {
                    assert_eq!(found, xid);
                    return (replies, status);
                }
                Next::Message { xid: found, .. } => {
                    assert_eq!(found, xid);
                    replies += 1;
                }
                ended => panic!("{ended:?} before the final message"),
            }
        }
    }
}

/// A bulk query for all configured addresses.
pub fn query_all(xid: u32) -> Vec<u8> {
    query(xid, |_| ())
}

/// A bulk query with more options.
pub fn query(xid: u32, options: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let header = Header::new(BOOT_REQUEST, xid);
    let mut writer = MessageWriter::frame(&mut out, &header, MessageType::BULK_LEASE_QUERY);
    options(&mut writer);
    writer.finish().expect("a short message");
    out
}

/// A server that does as it is told, once: it gets the query's transaction id, and the stream.
pub fn scripted(script: impl FnOnce(u32, &mut TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut prefix = [0; 2];
        stream.read_exact(&mut prefix).expect("a length");
        let mut message = vec![0; usize::from(u16::from_be_bytes(prefix))];
        stream.read_exact(&mut message).expect("a query");
        let xid = Message::parse(&message).expect("a message").xid();
        script(xid, &mut stream);
    });
    address
}

/// A reply about an address.
pub fn reply(xid: u32, kind: MessageType, address: Ipv4Addr) -> Vec<u8> {
    let mut out = Vec::new();
    let header = Header { ciaddr: address, ..Header::new(BOOT_REPLY, xid) };
    let mut writer = MessageWriter::frame(&mut out, &header, kind);
    writer.u32(OptionCode::BASE_TIME, 1_795_168_800);
    writer.finish().expect("a short message");
    out
}

/// A final message.
pub fn done(xid: u32, status: Option<(StatusCode, &str)>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::frame(&mut out, &Header::new(BOOT_REPLY, xid), MessageType::LEASE_QUERY_DONE);
    if let Some((code, text)) = status {
        writer.status(code, text);
    }
    writer.finish().expect("a short message");
    out
}
