//! Where leases come from. A source turns somebody's lease state into commits and resumes where it stopped.

mod configured;
mod departed;
mod leasequery;
pub mod push;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use leasequery_client::Upstream;
use leasequery_kea as kea;
use leasequery_live::registry::Registry;
use leasequery_live::{Feed, Running, SharedStore, Stores};
use leasequery_protocol::follower;
use leasequery_protocol::follower::V4Wanted;
use leasequery_protocol::follower::V6Wanted;
use leasequery_protocol::requestor::Timeouts;
use leasequery_protocol::requestor::v4::{V4, VpnChoice};
use leasequery_protocol::requestor::v6::{Primary, Selector, V6};
use leasequery_record::Protocol;
use leasequery_store::{Key, Store, V4Key, VpnIndex, VpnName};
use tokio::task::JoinSet;

use crate::config::{Limits, Source};

pub use configured::{Configured, check};
pub(super) use departed::Departed;

/// What sources have around them.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) limits: &'a Limits,
    pub(super) stores: &'a Stores,
    pub(super) configured: &'a Configured,
    pub(super) running: &'a Running,
    pub(super) registry: &'a Registry,
    /// Where connections are accepted.
    pub(super) listeners: &'a [(Protocol, SocketAddr)],
}

impl Surroundings<'_> {
    /// Starts a source. What it has is not known until it has been read as a whole; what a push client has to say is not
    /// waited for, because nobody ever says that it has said everything.
    pub(super) fn start(&self, source: &Source, tasks: &mut JoinSet<()>) -> anyhow::Result<()> {
        let (stores, running) = (self.stores.clone(), self.running.clone());
        let name = source.name();
        match source {
            Source::Push { path } => {
                let socket = push::Socket::bind(path)
                    .with_context(|| format!("source push: {} cannot be made", path.display()))?;
                let feeds = push::Feeds { v4: self.feed(&name, &stores.v4)?, v6: self.feed(&name, &stores.v6)? };
                tasks.spawn(socket.run(feeds, running));
            }
            Source::Leasequery { protocol, server, tls, link, vpn, options, poll, sweep, active_receive_timeout } => {
                let settings = follower::Settings {
                    retry: self.limits.active_idle_timeout,
                    poll: *poll,
                    sweep: Some(*sweep),
                    initial: true,
                    kept: true,
                    timeouts: Timeouts { data: self.limits.data_timeout, active_receive: *active_receive_timeout },
                };
                let server = Upstream { address: server.clone(), tls: tls.clone() };
                match protocol {
                    Protocol::V4 => {
                        let wanted = V4Wanted {
                            listeners: self.listeners(*protocol),
                            vpn: vpn.as_ref().map(|vpn| match vpn {
                                VpnName::Name(name) => VpnChoice::Name(name.to_vec()),
                                VpnName::Id(id) => VpnChoice::Id(*id),
                            }),
                            options: options.iter().filter_map(|code| u8::try_from(*code).ok()).collect(),
                        };
                        let feed = self.feed(&name, &stores.v4)?.awaited(UNHEARD);
                        let follow = leasequery::run::<V4>;
                        tasks.spawn(follow(server, wanted, settings, feed, running));
                    }
                    Protocol::V6 => {
                        let wanted = V6Wanted {
                            listeners: self.listeners(*protocol),
                            selector: Selector { primary: Primary::All, link: *link },
                            options: options.clone(),
                            client_id: leasequery_client::duid::own(),
                        };
                        let feed = self.feed(&name, &stores.v6)?.awaited(UNHEARD);
                        let follow = leasequery::run::<V6>;
                        tasks.spawn(follow(server, wanted, settings, feed, running));
                    }
                }
            }
            Source::KeaMemfile { protocol: Protocol::V6, path, .. } => {
                let feed = self.feed(&name, &stores.v6)?.awaited(UNREAD);
                let kea = self.configured.kea_v6(feed.source);
                let follower = kea::v6::Follower::new(path.clone(), kea, VpnIndex::DEFAULT, feed);
                tasks.spawn_blocking(move || follower.run(&|| running.is_over()));
            }
            Source::KeaMemfile { path, vpn, .. } => {
                let feed = self.feed(&name, &stores.v4)?.awaited(UNREAD);
                let vpn = |store: &mut Store<V4Key>| {
                    let vpn = vpn.as_ref().map_or(Some(VpnIndex::DEFAULT), |vpn| store.vpn(None, vpn))?;
                    Some((vpn, store.hold_vpn(vpn)))
                };
                let (vpn, hold) = stores.v4.write(vpn).context("more than 65535 VPNs")?;
                let kea = self.configured.kea_v4(feed.source);
                let follower = kea::Follower::new(path.clone(), kea, vpn, feed);
                tasks.spawn_blocking(move || {
                    follower.run(&|| running.is_over());
                    drop(hold);
                });
            }
        }
        Ok(())
    }

    /// The way of a source into a store.
    fn feed<K: Key>(&self, name: &str, shared: &Arc<SharedStore<K>>) -> anyhow::Result<Feed<K>> {
        Feed::open(self.registry, name, shared).context("more than 255 sources")
    }

    /// Where connections are accepted for a protocol.
    fn listeners(&self, wanted: Protocol) -> Arc<[SocketAddr]> {
        let listeners = self.listeners.iter().filter(|(protocol, _)| *protocol == wanted);
        listeners.map(|(_, address)| *address).collect()
    }
}

/// What is waited for first.
const UNREAD: &str = "its lease file is being read";
const UNHEARD: &str = "it has not been reached";
