//! What can be wrong with a database, in words for people.

use std::io;

use thiserror::Error;

use crate::CorruptRecord;

/// Why the durable copy cannot be used.
#[derive(Debug, Error)]
pub enum DurableError {
    /// The system does not read or write it. That may pass.
    #[error("{}", words(.0))]
    System(io::Error),
    /// It was given up after a failure, and has to be opened anew.
    #[error("it has to be opened anew after a failure")]
    GivenUp,
    /// Another process has it open.
    #[error("another process has it")]
    Taken,
    /// What is in it is not what was written.
    #[error("damaged: {0}")]
    Damaged(String),
    /// It is of another version of the program.
    #[error("its layout is {0}, that of another version")]
    Layout(u8),
}

impl DurableError {
    /// Whether it will never be usable as it is.
    pub fn is_lasting(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Layout(_))
    }
}

impl From<CorruptRecord> for DurableError {
    fn from(problem: CorruptRecord) -> Self {
        Self::Damaged(problem.to_string())
    }
}

impl From<fjall::Error> for DurableError {
    fn from(problem: fjall::Error) -> Self {
        use fjall::Error as E;
        match problem {
            E::Io(error) | E::Storage(fjall::LsmError::Io(error)) => error.into(),
            E::Locked => Self::Taken,
            E::Poisoned | E::KeyspaceDeleted => Self::GivenUp,
            E::JournalRecovery(problem) => Self::Damaged(format!("its journal is not sound ({problem:?})")),
            E::Storage(problem) => Self::Damaged(format!("a table is not sound ({problem:?})")),
            problem => Self::Damaged(format!("it is not sound ({problem:?})")),
        }
    }
}

impl From<io::Error> for DurableError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // So a reader says that the octets are not what they should be.
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                Self::Damaged(format!("a file in it is not sound ({error})"))
            }
            io::ErrorKind::AlreadyExists => Self::Damaged("a file is in it that should not be there".to_owned()),
            // A file that others refer to.
            io::ErrorKind::NotFound => Self::Damaged("a file is missing in it".to_owned()),
            io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
                Self::Damaged("there is a file where a directory should be, or the other way round".to_owned())
            }
            _ => Self::System(error),
        }
    }
}

/// What the system objects to.
fn words(error: &io::Error) -> String {
    let text = match error.kind() {
        io::ErrorKind::StorageFull => "no space is left on the disk",
        io::ErrorKind::QuotaExceeded => "the quota is used up",
        io::ErrorKind::FileTooLarge => "a file would become larger than this process may write",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        io::ErrorKind::PermissionDenied => "this user may not read or write a file in it",
        _ => return error.to_string(),
    };
    text.to_owned()
}
