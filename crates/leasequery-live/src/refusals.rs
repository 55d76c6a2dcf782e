//! What peers can have logged, told of once and then in sum.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::mem::Discriminant;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leasequery_protocol::code::StatusCode;
use leasequery_protocol::server::{CloseReason, Silence};
use tracing::{info, warn};

/// What peers can have logged. They can do all of it as often as they like, so what is the same for an address is told in
/// sum.
#[derive(Debug, Default)]
pub struct Refusals {
    state: Mutex<State>,
    /// How often somebody was refused.
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// What was told of in this period, with how often it came after that.
    told: HashMap<(Option<IpAddr>, Kind), Told>,
    /// What was of one too many addresses.
    others: u64,
}

#[derive(Debug)]
struct Told {
    /// The address, or what else it is known by.
    who: String,
    text: String,
    more: u64,
}

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Closed at once, for this reason.
    NotServed(&'static str),
    /// A query was answered.
    Answered,
    /// A query was refused.
    Refused(StatusCode),
    /// A request over HTTP was answered with this status.
    RefusedHttp(u16),
    /// Something did not fit a message.
    Shed,
    /// A connection ended.
    Ended(Discriminant<CloseReason>),
    /// A connection is protected by TLS.
    Secured,
    /// No TLS came about, or it broke, for the reason with this hash.
    NoTls(u64),
    /// A datagram was not answered.
    Silence(Discriminant<Silence>),
    /// Connections cannot be accepted.
    NotAccepted,
    /// A local client ended in a way it should not.
    Broken(io::ErrorKind),
}

impl Kind {
    /// No TLS, for a reason.
    pub fn no_tls(reason: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        reason.hash(&mut hasher);
        Self::NoTls(hasher.finish())
    }

    /// Whether somebody was refused with it.
    fn is_refusal(self) -> bool {
        matches!(self, Self::NotServed(_) | Self::Refused(_) | Self::RefusedHttp(_) | Self::NoTls(_) | Self::Silence(_))
    }

    /// Whether somebody should look at it.
    fn is_warning(self) -> bool {
        matches!(self, Self::NotServed(_) | Self::Shed | Self::NotAccepted | Self::Broken(_))
    }
}

/// How often the same is told of the same address.
pub const PERIOD: Duration = Duration::from_secs(1);
/// How much is told in that time.
const MANY: usize = 64;

impl Refusals {
    /// Tells of something, or counts it.
    pub fn note(&self, peer: impl Display, ip: impl Into<Option<IpAddr>>, kind: Kind, text: impl FnOnce() -> String) {
        let ip = ip.into();
        self.refused.fetch_add(u64::from(kind.is_refusal()), Ordering::Relaxed);
        let is_new = {
            let mut state = self.state();
            let many = state.told.len() >= MANY;
            match state.told.entry((ip, kind)) {
                Entry::Occupied(mut told) => {
                    told.get_mut().more += 1;
                    None
                }
                Entry::Vacant(_) if many => {
                    state.others += 1;
                    None
                }
                Entry::Vacant(new) => {
                    let who = ip.map_or_else(|| peer.to_string(), |ip| ip.to_string());
                    Some(new.insert(Told { who, text: text(), more: 0 }).text.clone())
                }
            }
        };
        match is_new {
            Some(text) if kind.is_warning() => warn!("{peer}: {text}"),
            Some(text) => info!("{peer}: {text}"),
            None => {}
        }
    }

    /// Tells of what was counted. What goes on is told of in sum from now on.
    pub fn report(&self) {
        let mut lines = Vec::new();
        let others = {
            let mut state = self.state();
            state.told.retain(|(_, kind), told| {
                let more = std::mem::take(&mut told.more);
                if more > 0 {
                    let line = format!("{}: {more} more within a second, such as: {}", told.who, told.text);
                    lines.push((kind.is_warning(), line));
                }
                more > 0
            });
            std::mem::take(&mut state.others)
        };
        for (is_warning, line) in lines {
            if is_warning { warn!("{line}") } else { info!("{line}") }
        }
        if others > 0 {
            warn!("{others} more within a second, of further addresses: refused, closed or answered");
        }
    }

    /// How often somebody was refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind::NotServed("no requestor has this address");

    fn note(refusals: &Refusals, number: u32) {
        refusals.note(number, IpAddr::from(number.to_be_bytes()), KIND, String::new);
    }

    #[test]
    fn what_is_kept_of_a_flood_is_bounded() {
        let refusals = Refusals::default();
        for number in 0..10_000 {
            note(&refusals, number);
        }
        note(&refusals, 0);
        let state = refusals.state();
        assert_eq!((state.told.len(), state.others), (MANY, 10_000 - MANY as u64));
        assert_eq!(state.told.values().map(|told| told.more).sum::<u64>(), 1);
    }

    #[test]
    fn what_cannot_be_accepted_on_a_socket_is_told_once_and_then_in_sum() {
        let refusals = Refusals::default();
        for _ in 0..1000 {
            // By whom cannot be said: there is no connection.
            refusals
                .note("push /run/push.sock", None, Kind::NotAccepted, || "cannot accept: no descriptors".to_owned());
        }
        let told = |refusals: &Refusals| {
            let all: Vec<_> = refusals.state().told.values().map(|told| (told.who.clone(), told.more)).collect();
            all
        };
        assert_eq!(told(&refusals), [("push /run/push.sock".to_owned(), 999)]);
        assert!(Kind::NotAccepted.is_warning());
        refusals.report();
        assert_eq!(told(&refusals), [("push /run/push.sock".to_owned(), 0)], "the sum begins anew");
    }

    #[test]
    fn what_goes_on_is_told_of_in_sum_and_what_has_ended_is_forgotten() {
        let refusals = Refusals::default();
        for number in [1, 2, 1] {
            note(&refusals, number);
        }
        refusals.report();
        let told = |refusals: &Refusals| refusals.state().told.keys().filter_map(|(ip, _)| *ip).collect::<Vec<_>>();
        assert_eq!(told(&refusals), [IpAddr::from([0, 0, 0, 1])]);
        refusals.report();
        assert!(told(&refusals).is_empty());
    }
}
