//! Whatever comes, the follower does not panic, and always waits for something.

use std::time::Duration;

use leasequery_protocol::follower::{LINKS, Link, Position, Settings};
use leasequery_wire::v6::{MessageType, MessageWriter, OptionCode, StatusCode};
use proptest::prelude::*;

use crate::peer::*;

/// A message, most of the time one that has a place.
#[derive(Debug, Clone)]
struct Said {
    kind: u8,
    /// Whether it answers the query, and comes from whom it should.
    right: bool,
    /// Seconds from now by the local clock.
    base_time: Option<i64>,
    status: Option<u16>,
    /// Leases of a client, with their lifetimes, unless there is none.
    leases: Option<Vec<(u8, u32)>>,
    /// Whether it says when the client was heard of.
    heard: bool,
    options: Vec<(u16, Vec<u8>)>,
}

fn said() -> impl Strategy<Value = Said> {
    let kind = prop_oneof![3 => Just(15_u8), 12 => Just(17), 3 => Just(16), 1 => any::<u8>()];
    let status = prop_oneof![8 => Just(None), 4 => (0_u16..17).prop_map(Some), 1 => any::<u16>().prop_map(Some)];
    let base_time = prop::option::weighted(0.9, prop_oneof![8 => -5_i64..1, 1 => -5000_i64..5000]);
    let valid = prop_oneof![1 => Just(0_u32), 4 => 1_u32..5000, 1 => any::<u32>()];
    let leases = prop::option::weighted(0.8, prop::collection::vec((1_u8..6, valid), 0..5));
    let option = (1_u16..110, prop::collection::vec(any::<u8>(), 0..6));
    let options = prop::collection::vec(option, 0..2);
    (kind, prop::bool::weighted(0.97), base_time, status, leases, prop::bool::weighted(0.9), options).prop_map(
        |(kind, right, base_time, status, leases, heard, options)| Said {
            kind,
            right,
            base_time,
            // A status is seldom said of a client.
            status: status.filter(|code| leases.is_none() || *code > 13),
            leases,
            heard,
            // A malformed option is the end of a connection, so there are few of them.
            options: if heard { Vec::new() } else { options },
        },
    )
}

impl Said {
    fn octets(&self, xid: u32, now: leasequery_store::Time) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = MessageWriter::frame(&mut out, MessageType(self.kind), if self.right { xid } else { xid ^ 7 });
        if self.kind == 15 {
            writer.option(OptionCode::SERVER_ID, &SERVER);
            writer.option(OptionCode::CLIENT_ID, if self.right { &OWN } else { &SERVER });
        }
        if let Some(seconds) = self.base_time {
            let time = u32::try_from(i64::from(now.0) + seconds).unwrap();
            writer.u32(OptionCode::BASE_TIME, wire(leasequery_store::Time(time)));
        }
        if let Some(code) = self.status {
            writer.status(StatusCode(code), "text");
        }
        if let Some(leases) = &self.leases {
            let data = writer.open(OptionCode::CLIENT_DATA);
            writer.option(OptionCode::CLIENT_ID, &[0, 2, 1]);
            for (number, valid) in leases {
                let length = (number % 2 == 0).then_some(128);
                writer.lease(address(*number).address(), length, *valid, *valid);
            }
            if self.heard {
                writer.u32(OptionCode::CLT_TIME, 9);
            }
            for (code, value) in &self.options {
                writer.option(OptionCode(*code), value);
            }
            writer.close(data);
        }
        writer.finish().unwrap();
        out
    }
}

