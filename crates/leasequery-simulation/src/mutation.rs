//! Faults put in on purpose, between the parts, to see that the simulation notices.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use leasequery_store::Time;
use leasequery_wire::v4::{
    BOOT_REPLY, Header, MIN_MESSAGE, Message, MessageType, MessageWriter, OptionCode, StatusCode,
};
use leasequery_wire::{Framing, split_frame};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// The server stamps all messages with the time of now.
    BaseTimeOfNow,
    /// The requestor resumes from the base-time of the last bulk message.
    ResumeFromLastBulk,
    /// The server does not tell that leases end.
    NoTombstones,
    /// The server says that catching up is complete when it begins.
    EarlyCatchUpComplete,
    /// A watcher saves its position before what it was told is out.
    PositionAheadOfData,
    /// The server says that catching up is complete where data are missing.
    NoDataMissing,
    /// The requestor never asks for everything again.
    NoSweeps,
    /// The requestor asks for what changed a second after its resume point.
    ResumeLate,
    /// A message in a hundred gets lost.
    LostMessages,
    /// The server forgets that it may have forgotten.
    NoLostHistory,
    /// The server does not tell of a lease that has the same client as the last time.
    DroppedRenewals,
    /// The server says that leases last half a minute longer.
    LongerLeases,
    /// The server does not tell of addresses that are merely configured.
    NoFreeAddresses,
    /// A mirror's position is on disk before what was told up to there.
    PositionBeforeCommits,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::BaseTimeOfNow,
        Self::ResumeFromLastBulk,
        Self::NoTombstones,
        Self::EarlyCatchUpComplete,
        Self::PositionAheadOfData,
        Self::NoDataMissing,
        Self::NoSweeps,
        Self::ResumeLate,
        Self::LostMessages,
        Self::NoLostHistory,
        Self::DroppedRenewals,
        Self::LongerLeases,
        Self::NoFreeAddresses,
        Self::PositionBeforeCommits,
    ];

    /// Changes what a server is about to send. Only whole messages are in `out`.
    pub(crate) fn on_server_output(
        self,
        out: &mut Vec<u8>,
        active: bool,
        now: Time,
        clients: &mut Clients,
        random: &mut fastrand::Rng,
    ) {
        let mut changed = Vec::with_capacity(out.len());
        let mut rest = out.as_slice();
        while let Ok(Framing::Frame { body, rest: behind }) = split_frame(rest, MIN_MESSAGE) {
            let frame = &rest[..rest.len() - behind.len()];
            rest = behind;
            let Ok(message) = Message::parse(body) else { continue };
            let kind = message.message_type();
            let status = message.status().ok().flatten().map(|status| status.code);
            let at = changed.len();
            match self {
                Self::NoTombstones if active && kind == MessageType::LEASE_UNASSIGNED => {}
                Self::LostMessages
                    if kind != MessageType::LEASE_QUERY_DONE
                        && kind != MessageType::LEASE_QUERY_STATUS
                        && random.u8(0..100) == 0 => {}
                Self::NoDataMissing if status == Some(StatusCode::DATA_MISSING) => {
                    complete(&mut changed, message.xid(), now);
                }
                Self::DroppedRenewals if active && is_renewal(&message, clients) => {}
                Self::NoFreeAddresses
                    if kind == MessageType::LEASE_UNASSIGNED
                        && message.chaddr().is_empty()
                        && message.client_identifier().is_none() => {}
                Self::LongerLeases => {
                    changed.extend_from_slice(frame);
                    if let Ok(Some(seconds)) = message.lease_time() {
                        put_time(&mut changed[at..], OptionCode::LEASE_TIME, Time(seconds).plus(30));
                    }
                }
                Self::BaseTimeOfNow if active => {
                    changed.extend_from_slice(frame);
                    put_time(&mut changed[at..], OptionCode::BASE_TIME, now);
                }
                _ => changed.extend_from_slice(frame),
            }
        }
        *out = changed;
    }

    /// Changes what a server sends first in an active response.
    pub(crate) fn on_active_begin(self, xid: u32, out: &mut Vec<u8>, now: Time) {
        if self == Self::EarlyCatchUpComplete {
            complete(out, xid, now);
        }
    }

    /// Changes what a requestor is about to send. `bulk` is the latest base-time of a bulk message.
    pub(crate) fn on_client_output(self, out: &mut [u8], bulk: Option<Time>) {
        let Ok(Framing::Frame { body, .. }) = split_frame(out, MIN_MESSAGE) else { return };
        let Ok(message) = Message::parse(body) else { return };
        if message.message_type() != MessageType::ACTIVE_LEASE_QUERY {
            return;
        }
        let Ok(Some(since)) = message.query_start_time() else { return };
        let changed = match (self, bulk) {
            (Self::ResumeLate, _) => Time(since).plus(1),
            (Self::ResumeFromLastBulk, Some(bulk)) => Time(since).max(bulk),
            _ => return,
        };
        put_time(out, OptionCode::QUERY_START_TIME, changed);
    }
}

/// Who had which address when it was last told of.
pub(crate) type Clients = BTreeMap<(Vec<u8>, Ipv4Addr), (Vec<u8>, Vec<u8>)>;

/// Whether the last message about an address had the same client.
fn is_renewal(message: &Message<'_>, clients: &mut Clients) -> bool {
    let vpn = message.option(OptionCode::VPN_SELECTION).unwrap_or_default().to_vec();
    let client = (message.chaddr().to_vec(), message.client_identifier().unwrap_or_default().to_vec());
    match message.message_type() {
        MessageType::LEASE_ACTIVE => {
            clients.insert((vpn, message.ciaddr()), client.clone()).is_some_and(|before| before == client)
        }
        MessageType::LEASE_UNASSIGNED => {
            clients.remove(&(vpn, message.ciaddr()));
            false
        }
        _ => false,
    }
}

fn complete(out: &mut Vec<u8>, xid: u32, now: Time) {
    let mut writer = MessageWriter::frame(out, &Header::new(BOOT_REPLY, xid), MessageType::LEASE_QUERY_STATUS);
    writer.u32(OptionCode::BASE_TIME, now.0);
    writer.status(StatusCode::CATCH_UP_COMPLETE, "");
    let _ = writer.finish();
}

/// Writes a time over the one in a frame.
fn put_time(frame: &mut [u8], code: OptionCode, time: Time) {
    // Behind the length, the header and the cookie.
    let mut at = 2 + MIN_MESSAGE;
    while at + 2 <= frame.len() && frame[at] != 255 {
        if frame[at] == 0 {
            at += 1;
            continue;
        }
        let length = usize::from(frame[at + 1]);
        if frame[at] == code.0 && length == 4 && at + 6 <= frame.len() {
            frame[at + 2..at + 6].copy_from_slice(&time.0.to_be_bytes());
        }
        at += 2 + length;
    }
}
