//! The simulation, and what it would notice.

use leasequery_simulation::{Failure, Mutation, Options, Protocol, run};

/// Seeds that are run on every change; `scripts/soak` runs as many as one likes.
const SEEDS: u64 = 400;
/// Seeds within which each mutation has to be noticed.
const ENOUGH: u64 = 400;

#[test]
fn copies_equal_their_servers_whatever_happens_in_between() {
    for seed in 0..SEEDS {
        if let Err(Failure { seed, problem }) = run(seed, Options::default()) {
            panic!("seed {seed}: {problem}\nsee it happen: scripts/soak replay {seed}");
        }
    }
}

#[test]
fn a_seed_always_leads_to_the_same_end() {
    for seed in 1000..1010 {
        assert_eq!(run(seed, Options::default()).ok(), run(seed, Options::default()).ok());
    }
}

#[test]
fn each_mutation_is_noticed() {
    for (mutation, protocol) in
        Mutation::ALL.into_iter().flat_map(|mutation| Protocol::ALL.map(|each| (mutation, each)))
    {
        if !mutation.concerns(protocol) {
            continue;
        }
        let options = Options { mutation: Some(mutation), protocol: Some(protocol), ..Options::default() };
        let noticed = (0..ENOUGH).find_map(|seed| run(seed, options).err());
        let Failure { seed, problem } =
            noticed.unwrap_or_else(|| panic!("{mutation:?} is not noticed within {ENOUGH} seeds of {protocol:?}"));
        println!("{mutation:?}, {protocol:?}: seed {seed}: {problem:.100}");
    }
}
