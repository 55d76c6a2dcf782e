//! A store as octets, for the durable copy: every binding for itself, and what belongs to all of them.

use std::sync::Arc;

use thiserror::Error;

use crate::attributes::is_sound;
use crate::coverage::Coverage;
use crate::recency::Recency;
use crate::records::Record;
use crate::store::Source;
use crate::vpn::Vpns;
use crate::witness::{Says, Witness, Witnesses};
use crate::{Binding, Eras, Key, KeyMap, Network, Place, Revision, Settings, SourceId, State, Store, Time, VpnName};

/// Octets of a record that cannot be what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a record of {0} octets that is damaged or of another version")]
pub struct CorruptRecord(pub usize);

/// What a store knows besides its bindings and networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Its clock.
    pub now: Time,
    /// The latest commit.
    pub revision: Revision,
    /// The eras of its clock.
    pub eras: Eras,
    /// See [`Store::is_settled`].
    pub settled: bool,
    /// See [`Store::history_floor`].
    pub history_floor: Time,
    /// How many bindings there are, to make room for them at once.
    pub bindings: u32,
    /// The VPNs in the order of their numbers, some of which are nobody's. The same list as long as none changes.
    pub vpns: Arc<[Option<VpnName>]>,
    /// The sources in the order of their numbers.
    pub sources: Vec<SourceMetadata>,
}

/// What a store knows of a source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceMetadata {
    /// What it is called.
    pub name: String,
    /// How far it has been read.
    pub position: Option<Vec<u8>>,
    /// Whether it was ever read as a whole.
    pub whole: bool,
}

/// A store being put together again.
#[derive(Debug)]
pub struct Image<K: Key> {
    store: Store<K>,
    /// The records by their revisions.
    order: Vec<(Revision, u32)>,
}

/// First octet of a record, to tell layouts apart.
const LAYOUT: u8 = 3;

impl<K: Key> Store<K> {
    /// Appends a binding without its place.
    pub fn write_binding(&self, binding: &Binding<'_, K>, out: &mut Vec<u8>) {
        let record = binding.record();
        let witnesses = self.witnesses_of(record);
        out.extend_from_slice(&[LAYOUT, record.state as u8, record.flags]);
        out.push(u8::try_from(witnesses.iter().count()).unwrap_or_default());
        for witness in witnesses.iter() {
            out.extend_from_slice(&[witness.says as u8, witness.source.0]);
        }
        out.extend_from_slice(&record.revision.0.to_be_bytes());
        for time in
            [record.changed, record.start, record.last_transaction, record.expires, record.renews, record.rebinds]
        {
            out.extend_from_slice(&time.0.to_be_bytes());
        }
        out.extend_from_slice(record.hardware.as_ref());
        out.extend_from_slice(binding.packed());
    }
}

/// Reads what [`Store::write_binding`] wrote; the packed attributes are behind it.
fn record_from<K: Key>(key: K, bytes: &[u8]) -> Option<(Record<K>, Witnesses, &[u8])> {
    let (&[layout, state, flags, count], rest) = bytes.split_first_chunk::<4>()?;
    let (witnesses, rest) = rest.split_at_checked(2 * usize::from(count))?;
    let mut list = Witnesses::NOBODY;
    for [says, source] in witnesses.as_chunks::<2>().0 {
        let says = Says::from_number(*says)?;
        // Others have not been heard since.
        let epoch = if says == Says::Own { 0 } else { u8::MAX };
        list.add(Witness { says, source: SourceId(*source), epoch });
    }
    // The first one is the owner, and no other.
    if list.iter().enumerate().any(|(nth, witness)| (witness.says == Says::Own) != (nth == 0)) {
        return None;
    }
    let (revision, rest) = rest.split_first_chunk::<8>()?;
    let (times, rest) = rest.split_first_chunk::<24>()?;
    let mut hardware = K::Inline::default();
    let (octets, packed) = rest.split_at_checked(hardware.as_ref().len())?;
    hardware.as_mut().copy_from_slice(octets);
    let revision = Revision(u64::from_be_bytes(*revision));
    let state = State::from_number(state).filter(|_| layout == LAYOUT && revision > Revision::default())?;
    let times = times.as_chunks::<4>().0;
    let time = |nth: usize| times.get(nth).map_or(Time::default(), |octets| Time(u32::from_be_bytes(*octets)));
    let record = Record {
        revision,
        packed: crate::arena::Piece::default(),
        changed: time(0),
        start: time(1),
        last_transaction: time(2),
        expires: time(3),
        renews: time(4),
        rebinds: time(5),
        timer: Time::default(),
        key,
        hardware,
        flags,
        state,
        witnesses: crate::witness::NOBODY,
    };
    is_sound(packed).then_some((record, list, packed))
}

