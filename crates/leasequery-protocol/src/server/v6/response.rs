use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use leasequery_store::{About, Binding, Budget, Revision, Store, Time, Unknown, V6Key};
use leasequery_wire::TooLong;
use leasequery_wire::v6::{Message, MessageType, MessageWriter, OptionCode, StatusCode};

use super::client::{CLIENT, TOLD_TOGETHER, is_of_many, others_on_link};
use super::reply::{ReplyPlan, asks_base_time, heard, is_over, requested};
use super::selection::{Selection, is_live, is_own};
use super::{Policy, Refusal, finish, identify, malformed, wire_time};
use crate::server::policy::NO_LONGER;
use crate::server::{Active, Notice, Shed, Wording};

/// How the messages of one response are made, and how many bindings they have told of.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) xid: u32,
    requested: Vec<OptionCode>,
    plan: ReplyPlan,
    server_id: Arc<[u8]>,
    client_id: Vec<u8>,
    /// Whether the LEASEQUERY-REPLY has been made.
    pub(super) begun: bool,
    pub(super) replies: u64,
    /// What did not fit, until the connection tells of it.
    pub(super) shed: Vec<Shed>,
}

impl Response {
    /// The response to a query.
    pub(super) fn new(message: &Message<'_>, server_id: &Arc<[u8]>, policy: &Policy) -> Result<Self, Refusal> {
        let client_id = message.client_id().map_err(malformed)?;
        let client_id = client_id.ok_or_else(|| Refusal::malformed("there is no OPTION_CLIENTID"))?;
        let query = message.query().map_err(malformed)?;
        let requested = requested(message, query.as_ref())?;
        Ok(Self {
            xid: message.transaction_id(),
            plan: ReplyPlan::new(&requested, asks_base_time(message), &policy.withhold),
            requested,
            server_id: Arc::clone(server_id),
            client_id: client_id.to_vec(),
            begun: false,
            replies: 0,
            shed: Vec::new(),
        })
    }

    /// Changes what holds for the rest of the response.
    pub(super) fn set_policy(&mut self, policy: &Policy) {
        self.plan = ReplyPlan::new(&self.requested, self.plan.base_time, &policy.withhold);
    }

    /// Begins a message: the first one is the LEASEQUERY-REPLY and says who answers whom (RFC 5460 section 5.2).
    #[inline]
    fn message<'b>(
        &self,
        later: MessageType,
        base_time: Option<Time>,
        status: Option<(StatusCode, &str)>,
        out: &'b mut Vec<u8>,
    ) -> MessageWriter<'b> {
        let kind = if self.begun { later } else { MessageType::LEASE_QUERY_REPLY };
        let mut writer = MessageWriter::frame(out, kind, self.xid);
        if !self.begun {
            identify(&mut writer, &self.server_id, Some(&self.client_id));
        }
        if let Some(base_time) = base_time {
            writer.u32(OptionCode::BASE_TIME, wire_time(base_time));
        }
        if let Some((code, text)) = status {
            writer.status(code, text);
        }
        writer
    }

    /// Appends what is told of one client on one link, with all times counted from `base_time`. A message that would not
    /// fit a frame goes without what makes it long, the relay's and the client's own octets.
    #[inline]
    pub(super) fn client(
        &mut self,
        leases: &[Binding<'_, V6Key>],
        ended: Option<&Binding<'_, V6Key>>,
        base_time: Time,
        out: &mut Vec<u8>,
    ) -> Result<(), TooLong> {
        let stamp = self.plan.base_time.then_some(base_time);
        let mut result = Ok(());
        for whole in [true, false] {
            let mut writer = self.message(MessageType::LEASE_QUERY_DATA, stamp, None, out);
            self.plan.encode(leases, ended, base_time, whole, &mut writer);
            result = writer.finish();
            if result.is_ok() {
                if !whole {
                    self.shed.push(self.plan.shed(leases, ended));
                }
                break;
            }
        }
        self.begun = true;
        self.replies += leases.len() as u64 + u64::from(ended.is_some());
        result
    }

    /// Appends the end of a bulk response: LEASEQUERY-DONE, unless nothing was told, which LEASEQUERY-REPLY says (RFC 5460
    /// section 6.3).
    pub(super) fn end(&mut self, now: Time, status: Option<(StatusCode, &str)>, out: &mut Vec<u8>) {
        let stamp = self.plan.base_time.then_some(now);
        finish(self.message(MessageType::LEASE_QUERY_DONE, stamp, status, out));
        self.begun = true;
    }
}

