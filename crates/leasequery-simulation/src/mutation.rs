//! Faults put in on purpose, between the parts, to see that the simulation notices.

use std::collections::BTreeMap;

use leasequery_protocol::requestor;
use leasequery_store::Time;
use leasequery_wire::{Framing, split_frame};

use crate::Protocol;
use crate::family::Family;
use crate::octets::{Is, Word};

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
    /// What a message in a hundred tells gets lost.
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
    /// The clock of a store never runs back, whatever the machine's says.
    ClockNeverBack,
    /// Where a clock is set back the sources go on from where they are.
    NoEra,
    /// What was not read yet counts as known.
    UnknownIsFree,
    /// A copy of two servers takes what they say for what one says, so what one does not have is over.
    EndWithoutWitness,
    /// Of the leases that a message tells of only the first one is told.
    FirstLeaseAlone,
    /// A client is not told that another one has got what it had.
    SilentMoves,
    /// Of bindings that are forgotten while nothing can be written nobody remembers that.
    ForgetOnFailedWrite,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 21] = [
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
        Self::FirstLeaseAlone,
        Self::SilentMoves,
        Self::ForgetOnFailedWrite,
        Self::ClockNeverBack,
        Self::NoEra,
        Self::UnknownIsFree,
        Self::EndWithoutWitness,
    ];

    /// Whether it changes anything in a protocol: DHCPv6 does not tell of addresses that are merely configured, and
    /// DHCPv4 of no two leases in one message, nor of who lost what another one has.
    pub fn concerns(self, protocol: Protocol) -> bool {
        match self {
            Self::NoFreeAddresses => protocol == Protocol::V4,
            Self::FirstLeaseAlone | Self::SilentMoves => protocol == Protocol::V6,
            _ => true,
        }
    }

    /// Changes what a server is about to send. Only whole messages are in `out`.
    pub(crate) fn on_server_output<F: Family>(
        self,
        out: &mut Vec<u8>,
        active: bool,
        now: Time,
        clients: &mut Clients,
        random: &mut fastrand::Rng,
    ) {
        let mut changed = Vec::with_capacity(out.len());
        let mut rest = out.as_slice();
        while let Some((frame, behind)) = split::<F>(rest) {
            rest = behind;
            let mut frame = frame.to_vec();
            self.on_frame::<F>(&mut frame, active, now, clients, random);
            changed.append(&mut frame);
        }
        *out = changed;
    }

    fn on_frame<F: Family>(
        self,
        frame: &mut Vec<u8>,
        active: bool,
        now: Time,
        clients: &mut Clients,
        random: &mut fastrand::Rng,
    ) {
        let body = &frame[2..];
        match self {
            Self::LongerLeases => return F::lengthen(frame, 30),
            Self::BaseTimeOfNow if active => return F::put_base_time(frame, now),
            Self::NoDataMissing => {
                if F::facts(body).is_some_and(|facts| facts.word == Some(Word::DataMissing)) {
                    F::make_complete(frame, now);
                }
                return;
            }
            _ => {}
        }
        let told = F::told(body);
        let lost = self == Self::LostMessages && !told.is_empty() && random.u8(0..100) == 0;
        // From behind, so that the places of the others stay what they are.
        for (place, told) in told.iter().enumerate().rev() {
            let leave_out = match self {
                Self::NoTombstones => active && told.is == Is::Over,
                Self::LostMessages => lost,
                Self::NoFreeAddresses => told.is == Is::Free,
                Self::FirstLeaseAlone => place > 0,
                Self::SilentMoves if active => match told.is {
                    Is::Live => {
                        clients.insert(told.key.clone(), told.client.clone());
                        false
                    }
                    Is::Over | Is::Free => clients.get(&told.key).is_some_and(|client| *client != told.client),
                },
                Self::DroppedRenewals if active => match told.is {
                    Is::Live => clients.insert(told.key.clone(), told.client.clone()).as_ref() == Some(&told.client),
                    Is::Over | Is::Free => {
                        clients.remove(&told.key);
                        false
                    }
                },
                _ => false,
            };
            if leave_out {
                F::leave_out(frame, place);
            }
        }
    }

    /// Changes what a server sends first in an active response: `out` begins with that.
    pub(crate) fn on_active_begin<F: Family>(self, xid: u32, out: &mut Vec<u8>, now: Time) {
        if self != Self::EarlyCatchUpComplete {
            return;
        }
        let first = split::<F>(out).map_or(0, |(frame, _)| frame.len());
        let mut complete = Vec::new();
        F::write_complete(xid, now, &mut complete);
        out.splice(first..first, complete);
    }

    /// Changes what a requestor is about to send. `bulk` is the latest base-time of a bulk message.
    pub(crate) fn on_client_output<F: Family>(self, out: &mut [u8], bulk: Option<Time>) {
        match (self, bulk) {
            (Self::ResumeLate, _) => F::change_start(out, |since| since.plus(1)),
            (Self::ResumeFromLastBulk, Some(bulk)) => F::change_start(out, |since| since.max(bulk)),
            _ => {}
        }
    }
}

/// Who had which lease when it was last told of.
pub(crate) type Clients = BTreeMap<Vec<u8>, Vec<u8>>;

/// The first frame, and what is behind it.
pub(crate) fn split<F: Family>(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match split_frame(bytes, <F as requestor::Protocol>::MIN_MESSAGE) {
        Ok(Framing::Frame { rest, .. }) => Some((&bytes[..bytes.len() - rest.len()], rest)),
        _ => None,
    }
}
