//! What the service manager is told: systemd, or another that has sd_notify(3).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use tracing::debug;

/// A stage in the life of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage<'a> {
    /// It serves, with a word for people.
    Ready(&'a str),
    /// What is the matter with it, for people.
    Status(&'a str),
    /// It reads its configuration again.
    Reloading,
    /// It ends.
    Stopping,
}

/// Tells the service manager, if there is one.
pub(super) fn tell(stage: Stage<'_>) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&socket, &text(stage)) {
        debug!("the service manager cannot be told: {error}");
    }
}

fn text(stage: Stage<'_>) -> String {
    match stage {
        // A variable is a line.
        Stage::Ready(status) => format!("READY=1\nSTATUS={}", status.replace('\n', " ")),
        Stage::Status(status) => format!("STATUS={}", status.replace('\n', " ")),
        Stage::Reloading => "RELOADING=1".to_owned(),
        Stage::Stopping => "STOPPING=1".to_owned(),
    }
}

/// Sends a datagram to a path, or to the abstract socket that a leading `@` stands for.
fn send(socket: &OsStr, text: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_with_a_path_and_abstract_ones_are_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify");
        let abstracted = format!("@{}", path.display());
        let name = SocketAddr::from_abstract_name(&abstracted[1..]).expect("a name");
        let sockets = [
            (path.as_os_str(), UnixDatagram::bind(&path).expect("a socket")),
            (abstracted.as_ref(), UnixDatagram::bind_addr(&name).expect("a socket")),
        ];
        for (address, socket) in &sockets {
            send(address, &text(Stage::Ready("two\nlines"))).expect("it is sent");
            let mut input = [0; 100];
            let length = socket.recv(&mut input).expect("a datagram");
            assert_eq!(&input[..length], b"READY=1\nSTATUS=two lines");
        }
    }
}
