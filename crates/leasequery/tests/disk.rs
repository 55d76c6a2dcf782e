//! A `state-dir` that cannot be written, is damaged, or somebody else's.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use common::{Daemon, LISTEN, PUSH, REQUESTOR, eventually, leasequery};
use serde_json::{Value, json};
use tempfile::TempDir;

const STATE: &str = "state-dir = \"state\"\n";

fn lease(number: u32) -> Value {
    let address = format!("10.0.0.{number}");
    json!({"protocol": "v4", "address": address, "state": "active", "mac": format!("02:00:00:00:00:{number:02x}")})
}

fn directory() -> Arc<TempDir> {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    std::fs::write(directory.path().join("leasequery.toml"), format!("{STATE}{LISTEN}{REQUESTOR}{PUSH}"))
        .expect("written");
    directory
}

/// Lets every write of a process to a file fail, or no longer. Nobody needs privileges for that.
fn set_full(daemon: &Daemon, full: bool) {
    let limit = format!("--fsize={}:unlimited", if full { "1" } else { "unlimited" });
    let status = Command::new("prlimit").args(["--pid", &daemon.process().to_string(), &limit]).status();
    assert!(status.expect("prlimit of util-linux runs").success());
}

/// What a client is told whose record does not come to disk; `None` if it does.
fn refusal(daemon: &Daemon, number: u32) -> Option<String> {
    let answers = daemon.push(&lease(number).to_string());
    let [answer] = answers.as_slice() else { panic!("one answer: {answers:?}") };
    answer["error"].as_str().map(str::to_owned)
}

/// Pushes further leases until one is refused, for there may be a little room still. Gives the number of that one.
fn push_until_refused(daemon: &Daemon, mut number: u32) -> u32 {
    loop {
        number += 1;
        assert!(number < 180, "nothing is refused: {}", daemon.log());
        if let Some(text) = refusal(daemon, number) {
            assert!(text.starts_with("1 records were taken and are not on disk"), "{text}");
            return number;
        }
    }
}

fn check_full_and_empty_again(mut daemon: Daemon, set_full: impl Fn(&Daemon, bool)) {
    daemon.push_all(&[lease(1)]);
    set_full(&daemon, true);
    let mut last = push_until_refused(&daemon, 1);
    // More than have a place at the same time: each gives it back.
    for _ in 0..40 {
        last += 1;
        assert!(refusal(&daemon, last).is_some());
    }
    let known = |daemon: &Daemon| u32::try_from(daemon.addresses(&[]).len()).expect("a few");
    assert_eq!(known(&daemon), last, "what it knows is served all the same");
    assert_eq!(daemon.log().matches("(v4): cannot be written").count(), 1, "{}", daemon.log());

    set_full(&daemon, false);
    eventually("it is written again", || daemon.log().contains("(v4): can be written again"));
    daemon.push_all(&[lease(last + 1)]);
    daemon.signal("KILL");
    daemon.wait();
    let directory = Arc::clone(&daemon.directory);
    drop(daemon);
    let mut daemon = Daemon::start_in(directory, leasequery());
    assert_eq!(known(&daemon), last + 1, "{}", daemon.log());

    set_full(&daemon, true);
    push_until_refused(&daemon, last + 1);
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(1), "{}", daemon.log());
    eventually("the last words", || {
        daemon.log().contains("(v4): not everything is on disk, 1 changes are missing there: ")
    });
}

#[test]
fn what_cannot_be_written_is_written_later_and_nobody_waits_for_it() {
    check_full_and_empty_again(Daemon::start_in(directory(), leasequery()), set_full);
}

/// A small file system, as long as it lives.
struct Small(PathBuf);

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_is_really_full_is_survived() {
    let directory = directory();
    let state = directory.path().join("state");
    std::fs::create_dir(&state).expect("a directory");
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs"]).arg(&state).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        println!("left out: only root can mount a small file system");
        return;
    }
    let small = Small(state.clone());
    let filler = state.join("filler");
    check_full_and_empty_again(Daemon::start_in(directory, leasequery()), |_, full| {
        if full {
            // To the last octet, which takes more than one attempt.
            for block in [65_536, 1] {
                let octets = format!(
                    "head -c 8M /dev/zero | dd bs={block} iflag=fullblock >> {} 2> /dev/null",
                    filler.display()
                );
                let _ = Command::new("sh").args(["-c", &octets]).status();
            }
        } else {
            std::fs::remove_file(&filler).expect("it is there");
        }
    });
    drop(small);
}

