//! dhcproto, an independent implementation, agrees on well-formed DHCPv4 messages in both directions.

#![allow(missing_docs)]

use std::net::Ipv4Addr;

use dhcproto::v4::{self, DhcpOption, MessageType as Other};
use dhcproto::{Decodable, Decoder, Encodable};
use leasequery_wire::v4::{BOOT_REPLY, Header, Message, MessageType, MessageWriter, OptionCode};
use proptest::prelude::*;

proptest! {
    #[test]
    fn it_reads_what_we_write(xid: u32, address: u32, mac: [u8; 6], times: [u32; 7], state in 1..9_u8, id in proptest::collection::vec(any::<u8>(), 2..40)) {
        let header = Header { htype: 1, chaddr: &mac, ciaddr: Ipv4Addr::from_bits(address), ..Header::new(BOOT_REPLY, xid) };
        let mut out = Vec::new();
        let mut writer = MessageWriter::datagram(&mut out, &header, MessageType::LEASE_ACTIVE);
        let codes = [
            OptionCode::LEASE_TIME, OptionCode::RENEWAL_TIME, OptionCode::REBINDING_TIME,
            OptionCode::CLIENT_LAST_TRANSACTION_TIME, OptionCode::BASE_TIME, OptionCode::QUERY_START_TIME, OptionCode::QUERY_END_TIME,
        ];
        for (code, time) in codes.into_iter().zip(times) {
            writer.u32(code, time);
        }
        writer.u8(OptionCode::DHCP_STATE, state);
        writer.option(OptionCode::CLIENT_IDENTIFIER, &id);
        writer.finish().expect("it fits");
        let read = v4::Message::decode(&mut Decoder::new(&out)).expect("well formed");
        prop_assert_eq!((read.xid(), read.ciaddr(), read.chaddr()), (xid, header.ciaddr, &mac[..]));
        let options = read.opts();
        let time = |code: u8| options.get(v4::OptionCode::from(code)).map(|option| match option {
            DhcpOption::AddressLeaseTime(time) | DhcpOption::Renewal(time) | DhcpOption::Rebinding(time)
            | DhcpOption::ClientLastTransactionTime(time) | DhcpOption::BulkLeaseQueryBaseTime(time) | DhcpOption::BulkLeaseQueryQueryStartTime(time)
            | DhcpOption::BulkLeaseQueryQueryEndTime(time) => *time,
            other => panic!("another option: {other:?}"),
        });
        for (code, expected) in codes.into_iter().zip(times) {
            prop_assert_eq!(time(code.0), Some(expected));
        }
        prop_assert_eq!(options.msg_type(), Some(Other::LeaseActive));
        prop_assert_eq!(options.get(v4::OptionCode::ClientIdentifier), Some(&DhcpOption::ClientIdentifier(id)));
    }

    #[test]
    fn we_read_what_it_writes(xid: u32, address: u32, mac: [u8; 6], lease: u32, list in proptest::collection::vec(1..255_u8, 1..30)) {
        let zero = Ipv4Addr::UNSPECIFIED;
        let mut message = v4::Message::new_with_id(xid, Ipv4Addr::from_bits(address), zero, zero, zero, &mac);
        message.opts_mut().insert(DhcpOption::MessageType(Other::BulkLeaseQuery));
        message.opts_mut().insert(DhcpOption::AddressLeaseTime(lease));
        message.opts_mut().insert(DhcpOption::ParameterRequestList(list.iter().map(|code| v4::OptionCode::from(*code)).collect()));
        let bytes = message.to_vec().expect("it writes");
        let read = Message::parse(&bytes).expect("well formed");
        prop_assert_eq!((read.xid(), read.ciaddr(), read.chaddr()), (xid, Ipv4Addr::from_bits(address), &mac[..]));
        prop_assert_eq!(read.message_type(), MessageType::BULK_LEASE_QUERY);
        prop_assert_eq!(read.lease_time(), Ok(Some(lease)));
        prop_assert_eq!(read.parameter_request_list(), Ok(Some(&list[..])));
    }
}
