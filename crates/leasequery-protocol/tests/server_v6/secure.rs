//! Secure mode (RFC 7653 section 9.1), up to where TLS begins.

use std::sync::Arc;

use leasequery_protocol::server::v6::V6;
use leasequery_protocol::server::{CloseReason, Limits, Turn};
use leasequery_wire::v6::{MessageType, OptionCode};

use crate::support::*;

fn secure() -> Watch {
    let protocol = V6::new(SERVER.into(), Arc::new(permitted()), true).secure();
    Watch::around(World::new(), protocol, Limits::default())
}

//= rfc7653-tls-03
//= rfc7653-tls-26
//= rfc7653-tls-29
#[test]
fn starttls_is_answered_without_a_status() {
    let start = Query::of_kind(MessageType::START_TLS);
    for query in [start.clone().client_id(None), start.clone(), start.outer(OptionCode(200), b"?")] {
        let mut watch = secure();
        let replies = watch.ask(&query.xid(99));
        let [reply] = replies.as_slice() else { panic!("{replies:?}") };
        assert_eq!((reply.kind(), reply.xid(), reply.status()), (MessageType::REPLY, 99, None));
        assert_eq!(reply.option(OptionCode::SERVER_ID), Some(&SERVER[..]));
        assert_eq!(watch.turn, Turn::Secure);
        assert!(watch.connection.begin_tls().is_empty());
        assert!(!watch.ask(&Query::everything()).is_empty(), "inside of TLS");
        assert_eq!(watch.ask(&Query::of_kind(MessageType::START_TLS)), []);
        assert_eq!(watch.closed(), Some(CloseReason::Unsupported(MessageType::START_TLS.into())));
    }
}

//= rfc7653-tls-27
#[test]
fn anything_else_closes_without_an_answer() {
    for kind in [MessageType::LEASE_QUERY, MessageType::ACTIVE_LEASE_QUERY, MessageType(1)] {
        let mut watch = secure();
        assert_eq!(watch.ask(&Query::of_kind(kind)), []);
        assert_eq!(watch.turn, Turn::Close);
        assert_eq!(watch.closed(), Some(CloseReason::Insecure));
    }
}

//= rfc7653-tls-29
#[test]
fn what_follows_starttls_in_the_clear_is_no_message() {
    let mut watch = secure();
    let query = Query::everything().frame();
    watch.send(&[Query::of_kind(MessageType::START_TLS).frame(), query.clone()].concat());
    assert_eq!(watch.listen().len(), 1);
    assert_eq!(watch.turn, Turn::Secure);
    assert_eq!(watch.connection.begin_tls(), query);
    assert_eq!(watch.listen(), []);
}
