//! Which datagrams are not answered, and where answers go (RFC 4388 sections 6.3, 6.4.3 and 7).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use leasequery_protocol::server::v4::answer;
use leasequery_protocol::server::{Allow, Policy, Silence, Verdict};
use leasequery_store::{Update, VpnName};
use leasequery_wire::v4::{BOOT_REPLY, MessageType, OptionCode};
use leasequery_wire::{DecodeError, Problem};

use crate::support::*;

/// An address that no requestor has.
const STRANGER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

fn world() -> World {
    let mut world = World::new();
    world.configure(key(0), key(9));
    world.vpn("blue");
    world.vpn("red");
    world.commit(&Update { hardware: Some(ethernet(&MAC_1)), options: &[(12, b"a"), (60, b"b")], ..lease(key(3)) });
    world
}

fn query() -> Query {
    Query::single().address(address(3))
}

/// What becomes of a query from somewhere, where each address may do what `permit` says.
fn from(query: &Query, from: impl Into<SocketAddr>, permit: impl Fn(IpAddr) -> Option<Policy>) -> (Verdict, Vec<u8>) {
    let mut out = Vec::new();
    let permit = |address| permit(address).map(Arc::new);
    let verdict = answer(&query.datagram(), from.into(), SERVER, permit, &world().store, &mut out);
    assert_eq!(matches!(verdict, Verdict::Answer { .. }), !out.is_empty());
    (verdict, out)
}

/// Where the answer to a query goes.
#[track_caller]
fn destination(giaddr: Ipv4Addr, source: impl Into<SocketAddr>) -> SocketAddr {
    match from(&query().giaddr(giaddr), source, |_| Some(Policy::default())).0 {
        Verdict::Answer { to, .. } => to,
        verdict @ Verdict::Silence(_) => panic!("{verdict:?}"),
    }
}

//= rfc4388-6.4.3-01
#[test]
fn answers_go_to_port_67_of_giaddr_whoever_asked() {
    let expected: SocketAddr = (REQUESTOR, 67).into();
    for source in [(STRANGER, 67), (STRANGER, 5000), (REQUESTOR, 67)] {
        assert_eq!(destination(REQUESTOR, source), expected);
    }
}

//= rfc4388-6.4.3-01
#[test]
fn who_asks_for_himself_from_another_port_is_answered_there() {
    assert_eq!(destination(REQUESTOR, (REQUESTOR, 5000)), (REQUESTOR, 5000).into());
    let mapped = SocketAddr::from((REQUESTOR.to_ipv6_mapped(), 5000));
    assert_eq!(destination(REQUESTOR, mapped), (REQUESTOR, 5000).into());
}

//= rfc4388-6.4.3-02
#[test]
fn without_giaddr_there_is_no_answer() {
    let world = world();
    assert_eq!(world.silence(&query().giaddr(Ipv4Addr::UNSPECIFIED)), Silence::NoGiaddr);
}

//= rfc4388-7-03
#[test]
fn source_and_giaddr_both_have_to_be_permitted() {
    let listed = |address: IpAddr| (address != IpAddr::V4(STRANGER)).then(Policy::default);
    for (giaddr, source, refused) in [
        (REQUESTOR, REQUESTOR, None),
        (STRANGER, REQUESTOR, Some(STRANGER)),
        (REQUESTOR, STRANGER, Some(STRANGER)),
        (STRANGER, STRANGER, Some(STRANGER)),
    ] {
        let (verdict, _) = from(&query().giaddr(giaddr), (source, 67), listed);
        match refused {
            None => assert!(matches!(verdict, Verdict::Answer { .. })),
            Some(refused) => assert_eq!(verdict, Verdict::Silence(Silence::NotPermitted(refused.into()))),
        }
    }
    // The address is what counts, not the family of the socket.
    let mapped = (STRANGER.to_ipv6_mapped(), 67);
    assert_eq!(from(&query(), mapped, listed).0, Verdict::Silence(Silence::NotPermitted(STRANGER.into())));
}

//= rfc4388-7-03
#[test]
fn who_may_only_use_tcp_is_not_answered() {
    let tcp = Policy { allow: Allow { udp: false, bulk: true, active: true }, ..Policy::default() };
    for tcp_only in [REQUESTOR, STRANGER] {
        let permit = |address| if address == tcp_only { Some(tcp.clone()) } else { Some(Policy::default()) };
        let (verdict, _) = from(&query().giaddr(STRANGER), (REQUESTOR, 67), permit);
        assert_eq!(verdict, Verdict::Silence(Silence::NotPermitted(tcp_only.into())));
    }
}

