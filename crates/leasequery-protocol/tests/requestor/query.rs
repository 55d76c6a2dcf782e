//! The octets of queries, whatever they ask for (RFC 6926 section 7.2).

use leasequery_protocol::requestor::QueryError;
use leasequery_protocol::requestor::v4::{BulkQuery, Primary, VpnChoice};
use leasequery_store::Time;
use leasequery_wire::v4::{Message, MessageType, OptionCode};

use crate::peer::{Requestor, XID, body, raw_options};

/// The frame that asks this.
pub(crate) fn frame(query: &BulkQuery) -> Vec<u8> {
    let mut requestor = Requestor::new();
    requestor.connection.ask(requestor.now, query).unwrap();
    requestor.connection.poll_transmit().to_vec()
}

/// Each primary selector once.
pub(crate) fn primaries() -> Vec<Primary> {
    vec![
        Primary::All,
        Primary::Hardware { htype: 1, address: vec![2, 0, 0, 0, 0, 10] },
        Primary::ClientId(vec![0, 0xca, 0xfe]),
        Primary::RemoteId(b"remote".to_vec()),
        Primary::RelayId(vec![0x0a, 0x0b]),
    ]
}

/// Each primary selector with each combination of qualifiers.
fn combinations() -> Vec<BulkQuery> {
    let mut queries = Vec::new();
    for primary in primaries() {
        for bits in 0..8 {
            queries.push(BulkQuery {
                primary: primary.clone(),
                since: (bits & 1 != 0).then_some(Time(1000)),
                until: (bits & 2 != 0).then_some(Time(2000)),
                vpn: if bits & 4 != 0 { VpnChoice::Name(b"blue".to_vec()) } else { VpnChoice::Default },
                options: vec![12],
            });
        }
    }
    queries
}

//= rfc2131-2-03
//= rfc2131-3-01
//= rfc2132-9.8-01
//= rfc6926-6.1-01
//= rfc6926-6.2.1-01
//= rfc6926-7.2-02
//= rfc6926-7.2-03
//= rfc6926-7.2-04
//= rfc6926-7.2-10
#[test]
fn a_query_for_everything_has_exactly_these_octets() {
    let mut expected = vec![
        0x01, 0x00, // length: 240 + 3 + 12 + 1
        1, 0, 0, 0, // op BOOTREQUEST, htype, hlen, hops
        1, 2, 3, 4, // xid
    ];
    expected.resize(2 + 236, 0);
    expected.extend([99, 130, 83, 99, 53, 1, 14]);
    expected.extend([55, 10, 152, 51, 58, 59, 153, 91, 156, 157, 61, 82, 255]);
    assert_eq!(frame(&BulkQuery::default()), expected);
}

//= rfc2132-9.8-01
//= rfc6926-7.2-04
#[test]
fn options_of_the_caller_are_asked_for_once_besides_the_usual_ones() {
    let query = BulkQuery { options: vec![12, 51, 60, 12], ..BulkQuery::default() };
    let octets = frame(&query);
    let message = Message::parse(body(&octets)).unwrap();
    let expected = [152, 51, 58, 59, 153, 91, 156, 157, 61, 82, 12, 60];
    assert_eq!(message.parameter_request_list(), Ok(Some(expected.as_slice())));
}

#[test]
fn codes_that_no_option_has_are_refused() {
    for code in [0, 255] {
        let query = BulkQuery { options: vec![12, code], ..BulkQuery::default() };
        let mut requestor = Requestor::new();
        assert_eq!(requestor.connection.ask(requestor.now, &query), Err(QueryError::OptionCode(code.into())));
        assert!(requestor.connection.poll_transmit().is_empty());
    }
}

//= rfc6926-7.2-11
//= rfc6926-7.2-12
//= rfc6607-6-01
#[test]
fn qualifiers_combine_with_every_selector_and_each_other_and_appear_once() {
    for query in combinations() {
        let octets = frame(&query);
        let message = Message::parse(body(&octets)).unwrap();
        assert_eq!(message.message_type(), MessageType::BULK_LEASE_QUERY);
        assert_eq!(message.query_start_time(), Ok(query.since.map(|time| time.0)), "{query:?}");
        assert_eq!(message.query_end_time(), Ok(query.until.map(|time| time.0)), "{query:?}");
        let vpn = (query.vpn != VpnChoice::Default).then_some(b"\0blue".as_slice());
        assert_eq!(message.option(OptionCode::VPN_SELECTION), vpn, "{query:?}");
        let plain = BulkQuery { since: None, until: None, vpn: VpnChoice::Default, ..query.clone() };
        let without = |code: &u8| ![154, 155, 221].contains(code);
        let mut rest = raw_options(body(&octets));
        let before = rest.len();
        rest.retain(|(code, _)| without(code));
        let plain = frame(&plain);
        assert_eq!(rest, raw_options(body(&plain)), "{query:?}");
        let qualifiers =
            usize::from(query.since.is_some()) + usize::from(query.until.is_some()) + usize::from(vpn.is_some());
        assert_eq!(before - rest.len(), qualifiers, "{query:?}");
    }
}

