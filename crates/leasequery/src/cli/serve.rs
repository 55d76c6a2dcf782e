use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::Ending;
use crate::config::Config;
use crate::serve::{self, Prospect};
use crate::source;

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
            let found = Prospect::of(&config);
            let mut text = serve::describe(&config) + &found.summary;
            for warning in &found.warnings {
                text.extend(["warning: ", warning, "\n"]);
            }
            std::io::stdout().write_all(text.as_bytes())?;
            if !found.errors.is_empty() {
                return Err(Ending::Usage(found.errors.join("\nerror: ")));
            }
            return Ok(());
        }
        serve::run(config, &self.config).map_err(|error| match error.downcast::<serve::Failure>() {
            Ok(failure) => Ending::Status(failure.to_string()),
            Err(error) => Ending::Usage(format!("{error:#}")),
        })
    }
}
