use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use super::{Daemon, PATIENCE, leasequery, place};

/// `leasequery watch` as a process, and what it prints, line by line.
pub struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    pub fn start(server: &str, arguments: &[&str]) -> Self {
        let mut child = leasequery()
            .args(["watch", server, "--retry", "300ms"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("piped");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    pub fn of(daemon: &Daemon, arguments: &[&str]) -> Self {
        Self::start(&daemon.address().to_string(), arguments)
    }

    /// The next line.
    pub fn record(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("a line");
        serde_json::from_str(&line).expect("JSON")
    }

    /// The next line, in short: an event, or an address or prefix and its state.
    pub fn next(&self) -> String {
        let value = self.record();
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        if value["event"].is_string() { text("event") } else { format!("{} {}", place(&value), text("state")) }
    }

    #[track_caller]
    pub fn expect(&self, lines: &[&str]) {
        for line in lines {
            assert_eq!(self.next(), *line);
        }
    }

    /// What it prints up to this line.
    pub fn until(&self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line| line != last) {
            lines.push(self.next());
        }
        lines
    }

    /// Everything that it prints until it ends.
    pub fn rest(mut self) -> (Vec<String>, Option<i32>) {
        let lines = self.lines.iter().collect();
        (lines, self.child.wait().expect("it ends").code())
    }
}

impl Watch {
    /// Ends it in an orderly way.
    pub fn end(mut self) {
        let process = self.child.id().to_string();
        let status = std::process::Command::new("kill").args(["-TERM", &process]).status().expect("kill runs");
        assert!(status.success());
        assert!(self.child.wait().expect("it ends").success());
    }

    /// What it has said on standard error when it has ended.
    pub fn said(mut self) -> String {
        let mut said = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        assert!(self.child.wait().expect("it ends").success(), "{said}");
        said
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
