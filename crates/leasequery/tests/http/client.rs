//! A client that says just what it is told to say.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use serde_json::Value;

use crate::common::{Daemon, PATIENCE};

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Takes one apart.
    pub(crate) fn read(stream: &mut impl Read) -> Self {
        let mut text = Vec::new();
        // A reset behind the answer takes nothing from it.
        let _ = stream.read_to_end(&mut text);
        let text = String::from_utf8(text).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|problem| panic!("{problem}: {self:?}"))
    }
}

/// A request as text, with these headers.
pub(crate) fn request(server: SocketAddr, method: &str, path: &str, headers: &[&str]) -> String {
    let host = format!("Host: {server}");
    let own = headers.iter().all(|header| !header.starts_with("Host:")).then_some(host.as_str());
    let first = format!("{method} {path} HTTP/1.1");
    let lines = [first.as_str(), "Connection: close"].into_iter().chain(own).chain(headers.iter().copied());
    lines.map(|line| format!("{line}\r\n")).chain(["\r\n".to_owned()]).collect()
}

/// Sends octets from an address of this machine, and reads the answer.
pub(crate) fn send(from: Ipv4Addr, server: SocketAddr, octets: &str) -> Answer {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((from, 0)).into()).expect("a local address");
    socket.connect(&server.into()).expect("a connection");
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(octets.as_bytes()).expect("the request is sent");
    Answer::read(&mut stream)
}

/// Asks with a method and headers.
pub(crate) fn ask(server: SocketAddr, method: &str, path: &str, headers: &[&str]) -> Answer {
    send(Ipv4Addr::LOCALHOST, server, &request(server, method, path, headers))
}

/// Asks a daemon for something.
pub(crate) fn get(daemon: &Daemon, path: &str) -> Answer {
    ask(daemon.listener("http"), "GET", path, &[])
}
