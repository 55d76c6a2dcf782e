use std::net::Ipv6Addr;
use std::sync::Arc;

use leasequery_store::{Settings, SourceId, State, Store, Time, Update, V6Key};
use leasequery_wire::v6::{Message, MessageType, MessageWriter, OptionCode};

use super::{commit, is_of_former_client};
use crate::clock::{Made, Skew};
use crate::follower::{Change, Origin};
use crate::requestor::v6::{Layout, Record};

const NOW: Time = Time(1_700_000_000);
const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// Takes what a server says some seconds after NOW about a lease of an hour that began then: what that changes, and until
/// when it is preferred by then.
fn told(after: u32, client: u8, preferred: u32, store: &mut Store<V6Key>) -> (Change, Option<u32>) {
    let change = say(after, client, preferred, 3600 - after, store).expect("it is about the address");
    (change, store.lookup(V6Key::new(ADDRESS)).unwrap().renews().map(|time| time.since(NOW)))
}

/// Takes what a server says some seconds after NOW: what that changes, unless it is about a former client.
fn say(after: u32, client: u8, preferred: u32, valid: u32, store: &mut Store<V6Key>) -> Option<Change> {
    let mut octets = Vec::new();
    let mut writer = MessageWriter::frame(&mut octets, MessageType::LEASE_QUERY_DATA, 1);
    let data = writer.open(OptionCode::CLIENT_DATA);
    writer.option(OptionCode::CLIENT_ID, &[0, 2, client]);
    writer.lease(ADDRESS, None, preferred, valid);
    writer.u32(OptionCode::CLT_TIME, after);
    writer.close(data);
    writer.finish().unwrap();
    let message = &octets[2..];
    let mut layout = Layout::default();
    assert_eq!(layout.find(&Message::parse(message).unwrap()), Ok(true));
    store.advance(NOW.plus(after));
    let (layout, made) = (Arc::new(layout), Made::said(NOW.plus(after)));
    let record = Record::new(message, &layout, 0, made, None, Skew::default()).unwrap().unwrap();
    if is_of_former_client(&record, SourceId(0), store) {
        return None;
    }
    Some(commit(&record, Origin::Sweep, SourceId(0), store).unwrap().change)
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

#[test]
fn the_loss_of_a_former_client_does_not_end_what_its_successor_has() {
    let who = |store: &Store<V6Key>| {
        let known = store.lookup(V6Key::new(ADDRESS)).unwrap();
        (known.client_id().map(|id| id[2]), known.state() == State::Active)
    };
    let mut store = Store::new(Settings::default());
    assert_eq!(store.source("server"), Some(SourceId(0)));
    assert_eq!(say(10, 1, 100, 100, &mut store), Some(Change::Lease));
    assert_eq!(say(20, 2, 100, 100, &mut store), Some(Change::Lease));
    assert_eq!(say(21, 1, 0, 0, &mut store), None, "the first client lost it");
    assert_eq!(who(&store), (Some(2), true));
    assert_eq!(say(22, 2, 0, 0, &mut store), Some(Change::Lease));
    assert_eq!(who(&store), (Some(2), false));
    assert_eq!(say(23, 1, 0, 0, &mut store), Some(Change::Lease), "it is free, and had been the other one's last");

    // What this source has not said, it may end as the store judges.
    let other = store.source("other").unwrap();
    let lease = Update { client_id: Some(&[0, 2, 2]), ..Update::new(V6Key::new(ADDRESS), State::Active) };
    store.commit(other, &lease);
    assert_ne!(say(24, 1, 0, 0, &mut store), None);
}
