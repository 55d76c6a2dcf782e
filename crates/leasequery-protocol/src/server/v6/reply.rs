use leasequery_store::{Binding, State, Time, V6Key};
use leasequery_wire::v6::{INFINITE, Message, MessageWriter, OptionCode, Options, Query, Relay, write_relayed};

use super::{Refusal, malformed};
use crate::server::Shed;

/// What the messages of a response carry, as the query asks for it: worked out once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReplyPlan {
    pub(super) base_time: bool,
    relay_data: bool,
    /// Options that are kept with the binding, in order: a query may ask for thousands, and a reply is about few of them.
    stored: Vec<u16>,
    /// Never sent, not even inside of relay data (RFC 5007 section 4.4.2).
    withhold: Vec<u16>,
}

/// Whether every message of the response is to carry the time at which it was made. RFC 7653 does not say in which of
/// the two lists that has to be asked for.
pub(super) fn asks_base_time(message: &Message<'_>) -> bool {
    let asks = |options: Options<'_>| {
        options.requested().is_ok_and(|mut codes| codes.any(|code| code == OptionCode::BASE_TIME))
    };
    asks(message.options()) || message.query().ok().flatten().is_some_and(|query| asks(query.options))
}

/// What is asked for about each client: by the list inside of OPTION_LQ_QUERY (RFC 5007 section 4.1.2.1), or, in an
/// active query that has none, by that of the message.
pub(super) fn requested(message: &Message<'_>, query: Option<&Query<'_>>) -> Result<Vec<OptionCode>, Refusal> {
    // Malformed is malformed, even if the list of the message is not what matters.
    let of_message = message.options().requested().map_err(malformed)?;
    match query {
        Some(query) => Ok(query.options.requested().map_err(malformed)?.collect()),
        None => Ok(of_message.collect()),
    }
}

impl ReplyPlan {
    /// From what is asked for, less what is withheld.
    pub(super) fn new(requested: &[OptionCode], base_time: bool, withhold: &[u16]) -> Self {
        let mut plan = Self { base_time, relay_data: false, stored: Vec::new(), withhold: withhold.to_vec() };
        for code in requested.iter().copied().filter(|code| !withhold.contains(&code.0)) {
            match code {
                OptionCode::RELAY_DATA => plan.relay_data = true,
                // They are there anyway, belong to the message, or are never part of an answer. Identity associations (3, 4
                // and 25) are not: what is in them is told without them (RFC 5007 section 4.4.2).
                OptionCode(3 | 4 | 25)
                | OptionCode::CLIENT_ID
                | OptionCode::SERVER_ID
                | OptionCode::IA_ADDRESS
                | OptionCode::REQUEST
                | OptionCode::RELAY_MESSAGE
                | OptionCode::AUTHENTICATION
                | OptionCode::STATUS_CODE
                | OptionCode::IA_PREFIX
                | OptionCode::QUERY
                | OptionCode::CLIENT_DATA
                | OptionCode::CLT_TIME
                | OptionCode::CLIENT_LINK
                | OptionCode::BASE_TIME
                | OptionCode::START_TIME
                | OptionCode::END_TIME => {}
                stored => plan.stored.push(stored.0),
            }
        }
        plan.stored.sort_unstable();
        plan.stored.dedup();
        plan
    }

