//! What happens on the DHCP server beside a root: clients with several addresses and prefixes on a few links.

use std::net::Ipv6Addr;

use fastrand::Rng;
use leasequery_store::{Link, SourceId, Start, State, Store, Time, Update, V6Key};
use leasequery_wire::v6::{MessageType, OptionCode, Options, Relay, write_relayed};

use crate::copy::Name;
use crate::family;
use crate::v6::name;

/// A change of a lease, as a lease file has it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    lease: u32,
    at: Time,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Grant {
        client: u8,
        /// Until when it lasts, and is preferred; `None` where the source does not say.
        valid: Option<Time>,
        preferred: Option<Time>,
        relay: Option<u8>,
        /// The link that the source names.
        link: Option<u16>,
        name: bool,
    },
    Release,
    Decline {
        /// Who found that somebody else has it, if the source knows.
        client: Option<u8>,
        seconds: u32,
    },
    Delete,
}

/// Leases there are: few, so that much happens to each of them.
const LEASES: u32 = 24;
/// Further ones, which one client has all together most of the time: more than are told of in one message.
const CROWD: u32 = 20;
const CLIENTS: u8 = 6;

/// An address of everybody's.
pub(crate) fn address() -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)
}

/// Addresses on four networks of 64 bits, and prefixes from two pools.
fn key(lease: u32) -> V6Key {
    let number = u16::try_from(lease).unwrap_or_default();
    let part = |third, fourth, last| Ipv6Addr::new(0x2001, 0xdb8, third, fourth, 0, 0, 0, last);
    match number {
        0..=5 => V6Key::new(part(1, 0, number + 1)),
        6..=9 => V6Key::new(part(1, 1, number)),
        10..=15 => V6Key::new(part(2, 0, number)),
        16..=19 => V6Key::prefix(part(0xf1, number << 8, 0), 56),
        20..=23 => V6Key::prefix(part(0xf2, number, 0), 64),
        _ => V6Key::new(part(3, 0, number)),
    }
}

/// What a link is called, of which a source knows the number.
fn link(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 0)
}

/// Links as an administrator may have them: not all of them, nor always with the same prefixes.
pub(crate) fn links(random: &mut Rng) -> Vec<Link> {
    let pools = [link(0xf1), link(0xf2)];
    let links = [1, 2].map(|number| {
        let mut networks = vec![(link(number), 48)];
        networks.extend(pools.into_iter().filter(|_| random.u8(..) < 100).map(|pool| (pool, 48)));
        Link { address: link(number), networks }
    });
    // A network is on one link: with two of them the latter one's prefixes are its own.
    let mut taken = Vec::new();
    let mut chosen: Vec<_> = links.into_iter().filter(|_| random.bool()).collect();
    for link in &mut chosen {
        link.networks.retain(|network| !taken.contains(network));
        taken.extend_from_slice(&link.networks);
    }
    chosen
}

fn duid(client: u8) -> [u8; 7] {
    [0, 3, 0, 1, b'c', client, 0xff]
}

/// The client that has a lease most of the time, so that leases are renewed and clients have several.
fn client(lease: u32, random: &mut Rng) -> u8 {
    let (usual, often) =
        if lease < LEASES { (u8::try_from(lease).unwrap_or_default() % CLIENTS, 180) } else { (0, 240) };
    if random.u8(..) < often { usual } else { random.u8(0..CLIENTS) }
}

impl family::Row<V6Key> for Row {
    fn random(at: Time, random: &mut Rng) -> Self {
        let crowd = random.u8(..) < 80;
        let lease = if crowd { random.u32(LEASES..LEASES + CROWD) } else { random.u32(0..LEASES) };
        let lasting = crowd && random.u8(..) < 200;
        let what = match random.u8(if lasting { 5 } else { 0 }..20) {
            0..=2 => What::Release,
            3 => What::Decline { client: random.bool().then(|| client(lease, random)), seconds: random.u32(1..60) },
            4 => What::Delete,
            _ => {
                let seconds = if !lasting && random.bool() { random.u32(1..20) } else { random.u32(20..4000) };
                let valid = match random.u8(..) {
                    0..8 => None,
                    8..16 => Some(Time::INFINITE),
                    _ => Some(at.plus(seconds)),
                };
                What::Grant {
                    client: client(lease, random),
                    valid,
                    preferred: random.bool().then(|| at.plus(random.u32(0..=seconds))),
                    relay: random.bool().then(|| random.u8(0..3)),
                    link: (random.u8(..) < 80).then(|| random.u16(1..=2)),
                    name: random.u8(..) < 40,
                }
            }
        };
        Self { lease, at, what }
    }

