use leasequery_store::Time;

use super::lease::Lease;

/// Seconds by which two times may differ and be the same: each went through two clocks in whole seconds.
const ROUNDING: u32 = 2;

/// The fields in which two sides differ about an address; `["state"]` as well if one of them does not know it.
///
/// That nobody holds an address can be said in several ways, and a server forgets after a while who held it last: a lease
/// that is over, an address that is merely configured and one that is not known are all the same. Who says it, and whether
/// from hearsay, is of no account. T1 and T2 are told only until they have passed.
pub(super) fn differences(a: Option<&Lease>, b: Option<&Lease>) -> Vec<&'static str> {
    let held = |lease: Option<&Lease>| lease.is_some_and(|lease| !lease.is_ended());
    let (a, b) = match (a, b) {
        (a, b) if !held(a) && !held(b) => return Vec::new(),
        (Some(a), Some(b)) => (a, b),
        _ => return vec!["state"],
    };
    let near = |a: Option<Time>, b: Option<Time>| match (a, b) {
        (Some(a), Some(b)) => a.0.abs_diff(b.0) <= ROUNDING,
        (a, b) => a == b,
    };
    let told = |a: Option<Time>, b: Option<Time>| a.is_none() || b.is_none() || near(a, b);
    let equal = [
        ("state", a.state == b.state),
        ("mac", (a.htype, &a.mac) == (b.htype, &b.mac)),
        ("client-id", a.client_id == b.client_id),
        ("duid", a.duid == b.duid),
        ("relay-peer", a.relay_peer == b.relay_peer),
        ("relay-message", a.relay_message == b.relay_message),
        ("relay-agent-information", a.relay_agent_information == b.relay_agent_information),
        ("options", a.options == b.options),
        ("start-time-of-state", near(a.start_time_of_state, b.start_time_of_state)),
        ("client-last-transaction-time", near(a.client_last_transaction_time, b.client_last_transaction_time)),
        ("expires", near(a.expires, b.expires)),
        ("preferred-until", told(a.preferred_until, b.preferred_until)),
        ("renews", told(a.renews, b.renews)),
        ("rebinds", told(a.rebinds, b.rebinds)),
    ];
    equal.iter().filter(|(_, equal)| !equal).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests;
