use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::Ending;
use crate::config::Config;
use crate::{serve, source};

/// The daemon: follows DHCP servers and answers leasequeries about their leases.
#[derive(Debug, Args)]
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
            source::check(&config).map_err(|error| Ending::Usage(format!("{error:#}")))?;
            return Ok(std::io::stdout().write_all(serve::describe(&config).as_bytes())?);
        }
        serve::run(config, &self.config).map_err(|error| match error.downcast::<serve::Failure>() {
            Ok(failure) => Ending::Status(failure.to_string()),
            Err(error) => Ending::Usage(format!("{error:#}")),
        })
    }
}
