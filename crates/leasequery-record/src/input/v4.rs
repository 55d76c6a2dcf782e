use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use leasequery_store::{Hardware, Outcome, SourceId, Start, State, Store, Time, Update, V4Key, VpnIndex};
use leasequery_wire::v4::{RelayAgentInformation, SubOption};

use super::{Raw, RecordError, error, field, has_none, options, parse_id};
use crate::{parse_end, parse_hex, parse_mac, parse_time, parse_vpn};

/// A DHCPv4 record, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V4Input {
    address: Ipv4Addr,
    vpn: Option<leasequery_store::VpnName>,
    /// `None` removes the lease.
    state: Option<State>,
    hardware: Option<(u8, Vec<u8>)>,
    client_id: Option<Vec<u8>>,
    start_of_state: Option<Time>,
    last_transaction: Option<Time>,
    expires: Option<Time>,
    renews: Option<Time>,
    rebinds: Option<Time>,
    relay_info: Option<Vec<u8>>,
    remote_id: Option<Vec<u8>>,
    relay_id: Option<Vec<u8>>,
    options: BTreeMap<u16, Vec<u8>>,
    remote: bool,
}

impl V4Input {
    /// Checks a line.
    pub(super) fn new(raw: Raw) -> Result<Self, RecordError> {
        has_none(
            "DHCPv4",
            &[
                ("prefix", raw.prefix.is_some()),
                ("duid", raw.duid.is_some()),
                ("iaid", raw.iaid.is_some()),
                ("link", raw.link.is_some()),
                ("preferred-until", raw.preferred_until.is_some()),
                ("relay-peer", raw.relay_peer.is_some()),
                ("relay-message", raw.relay_message.is_some()),
            ],
        )?;
        let (state, remote) = (raw.state()?, raw.remote()?);
        let text = raw.address.ok_or_else(|| error("address", "missing; \"10.0.0.10\" would be one"))?;
        let address = text.parse().ok().filter(|address: &Ipv4Addr| !address.is_unspecified());
        let address = address.ok_or_else(|| {
            error("address", format!("'{text}' is not an IPv4 address of a client, like \"10.0.0.10\""))
        })?;
        let mac = field("mac", raw.mac, parse_mac)?;
        let relay_info = field("relay-agent-information", raw.relay_agent_information, parse_hex)?;
        let mut input = Self {
            address,
            vpn: field("vpn", raw.vpn, parse_vpn)?,
            state,
            hardware: mac.map(|mac| (raw.htype.unwrap_or(1), mac)),
            client_id: field("client-id", raw.client_id, parse_id)?,
            start_of_state: field("start-time-of-state", raw.start_time_of_state, parse_time)?,
            last_transaction: field("client-last-transaction-time", raw.client_last_transaction_time, parse_time)?,
            expires: field("expires", raw.expires, parse_end)?,
            renews: field("renews", raw.renews, parse_end)?,
            rebinds: field("rebinds", raw.rebinds, parse_end)?,
            relay_info,
            remote_id: field("remote-id", raw.remote_id, parse_id)?,
            relay_id: field("relay-id", raw.relay_id, parse_id)?,
            options: options(raw.options, 254)?,
            remote,
        };
        input.complete_relay()?;
        Ok(input)
    }

    /// Derives remote-id and relay-id from the relay agent information, or, where only they are given, makes one of
    /// them, so that replies carry what queries find.
    fn complete_relay(&mut self) -> Result<(), RecordError> {
        match &self.relay_info {
            Some(info) => {
                let info =
                    RelayAgentInformation::parse(info).map_err(|problem| error("relay-agent-information", problem))?;
                for (name, given, there) in [
                    ("remote-id", &mut self.remote_id, info.remote_id()),
                    ("relay-id", &mut self.relay_id, info.relay_id()),
                ] {
                    if given.as_deref().is_some_and(|given| there != Some(given)) {
                        return Err(error(name, "is not the one in relay-agent-information"));
                    }
                    *given = there.map(<[u8]>::to_vec);
                }
            }
            None => {
                let mut info = Vec::new();
                for (name, code, id) in [
                    ("remote-id", SubOption::REMOTE_ID, &self.remote_id),
                    ("relay-id", SubOption::RELAY_ID, &self.relay_id),
                ] {
                    let Some(id) = id else { continue };
                    let length = u8::try_from(id.len()).map_err(|_| error(name, "has more than 255 octets"))?;
                    info.extend_from_slice(&[code.0, length]);
                    info.extend_from_slice(id);
                }
                self.relay_info = (!info.is_empty()).then_some(info);
            }
        }
        Ok(())
    }

    /// Puts the record into the store.
    pub fn commit(&self, store: &mut Store<V4Key>, source: SourceId) -> Result<Outcome, RecordError> {
        let vpn = match &self.vpn {
            Some(name) => store.vpn(Some(source), name).ok_or_else(|| error("vpn", "too many VPNs"))?,
            None => VpnIndex::DEFAULT,
        };
        let key = V4Key { vpn, address: self.address };
        let Some(state) = self.state else { return Ok(store.end_lease(source, key, State::Available)) };
        let options: Vec<(u16, &[u8])> = self.options.iter().map(|(code, value)| (*code, value.as_slice())).collect();
        let update = Update {
            start_of_state: self.start_of_state.map_or(Start::Seen, Start::Given),
            hardware: self.hardware.as_ref().map(|(htype, address)| Hardware { htype: *htype, address }),
            client_id: self.client_id.as_deref(),
            last_transaction: self.last_transaction,
            expires: self.expires,
            renews: self.renews,
            rebinds: self.rebinds,
            relay_info: self.relay_info.as_deref(),
            remote_id: self.remote_id.as_deref(),
            relay_id: self.relay_id.as_deref(),
            options: &options,
            remote: self.remote,
            ..Update::new(key, state)
        };
        match store.commit(source, &update) {
            Outcome::Refused => Err(RecordError("more than 65535 octets of attributes".to_owned())),
            outcome => Ok(outcome),
        }
    }
}
