//! Who asks, if it is a leasequery server itself.
//!
//! Two servers that follow each other wait for each other, and neither would ever say that it knows everything. So a
//! follower says where its own server listens, and the server that it asks does not count what it is itself waiting to hear
//! from there. It is said in a user class (RFC 3004, RFC 8415 section 21.15), which others are free to ignore.

use std::net::{IpAddr, SocketAddr};

/// What such a user class begins with.
const NAME: &str = "leasequery=";
/// Listeners that are said, and believed, at most.
const MOST: usize = 8;

/// The content of option 77 of DHCPv4; `None` if there is nothing to say.
pub(crate) fn write_v4(listeners: &[SocketAddr]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for class in classes(listeners) {
        out.extend(u8::try_from(class.len()));
        out.extend_from_slice(class.as_bytes());
    }
    (!out.is_empty()).then_some(out)
}

/// The content of OPTION_USER_CLASS of DHCPv6; `None` if there is nothing to say.
pub(crate) fn write_v6(listeners: &[SocketAddr]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for class in classes(listeners) {
        out.extend(u16::try_from(class.len()).unwrap_or_default().to_be_bytes());
        out.extend_from_slice(class.as_bytes());
    }
    (!out.is_empty()).then_some(out)
}

fn classes(listeners: &[SocketAddr]) -> impl Iterator<Item = String> {
    listeners.iter().take(MOST).map(|listener| format!("{NAME}{listener}"))
}

/// Where the requestor listens, by the content of option 77 of DHCPv4.
pub(crate) fn read_v4(content: Option<&[u8]>, peer: Option<IpAddr>) -> Vec<SocketAddr> {
    let mut rest = content.unwrap_or_default();
    let next = std::iter::from_fn(|| {
        let (length, behind) = rest.split_first()?;
        let (class, behind) = behind.split_at_checked(usize::from(*length))?;
        rest = behind;
        Some(class)
    });
    read(next, peer)
}

/// Where the requestor listens, by the content of OPTION_USER_CLASS of DHCPv6.
pub(crate) fn read_v6(content: Option<&[u8]>, peer: Option<IpAddr>) -> Vec<SocketAddr> {
    let mut rest = content.unwrap_or_default();
    let next = std::iter::from_fn(|| {
        let (length, behind) = rest.split_first_chunk()?;
        let (class, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = behind;
        Some(class)
    });
    read(next, peer)
}

/// One that listens on a wildcard address, or is known by another one of its addresses, does so where it asks from.
fn read<'a>(classes: impl Iterator<Item = &'a [u8]>, peer: Option<IpAddr>) -> Vec<SocketAddr> {
    let said = classes.take(MOST).filter_map(|class| std::str::from_utf8(class).ok()?.strip_prefix(NAME)?.parse().ok());
    let both = said.flat_map(|said: SocketAddr| {
        let from = peer.map(|peer| SocketAddr::new(peer.to_canonical(), said.port()));
        [Some(said).filter(|said| !said.ip().is_unspecified()), from]
    });
    both.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood_and_anything_else_is_nothing() {
        let listeners = ["192.0.2.1:67", "0.0.0.0:6767", "[2001:db8::1]:547"];
        let listeners = listeners.map(|text| text.parse::<SocketAddr>().expect("an address"));
        let peer: IpAddr = "198.51.100.7".parse().expect("an address");
        let expected =
            ["192.0.2.1:67", "198.51.100.7:67", "198.51.100.7:6767", "[2001:db8::1]:547", "198.51.100.7:547"];
        let expected = expected.map(|text| text.parse::<SocketAddr>().expect("an address"));
        let (v4, v6) = (write_v4(&listeners).expect("some"), write_v6(&listeners).expect("some"));
        assert_eq!(read_v4(Some(&v4), Some(peer)), expected);
        assert_eq!(read_v6(Some(&v6), Some(peer)), expected);
        assert_eq!(read_v4(Some(&v4), None), [listeners[0], listeners[2]]);
        assert_eq!((write_v4(&[]), write_v6(&[])), (None, None));
        for octets in [&b"\x05hello"[..], b"\x0bleasequery=", b"\xffleasequery=1.2.3.4:5", b""] {
            assert_eq!(read_v4(Some(octets), Some(peer)), []);
        }
        for length in 0..v6.len() {
            assert!(read_v6(Some(&v6[..length]), Some(peer)).len() < expected.len());
        }
    }
}
