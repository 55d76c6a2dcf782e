//! What has changed, for people: who has an address now and who had it, and what became of it.

use leasequery_protocol::follower::{Change, Origin};
use leasequery_record::{Value, View};

/// What was known of a binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    state: String,
    client: String,
}

impl Known {
    pub(super) fn of(view: &View<'_>) -> Self {
        let client = ["mac", "duid", "client-id"].iter().find_map(|field| view.get(field));
        Self { state: text(view.get("state")), client: text(client) }
    }
}

fn text(value: Option<&Value<'_>>) -> String {
    let mut out = Vec::new();
    if let Some(value) = value {
        value.write(&mut out);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// From what to what, and of whom if that is somebody else than before.
pub(super) fn describe(before: Option<&Known>, now: &Known, change: Change, origin: Origin) -> String {
    let Some(before) = before.filter(|_| origin != Origin::Initial) else { return now.state.clone() };
    let states = match (before.state == now.state, change) {
        (true, Change::Times) => format!("{}, renewed", now.state),
        (true, _) => now.state.clone(),
        (false, _) => format!("{} → {}", before.state, now.state),
    };
    match before.client.as_str() {
        "" => states,
        client if client == now.client => states,
        client if now.client.is_empty() => format!("{states} ({client})"),
        client => format!("{states} (was {client})"),
    }
}

#[cfg(test)]
mod tests;
