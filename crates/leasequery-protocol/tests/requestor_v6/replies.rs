//! What the messages of a bulk response mean (RFC 5007 section 4.3.3, RFC 5460 section 6.3).

use leasequery_protocol::requestor::{Fault, Violation};
use leasequery_store::Time;
use leasequery_wire::v6::{MessageType, StatusCode};

use crate::peer::*;

//= rfc3315-22.13-02
//= rfc5460-6.3.1-02
//= rfc5460-5.2.1-01
//= rfc5460-5.2.2-01
#[test]
fn a_response_with_data_is_a_reply_then_data_then_done() {
    let mut requestor = Requestor::asking();
    assert_eq!(keys(&requestor.events(&reply(XID, &lease(1)))), [(XID, address(1))]);
    assert_eq!(keys(&requestor.events(&data(XID, &lease(2)))), [(XID, address(2))]);
    assert!(!requestor.connection.wants_close(), "the end has not come");
    let done = requestor.done(&done(XID));
    assert!(done.status.is_success() && done.text.is_empty());
    assert_eq!(done.resume_point, Some(START), "the base-time of the first message");
    assert!(requestor.connection.wants_close());
}

#[test]
fn the_resume_point_is_the_base_time_of_the_first_message() {
    let late = |seconds| base_time(START_2000 + seconds);
    let mut requestor = Requestor::asking();
    requestor.rows(&reply(XID, &lease(1)));
    requestor.wait(9);
    requestor.rows(&message(DATA, XID, &[late(9), lease(2)].concat()));
    assert_eq!(requestor.done(&message(DONE, XID, &late(9))).resume_point, Some(START));

    let mut requestor = Requestor::asking();
    requestor.rows(&bare_reply(XID, &lease(1)));
    let done = requestor.done(&message(DONE, XID, &late(0)));
    assert_eq!(done.resume_point, None, "what was sent first may have changed until then");
}

//= rfc5007-4.1.2.1-04
#[test]
fn an_option_of_queries_is_no_part_of_a_reply() {
    let inside = [&[1][..], &ip(0).octets(), &opt(6, &[0, 23])].concat();
    let row = Requestor::asking().row(&reply(XID, &[opt(44, &inside), lease(1)].concat()));
    assert_eq!(row, Requestor::asking().row(&reply(XID, &lease(1))));
    // A reply that has nothing else tells of nobody.
    assert_eq!(
        Requestor::asking().events(&reply(XID, &opt(44, &inside))),
        Requestor::asking().events(&reply(XID, &[]))
    );
}

//= rfc5460-6.3-05
//= rfc5460-6.3.1-01
#[test]
fn a_reply_without_data_is_a_whole_and_empty_answer() {
    for status in [vec![], status(0, ""), status(0, "none there")] {
        let mut requestor = Requestor::asking();
        let done = requestor.done(&reply(XID, &status));
        assert!(done.status.is_success());
        assert_eq!(done.resume_point, Some(START));
        assert!(requestor.connection.wants_close(), "nothing else is waited for");
        assert_eq!(requestor.connection.poll_timeout(), None);
        // The transaction is over.
        let unknown = Violation::UnknownXid { kind: MessageType::LEASE_QUERY_DONE.into(), xid: XID };
        assert_eq!(requestor.fault(&crate::peer::done(XID)), Fault::Violation(unknown));
    }
}

