//! What is between the socket of a connection and its messages: nothing, or TLS.

use std::sync::Arc;

use leasequery_protocol::server::{Connection, Protocol};
use leasequery_tls::{Channel, Identity, Server};
use tracing::warn;

/// What came of octets from the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// The connection has what was in them.
    Taken,
    /// The handshake is over with them. Nothing is given to the connection before [`Wire::release`], for who may ask has
    /// to be judged first.
    Identity,
}

/// Octets on their way between a socket and a [`Connection`].
#[derive(Debug, Default)]
pub(super) struct Wire {
    channel: Option<Box<Channel>>,
    /// Messages that are to be encrypted.
    made: Vec<u8>,
    /// What was inside of TLS.
    plain: Vec<u8>,
    /// Who the requestor has proved to be.
    peer: Option<Identity>,
    /// By whose authorities and lists of revoked certificates that was judged.
    judge: Option<Arc<Server>>,
}

impl Wire {
    /// Begins TLS.
    pub(super) fn begin_tls(&mut self, channel: Channel, judge: Arc<Server>) {
        self.channel = Some(Box::new(channel));
        self.judge = Some(judge);
    }

    /// Judges the requestor's certificate anew if it was judged by others than these. Fails with why it is no longer good.
    pub(super) fn judge(&mut self, tls: &Arc<Server>) -> Result<(), String> {
        let Some(peer) = &self.peer else { return Ok(()) };
        if self.judge.as_ref().is_some_and(|judge| !Arc::ptr_eq(judge, tls)) {
            tls.judge(peer)?;
            self.judge = Some(Arc::clone(tls));
        }
        Ok(())
    }

    /// Whether the handshake has still to be finished.
    pub(super) fn is_handshaking(&self) -> bool {
        self.channel.as_ref().is_some_and(|channel| channel.is_handshaking())
    }

    /// Who the requestor has proved to be.
    pub(super) fn peer(&self) -> Option<&Identity> {
        self.peer.as_ref()
    }

    /// Whether nothing more can come or go.
    pub(super) fn is_broken(&self) -> bool {
        self.channel.as_ref().is_some_and(|channel| channel.has_ended())
    }

    /// Gives octets from the socket to the connection. Fails with why TLS is at its end.
    pub(super) fn receive<P: Protocol>(
        &mut self,
        octets: &mut [u8],
        now: std::time::Duration,
        connection: &mut Connection<P>,
    ) -> Result<Received, String> {
        let Some(channel) = &mut self.channel else {
            connection.handle_bytes(now, octets);
            return Ok(Received::Taken);
        };
        channel.receive(octets, &mut self.plain)?;
        if self.peer.is_none() && !channel.is_handshaking() {
            self.peer = channel.peer();
            return Ok(Received::Identity);
        }
        self.release(now, connection);
        Ok(Received::Taken)
    }

    /// Gives the connection what was inside of TLS.
    pub(super) fn release<P: Protocol>(&mut self, now: std::time::Duration, connection: &mut Connection<P>) {
        let Some(channel) = &self.channel else { return };
        if !self.plain.is_empty() {
            connection.handle_bytes(now, &self.plain);
            self.plain = Vec::new();
        }
        if channel.is_closed_by_peer() {
            connection.handle_eof();
        }
    }

    /// Where messages are to be made, so that they come to `out` in the form that the socket takes.
    pub(super) fn make<T>(&mut self, out: &mut Vec<u8>, make: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let Some(channel) = &mut self.channel else { return make(out) };
        let result = make(&mut self.made);
        if let Err(reason) = channel.send(&self.made, out) {
            warn!("TLS: {reason}");
        }
        self.made.clear();
        result
    }

    /// Gives memory back: a connection may be quiet for days, or blocked.
    pub(super) fn rest(&mut self) {
        self.made = Vec::new();
    }

    /// Ends TLS, with a word to the requestor that it ends here.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        if let Some(channel) = &mut self.channel {
            channel.close();
            channel.transmit(out);
        }
    }

    /// How the connection is protected, for people.
    pub(super) fn describe(&self) -> Option<String> {
        let (channel, identity) = (self.channel.as_ref()?, self.peer.as_ref()?);
        Some(format!("secured by {}, as {}", channel.describe(), identity.describe()))
    }
}
