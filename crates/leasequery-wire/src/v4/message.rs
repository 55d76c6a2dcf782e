use std::borrow::Cow;
use std::net::Ipv4Addr;

use super::option::{SLOTS, check_length, slot_of};
use super::{COOKIE, DataSource, MIN_MESSAGE, MessageType, OptionCode, RelayAgentInformation, State, StatusCode, Vpn};
use crate::text::status_text;
use crate::{DecodeError, Problem};

const CHADDR: usize = 28;
const SNAME: usize = 44;
const FILE: usize = 108;
const COOKIE_AT: usize = 236;

/// A DHCPv4 message: a validated view of the octets it was parsed from.
///
/// The header, the extent of every option and the message type have been checked. The value of any other option is
/// checked by the getter that reads it, because a server has to answer a query with a bad option (RFC 6926 section 8.2)
/// and needs the rest of the message for that.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    bytes: &'a [u8],
    kind: MessageType,
    /// Offset and length of the options in the table; offset 0 is none.
    slots: [(u16, u16); SLOTS],
    /// Set when an option comes in pieces or outside the options area: all options, put together (RFC 3396 section 7)
    /// in order of first appearance.
    joined: Option<Vec<(OptionCode, Vec<u8>)>>,
}

/// status-code, option 151 (RFC 6926 section 6.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status<'a> {
    /// What happened.
    pub code: StatusCode,
    /// Text for people; invalid UTF-8 is replaced and NULs are removed.
    pub text: Cow<'a, str>,
}

