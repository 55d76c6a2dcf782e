use leasequery_protocol::requestor::v4::V4;
use leasequery_store::Time;
use leasequery_wire::v4::{
    BOOT_REPLY, Header, MIN_MESSAGE, Message, MessageType, MessageWriter, OptionCode, StatusCode,
};

use crate::octets::{Facts, Is, Octets, Told, Word};

impl Octets for V4 {
    fn facts(body: &[u8]) -> Option<Facts> {
        let message = Message::parse(body).ok()?;
        let status = message.status().ok().flatten().map(|status| status.code);
        let word = match status.filter(|_| message.message_type() == MessageType::LEASE_QUERY_STATUS) {
            Some(StatusCode::CATCH_UP_COMPLETE) => Some(Word::CatchUpComplete),
            Some(StatusCode::DATA_MISSING) => Some(Word::DataMissing),
            _ => None,
        };
        Some(Facts { xid: message.xid(), base_time: message.base_time().ok().flatten().map(Time), word })
    }

    fn told(body: &[u8]) -> Vec<Told> {
        let Ok(message) = Message::parse(body) else { return Vec::new() };
        let bare = message.chaddr().is_empty() && message.client_identifier().is_none();
        let is = match message.message_type() {
            MessageType::LEASE_ACTIVE => Is::Live,
            MessageType::LEASE_UNASSIGNED if bare => Is::Free,
            MessageType::LEASE_UNASSIGNED => Is::Over,
            _ => return Vec::new(),
        };
        let vpn = message.option(OptionCode::VPN_SELECTION).unwrap_or_default();
        let client = [message.chaddr(), &[0], message.client_identifier().unwrap_or_default()].concat();
        vec![Told { key: [&message.ciaddr().octets(), vpn].concat(), client, is }]
    }

    fn leave_out(frame: &mut Vec<u8>, _place: usize) {
        frame.clear();
    }

    fn lengthen(frame: &mut [u8], seconds: u32) {
        change_time(frame, OptionCode::LEASE_TIME, |time| time.plus(seconds));
    }

    fn put_base_time(frame: &mut [u8], time: Time) {
        change_time(frame, OptionCode::BASE_TIME, |_| time);
    }

    fn make_complete(frame: &mut Vec<u8>, now: Time) {
        if let Some(facts) = Self::facts(&frame[2..]) {
            frame.clear();
            Self::write_complete(facts.xid, now, frame);
        }
    }

    fn write_complete(xid: u32, now: Time, out: &mut Vec<u8>) {
        let mut writer = MessageWriter::frame(out, &Header::new(BOOT_REPLY, xid), MessageType::LEASE_QUERY_STATUS);
        writer.u32(OptionCode::BASE_TIME, now.0);
        writer.status(StatusCode::CATCH_UP_COMPLETE, "");
        let _ = writer.finish();
    }

    fn change_start(frame: &mut [u8], change: impl FnOnce(Time) -> Time) {
        let asks =
            |body| Message::parse(body).is_ok_and(|message| message.message_type() == MessageType::ACTIVE_LEASE_QUERY);
        if frame.get(2..).is_some_and(asks) {
            change_time(frame, OptionCode::QUERY_START_TIME, change);
        }
    }
}

/// Writes a time over the one in a frame.
fn change_time(frame: &mut [u8], code: OptionCode, change: impl FnOnce(Time) -> Time) {
    // Behind the length, the header and the cookie.
    let mut at = 2 + MIN_MESSAGE;
    while at + 2 <= frame.len() && frame[at] != 255 {
        if frame[at] == 0 {
            at += 1;
            continue;
        }
        let length = usize::from(frame[at + 1]);
        if frame[at] == code.0
            && let Some(octets) = frame.get_mut(at + 2..at + 2 + length)
            && let Ok(octets) = <&mut [u8; 4]>::try_from(octets)
        {
            *octets = change(Time(u32::from_be_bytes(*octets))).0.to_be_bytes();
            return;
        }
        at += 2 + length;
    }
}
