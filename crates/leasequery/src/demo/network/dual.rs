use std::net::Ipv6Addr;

use leasequery_store::{Link, SourceId, State, Store, Update, V6Key};
use leasequery_wire::v6::{MessageType, OptionCode, Options, Relay, write_relayed};

use super::{DISTANCE, FIRST, Happening, Identity, LEASE, Lease, RELAYS};

/// The same subscribers over DHCPv6: each has an address on the link of his relay, and a prefix delegated to him unless
/// he is a guest.
#[derive(Debug)]
pub(crate) struct DualStack {
    source: SourceId,
}

/// 2001:db8::/32, of which each relay has a link of 64 bits, and all of them the second half to delegate from.
const SITE: u128 = 0x2001_0db8 << 96;
const DELEGATED: u128 = SITE | 0x8000 << 80;
/// A subscriber's prefix.
const PREFIX_LENGTH: u8 = 56;
/// Enterprise number of documentation (RFC 5612), in front of a Remote-ID.
const ENTERPRISE: [u8; 4] = 32_473_u32.to_be_bytes();

impl DualStack {
    /// The network as `source` tells of it.
    pub(crate) fn new(source: SourceId) -> Self {
        Self { source }
    }

    /// The links, one for each relay.
    pub(crate) fn links() -> Vec<Link> {
        let link = |relay: u32| {
            let address = link_of(relay);
            // Prefixes are delegated from a part that tells the relay.
            let delegated = Ipv6Addr::from_bits(DELEGATED | u128::from(relay) << 88);
            Link { address, networks: vec![(address, 64), (delegated, 40)] }
        };
        (0..RELAYS).map(link).collect()
    }

    /// Lets happen here what has happened to a subscriber's IPv4 address.
    pub(crate) fn follow(&self, happening: Happening, store: &mut Store<V6Key>) {
        match happening {
            Happening::Leased(lease, seconds) => self.lease(lease, seconds, store),
            Happening::Left(lease) => {
                for key in keys(lease) {
                    store.end_lease(self.source, key, State::Released);
                }
            }
        }
    }

    fn lease(&self, lease: Lease, seconds: u32, store: &mut Store<V6Key>) {
        let (now, identity) = (store.now(), Identity::new(lease.client, lease.address));
        let duid = [&[0, 3, 0, 1][..], &identity.mac].concat();
        let remote_id = [&ENTERPRISE[..], identity.remote_id.as_bytes()].concat();
        let relay_id = [&[0, 2][..], &ENTERPRISE, identity.relay_id.as_bytes()].concat();
        let info = relay_info(relay_of(lease), &remote_id, &relay_id);
        let leased = if seconds == LEASE { &keys(lease)[..] } else { &keys(lease)[..1] };
        for key in leased {
            let update = Update {
                client_id: Some(&duid),
                last_transaction: Some(now),
                expires: Some(now.plus(seconds)),
                renews: Some(now.plus(seconds / 2)),
                relay_info: Some(&info),
                remote_id: Some(&remote_id),
                relay_id: Some(&relay_id),
                ..Update::new(*key, State::Active)
            };
            store.commit(self.source, &update);
        }
    }
}

fn relay_of(lease: Lease) -> u32 {
    (lease.address.to_bits() - FIRST) / DISTANCE
}

fn link_of(relay: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(SITE | u128::from(relay + 1) << 64)
}

/// What a subscriber with this IPv4 address has: an address and a prefix.
fn keys(lease: Lease) -> [V6Key; 2] {
    let (relay, number) = (relay_of(lease), u128::from(lease.address.to_bits() % DISTANCE));
    let address = Ipv6Addr::from_bits(link_of(relay).to_bits() | number);
    let prefix = Ipv6Addr::from_bits(DELEGATED | u128::from(relay) << 88 | number << 72);
    [V6Key::new(address), V6Key::prefix(prefix, PREFIX_LENGTH)]
}

/// How the relay passed on what the client said: its own address, then the Relay-Forward.
fn relay_info(relay: u32, remote_id: &[u8], relay_id: &[u8]) -> Vec<u8> {
    let mut options = Vec::new();
    for (code, value) in [(OptionCode::REMOTE_ID, remote_id), (OptionCode::RELAY_ID, relay_id)] {
        options.extend_from_slice(&code.0.to_be_bytes());
        options.extend(u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        options.extend_from_slice(value);
    }
    let link = Ipv6Addr::from_bits(link_of(relay).to_bits() | 1);
    let mut info = link.octets().to_vec();
    if let Ok(options) = Options::parse(&options, 0) {
        let kind = MessageType::RELAY_FORWARD;
        write_relayed(&[Relay { kind, hop_count: 0, link, peer: link, options }], &mut info);
    }
    info
}
