use leasequery_store::Time;

use super::lease::Lease;

/// Seconds by which two times may differ and be the same: each went through two clocks in whole seconds.
const ROUNDING: u32 = 2;

/// How two sides are compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    /// Codes of the options that both were asked for. Others are of no account: not everybody prints them.
    pub(super) options: &'a [u16],
    /// Both say which addresses are configured.
    pub(super) configured: bool,
}

/// The fields in which two sides differ about an address; `["state"]` as well if one of them does not know it.
///
/// A server forgets after a while who held an address last, so a lease that is over, and one that is not known, are the
/// same. But where both know who held it they have to agree on that, and an address that is merely configured has to be
/// configured on both sides. Who says it, and whether from hearsay, is of no account. T1 and T2 are told only until they
/// have passed.
pub(super) fn differences(a: Option<&Lease>, b: Option<&Lease>, rules: Rules<'_>) -> Vec<&'static str> {
    let held = |lease: Option<&Lease>| lease.is_some_and(|lease| !lease.is_ended());
    let (a, b) = match (a, b) {
        (Some(a), Some(b)) if a.is_ended() && b.is_ended() && !(a.has_client() && b.has_client()) => return Vec::new(),
        (Some(a), Some(b)) if a.is_ended() == b.is_ended() => (a, b),
        (None, Some(only)) | (Some(only), None) if only.is_ended() => {
            return if rules.configured && only.is_merely_configured() { vec!["state"] } else { Vec::new() };
        }
        (a, b) if !held(a) && !held(b) => return Vec::new(),
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
        ("options", rules.options.iter().all(|code| a.option(*code) == b.option(*code))),
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
