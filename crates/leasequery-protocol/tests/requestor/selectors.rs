//! What each primary selector looks like on the wire (RFC 6926 section 7.2).

use leasequery_protocol::requestor::QueryError;
use leasequery_protocol::requestor::v4::{BulkQuery, Primary};
use leasequery_wire::v4::Message;

use crate::peer::{Requestor, body, raw_options};
use crate::query::{frame, primaries};

fn asking(primary: Primary) -> BulkQuery {
    BulkQuery { primary, ..BulkQuery::default() }
}

#[track_caller]
fn assert_refused(primary: Primary, length: usize) {
    let mut requestor = Requestor::new();
    let result = requestor.connection.ask(requestor.now, asking(primary));
    assert!(matches!(result, Err(QueryError::Length { length: found, .. }) if found == length), "{result:?}");
    assert!(requestor.connection.poll_transmit().is_empty());
}

//= rfc2131-2-02
//= rfc6926-7.2-06
#[test]
fn a_query_by_mac_fills_htype_hlen_and_chaddr_and_nothing_else() {
    let address = vec![2, 0, 0, 0, 0, 10];
    let octets = frame(&asking(Primary::Hardware { htype: 1, address }));
    let message = body(&octets);
    assert_eq!(message[1..3], [1, 6]);
    assert_eq!(message[28..44], [2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let all = frame(&BulkQuery::default());
    assert_eq!(raw_options(message), raw_options(body(&all)));
}

//= rfc6926-2-03
#[test]
fn the_hardware_type_is_part_of_the_selector() {
    let of = |htype| frame(&asking(Primary::Hardware { htype, address: vec![2, 0, 0, 0, 0, 10] }));
    let (ethernet, other) = (of(1), of(6));
    assert_eq!(body(&ethernet)[1], 1);
    assert_eq!(body(&other)[1], 6);
    assert_eq!(body(&ethernet)[2..], body(&other)[2..]);
}

#[test]
fn a_hardware_address_that_does_not_fit_is_refused_rather_than_cut() {
    assert_refused(Primary::Hardware { htype: 1, address: vec![] }, 0);
    assert_refused(Primary::Hardware { htype: 32, address: vec![1; 17] }, 17);
    let octets = frame(&asking(Primary::Hardware { htype: 32, address: (1..=16).collect() }));
    assert_eq!(Message::parse(body(&octets)).unwrap().chaddr().len(), 16);
}

//= rfc6926-7.2-07
//= rfc2132-9.14-01
#[test]
fn a_query_by_client_identifier_has_it_octet_by_octet_in_option_61() {
    for id in [vec![1, 2, 0, 0, 0, 0, 10], vec![0, 2, 0, 0, 0, 0, 10], vec![9, 9], vec![7; 255]] {
        let octets = frame(&asking(Primary::ClientId(id.clone())));
        assert_eq!(body(&octets)[1..3], [0, 0], "htype and hlen");
        assert_eq!(body(&octets)[28..44], [0; 16]);
        assert!(raw_options(body(&octets)).contains(&(61, id)));
    }
    assert_refused(Primary::ClientId(vec![]), 0);
    assert_refused(Primary::ClientId(vec![1]), 1);
}

//= rfc3046-2.0-02
//= rfc6926-7.2-08
#[test]
fn a_query_by_remote_id_has_it_in_sub_option_2_of_option_82() {
    let octets = frame(&asking(Primary::RemoteId(b"abc".to_vec())));
    let at = 240 + 3 + 12;
    assert_eq!(body(&octets)[at..], [0x52, 5, 2, 3, b'a', b'b', b'c', 255]);
}

//= rfc6925-4-01
//= rfc6926-7.2-09
#[test]
fn a_query_by_relay_id_has_it_in_sub_option_12_of_option_82() {
    let octets = frame(&asking(Primary::RelayId(vec![0x0a, 0x0b])));
    let at = 240 + 3 + 12;
    assert_eq!(body(&octets)[at..], [0x52, 0x04, 0x0c, 0x02, 0x0a, 0x0b, 255]);
    assert_refused(Primary::RelayId(vec![]), 0);
}

#[test]
fn relay_identifiers_longer_than_a_sub_option_are_refused_rather_than_cut() {
    assert_refused(Primary::RemoteId(vec![]), 0);
    assert_refused(Primary::RemoteId(vec![1; 256]), 256);
    assert_refused(Primary::RelayId(vec![1; 256]), 256);
}

//= rfc3396-6-01
#[test]
fn an_option_82_that_does_not_fit_one_option_is_split() {
    let id: Vec<u8> = (0..255).collect();
    let octets = frame(&asking(Primary::RemoteId(id.clone())));
    let pieces: Vec<usize> =
        raw_options(body(&octets)).iter().filter(|(code, _)| *code == 82).map(|(_, value)| value.len()).collect();
    assert_eq!(pieces, [255, 2]);
    let message = Message::parse(body(&octets)).unwrap();
    assert_eq!(message.relay_agent_information().unwrap().unwrap().remote_id(), Some(id.as_slice()));
}

//= rfc6926-7.2-05
#[test]
fn no_query_has_more_than_one_selector() {
    for (number, primary) in primaries().into_iter().enumerate() {
        let octets = frame(&asking(primary.clone()));
        let hardware = usize::from(body(&octets)[1..3] != [0, 0]);
        let message = Message::parse(body(&octets)).unwrap();
        let client_id = usize::from(message.client_identifier().is_some());
        let relay = message.relay_agent_information().unwrap().map_or(0, |relay| relay.sub_options().count());
        assert_eq!(hardware + client_id + relay, usize::from(number > 0), "{primary:?}");
    }
}
