//! What is left to one who does everything right beside a crowd: octets that it is served, in a time that is counted and not
//! measured. Connections, turns and the store are the real ones; a turn takes as long as what it makes is long.

use std::collections::{BTreeSet, HashSet};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use leasequery_protocol::server::v4::{self, V4};
use leasequery_protocol::server::{Allow, Connection, Limits, Policy, Turn};
use leasequery_store::durable::{Durable, Memory};
use leasequery_store::{Budget, Network, Settings, SourceId, State, Store, Time, Update, V4Key};
use leasequery_wire::v4::{BOOT_REQUEST, Header, MessageType, MessageWriter, OptionCode};

use super::{ACTIVE_ROOM, BITE, ROOM, Share, Turns, Who};

const NOW: Time = Time(1_700_000_000);
/// How long it is counted.
const SPAN: Duration = Duration::from_millis(12);
/// What a turn takes besides what it makes, of which an octet takes a nanosecond.
const LEAST: Duration = Duration::from_micros(5);
/// What a turn takes that looks for something and finds nothing.
const SEARCH: Duration = Duration::from_millis(1);
/// How often something changes, and how much at a time.
const PAUSE: Duration = Duration::from_micros(200);
const CHANGES: u32 = 200;

const GOOD: Who = Who::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
const SOCKET: Who = Who::Datagrams(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 67));
const DISK: Who = Who::Disk("v4");

fn bad(number: u8) -> Who {
    Who::Address(Ipv4Addr::new(198, 51, 100, number).into())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// Asks for everything, as often as it may at a time, and takes it.
    Everything,
    /// Asks for a client whom nobody knows, again and again.
    Nobody,
    /// Asks for what there is none of, which takes long to find out.
    Searching,
    /// Asks what comes before what it begins with, and is refused.
    Refused,
    /// Wants to be told of changes.
    Active,
    /// Sends datagrams, more than can be answered.
    Datagrams,
    /// Is the disk, to which is written what there is, and that again and again.
    Disk,
}

impl Does {
    fn queries(self) -> Vec<u8> {
        let mut out = Vec::new();
        for xid in 0..if self == Self::Everything { 4 } else { 1 } {
            let kind =
                if self == Self::Active { MessageType::ACTIVE_LEASE_QUERY } else { MessageType::BULK_LEASE_QUERY };
            let mut writer = MessageWriter::frame(&mut out, &Header::new(BOOT_REQUEST, xid), kind);
            match self {
                Self::Everything => {}
                Self::Nobody => writer.option(OptionCode::CLIENT_IDENTIFIER, b"nobody"),
                Self::Searching => writer.u32(OptionCode::QUERY_START_TIME, 4_000_000_000),
                Self::Refused => {
                    writer.u32(OptionCode::QUERY_START_TIME, 2000);
                    writer.u32(OptionCode::QUERY_END_TIME, 1000);
                }
                Self::Datagrams | Self::Disk => unreachable!("they have no connection"),
                Self::Active => writer.u32(OptionCode::QUERY_START_TIME, NOW.0),
            }
            writer.finish().expect("a short message");
        }
        out
    }
}

/// A connection, and what it does with its turns.
struct Peer {
    share: Share,
    connection: Connection<V4>,
    does: Does,
    durable: Durable<V4Key, Memory>,
    octets: usize,
    /// When its turn began.
    began: Duration,
    /// What was found in the latest turn.
    turn: Turn,
}

impl Peer {
    /// The work of one turn. Gives how long it takes.
    fn work(&mut self, now: Duration, store: &Store<V4Key>) -> Duration {
        let made = match self.does {
            Does::Datagrams => datagrams(store),
            Does::Disk => self.keep(store),
            _ => return self.serve(now, store),
        };
        self.turn = Turn::More;
        self.octets += made;
        LEAST + Duration::from_nanos(u64::try_from(made).expect("a few"))
    }

    /// Takes what has changed for the disk. Gives how much that is.
    fn keep(&mut self, store: &Store<V4Key>) -> usize {
        let batch = self.durable.collect(store, &Budget::new(KEPT));
        if batch.is_complete() {
            self.durable = durable();
            return KEPT * BINDING;
        }
        self.durable.write(batch).expect("it is in memory");
        KEPT * BINDING
    }

