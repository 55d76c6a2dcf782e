//! What happens on the DHCP server beside a root: leases that come and go.

use std::net::Ipv4Addr;

use fastrand::Rng;
use leasequery_store::{Hardware, Network, SourceId, Start, State, Store, Time, Update, V4Key, VpnIndex, VpnName};

use crate::copy::Name;
use crate::family;

/// A change of a lease, as a lease file has it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    address: u32,
    vpn: u8,
    at: Time,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Grant { client: u8, seconds: u32, relay: Option<u8>, id: bool, host: bool },
    Release,
    Decline { seconds: u32 },
    Delete,
}

/// Addresses in use: few, so that much happens to each of them.
const ADDRESSES: u32 = 24;
const FIRST: u32 = 0x0a00_0000;

/// The first address.
pub(crate) fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST + number)
}

fn vpn_name(number: u8) -> Vec<u8> {
    vec![b'a' + number]
}

/// Addresses that are configured now and then, and never leased.
pub(crate) fn never_leased() -> impl Iterator<Item = V4Key> {
    (ADDRESSES..ADDRESSES + 8).map(|number| V4Key::new(address(number)))
}

impl family::Row<V4Key> for Row {
    fn random(at: Time, random: &mut Rng) -> Self {
        let what = match random.u8(0..20) {
            0..=2 => What::Release,
            3 => What::Decline { seconds: random.u32(1..60) },
            4 => What::Delete,
            _ => What::Grant {
                client: random.u8(0..12),
                seconds: if random.bool() { random.u32(1..20) } else { random.u32(20..4000) },
                relay: random.bool().then(|| random.u8(0..3)),
                id: random.bool(),
                host: random.u8(..) < 40,
            },
        };
        Self { address: random.u32(0..ADDRESSES), vpn: if random.u8(..) < 40 { random.u8(1..3) } else { 0 }, at, what }
    }

    fn place(&self) -> (u8, u32) {
        (self.vpn, self.address)
    }

    fn name(&self) -> Name {
        let vpn = if self.vpn == 0 { Vec::new() } else { vpn_name(self.vpn) };
        Name { vpn, address: address(self.address).into(), length: None }
    }

    fn leased_until(&self) -> Option<Time> {
        match self.what {
            What::Grant { seconds, .. } => Some(self.at.plus(seconds)),
            What::Release | What::Decline { .. } | What::Delete => None,
        }
    }

    fn holds(&self) -> bool {
        matches!(self.what, What::Grant { .. } | What::Decline { .. })
    }

    fn commit(&self, source: SourceId, store: &mut Store<V4Key>) {
        let vpn = match self.vpn {
            0 => VpnIndex::DEFAULT,
            number => store.vpn(Some(source), &VpnName::Name(vpn_name(number).into())).unwrap_or(VpnIndex::DEFAULT),
        };
        let key = V4Key { vpn, address: address(self.address) };
        let (mac, id, option_82, remote);
        let update = match &self.what {
            What::Delete => {
                store.end_lease(source, key, State::Available);
                return;
            }
            What::Release => {
                store.end_lease(source, key, State::Released);
                return;
            }
            What::Decline { seconds } => Update {
                expires: Some(self.at.plus(*seconds)),
                start_of_state: Start::Entered(self.at),
                ..Update::new(key, State::Abandoned)
            },
            What::Grant { client, seconds, relay, id: has_id, host } => {
                mac = [2, 0, 0, 0, 0, *client];
                id = [0xff, *client, 1, 2];
                remote = [b'r', relay.unwrap_or_default()];
                option_82 = [2, 2, b'r', relay.unwrap_or_default()];
                let options: &[(u16, &[u8])] = if *host { &[(12, b"host")] } else { &[] };
                let update = Update {
                    expires: Some(self.at.plus(*seconds)),
                    renews: Some(self.at.plus(seconds / 2)),
                    last_transaction: Some(self.at),
                    start_of_state: Start::Entered(self.at),
                    hardware: Some(Hardware { htype: 1, address: &mac }),
                    client_id: has_id.then_some(&id[..]),
                    relay_info: relay.map(|_| &option_82[..]),
                    remote_id: relay.map(|_| &remote[..]),
                    options,
                    ..Update::new(key, State::Active)
                };
                store.commit(source, &update);
                return;
            }
        };
        store.commit(source, &update);
    }
}

/// What a DHCP server is configured to lease: another part of the addresses each time.
pub(crate) fn networks(since: Time, random: &mut Rng) -> Vec<Network<V4Key>> {
    let mut networks = Vec::new();
    for _ in 0..random.u32(0..3) {
        let first = random.u32(0..ADDRESSES + 4);
        let last = random.u32(first..ADDRESSES + 8);
        networks.push(Network { first: V4Key::new(address(first)), last: V4Key::new(address(last)), since });
    }
    networks
}