impl<'a> Message<'a> {
    /// Checks that `bytes` are a DHCP message and finds its options.
    ///
    /// Accepts options without an end mark, as old peers send them. Refuses what is not a DHCP message, an option that
    /// runs past its area, and a message without a valid dhcp-message-type.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() < MIN_MESSAGE {
            return Err(at(bytes.len(), Problem::Truncated { found: bytes.len(), least: MIN_MESSAGE }));
        }
        // Everything is addressed with 16 bits below, as the frame on TCP is.
        let bytes = &bytes[..bytes.len().min(crate::MAX_MESSAGE)];
        let cookie = u32::from_be_bytes(array(bytes, COOKIE_AT));
        if cookie != COOKIE {
            return Err(at(COOKIE_AT, Problem::Cookie(cookie)));
        }
        if bytes[2] > 16 {
            return Err(at(2, Problem::HardwareLength(bytes[2])));
        }

        let mut slots = [(0_u16, 0_u16); SLOTS];
        let mut seen = [0_u64; 4];
        let mut in_pieces = false;
        for option in Options::new(bytes, MIN_MESSAGE, bytes.len()) {
            let (code, start, length) = option?;
            let (word, bit) = (&mut seen[usize::from(code >> 6)], 1_u64 << (code & 63));
            in_pieces |= *word & bit != 0;
            *word |= bit;
            if let Some(slot) = slot_of(code) {
                slots[slot] = (narrow(start), narrow(length));
            }
        }
        let mut message = Self { bytes, kind: MessageType(0), slots, joined: None };
        if in_pieces || seen[0] & 1 << OptionCode::OVERLOAD.0 != 0 {
            message.joined = Some(join(bytes)?);
        }
        message.kind = match message.checked(OptionCode::MESSAGE_TYPE)? {
            Some(value) => MessageType(value[0]),
            None => return Err(at(bytes.len(), Problem::NoMessageType)),
        };
        Ok(message)
    }

    /// 1 from a requestor, 2 from a server.
    #[inline]
    pub fn op(&self) -> u8 {
        self.bytes[0]
    }

    /// Type of hardware address (1: Ethernet).
    #[inline]
    pub fn htype(&self) -> u8 {
        self.bytes[1]
    }

    /// The significant octets of chaddr, `hlen` of them; 16 at most.
    #[inline]
    pub fn chaddr(&self) -> &'a [u8] {
        &self.bytes[CHADDR..CHADDR + usize::from(self.bytes[2])]
    }

    /// The whole chaddr field, significant or not.
    #[inline]
    pub fn chaddr_field(&self) -> [u8; 16] {
        array(self.bytes, CHADDR)
    }

    /// Transaction id.
    #[inline]
    pub fn xid(&self) -> u32 {
        u32::from_be_bytes(array(self.bytes, 4))
    }

    /// The address that a reply is about, or that a query over UDP asks for.
    #[inline]
    pub fn ciaddr(&self) -> Ipv4Addr {
        Ipv4Addr::from(array::<4>(self.bytes, 12))
    }

    /// Zero in leasequery.
    #[inline]
    pub fn yiaddr(&self) -> Ipv4Addr {
        Ipv4Addr::from(array::<4>(self.bytes, 16))
    }

    /// Zero in leasequery.
    #[inline]
    pub fn siaddr(&self) -> Ipv4Addr {
        Ipv4Addr::from(array::<4>(self.bytes, 20))
    }

    /// Where a query over UDP wants its answer.
    #[inline]
    pub fn giaddr(&self) -> Ipv4Addr {
        Ipv4Addr::from(array::<4>(self.bytes, 24))
    }

    /// dhcp-message-type, option 53.
    #[inline]
    pub fn message_type(&self) -> MessageType {
        self.kind
    }

    /// The value of an option, its pieces joined; `None` if it is absent.
    #[inline]
    pub fn option(&self, code: OptionCode) -> Option<&[u8]> {
        if let Some(joined) = &self.joined {
            return joined.iter().find(|(c, _)| *c == code).map(|(_, value)| value.as_slice());
        }
        match slot_of(code.0) {
            Some(slot) => {
                let (start, length) = self.slots[slot];
                let start = usize::from(start);
                (start != 0).then(|| &self.bytes[start..start + usize::from(length)])
            }
            None => self.plain().find(|(c, _)| *c == code).map(|(_, value)| value),
        }
    }

    /// All options but the message type, each once, in order of first appearance.
    pub fn options(&self) -> impl Iterator<Item = (OptionCode, &[u8])> {
        let joined = self.joined.iter().flatten().map(|(code, value)| (*code, value.as_slice()));
        let plain = self.joined.is_none().then(|| self.plain()).into_iter().flatten();
        joined.chain(plain).filter(|(code, _)| *code != OptionCode::MESSAGE_TYPE)
    }

    /// server-identifier, option 54.
    #[inline]
    pub fn server_identifier(&self) -> Result<Option<Ipv4Addr>, DecodeError> {
        Ok(self.word(OptionCode::SERVER_IDENTIFIER)?.map(Ipv4Addr::from))
    }

    /// dhcp-lease-time, option 51, in seconds; 0xffffffff is infinite.
    #[inline]
    pub fn lease_time(&self) -> Result<Option<u32>, DecodeError> {
        self.word(OptionCode::LEASE_TIME)
    }

    /// Renewal time (T1), option 58, in seconds.
    #[inline]
    pub fn renewal_time(&self) -> Result<Option<u32>, DecodeError> {
        self.word(OptionCode::RENEWAL_TIME)
    }

    /// Rebinding time (T2), option 59, in seconds.
    #[inline]
    pub fn rebinding_time(&self) -> Result<Option<u32>, DecodeError> {
        self.word(OptionCode::REBINDING_TIME)
    }

    /// client-last-transaction-time, option 91, in seconds before base-time.
    #[inline]
    pub fn client_last_transaction_time(&self) -> Result<Option<u32>, DecodeError> {
        self.word(OptionCode::CLIENT_LAST_TRANSACTION_TIME)
    }

    /// base-time, option 152, in seconds since 1970, unsigned.
    #[inline]
    pub fn base_time(&self) -> Result<Option<u32>, DecodeError> {
        self.word(OptionCode::BASE_TIME)
    }

    /// start-time-of-state, option 153, in seconds before base-time.
    #[inline]
    pub fn start_time_of_state(&self) -> Result<Option<u32>, DecodeError> {
        self.word(OptionCode::START_TIME_OF_STATE)
    }

    /// query-start-time, option 154, in seconds since 1970, unsigned.
    #[inline]
    pub fn query_start_time(&self) -> Result<Option<u32>, DecodeError> {
        self.word(OptionCode::QUERY_START_TIME)
    }

    /// query-end-time, option 155, in seconds since 1970, unsigned.
    #[inline]
    pub fn query_end_time(&self) -> Result<Option<u32>, DecodeError> {
        self.word(OptionCode::QUERY_END_TIME)
    }

    /// dhcp-state, option 156.
    #[inline]
    pub fn dhcp_state(&self) -> Result<Option<State>, DecodeError> {
        Ok(self.checked(OptionCode::DHCP_STATE)?.map(|value| State(value[0])))
    }

    /// data-source, option 157.
    #[inline]
    pub fn data_source(&self) -> Result<Option<DataSource>, DecodeError> {
        Ok(self.checked(OptionCode::DATA_SOURCE)?.map(|value| DataSource(value[0])))
    }

    /// client-identifier, option 61, of any length: what is too short for a query may still be in a lease.
    #[inline]
    pub fn client_identifier(&self) -> Option<&[u8]> {
        self.option(OptionCode::CLIENT_IDENTIFIER)
    }

    /// dhcp-parameter-request-list, option 55: codes of options, one an octet.
    #[inline]
    pub fn parameter_request_list(&self) -> Result<Option<&[u8]>, DecodeError> {
        self.checked(OptionCode::PARAMETER_REQUEST_LIST)
    }

    /// maximum-dhcp-message-size, option 57: octets of an IP datagram with the longest message that is accepted.
    pub fn max_message_size(&self) -> Result<Option<u16>, DecodeError> {
        Ok(self.checked(OptionCode::MAX_MESSAGE_SIZE)?.map(|value| u16::from_be_bytes(array(value, 0))))
    }

    /// status-code, option 151.
    pub fn status(&self) -> Result<Option<Status<'_>>, DecodeError> {
        Ok(self
            .checked(OptionCode::STATUS_CODE)?
            .map(|value| Status { code: StatusCode(value[0]), text: status_text(&value[1..]) }))
    }

    /// relay-agent-information, option 82.
    #[inline]
    pub fn relay_agent_information(&self) -> Result<Option<RelayAgentInformation<'_>>, DecodeError> {
        let offset = self.offset_of(OptionCode::RELAY_AGENT_INFORMATION);
        self.option(OptionCode::RELAY_AGENT_INFORMATION)
            .map(|value| RelayAgentInformation::parse(value).map_err(|error| shifted(error, offset)))
            .transpose()
    }

    /// VPN selection, option 221.
    #[inline]
    pub fn vpn(&self) -> Result<Option<Vpn<'_>>, DecodeError> {
        let offset = self.offset_of(OptionCode::VPN_SELECTION);
        self.checked(OptionCode::VPN_SELECTION)?
            .map(|value| Vpn::parse(OptionCode::VPN_SELECTION.0, value).map_err(|error| shifted(error, offset)))
            .transpose()
    }

    /// associated-ip, option 92: further addresses of the client.
    pub fn associated_ip(&self) -> Result<impl Iterator<Item = Ipv4Addr>, DecodeError> {
        let code = OptionCode::ASSOCIATED_IP;
        let value = self.option(code);
        if let Some(value) = value
            && (value.is_empty() || value.len() % 4 != 0)
        {
            let problem =
                Problem::Length { code: code.0.into(), length: value.len(), expected: "a multiple of 4, not 0" };
            return Err(at(self.offset_of(code), problem));
        }
        Ok(value.unwrap_or_default().as_chunks::<4>().0.iter().map(|octets| Ipv4Addr::from(*octets)))
    }

    /// The options of a message in which each has one piece and all are in the options area.
    fn plain(&self) -> impl Iterator<Item = (OptionCode, &'a [u8])> {
        let bytes = self.bytes;
        // `parse` has walked over all of them, so there are no errors left to drop.
        Options::new(bytes, MIN_MESSAGE, bytes.len())
            .flatten()
            .map(move |(code, start, length)| (OptionCode(code), &bytes[start..start + length]))
    }

    #[inline]
    fn word(&self, code: OptionCode) -> Result<Option<u32>, DecodeError> {
        Ok(self.checked(code)?.map(|value| u32::from_be_bytes(array(value, 0))))
    }

    /// An option's value, of a length that the table allows.
    #[inline]
    fn checked(&self, code: OptionCode) -> Result<Option<&[u8]>, DecodeError> {
        match self.option(code) {
            Some(value) => match check_length(code, value) {
                Ok(()) => Ok(Some(value)),
                Err(problem) => Err(at(self.offset_of(code), problem)),
            },
            None => Ok(None),
        }
    }

    /// Where an option's value starts, for errors; 0 if it was joined from pieces.
    fn offset_of(&self, code: OptionCode) -> usize {
        match slot_of(code.0) {
            Some(slot) if self.joined.is_none() => usize::from(self.slots[slot].0),
            _ => 0,
        }
    }
}

