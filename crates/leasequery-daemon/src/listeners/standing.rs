use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use leasequery_live::refusals::Refusals;
use leasequery_live::registry::{Figure, Part, State, Value};

use super::places::Places;

/// How a listener for connections is, as its entry in the registry shows it.
#[derive(Debug)]
pub(crate) struct Standing {
    /// Connections that were accepted, also those that were closed at once.
    pub(crate) accepted: Arc<AtomicU64>,
    /// Who is refused there.
    pub(crate) refusals: Arc<Refusals>,
}

impl Standing {
    /// That of a listener that begins to serve.
    pub(crate) fn new(part: &Part, places: &Arc<Places>, refusals: Arc<Refusals>) -> Self {
        let accepted = Arc::<AtomicU64>::default();
        part.set(State::Well, "listening");
        part.show({
            let (accepted, refusals, places) = (Arc::clone(&accepted), Arc::clone(&refusals), Arc::clone(places));
            move || {
                vec![
                    Figure::new("connections", "Connections that are open", Value::Level(places.count() as u64)),
                    Figure::new(
                        "accepted",
                        "Connections that were accepted, also those that were closed at once",
                        Value::Count(accepted.load(Ordering::Relaxed)),
                    ),
                    refused(&refusals),
                ]
            }
        });
        Self { accepted, refusals }
    }
}

/// How often somebody was refused.
pub(super) fn refused(refusals: &Refusals) -> Figure {
    let help = "Connections closed at once, failures of TLS, queries and requests refused, datagrams not answered";
    Figure::new("refused", help, Value::Count(refusals.refused()))
}
