//! What the program has to know of DHCPv4 and DHCPv6 besides their rules.

use std::fmt;

use leasequery_protocol::follower::Followed;
use leasequery_protocol::follower::V4Wanted;
use leasequery_protocol::follower::V6Wanted;
use leasequery_protocol::requestor::QueryError;
use leasequery_protocol::requestor::v4::{self, V4};
use leasequery_protocol::requestor::v6::{self, V6};
use leasequery_store::{Binding, Store, V4Key, V6Key};

use crate::View;

/// DHCPv4 or DHCPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// DHCPv4.
    V4,
    /// DHCPv6.
    V6,
}

impl Protocol {
    /// Where its servers listen (RFC 6926 section 6.3, RFC 5460 section 5.6).
    pub fn default_port(self) -> u16 {
        match self {
            Self::V4 => 67,
            Self::V6 => 547,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
        })
    }
}

/// A protocol, as the program knows it.
pub trait Family: Followed<QueryError = QueryError> + Send + 'static {
    /// Which one it is.
    const PROTOCOL: Protocol;

    /// As records and configurations call it.
    const NAME: &'static str;

    /// A record as it is printed.
    fn view<'a>(record: &'a Self::Record<'_>) -> View<'a>;

    /// What a copy knows about a binding, as it is printed.
    fn view_of<'a>(binding: &Binding<'a, Self::Key>, store: &Store<Self::Key>) -> View<'a>;

    /// Whether options besides the usual ones are wanted.
    fn wants_options(wanted: &Self::Wanted) -> bool;
}

impl Family for V4 {
    const PROTOCOL: Protocol = Protocol::V4;
    const NAME: &'static str = "v4";

    fn view<'a>(record: &'a v4::Record<'_>) -> View<'a> {
        View::of_v4(record)
    }

    fn view_of<'a>(binding: &Binding<'a, V4Key>, store: &Store<V4Key>) -> View<'a> {
        View::of_v4_binding(binding, store)
    }

    fn wants_options(wanted: &V4Wanted) -> bool {
        !wanted.options.is_empty()
    }
}

impl Family for V6 {
    const PROTOCOL: Protocol = Protocol::V6;
    const NAME: &'static str = "v6";

    fn view<'a>(record: &'a v6::Record<'_>) -> View<'a> {
        View::of_v6(record)
    }

    fn view_of<'a>(binding: &Binding<'a, V6Key>, _: &Store<V6Key>) -> View<'a> {
        View::of_v6_binding(binding)
    }

    fn wants_options(wanted: &V6Wanted) -> bool {
        !wanted.options.is_empty()
    }
}
