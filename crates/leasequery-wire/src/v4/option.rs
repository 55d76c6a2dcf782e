//! The table of options that leasequery gives a meaning: which lengths their values may have, and which slot of the
//! decoder remembers them.

use super::OptionCode;
use crate::Problem;

/// The lengths an option's value may have.
#[derive(Clone, Copy)]
pub(super) enum Lengths {
    Exactly(usize, &'static str),
    AtLeast(usize, &'static str),
}

/// One line: code, lengths. The position in the table is the decoder's slot.
const TABLE: [(OptionCode, Lengths); SLOTS] = [
    (OptionCode::MESSAGE_TYPE, ONE),
    (OptionCode::OVERLOAD, ONE),
    (OptionCode::LEASE_TIME, FOUR),
    (OptionCode::SERVER_IDENTIFIER, FOUR),
    (OptionCode::PARAMETER_REQUEST_LIST, Lengths::AtLeast(1, "1 or more")),
    (OptionCode::MAX_MESSAGE_SIZE, Lengths::Exactly(2, "2")),
    (OptionCode::RENEWAL_TIME, FOUR),
    (OptionCode::REBINDING_TIME, FOUR),
    (OptionCode::CLIENT_IDENTIFIER, Lengths::AtLeast(0, "any number")),
    (OptionCode::RELAY_AGENT_INFORMATION, Lengths::AtLeast(0, "any number")),
    (OptionCode::CLIENT_LAST_TRANSACTION_TIME, FOUR),
    (OptionCode::STATUS_CODE, Lengths::AtLeast(1, "1 or more")),
    (OptionCode::BASE_TIME, FOUR),
    (OptionCode::START_TIME_OF_STATE, FOUR),
    (OptionCode::QUERY_START_TIME, FOUR),
    (OptionCode::QUERY_END_TIME, FOUR),
    (OptionCode::DHCP_STATE, ONE),
    (OptionCode::DATA_SOURCE, ONE),
    (OptionCode::VPN_SELECTION, Lengths::AtLeast(1, "1 or more")),
];

const FOUR: Lengths = Lengths::Exactly(4, "4");
const ONE: Lengths = Lengths::Exactly(1, "1");

#[allow(clippy::cast_possible_truncation, reason = "a small constant")]
const SLOT_COUNT: u8 = SLOTS as u8;
pub(super) const SLOTS: usize = 19;

/// Marks codes without a slot.
const NONE: u8 = u8::MAX;

/// Slot of each code.
const SLOT_OF: [u8; 256] = {
    let mut slots = [NONE; 256];
    let mut slot = 0_u8;
    while slot < SLOT_COUNT {
        slots[TABLE[slot as usize].0.0 as usize] = slot;
        slot += 1;
    }
    slots
};

/// The decoder's slot of an option that the table knows.
#[inline]
pub(super) fn slot_of(code: u8) -> Option<usize> {
    let slot = SLOT_OF[usize::from(code)];
    (slot != NONE).then_some(usize::from(slot))
}

/// Checks a value's length against the table.
#[inline]
pub(super) fn check_length(code: OptionCode, value: &[u8]) -> Result<(), Problem> {
    let Some(slot) = slot_of(code.0) else { return Ok(()) };
    let (right, expected) = match TABLE[slot].1 {
        Lengths::Exactly(length, text) => (value.len() == length, text),
        Lengths::AtLeast(length, text) => (value.len() >= length, text),
    };
    if right { Ok(()) } else { Err(Problem::Length { code: code.0.into(), length: value.len(), expected }) }
}
