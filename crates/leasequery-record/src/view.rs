use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use leasequery_protocol::requestor::{v4, v6};
use leasequery_store::{Binding, Store, Time, V4Key, V6Key};
use leasequery_wire::v4::State;
use leasequery_wire::v6::OptionCode;

use super::text::{printable, push_address, push_hex, push_mac, push_number, push_text, push_time};
use super::{vpn_name_text, vpn_text};

/// A record as it is printed: the values of [`FIELDS`]. `None` is not known, or does not apply.
#[derive(Debug)]
pub struct View<'a>([Option<Value<'a>>; FIELDS.len()]);

/// The fields of a record, in the order in which they are printed.
pub const FIELDS: [&str; 24] = [
    "protocol",
    "address",
    "prefix",
    "vpn",
    "state",
    "htype",
    "mac",
    "client-id",
    "duid",
    "start-time-of-state",
    "client-last-transaction-time",
    "expires",
    "renews",
    "rebinds",
    "preferred-until",
    "relay-agent-information",
    "relay-peer",
    "relay-message",
    "remote-id",
    "relay-id",
    "options",
    "data-source",
    "server",
    "base-time",
];

/// The value of a field.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// Text without anything that would have to be escaped.
    Word(&'static str),
    /// Any text.
    Text(Cow<'static, str>),
    /// A number.
    Number(u8),
    /// An address.
    Address(IpAddr),
    /// A delegated prefix.
    Prefix(V6Key),
    /// A hardware address.
    Mac(&'a [u8]),
    /// Octets.
    Hex(&'a [u8]),
    /// A time.
    Time(Time),
    /// Values by the codes of their options.
    Options(Vec<(u16, &'a [u8])>),
}

impl<'a> View<'a> {
    /// What a server said about one DHCPv4 address.
    pub fn of_v4(record: &'a v4::Record<'a>) -> Self {
        let hardware = record.hardware();
        let times = record.times();
        let relay = record.relay_agent_information();
        let options: Vec<_> = record.options().map(|(code, value)| (u16::from(code.0), value)).collect();
        Self([
            Some(Value::Word("v4")),
            Some(Value::Address(record.address().into())),
            None,
            record.vpn().map(|vpn| Value::Text(vpn_text(vpn).into())),
            Some(state(record.state())),
            hardware.map(|hardware| Value::Number(hardware.htype)),
            hardware.map(|hardware| Value::Mac(hardware.address)),
            record.client_id().map(Value::Hex),
            None,
            times.start_of_state.map(Value::Time),
            times.last_transaction.map(Value::Time),
            times.expires.map(Value::Time),
            times.renews.map(Value::Time),
            times.rebinds.map(Value::Time),
            None,
            record.relay_info().map(Value::Hex),
            None,
            None,
            relay.and_then(|relay| relay.remote_id()).map(Value::Hex),
            relay.and_then(|relay| relay.relay_id()).map(Value::Hex),
            (!options.is_empty()).then_some(Value::Options(options)),
            Some(source(record.is_remote())),
            record.server().map(|server| Value::Address(server.into())),
            Some(Value::Time(record.base_time())),
        ])
    }

    /// What a store that copies a server knows about one DHCPv4 address. Who said it, and when, is not known any more.
    pub fn of_v4_binding(binding: &Binding<'a, V4Key>, store: &Store<V4Key>) -> Self {
        let hardware = binding.hardware();
        let options: Vec<_> = binding.options().collect();
        Self([
            Some(Value::Word("v4")),
            Some(Value::Address(binding.key().address.into())),
            None,
            store.vpn_name(binding.key().vpn).map(|name| Value::Text(vpn_name_text(name).into())),
            Some(state(State(binding.state() as u8))),
            hardware.map(|hardware| Value::Number(hardware.htype)),
            hardware.map(|hardware| Value::Mac(hardware.address)),
            binding.client_id().map(Value::Hex),
            None,
            Some(Value::Time(binding.start_of_state())),
            binding.last_transaction().map(Value::Time),
            binding.expires().filter(|_| !binding.state().is_ended()).map(Value::Time),
            binding.renews().filter(|_| !binding.state().is_ended()).map(Value::Time),
            binding.rebinds().filter(|_| !binding.state().is_ended()).map(Value::Time),
            None,
            binding.relay_info().map(Value::Hex),
            None,
            None,
            binding.remote_id().map(Value::Hex),
            binding.relay_id().map(Value::Hex),
            (!options.is_empty()).then_some(Value::Options(options)),
            Some(source(binding.is_remote_there())),
            None,
            None,
        ])
    }

    /// What a server said about one DHCPv6 address or delegated prefix.
    pub fn of_v6(record: &'a v6::Record<'a>) -> Self {
        let times = record.times();
        let relay = record.relay_data();
        let options: Vec<_> = record.options().map(|(code, value)| (code.0, value)).collect();
        let relayed = |code| {
            // Of several the one nearest to the client.
            record.relays().filter_map(|relay| relay.options.find(code)).last().map(Value::Hex)
        };
        let [address, prefix] = address_or_prefix(record.key());
        Self([
            Some(Value::Word("v6")),
            address,
            prefix,
            None,
            Some(state(if record.is_active() { State::ACTIVE } else { State::AVAILABLE })),
            None,
            None,
            None,
            Some(Value::Hex(record.client_id())),
            None,
            Some(Value::Time(times.last_transaction)),
            times.expires.map(Value::Time),
            None,
            None,
            times.preferred.map(Value::Time),
            None,
            relay.map(|relay| Value::Address(relay.peer.into())),
            relay.map(|relay| Value::Hex(relay.message)),
            relayed(OptionCode::REMOTE_ID),
            relayed(OptionCode::RELAY_ID),
            (!options.is_empty()).then_some(Value::Options(options)),
            None,
            record.server().map(Value::Hex),
            Some(Value::Time(record.base_time())),
        ])
    }

    /// What a store that copies a server knows about one DHCPv6 address or delegated prefix.
    pub fn of_v6_binding(binding: &Binding<'a, V6Key>) -> Self {
        let relay = binding.relay_info().and_then(|info| info.split_first_chunk::<16>());
        let options: Vec<_> = binding.options().collect();
        let [address, prefix] = address_or_prefix(binding.key());
        Self([
            Some(Value::Word("v6")),
            address,
            prefix,
            None,
            Some(state(State(binding.state() as u8))),
            None,
            None,
            None,
            binding.client_id().map(Value::Hex),
            None,
            binding.last_transaction().map(Value::Time),
            binding.expires().filter(|_| !binding.state().is_ended()).map(Value::Time),
            None,
            None,
            binding.renews().filter(|_| !binding.state().is_ended()).map(Value::Time),
            None,
            relay.map(|(peer, _)| Value::Address(Ipv6Addr::from(*peer).into())),
            relay.map(|(_, message)| Value::Hex(message)),
            binding.remote_id().map(Value::Hex),
            binding.relay_id().map(Value::Hex),
            (!options.is_empty()).then_some(Value::Options(options)),
            None,
            None,
            None,
        ])
    }

    /// The values of [`FIELDS`].
    pub fn values(&self) -> &[Option<Value<'a>>; FIELDS.len()] {
        &self.0
    }

    /// The value of a field.
    pub fn get(&self, field: &str) -> Option<&Value<'a>> {
        FIELDS.iter().position(|name| *name == field).and_then(|place| self.0[place].as_ref())
    }

    /// Whether it is a lease that somebody has.
    pub fn is_active(&self) -> bool {
        matches!(self.get("state"), Some(Value::Word("active")))
    }

    /// What an identifier says that can be printed. A Remote-ID of DHCPv6 has a number in front (RFC 4649 section 3).
    pub fn text_of(&self, field: &str, value: &Value<'a>) -> Option<&'a str> {
        let Value::Hex(octets) = value else { return None };
        match (field, &self.0[0]) {
            ("remote-id", Some(Value::Word("v6"))) => printable(octets.get(4..)?),
            ("client-id" | "remote-id" | "relay-id", _) => printable(octets),
            _ => None,
        }
    }

    /// Appends the record as a JSON object on one line.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut before = b'{';
        for (name, value) in FIELDS.iter().zip(&self.0) {
            let Some(value) = value else { continue };
            out.extend_from_slice(&[before, b'"']);
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            value.write_json(out);
            before = b',';
            if let Some(text) = self.text_of(name, value) {
                out.extend_from_slice(b",\"");
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"-text\":");
                // Writing text to memory does not fail.
                let _ = serde_json::to_writer(&mut *out, text);
            }
        }
        out.extend_from_slice(b"}\n");
    }

    /// Appends the record as a line of comma-separated values (RFC 4180).
    pub fn write_csv(&self, out: &mut Vec<u8>) {
        for (place, value) in self.0.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            let Some(value) = value else { continue };
            let start = out.len();
            value.write(out);
            if matches!(value, Value::Text(_)) {
                quote(out, start);
            }
        }
        out.push(b'\n');
    }
}

/// The state by its name in the record; a state without a name by its number.
fn state(state: State) -> Value<'static> {
    state.name().map_or_else(|| Value::Text(state.to_string().into()), Value::Word)
}

/// The values of `address` and `prefix`.
fn address_or_prefix(key: V6Key) -> [Option<Value<'static>>; 2] {
    match key.prefix_length() {
        None => [Some(Value::Address(key.address().into())), None],
        Some(_) => [None, Some(Value::Prefix(key))],
    }
}

fn source(remote: bool) -> Value<'static> {
    Value::Word(if remote { "remote" } else { "local" })
}

