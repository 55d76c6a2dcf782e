//! dhcproto, an independent implementation, agrees on well-formed DHCPv6 messages in both directions. It knows no option
//! of leasequery; what those hold it knows.

#![allow(missing_docs)]

use std::net::Ipv6Addr;

use dhcproto::v6::{self, DhcpOption, DhcpOptions, IAAddr, IAPrefix, ORO, RelayMessage, Status, UnknownOption};
use dhcproto::{Decodable, Decoder, Encodable};
use leasequery_wire::v6::{
    MAX_TRANSACTION_ID, Message, MessageType, MessageWriter, OptionCode, Options, QueryType, Relay, StatusCode,
    write_relayed,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Octets of a DUID.
fn duid() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 2..=130)
}

/// Address, lifetimes, and the length if it is a prefix.
fn lease() -> impl Strategy<Value = (Ipv6Addr, Option<u8>, u32, u32)> {
    let address = any::<u128>().prop_map(Ipv6Addr::from_bits);
    (address, proptest::option::of(0..=128_u8), any::<u32>(), any::<u32>())
}

/// The lease as dhcproto has it.
fn other_lease(&(address, length, preferred, valid): &(Ipv6Addr, Option<u8>, u32, u32)) -> DhcpOption {
    let opts = DhcpOptions::new();
    match length {
        None => DhcpOption::IAAddr(IAAddr { addr: address, preferred_life: preferred, valid_life: valid, opts }),
        Some(prefix_len) => DhcpOption::IAPrefix(IAPrefix {
            preferred_lifetime: preferred,
            valid_lifetime: valid,
            prefix_len,
            prefix_ip: address,
            opts,
        }),
    }
}

fn unknown(code: OptionCode, data: &[u8]) -> DhcpOption {
    DhcpOption::Unknown(UnknownOption::new(code.0.into(), data.to_vec()))
}

/// What an option that dhcproto does not know holds.
fn data(options: &DhcpOptions, code: OptionCode) -> Vec<u8> {
    match options.get(code.0.into()) {
        Some(DhcpOption::Unknown(option)) => option.data().to_vec(),
        other => panic!("not {code}: {other:?}"),
    }
}

fn decode(octets: &[u8]) -> DhcpOptions {
    DhcpOptions::decode(&mut Decoder::new(octets)).expect("well formed")
}

fn encode(options: impl IntoIterator<Item = DhcpOption>) -> Vec<u8> {
    options.into_iter().collect::<DhcpOptions>().to_vec().expect("it writes")
}

