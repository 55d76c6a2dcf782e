use std::net::Ipv6Addr;
use std::sync::Arc;

use leasequery_store::{Settings, SourceId, Store, Time, V6Key};
use leasequery_wire::v6::{Message, MessageType, MessageWriter, OptionCode};

use super::super::{Layout, Record};
use super::commit;
use crate::clock::{Made, Skew};
use crate::follower::{Change, Origin};

const NOW: Time = Time(1_700_000_000);
const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// Takes what a server says some seconds after NOW about a lease of an hour that began then: what that changes, and until
/// when it is preferred by then.
fn told(after: u32, client: u8, preferred: u32, store: &mut Store<V6Key>) -> (Change, Option<u32>) {
    let mut octets = Vec::new();
    let mut writer = MessageWriter::frame(&mut octets, MessageType::LEASE_QUERY_DATA, 1);
    let data = writer.open(OptionCode::CLIENT_DATA);
    writer.option(OptionCode::CLIENT_ID, &[0, 2, client]);
    writer.lease(ADDRESS, None, preferred, 3600 - after);
    writer.u32(OptionCode::CLT_TIME, after);
    writer.close(data);
    writer.finish().unwrap();
    let message = &octets[2..];
    let mut layout = Layout::default();
    assert_eq!(layout.find(&Message::parse(message).unwrap()), Ok(true));
    store.advance(NOW.plus(after));
    let (layout, made) = (Arc::new(layout), Made::said(NOW.plus(after)));
    let record = Record::new(message, &layout, 0, made, None, Skew::default()).unwrap().unwrap();
    let change = commit(&record, Origin::Sweep, SourceId(0), store).unwrap().change;
    (change, store.lookup(V6Key::new(ADDRESS)).unwrap().renews().map(|time| time.since(NOW)))
}

#[test]
fn what_is_preferred_no_longer_changes_only_once() {
    let mut store = Store::new(Settings::default());
    assert_eq!(told(0, 1, 100, &mut store), (Change::Lease, Some(100)));
    assert_eq!(told(200, 1, 0, &mut store), (Change::None, Some(100)), "nobody knows better");
    assert_eq!(told(300, 1, 0, &mut store), (Change::None, Some(100)));
    assert_eq!(told(400, 1, 10, &mut store), (Change::Times, Some(410)));
    assert_eq!(told(405, 1, 0, &mut store), (Change::Times, Some(405)), "earlier than it was said");
    assert_eq!(told(500, 2, 0, &mut store), (Change::Lease, Some(500)), "of another client nothing is known");
}
