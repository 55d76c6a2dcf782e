//! Where HTTP is answered, and what proves who asks there.

use std::fmt;
use std::net::SocketAddr;

use subtle::ConstantTimeEq;

/// Where HTTP is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where; port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether TLS is spoken there.
    pub secure: bool,
    /// What it may be called in requests, besides its address, `localhost` and what its certificate says.
    pub names: Vec<String>,
}

impl Http {
    /// The port where nothing else is said.
    pub const PORT: u16 = 9467;

    /// What it is, as the line that says where it listens calls it.
    pub const NAME: &'static str = "http";
}

/// A secret that a client sends with each request (RFC 6750).
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<[u8]>);

impl Token {
    /// The fewest octets of one: what is shorter can be tried out.
    pub const LEAST: usize = 16;

    /// From the text of its file; `None` if it is too short, or could not be sent in a header.
    pub fn new(text: &str) -> Option<Self> {
        let token = text.trim().as_bytes();
        // The characters of a b64token (RFC 6750 section 2.1).
        let fits = token.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-._~+/=".contains(octet));
        (token.len() >= Self::LEAST && fits).then(|| Self(token.into()))
    }

    /// Whether it is this one. How long that takes does not tell how much of it is right.
    pub fn is(&self, shown: &[u8]) -> bool {
        self.0.ct_eq(shown).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token")
    }
}
