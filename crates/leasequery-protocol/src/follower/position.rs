use leasequery_store::Time;

/// What has to be known to go on after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The resume point: up to this time, by the server's clock, everything has been told.
    pub resume: Time,
    /// Seconds by which the server's clock is ahead.
    pub skew: i64,
}

/// First octet, to tell layouts apart.
const LAYOUT: u8 = 1;

impl Position {
    /// As octets.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![LAYOUT];
        bytes.extend_from_slice(&self.resume.0.to_be_bytes());
        bytes.extend_from_slice(&self.skew.to_be_bytes());
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[LAYOUT, a, b, c, d], skew) = bytes.split_first_chunk::<5>()? else { return None };
        Some(Self { resume: Time(u32::from_be_bytes([a, b, c, d])), skew: i64::from_be_bytes(skew.try_into().ok()?) })
    }
}
