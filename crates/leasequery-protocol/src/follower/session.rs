use std::time::Duration;

use leasequery_store::{Store, Time};

use super::bulk::reason;
use super::{BACK, Event, Follower, Gap, Observer, Origin, PATIENCE, Polling, STEP, State};
use crate::clock::Skew;
use crate::follower::Followed;
use crate::requestor::Event as Message;
use crate::requestor::{ActiveStatus, Connection, Failure};

/// An active query that is being answered.
#[derive(Debug)]
pub(super) struct Session<P: Followed> {
    pub(super) connection: Connection<P>,
    /// Its base-times are no resume points yet (RFC 7724 section 7.4.1).
    pub(super) catching_up: bool,
    /// The server has said anything.
    pub(super) answered: bool,
    /// From when it catches up.
    since: Option<Time>,
}

impl<P: Followed> Session<P> {
    pub(super) fn new(connection: Connection<P>, since: Option<Time>) -> Self {
        Self { connection, catching_up: since.is_some(), answered: false, since }
    }
}

/// Why an active response is over.
enum Ending {
    /// The server cannot, or will not, answer active queries.
    Unsupported(String),
    /// The server said goodbye.
    Parted(String),
    /// The connection, or the server, failed.
    Broken(String),
}

impl<P: Followed> Follower<P> {
    /// Works on the active connection.
    pub(super) fn advance_active(
        &mut self,
        now: Duration,
        store: &mut Store<P::Key>,
        observer: &mut impl Observer<P>,
        budget: usize,
    ) -> bool {
        if !matches!(self.active.state, State::Open(_)) {
            return false;
        }
        let State::Open(mut session) = std::mem::replace(&mut self.active.state, State::Down) else { return false };
        for _ in 0..budget {
            match self.take_message(&mut session, now, store, observer) {
                Ok(true) => {}
                Ok(false) => {
                    self.active.state = State::Open(session);
                    return false;
                }
                Err(ending) => {
                    self.end_session(now, ending);
                    return false;
                }
            }
        }
        self.active.state = State::Open(session);
        true
    }

    /// Takes one message, if there is one.
    fn take_message(
        &mut self,
        session: &mut Session<P>,
        now: Duration,
        store: &mut Store<P::Key>,
        observer: &mut impl Observer<P>,
    ) -> Result<bool, Ending> {
        let timed_out = session.connection.handle_timeout(now).err();
        let origin = if session.catching_up { Origin::CatchUp } else { Origin::Live };
        // The server's time, if all that was known of its clock is worth nothing.
        let mut anew = None;
        let message = session.connection.poll_event(now, store.now());
        let base_time = match message.inspect(|message| self.heard(message.is_some(), observer)) {
            Ok(None) => return Ok(false),
            Err(failure) => return Err(self.judge(session.answered, &timed_out.unwrap_or(failure))),
            Ok(Some(Message::Record { record, .. })) if P::is_of_former_client(&record, self.source, store) => {
                P::base_time(&record)
            }
            Ok(Some(Message::Record { record, .. })) => {
                observer.before(&record, store);
                match P::commit(&record, origin, self.source, store) {
                    Some(told) => {
                        if let Some(bulk) = self.bulk.session_mut() {
                            bulk.heard(told.key);
                        }
                        observer.record(&record, told, origin);
                    }
                    None => self.miss_live(now, || P::refused(&record)),
                }
                P::base_time(&record)
            }
            Ok(Some(Message::Failed { about, status, text, .. })) => {
                self.miss_live(now, || format!("the server cannot tell of {about}: {status}: {text}"));
                None
            }
            Ok(Some(Message::Status { status, base_time, text, .. })) => {
                match status {
                    ActiveStatus::Alive => {}
                    ActiveStatus::Other(code) => {
                        self.events.push_back(Event::Warning(format!("the server says {code}: {text}")));
                    }
                    ActiveStatus::CatchUpComplete => {
                        if std::mem::take(&mut session.catching_up) {
                            if !P::TELLS_ENDS {
                                // What ended while it was polled has been told now.
                                self.held = None;
                            }
                            if !self.whole {
                                // It knows everything now.
                                self.bulk.pace.clear(now);
                            }
                            self.events.push_back(Event::CatchUpComplete);
                        }
                    }
                    ActiveStatus::DataMissing => {
                        session.catching_up = false;
                        // What was asked for before does not know of this gap.
                        if self.bulk.session().is_some() {
                            self.bulk.state = State::Down;
                        }
                        if self.gap.is_none() {
                            self.bulk.pace.clear(now);
                        }
                        if base_time < session.since {
                            self.lose_position();
                            anew = base_time;
                        }
                        self.gap = Some(Gap { since: session.since, until: base_time, filled: false });
                        self.events.push_back(Event::DataMissing);
                    }
                    ActiveStatus::Ended(code) => {
                        // Its last words are the latest resume point.
                        if let Some(base_time) = base_time.filter(|_| !session.catching_up) {
                            self.told_until(base_time);
                        }
                        let reason = reason(code, &text);
                        return Err(match code {
                            code if code.is_refusal() => Ending::Unsupported(reason),
                            code if code.is_goodbye() => Ending::Parted(reason),
                            _ => Ending::Broken(reason),
                        });
                    }
                }
                base_time
            }
            // The protocol tells of the end of an active response by its status.
            Ok(Some(Message::Done { .. } | Message::Discarded { .. })) => None,
        };
        if let Some(base_time) = anew {
            session.connection.set_skew(Skew::anew(base_time, store.now()));
        }
        if !std::mem::replace(&mut session.answered, true) {
            if self.polling.take().is_some() {
                // It would move the resume point past what is being told here.
                self.drop_poll();
                self.sweep_by(now);
            }
            self.unanswered = Some(0);
            self.active.pace.answered(&mut self.random);
        }
        if !session.catching_up {
            self.skew = session.connection.skew();
            self.prove(base_time);
            if let Some(base_time) = base_time {
                if self.told.is_some_and(|told| base_time.plus(BACK) < told) {
                    self.set_back(session, base_time, now, store);
                }
                self.told_until(base_time);
            }
        }
        // What happened comes before what follows from it.
        self.report(observer);
        Ok(true)
    }