//= rfc3315-22-01
//= rfc3315-22.6-01
//= rfc3633-10-01
//= rfc5007-4.1.2.2-01
//= rfc5007-4.3.3-02
#[test]
fn every_lease_of_a_client_is_told_of() {
    let all = client_data(&[
        ia_prefix(7, 100, 200, &[]),
        ia_address(1, 300, 400, &[]),
        opt(1, &CLIENT),
        ia_address(2, 500, 600, &[]),
        clt(5),
        ia_address(3, 700, 800, &[]),
    ]);
    for first in [true, false] {
        let mut requestor = if first { Requestor::asking() } else { Requestor::begun() };
        let rows = requestor.rows(&if first { reply(XID, &all) } else { data(XID, &all) });
        let told: Vec<_> = rows
            .iter()
            .map(|row| (row.key, row.times.preferred.unwrap().since(START), row.times.expires.unwrap().since(START)))
            .collect();
        let expected = [(prefix(7), 100, 200), (address(1), 300, 400), (address(2), 500, 600), (address(3), 700, 800)];
        assert_eq!(told, expected);
        for row in rows {
            assert_eq!((row.active, row.client_id.as_slice()), (true, CLIENT.as_slice()));
            assert_eq!(row.on_link, Some(ip(1)), "the first address says on which link all of them are");
            assert_eq!(row.times.last_transaction, START.minus(5));
            assert_eq!(row.server.as_deref(), Some(SERVER.as_slice()));
        }
        requestor.done(&done(XID));
    }
}

#[test]
fn a_prefix_alone_says_nothing_of_its_link() {
    let alone = client_data(&[opt(1, &CLIENT), ia_prefix(7, 1, 2, &[]), ia_prefix(8, 1, 2, &[]), clt(0)]);
    let rows = Requestor::asking().rows(&reply(XID, &alone));
    assert_eq!(
        rows.iter().map(|row| (row.key, row.on_link)).collect::<Vec<_>>(),
        [(prefix(7), None), (prefix(8), None)]
    );
}

#[test]
fn bits_of_a_prefix_behind_its_length_mean_nothing() {
    let mut octets = ia_prefix(7, 1, 2, &[]);
    *octets.last_mut().unwrap() = 0xff;
    let rows = Requestor::asking().rows(&reply(XID, &client_data(&[opt(1, &CLIENT), octets, clt(0)])));
    assert_eq!(rows[0].key, prefix(7));
}

//= rfc5460-6.3-06
#[test]
fn data_without_a_client_are_discarded_and_end_nothing() {
    let mut requestor = Requestor::begun();
    let nothing = [data(XID, &[]), message(DATA, XID, &[]), data(XID, &status(0, "")), data(XID, &opt(39, b"x"))];
    for message in nothing {
        assert_eq!(requestor.events(&message), [Seen::Discarded(XID)]);
    }
    assert_eq!(keys(&requestor.events(&data(XID, &lease(1)))), [(XID, address(1))]);
    requestor.done(&done(XID));
}

//= rfc5007-4.3.3-03
//= rfc5007-4.1.2.3-02
#[test]
fn a_client_of_which_too_little_is_said_is_discarded_without_a_word() {
    let without_time = client_data(&[opt(1, &CLIENT), ia_address(1, 1, 2, &[])]);
    let without_client = client_data(&[ia_address(1, 1, 2, &[]), clt(5)]);
    let without_lease = client_data(&[opt(1, &CLIENT), clt(5)]);
    // A time beside the client's data is nobody's.
    let time_beside = [without_time.clone(), clt(5)].concat();
    for thin in [without_time, without_client, without_lease, time_beside, client_data(&[])] {
        let mut requestor = Requestor::asking();
        assert_eq!(requestor.events(&reply(XID, &thin)), [Seen::Discarded(XID)]);
        assert_eq!(requestor.events(&data(XID, &thin)), [Seen::Discarded(XID)]);
        assert_eq!(keys(&requestor.events(&data(XID, &lease(1)))), [(XID, address(1))]);
        assert!(requestor.done(&done(XID)).status.is_success(), "the response goes on to its end");
    }
}

