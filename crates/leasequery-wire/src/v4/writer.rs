use std::net::Ipv4Addr;

use super::{COOKIE, MIN_MESSAGE, MessageType, OptionCode, StatusCode, Vpn};
use crate::{MAX_MESSAGE, TooLong};

/// The fields of the fixed header that leasequery uses; all others are zero.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    /// [`BOOT_REQUEST`](super::BOOT_REQUEST) or [`BOOT_REPLY`](super::BOOT_REPLY).
    pub op: u8,
    /// Type of hardware address.
    pub htype: u8,
    /// Hardware address; octets beyond the sixteenth are left out.
    pub chaddr: &'a [u8],
    /// Transaction id.
    pub xid: u32,
    /// The address asked for or told about.
    pub ciaddr: Ipv4Addr,
    /// Zero in leasequery; here so that tests can break the rule.
    pub yiaddr: Ipv4Addr,
    /// Zero in leasequery; here so that tests can break the rule.
    pub siaddr: Ipv4Addr,
    /// Where a query over UDP wants its answer.
    pub giaddr: Ipv4Addr,
}

impl Header<'_> {
    /// A header with only `op` and `xid`.
    pub const fn new(op: u8, xid: u32) -> Self {
        let zero = Ipv4Addr::UNSPECIFIED;
        Self { op, htype: 0, chaddr: &[], xid, ciaddr: zero, yiaddr: zero, siaddr: zero, giaddr: zero }
    }
}

/// Appends one message to a buffer: header first, then options in the order of the calls, then the end mark.
///
/// Options go into the options area only, so option 82 is never in `sname` or `file` (RFC 3046 section 2.2).
#[derive(Debug)]
#[must_use = "a message is complete only after finish"]
pub struct MessageWriter<'b> {
    out: &'b mut Vec<u8>,
    /// Where the message begins, its length prefix included.
    start: usize,
    framed: bool,
}

impl<'b> MessageWriter<'b> {
    /// Begins a message for TCP, with room for the length prefix.
    #[inline]
    pub fn frame(out: &'b mut Vec<u8>, header: &Header<'_>, kind: MessageType) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0, 0]);
        Self { out, start, framed: true }.begin(header, kind)
    }

    /// Begins a message for UDP.
    #[inline]
    pub fn datagram(out: &'b mut Vec<u8>, header: &Header<'_>, kind: MessageType) -> Self {
        let start = out.len();
        Self { out, start, framed: false }.begin(header, kind)
    }

    #[inline]
    fn begin(self, header: &Header<'_>, kind: MessageType) -> Self {
        const KIND: usize = MIN_MESSAGE;
        let mut head = [0_u8; MIN_MESSAGE + 3];
        let hlen = header.chaddr.len().min(16);
        head[0] = header.op;
        head[1] = header.htype;
        #[allow(clippy::cast_possible_truncation, reason = "at most 16")]
        {
            head[2] = hlen as u8;
        }
        head[4..8].copy_from_slice(&header.xid.to_be_bytes());
        head[12..16].copy_from_slice(&header.ciaddr.octets());
        head[16..20].copy_from_slice(&header.yiaddr.octets());
        head[20..24].copy_from_slice(&header.siaddr.octets());
        head[24..28].copy_from_slice(&header.giaddr.octets());
        head[28..28 + hlen].copy_from_slice(&header.chaddr[..hlen]);
        head[236..240].copy_from_slice(&COOKIE.to_be_bytes());
        head[KIND..KIND + 3].copy_from_slice(&[OptionCode::MESSAGE_TYPE.0, 1, kind.0]);
        self.out.extend_from_slice(&head);
        self
    }

    /// Appends an option. A value of more than 255 octets is cut into pieces of the same code (RFC 3396 section 6), at
    /// a multiple of four octets for associated-ip, so that readers who do not join pieces see whole addresses.
    #[inline]
    pub fn option(&mut self, code: OptionCode, value: &[u8]) {
        match u8::try_from(value.len()) {
            Ok(length) => {
                self.out.extend_from_slice(&[code.0, length]);
                self.out.extend_from_slice(value);
            }
            Err(_) => self.long_option(code, value),
        }
    }

    #[cold]
    fn long_option(&mut self, code: OptionCode, value: &[u8]) {
        let piece = if code == OptionCode::ASSOCIATED_IP { 252 } else { 255 };
        for part in value.chunks(piece) {
            #[allow(clippy::cast_possible_truncation, reason = "at most 255")]
            self.out.extend_from_slice(&[code.0, part.len() as u8]);
            self.out.extend_from_slice(part);
        }
    }

    /// Appends an option of one octet.
    #[inline]
    pub fn u8(&mut self, code: OptionCode, value: u8) {
        self.out.extend_from_slice(&[code.0, 1, value]);
    }

    /// Appends an option of four octets, big-endian.
    #[inline]
    pub fn u32(&mut self, code: OptionCode, value: u32) {
        let [a, b, c, d] = value.to_be_bytes();
        self.out.extend_from_slice(&[code.0, 4, a, b, c, d]);
    }

    /// Appends an option that is one address.
    #[inline]
    pub fn address(&mut self, code: OptionCode, value: Ipv4Addr) {
        self.u32(code, value.to_bits());
    }

    /// Appends status-code. NULs are left out of the text (RFC 6926 section 6.2.2), and what does not fit one option is
    /// cut off behind a whole character.
    pub fn status(&mut self, code: StatusCode, text: &str) {
        let text: String = text.chars().filter(|c| *c != '\0').collect();
        let text = &text[..text.floor_char_boundary(254)];
        #[allow(clippy::cast_possible_truncation, reason = "at most 255")]
        self.out.extend_from_slice(&[OptionCode::STATUS_CODE.0, 1 + text.len() as u8, code.0]);
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Appends VPN selection.
    pub fn vpn(&mut self, vpn: Vpn<'_>) {
        let mut value = Vec::with_capacity(16);
        vpn.write(&mut value);
        self.option(OptionCode::VPN_SELECTION, &value);
    }

    /// Octets of the message so far, without its length prefix.
    #[inline]
    #[allow(clippy::len_without_is_empty, reason = "a message is never empty")]
    pub fn len(&self) -> usize {
        self.out.len() - self.start - if self.framed { 2 } else { 0 }
    }

    /// Takes options back until the message has `length` octets, as [`len`](Self::len) counted them before these options.
    #[inline]
    pub fn truncate(&mut self, length: usize) {
        self.out.truncate(self.out.len() - self.len().saturating_sub(length));
    }

    /// Ends the options and fills in the length prefix. A message too long for its frame is taken out of the buffer.
    #[inline]
    pub fn finish(self) -> Result<(), TooLong> {
        self.out.push(OptionCode::END);
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
