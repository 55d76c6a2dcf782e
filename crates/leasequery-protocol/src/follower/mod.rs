//! Following a server: an exact copy of its bindings, whatever happens in between.
//!
//! A [`Follower`] first asks for everything (bulk), then for every change (active), and after an interruption for what
//! changed meanwhile (catching up). What the server can no longer tell of by itself it asks for beside the running
//! active query, and what no query can tell of, because it is no longer there, it finds by asking for everything again
//! (a sweep). A server without Active Leasequery is asked again and again for what has changed.
//!
//! It is a state machine without I/O for two connections, one for the active query and one for bulk queries, which may
//! not share one (RFC 7724 section 8.3). DHCPv4 and DHCPv6 differ in their [`Followed`].

mod bulk;
mod followed;
mod pace;
mod position;
mod ranges;
mod reconcile;
mod session;
mod untaken;
mod v4;
mod v6;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use fastrand::Rng;
use leasequery_store::{SourceId, Store, Time};

use crate::clock::Skew;
use crate::requestor::{Connection, Timeouts};
use bulk::{Bulk, Job, STALE};
use pace::Pace;
use session::Session;
use untaken::Untaken;

pub use followed::{Change, Event, Followed, Observer, Origin, Span, Told};
pub use position::Position;
pub use v4::V4Wanted;
pub use v6::V6Wanted;

/// Which of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// The one for the active query.
    Active,
    /// The one for bulk queries.
    Bulk,
}

/// Both, in the order in which they are looked after.
pub const LINKS: [Link; 2] = [Link::Active, Link::Bulk];

/// How a server is followed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The least time from one attempt to connect to the next: ACTIVE_LQ_IDLE_TIMEOUT (RFC 7724 section 7.1).
    pub retry: Duration,
    /// How often a server without Active Leasequery is asked for changes.
    pub poll: Duration,
    /// How often everything is asked for, to find what is no longer there; `None` is never, unless the server says that it
    /// cannot tell of all changes, and has no other way to tell what ended, or the copy began with nothing.
    pub sweep: Option<Duration>,
    /// Whether the copy begins with everything there is, or just with what changes from now on.
    pub initial: bool,
    /// Whether the store has what was told up to the position that is gone on from. If it has not, and somebody else
    /// does, everything is asked for only if the server cannot tell of all changes since.
    pub kept: bool,
    /// How long to wait for the server.
    pub timeouts: Timeouts,
}

impl Default for Settings {
    /// 60 seconds, 60 seconds, an hour, with everything, and kept.
    fn default() -> Self {
        Self {
            retry: Duration::from_mins(1),
            poll: Duration::from_mins(1),
            sweep: Some(Duration::from_hours(1)),
            initial: true,
            kept: true,
            timeouts: Timeouts::default(),
        }
    }
}

/// In polling, every so many polls everything is asked for.
const POLLS_PER_SWEEP: u32 = 10;
/// Active queries without an answer after which a server that answered one before is taken to have no more answers.
const PATIENCE: u32 = 3;
/// Polls after which Active Leasequery is tried again, at most.
const MAX_BACKOFF: u32 = 64;
/// Seconds by which the server's clock may move against ours before all times are asked for anew.
const STEP: u64 = 2;
/// Seconds by which base-times may run back without meaning that the server's clock was set back: a server keeps to its
/// order, and waits for a clock that is a little behind.
const BACK: u32 = 10;

