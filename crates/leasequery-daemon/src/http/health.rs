//! Whether the process turns.

use hyper::{Response, StatusCode};

use super::answer::{self, Body};

pub(super) fn answer() -> Response<Body> {
    answer::whole(StatusCode::OK, answer::TEXT, "ok\n")
}
