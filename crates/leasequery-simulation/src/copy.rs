//! The requestor's side: a follower with its connections, and whoever reads what it prints.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use leasequery_protocol::follower::{Event, Follower, Observer, Origin, Position, Settings, Told};
use leasequery_protocol::requestor::Timeouts;
use leasequery_protocol::requestor::v4::{Record, V4};
use leasequery_store::{Binding, Store, Time, V4Key};

/// What is known about an address, by whomever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) state: u8,
    pub(crate) hardware: Vec<u8>,
    pub(crate) client_id: Vec<u8>,
    pub(crate) relay_info: Vec<u8>,
    pub(crate) options: Vec<(u16, Vec<u8>)>,
    pub(crate) times: [Option<Time>; 3],
    /// Whether the server had it from another one.
    pub(crate) remote: bool,
}

/// States of a lease that is over.
pub(crate) fn is_ended(state: u8) -> bool {
    matches!(state, 1 | 3 | 4 | 6)
}

impl Seen {
    pub(crate) fn of_record(record: &Record<'_>) -> Self {
        let times = record.times();
        let mut options: Vec<_> = record.options().map(|(code, value)| (code.0.into(), value.to_vec())).collect();
        options.sort();
        Self {
            state: record.state().0,
            hardware: record.hardware().map(|hardware| hardware.address.to_vec()).unwrap_or_default(),
            client_id: record.client_id().map(<[u8]>::to_vec).unwrap_or_default(),
            relay_info: record.relay_info().map(<[u8]>::to_vec).unwrap_or_default(),
            options,
            times: [times.start_of_state, times.last_transaction, times.expires],
            remote: record.is_remote(),
        }
    }

    /// `there` asks for what the server that told of it had said; else it is what this one says.
    pub(crate) fn of_binding(binding: &Binding<'_, V4Key>, there: bool) -> Self {
        Self {
            state: binding.state() as u8,
            hardware: binding.hardware().map(|hardware| hardware.address.to_vec()).unwrap_or_default(),
            client_id: binding.client_id().map(<[u8]>::to_vec).unwrap_or_default(),
            relay_info: binding.relay_info().map(<[u8]>::to_vec).unwrap_or_default(),
            options: binding.options().map(|(code, value)| (code, value.to_vec())).collect(),
            times: [Some(binding.start_of_state()), binding.last_transaction(), binding.expires()],
            remote: if there { binding.is_remote_there() } else { binding.is_remote() },
        }
    }
}

/// An address with the name of its VPN.
pub(crate) type Name = (Vec<u8>, std::net::Ipv4Addr);

/// Name of a key in a store.
pub(crate) fn name(key: V4Key, store: &Store<V4Key>) -> Name {
    let vpn = match store.vpn_name(key.vpn) {
        Some(leasequery_store::VpnName::Name(name)) => name.to_vec(),
        _ => Vec::new(),
    };
    (vpn, key.address)
}

/// A follower and its connections.
#[derive(Debug)]
pub(crate) struct Following {
    pub(crate) follower: Follower<V4>,
    /// Which node is followed.
    pub(crate) server: usize,
    /// The connections: being opened until a time, or open.
    pub(crate) links: [Connecting; 2],
    /// The latest base-time of a bulk message.
    pub(crate) bulk: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connecting {
    No,
    Until(Duration),
    Open(usize),
}

/// How often a server that answers no active queries is asked for changes.
pub(crate) const POLL: Duration = Duration::from_secs(15);
/// How often everything is asked for.
pub(crate) const SWEEP: Duration = Duration::from_secs(150);

/// How every server is followed.
pub(crate) fn settings(sweeps: bool, kept: bool) -> Settings {
    Settings {
        retry: Duration::from_secs(10),
        poll: POLL,
        sweep: sweeps.then_some(SWEEP),
        initial: true,
        kept,
        timeouts: Timeouts { data: Duration::from_mins(1), active_receive: Duration::from_secs(20) },
    }
}

/// Who reads what is printed, and remembers it over restarts of the program that prints it.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) known: BTreeMap<Name, Seen>,
    /// How far the program says it was followed.
    pub(crate) position: Option<Position>,
    /// The run goes on where an earlier one stopped.
    pub(crate) resumed: bool,
    /// What was printed by the clock of an earlier run is not printed again because that clock was stepped since.
    pub(crate) old_times: bool,
    /// What was known a while ago, for a mutation.
    earlier: (Duration, BTreeMap<Name, Seen>),
    /// What has been told since it was said that data are missing.
    told: Option<BTreeSet<Name>>,
}

impl Reader {
    /// Remembers now and then what is known.
    pub(crate) fn remember(&mut self, now: Duration) {
        if now > self.earlier.0 + Duration::from_secs(5) {
            self.earlier = (now, self.known.clone());
        }
    }

    /// Loses what was printed last, as if it had been buffered.
    pub(crate) fn lose(&mut self) {
        self.known = self.earlier.1.clone();
    }

    /// The program begins anew.
    pub(crate) fn begin(&mut self) {
        self.resumed = self.position.is_some();
        self.told = None;
        self.old_times = self.resumed;
        if !self.resumed {
            self.known.clear();
        }
    }
}

/// Takes what a follower tells of.
pub(crate) struct Ear<'a> {
    pub(crate) reader: Option<&'a mut Reader>,
    pub(crate) bulk: &'a mut Option<Time>,
    pub(crate) trace: Option<&'a mut Vec<String>>,
}

impl Observer<V4> for Ear<'_> {
    fn record(&mut self, record: &Record<'_>, told: Told<V4Key>, origin: Origin) {
        if origin.is_bulk() {
            *self.bulk = Some(record.base_time());
        }
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{origin:?} {} {:?} {told:?}", record.address(), Seen::of_record(record)));
        }
        let Some(reader) = &mut self.reader else { return };
        let vpn = match record.vpn() {
            Some(leasequery_wire::v4::Vpn::Name(name)) => name.to_vec(),
            _ => Vec::new(),
        };
        let name = (vpn, record.address());
        if let Some(told) = &mut reader.told {
            told.insert(name.clone());
        }
        // As `watch` decides it.
        let always = origin == Origin::Initial || (reader.resumed && origin.is_bulk());
        if always || told.change > leasequery_protocol::follower::Change::None {
            reader.known.insert(name, Seen::of_record(record));
        }
    }

    fn gone(&mut self, binding: &Binding<'_, V4Key>, store: &Store<V4Key>) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("gone {}", binding.key().address));
        }
        if let Some(reader) = &mut self.reader {
            reader.known.insert(name(binding.key(), store), Seen::of_binding(binding, true));
        }
    }

    fn event(&mut self, event: &Event) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{event:?}"));
        }
        let Some(reader) = &mut self.reader else { return };
        match event {
            Event::DataMissing | Event::Polling(_) if reader.resumed => reader.told = Some(BTreeSet::new()),
            Event::Swept => {
                if let Some(told) = reader.told.take() {
                    // All that is there has been told.
                    reader.known.retain(|name, _| told.contains(name));
                }
                // From now on the program knows what has been told.
                reader.resumed = false;
            }
            _ => {}
        }
    }
}
