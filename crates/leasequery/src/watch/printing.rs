use std::io::{self, Stdout};
use std::time::{Duration, Instant};

use leasequery_client::Companion;
use leasequery_protocol::follower::{Change, Event, Follower, Observer, Origin, Told};
use leasequery_record::Family;
use leasequery_record::View;
use leasequery_store::{Binding, Store};

use super::Ended;
use super::change::{Known, describe};
use super::exec::Exec;
use super::kept::Kept;
use super::standing::Standing;
use crate::output::{Columns, Format, Level, Printer, say, sum_up};

/// How often the position is written to disk at most.
const SAVE: Duration = Duration::from_secs(1);

/// What is shown, and how.
pub(super) struct Shown {
    pub(super) format: Format,
    pub(super) columns: Columns,
    /// Changes of nothing but times are left out.
    pub(super) ignore_renewals: bool,
}

/// Prints what comes.
pub(super) struct Printing<P: Family> {
    printer: Printer<Stdout>,
    format: Format,
    /// What was known of a binding before the record that is being taken.
    before: Option<Known>,
    ignore_renewals: bool,
    earlier: Earlier,
    standing: Standing,
    kept: Option<Kept<P>>,
    saved: Option<Instant>,
    exec: Option<Exec<P>>,
    failed: Option<io::Error>,
}

/// What an earlier run has told whoever reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Earlier {
    /// Nothing, or only changes.
    None,
    /// All there was until this run goes on.
    Known,
    /// The server cannot tell of all changes since then, so that everything is told once more.
    Outdated,
}

impl<P: Family> Printing<P> {
    pub(super) fn new(
        standing: Standing,
        shown: &Shown,
        resumed: bool,
        kept: Option<Kept<P>>,
        exec: Option<Exec<P>>,
    ) -> Self {
        Self {
            printer: Printer::new(shown.format, shown.columns, io::stdout()),
            format: shown.format,
            before: None,
            ignore_renewals: shown.ignore_renewals,
            earlier: if resumed { Earlier::Known } else { Earlier::None },
            standing,
            kept,
            saved: None,
            exec,
            failed: None,
        }
    }

    /// Ends the output, and the command that runs.
    pub(super) fn finish(mut self, follower: &Follower<P>) -> io::Result<()> {
        let connected = self.standing.was_connected();
        self.printer.flush()?;
        let left = self.exec.take().and_then(Exec::finish);
        match left {
            None => self.save(follower)?,
            Some(leases) => {
                let then = if self.kept.is_some() { "; the next run does" } else { "" };
                say(Level::Warning, format_args!("--exec has not dealt with {leases}{then}"));
            }
        }
        // Of a server that was never there, there is not even a header.
        if connected { self.printer.finish() } else { Ok(()) }
    }

    pub(super) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Whether what was told is a change for whoever reads.
    fn is_change(&self, told: &Told<P::Key>) -> bool {
        told.change >= if self.ignore_renewals { Change::Lease } else { Change::Times }
    }

    /// The server cannot tell of all changes since an earlier run.
    fn behind(&mut self) {
        if self.earlier == Earlier::Known {
            self.earlier = Earlier::Outdated;
        }
    }

    /// Writes where the next run goes on, unless the command has still to be run for something: that run begins where this
    /// one had dealt with everything.
    fn save(&mut self, follower: &Follower<P>) -> io::Result<()> {
        match (&mut self.kept, follower.position()) {
            (Some(kept), Some(position)) if self.exec.as_ref().is_none_or(Exec::is_idle) => {
                kept.save(position).map_err(|problem| io::Error::other(Ended::State(problem)))
            }
            _ => Ok(()),
        }
    }

    fn print(&mut self, view: &View<'_>, change: Option<&str>) {
        if let Err(error) = self.printer.print_change(view, change) {
            self.failed.get_or_insert(error);
        }
    }
}

impl<P: Family> Observer<P> for Printing<P> {
    fn before(&mut self, record: &P::Record<'_>, store: &Store<P::Key>) {
        // Only people are told what it was.
        if self.format == Format::Table {
            let binding = P::key(record, store).and_then(|key| store.lookup(key));
            self.before = binding.map(|binding| Known::of(&P::view_of(&binding, store)));
        }
    }

    fn record(&mut self, record: &P::Record<'_>, told: Told<P::Key>, origin: Origin) {
        self.standing.hears();
        let is_change = self.is_change(&told);
        if let Some(exec) = self.exec.as_mut().filter(|_| is_change && origin != Origin::Initial) {
            exec.changed(told.key);
        }
        let once_more = origin.is_bulk() && self.earlier == Earlier::Outdated;
        if !(is_change || once_more || origin == Origin::Initial) {
            return;
        }
        let view = P::view(record);
        match self.format {
            Format::Table => {
                let change = describe(self.before.take().as_ref(), &Known::of(&view), told.change, origin);
                self.print(&view, Some(&change));
            }
            Format::Json | Format::Csv => self.print(&view, None),
        }
    }

    fn gone(&mut self, binding: &Binding<'_, P::Key>, store: &Store<P::Key>) {
        self.print(&P::view_of(binding, store), None);
        if let Some(exec) = &mut self.exec {
            exec.changed(binding.key());
        }
    }

    fn event(&mut self, event: &Event) {
        self.standing.takes(event);
        let (name, reason) = match event {
            Event::Connected => ("connected", None),
            Event::InitialComplete => ("initial-complete", None),
            Event::CatchUpComplete => ("catch-up-complete", None),
            Event::DataMissing => {
                self.behind();
                ("data-missing", None)
            }
            // All that is there has been told once more, and what has not is gone.
            Event::Swept if self.earlier == Earlier::Outdated => {
                self.earlier = Earlier::None;
                ("initial-complete", None)
            }
            Event::Swept => return,
            Event::GapFilled => ("gap-filled", None),
            Event::Disconnected(reason) => ("disconnected", Some(reason)),
            Event::Polling(reason) => {
                // Changes of which the server has forgotten are not told of this way.
                self.behind();
                ("polling", Some(reason))
            }
            Event::Incomplete(reason) => {
                let server = self.standing.server();
                return say(Level::Warning, format_args!("{server} tells what it knows: {reason}"));
            }
            Event::Refused(reason) => {
                self.failed
                    .get_or_insert(io::Error::other(Ended::Refused(format!("{}: {reason}", self.standing.server()))));
                return;
            }
            Event::Warning(text) if !self.standing.was_connected() => {
                self.failed
                    .get_or_insert(io::Error::other(Ended::Unreachable(format!("{}: {text}", self.standing.server()))));
                return;
            }
            Event::Warning(text) => {
                return say(Level::Warning, format_args!("{}: {text}", self.standing.server()));
            }
        };
        if self.format == Format::Csv {
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            sum_up(format_args!("{name}{reason}"));
        }
        self.printer.event(name, reason.map(String::as_str));
    }
}

impl<P: Family> Companion<P> for Printing<P> {
    fn pause(&mut self, follower: &Follower<P>) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            self.printer.flush()?;
            return Err(error);
        }
        self.printer.flush()?;
        if let Some(retry) = self.standing.retry(follower) {
            say(Level::Note, format_args!("{retry}"));
        }
        // Only what has been written has been told.
        if self.saved.is_none_or(|saved| saved.elapsed() >= SAVE) {
            self.save(follower)?;
            self.saved = Some(Instant::now());
        }
        Ok(())
    }
}
