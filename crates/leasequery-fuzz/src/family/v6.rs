use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::sync::Arc;

use leasequery_protocol::follower::V6Wanted;
use leasequery_protocol::requestor::v6::{ActiveQuery, BulkQuery, Primary, Query, Selector, V6};
use leasequery_protocol::server::{Policy, v6};
use leasequery_store::{Budget, Entry, Link, Settings, State, Store, SweepEnd, Time, Update, V6Key, VpnRange};
use leasequery_wire::v6::{Lease, Message, MessageType, MessageWriter, OptionCode, QueryType, StatusCode};

use super::{Facts, Family, NOW};
use crate::input::Input;

/// DUIDs of the server and of the requestor.
pub(crate) const SERVER: [u8; 4] = [0, 2, b's', b's'];
pub(crate) const REQUESTOR: [u8; 4] = [0, 2, b'q', b'q'];

/// Seconds from 1970, where stores count from, to 2000, where DHCPv6 does.
const EPOCH: u32 = 946_684_800;
/// Seconds for which a store remembers.
const HISTORY: u32 = 20;

fn wire(time: Time) -> u32 {
    time.0.saturating_sub(EPOCH)
}

fn address(link: u16, host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, link, 0, 0, 0, 0, host)
}

/// An address on one of three links, or a delegated prefix.
fn key(number: u8) -> V6Key {
    match number % 8 {
        7 => V6Key::prefix(address(0xf000 + u16::from(number), 0), 56),
        _ => V6Key::new(address(u16::from(number % 3), number.into())),
    }
}

fn link(number: u8) -> Link {
    let networks = vec![(address(number.into(), 0), 64), (address(0xf000, 0), 36 + number % 4)];
    Link { address: address(number.into(), 0), networks }
}

/// A binding that is told with whatever there is to be told.
fn lease(store: &mut Store<V6Key>, key: V6Key, number: u8, filling: usize) {
    let (now, source) = (store.now(), store.source("fuzz").unwrap_or_default());
    let client_id = [0, 3, 0, 1, number / 4];
    let info = [&address(1, 1).octets()[..], &[12, 0], &[0; 32], &[0, 18, 0, 1, number]].concat();
    let filling = vec![number; filling];
    let update = Update {
        client_id: Some(&client_id),
        last_transaction: Some(now.minus(number.into())),
        expires: (number % 5 != 4).then(|| now.plus(10 * u32::from(number) + 1)),
        renews: Some(now.plus(5)),
        relay_info: (number % 5 != 3).then_some(&info),
        remote_id: Some(b"\0\0\0\x01r"),
        relay_id: Some(b"\0\x01r"),
        link: (number % 6 == 5).then(|| store.name_link(key, address(2, 0))).flatten(),
        options: &[(23, &filling)],
        ..Update::new(key, State::Active)
    };
    store.commit(source, &update);
}

/// Relayed queries, as they come over UDP.
pub(crate) fn relayed() -> Vec<Vec<u8>> {
    let inside = V6::queries().swap_remove(7).split_off(2);
    let relay = |inside: &[u8], options: &[u8]| {
        let length = u16::try_from(inside.len()).unwrap_or_default().to_be_bytes();
        [&[12, 0], &address(1, 0).octets()[..], &address(1, 9).octets(), options, &[0, 9], &length, inside].concat()
    };
    let once = relay(&inside, &[0, 18, 0, 2, 7, 7, 0, 135, 0, 2, 2, 35]);
    vec![relay(&once, &[]), once, relay(&[], &[])]
}

impl Family for V6 {
    type Server = v6::V6;

    /// What has changed since a response began is told of itself.
    const ONCE_THOUGH_CHANGED: bool = false;

    fn server(policy: Arc<Policy>, active: bool, secure: bool) -> v6::V6 {
        let server = v6::V6::new(SERVER.into(), policy, active);
        if secure { server.secure() } else { server }
    }

    fn store() -> Store<V6Key> {
        let mut store = Store::new(Settings { history: HISTORY, ..Settings::default() });
        store.advance(NOW.minus(60));
        store.set_links(None, vec![link(0), link(1)]);
        for number in 0..24 {
            lease(&mut store, key(number), number, 8);
            if number % 4 == 0 {
                store.advance(store.now().plus(10));
            }
        }
        store.advance(NOW);
        store
    }

    fn change(store: &mut Store<V6Key>, what: u8, number: u8) {
        let source = store.source("fuzz").unwrap_or_default();
        match what % 8 {
            0..=2 => lease(store, key(number), number, 8),
            3 => lease(store, key(number), what, usize::from(what) * 250),
            4 => drop(store.end_lease(source, key(number), State::Released)),
            5 => lease(store, key(number), what, 0),
            6 => store.set_links(None, (0..number % 4).map(link).collect()),
            _ => {
                store.begin_sweep(source);
                lease(store, key(number), number, 0);
                let mut end = SweepEnd::default();
                while !store.end_sweep(source, &mut end, &Budget::new(64)) {}
            }
        }
    }

