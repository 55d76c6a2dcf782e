//! The relays in a row's user context, as `store-extended-info` leaves them there.

use std::net::Ipv6Addr;
use std::ops::Range;

use leasequery_wire::v6::{MessageType, OptionCode, Options, Relay, write_relayed};
use memchr::memchr;
use serde_json::Value;

use super::super::family::{Family, Unreadable};
use super::super::hex::decode;
use super::super::row::unescape;
use super::V6;

/// The relays of one row.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Begins with the one nearest to the server, as Kea's list and a Relay-Forward do.
    hops: Vec<Hop>,
    /// Their options, in the form of the wire.
    options: Vec<u8>,
}

#[derive(Debug)]
struct Hop {
    /// Its hop-count.
    count: u8,
    link: Ipv6Addr,
    peer: Ipv6Addr,
    options: Range<usize>,
}

/// Appends the content of OPTION_LQ_RELAY_DATA that is made of the relays in an escaped user context. None are there
/// unless Kea was told to keep them.
pub(super) fn read(context: &[u8], bytes: &mut Vec<u8>, scratch: &mut Scratch) -> Result<Range<usize>, Unreadable> {
    let start = bytes.len();
    scratch.clear();
    // Where Kea's own text is followed by others' the quick look fails, and a thorough one decides.
    if exact(context, scratch).is_none() {
        scratch.clear();
        by_json(context, bytes, scratch)?;
    }
    let [outermost, inner @ ..] = &scratch.hops[..] else { return Ok(start..start) };
    // The option begins with where the server had the message from. Kea does not keep that. The outermost relay's own
    // peer-address is what Kea's leasequery tells in its place, and it is the client's where there is one relay.
    bytes.extend_from_slice(&outermost.peer.octets());
    let written = match inner {
        [] => scratch.relay(outermost).and_then(|relay| write_relayed(&[relay], bytes)),
        _ => {
            let relays: Option<Vec<_>> = scratch.hops.iter().map(|hop| scratch.relay(hop)).collect();
            relays.and_then(|relays| write_relayed(&relays, bytes))
        }
    };
    if written.is_none() {
        bytes.truncate(start);
        return Err(Unreadable);
    }
    Ok(start..bytes.len())
}

impl Scratch {
    fn clear(&mut self) {
        self.hops.clear();
        self.options.clear();
    }

    fn add(&mut self, count: u8, link: &[u8], peer: &[u8], options: &[u8]) -> Option<()> {
        let start = self.options.len();
        let (link, peer) = (V6::address(link)?, V6::address(peer)?);
        decode(options, &mut self.options).then_some(())?;
        self.hops.push(Hop { count, link, peer, options: start..self.options.len() });
        Some(())
    }

    /// A relay with its options, if those are sound. What is inside is the next relay of the list, and nothing else.
    fn relay(&self, hop: &Hop) -> Option<Relay<'_>> {
        let options = Options::parse(&self.options[hop.options.clone()], 0).ok()?;
        options.find(OptionCode::RELAY_MESSAGE).is_none().then_some(())?;
        let Hop { count: hop_count, link, peer, .. } = *hop;
        Some(Relay { kind: MessageType::RELAY_FORWARD, hop_count, link, peer, options })
    }
}

/// Reads the text that Kea itself writes when nobody else has anything to put there, escaped as it is; `None` if it is
/// another text.
fn exact(context: &[u8], scratch: &mut Scratch) -> Option<()> {
    let rest = context.strip_prefix(b"{ \"ISC\": { \"relay")?;
    // Since 2.3.2, and up to 2.3.1.
    let mut rest = rest.strip_prefix(b"-info\": [ ").or_else(|| rest.strip_prefix(b"s\": [ "))?;
    loop {
        rest = rest.strip_prefix(b"{ \"hop\": ")?;
        let (hop_count, behind) = rest.split_at(memchr(b'&', rest)?);
        let hop_count = str::from_utf8(hop_count).ok()?.parse().ok()?;
        let (link, behind) = member(behind, b"&#x2c \"link\": \"")?;
        // Left out where there are none.
        let (options, behind) = member(behind, b"&#x2c \"options\": \"0x").unwrap_or((&[], behind));
        let (peer, behind) = member(behind, b"&#x2c \"peer\": \"")?;
        // Copies of two of the options.
        let (_, behind) = member(behind, b"&#x2c \"relay-id\": \"").unwrap_or((&[], behind));
        let (_, behind) = member(behind, b"&#x2c \"remote-id\": \"").unwrap_or((&[], behind));
        scratch.add(hop_count, link, peer, options)?;
        rest = behind.strip_prefix(b" }")?;
        match rest.strip_prefix(b"&#x2c ") {
            Some(next) => rest = next,
            None => return (rest == b" ] } }").then_some(()),
        }
    }
}

/// The text of a member that begins so, up to its quote, and what is behind that.
fn member<'a>(text: &'a [u8], begins: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let text = text.strip_prefix(begins)?;
    let (value, behind) = text.split_at(memchr(b'"', text)?);
    Some((value, &behind[1..]))
}

/// Reads what any other JSON holds.
fn by_json(context: &[u8], bytes: &mut Vec<u8>, scratch: &mut Scratch) -> Result<(), Unreadable> {
    let text = unescape(context, bytes);
    let parsed = serde_json::from_slice::<Value>(&bytes[text.clone()]);
    bytes.truncate(text.start);
    let context = parsed.ok().filter(Value::is_object).ok_or(Unreadable)?;
    let kept = &context["ISC"];
    let relays = match (&kept["relay-info"], &kept["relays"]) {
        (Value::Null, Value::Null) => return Ok(()),
        (Value::Array(relays), _) | (Value::Null, Value::Array(relays)) => relays,
        _ => return Err(Unreadable),
    };
    for relay in relays {
        let hop_count = relay["hop"].as_u64().and_then(|hop| u8::try_from(hop).ok()).ok_or(Unreadable)?;
        let text = |name: &str| relay[name].as_str().ok_or(Unreadable);
        let options = match &relay["options"] {
            Value::Null => "",
            _ => text("options")?,
        };
        let options = options.strip_prefix("0x").unwrap_or(options);
        let (link, peer) = (text("link")?, text("peer")?);
        scratch.add(hop_count, link.as_bytes(), peer.as_bytes(), options.as_bytes()).ok_or(Unreadable)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
