//! The requestor comes back with the highest base-time it saw and expects everything since (RFC 7653 section 8.3). So no
//! message may have a later one than the oldest change that has not been told, though a client is told of with leases
//! whose changes are still to come, and those are passed over then.

use std::collections::BTreeMap;

use leasequery_protocol::server::{Limits, Turn};
use leasequery_store::{Budget, Revision, Settings, State, Time, Update, V6Key};
use leasequery_wire::v6::StatusCode;
use leasequery_wire::{Framing, split_frame};
use proptest::prelude::*;

use crate::support::*;

/// A lease as somebody knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    client: Vec<u8>,
    expires: Time,
    /// When the client was heard.
    heard: Time,
}

/// The latest change of a binding.
#[derive(Debug, Clone)]
struct Latest {
    time: Time,
    lease: Option<Known>,
}

/// A server, a requestor that comes back whenever the connection ends, and what each of them knows.
struct Pair {
    watch: Watch,
    /// Of each binding, forgotten ones included.
    latest: BTreeMap<V6Key, Latest>,
    /// How far `latest` goes.
    seen: Revision,
    known: BTreeMap<V6Key, Known>,
    /// Where the requestor resumes.
    resume: Time,
    catching_up: bool,
    /// The highest base-time of this connection.
    highest: Time,
}

impl Pair {
    fn new(history: u32) -> Self {
        let mut watch = Watch::new(World::with(Settings { history, ..Settings::default() }));
        assert_eq!(said(&watch.ask(&active())), [Said::Nothing]);
        Self {
            watch,
            latest: BTreeMap::new(),
            seen: Revision::default(),
            known: BTreeMap::new(),
            resume: NOW,
            catching_up: false,
            highest: Time::default(),
        }
    }

    /// Remembers what changed before it can be forgotten.
    fn notice_changes(&mut self) {
        let store = &self.watch.world.store;
        for binding in store.changes(self.seen, &Budget::unlimited()) {
            let lease = (binding.state() == State::Active).then(|| Known {
                client: binding.client_id().unwrap().to_vec(),
                expires: binding.expires().unwrap(),
                heard: binding.last_transaction().unwrap(),
            });
            self.latest.insert(binding.key(), Latest { time: binding.changed(), lease });
        }
        self.seen = store.revision();
    }

    fn later(&mut self, seconds: u32) {
        // One second after the other, so that nothing expires and is forgotten unseen.
        for _ in 0..seconds {
            self.watch.later(1);
            self.notice_changes();
        }
    }

    fn commit(&mut self, key: V6Key, number: u16, lifetime: u32, named: Option<u16>) {
        let now = self.watch.world.store.now();
        self.watch.world.commit(&Update {
            link: named.map(|link| address(link, 0)),
            last_transaction: Some(now),
            expires: Some(now.plus(lifetime)),
            ..lease(key, &client(number))
        });
        self.notice_changes();
    }

    /// The requestor receives what was said, or its beginning.
    fn receive(&mut self, mut octets: &[u8]) -> Result<(), TestCaseError> {
        let now = self.watch.world.store.now();
        while let Ok(Framing::Frame { body, rest }) = split_frame(octets, 4) {
            octets = rest;
            let reply = Reply(body.to_vec());
            let base_time = reply.base_time().expect("it was asked for");
            prop_assert!(base_time >= self.highest && base_time <= now, "base-times never decrease");
            self.highest = base_time;
            match (reply.status(), reply.data()) {
                (Some(StatusCode::CATCH_UP_COMPLETE), _) => {
                    prop_assert!(self.catching_up);
                    self.catching_up = false;
                }
                (Some(StatusCode::DATA_MISSING), _) => {
                    prop_assert!(self.catching_up);
                    self.catching_up = false;
                    prop_assert_eq!(base_time, now);
                    // The requestor asks for everything in bulk.
                    let leases = self.latest.iter().filter_map(|(key, latest)| Some((*key, latest.lease.clone()?)));
                    self.known = leases.collect();
                }
                (Some(StatusCode::QUERY_TERMINATED) | None, None) => {}
                (None, Some(data)) => {
                    for lease in &data.leases {
                        if lease.valid == 0 {
                            self.known.remove(&lease.key);
                        } else {
                            let (client, expires) = (data.client.clone(), base_time.plus(lease.valid));
                            self.known.insert(lease.key, Known { client, expires, heard: base_time.minus(data.clt) });
                        }
                    }
                }
                other => prop_assert!(false, "{:?}", other),
            }
            if !self.catching_up {
                self.resume = self.resume.max(base_time);
            }
            // Even for requestors that do not wait for the end of catching up.
            let resume = self.resume.max(base_time);
            for (key, latest) in &self.latest {
                let told = self.is_known(*key, latest);
                prop_assert!(told || latest.time >= resume, "{key:?} changed at {} and is not told", latest.time);
            }
        }
        Ok(())
    }