//= rfc4388-6.4.2-12
//= rfc6607-9-02
#[test]
fn what_either_may_not_be_told_is_not_told() {
    let blue = VpnName::Name(b"blue"[..].into());
    let ours = Policy { withhold: vec![12], vpns: None, ..Policy::default() };
    let theirs = Policy { withhold: vec![60], vpns: Some(vec![blue]), ..Policy::default() };
    let permit = |address| Some(if address == REQUESTOR { ours.clone() } else { theirs.clone() });
    for (giaddr, source) in [(REQUESTOR, STRANGER), (STRANGER, REQUESTOR)] {
        let (_, out) = from(&query().giaddr(giaddr).list(&[12, 60, 51]), (source, 67), permit);
        assert_eq!(Reply(out).codes(), [54, 51]);
        for (vpn, honoured) in [(b"\0blue".as_slice(), true), (b"\0red", false)] {
            let (_, out) = from(&query().giaddr(giaddr).vpn(vpn), (source, 67), permit);
            assert_eq!(Reply(out).option(OptionCode::VPN_SELECTION).is_some(), honoured);
        }
    }
    let (_, out) = from(&query().list(&[12, 60, 51]), (REQUESTOR, 67), permit);
    assert_eq!(Reply(out).codes(), [54, 60, 51]);
}

//= rfc4388-6.3-02
#[test]
fn a_query_is_about_exactly_one_thing() {
    let world = world();
    let selectors: [fn(Query) -> Query; 3] =
        [|query| query.address(address(3)), |query| query.mac(MAC_1), |query| query.client_id(b"\x00client")];
    for (number, first) in selectors.iter().enumerate() {
        for second in &selectors[..number] {
            assert_eq!(world.silence(&first(second(Query::single()))), Silence::Selectors(2));
        }
    }
    assert_eq!(world.silence(&selectors.iter().fold(Query::single(), |query, add| add(query))), Silence::Selectors(3));
    assert_eq!(world.silence(&Query::single()), Silence::Selectors(0));
    // None of these says what the query is about.
    assert_eq!(world.silence(&Query::single().raw_hardware(1, 0, &[])), Silence::Selectors(0));
    assert_eq!(world.silence(&Query::single().relay_id(b"relay")), Silence::Selectors(0));
    assert_eq!(world.silence(&Query::single().relay_info(&[(1, b"circuit")])), Silence::Selectors(0));
}

//= rfc4388-6.3-02
#[test]
fn selectors_of_lengths_that_none_has_are_malformed() {
    let world = world();
    for query in [
        Query::single().client_id(b""),
        Query::single().client_id(b"x"),
        Query::single().remote_id(b""),
        Query::single().raw_hardware(1, 0, &MAC_1),
        Query::single().raw_hardware(1, 17, &MAC_1),
        query().client_id(b"x"),
    ] {
        assert!(matches!(world.silence(&query), Silence::Malformed(_)));
    }
}

#[test]
fn what_the_answer_depends_on_has_to_be_well_formed() {
    let world = world();
    for (code, value) in [
        (OptionCode::PARAMETER_REQUEST_LIST, &b""[..]),
        (OptionCode::MAX_MESSAGE_SIZE, &[1]),
        (OptionCode::VPN_SELECTION, b""),
        (OptionCode::VPN_SELECTION, &[1, 2, 3]),
        (OptionCode::RELAY_AGENT_INFORMATION, &[1, 200, 3]),
        (OptionCode::RELAY_AGENT_INFORMATION, &[151, 1, 1]),
    ] {
        assert!(matches!(world.silence(&query().option(code, value)), Silence::Malformed(_)), "{code} {value:?}");
    }
}

//= rfc6926-5-03
#[test]
fn a_frame_is_no_datagram() {
    let (verdict, _) = world().datagram(&query().frame(), &Policy::default());
    let Verdict::Silence(Silence::Malformed(DecodeError { problem, .. })) = verdict else { panic!("{verdict:?}") };
    assert!(matches!(problem, Problem::Cookie(_)));
}

//= rfc2131-3-01
//= rfc2131-3-02
#[test]
fn what_is_no_query_is_not_answered() {
    let world = world();
    let mut reply = query();
    reply.header.op = BOOT_REPLY;
    assert_eq!(world.silence(&reply), Silence::NotARequest(2));
    for kind in (0..=255).filter(|kind| *kind != MessageType::LEASE_QUERY.0) {
        let mut query = query();
        query.kind = MessageType(kind);
        assert_eq!(world.silence(&query), Silence::NotAQuery(kind));
    }
    let good = query().datagram();
    let malformed = |datagram: &[u8], expected| {
        let (verdict, _) = world.datagram(datagram, &Policy::default());
        let Verdict::Silence(Silence::Malformed(DecodeError { problem, .. })) = verdict else { panic!("{verdict:?}") };
        assert_eq!(problem, expected);
    };
    malformed(b"", Problem::Truncated { found: 0, least: 240 });
    malformed(&good[..239], Problem::Truncated { found: 239, least: 240 });
    malformed(&good[..240], Problem::NoMessageType);
}

#[test]
fn reasons_are_told_in_words() {
    for (silence, expected) in [
        (Silence::NotARequest(2), "op is 2, not 1 (BOOTREQUEST)"),
        (Silence::NotAQuery(1), "a message of type 1 is no leasequery"),
        (Silence::NoGiaddr, "giaddr is zero"),
        (Silence::NotPermitted(STRANGER.into()), "198.51.100.1 may not send queries over UDP"),
        (
            Silence::Selectors(2),
            "a query has exactly one of ciaddr, MAC address and client-identifier, or only a Remote ID, this one 2",
        ),
    ] {
        assert_eq!(silence.to_string(), expected);
    }
}
