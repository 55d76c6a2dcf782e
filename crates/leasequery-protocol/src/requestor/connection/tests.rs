use proptest::prelude::*;

use super::*;
use crate::requestor::v4::{BulkQuery, V4};

const NOW: Duration = Duration::ZERO;

fn asking() -> Connection<V4> {
    let mut connection = Connection::new(V4::new(None), Timeouts::default(), 1);
    connection.ask(NOW, BulkQuery::default()).unwrap();
    connection
}

/// Takes all events; what stays in the input afterwards is an unfinished message.
fn drain(connection: &mut Connection<V4>) -> bool {
    loop {
        match connection.poll_event(NOW, Time(0)) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// A DHCPLEASEACTIVE about 10.0.0.1, padded to `length` octets.
fn reply(length: u16) -> Vec<u8> {
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend([2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 10, 0, 0, 1]);
    frame.resize(2 + 236, 0);
    frame.extend([99, 130, 83, 99, 53, 1, 13, 255]);
    frame.resize(2 + usize::from(length), 0);
    frame
}

proptest! {
    #[test]
    fn the_input_never_holds_more_than_one_unfinished_message_and_the_last_piece(
        lengths in prop::collection::vec(244_u16..=u16::MAX, 1..6),
        piece in 1_usize..100_000,
    ) {
        let stream: Vec<u8> = lengths.iter().flat_map(|length| reply(*length)).collect();
        let mut connection = asking();
        for bytes in stream.chunks(piece) {
            connection.handle_bytes(bytes);
            prop_assert!(connection.input.bytes.len() < 2 + usize::from(u16::MAX) + piece);
            prop_assert!(drain(&mut connection));
        }
        prop_assert_eq!(connection.input.messages, lengths.len() as u64);
        prop_assert_eq!(connection.input.taken, connection.input.bytes.len());
    }

    #[test]
    fn a_connection_that_failed_takes_nothing_in(garbage in prop::collection::vec(any::<u8>(), 1..2000)) {
        let mut connection = asking();
        connection.handle_bytes(&[0, 1]);
        prop_assert!(!drain(&mut connection));
        connection.handle_bytes(&garbage);
        prop_assert_eq!(connection.input.bytes.len(), 2);
    }
}

//= rfc6926-7.3-05
#[test]
fn a_long_response_does_not_make_the_input_grow() {
    let mut connection = asking();
    let replies = reply(300).repeat(100);
    let mut capacity = 0;
    for round in 0..1000 {
        // Cut so that a part of a message is left over each time.
        let cut = round % replies.len();
        for piece in [&replies[..cut], &replies[cut..]] {
            connection.handle_bytes(piece);
            assert!(drain(&mut connection));
        }
        if round == 10 {
            capacity = connection.input.bytes.capacity();
        }
    }
    assert!(connection.input.bytes.capacity() <= capacity.max(2 * replies.len()));
}
