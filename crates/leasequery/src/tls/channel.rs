use std::io::{Read, Write};
use std::sync::Arc;

use leasequery_wire::{Framing, split_frame};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

use super::{Identity, TlsError, explain};

/// One end of a TLS connection, without a socket: octets from the socket in, octets for it out, and the same for what is
/// inside.
#[derive(Debug)]
pub struct Channel {
    tls: Connection,
    /// The name that the peer has to have, for people.
    name: String,
    /// Nothing has come yet.
    untouched: bool,
    peer_closed: bool,
}

impl Channel {
    /// The server's end.
    pub(super) fn server(config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        Ok(Self::new(ServerConnection::new(config)?.into(), String::new()))
    }

    /// The requestor's end.
    pub(super) fn client(config: Arc<ClientConfig>, server: ServerName<'static>, name: &str) -> Result<Self, TlsError> {
        Ok(Self::new(ClientConnection::new(config, server)?.into(), name.to_owned()))
    }

    fn new(mut tls: Connection, name: String) -> Self {
        // With a limit a write may be taken in part only, and a message would be torn into two records. How much is made
        // at a time is decided by those who make it.
        tls.set_buffer_limit(None);
        Self { tls, name, untouched: true, peer_closed: false }
    }

    /// Takes octets from the socket; what was inside of them is appended to `plain`. On an error the connection is of no
    /// more use, but [`transmit`](Self::transmit) has an alert that tells the peer why. The error says it for people.
    pub fn receive(&mut self, mut octets: &[u8], plain: &mut Vec<u8>) -> Result<(), String> {
        let untouched = self.untouched && !octets.is_empty();
        self.untouched &= octets.is_empty();
        while !octets.is_empty() && !self.peer_closed {
            // It takes a few KiB at a time. What it cannot take it says with the next call.
            if self.tls.read_tls(&mut octets).map_err(|error| error.to_string())? == 0 {
                break;
            }
            let state = match self.tls.process_new_packets() {
                Ok(state) => state,
                Err(error) => return Err(explain::failure(&error, &self.tls, &self.name, untouched)),
            };
            let length = state.plaintext_bytes_to_read();
            if length > 0 {
                let start = plain.len();
                plain.resize(start + length, 0);
                self.tls.reader().read_exact(&mut plain[start..]).map_err(|error| error.to_string())?;
            }
            self.peer_closed = state.peer_has_closed();
        }
        Ok(())
    }

    /// Encrypts messages with their length prefixes, each as a record of its own (RFC 7724 section 5.1); one that is longer
    /// than a record may be takes as many as it needs.
    pub fn send(&mut self, mut frames: &[u8]) {
        while !frames.is_empty() {
            let length = match split_frame(frames, 0) {
                Ok(Framing::Frame { rest, .. }) => frames.len() - rest.len(),
                // A part of a message does not come here.
                _ => frames.len(),
            };
            let (frame, rest) = frames.split_at(length);
            // Without a limit it takes everything, and there is no I/O that could fail.
            let _ = self.tls.writer().write_all(frame);
            frames = rest;
        }
    }

    /// Appends what the socket has to send: records, the handshake, alerts.
    pub fn transmit(&mut self, out: &mut Vec<u8>) {
        while self.tls.wants_write() {
            // Writing to memory does not fail.
            if self.tls.write_tls(out).is_err() {
                break;
            }
        }
    }

    /// Tells the peer that nothing more will come.
    pub fn close(&mut self) {
        self.tls.send_close_notify();
    }

    /// Whether the handshake goes on.
    pub fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Whether the peer has said that nothing more will come.
    pub fn is_closed_by_peer(&self) -> bool {
        self.peer_closed
    }

    /// Who the peer is, once the handshake is over.
    pub fn peer(&self) -> Option<Identity> {
        if self.tls.is_handshaking() {
            return None;
        }
        self.tls.peer_certificates().and_then(<[_]>::first).map(Identity::new)
    }

    /// How the connection is protected, for people.
    pub fn describe(&self) -> String {
        let version = match self.tls.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS 1.2",
        };
        let suite = self.tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        suite.map_or_else(|| version.to_owned(), |suite| format!("{version}, {suite}"))
    }
}
