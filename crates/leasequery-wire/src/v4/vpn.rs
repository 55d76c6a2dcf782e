use crate::{DecodeError, Problem};

/// Which VPN a message is about: option 221, or sub-option 151 of option 82 (RFC 6607 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Vpn<'a> {
    /// Type 255: the default address space, as when the option is absent.
    Default,
    /// Type 254: every VPN; in bulk queries only (RFC 6926 section 6.2.9).
    All,
    /// Type 0: a name in ASCII, compared octet by octet.
    Name(&'a [u8]),
    /// Type 1: an identifier of RFC 2685, three octets of OUI and four of index.
    Id([u8; 7]),
}

impl<'a> Vpn<'a> {
    /// Reads the payload of the option or sub-option `code`. A NUL behind a name is stripped: it does not belong there
    /// (RFC 6607 section 3.5), but peers send it.
    #[inline]
    pub fn parse(code: u8, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let wrong = |expected| {
            Err(DecodeError {
                offset: 0,
                problem: Problem::Length { code: code.into(), length: bytes.len(), expected },
            })
        };
        let Some((&kind, value)) = bytes.split_first() else { return wrong("1 or more") };
        match kind {
            0 => Ok(Self::Name(value.strip_suffix(&[0]).unwrap_or(value))),
            1 => match value.try_into() {
                Ok(id) => Ok(Self::Id(id)),
                Err(_) => wrong("8 with an identifier"),
            },
            254 if value.is_empty() => Ok(Self::All),
            255 if value.is_empty() => Ok(Self::Default),
            254 | 255 => wrong("1 without a name"),
            value => Err(DecodeError { offset: 0, problem: Problem::Value { code: code.into(), value } }),
        }
    }

    /// Appends the payload.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Default => out.push(255),
            Self::All => out.push(254),
            Self::Name(name) => {
                out.push(0);
                out.extend_from_slice(name);
            }
            Self::Id(id) => {
                out.push(1);
                out.extend_from_slice(id);
            }
        }
    }
}

#[cfg(test)]
mod tests;
