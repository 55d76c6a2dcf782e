//! Long responses, slow owners and hostile servers.

use leasequery_protocol::requestor::v4::BulkQuery;
use proptest::prelude::*;

use crate::peer::{Requestor, XID, active, address, done, framed, unassigned};

//= rfc6926-7.3-03
#[test]
fn a_million_replies_to_one_query_are_taken() {
    let thousand: Vec<u8> =
        (0..1000).map(|n| active(XID, u8::try_from(n % 250).unwrap() + 1)).collect::<Vec<_>>().concat();
    let mut requestor = Requestor::asking();
    let mut records = 0;
    for _ in 0..1000 {
        requestor.receive(&thousand);
        while let Some(event) = requestor.connection.poll_event(requestor.now, requestor.wall()).unwrap() {
            use leasequery_protocol::requestor::Event;
            assert!(matches!(event, Event::Record { xid: XID, .. }));
            records += 1;
        }
    }
    assert_eq!(records, 1_000_000);
    requestor.done(&done(XID));
}

//= rfc6926-7.3-05
#[test]
fn an_owner_that_takes_one_record_a_second_loses_nothing() {
    let stream: Vec<u8> = (1..=250).map(|last| active(XID, last)).collect::<Vec<_>>().concat();
    let mut pieces = stream.chunks(1000);
    let mut requestor = Requestor::asking();
    let mut seen = Vec::new();
    loop {
        // The socket is read only when there is nothing left to take.
        match requestor.next().unwrap() {
            Some(event) => {
                requestor.wait(1);
                seen.extend(crate::peer::addresses(&[event]));
            }
            None => match pieces.next() {
                Some(piece) => requestor.receive(piece),
                None => break,
            },
        }
        assert_eq!(requestor.connection.handle_timeout(requestor.now), Ok(()));
    }
    assert_eq!(seen, (1..=250).map(|last| (XID, address(last))).collect::<Vec<_>>());
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..8)) {
        let mut requestor = Requestor::asking();
        for piece in &pieces {
            requestor.receive(piece);
            requestor.drain();
        }
    }

    #[test]
    fn arbitrary_options_never_panic(kind in 10_u8..=16, options in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut octets = active(XID, 1)[2..2 + 240].to_vec();
        octets.extend([53, 1, kind]);
        octets.extend(options);
        let mut requestor = Requestor::asking();
        requestor.receive(&framed(&octets));
        requestor.drain();
    }

    #[test]
    fn a_changed_octet_never_panics(at in 0_usize..700, value: u8) {
        let mut stream = [active(XID, 1), unassigned(XID, 2), done(XID)].concat();
        let at = at % stream.len();
        stream[at] = value;
        let mut requestor = Requestor::asking();
        requestor.ask(&BulkQuery::default());
        requestor.receive(&stream);
        requestor.drain();
    }
}