/// A server being followed.
///
/// The owner turns a wheel: open the connections that [`poll_connect`](Self::poll_connect) asks for and say what came of
/// it ([`handle_connected`](Self::handle_connected), [`handle_unreachable`](Self::handle_unreachable)); carry octets
/// ([`poll_transmit`](Self::poll_transmit), [`handle_sent`](Self::handle_sent), [`handle_bytes`](Self::handle_bytes),
/// [`handle_eof`](Self::handle_eof)); let it work ([`advance`](Self::advance)), close what is no longer
/// [open](Self::is_open), and sleep until something comes or [`poll_timeout`](Self::poll_timeout) is due.
///
/// Times are durations since an arbitrary start, the same for all calls.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is about something of its own")]
pub struct Follower<P: Followed> {
    wanted: P::Wanted,
    source: SourceId,
    settings: Settings,
    random: Rng,
    skew: Skew,
    /// Up to when everything has been told, by the server's clock.
    resume: Option<Time>,
    /// From when on what was told was converted by the difference of clocks that an earlier run had found, and that difference.
    unproven: Option<(Time, i64)>,
    /// When a copy that begins with nothing began, as far as our own clock can tell: that holds until the server has given a
    /// time.
    began: Option<Time>,
    /// The highest base-time of the running active response; it becomes the resume point at once, or when the gap before
    /// it has been filled.
    told: Option<Time>,
    gap: Option<Gap>,
    /// Where to go on after a restart while a server is polled: from when everything was asked for the last time. Whoever
    /// is only polled does not say that it has forgotten something. Nor, in DHCPv6, that anything has ended: there an active
    /// response has to go on from here, too.
    held: Option<Time>,
    /// What the copy begins with has been received, as far as the server knew it, or is not wanted.
    begun: bool,
    /// It has been received as a whole. Until then there is nothing that a later run could go on from.
    whole: bool,
    polling: Option<Polling>,
    /// Active queries in a row that got no answer at all; `None` as long as the server has never answered one.
    unanswered: Option<u32>,
    /// When everything is asked for the next time, if it is, and what was known of the server's clock at the last time.
    sweep_at: Option<Duration>,
    swept_with: i64,
    /// The store has bindings that another source had, of which this one has to say what it knows. It is asked at once, and
    /// after that no more often than it is connected to.
    asked: bool,
    ask_at: Duration,
    /// What could not be taken, and whether to ask for everything is of any use then: not if it could not be taken the
    /// last time either.
    untaken: Untaken,
    sweeps_help: bool,
    /// What our own clock showed when we last looked, and when that was.
    looked: Option<(Duration, Time)>,
    /// It was stepped since everything was asked for the last time.
    stepped: bool,
    active: Half<Session<P>>,
    bulk: Half<Bulk<P>>,
    /// Whether the server knows what it means to ask for all VPNs.
    all_vpns: bool,
    up: bool,
    /// The server takes connections and says nothing, so that it takes one says nothing either.
    silent: bool,
    /// Why it cannot be followed, which is said once.
    down_for: Option<String>,
    events: VecDeque<Event>,
    saved: Option<Position>,
}

/// One of the two connections.
#[derive(Debug)]
struct Half<S> {
    state: State<S>,
    pace: Pace,
}

#[derive(Debug)]
enum State<S> {
    Down,
    /// The owner is opening it.
    Connecting,
    Open(S),
}

impl<S> Half<S> {
    fn new(distance: Duration) -> Self {
        Self { state: State::Down, pace: Pace::new(distance) }
    }

    fn is_down(&self) -> bool {
        matches!(self.state, State::Down)
    }

    fn session(&self) -> Option<&S> {
        match &self.state {
            State::Open(session) => Some(session),
            State::Down | State::Connecting => None,
        }
    }

    fn session_mut(&mut self) -> Option<&mut S> {
        match &mut self.state {
            State::Open(session) => Some(session),
            State::Down | State::Connecting => None,
        }
    }
}

/// Changes that the server could not tell of by itself, by its clock.
#[derive(Debug, Clone, Copy)]
struct Gap {
    since: Option<Time>,
    until: Option<Time>,
    /// What changed in it has been told. What vanished in it has not, before everything has been asked for.
    filled: bool,
}

impl Gap {
    /// What to ask for. A server whose clock was set back has no such time.
    fn job(self) -> Job {
        match (self.since, self.until) {
            (Some(since), Some(until)) if since <= until && !self.filled => {
                Job::Gap(Span { since: Some(since), until: Some(until) })
            }
            _ => Job::Sweep,
        }
    }
}

/// How a server without Active Leasequery is followed.
#[derive(Debug)]
struct Polling {
    next: Duration,
    /// A poll was answered. Until then the server may as well be gone altogether.
    confirmed: bool,
    /// Polls until Active Leasequery is tried again, and how many it will be the time after.
    patience: u32,
    backoff: u32,
    /// Why it is thought to have no Active Leasequery.
    reason: String,
}

impl Polling {
    /// An active query came to nothing; the next one waits longer.
    fn give_up(&mut self) {
        self.backoff = (self.backoff * 2).min(MAX_BACKOFF);
        self.patience = self.backoff;
    }
}