impl<K: Key> Image<K> {
    /// Begins with what belongs to all bindings.
    pub fn new(settings: Settings, metadata: Metadata) -> Self {
        let mut store = Store::new(settings);
        store.now = metadata.now;
        store.wall = metadata.now;
        store.revision = metadata.revision;
        store.forgotten_up_to = metadata.eras.before;
        store.eras = metadata.eras;
        store.unsettled = (!metadata.settled).then_some(0);
        store.floor = metadata.history_floor;
        store.vpns = Vpns::restore(&metadata.vpns);
        for SourceMetadata { name, position, whole } in metadata.sources {
            store.add_source(name, position, Coverage::restored(whole));
        }
        // A number that was damaged must not ask for more memory than there is.
        let bindings = usize::try_from(metadata.bindings).unwrap_or_default().min(1 << 26);
        store.indexes.reserve_hardware(bindings);
        Self { store, order: Vec::with_capacity(bindings) }
    }

    /// Adds what is configured, with its owners.
    pub fn set_networks(&mut self, owned: Vec<(Option<SourceId>, Vec<Network<K>>)>) {
        self.store.networks.restore(owned);
    }

    /// Adds what is stored at a place, in any order.
    pub fn add(&mut self, place: Place<K>, bytes: &[u8]) -> Result<(), CorruptRecord> {
        let store = &mut self.store;
        let corrupt = CorruptRecord(bytes.len());
        let key = place.key();
        let (record, list, packed) = record_from(key, bytes).ok_or(corrupt)?;
        if place.is_former() {
            let packed = store.records.arena.insert(packed).ok_or(corrupt)?;
            let former = Record { packed, witnesses: crate::witness::FORMER, ..record };
            let number = store.records.insert(former).filter(|_| record.state.is_ended()).ok_or(corrupt)?;
            store.enter_former(number);
            self.order.push((record.revision, number));
            return Ok(());
        }
        let unknown = |source: SourceId| usize::from(source.0) >= store.sources.len();
        if store.map.find(key).is_some() || list.iter().any(|witness| unknown(witness.source)) {
            return Err(corrupt);
        }
        let packed = store.records.arena.insert(packed).ok_or(corrupt)?;
        let witnesses = store.keep_list(&list);
        let number = store.records.insert(Record { packed, witnesses, ..record }).ok_or(corrupt)?;
        store.map.insert(key, number);
        if let Some(owner) = list.iter().next() {
            store.vpns.charge(key.vpn(), owner.source);
        }
        store.enter_all_indexes(number);
        store.active += usize::from(record.state == State::Active);
        store.over += usize::from(record.state.is_ended());
        self.order.push((record.revision, number));
        Ok(())
    }

    /// The store as it was.
    pub fn finish(mut self) -> Store<K> {
        self.order.sort_unstable();
        let store = &mut self.store;
        let mut recency = Recency::default();
        let Eras { before, began, .. } = store.eras;
        for (revision, number) in self.order {
            let record = store.records.get_mut(number);
            if revision <= before {
                record.rewind(began, store.unsettled.is_none());
            }
            let changed = record.changed;
            // A record is written a moment before the metadata that counts it.
            store.revision = store.revision.max(revision);
            store.now = store.now.max(changed);
            recency.push(revision, changed, number);
            store.follow(number);
        }
        store.recency = recency;
        self.store
    }
}

impl Source {
    pub(crate) fn metadata(&self) -> SourceMetadata {
        let Self { name, position, coverage, .. } = self;
        SourceMetadata { name: name.clone(), position: position.clone(), whole: coverage.is_whole() }
    }
}

impl<K: Key> Store<K> {
    /// What the store knows besides its bindings and networks.
    pub fn metadata(&self) -> Metadata {
        Metadata {
            now: self.now,
            eras: self.eras.clone(),
            settled: self.is_settled(),
            revision: self.revision,
            history_floor: self.floor,
            bindings: u32::try_from(self.records.len()).unwrap_or(u32::MAX),
            vpns: self.vpns.names(),
            sources: self.sources.iter().map(Source::metadata).collect(),
        }
    }

    /// Whether bindings were forgotten since [`take_forgotten`](Self::take_forgotten) was last called.
    pub fn has_forgotten(&self) -> bool {
        !self.forgotten.is_empty()
    }

    /// Takes the places of the bindings that were forgotten since the last call.
    pub fn take_forgotten(&mut self) -> Vec<Place<K>> {
        std::mem::take(&mut self.forgotten)
    }
}
