//! What DHCPv4 has of its own in following a server.

mod commit;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use leasequery_store::{SourceId, Store, Time, V4Key, VpnIndex};

use super::{Followed, Origin, Span, Told};
use crate::requestor::v4::{ActiveQuery, BulkQuery, Query, Record, V4, VpnChoice};
use commit::{commit, vpn_name};

/// What is followed of a server.
#[derive(Debug, Clone, Default)]
pub struct V4Wanted {
    /// Where the one who follows is a server itself.
    pub listeners: Arc<[SocketAddr]>,
    /// Which VPN; `None` is all that the server tells of.
    pub vpn: Option<VpnChoice>,
    /// Codes of options besides the usual ones.
    pub options: Vec<u8>,
}

impl Followed for V4 {
    type Key = V4Key;
    type Wanted = V4Wanted;

    const TELLS_CONFIGURED: bool = true;
    const TELLS_ENDS: bool = true;

    fn with_peer(wanted: &V4Wanted, peer: IpAddr) -> Self {
        let protocol = match peer.to_canonical() {
            IpAddr::V4(address) => Self::new(Some(address)),
            IpAddr::V6(_) => Self::new(None),
        };
        protocol.listening(Arc::clone(&wanted.listeners))
    }

    fn wants_all_vpns(wanted: &V4Wanted) -> bool {
        wanted.vpn.is_none()
    }

    fn bulk_query(wanted: &V4Wanted, span: Span, all_vpns: bool) -> Query {
        let all = if all_vpns { VpnChoice::All } else { VpnChoice::Default };
        Query::Bulk(BulkQuery {
            since: span.since,
            until: span.until,
            vpn: wanted.vpn.clone().unwrap_or(all),
            options: wanted.options.clone(),
            ..BulkQuery::default()
        })
    }

    fn active_query(wanted: &V4Wanted, since: Option<Time>) -> Query {
        Query::Active(ActiveQuery { since, vpn: wanted.vpn.clone(), options: wanted.options.clone() })
    }

    fn commit(record: &Record<'_>, origin: Origin, source: SourceId, store: &mut Store<V4Key>) -> Option<Told<V4Key>> {
        commit(record, origin, source, store)
    }

    fn refused(record: &Record<'_>) -> String {
        format!("what the server says about {} could not be taken", record.address())
    }

    fn base_time(record: &Record<'_>) -> Option<Time> {
        record.has_base_time().then(|| record.base_time())
    }

    fn key(record: &Record<'_>, store: &Store<V4Key>) -> Option<V4Key> {
        let vpn = match record.vpn() {
            None => VpnIndex::DEFAULT,
            Some(vpn) => store.find_vpn(&vpn_name(vpn)?)?,
        };
        Some(V4Key { vpn, address: record.address() })
    }
}
