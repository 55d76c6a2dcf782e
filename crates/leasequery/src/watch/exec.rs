use std::collections::{HashSet, VecDeque};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use leasequery_live::SharedStore;
use leasequery_record::Family;
use leasequery_store::Key;

use crate::output::{Level, say};

/// Runs a command for each lease that changed: one at a time, and with the state that the lease has when its turn comes.
pub(super) struct Exec<P: Family> {
    waiting: Arc<Waiting<P::Key>>,
    thread: JoinHandle<()>,
}

struct Waiting<K> {
    queue: Mutex<Queue<K>>,
    changed: Condvar,
}

/// Leases that wait for their turn, each once.
struct Queue<K> {
    order: VecDeque<K>,
    members: HashSet<K>,
    ended: bool,
}

impl<P: Family> Exec<P> {
    /// Runs `command` by the shell, from now on.
    pub(super) fn start(command: String, shared: Arc<SharedStore<P::Key>>) -> Self {
        let queue = Queue { order: VecDeque::new(), members: HashSet::new(), ended: false };
        let waiting = Arc::new(Waiting { queue: Mutex::new(queue), changed: Condvar::new() });
        let queue = Arc::clone(&waiting);
        let thread = std::thread::spawn(move || {
            while let Some(key) = queue.next() {
                let record = shared.read(|store| {
                    let mut line = Vec::new();
                    if let Some(binding) = store.lookup(key) {
                        P::view_of(&binding, store).write_json(&mut line);
                    }
                    line
                });
                if !record.is_empty() {
                    run(&command, &record);
                }
            }
        });
        Self { waiting, thread }
    }

    /// A lease has changed.
    pub(super) fn changed(&mut self, key: P::Key) {
        let mut queue = self.waiting.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.members.insert(key) {
            queue.order.push_back(key);
            self.waiting.changed.notify_one();
        }
    }

    /// Waits until it has run for all that changed.
    pub(super) fn finish(self) {
        self.waiting.queue.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        self.waiting.changed.notify_one();
        let _ = self.thread.join();
    }
}

impl<K: Key> Waiting<K> {
    fn next(&self) -> Option<K> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(key) = queue.order.pop_front() {
                queue.members.remove(&key);
                return Some(key);
            }
            if queue.ended {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Runs the command once. What it says goes where our own messages go; the output is for records.
fn run(command: &str, record: &[u8]) {
    let child = Command::new("sh").args(["-c", command]).stdin(Stdio::piped()).stdout(std::io::stderr()).spawn();
    let failure = match child {
        Ok(mut child) => {
            if let Some(mut stdin) = child.stdin.take() {
                // It need not read it.
                let _ = stdin.write_all(record);
            }
            match child.wait() {
                Ok(status) if status.success() => return,
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            }
        }
        Err(error) => error.to_string(),
    };
    say(Level::Warning, format_args!("--exec: {failure}"));
}
