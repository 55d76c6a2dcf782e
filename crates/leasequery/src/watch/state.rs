use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

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
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty())
            && !directory.is_dir()
        {
            return Err(named(format!("there is no directory {} to keep it in", directory.display())));
        }
        // What cannot be kept should be known before anything is printed.
        let state = Self { path, protocol, server: server.to_owned(), saved };
        let beside = state.beside();
        File::create(&beside)
            .and_then(|mut file| file.write_all(b"\n"))
            .and_then(|()| std::fs::remove_file(&beside))
            .map_err(|error| state.unwritable(&error))?;
        Ok(state)
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.saved
    }

    /// What it is written as before it takes the place of the former one.
    fn beside(&self) -> PathBuf {
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        beside.into()
    }

    fn unwritable(&self, error: &io::Error) -> String {
        format!("{} cannot be written: {error}", self.path.display())
    }

    /// Writes a position, all of it or nothing.
    pub(super) fn save(&mut self, position: Position) -> Result<(), String> {
        if self.saved == Some(position) {
            return Ok(());
        }
        self.write(position).map_err(|error| self.unwritable(&error))?;
        self.saved = Some(position);
        Ok(())
    }

    fn write(&self, position: Position) -> io::Result<()> {
        let content = Content {
            protocol: self.protocol.to_owned(),
            server: self.server.clone(),
            resume: position.resume.0,
            skew: position.skew,
        };
        let beside = self.beside();
        let mut file = File::create(&beside)?;
        serde_json::to_writer(&file, &content)?;
        file.write_all(b"\n")?;
        file.sync_data()?;
        std::fs::rename(beside, &self.path)
    }
}

#[cfg(test)]
mod tests;