#[derive(Debug, Clone)]
enum Happening {
    /// What the server says; how many octets of the last message are held back until it says more. Unless it is `raw`
    /// it begins each response as it should.
    Said(Link, Vec<Said>, usize, bool),
    Octets(Link, Vec<u8>),
    Eof(Link),
    /// What it waits for happens, and no connection can be opened meanwhile if it is not reachable.
    Due {
        reachable: bool,
    },
    Later(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let link = prop_oneof![Just(Link::Active), Just(Link::Bulk)];
    let held = prop_oneof![5 => Just(0_usize), 1 => 0_usize..300];
    let said = (link.clone(), prop::collection::vec(said(), 1..6), held, prop::bool::weighted(0.05));
    prop_oneof![
        12 => said.prop_map(|(l, s, h, raw)| Happening::Said(l, s, h, raw)),
        1 => (link.clone(), prop::collection::vec(any::<u8>(), 1..400)).prop_map(|(l, o)| Happening::Octets(l, o)),
        2 => link.prop_map(Happening::Eof),
        8 => prop::bool::weighted(0.9).prop_map(|reachable| Happening::Due { reachable }),
        2 => (0_u64..200).prop_map(Happening::Later),
    ]
}

struct World {
    scene: Scene,
    xids: [u32; 2],
    begun: [bool; 2],
    /// Octets of the last message that are still to come.
    held: [Vec<u8>; 2],
    attempts: Vec<Duration>,
}

fn place(link: Link) -> usize {
    usize::from(link == Link::Bulk)
}

impl World {
    fn say(&mut self, link: Link, said: Vec<Said>, held: usize, raw: bool) {
        let place = place(link);
        let mut octets = std::mem::take(&mut self.held[place]);
        for mut said in said {
            // The first message is the LEASEQUERY-REPLY, and no other one is.
            let begun = std::mem::replace(&mut self.begun[place], true);
            if !raw && (begun == (said.kind == 15)) {
                said.kind = if begun { 17 } else { 15 };
            }
            octets.extend(said.octets(self.xids[place], self.scene.time()));
        }
        self.held[place] = octets.split_off(octets.len() - held.min(octets.len()));
        self.scene.hear(link, &octets);
    }

    /// Turns the wheel until nothing more is to be done now.
    fn turn(&mut self, reachable: bool) {
        for _ in 0..20 {
            self.scene.work();
            self.scene.seen();
            let Some(link) = self.scene.follower.poll_connect(self.scene.now) else { return };
            assert!(!self.scene.follower.is_open(link));
            if link == Link::Active {
                self.attempts.push(self.scene.now);
            }
            if !reachable {
                self.scene.refuse(link);
                continue;
            }
            self.xids[place(link)] = self.scene.accept(link).xid;
            self.begun[place(link)] = false;
            self.held[place(link)].clear();
        }
        panic!("it connects without end");
    }

    fn later(&mut self, now: Duration) {
        self.scene.now = now;
        let time = self.scene.time();
        self.scene.store.advance(time);
    }
}

proptest! {
    #[test]
    fn nothing_makes_the_follower_panic_or_get_stuck(
        position in prop::option::of((0_u32..5000, -3_i64..50)),
        sweep: bool,
        initial in prop::bool::weighted(0.8),
        kept: bool,
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let position = position.map(|(ago, skew)| Position { resume: NOW.minus(ago), skew });
        let settings = Settings { sweep: sweep.then(|| seconds(3600)), initial, kept, ..settings() };
        let scene = Scene::with(position, settings);
        let mut world = World {
            scene,
            xids: [0; 2],
            begun: [false; 2],
            held: <[Vec<u8>; 2]>::default(),
            attempts: Vec::new(),
        };
        world.turn(true);
        for happening in happenings {
            let mut reachable = true;
            match happening {
                Happening::Said(link, said, held, raw) => world.say(link, said, held, raw),
                Happening::Octets(link, octets) => world.scene.hear(link, &octets),
                Happening::Eof(link) => world.scene.close(link),
                Happening::Due { reachable: is } => {
                    reachable = is;
                    if let Some(due) = world.scene.follower.poll_timeout() {
                        let now = world.scene.now.max(due);
                        world.later(now);
                    }
                }
                Happening::Later(seconds) => {
                    let now = world.scene.now + Duration::from_secs(seconds);
                    world.later(now);
                }
            }
            world.turn(reachable);
            // It waits, and not in vain: what is due now has been done.
            let (now, due) = (world.scene.now, world.scene.follower.poll_timeout());
            prop_assert!(due.is_some_and(|due| due > now), "{:?} at {:?}", due, now);
            // Not for ever: a server that says nothing is left.
            if LINKS.iter().any(|link| world.scene.follower.is_open(*link)) {
                prop_assert!(due <= Some(now + seconds(300)));
            }
            // What is kept is where it stands.
            let (kept, stands) = (world.scene.kept(), world.scene.resume());
            prop_assert!(kept.is_none() || stands.is_none() || kept == stands);
        }
        // One that says goodbye is expected back soon, but not again and again.
        for attempts in world.attempts.windows(8) {
            prop_assert!(attempts[7] >= attempts[0] + seconds(60), "active queries at {:?}", attempts);
        }
    }
}
