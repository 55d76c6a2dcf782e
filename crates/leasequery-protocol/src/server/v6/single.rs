use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use leasequery_store::{Binding, Budget, Store, Unknown, V6Key};
use leasequery_wire::v6::{MAX_HOPS, Message, MessageType, MessageWriter, OptionCode, QueryType, Relay, StatusCode};

use super::client::{others_on_link, together};
use super::reply::{ReplyPlan, requested};
use super::selection::{By, Selection, is_live, is_own};
use super::{Policy, Refusal, finish, identify, malformed};
use crate::server::{Silence, Verdict};

/// Where relays await answers (RFC 8415 section 7.2).
const SERVER_PORT: u16 = 547;
/// The most that a datagram can carry behind its UDP header.
const MAX_DATAGRAM: usize = 65_527;
/// The budget of a query: more than the leases that a datagram can carry, and what else a client may have had lately.
const SINGLE: usize = 4096;
const TOO_MUCH: &str = "the answer is longer than a datagram; a query over TCP is answered in full";
/// What is not asked for over UDP (RFC 5460 section 4).
const TCP_ONLY: [QueryType; 3] = [QueryType::BY_RELAY_ID, QueryType::BY_LINK_ADDRESS, QueryType::BY_REMOTE_ID];

/// Answers one datagram that came `from` somewhere: a LEASEQUERY, relayed or not (RFC 5007 section 4.4).
///
/// `server_id` is the server's DUID, `permit` what a requestor may do, if there is one with such an address; a query that
/// was relayed is the relay's. Nothing is answered but queries that could be made sense of, and the store stays as it is.
pub fn answer(
    datagram: &[u8],
    from: SocketAddr,
    server_id: &[u8],
    permit: impl Fn(IpAddr) -> Option<Arc<Policy>>,
    store: &Store<V6Key>,
    out: &mut Vec<u8>,
) -> Verdict {
    let source = from.ip();
    match permit(source).filter(|policy| policy.allow.udp) {
        Some(policy) => respond(datagram, from, server_id, &policy, store, out).unwrap_or_else(Verdict::Silence),
        None => Verdict::Silence(Silence::NotPermitted(source)),
    }
}

fn respond(
    datagram: &[u8],
    from: SocketAddr,
    server_id: &[u8],
    policy: &Policy,
    store: &Store<V6Key>,
    out: &mut Vec<u8>,
) -> Result<Verdict, Silence> {
    if datagram.first() != Some(&MessageType::RELAY_FORWARD.0) {
        reply(datagram, server_id, policy, store, MAX_DATAGRAM, out)?;
        return Ok(Verdict::Answer { to: from, without_relay_info: false });
    }
    let relays = Relay::chain(datagram).collect::<Result<Vec<_>, _>>()?;
    let query = relays.last().filter(|_| relays.len() < MAX_HOPS).and_then(Relay::relayed);
    let query = query.ok_or(Silence::Unusable("relayed, and without a message"))?;
    let carried: usize = relays.iter().map(|relay| relay_back(relay, &[]).len()).sum();
    let mut inside = Vec::new();
    reply(query, server_id, policy, store, MAX_DATAGRAM.saturating_sub(carried), &mut inside)?;
    for relay in relays.iter().rev() {
        inside = relay_back(relay, &inside);
    }
    // A relay that does not await its answer on the usual port says so (RFC 8357 section 5.2).
    let other_port = relays.first().is_some_and(|relay| relay.options.find(OptionCode::RELAY_PORT).is_some());
    let port = if other_port { from.port() } else { SERVER_PORT };
    out.extend_from_slice(&inside);
    Ok(Verdict::Answer { to: (from.ip(), port).into(), without_relay_info: false })
}

/// The Relay-Reply that carries a message back the way it came (RFC 8415 section 19.3).
fn relay_back(relay: &Relay<'_>, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 64);
    out.extend_from_slice(&[MessageType::RELAY_REPLY.0, relay.hop_count]);
    out.extend_from_slice(&relay.link.octets());
    out.extend_from_slice(&relay.peer.octets());
    // What the relay knows the requestor's interface by, and that it has a port of its own.
    for (code, value) in relay.options.iter() {
        if [OptionCode::INTERFACE_ID, OptionCode::RELAY_PORT].contains(&code) {
            put(&mut out, code, value);
        }
    }
    put(&mut out, OptionCode::RELAY_MESSAGE, message);
    out
}

fn put(out: &mut Vec<u8>, code: OptionCode, value: &[u8]) {
    out.extend_from_slice(&code.0.to_be_bytes());
    out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(value);
}

