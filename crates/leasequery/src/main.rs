//! The `leasequery` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    leasequery::cli::main()
}
