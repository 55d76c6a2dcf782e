use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use leasequery_protocol::follower::V4Wanted;
use leasequery_protocol::requestor::v4::{ActiveQuery, BulkQuery, Primary, Query, V4, VpnChoice};
use leasequery_protocol::server::{Policy, v4};
use leasequery_store::{Budget, Entry, Hardware, Network, Selector, Settings, State, Store, SweepEnd, Time};
use leasequery_store::{Update, V4Key};
use leasequery_store::{VpnIndex, VpnName, VpnRange};
use leasequery_wire::v4::{
    BOOT_REPLY, BOOT_REQUEST, Header, Message, MessageType, MessageWriter, OptionCode, StatusCode,
};

use super::{Facts, Family, NOW};
use crate::input::Input;

/// The server's address.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Seconds for which a store remembers.
const HISTORY: u32 = 20;

fn key(number: u8) -> V4Key {
    V4Key::new(Ipv4Addr::new(10, 0, 0, number))
}

/// A binding that is told with whatever there is to be told.
fn lease(store: &mut Store<V4Key>, key: V4Key, number: u8, filling: usize) {
    let (now, source) = (store.now(), store.source("fuzz").unwrap_or_default());
    let mac = [2, 0, 0, 0, 0, number / 3];
    let client_id = [1, 2, 0, 0, 0, 0, number / 2];
    let relay_info = [&[1, 1, number, 2, 1, b'r', 11, 4, 192, 0, 2, 9, 12, 1][..], &[number / 4]].concat();
    let filling = vec![number; filling];
    let update = Update {
        hardware: (number % 4 != 3).then_some(Hardware { htype: 1, address: &mac }),
        client_id: (number % 3 != 2).then_some(&client_id),
        last_transaction: Some(now.minus(number.into())),
        expires: (number % 5 != 4).then(|| now.plus(10 * u32::from(number) + 1)),
        renews: Some(now.plus(5)),
        relay_info: Some(&relay_info),
        remote_id: Some(b"r"),
        relay_id: relay_info.last_chunk::<1>().map(<[u8; 1]>::as_slice),
        options: &[(12, b"host"), (60, &filling)],
        remote: number.is_multiple_of(7),
        ..Update::new(key, State::Active)
    };
    store.commit(source, &update);
}

impl Family for V4 {
    type Server = v4::V4;

    const ONCE_THOUGH_CHANGED: bool = true;

    fn server(policy: Arc<Policy>, active: bool, secure: bool) -> v4::V4 {
        let server = v4::V4::new(SERVER, policy, active);
        if secure { server.secure() } else { server }
    }

    fn store() -> Store<V4Key> {
        let mut store = Store::new(Settings { history: HISTORY, ..Settings::default() });
        store.advance(NOW.minus(60));
        store.set_networks(None, &[Network { first: key(0), last: key(60), since: NOW.minus(3600) }]);
        let blue = store.vpn(None, &VpnName::Name(b"blue".as_slice().into())).unwrap_or_default();
        for number in 0..20 {
            let vpn = if number % 5 == 0 { blue } else { key(0).vpn };
            lease(&mut store, V4Key { vpn, ..key(number * 3) }, number, 8);
            if number % 4 == 0 {
                store.advance(store.now().plus(10));
            }
        }
        store.advance(NOW);
        store
    }

    fn change(store: &mut Store<V4Key>, what: u8, number: u8) {
        let source = store.source("fuzz").unwrap_or_default();
        match what % 8 {
            0..=2 => lease(store, key(number), number, 8),
            3 => lease(store, key(number), what, usize::from(what) * 250),
            4 => drop(store.end_lease(source, key(number), State::Released)),
            5 => drop(store.commit(source, &Update::new(key(number), State::Abandoned))),
            6 => store.set_networks(
                None,
                &[Network { first: key(number / 2), last: key(number), since: store.now().minus(what.into()) }],
            ),
            _ => {
                store.begin_sweep(source);
                lease(store, key(number), number, 0);
                let mut end = SweepEnd::default();
                while !store.end_sweep(source, &mut end, &Budget::new(64)) {}
            }
        }
    }