/// Appends the LEASEQUERY-REPLY to a query, of so many octets at most.
fn reply(
    query: &[u8],
    server_id: &[u8],
    policy: &Policy,
    store: &Store<V6Key>,
    room: usize,
    out: &mut Vec<u8>,
) -> Result<(), Silence> {
    let message = Message::parse(query)?;
    if message.message_type() != MessageType::LEASE_QUERY {
        return Err(Silence::NotAQuery(message.message_type().0));
    }
    let client_id = message.client_id()?.ok_or(Silence::Unusable("a query without OPTION_CLIENTID"))?;
    if message.server_id()?.is_some_and(|server| server != server_id) {
        return Err(Silence::Unusable("a query to another server"));
    }
    if message.options().find(OptionCode::QUERY).is_none() {
        return Err(Silence::Unusable("a query without OPTION_LQ_QUERY"));
    }
    let length = out.len();
    let mut writer = begin(&message, server_id, client_id, out);
    let mut problem = None;
    let budget = Budget::new(SINGLE);
    match find(&message, policy, store, &budget) {
        Ok(Found::Leases(leases, plan)) => plan.encode(&leases, None, store.now(), true, &mut writer),
        Ok(Found::Links(links)) => {
            let links: Vec<u8> = links.iter().flat_map(Ipv6Addr::octets).collect();
            writer.option(OptionCode::CLIENT_LINK, &links);
        }
        Err(refusal) => problem = Some(refusal),
    }
    let fits = writer.len() <= room && writer.finish().is_ok();
    let problem = problem.or_else(|| (!fits).then(|| Refusal::new(StatusCode::UNSPEC_FAIL, TOO_MUCH)));
    if let Some(Refusal { status, text }) = problem {
        out.truncate(length);
        let mut writer = begin(&message, server_id, client_id, out);
        writer.status(status, &text);
        let fits = writer.len() <= room;
        finish(writer);
        if !fits {
            out.truncate(length);
            return Err(Silence::Unusable("relayed with more than an answer could carry back"));
        }
    }
    Ok(())
}

fn begin<'b>(message: &Message<'_>, server_id: &[u8], client_id: &[u8], out: &'b mut Vec<u8>) -> MessageWriter<'b> {
    let mut writer = MessageWriter::datagram(out, MessageType::LEASE_QUERY_REPLY, message.transaction_id());
    identify(&mut writer, server_id, Some(client_id));
    writer
}

/// What a query finds.
enum Found<'s> {
    /// The leases of a client on a link; there may be none.
    Leases(Vec<Binding<'s, V6Key>>, ReplyPlan),
    /// The client is on several links, so each has to be asked for (RFC 5007 section 4.4.1).
    Links(BTreeSet<Ipv6Addr>),
}

fn find<'s>(
    message: &Message<'_>,
    policy: &Policy,
    store: &'s Store<V6Key>,
    budget: &'s Budget,
) -> Result<Found<'s>, Refusal> {
    // Whatever else may be wrong with it (RFC 5460 section 4): its first octet is looked at before all others.
    let query_type = message.options().find(OptionCode::QUERY).and_then(|value| value.first().copied().map(QueryType));
    if let Some(query_type) = query_type.filter(|query_type| TCP_ONLY.contains(query_type)) {
        return Err(Refusal::not_allowed(format!("{query_type} is for queries over TCP")));
    }
    let query = message.query().map_err(malformed)?;
    let query = query.ok_or_else(|| Refusal::malformed("there is no OPTION_LQ_QUERY"))?;
    let selection = Selection::new(&query, false, &[], store)?;
    let not_known = |unknown: Unknown<'_>| Refusal::new(StatusCode::UNSPEC_FAIL, unknown.to_string());
    if let Some(unknown) = store.unknown_links().filter(|_| selection.link.is_some()) {
        return Err(not_known(unknown));
    }
    let plan = ReplyPlan::new(&requested(message, Some(&query))?, false, &policy.withhold);
    let leases = match &selection.by {
        By::Address(address) => match selection.holder(*address, store) {
            Some(holder) if is_own(policy, &holder) => {
                let others = others_on_link(&holder, store, budget)
                    .filter(|other| is_live(other, store) && is_own(policy, other));
                together(&holder, others, <[_]>::to_vec)
            }
            _ => Vec::new(),
        },
        By::ClientId(id) => {
            let leases: Vec<_> = store
                .of_client(id, None, budget)
                .filter(|lease| is_live(lease, store) && is_own(policy, lease) && selection.is_on_link(lease, store))
                .collect();
            // What is on nobody knows which link can be asked for by no other query.
            let links: BTreeSet<_> = leases.iter().filter_map(|lease| store.link_of(lease)).collect();
            if links.len() > 1 && !budget.is_spent() {
                return store.unknown_links().map_or(Ok(Found::Links(links)), |unknown| Err(not_known(unknown)));
            }
            leases
        }
        // They have been refused.
        By::RelayId(_) | By::RemoteId(_) | By::Link => Vec::new(),
    };
    if budget.is_spent() {
        return Err(Refusal::new(StatusCode::UNSPEC_FAIL, TOO_MUCH));
    }
    // That there is none is said only where it is known (RFC 5007 section 4.3.3 takes it for an answer).
    match store.unknown(selection.about_address(store), &[]) {
        Some(unknown) if leases.is_empty() => Err(not_known(unknown)),
        _ => Ok(Found::Leases(leases, plan)),
    }
}
