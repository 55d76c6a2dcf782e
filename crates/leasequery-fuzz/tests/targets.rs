//! Every target over its seeds, over what was ever found, and over mutations of both, the same ones each time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use leasequery_fuzz::{Mutator, TARGETS, Target, target};

/// Mutations of each target: some seconds.
const MUTATIONS: usize = 10_000;

fn run(name: &str) {
    let target = target(name).expect("a target");
    let mut inputs = (target.seeds)();
    assert!(!inputs.is_empty(), "there is something to begin with");
    inputs.extend(found(target));
    for input in &inputs {
        attempt(target, input);
    }
    let mut mutator = Mutator::new(1, target.longest);
    // A handshake costs more than anything else, and files are on a disk.
    let mutations = if matches!(name, "tls" | "kea_files") { MUTATIONS / 20 } else { MUTATIONS };
    for _ in 0..mutations {
        attempt(target, &mutator.next(&inputs));
    }
}

/// What was found before.
fn found(target: Target) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/regressions").join(target.name);
    let Ok(files) = std::fs::read_dir(directory) else { return Vec::new() };
    files.map(|file| std::fs::read(file.expect("a file").path()).expect("a file that can be read")).collect()
}

/// Leaves an input that fails where it can be run again.
fn attempt(target: Target, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        let file = std::env::temp_dir().join(format!("leasequery-fuzz-{}", target.name));
        std::fs::write(&file, input).expect("room for the input");
        eprintln!("leasequery-fuzz run {} {}", target.name, file.display());
        std::panic::resume_unwind(panic);
    }
}

macro_rules! tests {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn no_target_is_left_out() {
            assert_eq!(TARGETS.map(|target| target.name), [$(stringify!($name)),*]);
        }
    };
}

tests!(wire_v4 wire_v6 framing server requestor follower datagrams kea_leases kea_config kea_files push tls config);