    /// Appends OPTION_CLIENT_DATA about leases of one client on one link, of which `ended` is over. All times count from
    /// `now`. Unless it is `whole` it goes without what may make it long.
    #[inline]
    pub(super) fn encode(
        &self,
        leases: &[Binding<'_, V6Key>],
        ended: Option<&Binding<'_, V6Key>>,
        now: Time,
        whole: bool,
        writer: &mut MessageWriter<'_>,
    ) {
        // Of what was heard at the same time some may have come without the relays' words, and what is over says less.
        let newest = ended.into_iter().chain(leases).max_by_key(|lease| (heard(lease), lease.relay_info().is_some()));
        let Some(newest) = newest else { return };
        let data = writer.open(OptionCode::CLIENT_DATA);
        writer.option(OptionCode::CLIENT_ID, newest.client_id().unwrap_or_default());
        for lease in leases {
            let key = lease.key();
            let valid = lease.expires().map_or(INFINITE, |expires| left(expires, now).max(1));
            let preferred = lease.renews().map_or(valid, |until| left(until, now).min(valid));
            writer.lease(key.address(), key.prefix_length(), preferred, valid);
        }
        if let Some(ended) = ended {
            writer.lease(ended.key().address(), ended.key().prefix_length(), 0, 0);
        }
        writer.u32(OptionCode::CLT_TIME, now.since(heard(newest)));
        if whole {
            if self.relay_data
                && let Some(info) = newest.relay_info()
            {
                self.relay_data(info, writer);
            }
            self.stored(newest, leases, writer);
        }
        writer.close(data);
    }

    /// What is told of these leases goes without if it is not whole.
    #[cold]
    pub(super) fn shed(&self, leases: &[Binding<'_, V6Key>], ended: Option<&Binding<'_, V6Key>>) -> Shed {
        let all = || ended.into_iter().chain(leases);
        let relayed = self.relay_data && all().any(|lease| lease.relay_info().is_some());
        let mut options: Vec<u16> = all().flat_map(Binding::options).map(|(code, _)| code).collect();
        options.retain(|code| self.stored.binary_search(code).is_ok());
        options.extend(relayed.then_some(OptionCode::RELAY_DATA.0));
        options.sort_unstable();
        options.dedup();
        Shed { about: all().next().map(|lease| lease.key().to_string()).unwrap_or_default(), options }
    }

    /// Appends the options that are asked for, each as the newest lease has it that has it.
    fn stored(&self, newest: &Binding<'_, V6Key>, leases: &[Binding<'_, V6Key>], writer: &mut MessageWriter<'_>) {
        if self.stored.is_empty() {
            return;
        }
        let asked = |code: u16| self.stored.binary_search(&code).is_ok();
        for (code, value) in newest.options().filter(|(code, _)| asked(*code)) {
            writer.option(OptionCode(code), value);
        }
        let mut told: Vec<u16> = Vec::new();
        for (code, value) in leases.iter().filter(|lease| lease.key() != newest.key()).flat_map(Binding::options) {
            if asked(code)
                && let Err(place) = told.binary_search(&code)
            {
                told.insert(place, code);
                if newest.option(code).is_none() {
                    writer.option(OptionCode(code), value);
                }
            }
        }
    }

    /// Appends OPTION_LQ_RELAY_DATA without what is withheld of the relays' options.
    fn relay_data(&self, info: &[u8], writer: &mut MessageWriter<'_>) {
        if self.withhold.is_empty() {
            writer.option(OptionCode::RELAY_DATA, info);
        } else if let Some(rest) = without(info, &self.withhold) {
            writer.option(OptionCode::RELAY_DATA, &rest);
        }
    }
}

/// When the client was last heard. A source that does not know that knows since when the lease is as it is.
pub(super) fn heard(lease: &Binding<'_, V6Key>) -> Time {
    lease.last_transaction().unwrap_or(lease.start_of_state())
}

/// Seconds until a time; one that never comes stays so (RFC 8415 section 7.7).
fn left(until: Time, now: Time) -> u32 {
    if until == Time::INFINITE { INFINITE } else { until.since(now) }
}

/// Relay data without some of the relays' options; `None` if it cannot be read.
fn without(info: &[u8], withhold: &[u16]) -> Option<Vec<u8>> {
    let (peer, message) = info.split_at_checked(16)?;
    let relays: Vec<Relay<'_>> = Relay::chain(message).collect::<Result<_, _>>().ok()?;
    let mut kept = Vec::new();
    let mut ends = Vec::with_capacity(relays.len());
    for relay in &relays {
        for (code, value) in relay.options.iter() {
            if code != OptionCode::RELAY_MESSAGE && !withhold.contains(&code.0) {
                kept.extend_from_slice(&code.0.to_be_bytes());
                kept.extend_from_slice(&u16::try_from(value.len()).ok()?.to_be_bytes());
                kept.extend_from_slice(value);
            }
        }
        ends.push(kept.len());
    }
    let mut start = 0;
    let mut reduced = Vec::with_capacity(relays.len());
    for (relay, end) in relays.into_iter().zip(ends) {
        reduced.push(Relay { options: Options::parse(&kept[start..end], 0).ok()?, ..relay });
        start = end;
    }
    let mut rest = peer.to_vec();
    write_relayed(&reduced, &mut rest)?;
    Some(rest)
}

/// Whether a binding is one that ends here: what was a lease and is none any more.
pub(super) fn is_over(binding: &Binding<'_, V6Key>) -> bool {
    binding.state() != State::Active && binding.client_id().is_some()
}

#[cfg(test)]
mod tests;
