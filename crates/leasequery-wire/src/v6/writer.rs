use std::net::Ipv6Addr;

use super::{MAX_TRANSACTION_ID, MessageType, OptionCode, StatusCode};
use crate::{MAX_MESSAGE, TooLong};

/// Appends one message to a buffer: header first, then options in the order of the calls.
#[derive(Debug)]
#[must_use = "a message is complete only after finish"]
pub struct MessageWriter<'b> {
    out: &'b mut Vec<u8>,
    /// Where the message begins, its length prefix included.
    start: usize,
    framed: bool,
}

/// An option that has been begun and has to be closed: options go into it until then.
#[derive(Debug)]
#[must_use = "an option has a length only once it is closed"]
pub struct Open(usize);

impl<'b> MessageWriter<'b> {
    /// Begins a message for TCP, with room for the length prefix.
    #[inline]
    pub fn frame(out: &'b mut Vec<u8>, kind: MessageType, xid: u32) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0, 0]);
        Self { out, start, framed: true }.begin(kind, xid)
    }

    /// Begins a message for UDP.
    pub fn datagram(out: &'b mut Vec<u8>, kind: MessageType, xid: u32) -> Self {
        let start = out.len();
        Self { out, start, framed: false }.begin(kind, xid)
    }

    #[inline]
    fn begin(self, kind: MessageType, xid: u32) -> Self {
        let [_, a, b, c] = (xid & MAX_TRANSACTION_ID).to_be_bytes();
        self.out.extend_from_slice(&[kind.0, a, b, c]);
        self
    }

    /// Appends an option. One of more than 65,535 octets makes the message too long.
    #[inline]
    pub fn option(&mut self, code: OptionCode, value: &[u8]) {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        let ([a, b], [c, d]) = (code.0.to_be_bytes(), length.to_be_bytes());
        self.out.extend_from_slice(&[a, b, c, d]);
        self.out.extend_from_slice(value);
    }

    /// Appends an option of four octets, big-endian.
    #[inline]
    pub fn u32(&mut self, code: OptionCode, value: u32) {
        self.out.extend_from_slice(&(u64::from(code.0) << 48 | 4 << 32 | u64::from(value)).to_be_bytes());
    }

    /// Appends OPTION_STATUS_CODE. NULs are left out of the text, and what is longer than people read is cut off behind
    /// a whole character.
    pub fn status(&mut self, code: StatusCode, text: &str) {
        let text: String = text.chars().filter(|c| *c != '\0').collect();
        let open = self.open(OptionCode::STATUS_CODE);
        self.out.extend_from_slice(&code.0.to_be_bytes());
        self.out.extend_from_slice(&text.as_bytes()[..text.floor_char_boundary(1024)]);
        self.close(open);
    }

    /// Appends OPTION_IAADDR or OPTION_IAPREFIX, without options of its own.
    #[inline]
    pub fn lease(&mut self, address: Ipv6Addr, prefix_length: Option<u8>, preferred: u32, valid: u32) {
        match prefix_length {
            None => {
                let mut option = [0; 28];
                option[..4].copy_from_slice(&[0, 5, 0, 24]);
                option[4..20].copy_from_slice(&address.octets());
                option[20..24].copy_from_slice(&preferred.to_be_bytes());
                option[24..].copy_from_slice(&valid.to_be_bytes());
                self.out.extend_from_slice(&option);
            }
            Some(length) => {
                let mut option = [0; 29];
                option[..4].copy_from_slice(&[0, 26, 0, 25]);
                option[4..8].copy_from_slice(&preferred.to_be_bytes());
                option[8..12].copy_from_slice(&valid.to_be_bytes());
                option[12] = length;
                option[13..].copy_from_slice(&address.octets());
                self.out.extend_from_slice(&option);
            }
        }
    }

    /// Begins OPTION_LQ_QUERY; its options go in until it is closed.
    pub fn query(&mut self, query_type: super::QueryType, link: Ipv6Addr) -> Open {
        let open = self.open(OptionCode::QUERY);
        self.out.push(query_type.0);
        self.out.extend_from_slice(&link.octets());
        open
    }

    /// Begins an option that holds options.
    #[inline]
    pub fn open(&mut self, code: OptionCode) -> Open {
        let [a, b] = code.0.to_be_bytes();
        self.out.extend_from_slice(&[a, b, 0, 0]);
        Open(self.out.len())
    }

    /// Ends an option, the last one that was begun.
    #[inline]
    #[allow(clippy::needless_pass_by_value, reason = "an option is closed once")]
    pub fn close(&mut self, open: Open) {
        // What does not fit makes the message too long, so the length does not matter.
        let length = u16::try_from(self.out.len() - open.0).unwrap_or(u16::MAX);
        self.out[open.0 - 2..open.0].copy_from_slice(&length.to_be_bytes());
    }

    /// Octets of the message so far, without its length prefix.
    #[inline]
    #[allow(clippy::len_without_is_empty, reason = "a message is never empty")]
    pub fn len(&self) -> usize {
        self.out.len() - self.start - if self.framed { 2 } else { 0 }
    }

    /// Fills in the length prefix. A message too long for its frame is taken out of the buffer.
    #[inline]
    pub fn finish(self) -> Result<(), TooLong> {
        let length = self.len();
        match u16::try_from(length) {
            Ok(prefix) => {
                if self.framed {
                    self.out[self.start..self.start + 2].copy_from_slice(&prefix.to_be_bytes());
                }
                Ok(())
            }
            Err(_) => {
                debug_assert!(length > MAX_MESSAGE);
                self.out.truncate(self.start);
                Err(TooLong(length))
            }
        }
    }
}

#[cfg(test)]
mod tests;
