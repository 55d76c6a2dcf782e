//! Writes `conformance/README.md` anew.

use std::process::ExitCode;

use leasequery_conformance::{Ledger, repository};

fn main() -> ExitCode {
    let root = repository();
    let written = Ledger::read(&root).and_then(|ledger| {
        for problem in ledger.problems() {
            eprintln!("warning: {problem}");
        }
        std::fs::write(root.join("conformance/README.md"), ledger.render())
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
