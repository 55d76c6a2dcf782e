//! A follower of a real server, in memory: whatever happens, the copy equals the server's store when all is quiet.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use leasequery_protocol::follower::{Follower, LINKS, Link, Position, Settings};
use leasequery_protocol::requestor::Timeouts;
use leasequery_protocol::requestor::v6::V6;
use leasequery_protocol::server::{self, Allow, Limits, Policy, Turn};
use leasequery_store::{Budget, Entry, Selector, SourceId, Start, State, Store, Time, Update, V6Key, VpnRange};
use leasequery_wire::v6::{MessageType, Relay, write_relayed};
use proptest::prelude::*;

use crate::peer::{Log, PEER, SERVER, seconds, wanted};

/// The follower's clock at the start.
const BEGIN: Time = Time(1_790_000_000);

/// What happens on the DHCP server.
#[derive(Debug, Clone)]
enum Change {
    /// A client gets a lease, of so many seconds, or for ever.
    Grant {
        client: u8,
        key: u8,
        valid: Option<u32>,
    },
    /// A client comes by another way, and says another name; its leases are renewed.
    Move {
        client: u8,
    },
    Release {
        key: u8,
    },
    /// Somebody else has the address, nobody knows who.
    Decline {
        key: u8,
    },
}

#[derive(Debug, Clone)]
enum Happening {
    Changes(Vec<Change>),
    Wait(u64),
    /// The connections carry so many octets from the server until something else happens.
    Room(usize),
    /// A connection breaks after so many octets more.
    Cut(Link, usize),
    /// The follower is started anew with what it has kept, in the middle of being told of some changes.
    Restart(Vec<Change>, usize),
    /// The server is started anew and does not know what was before.
    Forget,
    /// The server says that it goes.
    Terminate,
    Reachable(bool),
}

fn change() -> impl Strategy<Value = Change> {
    let valid = prop_oneof![3 => (20_u32..90).prop_map(Some), 4 => (90_u32..90_000).prop_map(Some), 1 => Just(None)];
    prop_oneof![
        8 => (0_u8..6, 0_u8..KEYS, valid).prop_map(|(client, key, valid)| Change::Grant { client, key, valid }),
        2 => (0_u8..6).prop_map(|client| Change::Move { client }),
        3 => (0_u8..KEYS).prop_map(|key| Change::Release { key }),
        1 => (0_u8..KEYS).prop_map(|key| Change::Decline { key }),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let link = || prop_oneof![Just(Link::Active), Just(Link::Bulk)];
    prop_oneof![
        10 => prop::collection::vec(change(), 1..8).prop_map(Happening::Changes),
        6 => (0_u64..40).prop_map(Happening::Wait),
        1 => (40_u64..400).prop_map(Happening::Wait),
        2 => prop_oneof![0_usize..400, Just(usize::MAX), Just(usize::MAX)].prop_map(Happening::Room),
        4 => (link(), 0_usize..600).prop_map(|(link, octets)| Happening::Cut(link, octets)),
        2 => (prop::collection::vec(change(), 0..8), 0_usize..30).prop_map(|(c, s)| Happening::Restart(c, s)),
        1 => Just(Happening::Forget),
        1 => Just(Happening::Terminate),
        2 => prop::bool::weighted(0.6).prop_map(Happening::Reachable),
    ]
}

/// What happens where every change can be told of.
fn telling() -> impl Strategy<Value = Happening> {
    happening().prop_filter("it is not told", |happening| !matches!(happening, Happening::Forget))
}

/// Places that are leased: addresses on two links, and prefixes.
const KEYS: u8 = 16;

fn key(number: u8) -> V6Key {
    let low = u16::from(number % 6);
    match number / 6 {
        0 => V6Key::new(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, low)),
        1 => V6Key::new(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, low)),
        _ => V6Key::prefix(Ipv6Addr::new(0x2001, 0xdb8, 1, low << 8, 0, 0, 0, 0), 56),
    }
}

/// What is known of the way that a client's messages take.
fn relay_info(client: u8, way: u8) -> Vec<u8> {
    let option = |code: u8, value: &[u8]| [&[0, code, 0, u8::try_from(value.len()).unwrap()], value].concat();
    let inner = [option(37, &[0, 0, 0, 9, way]), option(53, &[0, 3, client])].concat();
    let outer = option(53, &[0, 3, 0xff]);
    let relay = |hop_count, options| Relay {
        kind: MessageType::RELAY_FORWARD,
        hop_count,
        link: Ipv6Addr::UNSPECIFIED,
        peer: PEER,
        options: leasequery_wire::v6::Options::parse(options, 0).unwrap(),
    };
    let mut out = PEER.octets().to_vec();
    write_relayed(&[relay(1, &outer), relay(0, &inner)], &mut out).unwrap();
    out
}

