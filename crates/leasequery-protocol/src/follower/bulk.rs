use std::collections::HashSet;
use std::time::Duration;

use leasequery_store::{Budget, Network, NetworkChange, SourceId, Store, SweepEnd, Time, VpnHold};

use super::ranges::Ranges;
use super::{BACK, Event, Follower, Observer, Origin, POLLS_PER_SWEEP, Span, State};
use crate::code::StatusCode;
use crate::follower::Followed;
use crate::requestor::Event as Message;
use crate::requestor::{Connection, Done, Failure};

/// What a bulk query is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    /// The state that the copy begins with.
    Initial,
    /// What the active response could not tell of.
    Gap(Span),
    /// Everything, to find what is no longer there.
    Sweep,
    /// What changed since the last time.
    Poll,
}

impl Job {
    fn is_sweep(self) -> bool {
        matches!(self, Self::Initial | Self::Sweep)
    }

    fn origin(self) -> Origin {
        match self {
            Self::Initial => Origin::Initial,
            Self::Gap(_) => Origin::Gap,
            Self::Sweep => Origin::Sweep,
            Self::Poll => Origin::Poll,
        }
    }
}

/// A bulk query that is being answered.
#[derive(Debug)]
pub(super) struct Bulk<P: Followed> {
    pub(super) connection: Connection<P>,
    job: Job,
    /// What the active response has told of meanwhile. Nothing orders the two, and it will have told the last word
    /// whatever comes here.
    heard: HashSet<P::Key>,
    /// The keys mean the same as long as it lasts.
    _vpns: VpnHold,
    configured: Ranges<P::Key>,
    /// Whether it has told of everything that it was asked for.
    whole: bool,
    /// Whether all that it told of is in the copy.
    taken: bool,
    /// The store's clock when it was asked.
    asked: Time,
    /// Everything has been told, and what was not is being looked for.
    ending: Option<Ending<P::Key>>,
}

/// What is left to do when a response is over, in bites.
#[derive(Debug)]
struct Ending<K> {
    done: Done,
    /// What was not told is looked for, if everything else was.
    sweep: Option<SweepEnd>,
    /// Then what it told to be configured is put together,
    networks: Vec<Network<K>>,
    /// and takes the place of what was.
    change: Option<NetworkChange<K>>,
}

/// What came of looking for a message.
enum Step {
    Taken,
    Waiting,
    Done(Done),
    Failed(Failure),
}

impl<P: Followed> Bulk<P> {
    /// The active response has told of a binding.
    pub(super) fn heard(&mut self, key: P::Key) {
        self.heard.insert(key);
    }
}

impl<P: Followed> Bulk<P> {
    /// Whether it tells of everything, so that what it has not told of is not there.
    fn is_full(&self) -> bool {
        self.job.is_sweep() && self.whole
    }

    /// Goes on with what the server has configured, and says whether that is done.
    fn take_networks(&mut self, source: SourceId, store: &mut Store<P::Key>) -> bool {
        let (keeps, budget) = (!self.is_full(), Budget::new(RANGES));
        let Some(ending) = &mut self.ending else { return true };
        let mut change = match ending.change.take() {
            Some(change) => change,
            None if !self.configured.take(&budget, store.now(), &mut ending.networks) => return false,
            None => NetworkChange::new(Some(source), std::mem::take(&mut ending.networks), keeps),
        };
        let done = store.change_networks(&mut change, &budget);
        ending.change = Some(change);
        done
    }
}

/// Notes that an address is configured on the server, if that is what its answer means.
fn configure<P: Followed>(configured: &mut Ranges<P::Key>, key: P::Key, since: Option<Time>) {
    if P::TELLS_CONFIGURED {
        configured.add(key, since);
    }
}

