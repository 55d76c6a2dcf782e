use std::net::Ipv6Addr;

use super::options::wrong_length;
use super::{OptionCode, Options, RelayData, split_address};
use crate::{DecodeError, Problem};

/// OPTION_CLIENT_DATA: what is known of one client on one link (RFC 5007 section 4.1.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientData<'a> {
    options: Options<'a>,
}

/// OPTION_IAADDR or OPTION_IAPREFIX (RFC 8415 sections 21.6 and 21.22).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease<'a> {
    /// The address, or the first one of the prefix.
    pub address: Ipv6Addr,
    /// Length of the prefix in bits, if it is one.
    pub prefix_length: Option<u8>,
    /// Seconds for which it is preferred, counted from the message.
    pub preferred: u32,
    /// Seconds for which it is valid, counted from the message; 0 once it is over.
    pub valid: u32,
    /// What is said about it.
    pub options: Options<'a>,
}

impl<'a> ClientData<'a> {
    #[inline]
    pub(super) fn parse(value: &'a [u8], offset: usize) -> Result<Self, DecodeError> {
        Ok(Self { options: Options::parse(value, offset)? })
    }

    /// All options.
    #[inline]
    pub fn options(&self) -> Options<'a> {
        self.options
    }

    /// The client's DUID.
    #[inline]
    pub fn client_id(&self) -> Result<Option<&'a [u8]>, DecodeError> {
        self.options.duid(OptionCode::CLIENT_ID)
    }

    /// OPTION_CLT_TIME: seconds since the client was last heard on this link.
    #[inline]
    pub fn clt_time(&self) -> Result<Option<u32>, DecodeError> {
        self.options.u32(OptionCode::CLT_TIME)
    }

    /// The addresses and the delegated prefixes, in their order.
    #[inline]
    pub fn leases(&self) -> impl Iterator<Item = Result<Lease<'a>, DecodeError>> + use<'a> {
        self.options.placed().filter_map(|(code, value, offset)| Lease::parse(code, value, offset).transpose())
    }

    /// OPTION_LQ_RELAY_DATA.
    pub fn relay_data(&self) -> Result<Option<RelayData<'a>>, DecodeError> {
        let found = self.options.find_placed(OptionCode::RELAY_DATA);
        found.map(|(value, offset)| RelayData::parse(value, offset)).transpose()
    }
}

impl<'a> Lease<'a> {
    /// Reads an option that is one of the two; `None` if it is another one. `offset` is where its value is in the message,
    /// for errors.
    #[inline]
    pub fn parse(code: OptionCode, value: &'a [u8], offset: usize) -> Result<Option<Self>, DecodeError> {
        match code {
            OptionCode::IA_ADDRESS => address(value, offset).map(Some),
            OptionCode::IA_PREFIX => prefix(value, offset).map(Some),
            _ => Ok(None),
        }
    }
}

/// Reads OPTION_IAADDR: address, lifetimes, options.
#[inline]
pub(super) fn address(value: &[u8], offset: usize) -> Result<Lease<'_>, DecodeError> {
    let found = split_address(value).and_then(|(address, rest)| Some((address, lifetimes(rest)?)));
    let Some((address, (preferred, valid, options))) = found else {
        return Err(wrong_length(OptionCode::IA_ADDRESS, value, offset, "24 or more"));
    };
    let options = Options::parse(options, offset + 24)?;
    Ok(Lease { address, prefix_length: None, preferred, valid, options })
}

/// Reads OPTION_IAPREFIX: lifetimes, length, prefix, options.
#[inline]
fn prefix(value: &[u8], offset: usize) -> Result<Lease<'_>, DecodeError> {
    let found = lifetimes(value).and_then(|(preferred, valid, rest)| {
        let (length, rest) = rest.split_first()?;
        Some((preferred, valid, *length, split_address(rest)?))
    });
    let Some((preferred, valid, length, (address, options))) = found else {
        return Err(wrong_length(OptionCode::IA_PREFIX, value, offset, "25 or more"));
    };
    if length > 128 {
        return Err(DecodeError {
            offset: offset + 8,
            problem: Problem::Value { code: OptionCode::IA_PREFIX.0, value: length },
        });
    }
    let options = Options::parse(options, offset + 25)?;
    Ok(Lease { address, prefix_length: Some(length), preferred, valid, options })
}

/// Preferred and valid lifetime.
#[inline]
fn lifetimes(bytes: &[u8]) -> Option<(u32, u32, &[u8])> {
    let (preferred, rest) = bytes.split_first_chunk::<4>()?;
    let (valid, rest) = rest.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*preferred), u32::from_be_bytes(*valid), rest))
}

#[cfg(test)]
mod tests;
