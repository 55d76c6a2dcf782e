//! Whatever comes, the follower does not panic, and always waits for something.

use std::collections::BTreeSet;
use std::time::Duration;

use leasequery_protocol::follower::V4Wanted;
use leasequery_protocol::follower::{Follower, LINKS, Link, Position, Settings};
use leasequery_protocol::requestor::v4::V4;
use leasequery_store::{Budget, SourceId, Store, Time, V4Key};
use leasequery_wire::v4::{BOOT_REPLY, Header, MessageType, MessageWriter, OptionCode, StatusCode};
use proptest::prelude::*;

use crate::peer::*;

/// A message, most of the time one that has a place.
#[derive(Debug, Clone)]
struct Said {
    kind: u8,
    /// Whether it answers the query.
    right: bool,
    number: u8,
    client: bool,
    /// Seconds from now by the local clock.
    base_time: Option<i64>,
    status: Option<u8>,
    options: Vec<(u8, Vec<u8>)>,
}

fn said() -> impl Strategy<Value = Said> {
    let kind = prop_oneof![8 => Just(13_u8), 4 => Just(11), 2 => Just(15), 6 => Just(17), 1 => any::<u8>()];
    let status = prop_oneof![1 => Just(None), 6 => (0_u8..10).prop_map(Some), 1 => any::<u8>().prop_map(Some)];
    let base_time = prop::option::weighted(0.9, prop_oneof![8 => -5_i64..1, 1 => -5000_i64..5000]);
    let option = prop_oneof![
        3 => (prop_oneof![Just(51_u8), Just(91), Just(153)], any::<u32>().prop_map(|value| value.to_be_bytes().to_vec())),
        1 => (Just(156_u8), prop::collection::vec(0_u8..10, 1)),
        1 => (Just(221_u8), prop_oneof![Just(b"\0blue".to_vec()), Just(vec![255]), Just(vec![254])]),
        1 => (1_u8..255, prop::collection::vec(any::<u8>(), 0..6)),
    ];
    let right = prop::bool::weighted(0.97);
    (kind, right, 0_u8..6, any::<bool>(), base_time, status, prop::collection::vec(option, 0..3)).prop_map(
        |(kind, right, number, client, base_time, status, options)| {
            // A status about one binding is rare, and one about all of them is not about one.
            let whole = kind == 15 || kind == 17;
            let status = status.filter(|code| whole || *code > 6);
            let number = if whole { 0 } else { number };
            Said { kind, right, number, client, base_time, status, options }
        },
    )
}

impl Said {
    fn octets(&self, xid: u32, now: Time) -> Vec<u8> {
        let mut out = Vec::new();
        let mac = [2, 0, 0, 0, 0, self.number];
        let ciaddr = if self.number == 0 { std::net::Ipv4Addr::UNSPECIFIED } else { address(self.number) };
        let mut header = Header { ciaddr, ..Header::new(BOOT_REPLY, if self.right { xid } else { xid ^ 7 }) };
        if self.client && self.number > 0 {
            header = Header { htype: 1, chaddr: &mac, ..header };
        }
        let mut writer = MessageWriter::frame(&mut out, &header, MessageType(self.kind));
        if let Some(seconds) = self.base_time {
            let time = u32::try_from(i64::from(now.0) + seconds).unwrap();
            writer.u32(OptionCode::BASE_TIME, time);
        }
        if let Some(code) = self.status {
            writer.status(StatusCode(code), "text");
        }
        for (code, value) in &self.options {
            writer.option(OptionCode(*code), value);
        }
        writer.finish().unwrap();
        out
    }
}

#[derive(Debug, Clone)]
enum Happening {
    /// What the server says; how many octets of the last message are held back until it says more.
    Said(Link, Vec<Said>, usize),
    Octets(Link, Vec<u8>),
    Eof(Link),
    /// What it waits for happens, and no connection can be opened meanwhile if it is not reachable.
    Due {
        reachable: bool,
    },
    Later(u64),
    /// It is started anew, with what it has kept.
    Restart,
}

fn happening() -> impl Strategy<Value = Happening> {
    let link = prop_oneof![Just(Link::Active), Just(Link::Bulk)];
    let held = prop_oneof![5 => Just(0_usize), 1 => 0_usize..300];
    prop_oneof![
        12 => (link.clone(), prop::collection::vec(said(), 1..6), held).prop_map(|(l, s, h)| Happening::Said(l, s, h)),
        1 => (link.clone(), prop::collection::vec(any::<u8>(), 1..400)).prop_map(|(l, o)| Happening::Octets(l, o)),
        2 => link.prop_map(Happening::Eof),
        8 => prop::bool::weighted(0.9).prop_map(|reachable| Happening::Due { reachable }),
        2 => (0_u64..200).prop_map(Happening::Later),
        1 => Just(Happening::Restart),
    ]
}

struct World {
    follower: Follower<V4>,
    store: Store<V4Key>,
    source: SourceId,
    settings: Settings,
    now: Duration,
    xids: [u32; 2],
    /// Octets of the last message that are still to come.
    held: [Vec<u8>; 2],
    attempts: [Vec<Duration>; 2],
    log: Log,
}

fn place(link: Link) -> usize {
    usize::from(link == Link::Bulk)
}

