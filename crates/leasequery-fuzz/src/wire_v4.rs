//! A DHCPv4 message from anybody.

use std::net::Ipv4Addr;

use leasequery_wire::Problem;
use leasequery_wire::v4::{Header, Message, MessageWriter, RelayAgentInformation, Vpn};

use crate::family::{Family, V4};

/// Runs one input, a message.
///
/// What is read of a message is in it, and what is written again is read the same. An error names a place in the message.
pub fn run(data: &[u8]) {
    let message = match Message::parse(data) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.offset <= data.len(), "{error}");
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let options: Vec<_> = message.options().map(|(code, value)| (code, value.to_vec())).collect();
    let held: usize = options.iter().map(|(_, value)| value.len()).sum();
    assert!(held <= data.len(), "options are parts of the message");
    for (code, value) in &options {
        assert_eq!(message.option(*code), Some(value.as_slice()), "{code}");
    }
    touch(&message, data.len());
    write_again(&message, &options);
}

/// Inputs to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    V4::messages().into_iter().map(|frame| frame[2..].to_vec()).collect()
}

/// Reads everything there is to be read.
fn touch(message: &Message<'_>, length: usize) {
    let numbers = [
        message.lease_time(),
        message.renewal_time(),
        message.rebinding_time(),
        message.client_last_transaction_time(),
        message.base_time(),
        message.start_time_of_state(),
        message.query_start_time(),
        message.query_end_time(),
        message.server_identifier().map(|address| address.map(Ipv4Addr::to_bits)),
        message.dhcp_state().map(|state| state.map(|state| state.0.into())),
        message.data_source().map(|source| source.map(|source| u32::from(source.is_remote()))),
        message.max_message_size().map(|size| size.map(u32::from)),
        message.parameter_request_list().map(|list| list.map(|_| 0)),
        message.relay_agent_information().map(|info| info.map(|info| touch_relay(info, length))),
        message.vpn().map(|vpn| vpn.map(touch_vpn)),
        message.associated_ip().map(|addresses| Some(addresses.map(Ipv4Addr::to_bits).fold(0, u32::wrapping_add))),
        message.status().map(|status| {
            status.map(|status| {
                assert!(!status.text.contains('\0'));
                status.code.0.into()
            })
        }),
    ];
    for error in numbers.into_iter().filter_map(Result::err) {
        assert!(error.offset <= length, "{error}");
        assert!(!matches!(error.problem, Problem::Truncated { .. } | Problem::Cookie(_)), "{error}");
    }
    assert!(message.chaddr().len() <= 16);
    assert!(message.chaddr_field().starts_with(message.chaddr()));
}

/// Sub-options fill the option exactly.
fn touch_relay(info: RelayAgentInformation<'_>, length: usize) -> u32 {
    let all: usize = info.sub_options().map(|(_, value)| 2 + value.len()).sum();
    assert_eq!(all, info.bytes().len());
    assert!(all <= length);
    let _ = (info.remote_id(), info.relay_id(), info.vpn().map(|vpn| vpn.map(touch_vpn)));
    0
}

/// What is written of a VPN is read as the same one, except for a NUL that does not belong there.
fn touch_vpn(vpn: Vpn<'_>) -> u32 {
    let mut octets = Vec::new();
    vpn.write(&mut octets);
    let nul = matches!(vpn, Vpn::Name(name) if name.ends_with(&[0]));
    assert!(nul || Vpn::parse(221, &octets) == Ok(vpn));
    0
}

/// A message with the same fields and options says the same.
fn write_again(message: &Message<'_>, options: &[(leasequery_wire::v4::OptionCode, Vec<u8>)]) {
    let header = Header {
        op: message.op(),
        htype: message.htype(),
        chaddr: message.chaddr(),
        xid: message.xid(),
        ciaddr: message.ciaddr(),
        yiaddr: message.yiaddr(),
        siaddr: message.siaddr(),
        giaddr: message.giaddr(),
    };
    let mut out = b"before".to_vec();
    let mut writer = MessageWriter::datagram(&mut out, &header, message.message_type());
    // A second overload would have the fields of the header searched again.
    let options = options.iter().filter(|(code, _)| code.0 != 52);
    for (code, value) in options.clone() {
        writer.option(*code, value);
    }
    if writer.finish().is_err() {
        // Joining took no octets away, but the pieces of long options have lengths of their own.
        assert_eq!(out, b"before");
        return;
    }
    let again = Message::parse(&out[6..]).unwrap_or_else(|error| panic!("what was written is a message: {error}"));
    let fields = |message: &Message<'_>| {
        let addresses = [message.ciaddr(), message.yiaddr(), message.siaddr(), message.giaddr()];
        (message.op(), message.htype(), message.chaddr().to_vec(), message.xid(), addresses, message.message_type())
    };
    assert_eq!(fields(message), fields(&again));
    let read: Vec<_> = again.options().map(|(code, value)| (code, value.to_vec())).collect();
    // A value of no octets that came in pieces stays one.
    assert!(options.eq(&read), "{read:?}");
}
