use clap::Args;

use super::Ending;

/// The whole system in one process, nothing to install or configure.
#[derive(Debug, Args)]
pub(super) struct Demo {}

impl Demo {
    pub(super) fn run(self) -> Result<(), Ending> {
        Ok(())
    }
}
