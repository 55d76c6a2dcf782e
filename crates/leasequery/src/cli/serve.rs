use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use leasequery_daemon::config::Config;
use leasequery_daemon::{self as daemon, Prospect, sources};

use super::{Ending, help};
use crate::output::{Level, say};

/// The daemon: follows DHCP servers and answers leasequeries about their leases.
#[derive(Debug, Args)]
#[command(after_long_help = help::SERVE)]
pub(super) struct Serve {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration, say what it means, and exit
    #[arg(long)]
    check: bool,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Ending> {
        let config = Config::load(&self.config).map_err(|error| Ending::Usage(error.to_string()))?;
        if self.check {
            sources::check(&config).map_err(|error| Ending::Usage(error.to_string()))?;
            let found = Prospect::of(&config);
            let mut text = daemon::describe(&config) + &found.summary;
            for warning in &found.warnings {
                text.extend(["warning: ", warning, "\n"]);
            }
            std::io::stdout().write_all(text.as_bytes())?;
            let Some((last, others)) = found.errors.split_last() else { return Ok(()) };
            for error in others {
                say(Level::Error, format_args!("{error}"));
            }
            return Err(Ending::Usage(last.clone()));
        }
        daemon::run(config, &self.config).map_err(|error| match error.downcast::<daemon::Failure>() {
            Ok(failure) => Ending::Status(failure.to_string()),
            Err(error) => Ending::Usage(format!("{error:#}")),
        })
    }
}