impl<P: Followed> Follower<P> {
    /// Follows a server, as `source` of the store that [`advance`](Self::advance) will be given. `position` is where it
    /// stopped the last time, if the store has what was told up to then.
    pub fn new(wanted: P::Wanted, source: SourceId, position: Option<Position>, settings: Settings, seed: u64) -> Self {
        Self {
            wanted,
            source,
            random: Rng::with_seed(seed),
            skew: position.map_or_else(Skew::default, |position| Skew::remembered(position.skew)),
            resume: position.map(|position| position.resume),
            unproven: position.map(|position| (position.resume, position.skew)),
            began: None,
            told: None,
            gap: None,
            held: None,
            begun: position.is_some() || !settings.initial,
            whole: position.is_some() || !settings.initial,
            polling: None,
            unanswered: None,
            // What left the server while nobody listened has to be found, as soon as it has caught up.
            sweep_at: match position {
                Some(_) if settings.kept => settings.sweep.map(|_| Duration::ZERO),
                Some(_) => None,
                None => settings.sweep,
            },
            swept_with: position.map_or(0, |position| position.skew),
            asked: false,
            ask_at: Duration::ZERO,
            untaken: Untaken::default(),
            sweeps_help: true,
            looked: None,
            stepped: false,
            active: Half::new(settings.retry),
            bulk: Half::new(settings.retry),
            all_vpns: true,
            up: false,
            silent: false,
            down_for: None,
            events: VecDeque::new(),
            saved: position,
            settings,
        }
    }

    /// Which connection is to be opened now.
    pub fn poll_connect(&mut self, now: Duration) -> Option<Link> {
        if self.active_due().is_some_and(|due| due <= now) {
            self.active.state = State::Connecting;
            self.active.pace.attempt(now, &mut self.random);
            return Some(Link::Active);
        }
        if self.job().is_some_and(|(due, _)| due <= now) {
            self.bulk.state = State::Connecting;
            self.bulk.pace.attempt(now, &mut self.random);
            return Some(Link::Bulk);
        }
        None
    }

    /// A connection has been opened, to a server at this address.
    pub fn handle_connected(&mut self, link: Link, now: Duration, peer: IpAddr, store: &mut Store<P::Key>) {
        let protocol = P::with_peer(&self.wanted, peer);
        let mut connection = Connection::new(protocol, self.settings.timeouts, self.random.u32(..));
        connection.set_skew(self.skew);
        match link {
            Link::Active => {
                let resume = self.resume.or(self.began);
                let since = if P::TELLS_ENDS { resume } else { self.held.or(resume) };
                let asked = connection.ask(now, P::active_query(&self.wanted, since));
                self.active.state = match asked {
                    Ok(_) => State::Open(Session::new(connection, since)),
                    Err(_) => State::Down,
                };
            }
            Link::Bulk => self.begin_job(connection, now, store),
        }
        if !self.settings.initial && self.resume.is_none() && self.began.is_none() {
            self.began = Some(self.skew.to_server(store.now().minus(STALE)));
        }
        if !self.silent {
            self.connected();
        }
    }

    /// A connection cannot be opened.
    pub fn handle_unreachable(&mut self, link: Link, reason: &str) {
        match link {
            Link::Active => self.active.state = State::Down,
            Link::Bulk => {
                self.bulk.state = State::Down;
                let reason = self.stop_trying_to_poll(reason);
                if self.active.session().is_some_and(|session| session.answered) {
                    // It is followed all the same.
                    return self.trouble(&reason);
                }
                return self.disconnected(&reason);
            }
        }
        self.disconnected(reason);
    }

    /// What is to be sent on a connection.
    pub fn poll_transmit(&self, link: Link) -> &[u8] {
        match link {
            Link::Active => self.active.session().map_or(&[], |session| session.connection.poll_transmit()),
            Link::Bulk => self.bulk.session().map_or(&[], |bulk| bulk.connection.poll_transmit()),
        }
    }

    /// So many octets of it were sent.
    pub fn handle_sent(&mut self, link: Link, now: Duration, sent: usize) {
        if let Some(connection) = self.connection(link) {
            connection.handle_sent(now, sent);
        }
    }

