//! The DUID of this program, by which servers and requestors of DHCPv6 know each other.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

/// Type of a DUID that is a UUID (RFC 6355 section 4).
const UUID: [u8; 2] = [0, 4];
/// What systemd keeps for as long as a system is installed.
const MACHINE_ID: &str = "/etc/machine-id";

/// The DUID of this program on this machine, made of an id that systems keep to themselves: that itself is not told to
/// anybody. A machine without one has another DUID each time.
pub fn own() -> Arc<[u8]> {
    let id = std::fs::read_to_string(MACHINE_ID).unwrap_or_default();
    let id = if id.trim().is_empty() { fastrand::u128(..).to_string() } else { id };
    let part = |salt: &str| {
        let mut hasher = DefaultHasher::new();
        hasher.write(salt.as_bytes());
        hasher.write(id.trim().as_bytes());
        u128::from(hasher.finish())
    };
    let mut uuid = (part("leasequery, first half") << 64 | part("leasequery, second half")).to_be_bytes();
    // Version 8, of somebody's own making, and the usual variant (RFC 9562 section 5.8).
    uuid[6] = uuid[6] & 0x0f | 0x80;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    [&UUID[..], &uuid].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_keeps_its_duid_and_keeps_its_id_to_itself() {
        let duid = own();
        assert_eq!((duid.len(), &duid[..2], duid[8] >> 4, duid[10] >> 6), (18, &[0, 4][..], 8, 2));
        let id = std::fs::read_to_string(MACHINE_ID).unwrap_or_default();
        if !id.trim().is_empty() {
            assert_eq!(own(), duid);
            assert_ne!(leasequery_record::hex_text(&duid[2..]), id.trim());
        }
    }
}
