//! Messages in whatever pieces they come (RFC 5460 section 5.1), and connections that end early.

use leasequery_protocol::requestor::Failure;

use crate::peer::*;

/// A message about a prefix and two addresses.
fn several(first: u16) -> Vec<u8> {
    client_data(&[
        opt(1, &CLIENT),
        clt(5),
        ia_address(first, 60, 120, &[]),
        ia_prefix(u8::try_from(first).unwrap(), 60, 120, &[]),
        ia_address(first + 1, 60, 120, &[]),
    ])
}

fn response() -> Vec<Vec<u8>> {
    vec![reply(XID, &several(1)), data(XID, &lease(9)), data(XID, &[]), data(XID, &several(20)), done(XID)]
}

//= rfc5460-5.1-03
#[test]
fn pieces_do_not_matter() {
    let stream = response().concat();
    let whole = Requestor::asking().events(&stream);
    assert_eq!(whole.len(), 3 + 1 + 1 + 3 + 1);
    for size in [1, 2, 3, 7, 50, 100] {
        let mut requestor = Requestor::asking();
        let events: Vec<_> = stream.chunks(size).flat_map(|piece| requestor.events(piece)).collect();
        assert_eq!(events, whole, "pieces of {size}");
    }
    for cut in 0..=stream.len() {
        let mut requestor = Requestor::asking();
        let (first, second) = stream.split_at(cut);
        let mut events = requestor.events(first);
        events.extend(requestor.events(second));
        assert_eq!(events, whole, "cut at {cut}");
    }
}

#[test]
fn octets_that_come_while_a_message_is_being_taken_do_not_disturb_it() {
    let stream = response().concat();
    let whole = Requestor::asking().events(&stream);
    for size in [1, 10, 61, 400] {
        let mut requestor = Requestor::asking();
        let mut pieces = stream.chunks(size);
        let mut events = Vec::new();
        // One event for each piece, so that octets come between two leases of a message.
        loop {
            let piece = pieces.next();
            requestor.receive(piece.unwrap_or_default());
            match requestor.next().unwrap() {
                Some(event) => events.push(event),
                None if piece.is_none() => break,
                None => {}
            }
        }
        assert_eq!(events, whole, "pieces of {size}");
    }
}

//= rfc5460-6.3.1-03
#[test]
fn a_connection_cut_at_any_octet_gives_what_came_and_says_that_it_is_not_all() {
    let messages = response();
    let counts = [3, 1, 1, 3, 1];
    let stream = messages.concat();
    let whole = Requestor::asking().events(&stream);
    for cut in 0..stream.len() {
        let mut requestor = Requestor::asking();
        requestor.receive(&stream[..cut]);
        requestor.connection.handle_eof();
        let (events, failure) = requestor.drain();
        let mut end = 0;
        let complete = messages.iter().take_while(|message| {
            end += message.len();
            end <= cut
        });
        let told: usize = counts.iter().take(complete.count()).sum();
        assert_eq!(events, whole[..told], "cut at {cut}");
        assert_eq!(failure, Some(if cut == 0 { Failure::Unanswered } else { Failure::Closed }));
        assert!(!requestor.connection.wants_close());
    }
    let mut requestor = Requestor::asking();
    requestor.receive(&stream);
    requestor.connection.handle_eof();
    assert_eq!(requestor.drain(), (whole, None), "a server may close after the end");
}

//= rfc5460-6.3.1-03
#[test]
fn an_end_behind_a_reply_with_data_is_no_success() {
    let mut requestor = Requestor::begun();
    requestor.connection.handle_eof();
    assert_eq!(requestor.drain(), (vec![], Some(Failure::Closed)));
    assert_eq!(requestor.connection.poll_timeout(), None);
}

//= alq6-8.6-01
#[test]
fn a_server_may_close_an_active_connection_without_a_word() {
    let mut requestor = Requestor::following(None);
    requestor.events(&reply(XID, &lease(1)));
    requestor.connection.handle_eof();
    assert_eq!(requestor.drain(), (vec![], Some(Failure::Closed)));
}
