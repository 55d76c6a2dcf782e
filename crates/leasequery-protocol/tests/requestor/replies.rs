//! What a reply about one address tells (RFC 6926 section 7.3).

use std::net::Ipv4Addr;

use leasequery_protocol::requestor::Fault;
use leasequery_store::Time;
use leasequery_wire::Problem;
use leasequery_wire::v4::{BOOT_REPLY, DataSource, Header, MessageType, MessageWriter, OptionCode, State};

use crate::peer::{
    PEER, Requestor, START, Seen, XID, active, active_with, address, body, done, framed, message, unassigned,
};

/// A DHCPLEASEACTIVE about 10.0.0.10, by hand: from the server identifier to option 200.
fn by_hand() -> Vec<u8> {
    let mut octets = vec![2, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0, 0, 10, 0, 0, 10];
    octets.resize(28, 0);
    octets.extend([2, 0, 0, 0, 0, 10]);
    octets.resize(236, 0);
    octets.extend([99, 130, 83, 99]);
    octets.extend([0, 0, 53, 1, 13]); // two octets of padding first
    octets.extend([54, 4, 192, 0, 2, 9]);
    octets.extend([152, 4, 0x67, 0x74, 0x85, 0x80]); // base-time: START
    octets.extend([51, 4, 0, 0, 0x0e, 0x10]); // 3600
    octets.extend([58, 4, 0, 0, 0x07, 0x08]); // 1800
    octets.extend([59, 4, 0, 0, 0x0c, 0x4e]); // 3150
    octets.extend([0x5b, 0x04, 0x00, 0x00, 0x00, 0x5a]); // 90 seconds ago
    octets.extend([153, 4, 0, 0, 0x02, 0x58]); // 600 seconds ago
    octets.extend([200, 3, 1, 2, 3]); // a code without a meaning
    octets.extend([61, 3, 0, 0xca, 0xfe]);
    octets.extend([82, 11, 2, 3, b'r', b'e', b'm', 12, 2, 0x0a, 0x0b, 1, 0]);
    octets.extend([12, 4, b'h', b'o', b's', b't']);
    octets.extend([156, 1, 2]);
    octets.extend([0x9d, 0x01, 0x01]);
    octets.push(255);
    framed(&octets)
}

//= rfc2131-2-02
//= rfc2132-2-01
//= rfc2132-9.7-01
//= rfc2132-9.11-01
//= rfc3046-2.0-01
//= rfc3046-2.0-02
//= rfc4388-6.1-02
//= rfc6925-4-01
//= rfc6926-6.2.3-01
//= rfc6926-6.2.4-01
//= rfc6926-6.2.7-01
//= rfc6926-6.2.8-01
//= rfc6926-7.3-09
#[test]
fn a_reply_is_read_field_by_field() {
    let row = Requestor::asking().record(&by_hand());
    assert_eq!(row.address, address(10));
    assert_eq!(row.vpn, None);
    assert_eq!(row.state, State::ACTIVE);
    assert_eq!(row.hardware, Some((1, vec![2, 0, 0, 0, 0, 10])));
    assert_eq!(row.client_id, Some(vec![0, 0xca, 0xfe]));
    assert_eq!(row.times.start_of_state, Some(START.minus(600)));
    assert_eq!(row.times.last_transaction, Some(START.minus(90)));
    assert_eq!(row.times.expires, Some(START.plus(3600)));
    assert_eq!(row.times.renews, Some(START.plus(1800)));
    assert_eq!(row.times.rebinds, Some(START.plus(3150)));
    assert_eq!(row.relay_info, Some(vec![2, 3, b'r', b'e', b'm', 12, 2, 0x0a, 0x0b, 1, 0]));
    assert_eq!(row.remote_id, Some(b"rem".to_vec()));
    assert_eq!(row.relay_id, Some(vec![0x0a, 0x0b]));
    assert_eq!(row.options, [(200, vec![1, 2, 3]), (12, b"host".to_vec())]);
    assert!(row.remote);
    assert_eq!(row.server, Some(Ipv4Addr::new(192, 0, 2, 9)));
    assert_eq!(row.base_time, START);
}

