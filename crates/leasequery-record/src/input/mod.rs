mod time;
mod v4;
mod v6;

use std::collections::BTreeMap;

use leasequery_store::State;
use serde::Deserialize;
use thiserror::Error;

use super::{meant, parse_hex, parse_identifier, unknown_name};

pub use v4::V4Input;
pub use v6::V6Input;

/// Why a line is not a record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct RecordError(String);

/// A record as a source gives it, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Of DHCPv4.
    V4(V4Input),
    /// Of DHCPv6.
    V6(V6Input),
}

/// The line as it stands. Fields that only output has are taken and not looked at, so that what was printed can be
/// pushed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Raw {
    op: Option<String>,
    protocol: Option<String>,
    address: Option<String>,
    prefix: Option<String>,
    vpn: Option<String>,
    state: Option<String>,
    htype: Option<u8>,
    mac: Option<String>,
    client_id: Option<String>,
    duid: Option<String>,
    iaid: Option<u32>,
    link: Option<String>,
    #[serde(default, deserialize_with = "time::text")]
    start_time_of_state: Option<String>,
    #[serde(default, deserialize_with = "time::text")]
    client_last_transaction_time: Option<String>,
    #[serde(default, deserialize_with = "time::text")]
    expires: Option<String>,
    #[serde(default, deserialize_with = "time::text")]
    renews: Option<String>,
    #[serde(default, deserialize_with = "time::text")]
    rebinds: Option<String>,
    #[serde(default, deserialize_with = "time::text")]
    preferred_until: Option<String>,
    relay_agent_information: Option<String>,
    relay_peer: Option<String>,
    relay_message: Option<String>,
    remote_id: Option<String>,
    relay_id: Option<String>,
    #[serde(default)]
    options: BTreeMap<String, String>,
    data_source: Option<String>,
    #[serde(rename = "server")]
    _server: Option<serde::de::IgnoredAny>,
    #[serde(rename = "base-time")]
    _base_time: Option<serde::de::IgnoredAny>,
    #[serde(rename = "client-id-text")]
    _client_id_text: Option<serde::de::IgnoredAny>,
    #[serde(rename = "remote-id-text")]
    _remote_id_text: Option<serde::de::IgnoredAny>,
    #[serde(rename = "relay-id-text")]
    _relay_id_text: Option<serde::de::IgnoredAny>,
}

fn error(field: &str, problem: impl std::fmt::Display) -> RecordError {
    RecordError(format!("{field}: {problem}"))
}

/// What the JSON reader says, without the number of a line that is always the first.
fn not_taken(problem: &serde_json::Error) -> RecordError {
    let text = problem.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let text = match unknown_name(text) {
        Some((name, known)) => match meant(name, &known) {
            Some(near) => format!("there is no field \"{name}\"; did you mean \"{near}\"?"),
            None => format!("there is no field \"{name}\""),
        },
        None => text.to_owned(),
    };
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
        is_object(line)?;
        let raw: Raw = serde_json::from_slice(line).map_err(|problem| not_taken(&problem))?;
        match raw.protocol.as_deref() {
            Some("v4") => V4Input::new(raw).map(Self::V4),
            Some("v6") => V6Input::new(raw).map(Self::V6),
            Some(other) => Err(error("protocol", format!("'{other}' is neither \"v4\" nor \"v6\""))),
            None => Err(error("protocol", "missing; \"v4\" or \"v6\" would be right")),
        }
    }
}

impl Raw {
    /// What the lease has become; `None` if it is removed.
    fn state(&self) -> Result<Option<State>, RecordError> {
        match (self.op.as_deref(), self.state.as_deref()) {
            (Some("delete"), _) => Ok(None),
            (Some(other), _) => Err(error("op", format!("'{other}' is not \"delete\", and there is nothing else"))),
            (None, Some(name)) => state(name).map(Some),
            (None, None) => {
                Err(error("state", "missing; \"active\" would be right for a lease, \"op\": \"delete\" removes one"))
            }
        }
    }

    /// Whether the latest change happened on another server.
    fn remote(&self) -> Result<bool, RecordError> {
        match self.data_source.as_deref() {
            None | Some("local") => Ok(false),
            Some("remote") => Ok(true),
            Some(other) => Err(error("data-source", format!("'{other}' is neither \"local\" nor \"remote\""))),
        }
    }
}

/// Refuses what is JSON and no object, which a reader of fields would take for some of them.
fn is_object(line: &[u8]) -> Result<(), RecordError> {
    let problem = match line.trim_ascii_start().first() {
        Some(b'{') => return Ok(()),
        Some(b'[') => "a list is not a record; one record a line, without brackets around them, would be right",
        _ => "not a record; a JSON object, {\"protocol\": \"v4\", …}, is expected",
    };
    Err(RecordError(problem.to_owned()))
}

/// Refuses what only the other protocol has.
fn has_none(protocol: &str, fields: &[(&str, bool)]) -> Result<(), RecordError> {
    match fields.iter().find(|(_, there)| *there) {
        Some((name, _)) => Err(error(name, format!("a record of {protocol} has no such field"))),
        None => Ok(()),
    }
}

/// An identifier of any length but none.
fn parse_id(text: &str) -> Result<Vec<u8>, String> {
    parse_identifier(text).and_then(|id| if id.is_empty() { Err("is empty".to_owned()) } else { Ok(id) })
}

fn state(name: &str) -> Result<State, RecordError> {
    (1..=8)
        .filter(|number| leasequery_wire::v4::State(*number).name() == Some(name))
        .find_map(State::from_number)
        .ok_or_else(|| {
            error(
                "state",
                format!("'{name}' is none of the states of RFC 6926 section 6.2.7, such as \"active\" or \"released\""),
            )
        })
}

fn options(raw: BTreeMap<String, String>, most: u16) -> Result<BTreeMap<u16, Vec<u8>>, RecordError> {
    raw.into_iter()
        .map(|(code, value)| {
            let name = format!("options: {code}");
            let number = code.parse::<u16>().ok().filter(|code| (1..=most).contains(code));
            let number = number.ok_or_else(|| error(&name, format!("a code is a number from 1 to {most}")))?;
            Ok((number, parse_hex(&value).map_err(|problem| error(&name, problem))?))
        })
        .collect()
}

#[cfg(test)]
mod tests;