    /// What has been told of a change is lost, and the resume point moves past it. Asking for everything finds it, unless
    /// it could not be taken then either.
    fn miss_live(&mut self, now: Duration, problem: impl FnOnce() -> String) {
        self.miss(problem);
        if self.sweeps_help {
            self.sweep_soon(now);
        }
    }

    /// The server's clock was set back in the middle of a response, and it does not say so: all is to be asked for again.
    fn set_back(&mut self, session: &mut Session<P>, base_time: Time, now: Duration, store: &Store<P::Key>) {
        self.skew = Skew::anew(base_time, store.now());
        session.connection.set_skew(self.skew);
        self.told = None;
        self.lose_position();
        self.gap = Some(Gap { since: None, until: None, filled: false });
        self.bulk.state = State::Down;
        self.bulk.pace.clear(now);
        self.events.push_back(Event::DataMissing);
    }

    /// The server's clock has been seen, if it has: what was told before that was converted by what an earlier run knew of it.
    /// If that is so no longer, because our clock is another one by now, it has to be told again.
    fn prove(&mut self, base_time: Option<Time>) {
        let Some((since, remembered)) = self.unproven.take_if(|_| !self.skew.is_remembered()) else { return };
        if self.skew.seconds().abs_diff(remembered) > STEP && self.gap.is_none() {
            self.gap = Some(Gap { since: Some(since), until: base_time, filled: false });
        }
    }

    /// Everything up to a time has been told, but for the gap.
    fn told_until(&mut self, base_time: Time) {
        self.told = self.told.max(Some(base_time));
        if self.gap.is_none() {
            self.resume = self.resume.max(self.told);
        }
    }

    /// The gap has been filled: what the active response told since then counts. It may be earlier than the old resume
    /// point, if the server's clock was set back. If it told no base-time at all, `asked` is when the bulk query was asked.
    pub(super) fn close_gap(&mut self, asked: Time) {
        if self.gap.take().is_some() {
            self.resume = self.told.or(Some(asked));
            self.held = None;
            self.events.push_back(Event::GapFilled);
        }
    }

    fn end_session(&mut self, now: Duration, ending: Ending) {
        self.told = None;
        self.sum_up();
        // The old resume point still holds, and what is missing will be said anew.
        self.gap = None;
        match ending {
            Ending::Parted(_) => self.active.pace.part(now, &mut self.random),
            Ending::Broken(_) | Ending::Unsupported(_) => self.active.pace.rest(now, &mut self.random),
        }
        match ending {
            Ending::Parted(reason) | Ending::Broken(reason) => {
                // Whoever lost a server sweeps some time later.
                self.sweep_soon(now);
                self.disconnected(&reason);
            }
            Ending::Unsupported(reason) => match &mut self.polling {
                Some(polling) => polling.give_up(),
                None => {
                    if self.silent {
                        // Nobody was told of changes meanwhile, and nobody knows yet whether it answers anything.
                        self.disconnected(&reason);
                    }
                    // If it answers a bulk query now, that is how it is followed; if not, it is just not there.
                    self.bulk.pace.clear(now);
                    self.polling = Some(Polling { next: now, confirmed: false, patience: 0, backoff: 1, reason });
                }
            },
        }
    }

    /// What a failure says of the server. One that never said a word about an active query may know none; one that
    /// answered such a query before has to be silent several times.
    fn judge(&mut self, answered: bool, failure: &Failure) -> Ending {
        let reason = match failure {
            Failure::Closed | Failure::Unanswered => "the server closed the connection".to_owned(),
            failure => failure.to_string(),
        };
        self.silent = matches!(failure, Failure::NoData(_));
        if answered || !matches!(failure, Failure::Closed | Failure::Unanswered | Failure::NoData(_)) {
            return Ending::Broken(reason);
        }
        if self.active.pace.is_expected() {
            // It has said goodbye, and takes connections that it can no longer answer.
            return Ending::Broken(reason);
        }
        match &mut self.unanswered {
            Some(times) if *times + 1 < PATIENCE => {
                *times += 1;
                Ending::Broken(reason)
            }
            _ => Ending::Unsupported(reason),
        }
    }
}
