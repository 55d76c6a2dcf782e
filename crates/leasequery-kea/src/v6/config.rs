//! What Kea's configuration says about the links of DHCPv6.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use leasequery_store::Link;
use serde_json::Value;

use super::super::config::{Scopes, network, objects};
use super::KeaConfig;

/// What is taken from the subnets.
#[derive(Debug, Clone, PartialEq, Default, Hash)]
pub struct Subnets {
    links: Vec<LinkParts>,
    /// The link of each subnet, by its number, as a place in the list.
    of_subnets: BTreeMap<u32, usize>,
}

/// A shared network, or a subnet that is in none.
#[derive(Debug, Clone, PartialEq, Hash)]
struct LinkParts {
    /// Which one in the configuration.
    number: usize,
    networks: Vec<Ipv6Net>,
    relays: Vec<Ipv6Addr>,
}

impl KeaConfig {
    /// The links, each of which is called by the first address of its first subnet.
    pub fn links(&self) -> Vec<Link> {
        self.subnets.links.iter().filter_map(LinkParts::link).collect()
    }

    /// What the link of a subnet is called.
    pub fn link_of(&self, subnet: u32) -> Option<Ipv6Addr> {
        let link = *self.subnets.of_subnets.get(&subnet)?;
        self.subnets.links.get(link)?.address()
    }
}

impl LinkParts {
    fn address(&self) -> Option<Ipv6Addr> {
        self.networks.first().map(Ipv6Net::network)
    }

    fn link(&self) -> Option<Link> {
        let mut networks: Vec<_> = self.networks.iter().map(|net| (net.network(), net.prefix_len())).collect();
        let outside = |relay: &&Ipv6Addr| !self.networks.iter().any(|net| net.contains(*relay));
        networks.extend(self.relays.iter().filter(outside).map(|relay| (*relay, 128)));
        Some(Link { address: self.address()?, networks })
    }
}

impl Subnets {
    pub(super) fn add(&mut self, scopes: &Scopes<'_>, id: u32, link: usize, warnings: &mut Vec<String>) {
        let Some((subnet, outer)) = scopes.split_first() else { return };
        let given = subnet.get("subnet").unwrap_or(&Value::Null);
        let Some(net) = given.as_str().and_then(net) else {
            warnings.push(format!("subnet {id}: {given} is no prefix: its link is not known"));
            return;
        };
        if self.links.last().is_none_or(|last| last.number != link) {
            self.links.push(LinkParts { number: link, networks: Vec::new(), relays: Vec::new() });
        }
        let place = self.links.len() - 1;
        self.of_subnets.insert(id, place);
        let parts = &mut self.links[place];
        parts.networks.push(net);
        for pool in objects(subnet.get("pd-pools")) {
            let (prefix, length) = (pool.get("prefix"), pool.get("prefix-len"));
            let address = prefix.and_then(Value::as_str).and_then(|text| text.trim().parse().ok());
            let length = length.and_then(Value::as_u64).and_then(|length| u8::try_from(length).ok());
            match address.zip(length).and_then(|(address, length)| Ipv6Net::new(address, length).ok()) {
                Some(net) => parts.networks.push(net.trunc()),
                None => warnings.push(format!("subnet {id}: a pd-pool that is no prefix: what is of it has no link")),
            }
        }
        // Those of a shared network are not told in the global scope.
        for scope in [Some(subnet), outer.split_last().and_then(|(_, networks)| networks.first())].iter().flatten() {
            for text in relays(scope.get("relay")) {
                match text.parse() {
                    Ok(relay) if parts.relays.contains(&relay) => {}
                    Ok(relay) => parts.relays.push(relay),
                    Err(_) => warnings.push(format!("subnet {id}: relay address \"{text}\" is none")),
                }
            }
        }
    }
}

/// The addresses of relays, in the form of now and in that of before Kea 1.4.
fn relays(relay: Option<&Value>) -> impl Iterator<Item = &str> {
    let listed = relay.and_then(|relay| relay.get("ip-addresses")?.as_array()).into_iter().flatten();
    let single = relay.and_then(|relay| relay.get("ip-address"));
    // That is how Kea itself writes that there is none.
    listed.chain(single).filter_map(Value::as_str).filter(|text| *text != "::")
}

fn net(text: &str) -> Option<Ipv6Net> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let (address, length) = network(&text)?;
    Ipv6Net::new(address.parse().ok()?, length).ok().map(|net| net.trunc())
}

#[cfg(test)]
mod tests;