#[test]
fn what_a_reply_does_not_tell_is_absent() {
    let row = Requestor::asking().record(&active(XID, 10));
    assert_eq!(row.hardware, None);
    assert_eq!(row.client_id, None);
    assert_eq!(row.times, leasequery_protocol::requestor::v4::Times::default());
    assert_eq!((row.relay_info, row.remote_id, row.relay_id), (None, None, None));
    assert_eq!(row.options, []);
    assert_eq!(row.server, Some(PEER));
}

//= rfc2131-4.1-01
#[test]
fn octets_behind_the_end_change_nothing_and_a_missing_end_is_accepted() {
    let expected = Requestor::asking().record(&by_hand());
    let plain = by_hand();
    let mut longer = body(&plain).to_vec();
    longer.extend([12, 200, 1, 2, 61, 1, 1]);
    assert_eq!(Requestor::asking().record(&framed(&longer)), expected);
    let without_end = &body(&plain)[..body(&plain).len() - 1];
    assert_eq!(Requestor::asking().record(&framed(without_end)), expected);
}

//= rfc2131-4.1-02
#[test]
fn options_in_the_file_and_sname_fields_are_read() {
    let frame = active_with(XID, 10, |writer| writer.u8(OptionCode::OVERLOAD, 3));
    let mut octets = body(&frame).to_vec();
    octets[108..114].copy_from_slice(&[61, 3, 0, 0xca, 0xfe, 255]);
    octets[44..49].copy_from_slice(&[12, 2, b'h', b'i', 255]);
    let row = Requestor::asking().record(&framed(&octets));
    assert_eq!(row.client_id, Some(vec![0, 0xca, 0xfe]));
    assert_eq!(row.options, [(12, b"hi".to_vec())]);
}

//= rfc3046-2.0-01
//= rfc3396-7-01
#[test]
fn pieces_of_option_82_are_joined_even_in_the_middle_of_a_sub_option() {
    let row = Requestor::asking().record(&active_with(XID, 10, |writer| {
        writer.option(OptionCode::RELAY_AGENT_INFORMATION, &[12, 2, 0x0a, 0x0b, 2, 6, b'r', b'e']);
        writer.u32(OptionCode::LEASE_TIME, 60);
        writer.option(OptionCode::RELAY_AGENT_INFORMATION, b"mote");
    }));
    assert_eq!(row.remote_id, Some(b"remote".to_vec()));
    assert_eq!(row.relay_id, Some(vec![0x0a, 0x0b]));
    assert_eq!(row.times.expires, Some(START.plus(60)));
}

//= rfc3046-2.0-01
#[test]
fn an_unreadable_option_82_costs_its_sub_options_and_not_the_record() {
    let row = Requestor::asking().record(&active_with(XID, 10, |writer| {
        writer.option(OptionCode::RELAY_AGENT_INFORMATION, &[2, 200, 1]);
    }));
    assert_eq!(row.relay_info, Some(vec![2, 200, 1]));
    assert_eq!(row.remote_id, None);
}

//= rfc2132-9.6-01
//= rfc2132-9.7-01
//= rfc2132-9.11-01
//= rfc2132-9.2-01
//= rfc4388-6.1-02
//= rfc6926-6.2.3-01
//= rfc6926-6.2.4-01
//= rfc6926-6.2.7-01
//= rfc6926-6.2.8-01
#[test]
fn an_option_of_the_wrong_length_makes_the_reply_malformed() {
    for (code, right) in [(51, 4), (54, 4), (58, 4), (59, 4), (91, 4), (152, 4), (153, 4), (156, 1), (157, 1)] {
        for wrong in [0, right - 1, right + 1, 8] {
            let frame = message(MessageType::LEASE_ACTIVE, XID, address(10), |writer| {
                writer.option(OptionCode(code), &vec![0; wrong]);
            });
            let fault = Requestor::asking().fault(&frame);
            let expected = |fault: &Fault| match fault {
                Fault::Malformed(error) => {
                    matches!(error.problem, Problem::Length { code: c, length, .. } if c == u16::from(code) && length == wrong)
                }
                _ => false,
            };
            assert!(expected(&fault), "option {code} of {wrong} octets: {fault:?}");
        }
        let frame = message(MessageType::LEASE_ACTIVE, XID, address(10), |writer| {
            writer.option(OptionCode(code), &vec![1; right]);
        });
        Requestor::asking().record(&frame);
    }
    for kind in [&[53, 0][..], &[53, 2, 13, 13]] {
        let mut octets = body(&active(XID, 10))[..240].to_vec();
        octets.extend_from_slice(kind);
        octets.push(255);
        let fault = Requestor::asking().fault(&framed(&octets));
        assert!(matches!(&fault, Fault::Malformed(error) if matches!(error.problem, Problem::Length { code: 53, .. })));
    }
}

