//! Another leasequery server, followed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use leasequery_client::{Companion, Upstream, follow};
use leasequery_live::registry::{Figure, State, Value};
use leasequery_live::{Feed, Running, SharedStore, wall_clock};
use leasequery_protocol::follower::{Change, Event, Follower, Observer, Origin, Position, Settings, Told};
use leasequery_record::Family;
use leasequery_store::{Binding, Key, SourceId, Store};
use tracing::{debug, info, warn};

/// Follows a server until the daemon ends. What is known from an earlier run is served at once; without it nothing is known
/// until everything has been received.
pub(super) async fn run<P: Family>(
    upstream: Upstream,
    wanted: P::Wanted,
    settings: Settings,
    feed: Feed<P::Key>,
    mut running: Running,
) {
    let (source, shared) = (feed.source, Arc::clone(&feed.shared));
    let position = shared.read(|store| store.position(source).and_then(Position::from_bytes));
    let server = upstream.address.clone();
    let kept = position.is_some() && shared.write(|store| store.keep_whole(source));
    if kept {
        info!("leasequery {server}: {}", shared.kept());
    }
    let mut companion = Log::new(server.clone(), feed);
    let mut follower = Follower::<P>::new(wanted, source, position.filter(|_| kept), settings, fastrand::u64(..));
    tokio::select! {
        ended = follow(&upstream, &mut follower, &shared, &mut companion, running.over()) => if let Err(error) = ended {
            warn!("leasequery {server}: {error}");
        },
        () = locate(&server, source, &shared) => {}
    }
}

/// How often a name is looked up.
const LOOK_UP: Duration = Duration::from_mins(1);

/// Tells the store where the server is.
async fn locate<K: Key>(server: &str, source: SourceId, shared: &SharedStore<K>) {
    loop {
        if let Ok(found) = tokio::net::lookup_host(server).await {
            let found = found.map(|found| SocketAddr::new(found.ip().to_canonical(), found.port())).collect();
            shared.write(|store| store.set_servers(source, found));
        }
        tokio::time::sleep(LOOK_UP).await;
    }
}

/// Writes to the log what happens.
struct Log<K: Key> {
    server: String,
    feed: Feed<K>,
    tally: Arc<Tally>,
    /// Something has been told since the last turn.
    has_heard: bool,
    /// Why there is nothing to be had at the moment, until the store has been told.
    why: Option<String>,
}

/// What has come from a server, for whoever looks.
#[derive(Debug, Default)]
struct Tally {
    connections: AtomicU64,
    records: AtomicU64,
    gone: AtomicU64,
    sweeps: AtomicU64,
    gaps: AtomicU64,
    /// Unix seconds; 0 is never.
    last_record: AtomicU64,
}

impl Tally {
    fn figures(&self) -> Vec<Figure> {
        let count =
            |name, help, number: &AtomicU64| Figure::new(name, help, Value::Count(number.load(Ordering::Relaxed)));
        let mut figures = vec![
            count("connections", "Connections made to it", &self.connections),
            count("records", "Bindings it has told of", &self.records),
            count("gone", "Bindings it no longer had when everything was compared", &self.gone),
            count("full-reads", "How often everything was compared", &self.sweeps),
            count("gaps", "How often its history did not reach back", &self.gaps),
        ];
        let last = i64::try_from(self.last_record.load(Ordering::Relaxed)).unwrap_or_default();
        if let (1.., Ok(at)) = (last, Timestamp::from_second(last)) {
            figures.push(Figure::new("last-change", "When it told of something last", Value::Time(at)));
        }
        figures
    }
}

impl<K: Key> Log<K> {
    fn new(server: String, feed: Feed<K>) -> Self {
        let tally = Arc::<Tally>::default();
        feed.part.show({
            let tally = Arc::clone(&tally);
            move || tally.figures()
        });
        Self { server, feed, tally, has_heard: false, why: None }
    }
}

impl<P: Family> Observer<P> for Log<P::Key> {
    fn record(&mut self, _: &P::Record<'_>, told: Told<P::Key>, origin: Origin) {
        self.tally.records.fetch_add(1, Ordering::Relaxed);
        self.has_heard = true;
        if origin == Origin::Sweep && told.change == Change::Lease {
            // Nothing should be left to find.
            debug!("leasequery {}: {} was not as it is there", self.server, told.key);
        }
    }

    fn gone(&mut self, binding: &Binding<'_, P::Key>, _: &Store<P::Key>) {
        self.tally.gone.fetch_add(1, Ordering::Relaxed);
        info!("leasequery {}: {} is no longer there", self.server, binding.key());
    }

    fn event(&mut self, event: &Event) {
        let server = &self.server;
        match event {
            Event::Connected => {
                self.tally.connections.fetch_add(1, Ordering::Relaxed);
                self.feed.part.set(State::Well, "followed");
                info!("leasequery {server}: connected");
            }
            Event::InitialComplete => info!("leasequery {server}: the present state is complete"),
            Event::CatchUpComplete => info!("leasequery {server}: caught up"),
            Event::DataMissing => {
                self.tally.gaps.fetch_add(1, Ordering::Relaxed);
                warn!("leasequery {server}: its history does not reach back, asking for the gap");
            }
            Event::GapFilled => info!("leasequery {server}: the gap has been filled"),
            Event::Swept => {
                self.tally.sweeps.fetch_add(1, Ordering::Relaxed);
                debug!("leasequery {server}: everything has been compared");
            }
            Event::Disconnected(reason) => {
                warn!("leasequery {server}: disconnected: {reason}");
                self.feed.part.set(State::Degraded, format!("disconnected: {reason}"));
                self.why = Some(reason.clone());
            }
            Event::Polling(reason) => {
                self.feed.part.set(State::Well, format!("polled, there is no Active Leasequery: {reason}"));
                warn!("leasequery {server}: no Active Leasequery ({reason}), so it is polled");
            }
            Event::Incomplete(reason) => {
                warn!("leasequery {server}: it tells what it knows: {reason}");
                self.feed.part.set(State::Degraded, format!("it tells what it knows: {reason}"));
                self.why = Some(reason.clone());
            }
            Event::Refused(reason) => {
                warn!("leasequery {server}: it refuses a bulk query: {reason}");
                self.feed.part.set(State::Degraded, format!("it refuses a bulk query: {reason}"));
                self.why = Some(reason.clone());
            }
            Event::Warning(text) => {
                warn!("leasequery {server}: {text}");
                self.why = Some(text.clone());
            }
        }
    }
}

impl<P: Family> Companion<P> for Log<P::Key> {
    fn pause(&mut self, _: &Follower<P>) -> std::io::Result<()> {
        if std::mem::take(&mut self.has_heard) {
            self.tally.last_record.store(wall_clock().0.into(), Ordering::Relaxed);
        }
        if let Some(why) = self.why.take() {
            self.feed.shared.write(|store| {
                // Once it was whole it is served.
                if !store.was_whole(self.feed.source) {
                    store.await_source(self.feed.source, &why);
                }
            });
        }
        Ok(())
    }
}