/// A connection, from the moment it is opened.
struct Wire {
    server: server::Connection<server::v6::V6>,
    /// Octets on their way to the follower.
    octets: Vec<u8>,
    closing: bool,
    /// It breaks after so many octets.
    cut: Option<usize>,
}

struct World {
    now: Duration,
    /// Seconds by which the server's clock is ahead.
    ahead: i64,
    server: Store<V6Key>,
    dhcp: SourceId,
    /// By which way each client comes.
    ways: [u8; 6],
    copy: Store<V6Key>,
    source: SourceId,
    follower: Follower<V6>,
    wires: [Option<Wire>; 2],
    room: usize,
    reachable: bool,
    random: fastrand::Rng,
    log: Log,
    /// Whether everything is asked for now and then.
    sweeps: bool,
    /// The server was taken for one without active queries, or had forgotten what was asked for.
    helpless: bool,
}

fn settings(sweeps: bool) -> Settings {
    Settings {
        retry: seconds(5),
        poll: seconds(5),
        sweep: sweeps.then_some(seconds(120)),
        timeouts: Timeouts { data: seconds(30), active_receive: seconds(20) },
        ..Settings::default()
    }
}

fn shifted(time: Time, seconds: i64) -> Time {
    Time(u32::try_from(i64::from(time.0) + seconds).unwrap())
}

impl World {
    fn new(seed: u64, ahead: i64, history: u32, sweeps: bool) -> Self {
        let history = leasequery_store::Settings { history, ..leasequery_store::Settings::default() };
        let mut server = Store::new(history);
        let mut copy = Store::new(leasequery_store::Settings::default());
        // It has been there for a while.
        server.advance(shifted(BEGIN.minus(1000), ahead));
        server.advance(shifted(BEGIN, ahead));
        copy.advance(BEGIN);
        let dhcp = server.source("dhcp").unwrap();
        let source = copy.source("server").unwrap();
        Self {
            now: Duration::ZERO,
            ahead,
            server,
            dhcp,
            ways: [0; 6],
            copy,
            source,
            follower: Follower::new(wanted(), source, None, settings(sweeps), seed),
            wires: [None, None],
            room: usize::MAX,
            reachable: true,
            random: fastrand::Rng::with_seed(seed),
            log: Log::default(),
            sweeps,
            helpless: false,
        }
    }

    fn wall(&self) -> Time {
        BEGIN.plus(u32::try_from(self.now.as_secs()).unwrap())
    }

    fn change(&mut self, change: &Change) {
        match *change {
            Change::Grant { client, key: number, valid } => {
                let now = self.server.now();
                let expires = valid.map_or(Time::INFINITE, |valid| now.plus(valid));
                let preferred = valid.map_or(Time::INFINITE, |valid| now.plus(valid / 2));
                self.lease(client, key(number), expires, preferred);
            }
            Change::Move { client } => {
                // A message tells of one way for all leases of a client, the latest. Times have whole seconds.
                self.wait(1);
                self.ways[usize::from(client)] += 1;
                let id = [0, 2, client];
                let budget = Budget::unlimited();
                let leases =
                    self.server.of_client(&id, None, &budget).filter(|binding| binding.state() == State::Active);
                let leases: Vec<_> =
                    leases.map(|binding| (binding.key(), binding.expires(), binding.renews())).collect();
                for (key, expires, preferred) in leases {
                    self.lease(client, key, expires.unwrap(), preferred.unwrap());
                }
            }
            Change::Release { key: number } => {
                self.server.end_lease(self.dhcp, key(number), State::Released);
            }
            Change::Decline { key: number } => {
                let declined = Update { whole: true, ..Update::new(key(number), State::Abandoned) };
                self.server.commit(self.dhcp, &declined);
            }
        }
    }

