//! Where the parts of a message are. They are found once, however many leases it tells of: each of these is then read
//! without a look at the others.

use std::net::Ipv6Addr;

use leasequery_wire::DecodeError;
use leasequery_wire::v6::{Lease, Message, OptionCode, RelayData};

/// Options that have a field of their own in the record.
const FIELDS: [OptionCode; 6] = [
    OptionCode::CLIENT_ID,
    OptionCode::IA_ADDRESS,
    OptionCode::IA_PREFIX,
    OptionCode::CLT_TIME,
    OptionCode::RELAY_DATA,
    OptionCode::STATUS_CODE,
];

/// Whether an option has a field of its own.
pub(super) fn is_field(code: OptionCode) -> bool {
    FIELDS.contains(&code)
}

/// What a message says of a client, as places in the message.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// Transaction id and type of the message.
    pub(super) xid: u32,
    pub(super) kind: u8,
    /// Seconds since the client was heard on its link.
    pub(super) elapsed: u32,
    /// The first address of the client: what else the message tells of is on the same link.
    pub(super) on_link: Option<Ipv6Addr>,
    client_id: Part,
    relay_data: Option<Part>,
    leases: Vec<Part>,
    /// Options about the client without a field of their own.
    others: Vec<Part>,
}

/// The value of an option.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    code: u16,
    offset: usize,
    length: usize,
}

impl Part {
    fn new((code, value, offset): (OptionCode, &[u8], usize)) -> Self {
        Self { code: code.0, offset, length: value.len() }
    }

    fn of<'a>(&self, message: &'a [u8]) -> &'a [u8] {
        message.get(self.offset..self.offset + self.length).unwrap_or_default()
    }
}

impl Layout {
    /// Finds the parts of a message, and reads all of its leases: a message that is broken further back is none. Says
    /// whether it tells enough to know anything (RFC 5007 sections 4.3.3 and 4.4.2).
    pub(crate) fn find(&mut self, message: &Message<'_>) -> Result<bool, DecodeError> {
        let (mut leases, mut others) = (std::mem::take(&mut self.leases), std::mem::take(&mut self.others));
        leases.clear();
        others.clear();
        let (xid, kind) = (message.transaction_id(), message.message_type().0);
        *self = Self { xid, kind, leases, others, ..Self::default() };
        let Some(data) = message.client_data()? else { return Ok(false) };
        let (Some(_), Some(elapsed)) = (data.client_id()?, data.clt_time()?) else { return Ok(false) };
        self.elapsed = elapsed;
        for option in data.options().placed() {
            let (code, value, offset) = option;
            if let Some(lease) = Lease::parse(code, value, offset)? {
                if lease.prefix_length.is_none() {
                    self.on_link.get_or_insert(lease.address);
                }
                self.leases.push(Part::new(option));
            } else if !is_field(code) {
                self.others.push(Part::new(option));
            }
        }
        let first = |code: OptionCode| data.options().placed().find(|(other, ..)| *other == code);
        self.client_id = first(OptionCode::CLIENT_ID).map(Part::new).unwrap_or_default();
        // Some servers put it beside the client's data. What cannot be read costs nothing but itself.
        let outside = || message.options().placed().find(|(code, ..)| *code == OptionCode::RELAY_DATA);
        let sound = |option: &(OptionCode, &[u8], usize)| RelayData::parse(option.1, option.2).is_ok();
        let relay_data = first(OptionCode::RELAY_DATA).filter(sound).or_else(|| outside().filter(sound));
        self.relay_data = relay_data.map(Part::new);
        Ok(!self.leases.is_empty())
    }

    /// The `nth` lease.
    pub(super) fn lease<'a>(&self, message: &'a [u8], nth: usize) -> Result<Option<Lease<'a>>, DecodeError> {
        let Some(part) = self.leases.get(nth) else { return Ok(None) };
        Lease::parse(OptionCode(part.code), part.of(message), part.offset)
    }

    /// How many leases there are.
    pub(super) fn leases(&self) -> usize {
        self.leases.len()
    }

    /// The client's DUID.
    pub(super) fn client_id<'a>(&self, message: &'a [u8]) -> &'a [u8] {
        self.client_id.of(message)
    }

    pub(super) fn relay_data<'a>(&self, message: &'a [u8]) -> Option<RelayData<'a>> {
        self.relay_data.and_then(|part| RelayData::parse(part.of(message), part.offset).ok())
    }

    /// Options about the client without a field of their own.
    pub(super) fn others<'a>(&self, message: &'a [u8]) -> impl Iterator<Item = (OptionCode, &'a [u8])> {
        self.others.iter().map(move |part| (OptionCode(part.code), part.of(message)))
    }
}

#[cfg(test)]
mod tests;
