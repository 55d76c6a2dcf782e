//! The server's side of a connection, turned as the daemon turns it.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use leasequery_protocol::server::{Allow, Connection, Limits, Policy, Turn};
use leasequery_store::{Budget, Store, Time};

use crate::Mutation;
use crate::family::Family;
use crate::holders::Holders;
use crate::mutation::{Clients, split};
use crate::network::Tcp;

/// Timeouts of every server.
pub(crate) const LIMITS: Limits = Limits {
    queries: 4,
    data_timeout: Duration::from_mins(1),
    active_send_timeout: Duration::from_secs(20),
    active_idle_timeout: Duration::from_secs(8),
};

/// A connection that was accepted.
#[derive(Debug)]
pub(crate) struct Serving<F: Family> {
    /// Which connection of the network.
    pub(crate) tcp: usize,
    connection: Connection<F::Server>,
    /// When it was accepted: its times count from then.
    began: Duration,
    out: Vec<u8>,
    sent: usize,
    room: usize,
    xid: Option<u32>,
    /// What has been said: the highest base-time outside of the catch-up phase, and the latest one.
    catching_up: bool,
    resume: Option<Time>,
    latest: Option<Time>,
    /// Who has been told to have what, where messages are about clients.
    holders: Holders,
    closing: bool,
    /// For a mutation.
    clients: Clients,
}

impl<F: Family> Serving<F> {
    pub(crate) fn new(tcp: usize, now: Duration, active: bool, random: &mut Rng) -> Self {
        let protocol = F::server(policy(active));
        Self {
            tcp,
            connection: Connection::new(protocol, LIMITS, Duration::ZERO),
            began: now,
            out: Vec::new(),
            sent: 0,
            room: random.usize(1..8192),
            xid: None,
            catching_up: true,
            resume: None,
            latest: None,
            holders: Holders::default(),
            closing: false,
            clients: Clients::default(),
        }
    }

    pub(crate) fn wants_read(&self) -> bool {
        self.connection.wants_read()
    }

    /// When there is something to do.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.connection.poll_timeout().map(|due| due + self.began)
    }

    /// Turns the wheel until it stands still. Says whether the connection is over; an error is a broken promise.
    pub(crate) fn turn(
        &mut self,
        now: Duration,
        store: &Store<F::Key>,
        tcp: &mut Tcp,
        mutation: Option<Mutation>,
        random: &mut Rng,
    ) -> Result<bool, String> {
        let mine = now.saturating_sub(self.began);
        loop {
            if self.connection.wants_read() {
                let bytes = tcp.to_server.read(now);
                if !bytes.is_empty() {
                    self.connection.handle_bytes(mine, &bytes);
                } else if tcp.to_server.has_ended(now) {
                    self.connection.handle_eof();
                }
            }
            let mut turn = Turn::Idle;
            if self.sent == self.out.len() && !self.closing {
                self.out.clear();
                self.sent = 0;
                let was_active = self.connection.is_active();
                turn = self.connection.poll_transmit(mine, store, &mut self.out, self.room);
                self.mutate(was_active, store.now(), mutation, random);
                self.check(0, store)?;
                if self.out.len() > self.room + 2 * 65_536 {
                    return Err(format!("the server made {} octets at once", self.out.len()));
                }
            }
            while self.connection.poll_event().is_some() {}
            if turn == Turn::Close {
                self.closing = true;
            }
            if self.sent < self.out.len() {
                let written = tcp.to_client.write(now, &self.out[self.sent..], random);
                self.sent += written;
                self.connection.handle_progress(mine, written, self.out.len() - self.sent);
                if written > 0 {
                    continue;
                }
            } else if self.closing {
                return Ok(true);
            }
            if turn == Turn::More {
                continue;
            }
            if self.connection.poll_timeout().is_some_and(|due| due <= mine) {
                if self.connection.handle_timeout(mine) {
                    return Ok(true);
                }
                if self.sent == self.out.len() {
                    continue;
                }
            }
            return Ok(false);
        }
    }

    /// Whether active queries are permitted changes.
    pub(crate) fn permit(&mut self, active: bool, store: &Store<F::Key>) -> Result<(), String> {
        let unchecked = self.out.len();
        self.connection.set_policy(&policy(active), store, &mut self.out);
        self.check(unchecked, store)
    }

    /// The process ends: the last words are said as far as they fit.
    pub(crate) fn terminate(&mut self, now: Duration, store: &Store<F::Key>, tcp: &mut Tcp, random: &mut Rng) {
        self.connection.terminate(store, &mut self.out, "over");
        tcp.to_client.write(now, &self.out[self.sent..], random);
    }

    /// What has to hold when all is quiet: whoever was told to have something has it.
    pub(crate) fn check_holders(&self, store: &Store<F::Key>) -> Result<(), String> {
        if self.connection.told_up_to() == Some(store.revision()) { self.holders.check::<F>(store) } else { Ok(()) }
    }

    fn mutate(&mut self, was_active: bool, now: Time, mutation: Option<Mutation>, random: &mut Rng) {
        let Some(mutation) = mutation else { return };
        let active = was_active || self.connection.is_active();
        if active && self.xid.is_none() && !self.out.is_empty() {
            self.xid = split::<F>(&self.out).and_then(|(frame, _)| Some(F::facts(&frame[2..])?.xid));
            if let Some(xid) = self.xid {
                mutation.on_active_begin::<F>(xid, &mut self.out, now);
            }
        }
        mutation.on_server_output::<F>(&mut self.out, active, now, &mut self.clients, random);
    }

    /// What was said must not promise more than was told: whatever changed and has not been told changed at the resume
    /// point or later. And base-times never decrease.
    fn check(&mut self, from: usize, store: &Store<F::Key>) -> Result<(), String> {
        let mut rest = &self.out[from..];
        while let Some((frame, behind)) = split::<F>(rest) {
            rest = behind;
            let Some(facts) = F::facts(&frame[2..]) else { return Err("the server sent no message".to_owned()) };
            let base_time = facts.base_time;
            if base_time < self.latest {
                return Err(format!("base-time {base_time:?} after {:?}", self.latest));
            }
            self.latest = base_time;
            if F::SHARES_CONTACTS && self.connection.is_active() {
                self.holders.hear::<F>(&frame[2..], facts);
            }
            if facts.word.is_some() {
                self.catching_up = false;
            }
            if !self.catching_up {
                self.resume = self.resume.max(base_time);
            }
        }
        if let (Some(resume), true) = (self.resume, self.connection.is_active()) {
            let active = self.connection.told_up_to();
            let budget = Budget::unlimited();
            let untold = active.and_then(|cursor| store.changes(cursor, &budget).next());
            if let Some(untold) = untold.filter(|untold| untold.changed() < resume) {
                let (key, changed) = (untold.key(), untold.changed());
                return Err(format!("{key} changed at {changed}, is untold, and {resume} was said"));
            }
        }
        Ok(())
    }
}

fn policy(active: bool) -> Arc<Policy> {
    Arc::new(Policy { allow: Allow { active, ..Allow::default() }, ..Policy::default() })
}