    fn queries() -> Vec<Vec<u8>> {
        let bulk = MessageType::BULK_LEASE_QUERY;
        let active = MessageType::ACTIVE_LEASE_QUERY;
        let all = (OptionCode::PARAMETER_REQUEST_LIST, vec![51, 58, 59, 61, 82, 91, 152, 153, 156, 157, 12, 60]);
        let list = |options: &[(OptionCode, &[u8])]| {
            let own = options.iter().map(|(code, value)| (*code, value.to_vec()));
            own.chain([all.clone()]).collect::<Vec<_>>()
        };
        let since = |ago: u32| NOW.minus(ago).0.to_be_bytes();
        let (start, end) = (OptionCode::QUERY_START_TIME, OptionCode::QUERY_END_TIME);
        let (relay, vpn) = (OptionCode::RELAY_AGENT_INFORMATION, OptionCode::VPN_SELECTION);
        vec![
            frame(bulk, &[], &list(&[])),
            frame(active, &[], &list(&[])),
            frame(active, &[], &list(&[(start, &since(5))])),
            frame(active, &[], &list(&[(start, &since(15))])),
            frame(active, &[], &list(&[(start, &since(500)), (vpn, &[254])])),
            frame(bulk, &[], &list(&[(vpn, &[254])])),
            frame(bulk, &[], &list(&[(vpn, b"\0blue")])),
            frame(bulk, &[2, 0, 0, 0, 0, 2], &list(&[])),
            frame(bulk, &[], &list(&[(OptionCode::CLIENT_IDENTIFIER, &[1, 2, 0, 0, 0, 0, 3])])),
            frame(bulk, &[], &list(&[(relay, b"\x02\x01r")])),
            frame(bulk, &[], &list(&[(relay, &[12, 1, 2])])),
            frame(bulk, &[], &list(&[(start, &since(15)), (end, &since(2))])),
            frame(bulk, &[], &[]),
            frame(MessageType::TLS, &[], &[]),
            frame(MessageType::LEASE_QUERY, &[2, 0, 0, 0, 0, 2], &list(&[])),
            frame(MessageType::DISCOVER, &[2, 0, 0, 0, 0, 2], &[]),
            frame(bulk, &[2, 0, 0, 0, 0, 2], &list(&[(relay, b"\x02\x01r")])),
            frame(bulk, &[], &list(&[(start, &[0])])),
        ]
    }

    fn put_xid(frame: &mut [u8], xid: u8) {
        if let Some(last) = frame.get_mut(9) {
            *last = xid;
        }
    }

    fn xid(body: &[u8]) -> u32 {
        body.get(4..).and_then(<[u8]>::first_chunk).copied().map(u32::from_be_bytes).unwrap_or_default()
    }

    fn facts(body: &[u8]) -> Option<Facts> {
        let message = Message::parse(body).ok()?;
        let status = message.status().ok().flatten().map(|status| status.code);
        let (says, kind) = (|code| status == Some(code), message.message_type());
        let ended = [
            StatusCode::UNSPEC_FAIL,
            StatusCode::QUERY_TERMINATED,
            StatusCode::MALFORMED_QUERY,
            StatusCode::NOT_ALLOWED,
        ];
        Some(Facts {
            xid: message.xid(),
            base_time: message.base_time().ok().flatten().map(Time),
            ends_catch_up: kind == MessageType::LEASE_QUERY_STATUS
                && (says(StatusCode::CATCH_UP_COMPLETE) || says(StatusCode::DATA_MISSING)),
            may_be_last: match kind {
                MessageType::LEASE_QUERY_DONE | MessageType::TLS => true,
                MessageType::LEASE_QUERY_STATUS => ended.into_iter().any(says),
                _ => false,
            },
            completes: kind == MessageType::LEASE_QUERY_DONE && status.is_none(),
        })
    }

    fn asks_catch_up(body: &[u8]) -> bool {
        Message::parse(body).is_ok_and(|message| message.option(OptionCode::QUERY_START_TIME).is_some())
    }

