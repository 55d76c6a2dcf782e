//! What belongs to all bindings, as octets.

use std::sync::Arc;

use crate::{Eras, Key, Metadata, Network, Revision, SourceId, SourceMetadata, Time, VpnName};

/// The key of the metadata.
pub(super) const METADATA: &[u8] = b"metadata";
/// The key that is there while nobody has written since the database was closed.
pub(super) const CLOSED: &[u8] = b"closed";
/// First octet of each value, to tell layouts apart.
pub(super) const LAYOUT: u8 = 4;

pub(super) fn write_metadata(metadata: &Metadata) -> Vec<u8> {
    let mut out = vec![LAYOUT];
    out.extend_from_slice(&metadata.now.0.to_be_bytes());
    out.extend_from_slice(&metadata.revision.0.to_be_bytes());
    out.extend_from_slice(&metadata.history_floor.0.to_be_bytes());
    out.extend_from_slice(&metadata.bindings.to_be_bytes());
    put_eras(&mut out, &metadata.eras);
    out.push(u8::from(metadata.settled));
    put_number(&mut out, metadata.sources.len());
    for SourceMetadata { name, position, whole } in &metadata.sources {
        put_bytes(&mut out, name.as_bytes());
        out.push(u8::from(*whole));
        out.push(u8::from(position.is_some()));
        put_bytes(&mut out, position.as_deref().unwrap_or_default());
    }
    out
}

pub(super) fn read_metadata(bytes: &[u8]) -> Option<Metadata> {
    let mut rest = bytes;
    if take::<1>(&mut rest)? != [LAYOUT] {
        return None;
    }
    let mut metadata = Metadata {
        now: take_time(&mut rest)?,
        revision: Revision(u64::from_be_bytes(take(&mut rest)?)),
        history_floor: take_time(&mut rest)?,
        bindings: take_number(&mut rest)?,
        eras: take_eras(&mut rest)?,
        settled: take::<1>(&mut rest)? == [1],
        vpns: [].into(),
        sources: Vec::new(),
    };
    for _ in 0..take_number(&mut rest)? {
        let name = String::from_utf8(take_bytes(&mut rest)?.to_vec()).ok()?;
        let [whole, present] = take(&mut rest)?;
        let position = take_bytes(&mut rest)?.to_vec();
        let position = (present == 1).then_some(position);
        metadata.sources.push(SourceMetadata { name, position, whole: whole == 1 });
    }
    rest.is_empty().then_some(metadata)
}

/// The key of the names of VPNs. They are many, and change seldom.
pub(super) const VPNS: &[u8] = b"vpns";

pub(super) fn write_vpns(vpns: &[Option<VpnName>]) -> Vec<u8> {
    let mut out = vec![LAYOUT];
    put_number(&mut out, vpns.len());
    for vpn in vpns {
        match vpn {
            None => {
                out.push(2);
                put_bytes(&mut out, &[]);
            }
            Some(VpnName::Name(name)) => {
                out.push(0);
                put_bytes(&mut out, name);
            }
            Some(VpnName::Id(id)) => {
                out.push(1);
                put_bytes(&mut out, id);
            }
        }
    }
    out
}

pub(super) fn read_vpns(bytes: &[u8]) -> Option<Arc<[Option<VpnName>]>> {
    let mut rest = bytes;
    if take::<1>(&mut rest)? != [LAYOUT] {
        return None;
    }
    let mut vpns = Vec::new();
    for _ in 0..take_number(&mut rest)? {
        let [kind] = take(&mut rest)?;
        let name = take_bytes(&mut rest)?;
        vpns.push(match kind {
            0 => Some(VpnName::Name(name.into())),
            1 => Some(VpnName::Id(name.try_into().ok()?)),
            2 => None,
            _ => return None,
        });
    }
    rest.is_empty().then(|| vpns.into())
}

fn put_eras(out: &mut Vec<u8>, eras: &Eras) {
    out.extend_from_slice(&eras.number.to_be_bytes());
    out.extend_from_slice(&eras.began.0.to_be_bytes());
    out.extend_from_slice(&eras.since.0.to_be_bytes());
    out.extend_from_slice(&eras.before.0.to_be_bytes());
    for spans in [&eras.earlier, &eras.ran] {
        put_number(out, spans.iter().len());
        for (first, last) in spans.iter() {
            out.extend_from_slice(&first.0.to_be_bytes());
            out.extend_from_slice(&last.0.to_be_bytes());
        }
    }
}

fn take_eras(rest: &mut &[u8]) -> Option<Eras> {
    let mut eras = Eras {
        number: take_number(rest)?,
        began: take_time(rest)?,
        since: take_time(rest)?,
        before: Revision(u64::from_be_bytes(take(rest)?)),
        ..Eras::default()
    };
    for spans in [&mut eras.earlier, &mut eras.ran] {
        for _ in 0..take_number(rest)? {
            let (first, last) = (take_time(rest)?, take_time(rest)?);
            spans.add(first, last);
        }
    }
    Some(eras)
}

/// The key of what an owner configured.
pub(super) fn networks_key(owner: Option<SourceId>) -> Vec<u8> {
    let mut key = b"networks".to_vec();
    key.extend(owner.map(|source| source.0));
    key
}

pub(super) fn write_networks<K: Key>(networks: &[Network<K>]) -> Vec<u8> {
    let mut out = vec![LAYOUT];
    put_number(&mut out, networks.len());
    let mut bytes = Vec::new();
    for network in networks {
        for key in [network.first, network.last] {
            bytes.clear();
            key.write(&mut bytes);
            put_bytes(&mut out, &bytes);
        }
        out.extend_from_slice(&network.since.0.to_be_bytes());
    }
    out
}

pub(super) fn read_networks<K: Key>(bytes: &[u8]) -> Option<Vec<Network<K>>> {
    let mut rest = bytes;
    if take::<1>(&mut rest)? != [LAYOUT] {
        return None;
    }
    let mut networks = Vec::new();
    for _ in 0..take_number(&mut rest)? {
        let first = K::read(take_bytes(&mut rest)?)?;
        let last = K::read(take_bytes(&mut rest)?)?;
        networks.push(Network { first, last, since: take_time(&mut rest)? });
    }
    rest.is_empty().then_some(networks)
}

/// A length or count; both are far below 2^32.
fn put_number(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*taken)
}

fn take_time(rest: &mut &[u8]) -> Option<Time> {
    take(rest).map(|octets| Time(u32::from_be_bytes(octets)))
}

fn take_number(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(u32::from_be_bytes)
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_number(rest)?).ok()?;
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

#[cfg(test)]
mod tests;
