use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use leasequery_store::{Hardware, Outcome, SourceId, Start, State, Store, Time, Update, V4Key, VpnIndex};
use leasequery_wire::v4::{RelayAgentInformation, SubOption};
use serde::Deserialize;
use thiserror::Error;

use super::{parse_hex, parse_mac, parse_time, parse_vpn};

/// Why a line is not a record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct RecordError(String);

/// A record as a source gives it, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
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
    options: BTreeMap<u8, Vec<u8>>,
    remote: bool,
}

/// The line as it stands. Fields that only output has are taken and not looked at, so that what was printed can be
/// pushed; those of DHCPv6 are refused.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Raw {
    op: Option<String>,
    protocol: Option<String>,
    address: Option<String>,
    vpn: Option<String>,
    state: Option<String>,
    htype: Option<u8>,
    mac: Option<String>,
    client_id: Option<String>,
    start_time_of_state: Option<String>,
    client_last_transaction_time: Option<String>,
    expires: Option<String>,
    renews: Option<String>,
    rebinds: Option<String>,
    relay_agent_information: Option<String>,
    remote_id: Option<String>,
    relay_id: Option<String>,
    #[serde(default)]
    options: BTreeMap<String, String>,
    data_source: Option<String>,
    #[serde(rename = "server")]
    _server: Option<serde::de::IgnoredAny>,
    #[serde(rename = "base-time")]
    _base_time: Option<serde::de::IgnoredAny>,
}

fn error(field: &str, problem: impl std::fmt::Display) -> RecordError {
    RecordError(format!("{field}: {problem}"))
}

/// What the JSON reader says, without the number of a line that is always the first.
fn not_taken(problem: &serde_json::Error) -> RecordError {
    let text = problem.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    RecordError(format!("{text} (column {})", problem.column()))
}

fn field<T>(
    name: &str,
    text: Option<String>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, RecordError> {
    text.map(|text| parse(&text).map_err(|problem| error(name, problem))).transpose()
}

impl Input {
    /// Reads one line.
    pub fn parse(line: &[u8]) -> Result<Self, RecordError> {
        let raw: Raw = serde_json::from_slice(line).map_err(|problem| not_taken(&problem))?;
        match raw.protocol.as_deref() {
            Some("v4") => {}
            Some("v6") => return Err(error("protocol", "this version has no DHCPv6")),
            Some(other) => return Err(error("protocol", format!("'{other}' is neither \"v4\" nor \"v6\""))),
            None => return Err(error("protocol", "missing; \"v4\" would be right")),
        }
        let text = raw.address.ok_or_else(|| error("address", "missing"))?;
        let address = text.parse().ok().filter(|address: &Ipv4Addr| !address.is_unspecified());
        let address =
            address.ok_or_else(|| error("address", format!("'{text}' is not an IPv4 address of a client")))?;
        let state = match (raw.op.as_deref(), raw.state.as_deref()) {
            (Some("delete"), _) => None,
            (Some(other), _) => return Err(error("op", format!("'{other}' is not \"delete\""))),
            (None, Some(name)) => Some(state(name)?),
            (None, None) => return Err(error("state", "missing")),
        };
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
            expires: field("expires", raw.expires, parse_time)?,
            renews: field("renews", raw.renews, parse_time)?,
            rebinds: field("rebinds", raw.rebinds, parse_time)?,
            relay_info,
            remote_id: field("remote-id", raw.remote_id, parse_id)?,
            relay_id: field("relay-id", raw.relay_id, parse_id)?,
            options: options(raw.options)?,
            remote: match raw.data_source.as_deref() {
                None | Some("local") => false,
                Some("remote") => true,
                Some(other) => {
                    return Err(error("data-source", format!("'{other}' is neither \"local\" nor \"remote\"")));
                }
            },
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
            Some(name) => store.vpn(name).ok_or_else(|| error("vpn", "too many VPNs"))?,
            None => VpnIndex::DEFAULT,
        };
        let key = V4Key { vpn, address: self.address };
        let Some(state) = self.state else { return Ok(store.end_lease(source, key, State::Available)) };
        let options: Vec<(u16, &[u8])> =
            self.options.iter().map(|(code, value)| (u16::from(*code), value.as_slice())).collect();
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

/// An identifier of any length but none.
fn parse_id(text: &str) -> Result<Vec<u8>, String> {
    parse_hex(text).and_then(|id| if id.is_empty() { Err("is empty".to_owned()) } else { Ok(id) })
}

fn state(name: &str) -> Result<State, RecordError> {
    (1..=8)
        .filter(|number| leasequery_wire::v4::State(*number).name() == Some(name))
        .find_map(State::from_number)
        .ok_or_else(|| error("state", format!("'{name}' is none of the states of RFC 6926 section 6.2.7")))
}

fn options(raw: BTreeMap<String, String>) -> Result<BTreeMap<u8, Vec<u8>>, RecordError> {
    raw.into_iter()
        .map(|(code, value)| {
            let name = format!("options: {code}");
            let number = code.parse::<u8>().ok().filter(|code| (1..=254).contains(code));
            let number = number.ok_or_else(|| error(&name, "a code is a number from 1 to 254"))?;
            Ok((number, parse_hex(&value).map_err(|problem| error(&name, problem))?))
        })
        .collect()
}

#[cfg(test)]
mod tests;