    fn told(body: &[u8]) -> Vec<Vec<u8>> {
        let Ok(message) = Message::parse(body) else { return Vec::new() };
        if !matches!(message.message_type(), MessageType::LEASE_ACTIVE | MessageType::LEASE_UNASSIGNED) {
            return Vec::new();
        }
        let vpn = message.option(OptionCode::VPN_SELECTION).unwrap_or_default();
        vec![[&message.ciaddr().octets(), vpn].concat()]
    }

    fn asks_everything(body: &[u8]) -> bool {
        let Ok(message) = Message::parse(body) else { return false };
        let narrows = |(code, _): (OptionCode, _)| code != OptionCode::PARAMETER_REQUEST_LIST;
        let bulk = message.message_type() == MessageType::BULK_LEASE_QUERY;
        bulk && message.chaddr().is_empty() && !message.options().any(narrows)
    }

    fn tellable(store: &Store<V4Key>, relayed: bool) -> BTreeSet<Vec<u8>> {
        let relays =
            |entry: &Entry<'_, V4Key>| matches!(entry, Entry::Bound(binding) if binding.relay_info().is_some());
        let budget = Budget::unlimited();
        let entries = store.scan(Selector::All, VpnRange::One(VpnIndex::DEFAULT), None, &budget);
        entries.filter(|entry| !relayed || relays(entry)).map(|entry| entry.key().address.octets().to_vec()).collect()
    }

    fn reply(input: &mut Input<'_>, xid: u32, now: Time, out: &mut Vec<u8>) {
        let kind = match input.u8() {
            octet @ 240.. => octet & 0x1f,
            octet => [13, 13, 13, 11, 15, 17, 17, 18][usize::from(octet & 7)],
        };
        let (number, flags) = (input.u8() & 7, input.u8());
        let told = kind != 15 && kind != 17 && number > 0;
        let mac = [2, 0, 0, 0, 0, number];
        let mut header = Header::new(BOOT_REPLY, if flags & 0xf0 == 0xf0 { xid ^ 7 } else { xid });
        if told {
            header.ciaddr = key(number).address;
            header.htype = 1;
            header.chaddr = if flags & 1 == 0 { &mac } else { &[] };
        }
        let mut writer = MessageWriter::frame(out, &header, MessageType(kind));
        if flags & 2 == 0 {
            // At most two minutes from now, and seldom from any other time.
            let offset = u32::from(input.u8());
            let time = if flags & 4 == 0 { now.minus(offset / 16) } else { now.plus(offset).minus(128) };
            writer.u32(OptionCode::BASE_TIME, time.0);
        }
        if !told {
            writer.status(StatusCode(input.u8() % 10), "text");
        }
        for _ in 0..flags >> 3 & 3 {
            let code = input.u8();
            match code {
                51 | 58 | 59 | 91 | 152 | 153 | 154 => writer.u32(OptionCode(code), input.u32()),
                156 | 157 => writer.u8(OptionCode(code), input.u8()),
                221 => writer.option(OptionCode(code), [&b"\0blue"[..], &[255], &[254]][input.below(3)]),
                0 | 255 => {}
                code => {
                    let length = input.below(40);
                    writer.option(OptionCode(code), input.piece(length));
                }
            }
        }
        let _ = writer.finish();
    }

    fn question(number: u8) -> Query {
        let since = (number & 8 != 0).then(|| NOW.minus(number.into()));
        match number % 4 {
            0 => Query::Active(ActiveQuery { since, ..ActiveQuery::default() }),
            1 => BulkQuery { since, ..BulkQuery::default() }.into(),
            2 => BulkQuery { vpn: VpnChoice::All, primary: Primary::RemoteId(b"r".to_vec()), ..BulkQuery::default() }
                .into(),
            _ => BulkQuery { vpn: VpnChoice::Name(b"blue".to_vec()), options: vec![12], ..BulkQuery::default() }.into(),
        }
    }

    fn wanted() -> V4Wanted {
        V4Wanted::default()
    }
}

fn frame(kind: MessageType, mac: &[u8], options: &[(OptionCode, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let htype = u8::from(!mac.is_empty());
    let header = Header { htype, chaddr: mac, ..Header::new(BOOT_REQUEST, 7) };
    let mut writer = MessageWriter::frame(&mut out, &header, kind);
    for (code, value) in options {
        writer.option(*code, value);
    }
    let _ = writer.finish();
    out
}
