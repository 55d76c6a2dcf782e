use std::sync::Arc;

use hyper::Response;
use hyper::http::request::Parts;
use leasequery_live::turns::Share;
use leasequery_protocol::server::Policy;

use super::access::Asker;
use super::answer::Body;
use super::{Site, health, metrics, ready, status};

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// Whether the process turns.
    Health,
    /// Whether everything has been known once.
    Ready,
    /// How everything is.
    Status,
    /// The same in numbers, for Prometheus.
    Metrics,
}

/// A request that may be answered.
#[allow(dead_code, reason = "each route takes what it needs")]
pub(super) struct Ask {
    pub(super) site: Arc<Site>,
    pub(super) asker: Arc<Asker>,
    /// Path, query and headers.
    pub(super) head: Parts,
    /// What may be told of leases; there is one where the route shows any.
    pub(super) policy: Option<Arc<Policy>>,
    /// The turn of the client, which has begun. Whoever waits has to end it before.
    pub(super) share: Share,
}

impl Route {
    /// What a path is about.
    pub(super) fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/health" => Self::Health,
            "/ready" => Self::Ready,
            "/status" => Self::Status,
            "/metrics" => Self::Metrics,
            _ => return None,
        })
    }

    /// Whether it shows leases, so that only some may ask for it.
    pub(super) fn shows_leases(&self) -> bool {
        match self {
            Self::Health | Self::Ready | Self::Status | Self::Metrics => false,
        }
    }

    /// How it is called where requests are counted.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::Ready => "/ready",
            Self::Status => "/status",
            Self::Metrics => "/metrics",
        }
    }

    /// Answers, in the turn of the client.
    #[allow(clippy::unused_async, reason = "what tells of changes waits for them")]
    pub(super) async fn answer(&self, ask: Ask) -> Response<Body> {
        match self {
            Self::Health => health::answer(),
            Self::Ready => ready::answer(&ask),
            Self::Status => status::answer(&ask),
            Self::Metrics => metrics::answer(&ask),
        }
    }
}
