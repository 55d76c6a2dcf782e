//! A client's name as OPTION_CLIENT_FQDN has it (RFC 4704 section 4).

use std::ops::Range;

/// Octets of a name at most, and of one of its labels (RFC 1035 section 2.3.4).
const NAME: usize = 255;
const LABEL: usize = 63;

/// Appends the option for the host name that is at this place of `bytes`, and says where it is: nowhere if that is not a
/// name. No flag is set: who updates which record is not the client's word any more.
pub(super) fn write(hostname: Range<usize>, bytes: &mut Vec<u8>) -> Range<usize> {
    let start = bytes.len();
    if hostname.is_empty() {
        return start..start;
    }
    bytes.push(0);
    let mut label = hostname.start;
    while label < hostname.end {
        let rest = &bytes[label..hostname.end];
        let length = rest.iter().position(|octet| *octet == b'.').unwrap_or(rest.len());
        let sound = rest[..length].iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
        match u8::try_from(length) {
            Ok(octet @ 1..) if sound && length <= LABEL => bytes.push(octet),
            _ => {
                bytes.truncate(start);
                return start..start;
            }
        }
        bytes.extend_from_within(label..label + length);
        // A name that is not qualified ends without the root (RFC 4704 section 4.2).
        if bytes[label + length..hostname.end] == *b"." {
            bytes.push(0);
        }
        label += length + 1;
    }
    if bytes.len() - start > 1 + NAME {
        bytes.truncate(start);
    }
    start..bytes.len()
}

#[cfg(test)]
mod tests;