impl<P: Followed> Follower<P> {
    /// Asks for what is to be asked for next.
    pub(super) fn begin_job(&mut self, mut connection: Connection<P>, now: Duration, store: &mut Store<P::Key>) {
        self.bulk.state = State::Down;
        let Some((_, job)) = self.job() else { return };
        let span = match job {
            Job::Initial | Job::Sweep => Span::default(),
            Job::Gap(span) => span,
            // A copy that began with nothing is told of changes from now on.
            // It overlaps by a second: a change may have come in the same one, behind what was looked at.
            Job::Poll => {
                let since = self.resume.unwrap_or_else(|| self.skew.to_server(store.now()));
                Span { since: Some(since.minus(1)), until: None }
            }
        };
        if connection.ask(now, P::bulk_query(&self.wanted, span, self.all_vpns)).is_err() {
            return;
        }
        if job.is_sweep() {
            store.begin_sweep(self.source);
            if self.asked {
                self.ask_at = now + self.settings.retry;
            }
        }
        self.bulk.state = State::Open(Bulk {
            connection,
            job,
            heard: HashSet::new(),
            _vpns: store.hold_vpns(),
            configured: Ranges::new(),
            whole: true,
            taken: true,
            asked: store.now(),
            ending: None,
        });
    }

    /// Works on the connection for bulk queries.
    pub(super) fn advance_bulk(
        &mut self,
        now: Duration,
        store: &mut Store<P::Key>,
        observer: &mut impl Observer<P>,
        budget: usize,
    ) -> bool {
        if !matches!(self.bulk.state, State::Open(_)) {
            return false;
        }
        let State::Open(mut bulk) = std::mem::replace(&mut self.bulk.state, State::Down) else { return false };
        if matches!(bulk.job, Job::Gap(_)) && self.gap.is_none() {
            // The active response that it was for is over, and the next one has to say anew what is missing.
            return false;
        }
        for _ in 0..budget {
            if let Some(Ending { sweep: Some(end), .. }) = &mut bulk.ending {
                let before = store.revision();
                let over = store.end_sweep(self.source, end, &Budget::new(LOOKS));
                for binding in store.changes(before, &Budget::new(LOOKS)).filter(|binding| binding.state().is_ended()) {
                    observer.gone(&binding, store);
                }
                if let Some(ending) = bulk.ending.as_mut().filter(|_| over) {
                    ending.sweep = None;
                }
                continue;
            }
            if bulk.ending.is_some() {
                if bulk.take_networks(self.source, store) {
                    if let Some(ending) = bulk.ending.take() {
                        self.end_job(now, bulk, &ending.done, store);
                    }
                    return false;
                }
                self.bulk.state = State::Open(bulk);
                return true;
            }
            match self.take_bulk_message(&mut bulk, now, store, observer) {
                Step::Taken => {}
                Step::Waiting => {
                    self.bulk.state = State::Open(bulk);
                    return false;
                }
                Step::Done(done) if done.status.is_success() => {
                    let sweep = bulk.is_full().then(SweepEnd::default);
                    bulk.ending = Some(Ending { done, sweep, networks: Vec::new(), change: None });
                }
                Step::Done(done) => {
                    self.end_job(now, bulk, &done, store);
                    return false;
                }
                Step::Failed(failure) => {
                    self.silent = matches!(failure, Failure::NoData(_));
                    self.fail_job(now, bulk.job, &failure.to_string());
                    return false;
                }
            }
        }
        self.bulk.state = State::Open(bulk);
        true
    }

