use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use leasequery_protocol::follower::Position;
use leasequery_store::Time;
use serde::{Deserialize, Serialize};

/// The file that remembers how far a server was followed.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    protocol: &'static str,
    server: String,
    saved: Option<Position>,
}

/// What stands in it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Content {
    protocol: String,
    /// A position belongs to one server: the times are by its clock.
    server: String,
    /// The resume point, in seconds since 1970 by the server's clock.
    resume: u32,
    /// Seconds by which that clock is ahead.
    skew: i64,
}

impl StateFile {
    /// Reads the file, if it is there.
    pub(super) fn open(path: PathBuf, protocol: &'static str, server: &str) -> Result<Self, String> {
        let named = |problem: String| format!("{}: {problem}", path.display());
        let saved = match std::fs::read(&path) {
            Ok(bytes) => {
                let content: Content = serde_json::from_slice(&bytes)
                    .map_err(|problem| named(format!("not a state file of watch: {problem}")))?;
                if (content.protocol.as_str(), content.server.as_str()) != (protocol, server) {
                    return Err(named(format!(
                        "belongs to {} ({}), not to {server} ({protocol})",
                        content.server, content.protocol
                    )));
                }
                Some(Position { resume: Time(content.resume), skew: content.skew })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(named(error.to_string())),
        };
        Ok(Self { path, protocol, server: server.to_owned(), saved })
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.saved
    }

    /// Writes a position, all of it or nothing.
    pub(super) fn save(&mut self, position: Position) -> io::Result<()> {
        if self.saved == Some(position) {
            return Ok(());
        }
        let content = Content {
            protocol: self.protocol.to_owned(),
            server: self.server.clone(),
            resume: position.resume.0,
            skew: position.skew,
        };
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let beside = Path::new(&beside);
        let mut file = File::create(beside)?;
        serde_json::to_writer(&file, &content)?;
        file.write_all(b"\n")?;
        file.sync_data()?;
        std::fs::rename(beside, &self.path)?;
        self.saved = Some(position);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
