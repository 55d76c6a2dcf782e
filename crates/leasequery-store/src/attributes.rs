//! The variable part of a binding, packed: a tag, a length and the octets for each attribute that is there.
//!
//! The order of the attributes is fixed, so two bindings say the same exactly if their packed parts are equal. Remote-id
//! and relay-id are kept as places inside the relay information, where they nearly always come from.

use crate::{Hardware, Update};

const CLIENT_ID: u8 = 1;
const HARDWARE: u8 = 2;
const RELAY_INFO: u8 = 3;
const REMOTE_ID: u8 = 4;
const REMOTE_ID_AT: u8 = 5;
const RELAY_ID: u8 = 6;
const RELAY_ID_AT: u8 = 7;
const OPTION: u8 = 8;

/// The attributes, found.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attributes<'a> {
    pub(crate) client_id: Option<&'a [u8]>,
    /// A hardware address that does not fit the record: type, then octets.
    pub(crate) hardware: Option<&'a [u8]>,
    pub(crate) relay_info: Option<&'a [u8]>,
    pub(crate) remote_id: Option<&'a [u8]>,
    pub(crate) relay_id: Option<&'a [u8]>,
    /// The options, still packed.
    pub(crate) options: &'a [u8],
}

/// What relays told of a binding.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_field_names, reason = "relay-id is the name of the thing")]
pub(crate) struct Relay<'a> {
    pub(crate) info: Option<&'a [u8]>,
    pub(crate) remote_id: Option<&'a [u8]>,
    pub(crate) relay_id: Option<&'a [u8]>,
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
    put_within(out, REMOTE_ID, REMOTE_ID_AT, relay.info, relay.remote_id);
    put_within(out, RELAY_ID, RELAY_ID_AT, relay.info, relay.relay_id);
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
            REMOTE_ID => attributes.remote_id = Some(take(&mut rest)?),
            RELAY_ID => attributes.relay_id = Some(take(&mut rest)?),
            REMOTE_ID_AT => attributes.remote_id = Some(take_within(&mut rest, attributes.relay_info)?),
            RELAY_ID_AT => attributes.relay_id = Some(take_within(&mut rest, attributes.relay_info)?),
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
}

/// Finds one attribute, without looking at what comes after it.
#[inline]
pub(crate) fn find(packed: &[u8], wanted: Identity) -> Option<&[u8]> {
    let (own, within) = match wanted {
        Identity::ClientId => (CLIENT_ID, CLIENT_ID),
        Identity::RemoteId => (REMOTE_ID, REMOTE_ID_AT),
        Identity::RelayId => (RELAY_ID, RELAY_ID_AT),
    };
    let mut relay_info = None;
    let mut rest = packed;
    while let Some((&tag, behind)) = rest.split_first() {
        rest = behind;
        match tag {
            tag if tag == own => return take(&mut rest),
            tag if tag == within => return take_within(&mut rest, relay_info),
            REMOTE_ID_AT | RELAY_ID_AT => {
                take_number(&mut rest)?;
                take_number(&mut rest)?;
            }
            RELAY_INFO => relay_info = Some(take(&mut rest)?),
            CLIENT_ID | HARDWARE | REMOTE_ID | RELAY_ID => {
                take(&mut rest)?;
            }
            _ => return None,
        }
    }
    None
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

/// Stores `value` as a place inside `info` if it is there, else for itself.
fn put_within(out: &mut Vec<u8>, tag: u8, tag_at: u8, info: Option<&[u8]>, value: Option<&[u8]>) {
    let Some(value) = value else { return };
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

#[inline]
fn take_within<'a>(rest: &mut &'a [u8], info: Option<&'a [u8]>) -> Option<&'a [u8]> {
    let position = take_number(rest)?;
    let length = take_number(rest)?;
    info?.get(position..position.checked_add(length)?)
}

#[cfg(test)]
mod tests;
