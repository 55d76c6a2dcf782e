//! Leasequery itself: connections for bulk and active queries, and datagrams.

mod connection;
mod datagrams;
mod listener;
mod places;
mod standing;
mod unbound;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};

pub use datagrams::Datagrams;
pub use listener::Listener;
pub use places::{Place, Places};
pub(crate) use standing::Standing;
pub use unbound::unbound;

/// The address that a listener's replies name as the server.
fn server_id(configured: Option<Ipv4Addr>, local: SocketAddr) -> Ipv4Addr {
    configured.unwrap_or(match local {
        SocketAddr::V4(local) => *local.ip(),
        SocketAddr::V6(local) => local.ip().to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED),
    })
}