//= rfc2131-4.1-01
//= rfc3396-4-01
//= rfc6607-6-02
//= rfc6926-9-07
#[test]
fn queries_end_with_option_255_and_have_no_option_twice_nor_one_that_is_forbidden() {
    for query in combinations() {
        let octets = frame(&query);
        // Reading them to the end proves that the last octet is 255 and nothing is behind it.
        let options = raw_options(body(&octets));
        let mut codes: Vec<u8> = options.iter().map(|(code, _)| *code).collect();
        codes.sort_unstable();
        let count = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), count, "{query:?}");
        assert!(!codes.contains(&90), "{query:?}");
        let relay = Message::parse(body(&octets))
            .unwrap()
            .relay_agent_information()
            .unwrap()
            .map(|relay| relay.bytes().to_vec());
        let vss = relay.is_some_and(|relay| relay[0] == 151);
        assert!(!vss, "{query:?}");
    }
}

//= rfc6926-2-01
//= rfc6926-6.2.5-04
#[test]
fn times_are_absolute_and_unsigned() {
    let since = Time(1_735_689_600); // 2025-01-01T00:00:00Z
    let until = Time(2_208_988_800); // 2040-01-01T00:00:00Z, more than 31 bits hold
    let octets = frame(&BulkQuery { since: Some(since), until: Some(until), ..BulkQuery::default() });
    let options = raw_options(body(&octets));
    assert!(options.contains(&(154, vec![0x67, 0x74, 0x85, 0x80])));
    assert!(options.contains(&(155, vec![0x83, 0xaa, 0x7e, 0x80])));
}

//= rfc6926-7.1-03
#[test]
fn a_thousand_queries_on_one_connection_have_distinct_transaction_ids() {
    let mut requestor = Requestor::new();
    let mut xids = std::collections::BTreeSet::new();
    for _ in 0..1000 {
        let xid = requestor.connection.ask(requestor.now, BulkQuery::default()).unwrap();
        let written = requestor.connection.poll_transmit().to_vec();
        assert_eq!(Message::parse(body(&written)).unwrap().xid(), xid);
        requestor.connection.handle_sent(requestor.now, written.len());
        // A finished query does not give its id away again.
        requestor.events(&crate::peer::done(xid));
        assert!(xids.insert(xid));
    }
    assert!(xids.contains(&XID));
}

#[test]
fn transaction_ids_go_on_behind_the_largest() {
    use leasequery_protocol::requestor::v4::V4;
    use leasequery_protocol::requestor::{Connection, Timeouts};
    let mut connection = Connection::new(V4::new(None), Timeouts::default(), u32::MAX);
    let now = std::time::Duration::ZERO;
    assert_eq!(connection.ask(now, BulkQuery::default()), Ok(u32::MAX));
    assert_eq!(connection.ask(now, BulkQuery::default()), Ok(0));
}

//= rfc6926-6.1-03
#[test]
fn a_query_longer_than_a_frame_is_refused_and_leaves_no_octets() {
    let query = |length: usize| BulkQuery { primary: Primary::ClientId(vec![7; length]), ..BulkQuery::default() };
    let mut requestor = Requestor::new();
    // 240 octets before the options, 3 of type, 12 of the request list, 1 of end: 65,279 are left. 254 full pieces of
    // 257 octets are 65,278.
    let fits = 254 * 255;
    requestor.ask(&query(fits));
    assert_eq!(frame(&query(fits)).len(), 2 + 256 + 254 * 257);
    let result = requestor.connection.ask(requestor.now, query(fits + 1));
    assert!(matches!(result, Err(QueryError::TooLong(_))), "{result:?}");
    assert!(requestor.connection.poll_transmit().is_empty());
    // The refused query is not outstanding either.
    requestor.events(&crate::peer::done(XID));
    assert!(requestor.connection.wants_close());
}
