//! How records are printed.

mod progress;
mod table;
mod voice;

use std::io::{self, Write};

use clap::ValueEnum;
use leasequery_record::{FIELDS, View};
use terminal_size::{Width, terminal_size_of};

pub use progress::Progress;
pub use table::Columns;
use table::Table;
pub use voice::{Level, Manner, is_coloured, is_lively, say, sum_up};

/// An argument, as it is typed: in quotes if a shell would take some of it for something else, as zsh does with brackets.
pub fn quoted(argument: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./:=,@%+".contains(character);
    match argument {
        plainly if !plainly.is_empty() && plainly.chars().all(plain) => plainly.to_owned(),
        argument => format!("'{}'", argument.replace('\'', "'\\''")),
    }
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people.
    Table,
    /// One JSON record a line.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// Prints records as they come; nothing is collected.
#[derive(Debug)]
pub struct Printer<W: Write> {
    format: Format,
    table: Table,
    out: W,
    buffer: Vec<u8>,
    begun: bool,
}

/// Octets written at a time.
const BUFFER: usize = 64 * 1024;

impl<W: Write> Printer<W> {
    /// Prints leases to `out`, which is standard output.
    pub fn new(format: Format, columns: Columns, out: W) -> Self {
        let room = terminal_size_of(io::stdout()).map(|(Width(width), _)| usize::from(width));
        Self {
            format,
            table: Table::new(columns, room, is_coloured(&io::stdout())),
            out,
            buffer: Vec::with_capacity(BUFFER + 4096),
            begun: false,
        }
    }

    /// Prints one record.
    pub fn print(&mut self, view: &View<'_>) -> io::Result<()> {
        self.print_change(view, None)
    }

    /// Prints one record that has changed, and in a table what has, if that is not only the state.
    pub fn print_change(&mut self, view: &View<'_>, change: Option<&str>) -> io::Result<()> {
        self.begin();
        match self.format {
            Format::Json => view.write_json(&mut self.buffer),
            Format::Csv => view.write_csv(&mut self.buffer),
            Format::Table => self.table.row(&mut self.buffer, view, change),
        }
        if self.buffer.len() >= BUFFER { self.write() } else { Ok(()) }
    }

    /// Prints something that happened in the course of watching: a line of its own for programs, a quiet one for people.
    /// Comma-separated values have no place for it.
    pub fn event(&mut self, name: &str, reason: Option<&str>) {
        match self.format {
            Format::Json => {
                let mut event = serde_json::json!({ "event": name });
                if let Some(reason) = reason {
                    event["reason"] = reason.into();
                }
                self.buffer.extend_from_slice(event.to_string().as_bytes());
                self.buffer.push(b'\n');
            }
            Format::Table => {
                self.table.settle(&mut self.buffer, false);
                let text = reason.map_or_else(|| format!("-- {name}"), |reason| format!("-- {name}: {reason}"));
                // Some of it may come from a server.
                self.buffer.extend_from_slice(text.replace(char::is_control, "?").as_bytes());
                self.buffer.push(b'\n');
            }
            Format::Csv => {}
        }
    }

    /// Writes what there is, because nothing more has come yet.
    pub fn flush(&mut self) -> io::Result<()> {
        self.table.pause(&mut self.buffer);
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.out.flush()
    }

    /// Ends the output. The header stands there even if no record came.
    pub fn finish(mut self) -> io::Result<()> {
        self.begin();
        if self.format == Format::Table {
            self.table.settle(&mut self.buffer, true);
        }
        self.write()
    }

    fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        if self.format == Format::Csv {
            self.buffer.extend_from_slice(FIELDS.join(",").as_bytes());
            self.buffer.push(b'\n');
        }
    }
}
