//! How records are printed.

mod progress;

use std::io::{self, BufWriter, Write};

use clap::ValueEnum;

use crate::record::View;

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
    out: BufWriter<W>,
    begun: bool,
}

const COLUMNS: &str = "protocol,address,vpn,state,htype,mac,client-id,start-time-of-state,client-last-transaction-time,\
                       expires,renews,rebinds,relay-agent-information,remote-id,relay-id,options,data-source,server,\
                       base-time";

impl<W: Write> Printer<W> {
    /// Prints to `out`.
    pub fn new(format: Format, out: W) -> Self {
        Self { format, out: BufWriter::with_capacity(64 * 1024, out), begun: false }
    }

    /// Prints one record.
    pub fn print(&mut self, view: &View<'_>) -> io::Result<()> {
        self.begin()?;
        match self.format {
            Format::Json => {
                serde_json::to_writer(&mut self.out, view)?;
                self.out.write_all(b"\n")
            }
            Format::Csv => self.print_csv(view),
            Format::Table => self.print_row(view),
        }
    }

    /// Writes what is buffered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Ends the output. The header stands there even if no record came.
    pub fn finish(mut self) -> io::Result<()> {
        self.begin()?;
        self.out.flush()
    }

    fn begin(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        match self.format {
            Format::Json => Ok(()),
            Format::Csv => writeln!(self.out, "{COLUMNS}"),
            Format::Table => writeln!(
                self.out,
                "{:<15}  {:<9}  {:<17}  {:<20}  {:<20}  {:<20}  {:<16}  VPN",
                "ADDRESS", "STATE", "MAC", "SINCE", "EXPIRES", "REMOTE-ID", "RELAY-ID"
            ),
        }
    }

    fn print_row(&mut self, view: &View<'_>) -> io::Result<()> {
        let row = format!(
            "{:<15}  {:<9}  {:<17}  {:<20}  {:<20}  {:<20}  {:<16}  {}",
            view.address.to_string(),
            view.state.0.to_string(),
            text(view.mac),
            text(view.start_time_of_state),
            text(view.expires),
            text(view.remote_id),
            text(view.relay_id),
            view.vpn.as_deref().unwrap_or_default(),
        );
        writeln!(self.out, "{}", row.trim_end())
    }

    fn print_csv(&mut self, view: &View<'_>) -> io::Result<()> {
        let options: Vec<_> = view.options.iter().map(|(code, value)| format!("{code}={value}")).collect();
        writeln!(
            self.out,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            view.protocol,
            view.address,
            quoted(view.vpn.as_deref().unwrap_or_default()),
            view.state.0,
            text(view.htype),
            text(view.mac),
            text(view.client_id),
            text(view.start_time_of_state),
            text(view.client_last_transaction_time),
            text(view.expires),
            text(view.renews),
            text(view.rebinds),
            text(view.relay_agent_information),
            text(view.remote_id),
            text(view.relay_id),
            options.join(";"),
            view.data_source,
            text(view.server),
            view.base_time,
        )
    }
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// A value as RFC 4180 wants it.
fn quoted(value: &str) -> String {
    if value.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests;