    /// Takes one message, if there is one.
    fn take_bulk_message(
        &mut self,
        bulk: &mut Bulk<P>,
        now: Duration,
        store: &mut Store<P::Key>,
        observer: &mut impl Observer<P>,
    ) -> Step {
        let timed_out = bulk.connection.handle_timeout(now).err();
        let message = bulk.connection.poll_event(now, store.now());
        match message.inspect(|message| self.heard(message.is_some(), observer)) {
            Ok(None) => return Step::Waiting,
            Err(failure) => return Step::Failed(timed_out.unwrap_or(failure)),
            Ok(Some(Message::Record { record, .. })) => {
                if let Some(key) = P::key(&record, store).filter(|key| bulk.heard.contains(key)) {
                    // It is configured all the same.
                    configure::<P>(&mut bulk.configured, key, None);
                    return Step::Taken;
                }
                observer.before(&record, store);
                if self.is_older(&record, bulk.job, store) {
                    return Step::Taken;
                }
                match P::commit(&record, bulk.job.origin(), self.source, store) {
                    Some(told) => {
                        configure::<P>(&mut bulk.configured, told.key, told.free_since);
                        observer.record(&record, told, bulk.job.origin());
                    }
                    None => {
                        bulk.taken = false;
                        // What is known of it is not as it is there, but that is no end of it.
                        bulk.whole &= P::key(&record, store).is_none_or(|key| store.lookup(key).is_none());
                        self.miss(|| P::refused(&record));
                    }
                }
            }
            Ok(Some(Message::Failed { about, status, text, .. })) => {
                // It may well be there.
                (bulk.whole, bulk.taken) = (false, false);
                self.miss(|| format!("the server cannot tell of {about}: {status}: {text}"));
            }
            Ok(Some(Message::Status { .. } | Message::Discarded { .. })) => {}
            Ok(Some(Message::Done { done, .. })) => return Step::Done(done),
        }
        Step::Taken
    }

    /// Whether a record is of what was there before a copy that began with nothing: of such a one only the changes are
    /// told, and those are told before everything is asked for, to find what is no longer there.
    fn is_older(&self, record: &P::Record<'_>, job: Job, store: &Store<P::Key>) -> bool {
        let is_told = self.gap.is_none_or(|gap| gap.filled);
        let is_known = || P::key(record, store).is_some_and(|key| store.lookup(key).is_some());
        !self.settings.initial && job == Job::Sweep && is_told && !is_known()
    }

    fn end_job(&mut self, now: Duration, bulk: Bulk<P>, done: &Done, store: &mut Store<P::Key>) {
        match done.status {
            status if status.is_success() => {}
            status if status.is_refusal() && self.all_vpns && P::wants_all_vpns(&self.wanted) => {
                // It may be that it knows no VPNs.
                self.all_vpns = false;
                self.bulk.pace.clear(now);
                return;
            }
            status if status.is_goodbye() => {
                // It will be back in a moment, and is asked again then.
                self.bulk.pace.part(now, &mut self.random);
                return self.fail_job(now, bulk.job, &reason(status, &done.text));
            }
            status if status.is_partial() => {
                let reason = format!("{status}: {}", done.text);
                self.bulk.pace.be_patient();
                if !matches!(bulk.job, Job::Initial) {
                    return self.fail_job(now, bulk.job, &reason);
                }
                // It does not know everything itself. What it knew when it was asked has been told, and from then on it can
                // be followed: it says that catching up is complete when it knows everything, and then all is asked for
                // once more.
                self.skew = bulk.connection.skew();
                let resume = done.resume_point.unwrap_or(self.skew.to_server(bulk.asked.minus(STALE)));
                self.resume = self.resume.or(Some(resume));
                self.begun = true;
                self.events.push_back(Event::Incomplete(reason));
                return;
            }
            status => {
                // Whoever refuses both does not refuse because of the VPNs, and to ask for less from now on would lose
                // what is in the others.
                self.all_vpns = true;
                let reason = self.stop_trying_to_poll(&reason(status, &done.text));
                self.events.push_back(Event::Refused(reason.clone()));
                return self.fail_job(now, bulk.job, &reason);
            }
        }
        let Bulk { connection, job, whole, taken, asked, .. } = bulk;
        self.sum_up();
        self.skew = connection.skew();
        self.unproven = None;
        self.bulk.pace.answered(&mut self.random);
        self.bulk.pace.clear(now);
        let before = self.resume;
        let resume = done.resume_point.unwrap_or(self.skew.to_server(asked.minus(STALE)));
        match job {
            Job::Initial => {
                store.set_whole(self.source);
                (self.begun, self.whole) = (true, true);
                self.close_gap(resume);
                if self.active.is_down() {
                    self.resume = Some(resume);
                }
                self.events.push_back(Event::InitialComplete);
            }
            Job::Gap(_) if self.settings.sweep.is_none() && self.settings.initial => self.close_gap(resume),
            Job::Gap(_) => {
                if let Some(gap) = &mut self.gap {
                    gap.filled = true;
                }
            }
            Job::Sweep => {
                store.set_whole(self.source);
                self.close_gap(resume);
                // The next polls tell no more than the last ones of what is forgotten.
                self.held = self.polling.as_ref().map(|_| resume);
                if whole {
                    self.events.push_back(Event::Swept);
                }
            }
            Job::Poll => {
                if before.is_some_and(|before| resume.plus(BACK) < before) {
                    // Its clock was set back, and what changed in between may have been passed over.
                    self.sweep_by(now);
                }
                self.resume = Some(resume);
                if !self.active.is_down() {
                    // What it would tell now may be older than what has just been told.
                    self.active.state = State::Down;
                    if let Some(polling) = &mut self.polling {
                        polling.give_up();
                    }
                }
            }
        }
        if job.is_sweep() {
            self.swept(now, taken);
        }
        if let Some(polling) = self.polling.as_mut().filter(|_| job == Job::Poll) {
            if !std::mem::replace(&mut polling.confirmed, true) {
                self.events.push_back(Event::Polling(std::mem::take(&mut polling.reason)));
                // Without the active response nobody says what the server has lost.
                let held = self.settings.sweep.is_some() || !P::TELLS_ENDS;
                self.held = self.held.or(before).filter(|_| held);
                let soon = now + self.settings.poll * POLLS_PER_SWEEP;
                let planned = |at: Option<Duration>| at.map_or(soon, |planned| planned.min(soon));
                self.sweep_at = self.settings.sweep.map(|_| planned(self.sweep_at));
            }
            polling.next = now + self.settings.poll;
            polling.patience = polling.patience.saturating_sub(1);
        }
        self.connected();
    }

