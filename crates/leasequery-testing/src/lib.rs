//! What the tests of several crates share.

#![allow(missing_docs, reason = "the tests are its documentation")]
#![allow(
    clippy::missing_panics_doc,
    clippy::new_without_default,
    clippy::return_self_not_must_use,
    reason = "whatever fails here fails the test"
)]

pub mod pki;