/// The response to an ACTIVELEASEQUERY.
#[derive(Debug)]
pub struct ActiveResponse {
    pub(super) response: Response,
    policy: Arc<Policy>,
    /// What is asked for, if not everything.
    selection: Option<Selection>,
    /// Where the requestor listens itself.
    asker: Vec<SocketAddr>,
    /// Changes that were told before their turn, because their client was told of: their turn is passed over.
    ahead: VecDeque<(V6Key, Revision)>,
}

/// Changes that are remembered to have been told. One that is not is told again.
const AHEAD: usize = 64;

impl ActiveResponse {
    /// Whether a binding is asked for.
    fn selects(&self, binding: &Binding<'_, V6Key>, store: &Store<V6Key>) -> bool {
        let selected = self.selection.as_ref().is_none_or(|selection| selection.selects(binding, store));
        selected && is_own(&self.policy, binding)
    }

    /// The time that a message with this base-time counts from: whoever did not ask for it counts from when the message
    /// comes.
    fn origin(&self, base_time: Time, store: &Store<V6Key>) -> Time {
        if self.response.plan.base_time { base_time } else { store.now() }
    }

    /// The leases of the client of a binding on its link, but for itself. Their changes are told with it, in a message
    /// whose times count from `origin`: from then it cannot say that the client was heard later.
    fn siblings<'s>(
        &mut self,
        binding: &Binding<'s, V6Key>,
        origin: Time,
        store: &'s Store<V6Key>,
        budget: &'s Budget,
    ) -> Vec<Binding<'s, V6Key>> {
        if is_of_many(binding, store, budget) {
            return Vec::new();
        }
        let others =
            others_on_link(binding, store, budget).filter(|other| is_live(other, store) && is_own(&self.policy, other));
        let siblings: Vec<_> = others.take(TOLD_TOGETHER + 1).collect();
        if siblings.len() > TOLD_TOGETHER {
            return Vec::new();
        }
        let is_told = |sibling: &&Binding<'_, _>| sibling.revision() > binding.revision() && heard(sibling) <= origin;
        for sibling in siblings.iter().filter(is_told) {
            if self.ahead.len() == AHEAD {
                self.ahead.pop_front();
            }
            self.ahead.push_back((sibling.key(), sibling.revision()));
        }
        siblings
    }

    /// Appends who has an address, before its former client is told to have lost it: whoever keeps what there is of each
    /// address is never told that it is free. It is told again in its turn, behind that end, for those who do not look
    /// whose end it is.
    fn successor(
        &mut self,
        key: V6Key,
        base_time: Time,
        store: &Store<V6Key>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        if let Some(binding) =
            store.lookup(key).filter(|binding| is_live(binding, store) && self.selects(binding, store))
        {
            self.tell(binding, base_time, store, out)?;
        }
        self.ahead.retain(|(ahead, _)| *ahead != key);
        Ok(())
    }

    /// Appends the message about a binding, with what else its client has.
    fn tell(
        &mut self,
        binding: Binding<'_, V6Key>,
        base_time: Time,
        store: &Store<V6Key>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let over = is_over(&binding);
        let base_time = self.origin(base_time, store);
        let budget = Budget::new(CLIENT);
        let mut leases = self.siblings(&binding, base_time, store, &budget);
        let told = match (over, leases.is_empty()) {
            (true, _) => self.response.client(&leases, Some(&binding), base_time, out),
            (false, true) => self.response.client(std::slice::from_ref(&binding), None, base_time, out),
            (false, false) => {
                leases.push(binding);
                leases.sort_unstable_by_key(Binding::key);
                self.response.client(&leases, None, base_time, out)
            }
        };
        told.map_err(|error| format!("{}: {error}", binding.key()))
    }

    fn was_told(&mut self, binding: &Binding<'_, V6Key>) -> bool {
        // In the order of their turns, mostly.
        while self.ahead.front().is_some_and(|(_, revision)| *revision < binding.revision()) {
            self.ahead.pop_front();
        }
        self.ahead.contains(&(binding.key(), binding.revision()))
    }
}