/// Joins the pieces of options, in the order options area, file, sname (RFC 3396 section 5, RFC 2131 section 4.1).
fn join(bytes: &[u8]) -> Result<Vec<(OptionCode, Vec<u8>)>, DecodeError> {
    let mut joined: Vec<(OptionCode, Vec<u8>)> = Vec::new();
    let mut gather = |from: usize, to: usize| -> Result<u8, DecodeError> {
        let mut overload = 0;
        for option in Options::new(bytes, from, to) {
            let (code, start, length) = option?;
            let value = &bytes[start..start + length];
            if code == OptionCode::OVERLOAD.0 {
                check_length(OptionCode::OVERLOAD, value).map_err(|problem| at(start, problem))?;
                overload = value[0];
            }
            match joined.iter_mut().find(|(c, _)| c.0 == code) {
                Some((_, whole)) => whole.extend_from_slice(value),
                None => joined.push((OptionCode(code), value.to_vec())),
            }
        }
        Ok(overload)
    };
    // Only the options area says which fields hold further options; RFC 2132 section 9.3 knows 1, 2 and 3.
    let overload = gather(MIN_MESSAGE, bytes.len())?;
    if overload & 1 != 0 {
        gather(FILE, COOKIE_AT)?;
    }
    if overload & 2 != 0 {
        gather(SNAME, FILE)?;
    }
    Ok(joined)
}

