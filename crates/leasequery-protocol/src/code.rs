//! Types and statuses of messages, in what the protocols share.

use std::fmt;

use leasequery_wire::{v4, v6};

macro_rules! either {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            /// Of DHCPv4.
            V4(v4::$name),
            /// Of DHCPv6.
            V6(v6::$name),
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::V4(code) => code.fmt(f),
                    Self::V6(code) => code.fmt(f),
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl From<v4::$name> for $name {
            fn from(code: v4::$name) -> Self {
                Self::V4(code)
            }
        }

        impl From<v6::$name> for $name {
            fn from(code: v6::$name) -> Self {
                Self::V6(code)
            }
        }

        impl PartialEq<v4::$name> for $name {
            fn eq(&self, other: &v4::$name) -> bool {
                *self == Self::V4(*other)
            }
        }

        impl PartialEq<v6::$name> for $name {
            fn eq(&self, other: &v6::$name) -> bool {
                *self == Self::V6(*other)
            }
        }
    };
}

either! {
    /// Type of a message.
    MessageType
}

either! {
    /// What became of a query.
    StatusCode
}

impl StatusCode {
    /// Whether all is well.
    pub fn is_success(self) -> bool {
        self == v4::StatusCode::SUCCESS || self == v6::StatusCode::SUCCESS
    }

    /// Whether the server says that it ends the response of its own accord (QueryTerminated): it is about to end or to
    /// begin anew, and has not failed.
    pub fn is_goodbye(self) -> bool {
        self == v4::StatusCode::QUERY_TERMINATED || self == v6::StatusCode::QUERY_TERMINATED
    }

    /// Whether a bulk query was answered, but not with everything there is (UnspecFail). What is broken off before it was
    /// told (QueryTerminated) is something else.
    pub fn is_partial(self) -> bool {
        self == v4::StatusCode::UNSPEC_FAIL || self == v6::StatusCode::UNSPEC_FAIL
    }

    /// Whether the server does not answer such queries, or not to this requestor: to ask again is of no use.
    pub fn is_refusal(self) -> bool {
        match self {
            Self::V4(code) => [v4::StatusCode::NOT_ALLOWED, v4::StatusCode::MALFORMED_QUERY].contains(&code),
            Self::V6(code) => [
                v6::StatusCode::NOT_ALLOWED,
                v6::StatusCode::MALFORMED_QUERY,
                v6::StatusCode::UNKNOWN_QUERY_TYPE,
                v6::StatusCode::NOT_SUPPORTED,
            ]
            .contains(&code),
        }
    }
}
