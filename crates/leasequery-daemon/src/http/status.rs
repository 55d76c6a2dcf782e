//! How everything is, as JSON: what the registry and the stores say.

use hyper::{Response, StatusCode};
use jiff::Timestamp;
use leasequery_live::SharedStore;
use leasequery_live::registry::{Kind, Report, State, Value};
use leasequery_store::{Key, Store, Time};
use serde_json::{Map, Value as Json, json};

use super::Site;
use super::answer::{self, Body};
use super::route::Ask;

pub(super) fn answer(ask: &Ask) -> Response<Body> {
    answer::json(StatusCode::OK, &status(&ask.site))
}

fn status(site: &Site) -> Json {
    let parts = |kind| site.registry.reports(kind).iter().map(part).collect::<Vec<_>>();
    json!({
        "ready": site.readiness.since().is_some(),
        "ready-since": site.readiness.since().map(answer::time),
        "version": env!("CARGO_PKG_VERSION"),
        "started": answer::time(site.began),
        "uptime": Timestamp::now().duration_since(site.began).as_secs(),
        "sources": parts(Kind::Source),
        "listeners": parts(Kind::Listener),
        "requestors": parts(Kind::Requestor),
        "outlets": parts(Kind::Outlet),
        "stores": { "v4": store(&site.stores.v4), "v6": store(&site.stores.v6) },
        "state-dir": parts(Kind::StateDir),
    })
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
