//! DHCPv4, as the simulation knows it.

mod leases;
mod octets;

use std::net::IpAddr;
use std::sync::Arc;

use fastrand::Rng;
use leasequery_protocol::follower::V4Wanted;
use leasequery_protocol::requestor::v4::{Record, V4};
use leasequery_protocol::server::{Policy, v4};
use leasequery_store::{Binding, Budget, Entry, Network, Selector, Store, Time, V4Key, VpnIndex, VpnName, VpnRange};
use leasequery_wire::v4::Vpn;

use crate::check::TOLERANCE;
use crate::copy::{Contact, Name, Seen};
use crate::family::Family;
use leases::{Row, address, networks, never_leased};

impl Family for V4 {
    const NAME: &'static str = "v4";
    const BULK_TELLS_ENDS: bool = true;
    const SHARES_CONTACTS: bool = false;

    type Server = v4::V4;
    type Row = Row;
    type Configured = Vec<Network<V4Key>>;

    fn server(policy: Arc<Policy>) -> v4::V4 {
        v4::V4::new(address(0), policy, true)
    }

    fn wanted() -> V4Wanted {
        V4Wanted { options: vec![12], ..V4Wanted::default() }
    }

    fn peer() -> IpAddr {
        address(0).into()
    }

    /// Nothing, for a start.
    fn first_configured(_random: &mut Rng) -> Vec<Network<V4Key>> {
        Vec::new()
    }

    fn other_configured(now: Time, random: &mut Rng) -> Vec<Network<V4Key>> {
        networks(now, random)
    }

    fn configure(configured: &Vec<Network<V4Key>>, store: &mut Store<V4Key>) {
        store.set_networks(None, configured);
    }

    fn name(key: V4Key, store: &Store<V4Key>) -> Name {
        let vpn = match store.vpn_name(key.vpn) {
            Some(VpnName::Name(name)) => name.to_vec(),
            _ => Vec::new(),
        };
        Name { vpn, address: key.address.into(), length: None }
    }

    fn seen(record: &Record<'_>) -> (Name, Seen) {
        let vpn = match record.vpn() {
            Some(Vpn::Name(name)) => name.to_vec(),
            _ => Vec::new(),
        };
        let times = record.times();
        let mut options: Vec<_> = record.options().map(|(code, value)| (code.0.into(), value.to_vec())).collect();
        options.sort();
        let seen = Seen {
            state: record.state().0,
            hardware: record.hardware().map(|hardware| hardware.address.to_vec()).unwrap_or_default(),
            client_id: record.client_id().map(<[u8]>::to_vec).unwrap_or_default(),
            contact: Contact {
                heard: times.last_transaction,
                relay_info: record.relay_info().map(<[u8]>::to_vec).unwrap_or_default(),
                options,
            },
            start: times.start_of_state,
            expires: times.expires,
            preferred: None,
            remote: record.is_remote(),
        };
        (Name { vpn, address: record.address().into(), length: None }, seen)
    }

    fn seen_of(binding: &Binding<'_, V4Key>, there: bool) -> Option<Seen> {
        Some(Seen {
            state: binding.state() as u8,
            hardware: binding.hardware().map(|hardware| hardware.address.to_vec()).unwrap_or_default(),
            client_id: binding.client_id().map(<[u8]>::to_vec).unwrap_or_default(),
            contact: contact(binding),
            start: Some(binding.start_of_state()),
            expires: binding.expires(),
            preferred: None,
            remote: if there { binding.is_remote_there() } else { binding.is_remote() },
        })
    }

    fn contacts(binding: &Binding<'_, V4Key>, _store: &Store<V4Key>) -> Vec<Contact> {
        vec![contact(binding)]
    }

    /// A copy knows all that a server could lease, and of those where there were no leases, no others.
    fn compare_configured(copy: &Store<V4Key>, servers: &[(&Store<V4Key>, i64)]) -> Result<(), String> {
        for (server, _) in servers {
            for entry in server.scan(Selector::All, VpnRange::One(VpnIndex::DEFAULT), None, &Budget::unlimited()) {
                if let Entry::Free { key, .. } = entry
                    && copy.lookup(key).is_none()
                    && !copy.is_configured(key)
                {
                    return Err(format!("{} is configured, but not in the copy", key.address));
                }
            }
        }
        for key in never_leased() {
            let mine = since(copy, key);
            let theirs = servers.iter().filter_map(|(server, ahead)| Some(since(server, key)? - ahead)).min();
            // One that was taken out and put in again between two sweeps has been there all the time, for all the copy
            // knows.
            if mine.is_some() != theirs.is_some()
                || mine.zip(theirs).is_some_and(|(mine, theirs)| mine > theirs + TOLERANCE)
            {
                return Err(format!("{} is configured since {theirs:?}, in the copy since {mine:?}", key.address));
            }
        }
        Ok(())
    }
}

fn contact(binding: &Binding<'_, V4Key>) -> Contact {
    Contact {
        heard: binding.last_transaction(),
        relay_info: binding.relay_info().map(<[u8]>::to_vec).unwrap_or_default(),
        options: binding.options().map(|(code, value)| (code, value.to_vec())).collect(),
    }
}

/// Since when an address is configured that has never been leased.
fn since(store: &Store<V4Key>, key: V4Key) -> Option<i64> {
    let budget = Budget::unlimited();
    let entry = store.scan(Selector::All, VpnRange::One(key.vpn), None, &budget).find(|entry| entry.key() == key)?;
    match entry {
        Entry::Free { since, .. } => Some(i64::from(since.0)),
        Entry::Bound(_) => None,
    }
}
