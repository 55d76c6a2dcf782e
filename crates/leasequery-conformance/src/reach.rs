use std::fmt;
use std::path::Path;

/// Who has to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who answers.
    Server,
    /// Who asks.
    Requestor,
    /// Either, by the same code: the codec, TLS, or a test that has both ends.
    Both,
}

/// How far a test's proof reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Whose side it shows; `None` if its place does not tell.
    pub side: Option<Side>,
    /// The only protocol that it speaks; `None` if it speaks both, or its place does not tell.
    pub protocol: Option<&'static str>,
}

/// Parts of paths that tell of a side.
const SIDES: [(&str, Side); 29] = [
    ("leasequery-protocol/src/server", Side::Server),
    ("leasequery-protocol/tests/server", Side::Server),
    ("leasequery-protocol/src/clock", Side::Requestor),
    ("leasequery-protocol/src/follower", Side::Requestor),
    ("leasequery-protocol/src/requestor", Side::Requestor),
    ("leasequery-protocol/tests/follower", Side::Requestor),
    ("leasequery-protocol/tests/requestor", Side::Requestor),
    ("leasequery-protocol/tests/session.rs", Side::Both),
    ("leasequery-simulation/", Side::Both),
    ("leasequery-wire/", Side::Both),
    ("leasequery-client/", Side::Requestor),
    ("leasequery-daemon/src/listeners", Side::Server),
    ("leasequery-kea/", Side::Server),
    ("leasequery-live/", Side::Server),
    ("leasequery-tls/", Side::Both),
    ("leasequery/src/cli", Side::Requestor),
    ("leasequery/src/watch", Side::Requestor),
    ("leasequery/tests/active.rs", Side::Server),
    ("leasequery/tests/bulk.rs", Side::Requestor),
    ("leasequery/tests/follow.rs", Side::Requestor),
    ("leasequery/tests/hostile/", Side::Server),
    ("leasequery/tests/query/listener.rs", Side::Server),
    ("leasequery/tests/query/main.rs", Side::Requestor),
    ("leasequery/tests/serve", Side::Server),
    ("leasequery/tests/tls/foreign_requestor.rs", Side::Server),
    ("leasequery/tests/tls/foreign_server.rs", Side::Requestor),
    ("leasequery/tests/tls/s_client.rs", Side::Server),
    ("leasequery/tests/verify.rs", Side::Requestor),
    ("leasequery/tests/watch.rs", Side::Requestor),
];

/// Parts of paths that tell of a protocol.
const PROTOCOLS: [(&str, Option<&str>); 11] = [
    ("leasequery-protocol/tests/requestor/exchange.rs", None),
    ("/v4/", Some("DHCPv4")),
    ("/v6/", Some("DHCPv6")),
    ("_v6", Some("DHCPv6")),
    ("tests/v6.rs", Some("DHCPv6")),
    ("leasequery-protocol/tests/follower/", Some("DHCPv4")),
    ("leasequery-protocol/tests/requestor/", Some("DHCPv4")),
    ("leasequery-protocol/tests/server/", Some("DHCPv4")),
    ("leasequery/tests/active.rs", Some("DHCPv4")),
    ("leasequery/tests/bulk.rs", Some("DHCPv4")),
    ("leasequery/tests/serve.rs", Some("DHCPv4")),
];

impl Reach {
    /// What the place of a test tells.
    pub fn of(file: &Path) -> Self {
        let path = file.to_string_lossy();
        Self {
            side: SIDES.iter().find(|(part, _)| path.contains(part)).map(|(_, side)| *side),
            protocol: PROTOCOLS.iter().find(|(part, _)| path.contains(part)).and_then(|(_, protocol)| *protocol),
        }
    }

    /// Whether it proves something of a side.
    pub fn shows(self, side: Side) -> bool {
        self.side.is_some_and(|own| own == side || own == Side::Both)
    }

    /// Whether it proves something of a protocol.
    pub fn speaks(self, protocol: &str) -> bool {
        self.protocol.is_none_or(|own| own == protocol)
    }
}

impl Side {
    /// The side of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Server, Self::Requestor, Self::Both].into_iter().find(|side| side.to_string() == name)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Server => "server",
            Self::Requestor => "requestor",
            Self::Both => "both",
        })
    }
}