    fn queries() -> Vec<Vec<u8>> {
        let (bulk, active) = (MessageType::LEASE_QUERY, MessageType::ACTIVE_LEASE_QUERY);
        let none = Ipv6Addr::UNSPECIFIED;
        let since = |ago: u32| Some((OptionCode::START_TIME, wire(NOW.minus(ago)).to_be_bytes().to_vec()));
        let about = |address: Ipv6Addr| (OptionCode::IA_ADDRESS, [&address.octets()[..], &[0; 8]].concat());
        let client = (OptionCode::CLIENT_ID, vec![0, 3, 0, 1, 2]);
        let relay_id = (OptionCode::RELAY_ID, b"\0\x01r".to_vec());
        let remote_id = (OptionCode::REMOTE_ID, b"\0\0\0\x01r".to_vec());
        let everything = |kind, since| frame(kind, QueryType::BY_LINK_ADDRESS, none, since, &[]);
        vec![
            everything(bulk, since(0x1000_0000)),
            everything(active, None),
            everything(active, since(5)),
            everything(active, since(15)),
            everything(active, since(500)),
            frame(bulk, QueryType::BY_LINK_ADDRESS, address(1, 9), None, &[]),
            frame(bulk, QueryType::BY_ADDRESS, none, None, &[about(address(1, 1))]),
            frame(bulk, QueryType::BY_CLIENT_ID, none, None, std::slice::from_ref(&client)),
            frame(bulk, QueryType::BY_RELAY_ID, none, None, std::slice::from_ref(&relay_id)),
            frame(bulk, QueryType::BY_REMOTE_ID, address(2, 0), since(30), &[remote_id]),
            frame(active, QueryType::BY_RELAY_ID, address(1, 0), since(9), &[relay_id]),
            frame(active, QueryType::BY_CLIENT_ID, none, None, &[client]),
            frame(bulk, QueryType::BY_ADDRESS, none, None, &[about(key(7).address())]),
            frame(MessageType::START_TLS, QueryType::BY_ADDRESS, none, None, &[]),
            frame(bulk, QueryType::BY_ADDRESS, none, None, &[]),
            frame(bulk, QueryType(9), none, None, &[]),
            frame(MessageType::LEASE_QUERY_DATA, QueryType::BY_ADDRESS, none, None, &[]),
            everything(bulk, None),
        ]
    }

    fn put_xid(frame: &mut [u8], xid: u8) {
        if let Some(last) = frame.get_mut(5) {
            *last = xid;
        }
    }

    fn xid(body: &[u8]) -> u32 {
        body.get(..4).map_or(0, |head| u32::from_be_bytes([0, head[1], head[2], head[3]]))
    }

    fn facts(body: &[u8]) -> Option<Facts> {
        let message = Message::parse(body).ok()?;
        let status = message.status().ok().flatten().map(|status| status.code);
        let kind = message.message_type();
        let nothing = message.client_data().ok().flatten().is_none();
        let last = kind == MessageType::LEASE_QUERY_DONE || (kind == MessageType::LEASE_QUERY_REPLY && nothing);
        let ends = [StatusCode::CATCH_UP_COMPLETE, StatusCode::DATA_MISSING];
        Some(Facts {
            xid: message.transaction_id(),
            base_time: message.base_time().ok().flatten().map(|seconds| Time(seconds.saturating_add(EPOCH))),
            ends_catch_up: status.is_some_and(|status| ends.contains(&status)),
            may_be_last: last
                || kind == MessageType::REPLY
                || (kind == MessageType::LEASE_QUERY_REPLY && status.is_some_and(|code| code != StatusCode::SUCCESS)),
            completes: last && status.is_none(),
        })
    }

    fn asks_catch_up(body: &[u8]) -> bool {
        Message::parse(body).is_ok_and(|message| message.options().find(OptionCode::START_TIME).is_some())
    }

    fn told(body: &[u8]) -> Vec<Vec<u8>> {
        let Some(data) = Message::parse(body).ok().and_then(|message| message.client_data().ok()?) else {
            return Vec::new();
        };
        let key = |lease: Lease<'_>| [&lease.address.octets()[..], lease.prefix_length.as_slice()].concat();
        data.leases().filter_map(Result::ok).map(key).collect()
    }

    /// That is a query for the links of all that has changed since long ago.
    fn asks_everything(body: &[u8]) -> bool {
        let Ok(message) = Message::parse(body) else { return false };
        let Ok(Some(query)) = message.query() else { return false };
        let long_ago = |since: u32| since.saturating_add(EPOCH) < NOW.0 - 1_000_000;
        let time = |code| message.options().u32(code).ok().flatten();
        let inside = query.options.iter().any(|(code, _)| code != OptionCode::REQUEST);
        message.message_type() == MessageType::LEASE_QUERY
            && query.query_type == QueryType::BY_LINK_ADDRESS
            && query.link.is_unspecified()
            && !inside
            && time(OptionCode::START_TIME).is_some_and(long_ago)
            && message.options().find(OptionCode::END_TIME).is_none()
    }

