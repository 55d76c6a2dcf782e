//! The variable part of a binding, packed: a tag, a length and the octets for each attribute that is there.
//!
//! The order of the attributes is fixed, so two bindings say the same exactly if their packed parts are equal. Remote-ids
//! and relay-ids are kept as places inside the relay information, where they nearly always come from.

use std::net::Ipv6Addr;

use crate::{Hardware, Update};

const CLIENT_ID: u8 = 1;
const HARDWARE: u8 = 2;
const RELAY_INFO: u8 = 3;
const REMOTE_ID: u8 = 4;
const REMOTE_ID_AT: u8 = 5;
const RELAY_ID: u8 = 6;
const RELAY_ID_AT: u8 = 7;
const OPTION: u8 = 8;
/// An address without the zeros at its end.
const LINK: u8 = 9;

/// The attributes, found.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attributes<'a> {
    pub(crate) client_id: Option<&'a [u8]>,
    /// A hardware address that does not fit the record: type, then octets.
    pub(crate) hardware: Option<&'a [u8]>,
    pub(crate) relay_info: Option<&'a [u8]>,
    /// The first one.
    pub(crate) remote_id: Option<&'a [u8]>,
    /// The first one.
    pub(crate) relay_id: Option<&'a [u8]>,
    pub(crate) link: Option<&'a [u8]>,
    /// The options, still packed.
    pub(crate) options: &'a [u8],
}

/// What relays told of a binding.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_field_names, reason = "relay-id is the name of the thing")]
pub(crate) struct Relay<'a> {
    pub(crate) info: Option<&'a [u8]>,
    pub(crate) remote_ids: Ids<'a>,
    pub(crate) relay_ids: Ids<'a>,
}

/// The identifiers of one kind that the relays of a binding have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ids<'a> {
    /// As an update has them.
    Given(Option<&'a [u8]>, &'a [&'a [u8]]),
    /// As this packed part has them.
    Stored(&'a [u8], Identity),
}

impl<'a> Ids<'a> {
    fn nth(self, nth: usize) -> Option<&'a [u8]> {
        match self {
            Self::Given(first, _) if nth == 0 => first,
            Self::Given(_, more) => more.get(nth - 1).copied(),
            Self::Stored(packed, identity) => find(packed, identity, nth),
        }
    }
}

/// Packs the attributes of an update. `client_id` and `hardware` are those that do not fit the record.
pub(crate) fn pack<K>(
    out: &mut Vec<u8>,
    client_id: Option<&[u8]>,
    hardware: Option<Hardware<'_>>,
    relay: Relay<'_>,
    update: &Update<'_, K>,
) {
    out.clear();
    if let Some(client_id) = client_id {
        put(out, CLIENT_ID, client_id);
    }
    if let Some(hardware) = hardware {
        out.push(HARDWARE);
        put_number(out, 1 + hardware.address.len());
        out.push(hardware.htype);
        out.extend_from_slice(hardware.address);
    }
    if let Some(info) = relay.info {
        put(out, RELAY_INFO, info);
    }
    put_ids(out, REMOTE_ID, REMOTE_ID_AT, relay.info, relay.remote_ids);
    put_ids(out, RELAY_ID, RELAY_ID_AT, relay.info, relay.relay_ids);
    if let Some(link) = update.link {
        let octets = link.octets();
        put(out, LINK, link_octets(&octets));
    }
    for (code, value) in update.options {
        out.push(OPTION);
        put_number(out, usize::from(*code));
        put_number(out, value.len());
        out.extend_from_slice(value);
    }
}

/// Finds the attributes. What is not a packed part, as a damaged file may hold, gives `None`.
#[inline]
pub(crate) fn unpack(packed: &[u8]) -> Option<Attributes<'_>> {
    let mut attributes = Attributes::default();
    let mut rest = packed;
    while let Some((&tag, behind)) = rest.split_first() {
        if tag == OPTION {
            // Options come last.
            attributes.options = rest;
            return Some(attributes);
        }
        rest = behind;
        match tag {
            CLIENT_ID => attributes.client_id = Some(take(&mut rest)?),
            HARDWARE => attributes.hardware = Some(take(&mut rest)?).filter(|bytes| !bytes.is_empty()),
            RELAY_INFO => attributes.relay_info = Some(take(&mut rest)?),
            REMOTE_ID | REMOTE_ID_AT => {
                let id = take_id(tag == REMOTE_ID, &mut rest, attributes.relay_info)?;
                attributes.remote_id.get_or_insert(id);
            }
            RELAY_ID | RELAY_ID_AT => {
                let id = take_id(tag == RELAY_ID, &mut rest, attributes.relay_info)?;
                attributes.relay_id.get_or_insert(id);
            }
            LINK => attributes.link = Some(take(&mut rest)?).filter(|octets| octets.len() <= 16),
            _ => return None,
        }
    }
    Some(attributes)
}

