use thiserror::Error;

/// The longest message that two octets of length can announce (RFC 6926 section 6.1).
pub const MAX_MESSAGE: usize = 65_535;

/// What a buffer that begins with a length prefix holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing<'a> {
    /// Not yet a whole message; the buffer has to grow to this many octets before another look is worth it.
    NeedMore {
        /// Octets needed, the prefix included.
        at_least: usize,
    },
    /// A whole message.
    Frame {
        /// The message, without its prefix.
        body: &'a [u8],
        /// What follows it in the buffer.
        rest: &'a [u8],
    },
}

/// The length prefix announces something that cannot be a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the length prefix announces {length} octets, a message has at least {minimum}")]
pub struct FrameFault {
    /// The announced length.
    pub length: usize,
    /// The least that a message of this protocol has.
    pub minimum: usize,
}

/// Cuts the first message off a TCP stream: two octets of length, big-endian and not counting themselves, precede each
/// message (RFC 6926 section 6.1, RFC 5460 section 5.1).
///
/// A length below `minimum` is a fault at once: nothing that follows such a prefix could be believed.
#[inline]
pub fn split_frame(buffer: &[u8], minimum: usize) -> Result<Framing<'_>, FrameFault> {
    let Some((prefix, behind)) = buffer.split_first_chunk::<2>() else {
        return Ok(Framing::NeedMore { at_least: 2 });
    };
    let length = usize::from(u16::from_be_bytes(*prefix));
    if length < minimum {
        return Err(FrameFault { length, minimum });
    }
    match behind.split_at_checked(length) {
        Some((body, rest)) => Ok(Framing::Frame { body, rest }),
        None => Ok(Framing::NeedMore { at_least: 2 + length }),
    }
}

#[cfg(test)]
mod tests;
