//! What DHCPv6 has of its own in following a server.

mod commit;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use leasequery_store::{SourceId, Store, Time, V6Key};

use super::{Followed, Origin, Span, Told};
use crate::requestor::v6::{ActiveQuery, BulkQuery, Query, Record, Selector, V6};
use commit::{commit, is_of_former_client};

/// What is followed of a server.
#[derive(Debug, Clone)]
pub struct V6Wanted {
    /// Where the one who follows is a server itself.
    pub listeners: Arc<[SocketAddr]>,
    /// Whose bindings.
    pub selector: Selector,
    /// Codes of options besides the usual ones.
    pub options: Vec<u16>,
    /// The requestor's own DUID.
    pub client_id: Arc<[u8]>,
}

impl Followed for V6 {
    type Key = V6Key;
    type Wanted = V6Wanted;

    const TELLS_CONFIGURED: bool = false;
    const TELLS_ENDS: bool = false;

    fn with_peer(wanted: &V6Wanted, _peer: IpAddr) -> Self {
        Self::new(Arc::clone(&wanted.client_id)).listening(Arc::clone(&wanted.listeners))
    }

    fn wants_all_vpns(_wanted: &V6Wanted) -> bool {
        false
    }

    fn bulk_query(wanted: &V6Wanted, span: Span, _all_vpns: bool) -> Query {
        let (selector, options) = (wanted.selector.clone(), wanted.options.clone());
        Query::Bulk(BulkQuery { selector, since: span.since, until: span.until, options })
    }

    fn active_query(wanted: &V6Wanted, since: Option<Time>) -> Query {
        Query::Active(ActiveQuery { selector: wanted.selector.clone(), since, options: wanted.options.clone() })
    }

    fn is_of_former_client(record: &Record<'_>, source: SourceId, store: &Store<V6Key>) -> bool {
        is_of_former_client(record, source, store)
    }

    fn commit(record: &Record<'_>, origin: Origin, source: SourceId, store: &mut Store<V6Key>) -> Option<Told<V6Key>> {
        commit(record, origin, source, store)
    }

    fn refused(record: &Record<'_>) -> String {
        format!("what the server says about {} could not be taken", record.key())
    }

    /// With the last lease that a message tells of: the others have been told of by then.
    fn base_time(record: &Record<'_>) -> Option<Time> {
        (record.is_last() && record.has_base_time()).then(|| record.base_time())
    }

    fn key(record: &Record<'_>, _store: &Store<V6Key>) -> Option<V6Key> {
        Some(record.key())
    }
}
