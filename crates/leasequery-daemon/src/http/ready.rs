//! Whether everything has been known once, and what is waited for.

use hyper::{Response, StatusCode};
use serde_json::json;

use super::answer::{self, Body};
use super::route::Ask;

pub(super) fn answer(ask: &Ask) -> Response<Body> {
    let readiness = &ask.site.readiness;
    if let Some(since) = readiness.since() {
        return answer::json(StatusCode::OK, &json!({ "ready": true, "since": answer::time(since) }));
    }
    let waiting: Vec<_> = readiness
        .awaited()
        .into_iter()
        .map(|awaited| json!({ "source": awaited.name, "reason": awaited.why, "since": answer::time(awaited.since) }))
        .collect();
    answer::json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "ready": false, "waiting-for": waiting }))
}
