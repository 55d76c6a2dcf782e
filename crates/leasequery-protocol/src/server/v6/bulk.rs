use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;

use leasequery_store::{Binding, Budget, Entry, Key, Revision, Store, Time, V6Key, VpnRange};
use leasequery_wire::TooLong;
use leasequery_wire::v6::{self, Message, OptionCode, StatusCode};

use super::client::{CLIENT, LEASES_PER_MESSAGE, Turn, is_crowd, others_on_link, together, turn};
use super::response::Response;
use super::selection::{Leg, Selection, Told};
use super::{Policy, Refusal, malformed, store_time};
use crate::server::policy::NO_LONGER;
use crate::server::window::Window;
use crate::server::{Progress, Query, Scope, Shed};

/// A LEASEQUERY being answered over TCP.
#[derive(Debug)]
pub struct BulkQuery {
    selection: Selection,
    told: Told,
    legs: Vec<Leg>,
    /// The leg it is on.
    leg: usize,
    /// The last key that was looked at on it.
    after: Option<V6Key>,
    /// What the last message was stamped with, or the time of the query. The first message is stamped with that, however
    /// long it took to find something to tell: the requestor comes back with it, and what changed behind the cursor since
    /// then is told it then.
    stamp: Time,
    /// The store's latest change when it began, and how its links were; `None` once other bindings may be told of.
    began: Revision,
    links: Option<u64>,
    /// Up to where the clients have been told of whose bindings are too many for one message, or for finding out with
    /// which of them they were told of. There are far fewer of those than bindings.
    parts: HashMap<u64, V6Key>,
    hasher: RandomState,
    /// Where the requestor listens itself.
    asker: Vec<SocketAddr>,
    /// Why the answer cannot be complete: what was not known at any moment of it may be behind the last key.
    unknown: Option<String>,
    response: Response,
}

impl BulkQuery {
    /// Reads a query, or says why it is refused.
    pub(super) fn new(
        message: &Message<'_>,
        server_id: &Arc<[u8]>,
        policy: &Arc<Policy>,
        asker: Vec<SocketAddr>,
        store: &Store<V6Key>,
    ) -> Result<Self, Refusal> {
        if !policy.allow.bulk {
            return Err(Refusal::not_allowed(format!("{} may not send bulk queries", policy.name)));
        }
        let query = message.query().map_err(malformed)?;
        let query = query.ok_or_else(|| Refusal::malformed("there is no OPTION_LQ_QUERY"))?;
        let window = times(message, Some(&query))?;
        let selection = Selection::new(&query, !window.is_open(), &asker, store)?;
        Ok(Self {
            legs: selection.legs(store),
            selection,
            told: Told { window: window.in_store(store).for_policy(policy), policy: Arc::clone(policy) },
            leg: 0,
            after: None,
            stamp: store.now(),
            began: store.revision(),
            links: Some(store.links_generation()),
            parts: HashMap::new(),
            hasher: RandomState::new(),
            asker,
            unknown: None,
            response: Response::new(message, server_id, policy)?,
        })
    }

    /// What the next message is stamped with.
    #[inline]
    fn stamp(&mut self, store: &Store<V6Key>) -> Time {
        if self.response.begun {
            // The last words may be spoken after the clock was set back.
            self.stamp = self.stamp.max(store.now());
        }
        self.stamp
    }

    /// Tells of a client, if it is the turn of this binding.
    #[inline]
    fn tell(
        &mut self,
        binding: &Binding<'_, V6Key>,
        store: &Store<V6Key>,
        out: &mut Vec<u8>,
        budget: &Budget,
    ) -> Result<(), TooLong> {
        // What is on several legs is told on the first one.
        if !self.looks_at(binding, store) || self.leg_of(binding) != Some(self.leg) {
            return Ok(());
        }
        match self.turn(binding, store, budget) {
            Turn::Other => Ok(()),
            Turn::Alone => {
                let base_time = self.stamp(store);
                self.response.client(std::slice::from_ref(binding), None, base_time, out)
            }
            Turn::Part => {
                let base_time = self.stamp(store);
                let part = self.part(binding, store, budget);
                self.response.client(&part, None, base_time, out)
            }
            Turn::All => {
                let base_time = self.stamp(store);
                let (told, response) = (&self.told, &mut self.response);
                let others = others_on_link(binding, store, budget).filter(|other| told.includes(other, store));
                together(binding, others, |leases| response.client(leases, None, base_time, out))
            }
        }
    }

