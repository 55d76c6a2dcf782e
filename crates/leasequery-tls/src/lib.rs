//! Secure mode: TLS inside of a connection that began with DHCPTLS or STARTTLS (RFC 7724 sections 7.2 and 8.1, RFC 7653
//! sections 8.1 and 9.1).
//!
//! Both sides always show certificates; there is no way to switch that off. What is here does no I/O on sockets, except
//! for the two loops of [`secure`].

mod channel;
mod client;
mod explain;
mod files;
mod identity;
mod own;
mod revocation;
mod secure;
mod server;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::SupportedCipherSuite;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use thiserror::Error;

pub use channel::Channel;
pub use client::Client;
pub use files::exposure;
pub use identity::Identity;
pub use own::{OwnCertificate, Urgency};
pub use secure::{SecureError, secure, secure_async};
pub use server::Server;

/// What is wrong with a file or a name that TLS needs.
#[derive(Debug, Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("{} cannot be read: {}", .0.display(), .1)]
    Unreadable(PathBuf, std::io::Error),
    /// It is not what it should be.
    #[error("{}: {}", .0.display(), .1)]
    Bad(PathBuf, String),
    /// The certificate is for another key.
    #[error("{} is not the key of the first certificate in {}", .key.display(), .certificate.display())]
    Mismatch {
        /// The file with the key.
        key: PathBuf,
        /// The file with the certificate.
        certificate: PathBuf,
    },
    /// There are no certificates, because the configuration has no `[tls]` any more.
    #[error("there is no [tls] in the configuration")]
    None,
    /// Not a name that a certificate could have.
    #[error("'{0}' is neither a host name nor an address, so no certificate can be for it")]
    Name(String),
    /// The library refuses what it is given.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

/// The cryptography of both ends: authenticated encryption with ephemeral keys only (RFC 7525 section 4).
fn provider() -> Arc<CryptoProvider> {
    use aws_lc_rs::cipher_suite as suite;
    let cipher_suites: Vec<SupportedCipherSuite> = vec![
        // One message is one record, and a dump has millions of them: AES-128 is the fastest there is for that.
        suite::TLS13_AES_128_GCM_SHA256,
        suite::TLS13_AES_256_GCM_SHA384,
        suite::TLS13_CHACHA20_POLY1305_SHA256,
        // TLS 1.2 has no way to change keys, so rustls ends a connection with AES-GCM after 2^24 records, and says so only
        // to the other side: what is written from then on is lost. A large dump has as many records. ChaCha20-Poly1305
        // has no such limit.
        suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ];
    Arc::new(CryptoProvider { cipher_suites, ..aws_lc_rs::default_provider() })
}

#[cfg(test)]
mod tests;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
