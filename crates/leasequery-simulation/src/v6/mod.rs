//! DHCPv6, as the simulation knows it.

mod leases;
mod octets;

use std::net::IpAddr;
use std::sync::Arc;

use fastrand::Rng;
use leasequery_protocol::follower::V6Wanted;
use leasequery_protocol::requestor::v6::{Record, Selector, V6};
use leasequery_protocol::server::{Policy, v6};
use leasequery_store::{Binding, Budget, Link, State, Store, Time, V6Key};

use crate::copy::{Contact, Name, Seen};
use crate::family::Family;
use leases::{NAME, Row, address, links};

/// DUIDs of all servers, and of all requestors.
const SERVER: [u8; 4] = [0, 2, b's', b's'];
const REQUESTOR: [u8; 4] = [0, 2, b'q', b'q'];

impl Family for V6 {
    const NAME: &'static str = "v6";
    const BULK_TELLS_ENDS: bool = false;
    const SHARES_CONTACTS: bool = true;

    type Server = v6::V6;
    type Row = Row;
    type Configured = Vec<Link>;

    fn server(policy: Arc<Policy>) -> v6::V6 {
        v6::V6::new(SERVER.into(), policy, true)
    }

    fn wanted() -> V6Wanted {
        V6Wanted {
            selector: Selector::default(),
            options: vec![NAME],
            client_id: REQUESTOR.into(),
            listeners: Arc::default(),
        }
    }

    fn peer() -> IpAddr {
        address().into()
    }

    fn first_configured(random: &mut Rng) -> Vec<Link> {
        links(random)
    }

    fn other_configured(_now: Time, random: &mut Rng) -> Vec<Link> {
        links(random)
    }

    fn configure(configured: &Vec<Link>, store: &mut Store<V6Key>) {
        store.set_links(None, configured.clone());
    }

    fn name(key: V6Key, _store: &Store<V6Key>) -> Name {
        name(key)
    }

    fn seen(record: &Record<'_>) -> (Name, Seen) {
        let times = record.times();
        let relay_info = record.relay_data().map(|data| [&data.peer.octets(), data.message].concat());
        let mut options: Vec<_> = record.options().map(|(code, value)| (code.0, value.to_vec())).collect();
        options.sort();
        let contact =
            Contact { heard: Some(times.last_transaction), relay_info: relay_info.unwrap_or_default(), options };
        (name(record.key()), seen(record.client_id(), contact, record.is_active(), times.expires, times.preferred))
    }

    /// What nobody knows the client of cannot be told.
    fn seen_of(binding: &Binding<'_, V6Key>, _there: bool) -> Option<Seen> {
        let live = binding.state() == State::Active;
        Some(seen(binding.client_id()?, contact(binding), live, binding.expires(), binding.renews()))
    }

    /// The server tells of a client with all its leases on a link at once, and of the one it was heard last about.
    fn contacts(binding: &Binding<'_, V6Key>, store: &Store<V6Key>) -> Vec<Contact> {
        let link = store.link_of(binding);
        let budget = Budget::unlimited();
        let of_client = store.of_client(binding.client_id().unwrap_or_default(), None, &budget);
        let on_link = of_client.filter(|other| other.key() == binding.key() || store.link_of(other) == link);
        on_link.map(|other| contact(&other)).collect()
    }
}

fn name(key: V6Key) -> Name {
    Name { vpn: Vec::new(), address: key.address().into(), length: key.prefix_length() }
}

/// A lease that nobody knows the end of is told as one without end, and nothing is preferred for longer than it lasts.
fn seen(client: &[u8], contact: Contact, live: bool, expires: Option<Time>, preferred: Option<Time>) -> Seen {
    let end = expires.unwrap_or(Time::INFINITE);
    Seen {
        state: if live { State::Active } else { State::Available } as u8,
        hardware: Vec::new(),
        client_id: client.to_vec(),
        contact,
        start: None,
        expires: if live { Some(end) } else { expires },
        preferred: live.then(|| preferred.unwrap_or(end).min(end)),
        remote: false,
    }
}

fn contact(binding: &Binding<'_, V6Key>) -> Contact {
    Contact {
        heard: Some(binding.last_transaction().unwrap_or(binding.start_of_state())),
        relay_info: binding.relay_info().map(<[u8]>::to_vec).unwrap_or_default(),
        options: binding.options().map(|(code, value)| (code, value.to_vec())).collect(),
    }
}