//= rfc2132-9.14-01
#[test]
fn client_identifiers_are_given_as_they_come_short_ones_too() {
    for id in [&[][..], &[1], &[0, 2, 0, 0, 0, 0, 10], &[1, 2, 0, 0, 0, 0, 10], &[7; 255]] {
        let frame = active_with(XID, 10, |writer| writer.option(OptionCode::CLIENT_IDENTIFIER, id));
        assert_eq!(Requestor::asking().record(&frame).client_id.as_deref(), Some(id));
    }
}

//= rfc6926-2-03
#[test]
fn hardware_type_and_length_are_part_of_the_hardware_address() {
    let of = |htype, chaddr: &[u8]| {
        let mut out = Vec::new();
        let header = Header { htype, chaddr, ciaddr: address(10), ..Header::new(BOOT_REPLY, XID) };
        MessageWriter::frame(&mut out, &header, MessageType::LEASE_ACTIVE).finish().unwrap();
        Requestor::asking().record(&out).hardware
    };
    assert_eq!(of(1, &[2, 0, 0, 0, 0, 10]), Some((1, vec![2, 0, 0, 0, 0, 10])));
    assert_eq!(of(6, &[2, 0, 0, 0, 0, 10]), Some((6, vec![2, 0, 0, 0, 0, 10])));
    assert_eq!(of(1, &[2, 0, 0, 0, 0, 10, 0]), Some((1, vec![2, 0, 0, 0, 0, 10, 0])));
    assert_eq!(of(32, &[9; 16]), Some((32, vec![9; 16])));
    assert_eq!(of(1, &[]), None);
}

//= rfc6926-6.2.7-02
#[test]
fn each_state_of_an_unassigned_address_keeps_its_name_and_unknown_ones_their_number() {
    let of = |state| {
        let frame = message(MessageType::LEASE_UNASSIGNED, XID, address(10), |writer| {
            writer.u8(OptionCode::DHCP_STATE, state);
        });
        Requestor::asking().record(&frame).state
    };
    let names = ["available", "", "expired", "released", "abandoned", "reset", "remote", "transitioning"];
    for (state, name) in (1..).zip(names) {
        if state != 2 {
            assert_eq!(of(state), State(state));
            assert_eq!(of(state).name(), Some(name));
        }
    }
    let active = active_with(XID, 10, |writer| writer.u8(OptionCode::DHCP_STATE, 2));
    assert_eq!(Requestor::asking().record(&active).state.name(), Some("active"));
    for unknown in [0, 9, 255] {
        assert_eq!(of(unknown), State(unknown));
        assert_eq!(of(unknown).name(), None);
    }
}

//= rfc6926-6.2.7-07
#[test]
fn without_a_state_a_bound_address_is_active_and_another_one_available() {
    assert_eq!(Requestor::asking().record(&active(XID, 10)).state, State::ACTIVE);
    assert_eq!(Requestor::asking().record(&unassigned(XID, 10)).state, State::AVAILABLE);
}

#[test]
fn the_type_of_the_message_overrules_a_state_that_contradicts_it() {
    let released = active_with(XID, 10, |writer| writer.u8(OptionCode::DHCP_STATE, State::RELEASED.0));
    assert_eq!(Requestor::asking().record(&released).state, State::ACTIVE);
    let bound = message(MessageType::LEASE_UNASSIGNED, XID, address(10), |writer| {
        writer.u8(OptionCode::DHCP_STATE, State::ACTIVE.0);
    });
    assert_eq!(Requestor::asking().record(&bound).state, State::AVAILABLE);
}