impl Wording<V6Key> for ActiveResponse {
    fn xid(&self) -> u32 {
        self.response.xid
    }

    fn binding(
        &mut self,
        binding: Binding<'_, V6Key>,
        base_time: Time,
        store: &Store<V6Key>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        if !(is_over(&binding) || is_live(&binding, store)) || self.was_told(&binding) || !self.selects(&binding, store)
        {
            return Ok(());
        }
        if binding.is_former() {
            self.successor(binding.key(), base_time, store, out)?;
        }
        self.tell(binding, base_time, store, out)
    }

    fn begin(&mut self, base_time: Time, out: &mut Vec<u8>) {
        if !self.response.begun {
            let stamp = self.response.plan.base_time.then_some(base_time);
            finish(self.response.message(MessageType::LEASE_QUERY_REPLY, stamp, None, out));
            self.response.begun = true;
        }
    }

    fn unknown<'s>(&self, store: &'s Store<V6Key>) -> Option<Unknown<'s>> {
        let about = self.selection.as_ref().map_or(About::Bindings, Selection::about);
        store.unknown(about, &self.asker)
    }

    fn notice(&mut self, notice: Notice, base_time: Time, text: &str, out: &mut Vec<u8>) {
        let (kind, status, needs_time) = match notice {
            Notice::ConnectionActive => (MessageType::LEASE_QUERY_DATA, None, false),
            Notice::CatchUpComplete => (MessageType::LEASE_QUERY_DATA, Some(StatusCode::CATCH_UP_COMPLETE), false),
            Notice::DataMissing => (MessageType::LEASE_QUERY_DATA, Some(StatusCode::DATA_MISSING), true),
            Notice::QueryTerminated => (MessageType::LEASE_QUERY_DONE, Some(StatusCode::QUERY_TERMINATED), true),
        };
        // Those are said in a LEASEQUERY-DATA, which comes behind a LEASEQUERY-REPLY; the others can be said in it.
        if !needs_time {
            self.begin(base_time, out);
        }
        let stamp = (needs_time || self.response.plan.base_time).then_some(base_time);
        finish(self.response.message(kind, stamp, status.map(|status| (status, text)), out));
        self.response.begun = true;
    }

    fn set_policy(&mut self, policy: &Arc<Policy>) -> Result<bool, &'static str> {
        let wider = policy.is_wider_than(&self.policy);
        self.policy = Arc::clone(policy);
        self.response.set_policy(policy);
        if wider {
            // It was told of these without what is new.
            self.ahead.clear();
        }
        if policy.allow.active { Ok(wider) } else { Err(NO_LONGER) }
    }

    fn is_news_since(&self, since: Time) -> bool {
        self.policy.is_news_in(Some(since), None)
    }

    fn replies(&self) -> u64 {
        self.response.replies
    }

    fn take_shed(&mut self) -> Vec<Shed> {
        std::mem::take(&mut self.response.shed)
    }
}

/// Reads an active query, or says why it is refused (RFC 7653 section 9.3).
pub(super) fn active_query(
    message: &Message<'_>,
    server_id: &Arc<[u8]>,
    policy: &Arc<Policy>,
    asker: Vec<SocketAddr>,
    store: &Store<V6Key>,
) -> Result<Active<ActiveResponse>, Refusal> {
    let response = Response::new(message, server_id, policy)?;
    if !policy.allow.active {
        return Err(Refusal::not_allowed(format!("{} may not send active queries", policy.name)));
    }
    let query = message.query().map_err(malformed)?;
    let times = super::bulk::times(message, query.as_ref())?;
    if times.end.is_some() {
        return Err(Refusal::malformed("an active query has no OPTION_LQ_END_TIME"));
    }
    let selection = query.map(|query| Selection::new(&query, false, &asker, store)).transpose()?;
    let response = ActiveResponse { response, policy: Arc::clone(policy), selection, asker, ahead: VecDeque::new() };
    Ok(Active::new(response, times.start, store))
}
