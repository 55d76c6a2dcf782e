//! Single queries over UDP: their octets, and how answers are read (RFC 4388 sections 6.2 and 6.5, RFC 6148).

use std::net::Ipv4Addr;

use leasequery_protocol::requestor::QueryError;
use leasequery_protocol::requestor::v4::{Answer, Ignored, SingleQuery, Target, VpnChoice};
use leasequery_wire::v4::{
    BOOT_REPLY, BOOT_REQUEST, Header, Message, MessageType, MessageWriter, OptionCode, State, StatusCode, Vpn,
};
use leasequery_wire::{DecodeError, Problem};
use proptest::prelude::*;

use crate::peer::{PEER, Row, START, XID, address, raw_options};

const REQUESTOR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
const ACTIVE: MessageType = MessageType::LEASE_ACTIVE;
const UNASSIGNED: MessageType = MessageType::LEASE_UNASSIGNED;
const UNKNOWN: MessageType = MessageType::LEASE_UNKNOWN;
/// What is asked for whatever the query.
const USUAL: [u8; 10] = [152, 51, 58, 59, 153, 91, 156, 157, 61, 82];

fn asking(target: Target) -> SingleQuery {
    SingleQuery { target, giaddr: REQUESTOR, vpn: VpnChoice::Default, options: Vec::new() }
}

fn by_address() -> SingleQuery {
    asking(Target::Address(address(3)))
}

fn by_mac() -> SingleQuery {
    asking(Target::Hardware { htype: 6, address: vec![2, 0, 0, 0, 0, 10] })
}

fn by_client_id() -> SingleQuery {
    asking(Target::ClientId(vec![0, 0xca, 0xfe]))
}

fn by_remote_id() -> SingleQuery {
    asking(Target::RemoteId(b"slot7".to_vec()))
}

fn all() -> [SingleQuery; 4] {
    [by_address(), by_mac(), by_client_id(), by_remote_id()]
}

fn datagram(query: &SingleQuery) -> Vec<u8> {
    let mut out = b"before".to_vec();
    query.write(XID, &mut out).unwrap();
    out.split_off(6)
}

fn option(octets: &[u8], code: u8) -> Option<Vec<u8>> {
    raw_options(octets).into_iter().find(|(found, _)| *found == code).map(|(_, value)| value)
}

/// An answer about 10.0.0.3 with the options that `fill` appends.
fn reply(kind: MessageType, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    reply_about(kind, address(3), fill)
}

fn reply_about(kind: MessageType, ciaddr: Ipv4Addr, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let header = Header { ciaddr, htype: 1, chaddr: &[2, 0, 0, 0, 0, 1], ..Header::new(BOOT_REPLY, XID) };
    let mut writer = MessageWriter::datagram(&mut out, &header, kind);
    fill(&mut writer);
    writer.finish().unwrap();
    out
}

fn read<'a>(query: &SingleQuery, datagram: &'a [u8]) -> Result<Answer<'a>, Ignored> {
    query.read(XID, datagram, Some(PEER), START)
}