    fn serve(&mut self, now: Duration, store: &Store<V4Key>) -> Duration {
        if self.connection.outstanding() == 0 {
            self.connection.handle_bytes(now, &self.does.queries());
        }
        let (mut out, room) = (Vec::new(), if self.connection.is_active() { ACTIVE_ROOM } else { ROOM });
        self.turn = self.connection.poll_transmit(now, store, &mut out, room);
        self.connection.handle_progress(now, out.len(), 0);
        while self.connection.poll_event().is_some() {}
        self.octets += out.len();
        let search = if out.is_empty() && self.turn == Turn::More { SEARCH } else { Duration::ZERO };
        LEAST + search + Duration::from_nanos(u64::try_from(out.len()).expect("a few"))
    }

    fn is_done(&self) -> bool {
        self.does == Does::Active && self.turn == Turn::Idle
    }
}

/// Bindings that are taken for the disk at a time, and octets of each.
const KEPT: usize = 1024;
const BINDING: usize = 100;

fn durable() -> Durable<V4Key, Memory> {
    Durable::open_on(Memory::default(), Settings::default()).expect("an empty one").0
}

/// Answers as many datagrams as are answered under one lock. Gives how many octets that makes.
fn datagrams(store: &Store<V4Key>) -> usize {
    let mut query = Vec::new();
    let header = Header {
        giaddr: Ipv4Addr::new(192, 0, 2, 9),
        ciaddr: Ipv4Addr::new(10, 0, 0, 7),
        ..Header::new(BOOT_REQUEST, 1)
    };
    MessageWriter::datagram(&mut query, &header, MessageType::LEASE_QUERY).finish().expect("a short message");
    let permit = |_| Some(Arc::new(Policy::default()));
    let mut out = Vec::new();
    for _ in 0..BITE {
        let from = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 9).into(), 67);
        v4::answer(&query, from, Ipv4Addr::LOCALHOST, permit, store, &mut out);
    }
    assert!(!out.is_empty(), "they are answered");
    out.len()
}

/// A server, and everybody who is connected with it.
struct World {
    store: Store<V4Key>,
    source: SourceId,
    peers: Vec<Peer>,
    /// Those who have a turn: until when.
    having: BTreeSet<(Duration, usize)>,
    /// Those who have nothing to do.
    idle: HashSet<usize>,
}

impl World {
    fn new(threads: usize, who: &[(Who, Does)]) -> Self {
        let mut store = Store::new(Settings::default());
        store.advance(NOW);
        let source = store.source("test").expect("the first source");
        let [first, last] = [[10, 0, 0, 0], [10, 255, 255, 255]].map(|address| V4Key::new(address.into()));
        store.set_networks(None, &[Network { first, last, since: NOW.minus(3600) }]);
        let turns = Turns::new(threads);
        let allow = Allow { active: true, ..Allow::default() };
        let policy = Arc::new(Policy { allow, ..Policy::default() });
        let peer = |(address, does): &(Who, Does)| {
            let protocol = V4::new(Ipv4Addr::LOCALHOST, Arc::clone(&policy), true);
            let connection = Connection::new(protocol, Limits::default(), Duration::ZERO);
            Peer {
                share: turns.share(*address),
                connection,
                does: *does,
                durable: durable(),
                octets: 0,
                began: Duration::ZERO,
                turn: Turn::More,
            }
        };
        let peers: Vec<_> = who.iter().map(peer).collect();
        let mut world = Self { store, source, peers, having: BTreeSet::new(), idle: HashSet::new() };
        for number in 0..world.peers.len() {
            if ask(&world.peers[number].share) {
                world.work(Duration::ZERO, number);
            }
        }
        world
    }

    fn work(&mut self, now: Duration, number: usize) {
        let peer = &mut self.peers[number];
        peer.began = now;
        let took = peer.work(now, &self.store);
        self.having.insert((now + took, number));
    }