//= rfc3315-9-01
//= rfc3315-9.1-01
#[test]
fn a_client_is_called_by_whatever_octets_it_has() {
    for duid in [vec![0xff, 0xfe], vec![0xff; 130], vec![0, 0]] {
        let row =
            Requestor::asking().row(&reply(XID, &client_data(&[opt(1, &duid), ia_address(1, 1, 2, &[]), clt(0)])));
        assert_eq!(row.client_id, duid);
    }
    for duid in [vec![0xff; 131], vec![0], vec![]] {
        let wrong = client_data(&[opt(1, &duid), ia_address(1, 1, 2, &[]), clt(0)]);
        assert!(matches!(Requestor::asking().fault(&reply(XID, &wrong)), Fault::Malformed(_)), "{}", duid.len());
    }
}

#[test]
fn what_is_said_of_a_client_or_a_lease_besides_is_kept() {
    let inner = [opt(39, b"inner"), opt(13, &[0, 0])].concat();
    let octets = client_data(&[opt(1, &CLIENT), ia_address(1, 1, 2, &inner), opt(16, b"class"), clt(0), opt(23, b"")]);
    let row = Requestor::asking().row(&reply(XID, &octets));
    assert_eq!(row.options, [(16, b"class".to_vec()), (23, vec![]), (39, b"inner".to_vec())]);
}

//= rfc5460-6.3-07
#[test]
fn any_number_of_messages_about_a_query_is_taken() {
    let mut requestor = Requestor::begun();
    let hundred: Vec<u8> = (0..100).flat_map(|last| data(XID, &lease(last))).collect();
    for _ in 0..1000 {
        assert_eq!(requestor.events(&hundred).len(), 100);
    }
    requestor.done(&done(XID));
}

#[test]
fn a_message_of_65535_octets_is_read_to_the_last_lease() {
    let mut options = vec![opt(1, &CLIENT), clt(5)];
    options.extend((0..2330).map(|last| ia_address(last, 60, 120, &[])));
    let full = client_data(&options).len() + 4 + 8;
    options.push(opt(200, &vec![7; 65_535 - full - 4]));
    let frame = data(XID, &client_data(&options));
    assert_eq!(frame.len(), 2 + 65_535);
    let mut requestor = Requestor::begun();
    let rows = requestor.rows(&frame);
    assert_eq!(rows.len(), 2330);
    assert!(rows.iter().zip(0..).all(|(row, last)| row.key == address(last)));
    requestor.done(&done(XID));
}

//= rfc5460-6.3-03
#[test]
fn a_reply_names_its_server_and_who_asked() {
    let (server, own) = (opt(2, &SERVER), opt(1, &OWN));
    let unaddressed = [
        own.clone(),
        server.clone(),
        vec![],
        [server.clone(), opt(1, &CLIENT)].concat(),
        [server.clone(), opt(1, &OWN[..5])].concat(),
    ];
    for ids in unaddressed {
        for rest in [vec![], lease(1), status(9, "")] {
            let mut requestor = Requestor::asking();
            let fault = requestor.fault(&message(REPLY, XID, &[&ids[..], &rest].concat()));
            assert!(matches!(fault, Fault::Violation(Violation::Unaddressed(_))), "{fault:?}");
            assert_eq!(requestor.connection.poll_timeout(), None, "no other one is waited for");
            assert!(!requestor.connection.wants_close());
        }
        let mut requestor = Requestor::following(None);
        let fault = requestor.fault(&message(REPLY, XID, &ids));
        assert!(matches!(fault, Fault::Violation(Violation::Unaddressed(_))), "{fault:?}");
    }
    // The others do not repeat it.
    Requestor::begun().rows(&message(DATA, XID, &lease(1)));
}