    /// With which of its client's bindings a binding is told of.
    #[inline]
    fn turn(&mut self, binding: &Binding<'_, V6Key>, store: &Store<V6Key>, budget: &Budget) -> Turn {
        if self.links != Some(store.links_generation()) {
            // Who belongs together is no longer what it was.
            return Turn::Alone;
        }
        if binding.revision() <= self.began
            && !self.parts.is_empty()
            && let Some(last) = self.parts.get(&self.part_of(binding, store))
        {
            return if binding.key() <= *last { Turn::Other } else { Turn::Part };
        }
        let place = (self.leg, binding.key());
        let in_order = !matches!(self.legs.get(self.leg), Some(Leg::Named(_)));
        let is_earlier = |other: &Binding<'_, V6Key>| {
            self.looks_at(other, store) && self.leg_of(other).is_some_and(|leg| (leg, other.key()) < place)
        };
        match turn(binding, self.began, store, in_order, is_earlier, budget) {
            Turn::All if is_crowd(binding, store, budget) => Turn::Part,
            turn => turn,
        }
    }

    /// What the parts of a client are remembered by: all of them are on one link, and on one leg.
    fn part_of(&self, binding: &Binding<'_, V6Key>, store: &Store<V6Key>) -> u64 {
        self.hasher.hash_one((binding.client_id(), store.link_of(binding), self.leg))
    }

    /// A binding with those of its client behind it on the same leg, as many as go into a message.
    fn part<'s>(
        &mut self,
        binding: &Binding<'s, V6Key>,
        store: &'s Store<V6Key>,
        budget: &'s Budget,
    ) -> Vec<Binding<'s, V6Key>> {
        let link = store.link_of(binding);
        let mut part = vec![*binding];
        let mut last = binding.key();
        for other in store.of_client(binding.client_id().unwrap_or_default(), Some(last), budget) {
            last = other.key();
            if store.link_of(&other) == link && self.looks_at(&other, store) && self.leg_of(&other) == Some(self.leg) {
                part.push(other);
            }
            if part.len() == LEASES_PER_MESSAGE {
                break;
            }
        }
        self.parts.insert(self.part_of(binding, store), last);
        part
    }

    /// The leg on which a binding is looked at.
    #[inline]
    fn leg_of(&self, binding: &Binding<'_, V6Key>) -> Option<usize> {
        self.legs.iter().position(|leg| leg.has(binding))
    }

    /// Whether a binding is one that the query is about.
    #[inline]
    fn looks_at(&self, binding: &Binding<'_, V6Key>, store: &Store<V6Key>) -> bool {
        self.told.includes(binding, store) && self.selection.selects(binding, store)
    }
}

impl Query<V6Key> for BulkQuery {
    fn xid(&self) -> u32 {
        self.response.xid
    }

    fn advance(&mut self, store: &Store<V6Key>, out: &mut Vec<u8>, room: usize, budget: &Budget) -> Progress {
        if self.unknown.is_none() {
            let unknown = store.unknown(self.selection.about(), &self.asker);
            self.unknown = unknown.map(|unknown| unknown.to_string());
        }
        let Some(leg) = self.legs.get(self.leg).copied() else {
            // Nothing was broken off, which QueryTerminated would mean (RFC 5460 section 5.5): what is known was told, and
            // the connection goes on.
            let unknown = self.unknown.take();
            let base_time = self.stamp(store);
            self.response.end(base_time, unknown.as_deref().map(|text| (StatusCode::UNSPEC_FAIL, text)), out);
            return Progress::Done;
        };
        let start = match leg {
            Leg::Span(first, _) => first.predecessor(),
            Leg::Everything | Leg::Identified | Leg::Named(_) => None,
        };
        let mut scan = store.scan(self.selection.selector(leg), VpnRange::All, self.after.or(start), budget);
        let mut over = false;
        for entry in scan.by_ref() {
            over = matches!(leg, Leg::Span(_, last) if entry.key() > last);
            if over {
                break;
            }
            // Addresses that are merely configured are nothing that could be told.
            if let Entry::Bound(binding) = entry {
                // What is told of a client is told as a whole, and what that took is paid afterwards.
                let whole = Budget::new(CLIENT);
                if let Err(error) = self.tell(&binding, store, out, &whole) {
                    return Progress::Failed(format!("{}: {error}", binding.key()));
                }
                budget.spend(CLIENT - whole.left());
            }
            if out.len() >= room {
                break;
            }
        }
        self.after = scan.cursor();
        if over || scan.is_over() {
            self.leg += 1;
            self.after = None;
        }
        Progress::More
    }

    fn scope(&self) -> Scope {
        if self.legs == [Leg::Everything] && self.told.window.start.is_none_or(|start| start <= store_time(0)) {
            Scope::Everything
        } else {
            Scope::Part
        }
    }

    fn terminate(&mut self, store: &Store<V6Key>, out: &mut Vec<u8>, reason: &str) {
        let base_time = self.stamp(store);
        self.response.end(base_time, Some((StatusCode::QUERY_TERMINATED, reason)), out);
    }

    fn set_policy(&mut self, policy: &Arc<Policy>) -> Result<(), &'static str> {
        if self.told.policy.relays != policy.relays {
            self.links = None;
        }
        self.told.policy = Arc::clone(policy);
        self.response.set_policy(policy);
        if policy.allow.bulk { Ok(()) } else { Err(NO_LONGER) }
    }

    fn replies(&self) -> u64 {
        self.response.replies
    }

    fn take_shed(&mut self) -> Vec<Shed> {
        std::mem::take(&mut self.response.shed)
    }
}

/// The span of time that a query asks for. RFC 7653 does not say where the options belong; in an active query they can
/// only be at the level of the message.
pub(super) fn times(message: &Message<'_>, query: Option<&v6::Query<'_>>) -> Result<Window, Refusal> {
    let time = |code: OptionCode| -> Result<_, Refusal> {
        let inside = query.map_or(Ok(None), |query| query.options.u32(code));
        let time = message.options().u32(code).map_err(malformed)?.or(inside.map_err(malformed)?);
        Ok(time.map(store_time))
    };
    Ok(Window { start: time(OptionCode::START_TIME)?, end: time(OptionCode::END_TIME)? })
}
