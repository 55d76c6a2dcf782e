//! The command line itself: help, its reference in the documentation, completions, manual pages, profiles.

mod common;

use std::path::Path;
use std::process::Output;

use common::*;

fn run(arguments: &[&str]) -> Output {
    let output = leasequery().args(arguments).output().expect("the program runs");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    output
}

/// The commands, as the help lists them.
fn commands() -> Vec<String> {
    let help = stdout(&run(&["--help"]));
    let list = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a list of commands");
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned);
    let names: Vec<_> = names.filter(|name| name != "help").collect();
    assert!(["bulk", "serve", "manual"].iter().all(|name| names.iter().any(|found| found == name)), "{names:?}");
    names
}

#[test]
fn the_reference_is_what_the_help_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/command-line.md");
    let mut text = std::fs::read_to_string(&file).expect("the reference");
    let mut wrong = Vec::new();
    for command in [vec![]].into_iter().chain(commands().into_iter().map(|command| vec![command])) {
        let words: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let title = format!("$ leasequery {}", words.join(" "));
        let help = stdout(&run(&words));
        let help = help.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        let block = format!("```text\n{title}\n{}\n```\n", help.trim_end());
        if !text.contains(&block) {
            wrong.push(title.clone());
            match text.find(&format!("```text\n{title}\n")) {
                Some(start) => {
                    let end = text[start..].find("\n```\n").map_or(text.len(), |end| start + end + 5);
                    text.replace_range(start..end, &block);
                }
                None => text.extend(["\n", &block]),
            }
        }
    }
    if std::env::var_os("LEASEQUERY_WRITE_REFERENCE").is_some() {
        return std::fs::write(&file, text).expect("it is written");
    }
    assert!(wrong.is_empty(), "{wrong:?} in docs/command-line.md: LEASEQUERY_WRITE_REFERENCE=1 renews it");
}

#[test]
fn help_has_examples_and_exit_codes() {
    for command in commands() {
        let help = stdout(&run(&[&command, "--help"]));
        assert!(help.contains("Examples:"), "{command}: {help}");
        assert!(help.contains("Exit codes:") || ["completions", "manual"].contains(&&*command), "{command}: {help}");
    }
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let directory = tempfile::tempdir().expect("a directory");
    let manual = directory.path().join("man1");
    run(&["manual", manual.to_str().expect("UTF-8")]);
    let page =
        |name: &str| std::fs::read_to_string(manual.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let whole = page("leasequery.1");
    let scripts = ["bash", "zsh", "fish"].map(|shell| stdout(&run(&["completions", shell])));
    for command in commands() {
        assert!(whole.contains(&format!("leasequery\\-{command}(1)")), "{command}: {whole}");
        let own = page(&format!("leasequery-{command}.1"));
        assert!(own.contains("Examples:") && own.contains("OPTIONS"), "{command}: {own}");
        for script in &scripts {
            assert!(script.contains(&command), "{command}: {script}");
        }
    }
    assert!(scripts.iter().all(|script| script.contains("remote-id")), "options, too");
}

#[test]
fn what_is_always_the_same_can_be_kept_in_the_environment_or_in_a_profile() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{}", network("10.0.0.1-10.0.0.9")));
    let server = daemon.address().to_string();
    let home = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(home.path().join("leasequery")).expect("made");
    let file = home.path().join("leasequery/profiles.toml");
    std::fs::write(&file, format!("[lab]\nserver = \"{server}\"\n\n[away]\nserver = \"127.0.0.1:1\"\n"))
        .expect("written");
    let bulk = |environment: &[(&str, &str)], arguments: &[&str]| {
        let mut command = leasequery();
        command.env("XDG_CONFIG_HOME", home.path()).envs(environment.iter().copied());
        command.arg("bulk").args(arguments).output().expect("the program runs")
    };
    for (environment, arguments, code) in [
        (&[][..], &["--profile", "lab"][..], 0),
        (&[("LEASEQUERY_PROFILE", "lab")], &[], 0),
        (&[("LEASEQUERY_SERVER", &*server)], &[], 0),
        (&[("LEASEQUERY_SERVER", &*server)], &["--profile", "away"], 0),
        (&[("LEASEQUERY_SERVER", "127.0.0.1:1")], &[&*server], 0),
        (&[], &["--profile", "away"], 3),
        (&[], &[], 2),
    ] {
        let output = bulk(environment, arguments);
        assert_eq!(output.status.code(), Some(code), "{environment:?} {arguments:?}: {output:?}");
        assert_eq!(stdout(&output).lines().count(), if code == 0 { 9 } else { 0 }, "{output:?}");
    }
    assert!(stderr(&bulk(&[], &[])).contains("SERVER is missing"));
    assert!(stderr(&bulk(&[], &["--profile", "labs"])).contains("no profile is named \"labs\"; did you mean \"lab\"?"));
    std::fs::write(&file, "[lab]\nserv = \"x\"\n").expect("written");
    let wrong = stderr(&bulk(&[], &["--profile", "lab"]));
    assert!(wrong.contains("profiles.toml:2:1: [lab] has no key \"serv\"; did you mean \"server\"?"), "{wrong}");
}

#[test]
fn whoever_names_a_file_of_tls_means_tls() {
    let output = bulk("127.0.0.1:1", &["--ca", "ca.pem"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("--cert FILE, --key FILE is missing"), "{output:?}");
    let mut command = leasequery();
    let output =
        command.env("LEASEQUERY_TLS", "true").args(["bulk", "127.0.0.1:1"]).output().expect("the program runs");
    assert!(output.status.code() == Some(2) && stderr(&output).contains("--ca FILE"), "{output:?}");
}
