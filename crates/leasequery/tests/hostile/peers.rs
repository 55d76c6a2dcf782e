//! Peers that misbehave, each in a thread of its own, in every way there is a name for.

#![allow(unreachable_pub, reason = "everything is of one program")]

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use leasequery_testing::pki::Pki;
use leasequery_wire::v4::{BOOT_REQUEST, Header, MessageType, MessageWriter, OptionCode};
use rustls::ClientConnection;

use crate::common::{Daemon, query, query_all};
use crate::scene::message;
use crate::tls;

/// One who may ask, and one who may not.
pub const LISTED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// Everybody who misbehaves.
pub struct Crowd {
    scene: Arc<Scene>,
    kinds: Vec<(&'static str, Arc<AtomicU64>)>,
    threads: Vec<JoinHandle<()>>,
}

/// What they have around them.
pub struct Scene {
    risen: AtomicBool,
    ended: AtomicBool,
    connected: AtomicUsize,
    clear: SocketAddr,
    secure: SocketAddr,
    udp: SocketAddr,
    certificates: tls::Certificates,
}

/// One of them, at one attempt.
pub struct Deed<'a> {
    pub scene: &'a Scene,
    /// How often it did what it does.
    done: &'a AtomicU64,
}

type Do = fn(&Deed<'_>) -> io::Result<()>;

/// How many there are of each kind.
const KINDS: [(&str, usize, Do); 24] = [
    ("greedy", 45, greedy),
    ("asks again and again", 15, again),
    ("asks for what there is none of", 2, searching),
    ("slow reader", 25, slow_reader),
    ("slow sender", 15, slow_sender),
    ("half open", 25, half_open),
    ("giant message", 5, giant),
    ("endless message", 5, endless),
    ("reset in mid-dump", 5, reset),
    ("refused queries", 8, refused),
    ("active and deaf", 12, deaf),
    ("no DHCP at all", 4, nonsense),
    ("TLS: handshakes", 6, tls::handshakes),
    ("TLS: stops within the handshake", 8, tls::stops),
    ("TLS: a drip of a handshake", 8, tls::drip),
    ("TLS: giant handshake message", 3, tls::giant),
    ("TLS: absurd chain", 4, tls::chain),
    ("TLS: no certificate", 2, tls::anonymous),
    ("TLS: new keys again and again", 4, tls::new_keys),
    ("TLS: a record for each octet", 3, tls::crumbs),
    ("TLS: greedy", 8, tls::greedy),
    ("a stranger's connections", 3, stranger),
    ("datagrams", 2, datagrams),
    ("a stranger's datagrams", 1, strange_datagrams),
];

impl Crowd {
    pub fn new(daemon: &Daemon, pki: &Pki) -> Self {
        let listeners = daemon.listeners("v4-tcp");
        let scene = Arc::new(Scene {
            risen: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            connected: AtomicUsize::new(0),
            clear: listeners[0],
            secure: listeners[1],
            udp: daemon.listener("v4-udp"),
            certificates: tls::Certificates::new(pki),
        });
        let kinds: Vec<_> = KINDS.iter().map(|(name, _, _)| (*name, Arc::new(AtomicU64::new(0)))).collect();
        let (of_all, of_each) = (Arc::clone(&scene), kinds.clone());
        let threads = std::thread::spawn(move || start(&of_all, &of_each)).join().expect("they start");
        Self { scene, kinds, threads }
    }

    /// They begin.
    pub fn rise(&self) {
        self.scene.risen.store(true, Ordering::Relaxed);
    }

    /// They pause, and close what they have.
    pub fn rest(&self) {
        self.scene.risen.store(false, Ordering::Relaxed);
    }

    pub fn connected(&self) -> usize {
        self.scene.connected.load(Ordering::Relaxed)
    }

    /// How often each kind did what it does.
    pub fn deeds(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.kinds.iter().map(|(name, done)| (*name, done.load(Ordering::Relaxed)))
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.rest();
        self.scene.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Starts the threads of all, which give way to everybody else on this machine: peers elsewhere would not take a processor
/// from those who are measured.
fn start(scene: &Arc<Scene>, kinds: &[(&'static str, Arc<AtomicU64>)]) -> Vec<JoinHandle<()>> {
    let thread = std::fs::read_link("/proc/thread-self").expect("Linux");
    let thread = thread.file_name().expect("its number");
    // Threads are born with the priority of the one that makes them.
    let niced = Command::new("renice").args(["-n", "19", "-p"]).arg(thread).stdout(Stdio::null()).status();
    assert!(niced.is_ok_and(|status| status.success()), "renice");
    let mut threads = Vec::new();
    for ((_, number, action), (_, done)) in KINDS.iter().zip(kinds) {
        for _ in 0..*number {
            let (scene, done, action) = (Arc::clone(scene), Arc::clone(done), *action);
            threads.push(std::thread::spawn(move || misbehave(&scene, &done, action)));
        }
    }
    threads
}

/// Begins anew whenever it is thrown out.
fn misbehave(scene: &Scene, done: &AtomicU64, action: Do) {
    while !scene.ended.load(Ordering::Relaxed) {
        if scene.risen.load(Ordering::Relaxed) {
            let _ = action(&Deed { scene, done });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A connection that is counted.
pub struct Counted<'a> {
    pub stream: TcpStream,
    scene: &'a Scene,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.scene.connected.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<'a> Deed<'a> {
    pub fn goes_on(&self) -> bool {
        self.scene.risen.load(Ordering::Relaxed)
    }

    pub fn count(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection in the clear.
    fn connect(&self) -> io::Result<Counted<'a>> {
        self.open(LISTED, self.scene.clear)
    }

    /// A connection to where TLS is required, on which it has been asked for.
    pub fn ask_for_tls(&self) -> io::Result<Counted<'a>> {
        let mut peer = self.open(LISTED, self.scene.secure)?;
        peer.stream.write_all(&message(1, MessageType::TLS))?;
        let mut prefix = [0; 2];
        peer.stream.read_exact(&mut prefix)?;
        peer.stream.read_exact(&mut vec![0; usize::from(u16::from_be_bytes(prefix))])?;
        Ok(peer)
    }

    pub fn certificates(&self) -> &'a tls::Certificates {
        &self.scene.certificates
    }

    fn open(&self, local: Ipv4Addr, server: SocketAddr) -> io::Result<Counted<'a>> {
        let stream = open(local, server)?;
        self.scene.connected.fetch_add(1, Ordering::Relaxed);
        Ok(Counted { stream, scene: self.scene })
    }
}

fn open(local: Ipv4Addr, server: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((local, 0)).into())?;
    socket.connect(&server.into())?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    stream.set_write_timeout(Some(Duration::from_millis(500)))?;
    Ok(stream)
}

/// As many queries for everything as a connection may have.
fn ask_for_everything(peer: &mut Counted<'_>) -> io::Result<()> {
    (1..=4).try_for_each(|xid| peer.stream.write_all(&query_all(xid)))
}

/// Reads what there is; nothing is an error.
pub fn take(stream: &mut TcpStream, piece: &mut [u8]) -> io::Result<()> {
    match stream.read(piece)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn greedy(deed: &Deed<'_>) -> io::Result<()> {
    let mut peer = deed.connect()?;
    ask_for_everything(&mut peer)?;
    let mut piece = vec![0; 64 * 1024];
    while deed.goes_on() {
        take(&mut peer.stream, &mut piece)?;
        deed.count();
    }
    Ok(())
}

fn again(deed: &Deed<'_>) -> io::Result<()> {
    let mut peer = deed.connect()?;
    let mut piece = vec![0; 64 * 1024];
    let question = query(5, |writer| writer.option(OptionCode::CLIENT_IDENTIFIER, b"nobody"));
    while deed.goes_on() {
        peer.stream.write_all(&question)?;
        take(&mut peer.stream, &mut piece)?;
        deed.count();
    }
    Ok(())
}

/// What takes long to find out.
fn searching(deed: &Deed<'_>) -> io::Result<()> {
    let mut peer = deed.connect()?;
    peer.stream.write_all(&query(5, |writer| writer.u32(OptionCode::QUERY_START_TIME, 4_000_000_000)))?;
    deed.count();
    take(&mut peer.stream, &mut [0; 1000])
}

fn refused(deed: &Deed<'_>) -> io::Result<()> {
    let mut peer = deed.connect()?;
    let mut piece = vec![0; 64 * 1024];
    // From when on is after up to when.
    let question = query(6, |writer| {
        writer.u32(OptionCode::QUERY_START_TIME, 2000);
        writer.u32(OptionCode::QUERY_END_TIME, 1000);
    });
    while deed.goes_on() {
        peer.stream.write_all(&question)?;
        take(&mut peer.stream, &mut piece)?;
        deed.count();
    }
    Ok(())
}

fn slow_reader(deed: &Deed<'_>) -> io::Result<()> {
    let mut peer = deed.connect()?;
    ask_for_everything(&mut peer)?;
    while deed.goes_on() {
        take(&mut peer.stream, &mut [0])?;
        deed.count();
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn slow_sender(deed: &Deed<'_>) -> io::Result<()> {
    let mut peer = deed.connect()?;
    for octet in query_all(1) {
        if deed.goes_on() {
            peer.stream.write_all(&[octet])?;
            deed.count();
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

fn half_open(deed: &Deed<'_>) -> io::Result<()> {
    let mut peer = deed.connect()?;
    deed.count();
    while deed.goes_on() {
        match peer.stream.read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => break,
        }
    }
    Ok(())
}

fn giant(deed: &Deed<'_>) -> io::Result<()> {
    let mut peer = deed.connect()?;
    let mut octets = query(7, |_| ());
    octets.resize(2 + 0xffff, 0);
    octets[..2].copy_from_slice(&[0xff, 0xff]);
    while deed.goes_on() {
        peer.stream.write_all(&octets)?;
        deed.count();
    }
    Ok(())
}

fn endless(deed: &Deed<'_>) -> io::Result<()> {
    let mut peer = deed.connect()?;
    peer.stream.write_all(&[0xff, 0xff])?;
    while deed.goes_on() {
        peer.stream.write_all(&[1; 100])?;
        deed.count();
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn reset(deed: &Deed<'_>) -> io::Result<()> {
    let mut peer = deed.connect()?;
    ask_for_everything(&mut peer)?;
    take(&mut peer.stream, &mut [0; 100])?;
    socket2::SockRef::from(&peer.stream).set_linger(Some(Duration::ZERO))?;
    deed.count();
    Ok(())
}

fn deaf(deed: &Deed<'_>) -> io::Result<()> {
    let mut peer = deed.connect()?;
    let mut question = Vec::new();
    let header = Header::new(BOOT_REQUEST, 8);
    let mut writer = MessageWriter::frame(&mut question, &header, MessageType::ACTIVE_LEASE_QUERY);
    // It has all the past to catch up with.
    writer.u32(OptionCode::QUERY_START_TIME, 1);
    writer.finish().map_err(io::Error::other)?;
    peer.stream.write_all(&question)?;
    deed.count();
    while deed.goes_on() {
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn nonsense(deed: &Deed<'_>) -> io::Result<()> {
    let mut peer = deed.connect()?;
    deed.count();
    let hello = deed.done.load(Ordering::Relaxed).is_multiple_of(2);
    let octets: &[u8] = if hello { &[22, 3, 1, 1, 0, 1] } else { b"GET / HTTP/1.1\r\n\r\n" };
    peer.stream.write_all(octets)?;
    take(&mut peer.stream, &mut [0; 100])
}

fn stranger(deed: &Deed<'_>) -> io::Result<()> {
    for server in [deed.scene.clear, deed.scene.secure] {
        let mut stream = open(STRANGER, server)?;
        let _ = stream.write_all(&query_all(1));
        deed.count();
    }
    Ok(())
}

fn datagrams(deed: &Deed<'_>) -> io::Result<()> {
    let socket = UdpSocket::bind((LISTED, 0))?;
    let mut question = Vec::new();
    let header = Header { giaddr: LISTED, ciaddr: Ipv4Addr::new(10, 0, 0, 1), ..Header::new(BOOT_REQUEST, 9) };
    MessageWriter::datagram(&mut question, &header, MessageType::LEASE_QUERY).finish().map_err(io::Error::other)?;
    while deed.goes_on() {
        for datagram in [&question, &question[..100], &[0; 8000][..]] {
            socket.send_to(datagram, deed.scene.udp)?;
            deed.count();
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

fn strange_datagrams(deed: &Deed<'_>) -> io::Result<()> {
    let sockets: Vec<_> =
        (3..=200).map(|last| UdpSocket::bind((Ipv4Addr::new(127, 0, 1, last), 0))).collect::<Result<_, _>>()?;
    while deed.goes_on() {
        for socket in &sockets {
            socket.send_to(&[1; 300], deed.scene.udp)?;
            deed.count();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Gives the next octets of TLS to the connection.
pub fn receive(stream: &mut TcpStream, tls: &mut ClientConnection) -> io::Result<()> {
    if tls.read_tls(stream)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    tls.process_new_packets().map(|_| ()).map_err(io::Error::other)
}
