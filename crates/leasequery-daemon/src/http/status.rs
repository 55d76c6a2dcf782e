//! How everything is, as JSON: what the registry and the stores say.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::{Response, StatusCode};
use jiff::Timestamp;
use leasequery_live::SharedStore;
use leasequery_live::registry::{Kind, Report, State, Value};
use leasequery_store::{Key, Store, Time};
use serde_json::{Map, Value as Json, json};

use super::Site;
use super::answer::{self, Body};
use super::route::Ask;
use crate::around::Around;

pub(super) fn answer(ask: &Ask) -> Response<Body> {
    answer::json(StatusCode::OK, &status(&ask.site))
}

fn status(site: &Site) -> Json {
    let Around { registry, stores, .. } = &site.around;
    let parts = |kind| registry.reports(kind).iter().map(part).collect::<Vec<_>>();
    json!({
        "ready": site.readiness.since().is_some(),
        "ready-since": site.readiness.since().map(answer::time),
        "version": env!("CARGO_PKG_VERSION"),
        "started": answer::time(site.began),
        "uptime": Timestamp::now().duration_since(site.began).as_secs(),
        "sources": parts(Kind::Source),
        "listeners": parts(Kind::Listener),
        "requestors": requestors(site),
        "outlets": parts(Kind::Outlet),
        "stores": { "v4": store(&stores.v4), "v6": store(&stores.v6) },
        "state-dir": parts(Kind::StateDir),
        "certificates": parts(Kind::Certificate),
    })
}

/// The blocks of the configuration, each with what it has had in all and who of it is connected.
fn requestors(site: &Site) -> Vec<Json> {
    let mut connections = BTreeMap::<String, Vec<Json>>::new();
    for report in site.around.registry.reports(Kind::Requestor) {
        let connection = part(&report);
        connections.entry(report.name).or_default().push(connection);
    }
    let totals: BTreeMap<_, _> = site.around.callers.figures().into_iter().collect();
    let block = |(name, addresses): (String, Vec<String>)| {
        let mut fields = Map::new();
        let connections = connections.remove(&name).unwrap_or_default();
        fields.insert("addresses".to_owned(), addresses.into());
        for figure in totals.get(&name).into_iter().flatten() {
            fields.insert(figure.name.to_owned(), value(&figure.value));
        }
        fields.insert("connections".to_owned(), connections.into());
        fields.insert("name".to_owned(), name.into());
        Json::Object(fields)
    };
    let requestors = Arc::clone(&site.around.access.permissions().requestors);
    let blocks = requestors.0.iter().map(|requestor| {
        let addresses = requestor.addresses.iter().map(ToString::to_string).collect();
        (requestor.policy.name.clone(), addresses)
    });
    blocks.map(block).collect()
}

/// A part of the daemon: how it is, and its figures by their names.
fn part(report: &Report) -> Json {
    let mut fields = Map::new();
    let mut say = |name: &str, value: Json| drop(fields.insert(name.to_owned(), value));
    say("name", report.name.clone().into());
    if let Some(protocol) = report.protocol {
        say("protocol", protocol.to_string().into());
    }
    say("state", word(report.condition.state).into());
    say("word", report.condition.word.clone().into());
    say("since", answer::time(report.condition.since).into());
    for figure in &report.figures {
        say(figure.name, value(&figure.value));
    }
    Json::Object(fields)
}

fn word(state: State) -> &'static str {
    match state {
        State::Well => "well",
        State::Waiting => "waiting",
        State::Degraded => "degraded",
        State::Down => "down",
    }
}

fn value(value: &Value) -> Json {
    match value {
        Value::Count(number) | Value::Level(number) | Value::Octets(number) | Value::OctetCount(number) => {
            (*number).into()
        }
        Value::Seconds(seconds) => (*seconds).into(),
        Value::Time(time) => answer::time(*time).into(),
        Value::Text(text) => text.clone().into(),
    }
}

fn store<K: Key>(shared: &SharedStore<K>) -> Json {
    shared.read(|store: &Store<K>| {
        let counts = store.counts();
        json!({
            "bindings": counts.bindings,
            "active": counts.active,
            "configured": counts.configured,
            "revision": store.revision().0,
            "history-floor": moment(store.history_floor()),
        })
    })
}

fn moment(time: Time) -> Option<String> {
    Timestamp::from_second(time.0.into()).ok().map(answer::time)
}