    fn tellable(store: &Store<V6Key>, relayed: bool) -> BTreeSet<Vec<u8>> {
        let budget = Budget::unlimited();
        let entries = store.scan(leasequery_store::Selector::All, VpnRange::All, None, &budget);
        let live = entries.filter_map(|entry| match entry {
            Entry::Bound(binding) if binding.state() == State::Active => Some(binding),
            _ => None,
        });
        live.filter(|binding| !relayed || binding.relay_info().is_some())
            .map(|binding| binding.key())
            .map(|key| [&key.address().octets()[..], key.prefix_length().as_slice()].concat())
            .collect()
    }

    fn reply(input: &mut Input<'_>, xid: u32, now: Time, out: &mut Vec<u8>) {
        let kind = match input.u8() {
            octet @ 240.. => octet & 0x1f,
            octet => [15, 15, 17, 17, 17, 17, 16, 7][usize::from(octet & 7)],
        };
        let (number, flags) = (input.u8(), input.u8());
        let right = flags & 0xf0 != 0xf0;
        let mut writer = MessageWriter::frame(out, MessageType(kind), if right { xid } else { xid ^ 7 });
        if kind == 15 {
            writer.option(OptionCode::SERVER_ID, &SERVER);
            writer.option(OptionCode::CLIENT_ID, if right { &REQUESTOR } else { &SERVER });
        }
        if flags & 2 == 0 {
            // At most two minutes from now, and seldom from any other time.
            let offset = u32::from(input.u8());
            let time = if flags & 4 == 0 { now.minus(offset / 16) } else { now.plus(offset).minus(128) };
            writer.u32(OptionCode::BASE_TIME, wire(time));
        }
        if flags & 1 == 0 {
            let data = writer.open(OptionCode::CLIENT_DATA);
            writer.option(OptionCode::CLIENT_ID, &[0, 3, 0, 1, number / 4]);
            writer.u32(OptionCode::CLT_TIME, (flags >> 2).into());
            for _ in 0..=number % 3 {
                let (number, valid) = (input.u8(), input.u16());
                let valid = if valid == 0xffff { u32::MAX } else { valid.into() };
                let key = key(number & 15);
                writer.lease(key.address(), key.prefix_length(), valid / 2, valid);
            }
            if flags & 8 != 0 {
                let (code, length) = (input.u8(), input.below(80));
                writer.option(OptionCode(code.into()), input.piece(length));
            }
            writer.close(data);
        } else if flags & 8 != 0 {
            writer.status(StatusCode(u16::from(input.u8()) % 17), "text");
        }
        let _ = writer.finish();
    }

    fn question(number: u8) -> Query {
        let since = (number & 8 != 0).then(|| NOW.minus(number.into()));
        let by = |primary| Selector { primary, link: None };
        match number % 4 {
            0 => ActiveQuery { since, ..ActiveQuery::default() }.into(),
            1 => BulkQuery { since: since.or(Some(Time(EPOCH))), ..BulkQuery::default() }.into(),
            2 => BulkQuery { selector: by(Primary::ClientId(vec![0, 3, 0, 1, 2])), ..BulkQuery::default() }.into(),
            _ => {
                let selector = Selector { link: Some(address(1, 0)), ..by(Primary::RelayId(b"\0\x01r".to_vec())) };
                BulkQuery { selector, options: vec![23], ..BulkQuery::default() }.into()
            }
        }
    }

    fn wanted() -> V6Wanted {
        V6Wanted {
            selector: Selector::default(),
            options: Vec::new(),
            client_id: REQUESTOR.into(),
            listeners: Arc::default(),
        }
    }
}

/// A query with an OPTION_LQ_QUERY that asks for everything about a lease.
fn frame(
    kind: MessageType,
    query_type: QueryType,
    link: Ipv6Addr,
    time: Option<(OptionCode, Vec<u8>)>,
    inside: &[(OptionCode, Vec<u8>)],
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::frame(&mut out, kind, 7);
    writer.option(OptionCode::CLIENT_ID, &REQUESTOR);
    if let Some((code, value)) = time {
        writer.option(code, &value);
    }
    writer.option(OptionCode::REQUEST, &[0, 100, 0, 47, 0, 23]);
    let query = writer.query(query_type, link);
    for (code, value) in inside {
        writer.option(*code, value);
    }
    writer.option(OptionCode::REQUEST, &[0, 47, 0, 23]);
    writer.close(query);
    let _ = writer.finish();
    out
}