    /// Whether the requestor knows a lease as it is. It may know from another lease that the client was heard later.
    fn is_known(&self, key: V6Key, latest: &Latest) -> bool {
        match (self.known.get(&key), &latest.lease) {
            (None, None) => true,
            (Some(known), Some(lease)) => {
                known.client == lease.client && known.expires == lease.expires && known.heard >= lease.heard
            }
            _ => false,
        }
    }

    /// Whether there is nothing more to be said for now.
    fn turn(&mut self, room: usize, limit: usize) -> Result<bool, TestCaseError> {
        let out = self.watch.octets(room);
        self.receive(&out[..out.len().min(limit)])?;
        if limit < out.len() || self.watch.turn == Turn::Close {
            self.come_back();
            return Ok(false);
        }
        Ok(self.watch.turn == Turn::Idle)
    }

    fn terminate(&mut self) -> Result<(), TestCaseError> {
        let mut out = Vec::new();
        self.watch.connection.terminate(&self.watch.world.store, &mut out, "over");
        self.receive(&out)?;
        self.come_back();
        Ok(())
    }

    fn come_back(&mut self) {
        self.watch.connection = connection(permitted(), Limits::default(), self.watch.now);
        self.watch.send(&active().since(self.resume).frame());
        self.catching_up = true;
        self.highest = Time::default();
    }

    /// That in the end the requestor knows everything.
    fn finish(mut self) -> Result<(), TestCaseError> {
        while !self.turn(PLENTY, PLENTY)? {}
        prop_assert!(!self.catching_up);
        for (key, latest) in &self.latest {
            prop_assert!(self.is_known(*key, latest), "{:?}: {:?}, not {:?}", key, self.known.get(key), latest);
        }
        self.terminate()?;
        prop_assert_eq!(self.resume, self.watch.world.store.now(), "nothing keeps the resume point back");
        Ok(())
    }
}

#[derive(Debug, Clone)]
enum Happening {
    Commit {
        key: V6Key,
        client: u16,
        lifetime: u32,
        named: Option<u16>,
    },
    Release(V6Key),
    Later(u32),
    Turn {
        room: usize,
        /// After how many octets the connection is lost.
        limit: usize,
    },
    Terminate,
    Break,
}

fn some_key() -> impl Strategy<Value = V6Key> {
    prop_oneof![4 => (1_u16..3, 0_u16..5).prop_map(|(link, host)| key(link, host)), 1 => (0_u16..3).prop_map(delegated)]
}

fn happening() -> impl Strategy<Value = Happening> {
    let limit = || prop_oneof![8 => Just(usize::MAX), 1 => 0_usize..400];
    let named = prop::option::weighted(0.3, 1_u16..3);
    prop_oneof![
        10 => (some_key(), 0_u16..3, prop_oneof![1_u32..30, Just(3600)], named)
            .prop_map(|(key, client, lifetime, named)| Happening::Commit { key, client, lifetime, named }),
        2 => some_key().prop_map(Happening::Release),
        4 => (0_u32..4).prop_map(Happening::Later),
        1 => (4_u32..40).prop_map(Happening::Later),
        // A few messages, so that the cursor is always behind.
        5 => (1_usize..300, limit()).prop_map(|(room, limit)| Happening::Turn { room, limit }),
        1 => (Just(PLENTY), limit()).prop_map(|(room, limit)| Happening::Turn { room, limit }),
        1 => Just(Happening::Terminate),
        1 => Just(Happening::Break),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    //= alq6-8.3-04
    //= alq6-8.3.1-13
    //= alq6-8.6-01
    //= alq6-6.2.1-03
    //= alq6-7-02
    #[test]
    fn whoever_resumes_at_the_highest_base_time_misses_nothing(
        history in 1_u32..60,
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        let mut pair = Pair::new(history);
        for happening in happenings {
            match happening {
                Happening::Commit { key, client, lifetime, named } => pair.commit(key, client, lifetime, named),
                Happening::Release(key) => {
                    pair.watch.world.release(key);
                    pair.notice_changes();
                }
                Happening::Later(seconds) => pair.later(seconds),
                Happening::Turn { room, limit } => {
                    pair.turn(room, limit)?;
                }
                Happening::Terminate => pair.terminate()?,
                Happening::Break => pair.come_back(),
            }
        }
        pair.finish()?;
    }
}

//= alq6-8.6-01
//= alq6-8.3.1-13
#[test]
fn a_connection_may_be_lost_behind_any_octet() {
    let build = || {
        let mut pair = Pair::new(60);
        pair.turn(PLENTY, PLENTY).unwrap();
        for host in 0..6 {
            pair.later(1);
            pair.commit(key(1 + host % 2, host), host / 3, 3600, None);
        }
        pair.watch.world.release(key(1, 2));
        pair.notice_changes();
        pair
    };
    let length = build().watch.octets(PLENTY).len();
    assert!(length > 300);
    for limit in 0..=length {
        let mut pair = build();
        pair.turn(PLENTY, limit).unwrap();
        pair.finish().unwrap();
    }
}
