//! What a daemon is asked over HTTP.

use std::fmt;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Where a daemon answers HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// `HOST:PORT`.
    authority: String,
}

/// The longest answer that is taken.
const LONGEST: u64 = 64 << 20;

impl Url {
    /// At `HOST:PORT`.
    pub fn new(authority: &str) -> Self {
        Self { authority: authority.to_owned() }
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not where a daemon answers; 'http://127.0.0.1:9467' would be");
        let authority = text.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')).ok_or_else(wrong)?;
        if authority.is_empty() || authority.contains(['/', '@', '?', '#', ' ']) {
            return Err(wrong());
        }
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(host, port)| port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']')));
        Ok(Self { authority: if has_port { authority.to_owned() } else { format!("{authority}:80") } })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

/// Asks for something, and gives what is answered with success; an error says what went wrong.
pub fn get(url: &Url, path: &str, timeout: Duration) -> Result<String, String> {
    let start = Instant::now();
    let left = || timeout.saturating_sub(start.elapsed()).max(Duration::from_millis(1));
    let addresses = url.authority.to_socket_addrs().map_err(|error| error.to_string())?;
    let mut result = Err("this name leads nowhere".to_owned());
    for address in addresses {
        result = TcpStream::connect_timeout(&address, left()).map_err(|error| format!("no connection: {error}"));
        if result.is_ok() {
            break;
        }
    }
    let mut stream = result?;
    let broken = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
            format!("no answer within {} s", timeout.as_secs())
        }
        _ => format!("the connection broke: {error}"),
    };
    stream.set_read_timeout(Some(left())).and_then(|()| stream.set_write_timeout(Some(left()))).map_err(broken)?;
    // Of this version an answer ends with the connection, and has no pieces.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\nAccept: application/json\r\n\r\n", url.authority);
    stream.write_all(request.as_bytes()).map_err(broken)?;
    let mut octets = Vec::new();
    stream.take(LONGEST).read_to_end(&mut octets).map_err(broken)?;
    let answer = String::from_utf8_lossy(&octets);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("this is no answer of HTTP")?;
    let mut words = head.split_whitespace();
    match (words.next(), words.next()) {
        (Some(version), Some("200")) if version.starts_with("HTTP/1.") => Ok(body.to_owned()),
        (Some(version), Some(status)) if version.starts_with("HTTP/1.") => {
            Err(format!("it answers {status}: {}", body.trim_end()))
        }
        _ => Err("this is no answer of HTTP".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_host_and_may_have_a_port() {
        for (text, authority) in [
            ("http://127.0.0.1:9467", "127.0.0.1:9467"),
            ("http://[::1]:9467/", "[::1]:9467"),
            ("http://[::1]", "[::1]:80"),
            ("http://leases.example.net", "leases.example.net:80"),
        ] {
            assert_eq!(text.parse(), Ok(Url::new(authority)), "{text}");
        }
        for text in ["", "http://", "https://127.0.0.1", "127.0.0.1:9467", "http://a@b", "http://host/path"] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
    }
}