//= rfc3315-22.13-01
//= rfc5460-6.3-04
//= rfc5007-4.1.3-01
//= rfc5460-5.5-01
//= rfc7653-options-01
#[test]
fn an_error_in_the_reply_ends_the_query_and_not_the_connection() {
    let known = [
        (1, StatusCode::UNSPEC_FAIL),
        (7, StatusCode::UNKNOWN_QUERY_TYPE),
        (8, StatusCode::MALFORMED_QUERY),
        (9, StatusCode::NOT_CONFIGURED),
        (10, StatusCode::NOT_ALLOWED),
        (11, StatusCode::QUERY_TERMINATED),
        (12, StatusCode::DATA_MISSING),
        (13, StatusCode::CATCH_UP_COMPLETE),
        (14, StatusCode::NOT_SUPPORTED),
        (15, StatusCode::TLS_CONNECTION_REFUSED),
        (999, StatusCode(999)),
    ];
    for (number, code) in known {
        for rest in [vec![], lease(1)] {
            let mut requestor = Requestor::asking();
            let done = requestor.done(&reply(XID, &[status(number, "so"), rest].concat()));
            // Who says UnspecFail tells what it knows so far.
            let resume_point = (code == StatusCode::UNSPEC_FAIL).then_some(START);
            assert_eq!((done.status, done.text.as_str(), done.resume_point), (code.into(), "so", resume_point));
            assert!(requestor.connection.wants_close());
            // Another query can be asked on it.
            let next = requestor.ask(leasequery_protocol::requestor::v6::BulkQuery::default());
            assert_eq!(keys(&requestor.events(&reply(next, &lease(1)))), [(next, address(1))]);
            requestor.done(&crate::peer::done(next));
        }
    }
}

#[test]
fn the_final_message_says_what_became_of_the_query() {
    for (options, success, text) in
        [(vec![], true, ""), (status(0, "fine"), true, "fine"), (status(11, "stopped"), false, "stopped")]
    {
        let mut requestor = Requestor::begun();
        let done = requestor.done(&message(DONE, XID, &options));
        assert_eq!((done.status.is_success(), done.text.as_str()), (success, text));
        assert_eq!(done.resume_point, success.then_some(START), "what is not whole is no ground to go on from");
    }
}

#[test]
fn an_error_in_the_middle_is_about_one_client() {
    let mut requestor = Requestor::begun();
    for rest in [vec![], lease(1)] {
        let events = requestor.events(&data(XID, &[status(1, "locked"), rest].concat()));
        assert_eq!(events, [Seen::Failed(XID, StatusCode::UNSPEC_FAIL.into(), "locked".to_owned())]);
    }
    assert_eq!(keys(&requestor.events(&data(XID, &lease(2)))), [(XID, address(2))]);
    assert!(requestor.done(&done(XID)).status.is_success());
}

#[test]
fn a_text_is_for_people() {
    let mut octets = vec![0, 9];
    octets.extend(b"a\0\xffb");
    let done = Requestor::asking().done(&reply(XID, &opt(13, &octets)));
    assert_eq!(done.text, "a\u{fffd}b");
}

/// What Kea sends: a status that says Success in so many words, one lease in a message, and nothing behind an error.
#[test]
fn a_server_that_says_more_or_less_than_it_has_to_is_understood() {
    let one = |last| [status(0, ""), client_data(&[opt(1, &CLIENT), ia_address(last, 1, 2, &[]), clt(3)])].concat();
    let mut requestor = Requestor::asking();
    let mut events = requestor.events(&bare_reply(XID, &one(1)));
    for last in 2..5 {
        events.extend(requestor.events(&message(DATA, XID, &one(last))));
    }
    assert_eq!(keys(&events), (1..5).map(|last| (XID, address(last))).collect::<Vec<_>>());
    assert!(
        events
            .iter()
            .all(|event| matches!(event, Seen::Record(_, row) if row.times.last_transaction == Time(START.0 - 3)))
    );
    assert!(requestor.done(&message(DONE, XID, &status(0, ""))).status.is_success());
    let next = requestor.ask(leasequery_protocol::requestor::v6::BulkQuery::default());
    assert_eq!(requestor.done(&bare_reply(next, &status(9, "no"))).status, StatusCode::NOT_CONFIGURED);
    // It closes then, and nobody waits for more.
    requestor.connection.handle_eof();
    assert_eq!(requestor.drain(), (vec![], None));
}
