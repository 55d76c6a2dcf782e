//! Who an active response has told to have what: a copy by clients and not by addresses, as its messages are in DHCPv6.

use std::collections::BTreeSet;
use std::net::IpAddr;

use leasequery_store::{State, Store};

use crate::family::Family;
use crate::octets::{Facts, Is, Word};

/// Addresses and prefixes, as octets, with the clients that were told to have them.
#[derive(Debug, Default)]
pub(crate) struct Holders(BTreeSet<(Vec<u8>, Vec<u8>)>);

impl Holders {
    /// Takes a message of the response.
    pub(crate) fn hear<F: Family>(&mut self, body: &[u8], facts: Facts) {
        if facts.word == Some(Word::DataMissing) {
            // What was lost meanwhile is not told.
            self.0.clear();
        }
        for told in F::told(body) {
            match told.is {
                Is::Live => self.0.insert((told.key, told.client)),
                Is::Over | Is::Free => self.0.remove(&(told.key, told.client)),
            };
        }
    }

    /// Whether everybody has what he was told to have, once everything has been told.
    pub(crate) fn check<F: Family>(&self, store: &Store<F::Key>) -> Result<(), String> {
        let budget = leasequery_store::Budget::unlimited();
        let live = store.changes(leasequery_store::Revision::default(), &budget);
        let live = live.filter(|binding| binding.state() == State::Active).filter_map(|binding| {
            let name = F::name(binding.key(), store);
            let address = match name.address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            Some(([&address, name.length.as_slice()].concat(), F::seen_of(&binding, false)?.client_id))
        });
        let live: BTreeSet<_> = live.collect();
        match self.0.difference(&live).next() {
            Some((key, client)) => Err(format!("{client:?} was not told to have lost {key:?}")),
            None => Ok(()),
        }
    }
}
