use std::sync::Arc;
use std::time::Duration;

use leasequery_store::Time;
use leasequery_wire::v6::OptionCode;

use crate::clock::Skew;
use crate::requestor::v6::{BulkQuery, Query, V6};
use crate::requestor::{Event, Outstanding, Protocol};

const XID: u32 = 7;
const OWN: [u8; 4] = [0, 3, 0, 1];
const CLIENT: [u8; 5] = [0, 2, 0xc1, 0xc2, 0xc3];
/// Octets of OPTION_IAADDR without options.
const LEASE: usize = 28;

fn opt(code: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("a short option");
    [&code.to_be_bytes()[..], &length.to_be_bytes(), value].concat()
}

/// A message about a client with so many leases, and where the first of them is.
fn message(leases: u16) -> (Vec<u8>, usize) {
    let lease = |nth: u16| {
        let [high, low] = nth.to_be_bytes();
        opt(
            5,
            &[&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, high, low][..], &[0, 0, 0, 1, 0, 0, 0, 2]].concat(),
        )
    };
    let before = [opt(1, &CLIENT), opt(46, &[0, 0, 0, 9])].concat();
    let after = opt(39, b"name");
    let data = opt(45, &[before.clone(), (0..leases).flat_map(lease).collect(), after].concat());
    let head = [&[15, 0, 0, 7][..], &opt(2, &[0, 4, 1]), &opt(1, &OWN)].concat();
    let first = head.len() + 4 + before.len();
    ([head, data].concat(), first)
}

fn asked() -> (V6, Outstanding<super::super::Memory>) {
    let (protocol, mut outstanding) = (V6::new(Arc::from(&OWN[..])), Outstanding::default());
    let memory = protocol.write(&Query::Bulk(BulkQuery::default()), XID, &mut Vec::new()).expect("a query");
    outstanding.add(XID, memory, Duration::ZERO);
    (protocol, outstanding)
}

#[test]
fn each_further_lease_of_a_message_is_read_without_a_look_at_the_others() {
    const LEASES: u16 = 2000;
    let (whole, first) = message(LEASES);
    let mut octets = whole.clone();
    let (protocol, mut outstanding) = asked();
    let (mut layout, mut skew) = (Arc::default(), Skew::default());
    for nth in 0..LEASES {
        let at = first + usize::from(nth) * LEASE;
        if nth > 0 {
            // What has been told, and what is still to be told, is not there any more.
            octets[first..first + usize::from(LEASES) * LEASE].fill(0xff);
            octets[at..at + LEASE].copy_from_slice(&whole[at..at + LEASE]);
        }
        let (event, more) = protocol
            .read(&octets, nth.into(), &mut layout, &mut outstanding, &mut skew, Time(1_700_000_000))
            .expect("a message without faults");
        let Event::Record { xid: XID, record } = event else { panic!("{event:?}") };
        assert_eq!((record.key().address().segments()[7], more), (nth, nth + 1 < LEASES));
        assert_eq!((record.client_id(), record.on_link()), (&CLIENT[..], Some("2001:db8::".parse().expect("one"))));
        assert_eq!(record.options().collect::<Vec<_>>(), [(OptionCode(39), &b"name"[..])]);
    }
}

#[test]
fn what_is_remembered_of_a_message_is_in_proportion_to_it_and_used_again() {
    let (protocol, mut outstanding) = asked();
    let (mut layout, mut skew) = (Arc::<super::Layout>::default(), Skew::default());
    let mut read = |leases, outstanding: &mut Outstanding<_>, nth| {
        let octets = message(leases).0;
        let result = protocol.read(&octets, nth, &mut layout, outstanding, &mut skew, Time(1_700_000_000));
        assert!(matches!(result, Ok((Event::Record { .. }, _))));
        (layout.leases.len(), layout.others.len(), layout.leases.capacity())
    };
    let (leases, others, room) = read(1000, &mut outstanding, 0);
    assert_eq!((leases, others), (1000, 1));
    let (_, mut outstanding) = asked();
    assert_eq!(read(500, &mut outstanding, 0), (500, 1, room));
}
