use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

/// Why nobody can listen on an address, and what would help.
pub fn unbound(address: SocketAddr, error: &Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "somebody listens there already (`ss -lntup` says who): a DHCP server, if it is on this machine, has port {} of \
             its addresses for UDP; another address of this machine or another port would be free",
            address.port()
        ),
        ErrorKind::AddrNotAvailable => "this machine has no such address (`ip address` says which it has)".to_owned(),
        ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege (CAP_NET_BIND_SERVICE, which the systemd unit \
                                        gives, or root), which this user has not"
                .to_owned()
        }
        _ => error.to_string(),
    }
}