impl World {
    fn new(position: Option<Position>, settings: Settings) -> Self {
        let mut store = Store::new(leasequery_store::Settings::default());
        store.advance(NOW);
        let source = store.source("server").unwrap();
        let follower = Follower::new(V4Wanted::default(), source, position, settings.clone(), 7);
        Self {
            follower,
            store,
            source,
            settings,
            now: Duration::ZERO,
            xids: [0; 2],
            held: <[Vec<u8>; 2]>::default(),
            attempts: <[Vec<Duration>; 2]>::default(),
            log: Log::default(),
        }
    }

    fn time(&self) -> Time {
        NOW.plus(u32::try_from(self.now.as_secs()).unwrap())
    }

    fn later(&mut self, now: Duration) {
        self.now = now;
        self.store.advance(self.time());
    }

    fn restart(&mut self) {
        let position = self.store.position(self.source).and_then(Position::from_bytes);
        self.follower = Follower::new(V4Wanted::default(), self.source, position, self.settings.clone(), 8);
        // A process that is started anew does not know when the last one tried.
        self.attempts = <[Vec<Duration>; 2]>::default();
    }

    /// Turns the wheel until nothing more is to be done now.
    fn turn(&mut self, reachable: bool) {
        for _ in 0..20 {
            for round in 0.. {
                if !self.follower.advance(self.now, &mut self.store, &mut self.log, 2) {
                    break;
                }
                assert!(round < 1000, "it works without end");
            }
            self.log.0.clear();
            let Some(link) = self.follower.poll_connect(self.now) else { return };
            assert!(!self.follower.is_open(link));
            self.attempts[place(link)].push(self.now);
            if !reachable {
                self.follower.handle_unreachable(link, "refused");
                continue;
            }
            self.follower.handle_connected(link, self.now, PEER.into(), &mut self.store);
            let query = self.follower.poll_transmit(link);
            if let Some(xid) = query.get(6..10) {
                self.xids[place(link)] = u32::from_be_bytes(xid.try_into().unwrap());
            }
            let length = query.len();
            self.follower.handle_sent(link, self.now, length);
            self.held[place(link)].clear();
        }
        panic!("it connects without end");
    }
}

/// A position of some time ago, by a server whose clock is a little ahead.
fn position() -> impl Strategy<Value = Option<Position>> {
    prop::option::of((0_u32..5000, -3_i64..50).prop_map(|(ago, skew)| Position { resume: NOW.minus(ago), skew }))
}

fn some_settings() -> impl Strategy<Value = Settings> {
    (any::<bool>(), prop::bool::weighted(0.8), any::<bool>()).prop_map(|(sweep, initial, kept)| Settings {
        sweep: sweep.then(|| seconds(3600)),
        initial,
        kept,
        ..settings()
    })
}

proptest! {
    #[test]
    fn nothing_makes_the_follower_panic_or_get_stuck(
        position in position(),
        settings in some_settings(),
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let mut world = World::new(position, settings);
        world.turn(true);
        for happening in happenings {
            let mut reachable = true;
            match happening {
                Happening::Said(link, said, held) => {
                    let mut octets = std::mem::take(&mut world.held[place(link)]);
                    for said in said {
                        octets.extend(said.octets(world.xids[place(link)], world.time()));
                    }
                    let rest = octets.split_off(octets.len() - held.min(octets.len()));
                    world.held[place(link)] = rest;
                    world.follower.handle_bytes(link, &octets);
                }
                Happening::Octets(link, octets) => world.follower.handle_bytes(link, &octets),
                Happening::Eof(link) => world.follower.handle_eof(link),
                Happening::Due { reachable: is } => {
                    reachable = is;
                    if let Some(due) = world.follower.poll_timeout() {
                        let now = world.now.max(due);
                        world.later(now);
                    }
                }
                Happening::Later(seconds) => {
                    let now = world.now + Duration::from_secs(seconds);
                    world.later(now);
                }
                Happening::Restart => world.restart(),
            }
            world.turn(reachable);
            // It waits, and not in vain: what is due now has been done.
            let due = world.follower.poll_timeout();
            prop_assert!(due.is_some_and(|due| due > world.now), "{:?} at {:?}", due, world.now);
            // Not for ever: a server that says nothing is left.
            if LINKS.iter().any(|link| world.follower.is_open(*link)) {
                prop_assert!(due <= Some(world.now + seconds(300)));
            }
            for link in LINKS {
                prop_assert!(world.follower.is_open(link) || world.follower.poll_transmit(link).is_empty());
            }
            // What is kept is where it stands.
            let kept = world.store.position(world.source).and_then(Position::from_bytes);
            prop_assert!(kept.is_none() || world.follower.position().is_none() || kept == world.follower.position());
        }
        // One that says goodbye is expected back soon, but not again and again.
        for attempts in world.attempts[0].windows(8) {
            prop_assert!(attempts[7] >= attempts[0] + seconds(60), "active queries at {:?}", attempts);
        }
        let addresses: BTreeSet<_> = (1..6).map(address).collect();
        let budget = Budget::unlimited();
        let all = world.store.scan(leasequery_store::Selector::All, leasequery_store::VpnRange::All, None, &budget);
        for entry in all {
            if let leasequery_store::Entry::Bound(binding) = entry {
                prop_assert!(addresses.contains(&binding.key().address));
            }
        }
    }
}
