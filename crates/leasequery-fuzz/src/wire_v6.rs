//! A DHCPv6 message from anybody, relayed or not.

use leasequery_wire::DecodeError;
use leasequery_wire::v6::{MAX_HOPS, Message, MessageWriter, Options, Relay, write_relayed};

use crate::family::{Family, V6, relayed as relayed_queries};

/// Runs one input, a message.
///
/// What is read of a message is in it, and what is written again is read the same. An error names a place in the message.
pub fn run(data: &[u8]) {
    relayed(data);
    let message = match Message::parse(data) {
        Ok(message) => message,
        Err(error) => return check(error, data.len()),
    };
    whole(message.options());
    for error in touch(&message) {
        check(error, data.len());
    }
    let mut out = b"before".to_vec();
    let mut writer = MessageWriter::frame(&mut out, message.message_type(), message.transaction_id());
    for (code, value) in message.options().iter() {
        writer.option(code, value);
    }
    if writer.finish().is_ok() {
        // Nothing but the order and the values of options says something, so the octets are the same.
        assert_eq!(&out[8..], data);
    } else {
        assert!(data.len() > leasequery_wire::MAX_MESSAGE);
        assert_eq!(out, b"before");
    }
}

/// Inputs to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = V6::messages().into_iter().map(|frame| frame[2..].to_vec()).collect();
    seeds.extend(relayed_queries());
    seeds
}

/// Reads everything there is to be read, and gives what is wrong with it.
fn touch(message: &Message<'_>) -> Vec<DecodeError> {
    let mut errors = Vec::new();
    let mut note = |result: Result<(), DecodeError>| errors.extend(result.err());
    note(message.client_id().map(drop));
    note(message.server_id().map(drop));
    note(message.status().map(|status| assert!(status.is_none_or(|status| !status.text.contains('\0')))));
    note(message.base_time().map(drop));
    note(message.options().requested().map(|codes| codes.for_each(drop)));
    note(message.client_links().map(|links| links.into_iter().flatten().for_each(drop)));
    note(message.relay_data().map(|data| data.into_iter().for_each(|data| relayed(data.message))));
    match message.query() {
        Ok(None) => {}
        Ok(Some(query)) => {
            whole(query.options);
            note(query.address().map(drop));
            note(query.remote_id().map(drop));
            note(query.options.requested().map(|codes| codes.for_each(drop)));
        }
        Err(error) => note(Err(error)),
    }
    match message.client_data() {
        Ok(None) => {}
        Ok(Some(data)) => {
            whole(data.options());
            note(data.client_id().map(drop));
            note(data.clt_time().map(drop));
            note(data.relay_data().map(|data| data.into_iter().for_each(|data| relayed(data.message))));
            for lease in data.leases() {
                note(lease.map(|lease| {
                    whole(lease.options);
                    assert!(lease.prefix_length.is_none_or(|length| length <= 128));
                }));
            }
        }
        Err(error) => note(Err(error)),
    }
    errors
}

/// Options fill their place exactly.
fn whole(options: Options<'_>) {
    let all: usize = options.iter().map(|(_, value)| 4 + value.len()).sum();
    assert_eq!(all, options.bytes().len());
}

/// Relays are a chain that ends, and what is written of them is what was read.
fn relayed(data: &[u8]) {
    let chain: Vec<_> = Relay::chain(data).collect();
    assert!(chain.len() <= MAX_HOPS);
    let (relays, errors): (Vec<_>, Vec<_>) = chain.into_iter().partition(Result::is_ok);
    assert!(errors.len() <= 1, "an error comes once, at the end");
    errors.into_iter().filter_map(Result::err).for_each(|error| check(error, data.len()));
    let relays: Vec<_> = relays.into_iter().filter_map(Result::ok).collect();
    let mut out = Vec::new();
    // Written are relays whose options have no message in them, as those of the last one here may have.
    let bare: Vec<_> = relays.iter().filter(|relay| relay.relayed().is_none()).copied().collect();
    if write_relayed(&bare, &mut out).is_some() {
        let read: Vec<_> = Relay::chain(&out).filter_map(Result::ok).collect();
        assert_eq!(read.len(), bare.len());
        for (read, bare) in read.iter().zip(&bare) {
            assert_eq!((read.hop_count, read.link, read.peer), (bare.hop_count, bare.link, bare.peer));
            assert!(read.options.bytes().starts_with(bare.options.bytes()));
        }
    }
}

fn check(error: DecodeError, length: usize) {
    assert!(error.offset <= length, "{error} of {length}");
    assert!(!error.to_string().is_empty());
}
