use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::options::wrong_length;
use super::{ClientData, MIN_MESSAGE, MessageType, OptionCode, Options, Query, RelayData, StatusCode};
use crate::text::status_text;
use crate::{DecodeError, Problem};

/// A message between a requestor and a server: a validated view of the octets it was parsed from.
///
/// The extents of the options have been checked. The value of an option is checked by the getter that reads it, because
/// a server has to answer a query with a bad option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    kind: MessageType,
    xid: u32,
    options: Options<'a>,
}

/// OPTION_STATUS_CODE (RFC 8415 section 21.13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status<'a> {
    /// What happened.
    pub code: StatusCode,
    /// Text for people; invalid UTF-8 is replaced and NULs are removed.
    pub text: Cow<'a, str>,
}

impl<'a> Message<'a> {
    /// Checks that `bytes` are a message. Relayed ones have another form ([`Relay`](super::Relay)).
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let Some((&[kind, a, b, c], options)) = bytes.split_first_chunk::<MIN_MESSAGE>() else {
            let problem = Problem::Truncated { found: bytes.len(), least: MIN_MESSAGE };
            return Err(DecodeError { offset: bytes.len(), problem });
        };
        let options = Options::parse(options, MIN_MESSAGE)?;
        Ok(Self { kind: MessageType(kind), xid: u32::from_be_bytes([0, a, b, c]), options })
    }

    /// Type of the message.
    #[inline]
    pub fn message_type(&self) -> MessageType {
        self.kind
    }

    /// Transaction id, of 24 bits.
    #[inline]
    pub fn transaction_id(&self) -> u32 {
        self.xid
    }

    /// All options.
    #[inline]
    pub fn options(&self) -> Options<'a> {
        self.options
    }

    /// OPTION_CLIENTID: the DUID of the requestor.
    #[inline]
    pub fn client_id(&self) -> Result<Option<&'a [u8]>, DecodeError> {
        self.options.duid(OptionCode::CLIENT_ID)
    }

    /// OPTION_SERVERID: the DUID of the server.
    #[inline]
    pub fn server_id(&self) -> Result<Option<&'a [u8]>, DecodeError> {
        self.options.duid(OptionCode::SERVER_ID)
    }

    /// OPTION_STATUS_CODE of the message itself. Without it a message is a success (RFC 8415 section 21.13).
    pub fn status(&self) -> Result<Option<Status<'a>>, DecodeError> {
        let Some((value, offset)) = self.options.find_placed(OptionCode::STATUS_CODE) else { return Ok(None) };
        let Some((code, text)) = value.split_first_chunk::<2>() else {
            return Err(wrong_length(OptionCode::STATUS_CODE, value, offset, "2 or more"));
        };
        Ok(Some(Status { code: StatusCode(u16::from_be_bytes(*code)), text: status_text(text) }))
    }

    /// OPTION_LQ_QUERY.
    pub fn query(&self) -> Result<Option<Query<'a>>, DecodeError> {
        let found = self.options.find_placed(OptionCode::QUERY);
        found.map(|(value, offset)| Query::parse(value, offset)).transpose()
    }

    /// OPTION_CLIENT_DATA.
    #[inline]
    pub fn client_data(&self) -> Result<Option<ClientData<'a>>, DecodeError> {
        let found = self.options.find_placed(OptionCode::CLIENT_DATA);
        found.map(|(value, offset)| ClientData::parse(value, offset)).transpose()
    }

    /// OPTION_LQ_RELAY_DATA where some servers put it: beside OPTION_CLIENT_DATA.
    pub fn relay_data(&self) -> Result<Option<RelayData<'a>>, DecodeError> {
        let found = self.options.find_placed(OptionCode::RELAY_DATA);
        found.map(|(value, offset)| RelayData::parse(value, offset)).transpose()
    }

    /// OPTION_LQ_CLIENT_LINK: link-addresses (RFC 5007 section 4.1.2.5).
    pub fn client_links(&self) -> Result<Option<impl Iterator<Item = Ipv6Addr> + use<'a>>, DecodeError> {
        let Some((value, offset)) = self.options.find_placed(OptionCode::CLIENT_LINK) else { return Ok(None) };
        let (links, []) = value.as_chunks::<16>() else {
            return Err(wrong_length(OptionCode::CLIENT_LINK, value, offset, "a multiple of 16"));
        };
        Ok(Some(links.iter().map(|octets| Ipv6Addr::from(*octets))))
    }

    /// OPTION_LQ_BASE_TIME, in seconds since 2000 (RFC 7653 section 6.3.1).
    #[inline]
    pub fn base_time(&self) -> Result<Option<u32>, DecodeError> {
        self.options.u32(OptionCode::BASE_TIME)
    }
}

#[cfg(test)]
mod tests;
