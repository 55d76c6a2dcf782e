//! An access network that does not exist: clients behind relays, and a DHCP server that leases them addresses.

mod dual;

use std::collections::VecDeque;
use std::net::Ipv4Addr;

pub(super) use dual::DualStack;
use fastrand::Rng;
use leasequery_store::{Hardware, Network, Outcome, SourceId, State, Store, Time, Update, V4Key, VpnIndex};

/// Relays, each with a network of its own.
pub(super) const RELAYS: u32 = 4;
/// Addresses from one network to the next.
const DISTANCE: u32 = 1 << 14;
/// The first network.
const FIRST: u32 = u32::from_be_bytes([10, 64, 0, 0]);
/// Seconds of an ordinary lease.
const LEASE: u32 = 3600;
/// Seconds of the lease of a guest, who leaves without a word.
const GUEST_LEASE: u32 = 5;
/// Seconds for which a declined address is not leased.
const PROBATION: u32 = 30;

/// What happened, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub(super) granted: u64,
    pub(super) renewed: u64,
    pub(super) released: u64,
    pub(super) declined: u64,
}

impl Tally {
    pub(super) fn changes(&self) -> u64 {
        self.granted + self.renewed + self.released + self.declined
    }
}

/// What has just happened to whom.
#[derive(Debug, Clone, Copy)]
pub(super) enum Happening {
    /// A client got a lease of so many seconds, or renewed it.
    Leased(Lease, u32),
    /// A client is gone.
    Left(Lease),
}

/// A lease, as the DHCP server remembers it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    address: Ipv4Addr,
    /// Number of the client, which all its identifiers are made of.
    client: u32,
}

/// The network.
#[derive(Debug)]
pub(super) struct AccessNetwork {
    rng: Rng,
    source: SourceId,
    /// Leases of clients who stay until they say otherwise. The first one never does.
    leases: Vec<Lease>,
    /// Free addresses; the one that has been free for longest is the next to be leased.
    free: VecDeque<Ipv4Addr>,
    /// Addresses that each relay has.
    pool: u32,
    /// Addresses that become free by themselves, in the order of time.
    waiting: VecDeque<(Time, Ipv4Addr)>,
    clients: u32,
    tally: Tally,
}

impl AccessNetwork {
    /// A network whose source is `source`, with no client yet, in which `rate` things can happen in a second: every
    /// client renews now and then, none all the time.
    pub(super) fn new(seed: u64, source: SourceId, rate: u32) -> Self {
        let mut rng = Rng::with_seed(seed);
        let pool = (rate / 2).clamp(500, DISTANCE - 20);
        let mut free: Vec<_> =
            (0..RELAYS).flat_map(|relay| (first_address(relay)..).take(pool as usize).map(Ipv4Addr::from)).collect();
        rng.shuffle(&mut free);
        let (leases, waiting, tally) = (Vec::new(), VecDeque::new(), Tally::default());
        Self { rng, source, leases, free: free.into(), pool, waiting, clients: 0, tally }
    }

    /// What it leases.
    pub(super) fn configured(&self, since: Time) -> Vec<Network<V4Key>> {
        let range = |relay| {
            let first = first_address(relay);
            Network { first: key(first.into()), last: key((first + self.pool - 1).into()), since }
        };
        (0..RELAYS).map(range).collect()
    }

    /// How many addresses it leases.
    pub(super) fn size(&self) -> u32 {
        RELAYS * self.pool
    }

    /// What has happened so far.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Someone who is there as long as the network is.
    pub(super) fn resident(&self) -> Option<Identity> {
        self.leases.first().map(|lease| Identity::new(lease.client, lease.address))
    }

    /// Lets clients come until more than half of the addresses are leased. They do not count as what happened.
    pub(super) fn populate(&mut self, store: &mut Store<V4Key>, mut told: impl FnMut(Happening)) {
        for _ in 0..self.size() / 20 * 11 {
            self.grant(store, LEASE).map(&mut told);
        }
        self.tally = Tally::default();
    }

    /// Lets one thing happen.
    pub(super) fn step(&mut self, store: &mut Store<V4Key>) -> Option<Happening> {
        while let Some((_, address)) = self.waiting.front().filter(|(time, _)| *time < store.now()).copied() {
            self.waiting.pop_front();
            self.free.push_back(address);
        }
        let crowded = self.leases.len() > (self.size() / 4 * 3) as usize;
        match self.rng.u32(0..100) {
            0..20 if !crowded => self.grant(store, LEASE),
            20..23 => self.grant(store, GUEST_LEASE),
            23..42 => self.release(store),
            42 => self.decline(store),
            _ => self.renew(store),
        }
    }