    /// Goes on for as long as is counted. Gives how many octets the first one was served.
    fn run(mut self) -> usize {
        let mut changed = (Duration::ZERO, 0);
        loop {
            let next = self.having.first().map_or(changed.0, |(until, _)| changed.0.min(*until));
            if next > SPAN {
                return self.peers[0].octets;
            }
            if next == changed.0 {
                changed = (next + PAUSE, changed.1 + 1);
                self.change(changed.1);
                for number in self.idle.drain().collect::<Vec<_>>() {
                    if ask(&self.peers[number].share) {
                        self.work(next, number);
                    }
                }
                continue;
            }
            let Some((now, number)) = self.having.pop_first() else { continue };
            let peer = &self.peers[number];
            let took = now.saturating_sub(peer.began);
            if peer.is_done() {
                let mut state = peer.share.turns.state();
                state.charge(peer.share.peer, took);
                state.release(peer.share.peer);
                drop(state);
                self.idle.insert(number);
            } else if peer.share.turns.state().pass(peer.share.peer, &peer.share.given, took) {
                self.work(now, number);
            }
            for number in 0..self.peers.len() {
                if is_given(&self.peers[number].share) {
                    self.work(now, number);
                }
            }
        }
    }

    fn change(&mut self, round: u32) {
        for number in 0..CHANGES {
            // Each time others: what changes twice before it is told would be told once.
            let key = V4Key::new(Ipv4Addr::from_bits(0x0a00_0000 + round * CHANGES + number));
            let (heard, expires) = (Some(NOW.plus(round)), Some(NOW.plus(86_400 + round)));
            let update = Update { last_transaction: heard, expires, ..Update::new(key, State::Active) };
            self.store.commit(self.source, &update);
        }
    }
}

fn ask(share: &Share) -> bool {
    share.turns.state().ask(share.peer, &share.given)
}

fn is_given(share: &Share) -> bool {
    pin!(share.given.notified()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Two hundred connections that take whatever they get.
fn crowd(address: impl Fn(u8) -> Who) -> Vec<(Who, Does)> {
    let kinds = [(100, Does::Everything), (40, Does::Nobody), (20, Does::Searching), (40, Does::Refused)];
    let does = kinds.into_iter().flat_map(|(number, does)| std::iter::repeat_n(does, number));
    (0..).zip(does).map(|(number, does)| (address(number), does)).collect()
}

/// What each of those asks who does everything right is served: alone, beside a crowd of one address, and beside the same
/// crowd if each of its connections had an address of its own.
fn served(threads: usize, does: Does) -> [usize; 3] {
    let beside = |crowd: Vec<_>| World::new(threads, &[vec![(GOOD, does)], crowd].concat()).run();
    [beside(Vec::new()), beside(crowd(|_| bad(0))), beside(crowd(bad))]
}

//= rfc4388-7-01
//= rfc6926-9-08
//= rfc7724-9-03
#[test]
fn half_of_what_a_requestor_is_served_alone_is_left_to_it_beside_a_crowd_of_one_address() {
    for threads in [1, 2, 4] {
        for does in [Does::Everything, Does::Active] {
            let [alone, beside, among_many] = served(threads, does);
            assert!(beside * 2 >= alone, "{threads}: {beside} of {alone} octets");
            // Without addresses that share, there would be nothing to be seen here.
            assert!(among_many * 4 < alone, "{threads}: {among_many} of {alone} octets");
        }
    }
}

/// Datagrams, the disk and a crowd have something to do all the time, and each of them is left its share beside the others:
/// what it has alone, divided by how many they are, but for a turn.
#[test]
fn datagrams_the_disk_and_connections_starve_nobody() {
    let own = [(SOCKET, Does::Datagrams), (DISK, Does::Disk), (GOOD, Does::Everything), (GOOD, Does::Active)];
    for threads in [1, 2, 4] {
        for one in own {
            let alone = World::new(threads, &[one]).run();
            for other in own.into_iter().filter(|other| other.0 != one.0) {
                let beside = World::new(threads, &[one, other]).run();
                assert!(beside * 9 >= alone * 4, "{threads}, {one:?} beside {other:?}: {beside} of {alone}");
            }
            let others = own.into_iter().filter(|other| other.0 != one.0 && other.1 != Does::Active);
            let all = World::new(threads, &[vec![one], others.collect(), crowd(|_| bad(0))].concat()).run();
            assert!(all * 5 >= alone, "{threads}, {one:?} beside all: {all} of {alone}");
        }
    }
}