impl Value<'_> {
    /// Appends the value without any quotes.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Word(text) => out.extend_from_slice(text.as_bytes()),
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Number(number) => push_number(out, (*number).into()),
            Self::Address(IpAddr::V4(address)) => push_address(out, *address),
            Self::Address(IpAddr::V6(address)) => push_text(out, address),
            Self::Prefix(prefix) => push_text(out, prefix),
            Self::Mac(mac) => push_mac(out, mac),
            Self::Hex(octets) => push_hex(out, octets),
            Self::Time(time) => push_time(out, *time),
            Self::Options(options) => {
                for (place, (code, value)) in options.iter().enumerate() {
                    if place > 0 {
                        out.push(b';');
                    }
                    push_number(out, *code);
                    out.push(b'=');
                    push_hex(out, value);
                }
            }
        }
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(_) => self.write(out),
            Self::Text(text) => {
                // Writing text to memory does not fail.
                let _ = serde_json::to_writer(out, text);
            }
            Self::Options(options) => {
                let mut before = b'{';
                for (code, value) in options {
                    out.extend_from_slice(&[before, b'"']);
                    push_number(out, *code);
                    out.extend_from_slice(b"\":\"");
                    push_hex(out, value);
                    out.push(b'"');
                    before = b',';
                }
                out.push(b'}');
            }
            _ => {
                out.push(b'"');
                self.write(out);
                out.push(b'"');
            }
        }
    }
}

/// Puts what `out` has from `start` on into quotes, if it needs them.
fn quote(out: &mut Vec<u8>, start: usize) {
    if out[start..].iter().any(|byte| b",\"\r\n".contains(byte)) {
        let text = out.split_off(start);
        out.push(b'"');
        for byte in text {
            if byte == b'"' {
                out.push(b'"');
            }
            out.push(byte);
        }
        out.push(b'"');
    }
}

#[cfg(test)]
mod tests;
