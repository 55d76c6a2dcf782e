use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use super::Ending;
use crate::config::DEFAULT_PORT;

/// `HOST[:PORT]`, an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    host: String,
    port: u16,
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or_else(|| format!("'{text}' lacks the closing bracket"))?;
                match port {
                    "" => (host, None),
                    port => (host, Some(port.strip_prefix(':').ok_or_else(|| format!("'{port}' is not :PORT"))?)),
                }
            }
            // More than one colon is an IPv6 address without brackets, and so without a port.
            None if text.matches(':').count() > 1 => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() {
            return Err("HOST is missing".to_owned());
        }
        let port = port.map(|port| match port.parse() {
            Ok(0) | Err(_) => Err(format!("'{port}' is not a port")),
            Ok(number) => Ok(number),
        });
        Ok(Self { host: host.to_owned(), port: port.transpose()?.unwrap_or(DEFAULT_PORT) })
    }
}

/// With the port that holds where none was given.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Server {
    /// The addresses to try. Without `--v4` or `--v6` the protocol follows the address family.
    pub(super) fn resolve(&self, v4: bool, v6: bool) -> Result<Vec<SocketAddr>, Ending> {
        if v6 {
            return Err(Ending::Usage("this version has no DHCPv6".to_owned()));
        }
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let found = found.map_err(|error| Ending::Peer(format!("{}: {error}", self.host)))?;
        let addresses: Vec<_> = found.filter(|address| v4 || address.is_ipv4()).collect();
        if addresses.is_empty() {
            let text = format!(
                "{} is an IPv6 address, which means DHCPv6, and this version has none; --v4 asks for DHCPv4",
                self.host
            );
            return Err(Ending::Usage(text));
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests;
