//! Files that others write or could have put where they are.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::libc;

/// Opens a regular file for reading, through symbolic links as well. To open a FIFO would take until somebody writes into
/// it, and a device may never end.
pub fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

/// Says what is wrong with what is no regular file.
pub fn check(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let what = if kind.is_dir() { "it is a directory" } else { "it is a FIFO or a device" };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{what}, not a regular file")))
}

/// Reads one as a whole.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    open(path)?.read_to_end(&mut octets)?;
    Ok(octets)
}

/// Reads one of text as a whole.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// The mode of a file with a secret, if others could get at it. One that its group may read is fine if root has put it there:
/// that is how a daemon without privileges is given it.
pub fn exposure(path: &Path) -> Option<String> {
    let found = std::fs::metadata(path).ok()?;
    let mode = found.mode() & 0o777;
    let fine = if found.uid() == 0 { 0o740 } else { 0o700 };
    (mode & !fine != 0).then(|| format!("mode {mode:04o}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_opened_and_nothing_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("file"), "text").unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
        std::os::unix::fs::symlink(path("fifo"), path("link to fifo")).unwrap();
        assert_eq!(read_to_string(&path("link")).unwrap(), "text");
        assert_eq!(read(&path("file")).unwrap(), b"text");
        for (name, words) in [("fifo", "FIFO"), ("link to fifo", "FIFO"), (".", "directory")] {
            let error = read(&path(name)).unwrap_err();
            assert!(error.to_string().contains(words), "{name}: {error}");
        }
        assert!(read(Path::new("/dev/zero")).unwrap_err().to_string().contains("device"));
        assert_eq!(read(&path("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