    fn lease(&mut self, client: u8, key: V6Key, expires: Time, preferred: Time) {
        let way = self.ways[usize::from(client)];
        let relay = relay_info(client, way);
        let update = Update {
            start_of_state: Start::Entered(self.server.now()),
            client_id: Some(&[0, 2, client]),
            last_transaction: Some(self.server.now()),
            expires: Some(expires),
            renews: Some(preferred),
            relay_info: Some(&relay),
            remote_id: Some(&[0, 0, 0, 9, way]),
            relay_id: Some(&[0, 3, client]),
            more_relay_ids: &[&[0, 3, 0xff]],
            link: key.prefix_length().map(|_| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0)),
            options: &[(39, &[b'a' + client, way])],
            whole: true,
            ..Update::new(key, State::Active)
        };
        self.server.commit(self.dhcp, &update);
    }

    fn restart(&mut self) {
        let position = self.copy.position(self.source).and_then(Position::from_bytes);
        let seed = self.random.u64(..);
        self.follower = Follower::new(wanted(), self.source, position, settings(self.sweeps), seed);
        self.wires = [None, None];
    }

    fn drop_wire(&mut self, place: usize) {
        self.wires[place] = None;
        self.follower.handle_eof(LINKS[place]);
    }

    /// Opens what the follower wants to be open.
    fn connect(&mut self) -> bool {
        let Some(link) = self.follower.poll_connect(self.now) else { return false };
        if !self.reachable {
            self.follower.handle_unreachable(link, "refused");
            return true;
        }
        let allow = Allow { active: true, ..Allow::default() };
        let policy = Arc::new(Policy { allow, ..Policy::default() });
        let limits = Limits { active_idle_timeout: seconds(10), ..Limits::default() };
        let protocol = server::v6::V6::new(Arc::from(SERVER), policy, true);
        let server = server::Connection::new(protocol, limits, self.now);
        self.wires[place(link)] = Some(Wire { server, octets: Vec::new(), closing: false, cut: None });
        self.follower.handle_connected(link, self.now, PEER.into(), &mut self.copy);
        true
    }

    /// Carries octets on a connection. Says whether anything has moved.
    fn carry(&mut self, place: usize) -> bool {
        let link = LINKS[place];
        let Some(mut wire) = self.wires[place].take() else { return false };
        if !self.follower.is_open(link) {
            return true;
        }
        let mut moved = false;
        let unsent = self.follower.poll_transmit(link);
        if !unsent.is_empty() && wire.server.wants_read() {
            let piece = self.random.usize(1..=unsent.len());
            wire.server.handle_bytes(self.now, &unsent[..piece]);
            self.follower.handle_sent(link, self.now, piece);
            moved = true;
        }
        if wire.octets.is_empty() && !wire.closing {
            if wire.server.poll_timeout().is_some_and(|due| due <= self.now) {
                wire.server.handle_timeout(self.now);
            }
            let room = self.random.usize(1..3000);
            let turn = wire.server.poll_transmit(self.now, &self.server, &mut wire.octets, room);
            while wire.server.poll_event().is_some() {}
            wire.closing = turn == Turn::Close;
            moved |= turn == Turn::More || !wire.octets.is_empty();
        }
        let limit = self.room.min(wire.cut.unwrap_or(usize::MAX)).min(wire.octets.len());
        let piece = if limit > 0 { self.random.usize(1..=limit) } else { 0 };
        self.follower.handle_bytes(link, &wire.octets[..piece]);
        wire.octets.drain(..piece);
        if self.room != usize::MAX {
            self.room -= piece;
        }
        wire.cut = wire.cut.map(|cut| cut - piece);
        wire.server.handle_progress(self.now, piece, wire.octets.len());
        moved |= piece > 0;
        if wire.cut == Some(0) || (wire.closing && wire.octets.is_empty()) {
            self.drop_wire(place);
            return true;
        }
        self.wires[place] = Some(wire);
        moved
    }

    /// Lets a part happen of what can happen now. Says whether there was anything.
    fn step(&mut self, budget: usize) -> bool {
        let mut moved = self.connect();
        for place in 0..2 {
            moved |= self.carry(place);
        }
        moved |= self.follower.advance(self.now, &mut self.copy, &mut self.log, budget);
        self.helpless |= self.log.0.drain(..).any(|line| line == "Polling" || line == "DataMissing");
        moved
    }

    /// Lets everything happen that can happen now.
    fn turn(&mut self) {
        for _ in 0..100_000 {
            let budget = self.random.usize(1..5);
            if !self.step(budget) {
                return;
            }
        }
        panic!("it never rests");
    }

    /// Lets time pass, with all that is due on the way.
    fn wait(&mut self, length: u64) {
        let end = self.now + seconds(length);
        self.turn();
        while self.now < end {
            let server = self.wires.iter().flatten().filter_map(|wire| wire.server.poll_timeout());
            let due = server.chain(self.follower.poll_timeout()).min().unwrap_or(end);
            // Leases run out in between, so that no more than some seconds pass at a time.
            self.now = due.max(self.now + Duration::from_millis(50)).min(self.now + seconds(3)).min(end);
            self.server.advance(shifted(self.wall(), self.ahead));
            self.copy.advance(self.wall());
            self.turn();
        }
    }

    fn happen(&mut self, happening: &Happening) {
        match happening {
            Happening::Changes(changes) => {
                for change in changes {
                    self.change(change);
                }
            }
            Happening::Wait(length) => self.wait(*length),
            Happening::Room(octets) => self.room = *octets,
            Happening::Cut(link, octets) => {
                if let Some(wire) = &mut self.wires[place(*link)] {
                    wire.cut = Some(*octets + 1);
                }
            }
            Happening::Restart(changes, steps) => {
                for change in changes {
                    self.change(change);
                }
                for _ in 0..*steps {
                    self.step(1);
                }
                self.restart();
            }
            Happening::Forget => {
                self.server.lose_history();
                for place in 0..2 {
                    self.drop_wire(place);
                }
            }
            Happening::Terminate => {
                for wire in self.wires.iter_mut().flatten() {
                    wire.server.terminate(&self.server, &mut wire.octets, "maintenance");
                }
            }
            Happening::Reachable(is) => {
                self.reachable = *is;
                if !is {
                    for place in 0..2 {
                        self.drop_wire(place);
                    }
                }
            }
        }
        self.turn();
    }

    /// What has to be the same on both sides, with times by the follower's clock.
    fn leases(store: &Store<V6Key>, ahead: i64, wall: Time) -> BTreeMap<V6Key, Lease> {
        let budget = Budget::unlimited();
        let leases = store.scan(Selector::All, VpnRange::All, None, &budget).filter_map(|entry| match entry {
            Entry::Bound(binding) if binding.state() == State::Active => Some(binding),
            _ => None,
        });
        let local = |time: Time| if time == Time::INFINITE { time } else { shifted(time, -ahead) };
        let lease = |binding: leasequery_store::Binding<'_, V6Key>| Lease {
            client_id: binding.client_id().map(<[u8]>::to_vec),
            expires: local(binding.expires().unwrap()),
            // What has passed has passed, whenever that was.
            preferred: binding.renews().map(local).filter(|until| *until > wall.plus(1)),
            relay_info: binding.relay_info().map(<[u8]>::to_vec),
            remote_ids: binding.remote_ids().map(<[u8]>::to_vec).collect(),
            relay_ids: binding.relay_ids().map(<[u8]>::to_vec).collect(),
            options: binding.options().map(|(code, value)| (code, value.to_vec())).collect(),
        };
        leases.map(|binding| (binding.key(), lease(binding))).collect()
    }

    /// Times may differ by so many seconds.
    fn compare(&self, tolerance: u32) -> Result<(), String> {
        let here = Self::leases(&self.copy, 0, self.wall());
        let there = Self::leases(&self.server, self.ahead, self.wall());
        for number in 0..KEYS {
            let key = key(number);
            let (mine, theirs) = (here.get(&key), there.get(&key));
            let ending = |lease: &&Lease| lease.expires.0.abs_diff(self.wall().0) <= 2;
            if mine.filter(ending).or(theirs.filter(ending)).is_some() {
                continue;
            }
            let same = match (mine, theirs) {
                (Some(mine), Some(theirs)) => mine.is(theirs, tolerance),
                (None, None) => true,
                _ => false,
            };
            if !same {
                return Err(format!("{key}: the copy has {mine:?}, the server has {theirs:?}"));
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Lease {
    client_id: Option<Vec<u8>>,
    expires: Time,
    preferred: Option<Time>,
    relay_info: Option<Vec<u8>>,
    remote_ids: Vec<Vec<u8>>,
    relay_ids: Vec<Vec<u8>>,
    options: Vec<(u16, Vec<u8>)>,
}

impl Lease {
    fn is(&self, other: &Self, tolerance: u32) -> bool {
        let near = |a: Time, b: Time| a.0.abs_diff(b.0) <= tolerance;
        let preferred = match (self.preferred, other.preferred) {
            (Some(a), Some(b)) => near(a, b),
            // One of them is about to pass.
            (None, Some(_)) | (Some(_), None) => false,
            (None, None) => true,
        };
        let times = Self { expires: self.expires, preferred: self.preferred, ..other.clone() };
        near(self.expires, other.expires) && preferred && *self == times
    }
}

fn place(link: Link) -> usize {
    usize::from(link == Link::Bulk)
}

/// Lets all that happen, and time pass until all is quiet.
fn run(world: &mut World, happenings: &[Happening]) {
    world.turn();
    for happening in happenings {
        world.happen(happening);
    }
    world.room = usize::MAX;
    world.reachable = true;
    for wire in world.wires.iter_mut().flatten() {
        wire.cut = None;
    }
    // Until everything has been asked for, also by who is in the middle of polling.
    world.wait(900);
}

#[test]
fn what_a_server_begins_with_is_copied_and_what_changes_follows_at_once() {
    let grant = |client, key| Change::Grant { client, key, valid: Some(5000) };
    let mut world = World::new(1, 100, 3600, true);
    for number in 0..KEYS {
        world.change(&grant(number % 3, number));
    }
    world.turn();
    assert_eq!(world.compare(1), Ok(()));
    assert_eq!(World::leases(&world.copy, 0, world.wall()).len(), usize::from(KEYS));
    for change in [grant(4, 2), Change::Release { key: 3 }, Change::Move { client: 1 }, grant(5, 13)] {
        world.wait(2);
        world.change(&change);
        world.turn();
        assert_eq!(world.compare(1), Ok(()), "{change:?}");
    }
    assert!(world.follower.is_live());
}

#[test]
fn an_address_that_moves_is_told_on_as_lost_by_the_one_and_had_by_the_other() {
    let grant = |client, key| Change::Grant { client, key, valid: Some(5000) };
    let mut world = World::new(1, 100, 3600, true);
    world.change(&grant(1, 0));
    world.change(&grant(2, 1));
    world.turn();
    let mut moved = |client| {
        world.wait(2);
        let before = world.copy.revision();
        world.change(&grant(client, 0));
        world.turn();
        assert_eq!(world.compare(1), Ok(()));
        // As a server that has the copy tells of it.
        let budget = Budget::unlimited();
        let changes = world.copy.changes(before, &budget).filter(|binding| binding.key() == key(0));
        changes.map(|binding| (binding.client_id().unwrap()[2], !binding.state().is_ended())).collect::<Vec<_>>()
    };
    assert_eq!(moved(2), [(1, false), (2, true)]);
    assert_eq!(moved(3), [(2, false), (3, true)]);
    assert_eq!(moved(1), [(3, false), (1, true)]);
}

#[test]
fn what_ends_by_itself_ends_in_the_copy() {
    let mut world = World::new(2, -100, 3600, true);
    for number in 0..KEYS {
        world.change(&Change::Grant { client: number % 4, key: number, valid: Some(20 + u32::from(number)) });
    }
    world.wait(28);
    assert_eq!(world.compare(1), Ok(()));
    world.wait(30);
    assert!(World::leases(&world.copy, 0, world.wall()).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    //= alq6-8.3.1-10
    //= alq6-8.3.1-12
    //= alq6-8.4-01
    //= rfc5460-6.3.1-03
    #[test]
    fn the_copy_equals_the_server_when_all_is_quiet(
        seed: u64,
        ahead in prop_oneof![Just(0_i64), Just(86_400), Just(-86_400), -50_i64..50],
        history in prop_oneof![Just(3600_u32), Just(30)],
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let mut world = World::new(seed, ahead, history, true);
        run(&mut world, &happenings);
        prop_assert_eq!(world.compare(1), Ok(()));
        prop_assert!(world.follower.is_live());
    }

    /// Without ever asking for everything again, so that nothing heals what catching up has lost.
    //= alq6-8.2-01
    //= alq6-8.2-03
    //= alq6-8.3.1-10
    #[test]
    fn catching_up_loses_nothing(
        seed: u64,
        ahead in -50_i64..50,
        happenings in prop::collection::vec(telling(), 1..60),
    ) {
        let mut world = World::new(seed, ahead, 90_000, false);
        run(&mut world, &happenings);
        // A server that seems to have no active queries does not say what has ended.
        prop_assume!(!world.helpless);
        // Nothing is told again because the clocks turn out to differ by a little.
        prop_assert_eq!(world.compare(60), Ok(()));
        prop_assert!(world.follower.is_live());
    }
}
