//! The `leasequery` program.
fn main() {}