/// What `serve` says when it does not start.
fn problem(file: &Path) -> String {
    let output = leasequery().args(["serve", "--config"]).arg(file).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    common::stderr(&output)
}

#[test]
fn whoever_comes_second_is_told_who_has_the_directory() {
    let daemon = Daemon::start_in(directory(), leasequery());
    let text = problem(&daemon.path("leasequery.toml"));
    let expected = format!("state: another leasequery has it, process {}\n", daemon.process());
    assert!(text.ends_with(&expected), "{text}");
    assert_eq!(text.matches("rror").count(), 1, "said once: {text}");

    let other = directory();
    std::fs::write(other.path().join("state"), "a file").expect("written");
    let text = problem(&other.path().join("leasequery.toml"));
    assert!(text.ends_with("state: it is a file; a directory would be right\n"), "{text}");
}

#[test]
fn a_directory_that_is_removed_or_moved_away_is_made_again_with_everything_in_it() {
    let ways: [fn(&Path); 3] = [
        |state| std::fs::remove_dir_all(state).expect("it is there"),
        |state| std::fs::rename(state, state.with_extension("away")).expect("it is there"),
        |state| std::fs::remove_dir_all(state.join("v4")).expect("it is there"),
    ];
    for way in ways {
        let directory = directory();
        let mut daemon = Daemon::start_in(Arc::clone(&directory), leasequery());
        daemon.push_all(&[lease(1)]);
        way(&directory.path().join("state"));
        // Whatever is acknowledged from now on has to be where the next run looks for it.
        eventually("it is made again", || refusal(&daemon, 2).is_none() && directory.path().join("state/v4").exists());
        daemon.signal("KILL");
        daemon.wait();
        drop(daemon);
        let daemon = Daemon::start_in(directory, leasequery());
        assert_eq!(daemon.addresses(&[]), ["10.0.0.1", "10.0.0.2"], "{}", daemon.log());
    }
}

#[test]
fn a_damaged_directory_is_set_aside_and_begun_anew() {
    let directory = directory();
    let mut daemon = Daemon::start_in(Arc::clone(&directory), leasequery());
    daemon.push_all(&[lease(1)]);
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    drop(daemon);
    std::fs::write(directory.path().join("state/v4/version"), "nonsense").expect("written");
    let daemon = Daemon::start_in(Arc::clone(&directory), leasequery());
    assert_eq!(daemon.addresses(&[]), [""; 0]);
    let names = std::fs::read_dir(directory.path().join("state")).expect("readable");
    let aside =
        names.map(|entry| entry.expect("an entry").path()).find(|path| path.to_string_lossy().contains("damaged-"));
    let aside = aside.expect("it is set aside");
    assert!(daemon.log().contains(&format!("moved to {}", aside.display())), "{}", daemon.log());
    daemon.push_all(&[lease(2)]);
    assert_eq!(daemon.addresses(&[]), ["10.0.0.2"]);
}

#[test]
fn connections_leave_descriptors_for_the_disk_and_for_those_who_push() {
    let directory = directory();
    let config = format!("{STATE}{LISTEN}{REQUESTOR}{PUSH}[limits]\nconnections = 1000\n");
    std::fs::write(directory.path().join("leasequery.toml"), config).expect("written");
    let mut program = Command::new("sh");
    program.args(["-c", "ulimit -n 256; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_leasequery")]);
    let mut daemon = Daemon::start_in(directory, program);
    let peers: Vec<_> = (0..400).map(|_| daemon.connect()).collect();
    eventually("they are too many", || daemon.log().contains("as many connections as there are file descriptors for"));
    let clients: Vec<_> = (0..20)
        .map(|_| std::os::unix::net::UnixStream::connect(daemon.path("push.sock")).expect("the push socket is there"))
        .collect();
    for number in 1..=20 {
        daemon.push_all(&[lease(number)]);
    }
    assert!(!daemon.log().contains("cannot"), "{}", daemon.log());
    drop((peers, clients));
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
}