//= rfc6926-6.2.7-09
#[test]
fn every_state_may_follow_every_other() {
    let of = |state| {
        let kind = if state == 2 { MessageType::LEASE_ACTIVE } else { MessageType::LEASE_UNASSIGNED };
        message(kind, XID, address(10), |writer| writer.u8(OptionCode::DHCP_STATE, state))
    };
    let mut requestor = Requestor::asking();
    for first in 1..=8 {
        for second in 1..=8 {
            assert_eq!(requestor.record(&of(first)).state, State(first));
            assert_eq!(requestor.record(&of(second)).state, State(second));
        }
    }
}

//= rfc6926-6.2.8-03
//= rfc6926-6.2.8-06
#[test]
fn only_the_lowest_bit_of_the_data_source_counts_and_absent_is_local() {
    let of = |value| {
        let frame = active_with(XID, 10, |writer| writer.u8(OptionCode::DATA_SOURCE, value));
        Requestor::asking().record(&frame).remote
    };
    assert!(!of(0xfe));
    assert!(of(0xff));
    assert!(!of(0));
    assert!(of(DataSource::REMOTE.0));
    assert!(!Requestor::asking().record(&active(XID, 10)).remote);
}

//= rfc6926-7.3-08
#[test]
fn the_server_identifier_of_the_first_message_counts_for_the_whole_response() {
    let named = |xid, last, name: Ipv4Addr| active_with(xid, last, |w| w.address(OptionCode::SERVER_IDENTIFIER, name));
    let (first, second) = (Ipv4Addr::new(198, 51, 100, 1), Ipv4Addr::new(198, 51, 100, 2));
    let mut requestor = Requestor::asking();
    let other = requestor.ask(&leasequery_protocol::requestor::v4::BulkQuery::default());
    assert_eq!(requestor.record(&named(XID, 1, first)).server, Some(first));
    assert_eq!(requestor.record(&active(XID, 2)).server, Some(first));
    // It is remembered for each query, not for the connection.
    assert_eq!(requestor.record(&active(other, 3)).server, Some(PEER));
    assert_eq!(requestor.record(&named(other, 4, second)).server, Some(second));
    assert_eq!(requestor.record(&named(XID, 5, second)).server, Some(first));
    assert_eq!(requestor.record(&active(other, 6)).server, Some(second));
}

//= rfc6926-9-07
#[test]
fn an_authentication_option_is_ignored() {
    let frame = active_with(XID, 10, |writer| writer.option(OptionCode::AUTHENTICATION, &[1; 20]));
    let row = Requestor::asking().record(&frame);
    assert_eq!(row, Requestor::asking().record(&active(XID, 10)));
}

//= rfc6926-7.3-15
#[test]
fn replies_may_come_in_any_order() {
    let mut lasts: Vec<u8> = (1..=200).collect();
    fastrand::Rng::with_seed(6926).shuffle(&mut lasts);
    let frames: Vec<Vec<u8>> = lasts.iter().map(|last| active(XID, *last)).collect();
    let mut requestor = Requestor::asking();
    let events = requestor.events(&frames.concat());
    let mut rows: Vec<_> = events
        .iter()
        .map(|event| match event {
            Seen::Record(_, row) => row.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    rows.sort_by_key(|row| row.address);
    let sorted: Vec<_> = (1..=200).map(|last| Requestor::asking().record(&active(XID, last))).collect();
    assert_eq!(rows, sorted);
    requestor.done(&done(XID));
}

//= rfc6926-6.1-03
#[test]
fn a_message_of_65535_octets_is_read() {
    // 240 octets before the options, 3 of type, 6 of base-time, 1 of end; 254 full pieces of 257 leave 7.
    let frame = active_with(XID, 10, |writer| {
        writer.option(OptionCode::HOST_NAME, &vec![b'x'; 254 * 255]);
        writer.option(OptionCode(200), &[1; 5]);
    });
    assert_eq!(frame.len(), 2 + 65_535);
    let row = Requestor::asking().record(&frame);
    assert_eq!(row.options[0].1.len(), 254 * 255);
    assert_eq!(row.options[1], (200, vec![1; 5]));
    assert_eq!(row.base_time, Time(START.0));
}
