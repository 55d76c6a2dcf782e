use std::sync::Arc;

use anyhow::Context;
use leasequery_protocol::follower;
use leasequery_protocol::requestor::Timeouts;
use leasequery_protocol::requestor::v4::{VpnChoice, Wanted};
use leasequery_store::{VpnIndex, VpnName};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::info;

use super::{Control, SharedStore};
use crate::config::{Config, Limits, Source};
use crate::source::{self, Configured};

/// What sources have around them.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) limits: &'a Limits,
    pub(super) shared: &'a Arc<SharedStore>,
    pub(super) configured: &'a Configured,
    pub(super) control: &'a watch::Receiver<Control>,
}

impl Surroundings<'_> {
    /// Starts a source. `loaded` is dropped once its first load is done.
    pub(super) fn start(
        &self,
        source: &Source,
        loaded: mpsc::Sender<()>,
        tasks: &mut JoinSet<()>,
    ) -> anyhow::Result<()> {
        let (shared, control) = (Arc::clone(self.shared), self.control.clone());
        let id = shared.write(|store| store.source(&source.name())).context("more than 255 sources")?;
        match source {
            Source::Push { path } => {
                let socket = source::push::Socket::bind(path)
                    .with_context(|| format!("source push: {} cannot be made", path.display()))?;
                tasks.spawn(socket.run(id, shared, control));
            }
            Source::Leasequery { server, vpn, options, poll, sweep } => {
                let wanted = Wanted {
                    vpn: vpn.as_ref().map(|vpn| match vpn {
                        VpnName::Name(name) => VpnChoice::Name(name.to_vec()),
                        VpnName::Id(id) => VpnChoice::Id(*id),
                    }),
                    options: options.clone(),
                };
                let settings = follower::Settings {
                    retry: self.limits.active_idle_timeout,
                    poll: *poll,
                    sweep: Some(*sweep),
                    initial: true,
                    kept: true,
                    timeouts: Timeouts { data: self.limits.data_timeout, ..Timeouts::default() },
                };
                tasks.spawn(source::leasequery::run(server.clone(), wanted, settings, id, shared, control, loaded));
            }
            Source::KeaMemfile { path, vpn, .. } => {
                let vpn = match vpn {
                    Some(vpn) => shared.write(|store| store.vpn(vpn)).context("more than 65535 VPNs")?,
                    None => VpnIndex::DEFAULT,
                };
                let kea = self.configured.kea_config(id);
                let follower = source::kea::Follower::new(path.clone(), kea, id, vpn, shared);
                tasks.spawn_blocking(move || follower.run(&|| control.borrow().shutdown, loaded));
            }
        }
        Ok(())
    }
}

/// Ends what sources told of that are no longer configured, for nobody else would ever end it.
pub(super) fn end_departed(config: &Config, shared: &SharedStore) {
    let configured: Vec<_> = config.sources.iter().map(Source::name).collect();
    let departed = shared.read(|store| {
        let departed = store.sources().filter(|(_, name)| configured.iter().all(|configured| configured != name));
        departed.map(|(id, name)| (id, name.to_owned())).collect::<Vec<_>>()
    });
    for (id, name) in departed {
        let ended = shared.write(|store| store.end_source(id));
        if ended > 0 {
            info!("{name} is no longer configured: {ended} of its bindings ended");
        }
    }
}