    /// Takes octets that the server sent.
    pub fn handle_bytes(&mut self, link: Link, bytes: &[u8]) {
        if let Some(connection) = self.connection(link) {
            connection.handle_bytes(bytes);
        }
    }

    /// A connection was closed, in whatever manner.
    pub fn handle_eof(&mut self, link: Link) {
        if let Some(connection) = self.connection(link) {
            connection.handle_eof();
        }
    }

    /// What protects a connection has failed, for this reason.
    pub fn handle_broken(&mut self, link: Link, reason: &str) {
        if let Some(connection) = self.connection(link) {
            connection.handle_broken(reason);
        }
    }

    /// Whether a connection is still of use; else it has to be closed.
    pub fn is_open(&self, link: Link) -> bool {
        match link {
            Link::Active => self.active.session().is_some(),
            Link::Bulk => self.bulk.session().is_some(),
        }
    }

    /// Works on what has come and on timers that are due, taking `budget` messages of each connection at most. The
    /// store's clock has to be the local time. Says whether there may be more.
    pub fn advance(
        &mut self,
        now: Duration,
        store: &mut Store<P::Key>,
        observer: &mut impl Observer<P>,
        budget: usize,
    ) -> bool {
        self.report(observer);
        store.set_converted(self.source);
        self.follow_own_clock(now, store);
        let mut more = self.advance_active(now, store, observer, budget);
        self.report(observer);
        more |= self.advance_bulk(now, store, observer, budget);
        self.report(observer);
        if self.skew.seconds().abs_diff(self.swept_with) > STEP {
            // All times that are stored were converted with the old difference.
            self.sweep_by(now);
            self.swept_with = self.skew.seconds();
        }
        self.asked = store.is_asked(self.source);
        self.save(store);
        more
    }

