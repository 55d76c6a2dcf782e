use std::time::Duration;

use leasequery_wire::{DecodeError, FrameFault, Framing, split_frame};
use thiserror::Error;

use super::Protocol;
use crate::code::{MessageType, StatusCode};

/// Why there is no TLS. The connection has to be closed, and nothing may be asked on it in the clear (RFC 7724 section
/// 7.2, RFC 7653 section 8.1).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The server does not do TLS here, and says so.
    #[error("the server refuses TLS: {status}{}{text}", if .text.is_empty() { "" } else { ": " })]
    Refused {
        /// What it answered.
        status: StatusCode,
        /// Its text for people.
        text: String,
    },
    /// The server closed the connection instead of answering.
    #[error(
        "the server closed the connection instead of beginning TLS, which it may not support, or not permit this requestor"
    )]
    Closed,
    /// The server said nothing.
    #[error("no answer to the request for TLS for {} seconds", .0.as_secs_f64())]
    NoAnswer(Duration),
    /// The length prefix of the answer cannot be one.
    #[error("the answer to the request for TLS is no message: {0}")]
    Frame(#[from] FrameFault),
    /// The answer is not a message.
    #[error("the answer to the request for TLS is no message: {0}")]
    Malformed(#[from] DecodeError),
    /// The answer is another message, or one to another request.
    #[error("{kind} with xid {xid:#010x} is no answer to the request for TLS")]
    NoSuchAnswer {
        /// Its type.
        kind: MessageType,
        /// Its transaction id.
        xid: u32,
    },
    /// Octets behind the answer: a TLS server has nothing to say before it is spoken to, and what came in the clear must
    /// not be taken for something that came inside of TLS.
    #[error("the server sent something in the clear behind its answer to the request for TLS")]
    Injected,
}

/// How far a negotiation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The answer has not come yet.
    Waiting,
    /// The TLS handshake may begin, with the requestor as the TLS client.
    Begin,
}

/// Asks for TLS, before anything else is said on a connection (RFC 7724 section 7.2, RFC 7653 section 8.1).
#[derive(Debug)]
pub struct Negotiation {
    xid: u32,
    minimum: usize,
    judge: fn(&[u8], u32) -> Result<(), Refusal>,
    output: Vec<u8>,
    input: Vec<u8>,
}

impl Negotiation {
    /// Begins on a connection that has just been opened.
    pub fn new<P: Protocol>(xid: u32) -> Self {
        let xid = xid & P::MAX_TRANSACTION_ID;
        let mut output = Vec::new();
        P::write_tls(xid, &mut output);
        Self { xid, minimum: P::MIN_MESSAGE, judge: P::read_tls, output, input: Vec::new() }
    }

    /// What is to be sent.
    pub fn poll_transmit(&self) -> &[u8] {
        &self.output
    }

    /// Tells how much of that has been sent.
    pub fn handle_sent(&mut self, sent: usize) {
        self.output.drain(..sent.min(self.output.len()));
    }

    /// Takes octets from the server.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<Step, Refusal> {
        self.input.extend_from_slice(bytes);
        match split_frame(&self.input, self.minimum)? {
            Framing::NeedMore { .. } => Ok(Step::Waiting),
            Framing::Frame { body, rest } => {
                (self.judge)(body, self.xid)?;
                if rest.is_empty() { Ok(Step::Begin) } else { Err(Refusal::Injected) }
            }
        }
    }
}

#[cfg(test)]
mod tests;
