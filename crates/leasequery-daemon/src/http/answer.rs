//! What answers are made of.

use std::convert::Infallible;
use std::future::Future;

use http_body_util::channel::{Channel, Sender};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use jiff::Timestamp;
use serde::Serialize;

/// The body of an answer.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// JSON.
pub(super) const JSON: &str = "application/json";
/// Text for people.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// A piece of content as a whole.
pub(super) fn whole(status: StatusCode, kind: &str, content: impl Into<Bytes>) -> Response<Body> {
    with_body(status, kind, Full::new(content.into()).boxed_unsync())
}

/// A value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(mut text) => {
            text.push(b'\n');
            whole(status, JSON, text)
        }
        Err(problem) => whole(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{problem}\n")),
    }
}

/// A moment as records have them, with milliseconds.
pub(super) fn time(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Why there is nothing else.
pub(super) fn error(status: StatusCode, why: &str) -> Response<Body> {
    json(status, &serde_json::json!({ "error": why }))
}

/// What was made is sent before more is made: a client that stops costs a piece or two, and nobody waits for it. `make` has to
/// take a turn for each look at the store ([`Share`](leasequery_live::turns::Share)); where sending fails the client is gone.
#[allow(dead_code, reason = "what shows leases is streamed")]
pub(super) fn streamed<F: Future<Output = ()> + Send + 'static>(
    kind: &str,
    make: impl FnOnce(Sender<Bytes>) -> F,
) -> Response<Body> {
    let (sender, body) = Channel::new(1);
    tokio::spawn(make(sender));
    with_body(StatusCode::OK, kind, body.boxed_unsync())
}

/// That nothing but looking is permitted.
pub(super) fn not_allowed() -> Response<Body> {
    let text = "GET and HEAD are all that is answered";
    with_header(error(StatusCode::METHOD_NOT_ALLOWED, text), ALLOW, "GET, HEAD")
}

/// That a token is wanted.
pub(super) fn unauthorized(shown: bool) -> Response<Body> {
    let (text, challenge) = if shown {
        ("this token permits nothing", "Bearer realm=\"leasequery\", error=\"invalid_token\"")
    } else {
        ("a token is wanted: Authorization: Bearer TOKEN", "Bearer realm=\"leasequery\"")
    };
    with_header(error(StatusCode::UNAUTHORIZED, text), WWW_AUTHENTICATE, challenge)
}

/// The same with a header.
pub(super) fn with_header(mut response: Response<Body>, name: HeaderName, value: &str) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

fn with_body(status: StatusCode, kind: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    with_header(response, CONTENT_TYPE, kind)
}

/// Adds what holds for all answers, where nothing else has been said: browsers neither keep them, nor take them for something
/// else, nor show them within other pages.
pub(super) fn finish(mut response: Response<Body>) -> Response<Body> {
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
