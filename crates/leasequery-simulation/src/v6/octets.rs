use leasequery_protocol::requestor::v6::V6;
use leasequery_store::Time;
use leasequery_wire::v6::{MIN_MESSAGE, Message, MessageType, MessageWriter, OptionCode, StatusCode};

use crate::octets::{Facts, Is, Octets, Told, Word};

/// Seconds from 1970, where stores count from, to 2000, where DHCPv6 does.
const EPOCH: u32 = 946_684_800;

impl Octets for V6 {
    fn facts(body: &[u8]) -> Option<Facts> {
        let message = Message::parse(body).ok()?;
        let word = match message.status().ok().flatten().map(|status| status.code) {
            Some(StatusCode::CATCH_UP_COMPLETE) => Some(Word::CatchUpComplete),
            Some(StatusCode::DATA_MISSING) => Some(Word::DataMissing),
            _ => None,
        };
        let base_time = message.base_time().ok().flatten().map(|seconds| Time(seconds.saturating_add(EPOCH)));
        Some(Facts { xid: message.transaction_id(), base_time, word })
    }

    fn told(body: &[u8]) -> Vec<Told> {
        let Some(data) = Message::parse(body).ok().and_then(|message| message.client_data().ok()?) else {
            return Vec::new();
        };
        let client = data.client_id().ok().flatten().unwrap_or_default();
        let told = data.leases().filter_map(Result::ok).map(|lease| Told {
            key: [&lease.address.octets()[..], lease.prefix_length.as_slice()].concat(),
            client: client.to_vec(),
            is: if lease.valid > 0 { Is::Live } else { Is::Over },
        });
        told.collect()
    }

    fn leave_out(frame: &mut Vec<u8>, place: usize) {
        let (Some(lease), Some(data)) = (leases(frame).nth(place), find(frame, OptionCode::CLIENT_DATA)) else {
            return;
        };
        let taken = 4 + lease.length;
        frame.drain(lease.at..lease.at + taken);
        // What it was in has become shorter: the frame, and the option about the client.
        for at in [0, data.at + 2] {
            let before = usize::from(u16::from_be_bytes([frame[at], frame[at + 1]]));
            let length = u16::try_from(before - taken).unwrap_or_default();
            frame[at..at + 2].copy_from_slice(&length.to_be_bytes());
        }
    }

    fn lengthen(frame: &mut [u8], seconds: u32) {
        for Place { code, at, .. } in leases(frame).collect::<Vec<_>>() {
            let valid = at + 4 + if code == OptionCode::IA_ADDRESS { 20 } else { 4 };
            change_time(frame, valid, |time| if time.0 > 0 { time.plus(seconds) } else { time });
        }
    }

    fn put_base_time(frame: &mut [u8], time: Time) {
        if let Some(place) = find(frame, OptionCode::BASE_TIME) {
            change_time(frame, place.at + 4, |_| Time(time.0.saturating_sub(EPOCH)));
        }
    }

    fn make_complete(frame: &mut Vec<u8>, _now: Time) {
        if let Some(place) = find(frame, OptionCode::STATUS_CODE) {
            frame[place.at + 4..place.at + 6].copy_from_slice(&StatusCode::CATCH_UP_COMPLETE.0.to_be_bytes());
        }
    }

    fn write_complete(xid: u32, now: Time, out: &mut Vec<u8>) {
        let mut writer = MessageWriter::frame(out, MessageType::LEASE_QUERY_DATA, xid);
        writer.u32(OptionCode::BASE_TIME, now.0.saturating_sub(EPOCH));
        writer.status(StatusCode::CATCH_UP_COMPLETE, "");
        let _ = writer.finish();
    }

    fn change_start(frame: &mut [u8], change: impl FnOnce(Time) -> Time) {
        let asks = frame.get(2) == Some(&MessageType::ACTIVE_LEASE_QUERY.0);
        if let Some(place) = find(frame, OptionCode::START_TIME).filter(|_| asks) {
            let shifted = |time: Time| Time(change(Time(time.0.saturating_add(EPOCH))).0.saturating_sub(EPOCH));
            change_time(frame, place.at + 4, shifted);
        }
    }
}

/// Where an option is in a frame: its header, and how many octets are behind that.
#[derive(Debug, Clone, Copy)]
struct Place {
    code: OptionCode,
    at: usize,
    length: usize,
}

/// The options between two places.
fn options(frame: &[u8], mut at: usize, end: usize) -> impl Iterator<Item = Place> {
    std::iter::from_fn(move || {
        let &[a, b, c, d] = frame.get(at..end)?.first_chunk()?;
        let (code, length) = (OptionCode(u16::from_be_bytes([a, b])), usize::from(u16::from_be_bytes([c, d])));
        let place = Place { code, at, length };
        at += 4 + length;
        Some(place)
    })
}

/// An option of the message itself.
fn find(frame: &[u8], code: OptionCode) -> Option<Place> {
    options(frame, 2 + MIN_MESSAGE, frame.len()).find(|place| place.code == code)
}

/// The leases that the message tells of.
fn leases(frame: &[u8]) -> impl Iterator<Item = Place> {
    let data = find(frame, OptionCode::CLIENT_DATA);
    let inside = data.into_iter().flat_map(|data| options(frame, data.at + 4, data.at + 4 + data.length));
    inside.filter(|place| matches!(place.code, OptionCode::IA_ADDRESS | OptionCode::IA_PREFIX))
}

fn change_time(frame: &mut [u8], at: usize, change: impl FnOnce(Time) -> Time) {
    if let Some(octets) = frame.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<4>) {
        *octets = change(Time(u32::from_be_bytes(*octets))).0.to_be_bytes();
    }
}
