//! Keeps a copy of what a server knows, and prints every change: a bulk query first, then Active Leasequery (RFC 7724) for
//! as long as it runs. The copy is exact through cuts and restarts of the server.
//!
//! `cargo run --example follow -- 127.0.0.1:6767`

use std::io;
use std::sync::Arc;

use leasequery_client::{Companion, Upstream, follow};
use leasequery_live::{Lifecycle, SharedStore, keep_time};
use leasequery_protocol::follower::V4Wanted;
use leasequery_protocol::follower::{Event, Follower, Observer, Origin, Settings, Told};
use leasequery_protocol::requestor::v4::{Record, V4};
use leasequery_store::{Binding, Store, V4Key};

struct Print<T>(T);

impl<T: FnMut(String)> Observer<V4> for Print<T> {
    fn record(&mut self, record: &Record<'_>, _: Told<V4Key>, _: Origin) {
        (self.0)(format!("{} {:?}", record.address(), record.state()));
    }

    fn gone(&mut self, binding: &Binding<'_, V4Key>, _: &Store<V4Key>) {
        (self.0)(format!("{} is no longer there", binding.key()));
    }

    fn event(&mut self, event: &Event) {
        (self.0)(format!("{event:?}"));
    }
}

impl<T: FnMut(String)> Companion<V4> for Print<T> {
    fn pause(&mut self, _: &Follower<V4>) -> io::Result<()> {
        Ok(())
    }
}

/// Follows a server and tells of every change.
pub(crate) async fn copy(server: &str, tell: impl FnMut(String)) -> Result<(), Box<dyn std::error::Error>> {
    // What the server has not said does not happen here, so nothing runs out by itself.
    let mut store = Store::new(leasequery_store::Settings { expire: false, ..leasequery_store::Settings::default() });
    let source = store.source("server").ok_or("a new store has room for a source")?;
    let (shared, lifecycle) = (Arc::new(SharedStore::new(store)), Lifecycle::new());
    tokio::spawn(keep_time(Arc::clone(&shared), lifecycle.running()));
    let mut follower = Follower::<V4>::new(V4Wanted::default(), source, None, Settings::default(), 1);
    let server = Upstream::plain(server.to_owned());
    Ok(follow(&server, &mut follower, &shared, &mut Print(tell), lifecycle.running().over()).await?)
}

#[allow(dead_code, reason = "tests take the part above")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    copy(&std::env::args().nth(1).ok_or("which server?")?, |line| println!("{line}")).await
}
