use super::OptionCode;
use crate::{DecodeError, Problem};

/// Options, back to back, each of which fits (RFC 8415 section 21.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options<'a> {
    bytes: &'a [u8],
    /// Offset in the message, for errors.
    offset: usize,
}

impl<'a> Options<'a> {
    /// Checks that options fill `bytes` exactly. They begin at `offset` of the message, which is for errors only.
    #[inline]
    pub fn parse(bytes: &'a [u8], offset: usize) -> Result<Self, DecodeError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = |problem| DecodeError { offset: offset + bytes.len() - rest.len(), problem };
            let Some((&[a, b, c, d], behind)) = rest.split_first_chunk::<4>() else {
                return Err(at(match *rest {
                    [a, b, ..] => Problem::NoLength(u16::from_be_bytes([a, b])),
                    _ => Problem::HalfCode,
                }));
            };
            let (code, length) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let Some((_, next)) = behind.split_at_checked(usize::from(length)) else {
                return Err(at(Problem::Overrun { code, length, left: behind.len() }));
            };
            rest = next;
        }
        Ok(Self { bytes, offset })
    }

    /// All of them in their order. A code that comes again is another option, not more of the same (RFC 8415 section
    /// 21).
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (OptionCode, &'a [u8])> + use<'a> {
        self.placed().map(|(code, value, _)| (code, value))
    }

    /// All of them, each with the offset of its value in the message.
    #[inline]
    pub fn placed(&self) -> impl Iterator<Item = (OptionCode, &'a [u8], usize)> + use<'a> {
        let (mut rest, end) = (self.bytes, self.offset + self.bytes.len());
        std::iter::from_fn(move || {
            let (&[a, b, c, d], behind) = rest.split_first_chunk::<4>()?;
            let (value, next) = behind.split_at_checked(usize::from(u16::from_be_bytes([c, d])))?;
            let offset = end - behind.len();
            rest = next;
            Some((OptionCode(u16::from_be_bytes([a, b])), value, offset))
        })
    }

    /// The first option with this code.
    #[inline]
    pub fn find(&self, code: OptionCode) -> Option<&'a [u8]> {
        self.iter().find(|(c, _)| *c == code).map(|(_, value)| value)
    }

    /// The first option with this code, and the offset of its value in the message.
    #[inline]
    pub(super) fn find_placed(&self, code: OptionCode) -> Option<(&'a [u8], usize)> {
        self.placed().find(|(c, ..)| *c == code).map(|(_, value, offset)| (value, offset))
    }

    /// The first option with this code, a DUID.
    #[inline]
    pub fn duid(&self, code: OptionCode) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.find_placed(code) {
            Some((value, offset)) if !super::is_duid(value) => Err(wrong_length(code, value, offset, "2 to 130")),
            found => Ok(found.map(|(value, _)| value)),
        }
    }

    /// The first option with this code, four octets.
    #[inline]
    pub fn u32(&self, code: OptionCode) -> Result<Option<u32>, DecodeError> {
        let Some((value, offset)) = self.find_placed(code) else { return Ok(None) };
        let octets = value.try_into().map_err(|_| wrong_length(code, value, offset, "4"))?;
        Ok(Some(u32::from_be_bytes(octets)))
    }

    /// Codes of the options that are asked for, OPTION_ORO (RFC 8415 section 21.7).
    pub fn requested(&self) -> Result<impl Iterator<Item = OptionCode> + use<'a>, DecodeError> {
        let (value, offset) = self.find_placed(OptionCode::REQUEST).unwrap_or_default();
        let (codes, []) = value.as_chunks::<2>() else {
            return Err(wrong_length(OptionCode::REQUEST, value, offset, "an even number of octets"));
        };
        Ok(codes.iter().map(|octets| OptionCode(u16::from_be_bytes(*octets))))
    }

    /// The octets.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// An option whose value cannot have this length.
pub(super) fn wrong_length(code: OptionCode, value: &[u8], offset: usize, expected: &'static str) -> DecodeError {
    DecodeError { offset, problem: Problem::Length { code: code.0, length: value.len(), expected } }
}

#[cfg(test)]
mod tests;
