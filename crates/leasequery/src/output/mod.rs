//! How records are printed.

mod progress;
mod table;

use std::io::{self, Write};

use clap::ValueEnum;

use crate::record::{FIELDS, View};

pub use progress::Progress;

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
    /// Whether options were asked for.
    options: bool,
    out: W,
    buffer: Vec<u8>,
    begun: bool,
}

/// Octets written at a time.
const BUFFER: usize = 64 * 1024;

impl<W: Write> Printer<W> {
    /// Prints to `out`. A table has a column for options where some were asked for.
    pub fn new(format: Format, options: bool, out: W) -> Self {
        Self { format, options, out, buffer: Vec::with_capacity(BUFFER + 4096), begun: false }
    }

    /// Prints one record.
    pub fn print(&mut self, view: &View<'_>) -> io::Result<()> {
        self.begin();
        match self.format {
            Format::Json => view.write_json(&mut self.buffer),
            Format::Csv => view.write_csv(&mut self.buffer),
            Format::Table => table::row(&mut self.buffer, self.options, view),
        }
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// Writes what is buffered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.out.flush()
    }

    /// Ends the output. The header stands there even if no record came.
    pub fn finish(mut self) -> io::Result<()> {
        self.begin();
        self.flush()
    }

    fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        match self.format {
            Format::Json => {}
            Format::Csv => {
                self.buffer.extend_from_slice(FIELDS.join(",").as_bytes());
                self.buffer.push(b'\n');
            }
            Format::Table => table::header(&mut self.buffer, self.options),
        }
    }
}
