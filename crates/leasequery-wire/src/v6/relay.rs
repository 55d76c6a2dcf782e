use std::net::Ipv6Addr;

use super::options::wrong_length;
use super::{MessageType, OptionCode, Options, split_address};
use crate::{DecodeError, Problem};

/// Relays that a message passes at most (HOP_COUNT_LIMIT of RFC 3315 section 5.5; 8 in RFC 8415 section 7.6).
pub const MAX_HOPS: usize = 32;

/// Octets before the options of a relayed message: type, hop-count and two addresses (RFC 8415 section 9).
const HEADER: usize = 34;

/// OPTION_LQ_RELAY_DATA: how a client's message came to the server (RFC 5007 section 4.1.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayData<'a> {
    /// The relay that the server had it from.
    pub peer: Ipv6Addr,
    /// The Relay-Forward, without the client's own message.
    pub message: &'a [u8],
}

impl<'a> RelayData<'a> {
    /// Reads OPTION_LQ_RELAY_DATA. `offset` is where it is in the message, for errors.
    pub fn parse(value: &'a [u8], offset: usize) -> Result<Self, DecodeError> {
        match split_address(value) {
            Some((peer, message)) if message.len() >= HEADER => Ok(Self { peer, message }),
            _ => Err(wrong_length(OptionCode::RELAY_DATA, value, offset, "50 or more")),
        }
    }
}

/// A Relay-Forward or Relay-Reply (RFC 8415 section 9): a validated view of the octets it was parsed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relay<'a> {
    /// Which of the two.
    pub kind: MessageType,
    /// How many relays it passed before this one.
    pub hop_count: u8,
    /// An address on the client's link, or `::`.
    pub link: Ipv6Addr,
    /// Where the relay had the message from.
    pub peer: Ipv6Addr,
    /// The relay's options.
    pub options: Options<'a>,
}

impl<'a> Relay<'a> {
    /// Checks that `bytes` are a relayed message.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let truncated = Problem::Truncated { found: bytes.len(), least: HEADER };
        let truncated = DecodeError { offset: bytes.len(), problem: truncated };
        let (&[kind, hop_count], rest) = bytes.split_first_chunk::<2>().ok_or(truncated)?;
        let kind = MessageType(kind);
        if kind != MessageType::RELAY_FORWARD && kind != MessageType::RELAY_REPLY {
            return Err(DecodeError { offset: 0, problem: Problem::NotRelayed(kind.0) });
        }
        let (link, rest) = split_address(rest).ok_or(truncated)?;
        let (peer, options) = split_address(rest).ok_or(truncated)?;
        Ok(Self { kind, hop_count, link, peer, options: Options::parse(options, HEADER)? })
    }

    /// The message it carries: another relay's, or the client's.
    pub fn relayed(&self) -> Option<&'a [u8]> {
        self.options.find(OptionCode::RELAY_MESSAGE)
    }

    /// This relay and those behind it, the one nearest to the client last. An error comes once, at the end: from there
    /// on the message cannot be read. Its offset counts from the start of the relay's own message.
    pub fn chain(bytes: &'a [u8]) -> impl Iterator<Item = Result<Self, DecodeError>> + use<'a> {
        let mut next = Some(bytes);
        let relays = std::iter::from_fn(move || {
            let relay = Self::parse(next?);
            let inner = relay.as_ref().ok().and_then(Self::relayed);
            next = inner.filter(|inner| inner.first() == Some(&MessageType::RELAY_FORWARD.0));
            Some(relay)
        });
        relays.take(MAX_HOPS)
    }
}

/// Appends a Relay-Forward without the client's message, as OPTION_LQ_RELAY_DATA has it. `relays` begins with the one
/// nearest to the server. Their options have to come without the Relay Message option, which is added here. `None`, and
/// nothing is appended, if there are no relays, or too many, or it gets longer than an option can be.
pub fn write_relayed(relays: &[Relay<'_>], out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    // The length of each Relay Message option is that of all that is inside.
    let mut lengths = Vec::with_capacity(relays.len());
    let mut inside = 0_usize;
    for (nth, relay) in relays.iter().rev().enumerate() {
        let option = if nth == 0 { 0 } else { 4 + inside };
        inside = HEADER + relay.options.bytes().len() + option;
        lengths.push(inside);
    }
    if relays.is_empty() || relays.len() > MAX_HOPS || inside + 16 > usize::from(u16::MAX) {
        return None;
    }
    lengths.pop();
    for relay in relays {
        out.extend_from_slice(&[MessageType::RELAY_FORWARD.0, relay.hop_count]);
        out.extend_from_slice(&relay.link.octets());
        out.extend_from_slice(&relay.peer.octets());
        out.extend_from_slice(relay.options.bytes());
        if let Some(length) = lengths.pop() {
            out.extend_from_slice(&OptionCode::RELAY_MESSAGE.0.to_be_bytes());
            out.extend_from_slice(&u16::try_from(length).unwrap_or_default().to_be_bytes());
        }
    }
    debug_assert_eq!(out.len() - start, inside);
    Some(())
}

#[cfg(test)]
mod tests;
