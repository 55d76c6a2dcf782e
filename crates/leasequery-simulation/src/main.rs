//! Runs seeds until one fails, the time is over, or all have been run.
//!
//! `leasequery-simulation SEEDS|SECONDSs [FIRST]`, or `leasequery-simulation replay SEED [MUTATION]` to see what happens,
//! or `leasequery-simulation mutations [SEEDS [MUTATION]]` to see how often each fault put in on purpose is noticed. With
//! `v4` or `v6` behind that there is only that protocol, whatever the seeds say.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use leasequery_simulation::{Failure, Mutation, Options, Protocol, run};

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let protocol = arguments.last().and_then(|name| protocol(name));
    if protocol.is_some() {
        arguments.pop();
    }
    match arguments.first().map(String::as_str) {
        Some("replay") => replay(&arguments[1..], protocol),
        Some("mutations") => mutations(&arguments[1..], protocol),
        Some(amount) => soak(amount, arguments.get(1).and_then(|first| first.parse().ok()).unwrap_or(0), protocol),
        None => {
            eprintln!(
                "usage: leasequery-simulation SEEDS|SECONDSs [FIRST] | replay SEED [MUTATION] | mutations [SEEDS [MUTATION]], and v4 or v6"
            );
            ExitCode::from(2)
        }
    }
}

fn replay(arguments: &[String], protocol: Option<Protocol>) -> ExitCode {
    let Some(seed) = arguments.first().and_then(|seed| seed.parse().ok()) else { return ExitCode::from(2) };
    let mutation = arguments.get(1).and_then(|name| mutation(name));
    match run(seed, Options { mutation, protocol, trace: true }) {
        Ok(report) => {
            println!("{report:?}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{}", failure.problem);
            ExitCode::FAILURE
        }
    }
}

fn protocol(name: &str) -> Option<Protocol> {
    Protocol::ALL.into_iter().find(|protocol| format!("{protocol:?}").eq_ignore_ascii_case(name))
}

fn mutation(name: &str) -> Option<Mutation> {
    Mutation::ALL.into_iter().find(|mutation| format!("{mutation:?}") == name)
}

fn mutations(arguments: &[String], protocol: Option<Protocol>) -> ExitCode {
    let seeds = arguments.first().and_then(|seeds| seeds.parse().ok()).unwrap_or(100);
    let wanted = arguments.get(1).and_then(|name| mutation(name));
    for mutation in Mutation::ALL.into_iter().filter(|mutation| wanted.is_none_or(|wanted| wanted == *mutation)) {
        let protocols = Protocol::ALL.into_iter().filter(|other| protocol.is_none_or(|protocol| protocol == *other));
        for protocol in protocols.filter(|protocol| mutation.concerns(*protocol)) {
            let options = Options { mutation: Some(mutation), protocol: Some(protocol), ..Options::default() };
            let noticed: Vec<u64> = (0..seeds).filter(|seed| run(*seed, options).is_err()).collect();
            let (count, first) = (noticed.len(), noticed.first());
            println!("{mutation:?}, {protocol:?}: noticed by {count} of {seeds} seeds, first by {first:?}");
        }
    }
    ExitCode::SUCCESS
}

fn soak(amount: &str, first: u64, protocol: Option<Protocol>) -> ExitCode {
    let (seeds, seconds) = match amount.strip_suffix('s') {
        Some(seconds) => (u64::MAX, seconds.parse().unwrap_or(0)),
        None => (amount.parse().unwrap_or(0), u64::from(u32::MAX)),
    };
    let end = Instant::now() + Duration::from_secs(seconds);
    let (next, done, changes) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || -> Result<(), Failure> {
        loop {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            if nth >= seeds || Instant::now() >= end {
                return Ok(());
            }
            let report = run(first + nth, Options { protocol, ..Options::default() })
                .inspect_err(|_| next.store(seeds, Ordering::Relaxed))?;
            changes.fetch_add(report.changes, Ordering::Relaxed);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(1000) {
                println!("{done} seeds, {} changes", changes.load(Ordering::Relaxed));
            }
        }
    };
    let failures: Vec<Failure> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()?.err()).collect()
    });
    for Failure { seed, problem } in &failures {
        println!("seed {seed}: {problem}\nsee it happen: scripts/soak replay {seed}");
    }
    println!("{} seeds", done.load(Ordering::Relaxed));
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