/// The record and the addresses of a DHCPLEASEACTIVE.
#[track_caller]
fn lease(query: &SingleQuery, datagram: &[u8]) -> (Row, Vec<Ipv4Addr>) {
    match read(query, datagram) {
        Ok(Answer::Active { record, addresses }) => (Row::new(&record), addresses),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn ignored(query: &SingleQuery, datagram: &[u8]) -> Ignored {
    read(query, datagram).expect_err("it is not the answer")
}

//= rfc4388-6.1-01
//= rfc4388-6.2-01
//= rfc4388-6.2-02
//= rfc4388-6.2-04
//= rfc4388-6.2-05
//= rfc6926-5-03
#[test]
fn a_query_by_address_has_exactly_these_octets() {
    let mut expected = vec![1, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 10, 0, 0, 3];
    expected.resize(24, 0);
    expected.extend(REQUESTOR.octets());
    expected.resize(236, 0);
    expected.extend([99, 130, 83, 99, 53, 1, 10]);
    expected.extend([55, 10, 152, 51, 58, 59, 153, 91, 156, 157, 61, 82, 57, 2, 0x05, 0xdc, 255]);
    assert_eq!(datagram(&by_address()), expected);
}

//= rfc4388-6.2-06
//= rfc4388-6.2-07
#[test]
fn a_query_by_mac_has_it_in_the_header() {
    let octets = datagram(&by_mac());
    assert_eq!(octets[..4], [BOOT_REQUEST, 6, 6, 0]);
    assert_eq!(octets[12..24], [0; 12]);
    assert_eq!(octets[28..44], [2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let codes: Vec<_> = raw_options(&octets).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [53, 55, 57]);
}

//= rfc4388-6.2-08
#[test]
fn a_query_by_client_identifier_has_it_in_option_61() {
    let octets = datagram(&by_client_id());
    assert_eq!(octets[..4], [BOOT_REQUEST, 0, 0, 0]);
    assert_eq!(octets[12..24], [0; 12]);
    assert_eq!(octets[28..44], [0; 16]);
    assert_eq!(option(&octets, 61), Some(vec![0, 0xca, 0xfe]));
}

//= rfc6148-4.1-01
#[test]
fn a_query_by_remote_id_has_it_alone_in_option_82_and_asks_for_associated_addresses() {
    for options in [vec![], vec![12], vec![92, 12]] {
        let octets = datagram(&SingleQuery { options, ..by_remote_id() });
        assert_eq!(octets[..4], [BOOT_REQUEST, 0, 0, 0]);
        assert_eq!(octets[12..24], [0; 12]);
        assert_eq!(octets[28..44], [0; 16]);
        assert_eq!(option(&octets, 82).unwrap(), b"\x02\x05slot7");
        assert_eq!(option(&octets, 61), None);
        let list = option(&octets, 55).unwrap();
        assert_eq!(list.into_iter().filter(|code| *code == 92).collect::<Vec<_>>(), [92]);
    }
}

//= rfc4388-6.2-02
//= rfc6607-6-01
#[test]
fn every_query_lists_what_is_wanted_and_names_its_vpn() {
    for query in all() {
        let octets = datagram(&query);
        assert_eq!(octets[24..28], REQUESTOR.octets());
        assert_eq!(octets[242], 10);
        assert!(option(&octets, 55).unwrap().starts_with(&USUAL));
        assert_eq!(option(&octets, 221), None);
        let vpn = VpnChoice::Name(b"blue".to_vec());
        let octets = datagram(&SingleQuery { vpn, options: vec![12, 51, 60], ..query });
        assert!(option(&octets, 55).unwrap().starts_with(&[&USUAL[..], &[12, 60]].concat()));
        assert_eq!(option(&octets, 221).unwrap(), b"\0blue");
    }
}

//= rfc4388-6.2-01
#[test]
fn what_would_not_be_answered_is_not_asked() {
    let zero = Ipv4Addr::UNSPECIFIED;
    let refused = |query: &SingleQuery| {
        let mut out = Vec::new();
        let error = query.write(XID, &mut out).expect_err("it cannot be asked");
        assert!(out.is_empty());
        error
    };
    let length = |what, length, least, most| QueryError::Length { what, length, least, most };
    assert_eq!(refused(&SingleQuery { giaddr: zero, ..by_mac() }).to_string(), "giaddr cannot be 0.0.0.0");
    assert_eq!(refused(&asking(Target::Address(zero))), QueryError::Unspecified("the address asked for"));
    assert_eq!(refused(&SingleQuery { vpn: VpnChoice::All, ..by_mac() }), QueryError::AllVpns);
    assert_eq!(refused(&SingleQuery { options: vec![255], ..by_mac() }), QueryError::OptionCode(255));
    let vpn = VpnChoice::Name(b"a\0".to_vec());
    assert!(matches!(refused(&SingleQuery { vpn, ..by_mac() }), QueryError::VpnName(_)));
    let mac = |octets| asking(Target::Hardware { htype: 1, address: vec![0; octets] });
    assert_eq!(refused(&mac(0)), length("hardware address", 0, 1, 16));
    assert_eq!(refused(&mac(17)), length("hardware address", 17, 1, 16));
    assert_eq!(refused(&asking(Target::ClientId(vec![1]))), length("client-identifier", 1, 2, 65535));
    assert_eq!(refused(&asking(Target::RemoteId(vec![]))), length("Remote ID", 0, 1, 255));
    assert!(matches!(refused(&asking(Target::ClientId(vec![0; 65535]))), QueryError::TooLong(_)));
}

//= rfc4388-6.1-02
//= rfc4388-6.5-01
#[test]
fn a_lease_is_read_with_all_that_is_said_of_it() {
    let octets = reply(ACTIVE, |writer| {
        writer.address(OptionCode::SERVER_IDENTIFIER, Ipv4Addr::new(192, 0, 2, 200));
        writer.u32(OptionCode::LEASE_TIME, 2400);
        writer.u32(OptionCode::CLIENT_LAST_TRANSACTION_TIME, 100);
        writer.option(OptionCode::CLIENT_IDENTIFIER, b"\0client");
        writer.option(OptionCode::HOST_NAME, b"host");
        writer.option(OptionCode::RELAY_AGENT_INFORMATION, b"\x02\x05slot7");
    });
    for query in all() {
        let (row, addresses) = lease(&query, &octets);
        assert_eq!((row.address, row.state, addresses), (address(3), State::ACTIVE, vec![address(3)]));
        assert_eq!(row.hardware, Some((1, vec![2, 0, 0, 0, 0, 1])));
        assert_eq!(row.client_id.unwrap(), b"\0client");
        // Times count from the arrival.
        assert_eq!(row.times.expires, Some(START.plus(2400)));
        assert_eq!(row.times.last_transaction, Some(START.minus(100)));
        assert_eq!((row.relay_info.unwrap(), row.remote_id.unwrap()), (b"\x02\x05slot7".to_vec(), b"slot7".to_vec()));
        assert_eq!(row.options, [(12, b"host".to_vec())]);
        assert_eq!(row.server, Some(Ipv4Addr::new(192, 0, 2, 200)));
    }
}

#[test]
fn times_count_from_the_arrival_whatever_the_clock_of_the_server() {
    for base_time in [START.minus(5000), START.plus(5000)] {
        let octets = reply(ACTIVE, |writer| {
            writer.u32(OptionCode::BASE_TIME, base_time.0);
            writer.u32(OptionCode::LEASE_TIME, 2400);
        });
        let (row, _) = lease(&by_address(), &octets);
        assert_eq!((row.times.expires, row.base_time), (Some(START.plus(2400)), base_time));
    }
}

//= rfc4388-6.1-04
//= rfc4388-6.4.2-04
#[test]
fn the_addresses_of_a_client_are_ciaddr_and_those_in_the_list_each_once() {
    let listed = |last: &[u8]| {
        let octets: Vec<u8> = last.iter().flat_map(|last| address(*last).octets()).collect();
        reply(ACTIVE, |writer| writer.option(OptionCode::ASSOCIATED_IP, &octets))
    };
    for (list, expected) in [(&[3, 1, 2][..], [3, 1, 2]), (&[1, 2], [3, 1, 2]), (&[2, 3, 2, 1, 3], [3, 2, 1])] {
        assert_eq!(lease(&by_mac(), &listed(list)).1, expected.map(address));
    }
    for length in [0, 3, 6] {
        let octets = reply(ACTIVE, |writer| writer.option(OptionCode::ASSOCIATED_IP, &vec![1; length]));
        let Ignored::Malformed(DecodeError { problem, .. }) = ignored(&by_mac(), &octets) else { panic!("{length}") };
        assert!(matches!(problem, Problem::Length { code: 92, .. }));
    }
}

//= rfc4388-6.4-03
//= rfc4388-6.4-04
#[test]
fn unknown_is_unknown_with_and_without_what_servers_send_with_it() {
    for query in all() {
        for octets in [
            reply_about(UNKNOWN, Ipv4Addr::UNSPECIFIED, |_| {}),
            reply_about(UNKNOWN, address(3), |writer| writer.address(OptionCode::SERVER_IDENTIFIER, PEER)),
            reply_about(UNKNOWN, address(3), |writer| writer.option(OptionCode::CLIENT_IDENTIFIER, b"\0client")),
        ] {
            assert!(matches!(read(&query, &octets), Ok(Answer::Unknown)));
        }
    }
}

//= rfc4388-6.4-02
#[test]
fn unassigned_is_read_of_an_address_and_survived_of_a_client() {
    for query in all() {
        let octets = reply(UNASSIGNED, |_| {});
        let Ok(Answer::Unassigned(record)) = read(&query, &octets) else { panic!("{query:?}") };
        assert_eq!((record.address(), record.state(), record.server()), (address(3), State::AVAILABLE, Some(PEER)));
    }
    // Without an address it says the same as unknown.
    let octets = reply_about(UNASSIGNED, Ipv4Addr::UNSPECIFIED, |_| {});
    for query in [by_mac(), by_client_id(), by_remote_id()] {
        assert!(matches!(read(&query, &octets), Ok(Answer::Unknown)));
    }
}

//= rfc4388-6.4.1-01
#[test]
fn what_is_not_the_answer_is_ignored() {
    let good = reply(ACTIVE, |_| {});
    assert!(read(&by_address(), &good).is_ok());
    let with = |place: usize, value: u8| {
        let mut octets = good.clone();
        octets[place] = value;
        ignored(&by_address(), &octets)
    };
    assert_eq!(with(0, BOOT_REQUEST), Ignored::NotAReply(1));
    assert_eq!(with(7, 5), Ignored::OtherXid(0x0102_0305));
    for kind in (0..=255).filter(|kind| ![11, 12, 13].contains(kind)) {
        assert_eq!(with(242, kind), Ignored::UnexpectedType(MessageType(kind)));
    }
    for kind in [UNKNOWN, UNASSIGNED, ACTIVE] {
        let octets = reply_about(kind, address(4), |_| {});
        assert_eq!(ignored(&by_address(), &octets), Ignored::OtherAddress { found: address(4), asked: address(3) });
    }
    let nowhere = reply_about(ACTIVE, Ipv4Addr::UNSPECIFIED, |_| {});
    assert!(matches!(ignored(&by_address(), &nowhere), Ignored::OtherAddress { .. }));
    assert_eq!(ignored(&by_mac(), &nowhere), Ignored::NoAddress(ACTIVE));
    let bad = reply(ACTIVE, |writer| writer.option(OptionCode::LEASE_TIME, &[1, 2, 3]));
    assert!(matches!(ignored(&by_address(), &bad), Ignored::Malformed(_)));
    assert!(matches!(ignored(&by_address(), &good[..239]), Ignored::Malformed(_)));
}

//= rfc6607-6-03
#[test]
fn an_answer_about_another_vpn_is_ignored() {
    let blue = VpnChoice::Name(b"blue".to_vec());
    let in_vpn = |kind, vpn: Option<Vpn<'_>>| {
        reply(kind, |writer| {
            if let Some(vpn) = vpn {
                writer.vpn(vpn);
            }
        })
    };
    for query in all() {
        for kind in [ACTIVE, UNASSIGNED, UNKNOWN] {
            let in_blue = in_vpn(kind, Some(Vpn::Name(b"blue")));
            let asked = SingleQuery { vpn: blue.clone(), ..query.clone() };
            assert!(read(&asked, &in_blue).is_ok());
            assert!(matches!(ignored(&query, &in_blue), Ignored::WrongVpn { .. }));
            for vpn in [Vpn::Name(b"red"), Vpn::Default, Vpn::All] {
                assert!(matches!(ignored(&asked, &in_vpn(kind, Some(vpn))), Ignored::WrongVpn { .. }));
            }
            assert!(read(&query, &in_vpn(kind, Some(Vpn::Default))).is_ok());
            // A server without VPNs, or without this one, knows nothing of it, and anything else is of another one.
            assert_eq!(read(&asked, &in_vpn(kind, None)).is_ok(), kind == UNKNOWN);
        }
    }
    let asked = SingleQuery { vpn: blue, ..by_address() };
    let text = ignored(&asked, &in_vpn(ACTIVE, None)).to_string();
    assert_eq!(text, "an answer about the default VPN to a query about VPN blue");
}

/// Answers of all sorts.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let code = prop_oneof![Just(51), Just(61), Just(82), Just(92), Just(152), Just(156), Just(221), any::<u8>()];
    let options = prop::collection::vec((code, prop::collection::vec(any::<u8>(), 0..9)), 0..5);
    let kind = prop_oneof![8 => 11_u8..14, 1 => any::<u8>()];
    (kind, 2_u8..5, options).prop_map(|(kind, last, options)| {
        reply_about(MessageType(kind), address(last), |writer| {
            writer.status(StatusCode::SUCCESS, "");
            for (code, value) in options {
                writer.option(OptionCode(code), &value);
            }
        })
    })
}

proptest! {
    #[test]
    fn no_datagram_makes_the_reader_panic(
        octets in prop_oneof![answers(), prop::collection::vec(any::<u8>(), 0..400)],
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        end in any::<prop::sample::Index>(),
    ) {
        let mut octets = octets;
        for query in all() {
            if let Ok(Answer::Active { record, addresses }) = read(&query, &octets) {
                prop_assert_eq!(Row::new(&record).address, addresses[0]);
                prop_assert!(Message::parse(&octets).is_ok());
            }
        }
        for (at, value) in damage {
            if !octets.is_empty() {
                let at = at.index(octets.len());
                octets[at] = value;
            }
        }
        octets.truncate(end.index(octets.len() + 1));
        for query in all() {
            if let Ok(Answer::Active { record, .. } | Answer::Unassigned(record)) = read(&query, &octets) {
                let _ = Row::new(&record);
            }
        }
    }
}