    /// When [`advance`](Self::advance) or [`poll_connect`](Self::poll_connect) has something to do.
    pub fn poll_timeout(&self) -> Option<Duration> {
        [
            self.active_due(),
            self.job().map(|(due, _)| due),
            self.active.session().and_then(|session| session.connection.poll_timeout()),
            self.bulk.session().and_then(|bulk| bulk.connection.poll_timeout()),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// When the next attempt to connect is due, if there is to be one.
    pub fn next_attempt(&self) -> Option<Duration> {
        self.active_due().into_iter().chain(self.job().map(|(due, _)| due)).min()
    }

    /// Where it stands: what to begin with after a restart.
    pub fn position(&self) -> Option<Position> {
        let resume = self.held.or(self.resume).or(self.began);
        resume.filter(|_| self.whole).map(|resume| Position { resume, skew: self.skew.seconds() })
    }

    /// Whether the copy follows every change as it happens.
    pub fn is_live(&self) -> bool {
        self.gap.is_none() && self.active.session().is_some_and(|session| session.answered && !session.catching_up)
    }

    fn connection(&mut self, link: Link) -> Option<&mut Connection<P>> {
        match link {
            Link::Active => self.active.session_mut().map(|session| &mut session.connection),
            Link::Bulk => self.bulk.session_mut().map(|bulk| &mut bulk.connection),
        }
    }

    /// Looks whether our own clock was stepped. Then all that was known of the server's means nothing any more, and all
    /// that was converted has to be asked for again.
    fn follow_own_clock(&mut self, now: Duration, store: &mut Store<P::Key>) {
        let wall = store.now();
        let Some((then, showed)) = self.looked.replace((now, wall)) else { return };
        let due = u64::from(showed.0).saturating_add(now.saturating_sub(then).as_secs());
        if u64::from(wall.0).abs_diff(due) <= u64::from(leasequery_store::BACK) {
            if !self.stepped {
                store.trust_times(self.source);
            }
            return;
        }
        self.stepped = true;
        self.skew = Skew::default();
        if let Some(connection) = self.connection(Link::Active) {
            connection.set_skew(Skew::default());
        }
        // What it told so far was converted by the clock of before.
        self.bulk.state = State::Down;
        self.bulk.pace.clear(now);
        self.sweep_by(now);
    }

    /// What was told up to some time is worth nothing: the server's clock was set back. Once it has passed that time
    /// again it would take it for one that it knows all about. Everything has to be asked for.
    fn lose_position(&mut self) {
        self.resume = Some(Time::default());
        self.held = None;
    }

    /// When the active connection is to be opened, if it is.
    fn active_due(&self) -> Option<Duration> {
        let wanted = self.active.is_down() && self.begun;
        let permitted = self
            .polling
            .as_ref()
            .is_none_or(|polling| polling.confirmed && polling.patience == 0 && self.bulk.is_down());
        (wanted && permitted).then(|| self.active.pace.next())
    }

    /// What is to be asked for by a bulk query next, and when.
    fn job(&self) -> Option<(Duration, Job)> {
        if !self.bulk.is_down() {
            return None;
        }
        let asked = self.asked.then_some(self.ask_at);
        let sweep_at = self.sweep_at.into_iter().chain(asked).min();
        let following = self.active.session().is_some_and(|session| session.answered && !session.catching_up);
        let (due, job) = if !self.begun || (!self.whole && (following || self.polling.is_some())) {
            (Duration::ZERO, Job::Initial)
        } else if let Some(polling) = &self.polling {
            match sweep_at {
                // What changed has to be told as a change first.
                Some(sweep) if polling.confirmed && sweep < polling.next => (sweep, Job::Sweep),
                _ => (polling.next, Job::Poll),
            }
        } else if !following {
            return None;
        } else if let Some(gap) = self.gap {
            // Nobody would ever find what ended in it.
            let ends_untold = !P::TELLS_ENDS && self.settings.initial && self.settings.sweep.is_none();
            (Duration::ZERO, if ends_untold { Job::Sweep } else { gap.job() })
        } else {
            (sweep_at?, Job::Sweep)
        };
        Some((due.max(self.bulk.pace.next()), job))
    }

    /// A binding is not in the copy as the server has it, and the server will not tell of it again by itself.
    fn miss(&mut self, problem: impl FnOnce() -> String) {
        let problem = self.untaken.note(problem);
        self.events.extend(problem.map(Event::Warning));
    }

    /// Tells how many more there were.
    fn sum_up(&mut self) {
        let sum = self.untaken.sum();
        self.events.extend(sum.map(Event::Warning));
    }

    /// Everything is asked for some time soon, but not by all requestors at once.
    fn sweep_soon(&mut self, now: Duration) {
        let spread = self.settings.retry.mul_f64(5.0 * self.random.f64());
        self.sweep_by(now + spread);
    }

    /// If everything is to be asked for, it is at this time, or before it.
    fn sweep_by(&mut self, at: Duration) {
        self.sweep_at = self.sweep_at.map(|planned| planned.min(at));
    }

    fn report(&mut self, observer: &mut impl Observer<P>) {
        for event in self.events.drain(..) {
            observer.event(&event);
        }
    }

    /// The server has said something, if it has.
    fn heard(&mut self, something: bool, observer: &mut impl Observer<P>) {
        if something && std::mem::take(&mut self.silent) {
            self.connected();
            // What it said comes after that.
            self.report(observer);
        }
    }

    /// A bulk query came to nothing, for this reason. If it was to be asked because an active one had, that reason comes
    /// first: it is about the matter.
    fn stop_trying_to_poll(&mut self, reason: &str) -> String {
        match self.polling.take_if(|polling| !polling.confirmed) {
            Some(Polling { reason: active, .. }) => format!("{active}; a bulk query in its place: {reason}"),
            None => reason.to_owned(),
        }
    }

    fn connected(&mut self) {
        self.down_for = None;
        if !std::mem::replace(&mut self.up, true) {
            self.events.push_back(Event::Connected);
        }
    }

    fn disconnected(&mut self, reason: &str) {
        if std::mem::take(&mut self.up) {
            self.events.push_back(Event::Disconnected(reason.to_owned()));
            self.down_for = Some(reason.to_owned());
        } else {
            self.trouble(reason);
        }
    }

    /// Says once why a connection cannot be opened.
    fn trouble(&mut self, reason: &str) {
        if self.down_for.as_deref() != Some(reason) {
            self.events.push_back(Event::Warning(reason.to_owned()));
            self.down_for = Some(reason.to_owned());
        }
    }

    /// Remembers the position. It becomes durable with, or after, what was told up to there.
    fn save(&mut self, store: &mut Store<P::Key>) {
        let position = self.position();
        if position != self.saved {
            self.saved = position;
            if let Some(position) = position {
                store.set_position(self.source, position.to_bytes());
            }
        }
    }
}