    fn grant(&mut self, store: &mut Store<V4Key>, seconds: u32) -> Option<Happening> {
        let address = self.free.pop_front()?;
        self.clients += 1;
        let lease = Lease { address, client: self.clients };
        self.tally.granted += u64::from(commit_active(store, self.source, lease, seconds, true));
        if seconds == LEASE {
            self.leases.push(lease);
        } else {
            self.wait(store.now().plus(seconds), address);
        }
        Some(Happening::Leased(lease, seconds))
    }

    fn renew(&mut self, store: &mut Store<V4Key>) -> Option<Happening> {
        let lease = self.rng.choice(&self.leases).copied()?;
        // A client renews with the server itself, without a relay that would add anything.
        self.tally.renewed += u64::from(commit_active(store, self.source, lease, LEASE, false));
        Some(Happening::Leased(lease, LEASE))
    }

    fn release(&mut self, store: &mut Store<V4Key>) -> Option<Happening> {
        let lease = self.leave()?;
        let outcome = store.end_lease(self.source, key(lease.address), State::Released);
        self.tally.released += u64::from(is_change(outcome));
        self.free.push_back(lease.address);
        Some(Happening::Left(lease))
    }

    /// A client finds its new address in use by somebody else.
    fn decline(&mut self, store: &mut Store<V4Key>) -> Option<Happening> {
        let lease = self.leave()?;
        let until = store.now().plus(PROBATION);
        let update = Update { expires: Some(until), ..Update::new(key(lease.address), State::Abandoned) };
        self.tally.declined += u64::from(is_change(store.commit(self.source, &update)));
        self.wait(until, lease.address);
        Some(Happening::Left(lease))
    }

    /// Keeps an address back until the store has let go of it by itself.
    fn wait(&mut self, until: Time, address: Ipv4Addr) {
        let place = self.waiting.partition_point(|(time, _)| *time <= until);
        self.waiting.insert(place, (until, address));
    }

    /// Takes out anyone but the resident.
    fn leave(&mut self) -> Option<Lease> {
        (self.leases.len() > 1).then(|| self.leases.swap_remove(self.rng.usize(1..self.leases.len())))
    }
}

fn is_change(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Committed(_))
}

/// First address of a relay's network that is leased.
const fn first_address(relay: u32) -> u32 {
    FIRST + relay * DISTANCE + 10
}

fn key(address: Ipv4Addr) -> V4Key {
    V4Key { vpn: VpnIndex::DEFAULT, address }
}

fn commit_active(store: &mut Store<V4Key>, source: SourceId, lease: Lease, seconds: u32, relayed: bool) -> bool {
    let (now, identity) = (store.now(), Identity::new(lease.client, lease.address));
    let relay_info = identity.relay_info();
    let update = Update {
        hardware: Some(Hardware { htype: 1, address: &identity.mac }),
        client_id: Some(&identity.client_id),
        last_transaction: Some(now),
        expires: Some(now.plus(seconds)),
        renews: Some(now.plus(seconds / 2)),
        rebinds: Some(now.plus(seconds / 8 * 7)),
        relay_info: relayed.then_some(relay_info.as_slice()),
        remote_id: relayed.then_some(identity.remote_id.as_bytes()),
        relay_id: relayed.then_some(identity.relay_id.as_bytes()),
        options: &[(12, identity.host_name.as_bytes())],
        ..Update::new(key(lease.address), State::Active)
    };
    is_change(store.commit(source, &update))
}

/// Who a client is, as the DHCP server and the relay see it.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) mac: [u8; 6],
    client_id: Vec<u8>,
    host_name: String,
    /// Where the client is connected.
    pub(super) remote_id: String,
    /// Which relay it is behind.
    pub(super) relay_id: String,
}

impl Identity {
    fn new(client: u32, address: Ipv4Addr) -> Self {
        let [a, b, c, d] = client.to_be_bytes();
        let mac = [2, 0, a, b, c, d];
        let relay = (address.to_bits() - FIRST) / DISTANCE + 1;
        // Some clients have an identifier of their own (RFC 4361), most are known by their hardware address.
        let client_id = if client.is_multiple_of(3) {
            [&[0xff, a, b, c, d, 0, 3, 0, 1][..], &mac].concat()
        } else {
            [&[1][..], &mac].concat()
        };
        Self {
            mac,
            client_id,
            host_name: format!("host-{client}"),
            remote_id: format!("line-{:05}", address.to_bits() % DISTANCE),
            relay_id: format!("relay-{relay}"),
        }
    }

    /// Content of option 82: circuit-id, Remote ID and Relay-ID.
    fn relay_info(&self) -> Vec<u8> {
        let mut info = Vec::with_capacity(40);
        for (code, value) in [(1, "eth0"), (2, self.remote_id.as_str()), (12, self.relay_id.as_str())] {
            info.push(code);
            info.extend(u8::try_from(value.len()));
            info.extend_from_slice(value.as_bytes());
        }
        info
    }
}

#[cfg(test)]
mod tests;