    /// Everything has been asked for. `taken` is whether all that was told of it is in the copy.
    fn swept(&mut self, now: Duration, taken: bool) {
        self.stepped = false;
        self.sweeps_help = taken;
        self.sweep_at = self.settings.sweep.map(|sweep| now + sweep);
        self.swept_with = self.skew.seconds();
        if self.polling.is_some() {
            self.sweep_by(now + self.settings.poll * POLLS_PER_SWEEP);
        }
    }

    /// Gives up a poll that is being answered.
    pub(super) fn drop_poll(&mut self) {
        if self.bulk.session().is_some_and(|bulk| bulk.job == Job::Poll) {
            self.bulk.state = State::Down;
        }
    }

    fn fail_job(&mut self, now: Duration, job: Job, reason: &str) {
        self.sum_up();
        let reason = self.stop_trying_to_poll(reason);
        // A sweep that fails again and again does not put off the polls.
        if let Some(polling) = self.polling.as_mut().filter(|_| job == Job::Poll) {
            polling.next = now + self.settings.poll;
        }
        match job {
            Job::Initial if !self.begun => self.disconnected(&reason),
            Job::Poll => self.disconnected(&reason),
            Job::Initial | Job::Gap(_) | Job::Sweep => {
                if job == Job::Sweep {
                    self.sweep_at = self.settings.sweep.map(|sweep| now + sweep.min(self.settings.retry * 5));
                }
                self.events.push_back(Event::Warning(format!("a bulk query failed: {reason}")));
            }
        }
    }
}

/// Ranges of configured addresses that are worked in at a time.
const RANGES: usize = 2048;
/// Records looked at in place of a message, to find what was not told of.
const LOOKS: usize = 64;
/// Why a response ended, as its last words say.
pub(super) fn reason(status: StatusCode, text: &str) -> String {
    if text.is_empty() { status.to_string() } else { format!("{status}: {text}") }
}

/// Seconds for which the resume point goes back where the server gave no base-time, so that it has to be made of our own
/// clock.
pub(super) const STALE: u32 = 2;
