use std::time::Duration;

use clap::Args;

use super::{Ending, help, parse_duration};
use crate::demo::{Settings, run};

/// The whole system in one process, nothing to install or configure.
#[derive(Debug, Args)]
#[command(after_long_help = help::DEMO)]
pub(super) struct Demo {
    /// Stop after this time instead of running until interrupted
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// How many requestors keep a copy
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    subscribers: u16,
    /// Changes a second
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
}

impl Demo {
    pub(super) fn run(self) -> Result<(), Ending> {
        let settings = Settings {
            duration: self.duration,
            requestors: self.subscribers.into(),
            rate: self.rate,
            program: std::env::args().next().unwrap_or_else(|| "leasequery".to_owned()),
        };
        match run(&settings) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Ending::Status("the copy differs from the store".to_owned())),
            Err(error) => Err(match error.downcast::<std::io::Error>() {
                Ok(error) => Ending::from(error),
                Err(error) => Ending::Peer(format!("{error:#}")),
            }),
        }
    }
}
