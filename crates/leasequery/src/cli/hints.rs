//! What is probably the mistake if nothing is found.

use leasequery_live::wall_clock;
use leasequery_record::Protocol;

use super::selectors::Selectors;

impl Selectors {
    /// What may be wrong with this if it finds nothing, if something may be.
    pub(super) fn hint(&self, protocol: Protocol) -> Option<String> {
        let relayed =
            "a server has it only if the DHCP server keeps what relays tell it (Kea: \"store-extended-info\": true)";
        let v6 = matches!(protocol, Protocol::V6);
        if self.since.is_some_and(|since| since > wall_clock()) {
            return Some("--since is in the future".to_owned());
        }
        match (&self.client_id, &self.duid, &self.remote_id, &self.relay_id) {
            (.., Some(_), _) if v6 && self.enterprise.is_none() => Some(format!(
                "a Remote-ID of DHCPv6 begins with the enterprise number of whoever made it (RFC 4649), which --enterprise N puts \
                 in front; and {relayed}"
            )),
            (.., Some(_), _) => Some(format!("of a Remote ID, {relayed}")),
            (.., Some(_)) => Some(format!("of a Relay-ID, {relayed}")),
            (Some(id), ..) if id.0.len() == MAC => Some(
                "a client-identifier that is made of a MAC address has the type in front, 01 (RFC 2132 section 9.14); --mac asks \
                 for the address"
                    .to_owned(),
            ),
            (_, Some(id), ..) if id.0.len() == MAC => {
                Some("a DUID that is made of a MAC address has its type in front, 00030001 (RFC 8415 section 11.4)".to_owned())
            }
            _ => None,
        }
    }

    /// Whether everything is asked for.
    pub(super) fn is_everything(&self) -> bool {
        let some = [
            self.address.is_some(),
            self.mac.is_some(),
            self.client_id.is_some(),
            self.duid.is_some(),
            self.remote_id.is_some(),
            self.relay_id.is_some(),
            self.link.is_some(),
            self.since.is_some(),
            self.until.is_some(),
        ];
        !some.contains(&true)
    }
}

/// Octets of a MAC address.
const MAC: usize = 6;
