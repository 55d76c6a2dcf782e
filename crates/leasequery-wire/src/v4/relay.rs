use super::Vpn;
use crate::{DecodeError, Problem};

/// Code of a sub-option of option 82.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubOption(pub u8);

impl SubOption {
    /// Agent Circuit ID (RFC 3046 section 3.1).
    pub const CIRCUIT_ID: Self = Self(1);
    /// Agent Remote ID (RFC 3046 section 3.2).
    pub const REMOTE_ID: Self = Self(2);
    /// Link Selection: an address on the client's link (RFC 3527).
    pub const LINK_SELECTION: Self = Self(5);
    /// Server Identifier Override: an address of the relay (RFC 5107).
    pub const SERVER_IDENTIFIER_OVERRIDE: Self = Self(11);
    /// Relay-ID (RFC 6925 section 4).
    pub const RELAY_ID: Self = Self(12);
    /// Virtual Subnet Selection (RFC 6607 section 3.3).
    pub const VSS: Self = Self(151);
    /// Virtual Subnet Selection Control (RFC 6607 section 3.4).
    pub const VSS_CONTROL: Self = Self(152);
}

/// The content of option 82: sub-options, back to back (RFC 3046 section 2.0), each of which fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayAgentInformation<'a>(&'a [u8]);

impl<'a> RelayAgentInformation<'a> {
    /// Checks that the sub-options fill the option exactly. There is no padding and no end mark among them.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut position = 0;
        while position < bytes.len() {
            let code = bytes[position];
            let Some(&length) = bytes.get(position + 1) else {
                return Err(DecodeError { offset: position, problem: Problem::NoLength(code.into()) });
            };
            let left = bytes.len() - position - 2;
            if usize::from(length) > left {
                return Err(DecodeError {
                    offset: position,
                    problem: Problem::Overrun { code: code.into(), length: length.into(), left },
                });
            }
            if code == SubOption::VSS_CONTROL.0 && length != 0 {
                let problem = Problem::Length { code: code.into(), length: usize::from(length), expected: "0" };
                return Err(DecodeError { offset: position, problem });
            }
            position += 2 + usize::from(length);
        }
        Ok(Self(bytes))
    }

    /// The whole content.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// All sub-options in their order.
    #[inline]
    pub fn sub_options(&self) -> impl Iterator<Item = (SubOption, &'a [u8])> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (&[code, length], behind) = rest.split_first_chunk::<2>()?;
            let (value, next) = behind.split_at_checked(usize::from(length))?;
            rest = next;
            Some((SubOption(code), value))
        })
    }

    /// The first sub-option with this code.
    #[inline]
    pub fn find(&self, code: SubOption) -> Option<&'a [u8]> {
        self.sub_options().find(|(c, _)| *c == code).map(|(_, value)| value)
    }

    /// Agent Remote ID, opaque.
    #[inline]
    pub fn remote_id(&self) -> Option<&'a [u8]> {
        self.find(SubOption::REMOTE_ID)
    }

    /// Relay-ID, opaque.
    #[inline]
    pub fn relay_id(&self) -> Option<&'a [u8]> {
        self.find(SubOption::RELAY_ID)
    }

    /// Virtual Subnet Selection, with the payload of option 221 (RFC 6607 section 3.1).
    pub fn vpn(&self) -> Result<Option<Vpn<'a>>, DecodeError> {
        self.find(SubOption::VSS).map(|value| Vpn::parse(SubOption::VSS.0, value)).transpose()
    }
}

#[cfg(test)]
mod tests;
