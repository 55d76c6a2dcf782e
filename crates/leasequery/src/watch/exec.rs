use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use leasequery_live::SharedStore;
use leasequery_record::Family;
use leasequery_store::Key;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::output::{Level, say};

/// Runs a command for each lease that changed: one at a time, and with the state that the lease has when its turn comes. One
/// that fails is run again, with longer and longer pauses, unless the lease has changed again before.
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
    order: BTreeMap<Place, K>,
    members: HashMap<K, Member>,
    running: Running,
    next: u64,
    ended: bool,
}

/// Whether the command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Running {
    No,
    /// It is being started.
    Soon,
    /// In this group of processes.
    Group(Pid),
}

/// When it is a lease's turn, the first come first.
type Place = (Instant, u64);

#[derive(Debug, Clone, Copy)]
struct Member {
    place: Place,
    /// How often the command failed with what is known of the lease now.
    failures: u32,
}

/// How long a command that runs at the end has before it is told to end, and then before it is ended.
const GRACE: Duration = Duration::from_secs(5);
/// The pause after the first failure, which becomes twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Leases that are named of those for which the command was not run.
const NAMED: usize = 5;

impl<P: Family> Exec<P> {
    /// Runs `command` by the shell, from now on.
    pub(super) fn start(command: String, shared: Arc<SharedStore<P::Key>>) -> Self {
        let queue =
            Queue { order: BTreeMap::new(), members: HashMap::new(), running: Running::No, next: 0, ended: false };
        let waiting = Arc::new(Waiting { queue: Mutex::new(queue), changed: Condvar::new() });
        let thread = std::thread::spawn({
            let waiting = Arc::clone(&waiting);
            move || {
                while let Some((key, failures)) = waiting.next() {
                    let record = shared.read(|store| {
                        let mut line = Vec::new();
                        if let Some(binding) = store.lookup(key) {
                            P::view_of(&binding, store).write_json(&mut line);
                        }
                        line
                    });
                    // What is forgotten by now ended long ago.
                    let result = if record.is_empty() { Ok(()) } else { waiting.run(&command, &record) };
                    waiting.done(key, failures, result);
                }
            }
        });
        Self { waiting, thread }
    }

    /// A lease has changed.
    pub(super) fn changed(&mut self, key: P::Key) {
        self.waiting.lock().add(key, Instant::now(), 0);
        self.waiting.changed.notify_all();
    }

    /// Whether it has been run, and has succeeded, for everything that changed.
    pub(super) fn is_idle(&self) -> bool {
        let queue = self.waiting.lock();
        queue.members.is_empty() && queue.running == Running::No
    }

    /// Ends: the command that runs is waited for, for a while, and no other one is begun. Gives the leases for which it was
    /// not run, in words, if there are some.
    pub(super) fn finish(self) -> Option<String> {
        self.waiting.lock().ended = true;
        self.waiting.changed.notify_all();
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            let (queue, waited) = self
                .waiting
                .changed
                .wait_timeout_while(self.waiting.lock(), GRACE, |queue| queue.running != Running::No)
                .unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out()
                && let Running::Group(group) = queue.running
            {
                // It may just have ended by itself.
                let _ = killpg(group, signal);
            }
        }
        let _ = self.thread.join();
        let queue = self.waiting.lock();
        let left = queue.members.len();
        let named: Vec<_> = queue.order.values().take(NAMED).map(ToString::to_string).collect();
        let more = if left > NAMED { ", …" } else { "" };
        (left > 0).then(|| format!("{left} leases: {}{more}", named.join(", ")))
    }
}

impl<K: Key> Waiting<K> {
    fn lock(&self) -> MutexGuard<'_, Queue<K>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next turn: whose it is, and how often the command failed for it.
    fn next(&self) -> Option<(K, u32)> {
        let mut queue = self.lock();
        loop {
            if queue.ended {
                return None;
            }
            let now = Instant::now();
            let due = queue.order.first_key_value().map(|((due, _), _)| *due);
            queue = match due {
                Some(due) if due <= now => {
                    let (_, key) = queue.order.pop_first()?;
                    let failures = queue.members.remove(&key).map_or(0, |member| member.failures);
                    queue.running = Running::Soon;
                    return Some((key, failures));
                }
                Some(due) => self.changed.wait_timeout(queue, due - now).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// The turn of a lease is over.
    fn done(&self, key: K, failures: u32, result: Result<(), String>) {
        let mut queue = self.lock();
        queue.running = Running::No;
        if let Err(failure) = result {
            let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
            let then = if queue.ended {
                String::new()
            } else if queue.members.contains_key(&key) {
                "; it has changed since".to_owned()
            } else {
                format!("; tried again in {} s", pause.as_secs())
            };
            say(Level::Warning, format_args!("--exec for {key}: {failure}{then}"));
            if !queue.members.contains_key(&key) {
                queue.add(key, Instant::now() + pause, failures + 1);
            }
        }
        drop(queue);
        self.changed.notify_all();
    }

    /// Runs the command once. What it says goes where our own messages go; the output is for records. It has a group of
    /// its own, so that Ctrl-C at a terminal is for us, and what it has started can be ended with it.
    fn run(&self, command: &str, record: &[u8]) -> Result<(), String> {
        let mut child = Command::new("sh")
            .args(["-c", command])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(std::io::stderr())
            .spawn()
            .map_err(|error| error.to_string())?;
        if let Ok(group) = i32::try_from(child.id()) {
            self.lock().running = Running::Group(Pid::from_raw(group));
        }
        if let Some(mut stdin) = child.stdin.take() {
            // It need not read it.
            let _ = stdin.write_all(record);
        }
        match child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(status.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl<K: Key> Queue<K> {
    /// It is a lease's turn at a time, or earlier, if it waits already and has not failed: what has changed is a new reason.
    fn add(&mut self, key: K, at: Instant, failures: u32) {
        match self.members.get(&key) {
            Some(member) if member.failures == 0 => return,
            Some(member) => drop(self.order.remove(&member.place)),
            None => {}
        }
        let place = (at, self.next);
        self.next += 1;
        self.order.insert(place, key);
        self.members.insert(key, Member { place, failures });
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use leasequery_store::V4Key;

    use super::*;

    fn queue() -> Queue<V4Key> {
        Queue { order: BTreeMap::new(), members: HashMap::new(), running: Running::No, next: 0, ended: false }
    }

    #[test]
    fn a_lease_waits_once_and_what_failed_goes_behind_the_others() {
        let now = Instant::now();
        let (one, two) = (V4Key::new(Ipv4Addr::new(10, 0, 0, 1)), V4Key::new(Ipv4Addr::new(10, 0, 0, 2)));
        let mut queue = queue();
        queue.add(one, now + FIRST_PAUSE, 1);
        for key in [two, two] {
            queue.add(key, now, 0);
        }
        let order = |queue: &Queue<V4Key>| queue.order.values().copied().collect::<Vec<_>>();
        assert_eq!(order(&queue), [two, one]);
        // It has changed: there is no reason to wait any more, nor to count what failed before.
        queue.add(one, now, 0);
        assert_eq!((order(&queue), queue.members[&one].failures), (vec![two, one], 0));
        assert!(queue.order.keys().all(|(due, _)| *due == now));
    }
}
