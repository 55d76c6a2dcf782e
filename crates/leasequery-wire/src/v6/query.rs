use std::net::Ipv6Addr;

use super::options::wrong_length;
use super::{OptionCode, Options, QueryType, split_address};
use crate::DecodeError;

/// OPTION_LQ_QUERY (RFC 5007 section 4.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// What it is by.
    pub query_type: QueryType,
    /// An address on the link it is about; `::` names none.
    pub link: Ipv6Addr,
    /// Its parameters.
    pub options: Options<'a>,
}

impl<'a> Query<'a> {
    pub(super) fn parse(value: &'a [u8], offset: usize) -> Result<Self, DecodeError> {
        let found = value.split_first().and_then(|(kind, rest)| Some((*kind, split_address(rest)?)));
        let Some((kind, (link, options))) = found else {
            return Err(wrong_length(OptionCode::QUERY, value, offset, "17 or more"));
        };
        Ok(Self { query_type: QueryType(kind), link, options: Options::parse(options, offset + 17)? })
    }

    /// The address in question: that of the first OPTION_IAADDR.
    pub fn address(&self) -> Result<Option<Ipv6Addr>, DecodeError> {
        let Some((value, offset)) = self.options.find_placed(OptionCode::IA_ADDRESS) else { return Ok(None) };
        super::lease::address(value, offset).map(|lease| Some(lease.address))
    }

    /// The remote-id in question, its enterprise number in front.
    pub fn remote_id(&self) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.options.find_placed(OptionCode::REMOTE_ID) {
            Some((value, offset)) if value.len() < 5 => {
                Err(wrong_length(OptionCode::REMOTE_ID, value, offset, "5 or more"))
            }
            found => Ok(found.map(|(value, _)| value)),
        }
    }
}

#[cfg(test)]
mod tests;
