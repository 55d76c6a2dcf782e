use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use leasequery_record::Protocol;

/// `HOST[:PORT]`, an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    host: String,
    port: Option<u16>,
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
            None if text.matches(':').count() > 1 => {
                let address = text.split_once('%').map_or(text, |(address, _)| address);
                if address.parse::<Ipv6Addr>().is_err() {
                    let parts = text.rsplit_once(':').filter(|(host, _)| host.parse::<Ipv6Addr>().is_ok());
                    let (host, port) = parts.unwrap_or(("ADDRESS", "PORT"));
                    return Err(format!("'{text}' is no IPv6 address; with a port it is written '[{host}]:{port}'"));
                }
                (text, None)
            }
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() {
            return Err("HOST is missing".to_owned());
        }
        let port = port.map(|port| match port.parse() {
            Ok(0) | Err(_) => Err(format!("'{port}' is not a port")),
            Ok(number) => Ok(number),
        });
        Ok(Self { host: host.to_owned(), port: port.transpose()? })
    }
}

/// As it was given.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.host.contains(':'), self.port) {
            (true, Some(port)) => write!(f, "[{}]:{port}", self.host),
            (false, Some(port)) => write!(f, "{}:{port}", self.host),
            (_, None) => f.write_str(&self.host),
        }
    }
}

impl Server {
    /// The name or address without a port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// With the port that holds where none was given, and the same however names and addresses are written.
    pub fn at(&self, protocol: Protocol) -> String {
        let host = self.host.parse::<IpAddr>().map_or_else(|_| self.host.to_ascii_lowercase(), |ip| ip.to_string());
        Self { host, port: Some(self.port(protocol)) }.to_string()
    }

    fn port(&self, protocol: Protocol) -> u16 {
        self.port.unwrap_or(protocol.default_port())
    }

    /// The protocol, and the addresses to try. Without `--v4` or `--v6` the protocol follows the address family; of a name
    /// that has both it is DHCPv4.
    pub fn resolve(&self, v4: bool, v6: bool) -> Result<(Protocol, Vec<SocketAddr>), String> {
        let found = (self.host.as_str(), 0).to_socket_addrs();
        let found = found.map_err(|error| format!("{}: no address of this name is found: {error}", self.host))?;
        let mut addresses: Vec<_> = found.collect();
        let protocol = match (v4, v6) {
            (true, _) => Protocol::V4,
            (_, true) => Protocol::V6,
            _ if addresses.iter().any(SocketAddr::is_ipv4) => Protocol::V4,
            _ => Protocol::V6,
        };
        if !v4 && !v6 {
            addresses.retain(|address| address.is_ipv4() == (protocol == Protocol::V4));
        }
        if addresses.is_empty() {
            return Err(format!("{} has no address", self.host));
        }
        let port = self.port(protocol);
        for address in &mut addresses {
            address.set_port(port);
        }
        Ok((protocol, addresses))
    }
}

#[cfg(test)]
mod tests;
