//! `leasequery-fuzz seeds TARGET DIRECTORY` writes the inputs that a target begins with, `leasequery-fuzz run TARGET FILE…`
//! runs files.

use std::path::Path;
use std::process::ExitCode;

use leasequery_fuzz::{TARGETS, Target, target};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match &words[..] {
        ["targets"] => {
            for target in TARGETS {
                println!("{} {}", target.name, target.longest);
            }
            Ok(())
        }
        ["seeds", name, directory] => known(name).and_then(|target| write_seeds(target, Path::new(directory))),
        ["run", name, files @ ..] => known(name).and_then(|target| run(target, files)),
        _ => Err("usage: leasequery-fuzz targets | seeds TARGET DIRECTORY | run TARGET FILE…".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn known(name: &str) -> Result<Target, String> {
    target(name).ok_or_else(|| format!("there is no target {name}"))
}

fn write_seeds(target: Target, directory: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
    std::fs::create_dir_all(directory).map_err(failed)?;
    for (number, seed) in (target.seeds)().into_iter().enumerate() {
        std::fs::write(directory.join(format!("seed-{number:03}")), seed).map_err(failed)?;
    }
    Ok(())
}

fn run(target: Target, files: &[&str]) -> Result<(), String> {
    for file in files {
        (target.run)(&std::fs::read(file).map_err(|error| format!("{file}: {error}"))?);
    }
    Ok(())
}
