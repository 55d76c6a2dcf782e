//! `leasequery demo` as a process.

mod common;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use common::{bulk, leasequery, records, stderr};

#[test]
fn ends_by_itself_with_copies_that_equal_the_store() {
    let arguments = ["demo", "--for", "2s", "--rate", "2000", "--subscribers", "3"];
    let output = leasequery().args(arguments).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.contains("4000 addresses, 2000 changes a second"), "{text}");
    assert!(text.contains("\n   1 s ") && text.contains("\n   2 s "), "{text}");
    assert!(text.contains("The network stands still after 2 s"), "{text}");
    assert!(text.contains("Each of the 3 requestors' copies equals the server's store: 4000 addresses"), "{text}");
}

#[test]
fn commands_to_try_work_and_an_interrupt_ends_it() {
    let mut child = leasequery().arg("demo").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let told: Vec<String> = lines.by_ref().take_while(|line| !line.starts_with("Ctrl-C")).collect();
    // Where there is IPv6, its brackets are in quotes, because zsh takes them for something else.
    let bare = [" bulk [", " query [", " watch ["];
    assert!(!told.iter().any(|line| bare.iter().any(|bare| line.contains(bare))), "{told:?}");
    let commands: Vec<_> = told.iter().filter(|line| line.contains(" bulk 127.0.0.1:")).cloned().collect();
    assert_eq!(commands.len(), 5, "{commands:?}");
    for command in &commands {
        let words: Vec<_> = command.split_whitespace().collect();
        assert_eq!((words[0], words[1]), (env!("CARGO_BIN_EXE_leasequery"), "bulk"));
        let output = bulk(words[2], &words[3..]);
        assert_eq!(output.status.code(), Some(0), "{command}: {output:?}");
        let found = records(&output);
        match words.get(3) {
            None => assert_eq!(found.len(), 2000),
            Some(&"--mac") => assert_eq!(found.len(), 1, "{command}"),
            Some(&"--since") => {}
            _ => assert!(!found.is_empty(), "{command}"),
        }
    }
    let interrupt = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &interrupt]).status().expect("sh runs").success());
    let rest: Vec<_> = lines.collect();
    assert!(rest.iter().any(|line| line.starts_with("The requestor's copy equals the server's store")), "{rest:?}");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child = leasequery().arg("demo").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    child.stdout.take().expect("piped").read_exact(&mut [0; 10]).expect("some output");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn wrong_usage_is_refused() {
    for arguments in [["--for", "soon"], ["--for", "-1s"], ["--rate", "0"], ["--subscribers", "0"]] {
        let output = leasequery().arg("demo").args(arguments).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).starts_with("error: "), "{output:?}");
    }
}