proptest! {
    #[test]
    fn it_reads_what_we_write(
        xid in 0..=MAX_TRANSACTION_ID, client in duid(), server in duid(), leases in vec(lease(), 0..12), times: [u32; 2],
        status in 0..30_u16, text in "[a-zé€😀 ]{0,80}", name in vec(any::<u8>(), 0..60),
    ) {
        let mut out = Vec::new();
        let mut writer = MessageWriter::datagram(&mut out, MessageType::LEASE_QUERY_DATA, xid);
        writer.option(OptionCode::SERVER_ID, &server);
        writer.status(StatusCode(status), &text);
        writer.u32(OptionCode::BASE_TIME, times[0]);
        let open = writer.open(OptionCode::CLIENT_DATA);
        writer.option(OptionCode::CLIENT_ID, &client);
        for (address, length, preferred, valid) in &leases {
            writer.lease(*address, *length, *preferred, *valid);
        }
        writer.u32(OptionCode::CLT_TIME, times[1]);
        writer.option(OptionCode::CLIENT_FQDN, &name);
        writer.close(open);
        writer.finish().expect("it fits");

        let read = v6::Message::decode(&mut Decoder::new(&out)).expect("well formed");
        prop_assert_eq!((read.msg_type(), read.xid_num()), (v6::MessageType::LeaseQueryData, xid));
        prop_assert_eq!(read.opts().iter().count(), 4);
        prop_assert_eq!(read.opts().get(v6::OptionCode::ServerId), Some(&DhcpOption::ServerId(server)));
        let expected = DhcpOption::StatusCode(v6::StatusCode { status: Status::from(status), msg: text });
        prop_assert_eq!(read.opts().get(v6::OptionCode::StatusCode), Some(&expected));
        prop_assert_eq!(data(read.opts(), OptionCode::BASE_TIME), times[0].to_be_bytes());
        let client_data = decode(&data(read.opts(), OptionCode::CLIENT_DATA));
        prop_assert_eq!(client_data.iter().count(), 3 + leases.len());
        prop_assert_eq!(client_data.get(v6::OptionCode::ClientId), Some(&DhcpOption::ClientId(client)));
        prop_assert_eq!(data(&client_data, OptionCode::CLT_TIME), times[1].to_be_bytes());
        prop_assert_eq!(data(&client_data, OptionCode::CLIENT_FQDN), name);
        // It does not keep the order of options with the same code.
        for expected in leases.iter().map(other_lease) {
            prop_assert!(client_data.iter().any(|option| *option == expected), "{:?} is not there", expected);
        }
    }

    #[test]
    fn it_reads_what_we_ask(
        xid in 0..=MAX_TRANSACTION_ID, client in duid(), target in duid(), address: u128, link: u128, list in vec(any::<u16>(), 0..20),
    ) {
        let (address, link) = (Ipv6Addr::from_bits(address), Ipv6Addr::from_bits(link));
        let mut out = Vec::new();
        let mut writer = MessageWriter::datagram(&mut out, MessageType::LEASE_QUERY, xid);
        writer.option(OptionCode::CLIENT_ID, &client);
        let query = writer.query(QueryType::BY_ADDRESS, link);
        writer.lease(address, None, 0, 0);
        writer.option(OptionCode::RELAY_ID, &target);
        writer.option(OptionCode::REQUEST, &list.iter().flat_map(|code| code.to_be_bytes()).collect::<Vec<_>>());
        writer.close(query);
        writer.finish().expect("it fits");

        let read = v6::Message::decode(&mut Decoder::new(&out)).expect("well formed");
        prop_assert_eq!((read.msg_type(), read.xid_num()), (v6::MessageType::LeaseQuery, xid));
        prop_assert_eq!(read.opts().get(v6::OptionCode::ClientId), Some(&DhcpOption::ClientId(client)));
        let query = data(read.opts(), OptionCode::QUERY);
        prop_assert_eq!(&query[..17], &[&[1][..], &link.octets()].concat());
        let options = decode(&query[17..]);
        prop_assert_eq!(options.iter().count(), 3);
        prop_assert_eq!(options.get(v6::OptionCode::IAAddr), Some(&other_lease(&(address, None, 0, 0))));
        prop_assert_eq!(data(&options, OptionCode::RELAY_ID), target);
        let opts = list.into_iter().map(v6::OptionCode::from).collect();
        prop_assert_eq!(options.get(v6::OptionCode::ORO), Some(&DhcpOption::ORO(ORO { opts })));
    }

    #[test]
    fn we_read_what_it_writes(
        xid in 0..=MAX_TRANSACTION_ID, client in duid(), server in duid(), leases in vec(lease(), 0..12), link: u128,
        list in vec(any::<u16>(), 0..20), status in 0..30_u16, text in "[a-zé€😀 ]{0,80}", time: u32,
    ) {
        let status_option = || DhcpOption::StatusCode(v6::StatusCode { status: Status::from(status), msg: text.clone() });
        let mut message = v6::Message::new(v6::MessageType::LeaseQueryReply);
        message.set_xid_num(xid);
        message.opts_mut().insert(DhcpOption::ClientId(client.clone()));
        message.opts_mut().insert(DhcpOption::ServerId(server.clone()));
        message.opts_mut().insert(status_option());
        // An address with options of its own, before the others.
        let addr = Ipv6Addr::LOCALHOST;
        let opts: DhcpOptions = [status_option()].into_iter().collect();
        let with_status = DhcpOption::IAAddr(IAAddr { addr, preferred_life: 1, valid_life: 2, opts });
        let inside = leases.iter().map(other_lease).chain([DhcpOption::ClientId(client.clone()), unknown(OptionCode::CLT_TIME, &time.to_be_bytes())]);
        let inside = [with_status.to_vec().expect("it writes"), encode(inside)].concat();
        message.opts_mut().insert(unknown(OptionCode::CLIENT_DATA, &inside));
        let codes = list.iter().copied().map(v6::OptionCode::from).collect();
        let query = encode([DhcpOption::ORO(ORO { opts: codes }), other_lease(&(addr, None, 0, 0))]);
        let query = [&[2][..], &link.to_be_bytes(), &query].concat();
        message.opts_mut().insert(unknown(OptionCode::QUERY, &query));
        let bytes = message.to_vec().expect("it writes");

        let read = Message::parse(&bytes).expect("well formed");
        prop_assert_eq!((read.message_type(), read.transaction_id()), (MessageType::LEASE_QUERY_REPLY, xid));
        prop_assert_eq!((read.client_id(), read.server_id()), (Ok(Some(&client[..])), Ok(Some(&server[..]))));
        let found = read.status().expect("well formed").expect("there");
        prop_assert_eq!((found.code, found.text.as_ref()), (StatusCode(status), text.as_str()));
        let query = read.query().expect("well formed").expect("there");
        prop_assert_eq!((query.query_type, query.link.to_bits()), (QueryType::BY_CLIENT_ID, link));
        prop_assert_eq!(query.address(), Ok(Some(addr)));
        let requested: Vec<_> = query.options.requested().expect("even").map(|code| code.0).collect();
        prop_assert_eq!(requested, list);
        let data = read.client_data().expect("well formed").expect("there");
        prop_assert_eq!((data.client_id(), data.clt_time()), (Ok(Some(&client[..])), Ok(Some(time))));
        let mut found: Vec<_> = data.leases().map(|lease| lease.expect("well formed")).collect();
        let first = found.remove(0);
        prop_assert_eq!((first.address, first.prefix_length, first.preferred, first.valid), (addr, None, 1, 2));
        let its_status = first.options.find(OptionCode::STATUS_CODE).expect("there");
        prop_assert_eq!(its_status, [&status.to_be_bytes()[..], text.as_bytes()].concat());
        let mut found: Vec<_> = found.iter().map(|lease| (lease.address, lease.prefix_length, lease.preferred, lease.valid)).collect();
        // It does not keep the order.
        let mut leases = leases;
        found.sort_unstable();
        leases.sort_unstable();
        prop_assert_eq!(found, leases);
    }

    #[test]
    fn relays_go_there_and_back(hops in vec((any::<u8>(), any::<u128>(), any::<u128>(), vec(any::<u8>(), 0..30), vec(any::<u8>(), 5..30)), 1..33)) {
        let options: Vec<_> = hops.iter().map(|(_, _, _, interface, remote)| {
            encode([DhcpOption::InterfaceId(interface.clone()), unknown(OptionCode::REMOTE_ID, remote)])
        }).collect();
        let relays: Vec<_> = hops.iter().zip(&options).map(|((hop_count, link, peer, ..), options)| Relay {
            kind: MessageType::RELAY_FORWARD,
            hop_count: *hop_count,
            link: Ipv6Addr::from_bits(*link),
            peer: Ipv6Addr::from_bits(*peer),
            options: Options::parse(options, 0).expect("well formed"),
        }).collect();
        let mut out = Vec::new();
        write_relayed(&relays, &mut out).expect("it fits");

        let read = RelayMessage::decode(&mut Decoder::new(&out)).expect("well formed");
        let (mut next, mut count) = (Some(&read), 0);
        while let Some(relay) = next {
            let (hop_count, link, peer, interface, remote) = &hops[count];
            prop_assert_eq!((relay.msg_type(), relay.hop_count()), (v6::MessageType::RelayForw, *hop_count));
            prop_assert_eq!((relay.link_addr().to_bits(), relay.peer_addr().to_bits()), (*link, *peer));
            prop_assert_eq!(relay.opts().get(v6::OptionCode::InterfaceId), Some(&DhcpOption::InterfaceId(interface.clone())));
            prop_assert_eq!(&data(relay.opts(), OptionCode::REMOTE_ID), remote);
            next = match relay.opts().get(v6::OptionCode::RelayMsg) {
                Some(DhcpOption::RelayMsg(inner)) => Some(inner),
                None => None,
                other => panic!("another option: {other:?}"),
            };
            count += 1;
        }
        prop_assert_eq!(count, hops.len());

        // It puts the Relay Message option first.
        let again = read.to_vec().expect("it writes");
        prop_assert_eq!(again.len(), out.len());
        let chain: Vec<_> = Relay::chain(&again).map(|relay| relay.expect("well formed")).collect();
        prop_assert_eq!(chain.len(), hops.len());
        for (relay, (hop_count, link, peer, interface, remote)) in chain.iter().zip(&hops) {
            prop_assert_eq!((relay.hop_count, relay.link.to_bits(), relay.peer.to_bits()), (*hop_count, *link, *peer));
            prop_assert_eq!(relay.options.find(OptionCode::INTERFACE_ID), Some(&interface[..]));
            prop_assert_eq!(relay.options.find(OptionCode::REMOTE_ID), Some(&remote[..]));
        }
    }
}
