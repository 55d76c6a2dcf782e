//! Another leasequery server, followed.

use leasequery_protocol::follower::{Change, Event, Follower, Observer, Origin, Position, Settings, Told};
use leasequery_store::{Binding, SourceId, Store};
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use crate::family::Family;
use crate::follow::{Companion, Upstream, follow};
use crate::serve::{Control, SharedStore};

/// Follows a server until the daemon ends. What is known from an earlier run is served at once; without it there is
/// nothing to serve until the first load is complete, and `loaded` is dropped then.
pub async fn run<P: Family>(
    upstream: Upstream,
    wanted: P::Wanted,
    settings: Settings,
    source: SourceId,
    shared: std::sync::Arc<SharedStore<P::Key>>,
    mut control: watch::Receiver<Control>,
    loaded: mpsc::Sender<()>,
) {
    let position = shared.read(|store| store.position(source).and_then(Position::from_bytes));
    let server = upstream.address.clone();
    let mut companion = Log { server: server.clone(), loaded: position.is_none().then_some(loaded) };
    let mut follower = Follower::<P>::new(wanted, source, position, settings, fastrand::u64(..));
    let stop = async {
        // A sender that is gone is the end, too.
        let _ = control.wait_for(|control| control.shutdown).await;
    };
    if let Err(error) = follow(&upstream, &mut follower, &shared, &mut companion, stop).await {
        warn!("leasequery {server}: {error}");
    }
}

/// Writes to the log what happens.
struct Log {
    server: String,
    loaded: Option<mpsc::Sender<()>>,
}

impl<P: Family> Observer<P> for Log {
    fn record(&mut self, _: &P::Record<'_>, told: Told<P::Key>, origin: Origin) {
        if origin == Origin::Sweep && told.change == Change::Lease {
            // Nothing should be left to find.
            debug!("leasequery {}: {} was not as it is there", self.server, told.key);
        }
    }

    fn gone(&mut self, binding: &Binding<'_, P::Key>, _: &Store<P::Key>) {
        info!("leasequery {}: {} is no longer there", self.server, binding.key());
    }

    fn event(&mut self, event: &Event) {
        let server = &self.server;
        match event {
            Event::Connected => info!("leasequery {server}: connected"),
            Event::InitialComplete => {
                info!("leasequery {server}: the present state is complete");
                self.loaded = None;
            }
            Event::CatchUpComplete => info!("leasequery {server}: caught up"),
            Event::DataMissing => warn!("leasequery {server}: its history does not reach back, asking for the gap"),
            Event::GapFilled => info!("leasequery {server}: the gap has been filled"),
            Event::Swept => debug!("leasequery {server}: everything has been compared"),
            Event::Disconnected(reason) => warn!("leasequery {server}: disconnected: {reason}"),
            Event::Polling(reason) => warn!("leasequery {server}: no Active Leasequery ({reason}), so it is polled"),
            Event::Refused(reason) => warn!("leasequery {server}: it refuses a bulk query: {reason}"),
            Event::Warning(text) => warn!("leasequery {server}: {text}"),
        }
    }
}

impl<P: Family> Companion<P> for Log {
    fn pause(&mut self, _: &Follower<P>) -> std::io::Result<()> {
        Ok(())
    }
}