    fn place(&self) -> (u8, u32) {
        (0, self.lease)
    }

    fn name(&self) -> Name {
        name(key(self.lease))
    }

    fn leased_until(&self) -> Option<Time> {
        match self.what {
            What::Grant { valid, .. } => Some(valid.unwrap_or(Time::INFINITE)),
            What::Release | What::Decline { .. } | What::Delete => None,
        }
    }

    fn holds(&self) -> bool {
        matches!(self.what, What::Grant { .. } | What::Decline { .. })
    }

    fn commit(&self, source: SourceId, store: &mut Store<V6Key>) {
        let key = key(self.lease);
        match self.what {
            What::Delete => drop(store.end_lease(source, key, State::Available)),
            What::Release => drop(store.end_lease(source, key, State::Released)),
            What::Decline { client: None, .. } => drop(store.end_lease(source, key, State::Abandoned)),
            What::Decline { client: Some(client), seconds } => {
                let update = Update {
                    client_id: Some(&duid(client)),
                    expires: Some(self.at.plus(seconds)),
                    last_transaction: Some(self.at),
                    start_of_state: Start::Entered(self.at),
                    whole: true,
                    ..Update::new(key, State::Abandoned)
                };
                store.commit(source, &update);
            }
            What::Grant { client, valid, preferred, relay, link: named, name } => {
                let (remote, relay_id) =
                    (remote_id(client, relay.unwrap_or_default()), relay_id(relay.unwrap_or_default()));
                let info = relay.map(|relay| relayed(client, relay));
                let further = relay_id_further();
                let more: &[&[u8]] = if relay == Some(FURTHER) { &[&further] } else { &[] };
                let options: &[(u16, &[u8])] = if name { &[(NAME, b"\0\x04host\0")] } else { &[] };
                let update = Update {
                    client_id: Some(&duid(client)),
                    expires: valid,
                    renews: preferred,
                    last_transaction: Some(self.at),
                    start_of_state: Start::Entered(self.at),
                    relay_info: info.as_deref(),
                    remote_id: relay.map(|_| &remote[..]),
                    relay_id: relay.map(|_| &relay_id[..]),
                    more_relay_ids: more,
                    link: named.and_then(|number| store.name_link(key, link(number))),
                    options,
                    whole: true,
                    ..Update::new(key, State::Active)
                };
                store.commit(source, &update);
            }
        }
    }
}

/// The option with a client's name (RFC 4704).
pub(crate) const NAME: u16 = 39;

/// Behind this relay there is another one.
const FURTHER: u8 = 2;

/// Names the client, so that what is told of one and belongs to another is noticed.
fn remote_id(client: u8, relay: u8) -> Vec<u8> {
    [&[0, 0, 0, 9], &duid(client)[..], &[relay]].concat()
}

fn relay_id(relay: u8) -> [u8; 4] {
    [0, 2, b'r', relay]
}

fn relay_id_further() -> [u8; 4] {
    relay_id(100)
}

/// What the server had the client's message in, behind the address of the relay that it came from.
fn relayed(client: u8, number: u8) -> Vec<u8> {
    let nearest =
        [option(OptionCode::REMOTE_ID, &remote_id(client, number)), option(OptionCode::RELAY_ID, &relay_id(number))];
    let (nearest, further) = (nearest.concat(), option(OptionCode::RELAY_ID, &relay_id_further()));
    let relay = |octets| Relay {
        kind: MessageType::RELAY_FORWARD,
        hop_count: 0,
        // Not every relay says which link it is on.
        link: if number == 1 { Ipv6Addr::UNSPECIFIED } else { link(1 + u16::from(number) / 2) },
        peer: address(),
        options: Options::parse(octets, 0).unwrap_or_default(),
    };
    let mut relays = vec![relay(&nearest)];
    if number == FURTHER {
        relays.insert(0, Relay { hop_count: 1, ..relay(&further) });
    }
    let mut info = address().octets().to_vec();
    write_relayed(&relays, &mut info);
    info
}

fn option(code: OptionCode, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or_default();
    [&code.0.to_be_bytes(), &length.to_be_bytes(), value].concat()
}
