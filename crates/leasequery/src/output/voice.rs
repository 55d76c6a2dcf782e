//! What is said on standard error, to people: how much of it, and whether in colour. Standard output is for records.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use clap::{Args, ColorChoice};

/// How the program speaks.
#[derive(Debug, Clone, Args)]
pub struct Manner {
    /// Say nothing on standard error but what is wrong
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = HEADING)]
    quiet: bool,
    /// Say more on standard error: what is done
    #[arg(short, long, global = true, help_heading = HEADING)]
    verbose: bool,
    /// Whether to use colours; auto is on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto, help_heading = HEADING)]
    color: ColorChoice,
}

const HEADING: &str = "Output";

static MANNER: OnceLock<Manner> = OnceLock::new();

/// What something is that is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It is why the program fails.
    Error,
    /// It should be looked at.
    Warning,
    /// It is good to know.
    Note,
    /// It is for whoever wants to know everything.
    Detail,
}

impl Manner {
    /// From now on, for the whole program.
    pub fn adopt(self) {
        let _ = MANNER.set(self);
    }

    fn most(&self) -> Level {
        match (self.quiet, self.verbose) {
            (true, _) => Level::Warning,
            (_, true) => Level::Detail,
            _ => Level::Note,
        }
    }
}

impl Level {
    /// What stands before it, and its colour on a terminal (ECMA-48 select graphic rendition).
    fn looks(self) -> (&'static str, &'static str) {
        match self {
            Self::Error => ("error: ", "1;31"),
            Self::Warning => ("warning: ", "1;33"),
            Self::Note => ("note: ", "1;36"),
            Self::Detail => ("", "2"),
        }
    }
}

/// Whether something is said.
fn is_heard(level: Level) -> bool {
    MANNER.get().map_or(Level::Note, Manner::most) >= level
}

/// Whether an output is to be coloured.
pub fn is_coloured(terminal: &impl IsTerminal) -> bool {
    match MANNER.get().map_or(ColorChoice::Auto, |manner| manner.color) {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        // https://no-color.org
        ColorChoice::Auto => {
            terminal.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
}

/// Whether a line that is drawn again and again would be seen, and is wanted.
pub fn is_lively() -> bool {
    is_heard(Level::Note) && io::stderr().is_terminal()
}

/// Says something on standard error, if anybody is there.
pub fn say(level: Level, text: fmt::Arguments<'_>) {
    if !is_heard(level) {
        return;
    }
    let (name, colour) = level.looks();
    let text = plain(text);
    let _ = match (is_coloured(&io::stderr()), level) {
        (false, _) => writeln!(io::stderr(), "{name}{text}"),
        (true, Level::Detail) => writeln!(io::stderr(), "\x1b[{colour}m{text}\x1b[0m"),
        (true, _) => writeln!(io::stderr(), "\x1b[{colour}m{name}\x1b[0m{text}"),
    };
}

/// Says what came of it all.
pub fn sum_up(text: fmt::Arguments<'_>) {
    if is_heard(Level::Note) {
        let _ = writeln!(io::stderr(), "{}", plain(text));
    }
}

/// Some of it may come from a server, which must not move the cursor of a terminal.
fn plain(text: fmt::Arguments<'_>) -> String {
    text.to_string().replace(char::is_control, "?")
}
