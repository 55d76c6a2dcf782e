use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Arguments, Ending, help};

/// A script with which a shell completes commands, options and their values; it is printed.
#[derive(Debug, Args)]
#[command(after_long_help = help::COMPLETIONS)]
pub(super) struct Completions {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<(), Ending> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), NAME, &mut script);
        io::stdout().write_all(&script)?;
        Ok(())
    }
}

/// The manual pages: of the program, and of each command.
#[derive(Debug, Args)]
#[command(after_long_help = help::MANUAL)]
pub(super) struct Manual {
    /// Where to put them
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
}

impl Manual {
    pub(super) fn run(&self) -> Result<(), Ending> {
        let written = std::fs::create_dir_all(&self.directory)
            .and_then(|()| clap_mangen::generate_to(Arguments::command(), &self.directory));
        written.map_err(|error| Ending::Usage(format!("{}: {error}", self.directory.display())))
    }
}

/// How the program is called.
const NAME: &str = "leasequery";
