//! The requestor's side: a follower with its connections, and whoever reads what it prints.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use leasequery_protocol::follower::{Event, Follower, Observer, Origin, Position, Settings, Told};
use leasequery_protocol::requestor::Timeouts;
use leasequery_store::{Binding, Store, Time};

use crate::family::Family;

/// What is known about an address or prefix, by whomever.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) state: u8,
    pub(crate) hardware: Vec<u8>,
    pub(crate) client_id: Vec<u8>,
    pub(crate) contact: Contact,
    /// Since when it is in its state, where that is told.
    pub(crate) start: Option<Time>,
    pub(crate) expires: Option<Time>,
    /// Until when it is preferred, where that is told.
    pub(crate) preferred: Option<Time>,
    /// Whether the server had it from another one.
    pub(crate) remote: bool,
}

/// The last that was heard of a client.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) heard: Option<Time>,
    pub(crate) relay_info: Vec<u8>,
    pub(crate) options: Vec<(u16, Vec<u8>)>,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |time: Option<Time>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
        let Self { state, remote, contact, .. } = self;
        let (hardware, client_id) = (self.hardware.escape_ascii(), self.client_id.escape_ascii());
        let (start, expires, preferred) = (shown(self.start), shown(self.expires), shown(self.preferred));
        write!(f, "state {state} of {hardware} {client_id} since {start} until {expires} preferred {preferred}, ")?;
        write!(f, "{contact:?}{}", if *remote { ", remote" } else { "" })
    }
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.heard {
            Some(heard) => write!(f, "heard {heard} through \"{}\"", self.relay_info.escape_ascii())?,
            None => write!(f, "through \"{}\"", self.relay_info.escape_ascii())?,
        }
        self.options.iter().try_for_each(|(code, value)| write!(f, " {code}=\"{}\"", value.escape_ascii()))
    }
}

/// States of a lease that is over.
pub(crate) fn is_ended(state: u8) -> bool {
    matches!(state, 1 | 3 | 4 | 6)
}

/// An address with the name of its VPN, or a prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) vpn: Vec<u8>,
    pub(crate) address: IpAddr,
    pub(crate) length: Option<u8>,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.address)?;
        match self.length {
            Some(length) => write!(f, "/{length}")?,
            None if self.vpn.is_empty() => {}
            None => write!(f, " in VPN {}", self.vpn.escape_ascii())?,
        }
        Ok(())
    }
}

/// A follower and its connections.
#[derive(Debug)]
pub(crate) struct Following<F: Family> {
    pub(crate) follower: Follower<F>,
    /// Which node is followed.
    pub(crate) server: usize,
    /// The connections: being opened until a time, or open.
    pub(crate) links: [Connecting; 2],
    /// The latest base-time of a bulk message.
    pub(crate) bulk: Option<Time>,
    /// It has been told everything, by its own account.
    pub(crate) whole: bool,
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
    /// The server reads a lease file, and never has yet.
    pub(crate) unread: bool,
    /// What was told all the same of leases that are over, and addresses that are free.
    pub(crate) untrue: Option<Name>,
}

impl<F: Family> Observer<F> for Ear<'_> {
    fn record(&mut self, record: &F::Record<'_>, told: Told<F::Key>, origin: Origin) {
        if let Some(base_time) = F::base_time(record).filter(|_| origin.is_bulk()) {
            *self.bulk = Some(base_time);
        }
        let (name, seen) = F::seen(record);
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{origin:?} {name} {seen:?} {told:?}"));
        }
        if self.unread && origin.is_bulk() && is_ended(seen.state) {
            self.untrue = Some(name.clone());
        }
        let Some(reader) = &mut self.reader else { return };
        if let Some(told) = &mut reader.told {
            told.insert(name.clone());
        }
        // As `watch` decides it.
        let always = origin == Origin::Initial || (reader.resumed && origin.is_bulk());
        if always || told.change > leasequery_protocol::follower::Change::None {
            reader.known.insert(name, seen);
        }
    }

    fn gone(&mut self, binding: &Binding<'_, F::Key>, store: &Store<F::Key>) {
        let name = F::name(binding.key(), store);
        if let Some(trace) = &mut self.trace {
            trace.push(format!("gone {name}"));
        }
        if let Some(reader) = &mut self.reader
            && let Some(seen) = F::seen_of(binding, true)
        {
            reader.known.insert(name, seen);
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