/// The attributes that are looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::enum_variant_names, reason = "the names of the things")]
pub(crate) enum Identity {
    ClientId,
    RemoteId,
    RelayId,
    Link,
}

/// Finds one attribute, the `nth` of its kind, without looking at what comes after it.
#[inline]
pub(crate) fn find(packed: &[u8], wanted: Identity, nth: usize) -> Option<&[u8]> {
    let (own, within) = match wanted {
        Identity::ClientId => (CLIENT_ID, CLIENT_ID),
        Identity::RemoteId => (REMOTE_ID, REMOTE_ID_AT),
        Identity::RelayId => (RELAY_ID, RELAY_ID_AT),
        Identity::Link => (LINK, LINK),
    };
    let mut relay_info = None;
    let mut left = nth;
    let mut rest = packed;
    while let Some((&tag, behind)) = rest.split_first() {
        rest = behind;
        let value = match tag {
            REMOTE_ID_AT | RELAY_ID_AT => take_within(&mut rest, relay_info)?,
            CLIENT_ID | HARDWARE | RELAY_INFO | REMOTE_ID | RELAY_ID | LINK => take(&mut rest)?,
            _ => return None,
        };
        if tag == own || tag == within {
            match left {
                0 => return Some(value),
                _ => left -= 1,
            }
        }
        if tag == RELAY_INFO {
            relay_info = Some(value);
        }
    }
    None
}

/// A link-address as it is kept, and looked up by: without the zeros at its end.
pub(crate) fn link_octets(octets: &[u8; 16]) -> &[u8] {
    let end = octets.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    &octets[..end]
}

/// A link-address from the octets that are kept of it.
pub(crate) fn link_address(kept: &[u8]) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets.iter_mut().zip(kept).for_each(|(octet, kept)| *octet = *kept);
    Ipv6Addr::from(octets)
}

/// Walks over packed options: code and value, ascending by code as they were given. Stops at damage.
pub(crate) fn options(mut packed: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (&OPTION, mut rest) = packed.split_first()? else { return None };
        let code = u16::try_from(take_number(&mut rest)?).ok()?;
        let value = take(&mut rest)?;
        packed = rest;
        Some((code, value))
    })
}

/// Whether every octet of a packed part is accounted for.
pub(crate) fn is_sound(packed: &[u8]) -> bool {
    unpack(packed).is_some_and(|attributes| {
        let length: usize = options(attributes.options).map(|(code, value)| option_length(code, value)).sum();
        length == attributes.options.len()
    })
}

fn option_length(code: u16, value: &[u8]) -> usize {
    1 + number_length(usize::from(code)) + number_length(value.len()) + value.len()
}

fn put(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    out.push(tag);
    put_number(out, value.len());
    out.extend_from_slice(value);
}

/// Relays on the way of a message at most (RFC 8415 section 7.6 has 8, RFC 3315 section 5.5 had 32).
pub(crate) const RELAYS: usize = 32;

/// Stores each identifier once.
fn put_ids(out: &mut Vec<u8>, tag: u8, tag_at: u8, info: Option<&[u8]>, ids: Ids<'_>) {
    for nth in 0..RELAYS {
        let Some(id) = ids.nth(nth) else { return };
        if !(0..nth).any(|before| ids.nth(before) == Some(id)) {
            put_within(out, tag, tag_at, info, id);
        }
    }
}

/// Stores `value` as a place inside `info` if it is there, else for itself.
fn put_within(out: &mut Vec<u8>, tag: u8, tag_at: u8, info: Option<&[u8]>, value: &[u8]) {
    match info.and_then(|info| position(info, value)) {
        Some(position) => {
            out.push(tag_at);
            put_number(out, position);
            put_number(out, value.len());
        }
        None => put(out, tag, value),
    }
}

/// Where `value` first stands in `info`.
fn position(info: &[u8], value: &[u8]) -> Option<usize> {
    let first = *value.first()?;
    let last = info.len().checked_sub(value.len())?;
    (0..=last).find(|&at| info[at] == first && info[at..].starts_with(value))
}

/// Seven bits an octet, the low ones first, the top bit telling of more.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "masked to seven bits")]
fn put_number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn number_length(number: usize) -> usize {
    match number {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        _ => 3,
    }
}

#[inline]
fn take_number(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    for shift in [0, 7, 14] {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[inline]
fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_number(rest)?;
    let (value, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(value)
}

fn take_id<'a>(own: bool, rest: &mut &'a [u8], info: Option<&'a [u8]>) -> Option<&'a [u8]> {
    if own { take(rest) } else { take_within(rest, info) }
}

#[inline]
fn take_within<'a>(rest: &mut &'a [u8], info: Option<&'a [u8]>) -> Option<&'a [u8]> {
    let position = take_number(rest)?;
    let length = take_number(rest)?;
    info?.get(position..position.checked_add(length)?)
}

#[cfg(test)]
mod tests;