/// Walks over the options of one area: code, offset of the value, length of the value.
struct Options<'a> {
    bytes: &'a [u8],
    position: usize,
    end: usize,
}

impl<'a> Options<'a> {
    fn new(bytes: &'a [u8], position: usize, end: usize) -> Self {
        Self { bytes: &bytes[..end], position, end }
    }

    fn fail(&mut self, problem: Problem) -> DecodeError {
        let error = at(self.position, problem);
        self.position = self.end;
        error
    }
}

impl Iterator for Options<'_> {
    type Item = Result<(u8, usize, usize), DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let code = loop {
            match *self.bytes.get(self.position)? {
                OptionCode::PAD => self.position += 1,
                OptionCode::END => {
                    self.position = self.end;
                    return None;
                }
                code => break code,
            }
        };
        let Some(&length) = self.bytes.get(self.position + 1) else {
            return Some(Err(self.fail(Problem::NoLength(code.into()))));
        };
        let start = self.position + 2;
        let next = start + usize::from(length);
        if next > self.end {
            let left = self.end - start;
            return Some(Err(self.fail(Problem::Overrun { code: code.into(), length: length.into(), left })));
        }
        self.position = next;
        Some(Ok((code, start, usize::from(length))))
    }
}

fn at(offset: usize, problem: Problem) -> DecodeError {
    DecodeError { offset, problem }
}

fn shifted(error: DecodeError, by: usize) -> DecodeError {
    DecodeError { offset: error.offset + by, ..error }
}

/// `N` octets of `bytes`; callers have checked that they are there.
#[inline]
fn array<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
    bytes.get(start..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

/// An offset or length inside a message, which has 65,535 octets at most.
#[inline]
fn narrow(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
