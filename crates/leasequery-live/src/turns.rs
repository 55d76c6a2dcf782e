//! Who has the processor. Requestors share it, not connections: whoever opens many gets no more of it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Octets that a connection makes in a turn: as much as one write takes at full speed.
pub const ROOM: usize = 64 * 1024;
/// The same for an active query, which may stay for ever and be one of thousands.
pub const ACTIVE_ROOM: usize = 40 * 1024;
/// Datagrams answered in a turn, so that the store is locked for a bite: the work for each is bounded, too.
pub const BITE: usize = 8;

/// Who shares: an address with all of its connections, a socket for datagrams, or what is written to disk. Where datagrams
/// come from anybody can forge, so those of a socket are together, as if they were of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// A requestor, with all of its connections.
    Address(IpAddr),
    /// A socket for datagrams.
    Datagrams(SocketAddr),
    /// What is written to the durable copy of a protocol.
    Disk(&'static str),
}

impl From<IpAddr> for Who {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

/// The turns of all connections, of which there are as many at a time as threads.
///
/// A connection does nothing but in its turn, and a turn waits for nothing. If there are more connections with something
/// to do than turns, the next one is of the address that has had the least time; an address that is alone has no limit. A
/// turn is kept on the way through the runtime's queue, so that no more connections than threads are in that queue with
/// work, and others leave it at once.
#[derive(Debug)]
pub struct Turns {
    state: Mutex<State>,
}

/// The claim of one connection.
#[derive(Debug)]
pub struct Share {
    turns: Arc<Turns>,
    peer: Who,
    given: Arc<Notify>,
    claim: Claim,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    None,
    Waiting,
    Turn(Instant),
}

#[derive(Debug)]
struct State {
    /// Turns that there are for several addresses.
    threads: usize,
    /// Turns that somebody has. While they are fewer than threads nobody waits.
    busy: usize,
    addresses: HashMap<Who, Address>,
    /// The addresses that wait, by the time they have had.
    order: BTreeSet<(Duration, Who)>,
    /// The time that the address of the latest turn had had. Who has been away begins there: what was not used is not
    /// saved up.
    clock: Duration,
}

#[derive(Debug, Default)]
struct Address {
    connections: usize,
    /// Turns that its connections have.
    busy: usize,
    /// The time it has had, at its price.
    had: Duration,
    waiting: VecDeque<Arc<Notify>>,
}

/// Addresses without connections that are remembered, because they have had more than their share.
const REMEMBERED: usize = 1024;

impl Turns {
    /// So many at a time.
    pub fn new(threads: usize) -> Arc<Self> {
        let state = State {
            threads: threads.max(1),
            busy: 0,
            addresses: HashMap::new(),
            order: BTreeSet::new(),
            clock: Duration::ZERO,
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// As many at a time as this runtime has threads.
    pub fn of_runtime() -> Arc<Self> {
        Self::new(tokio::runtime::Handle::current().metrics().num_workers())
    }

    /// The claim of a connection of this address, or of one of the others.
    pub fn share(self: &Arc<Self>, peer: impl Into<Who>) -> Share {
        let peer = peer.into();
        self.state().addresses.entry(peer).or_default().connections += 1;
        Share { turns: Arc::clone(self), peer, given: Arc::default(), claim: Claim::None }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Waits for a turn, unless it is this one's already.
    pub async fn begin(&mut self) {
        if self.claim == Claim::None {
            if self.turns.state().ask(self.peer, &self.given) {
                self.claim = Claim::Turn(Instant::now());
            } else {
                self.wait().await;
            }
        }
    }

    /// Ends the turn, and waits for another one. Other tasks of the runtime go on meanwhile in any case.
    pub async fn pass(&mut self) {
        let Claim::Turn(began) = self.claim else { return self.begin().await };
        if self.turns.state().pass(self.peer, &self.given, began.elapsed()) {
            step_back().await;
            self.claim = Claim::Turn(Instant::now());
        } else {
            self.wait().await;
        }
    }

    /// The same for a thread of its own.
    pub fn pass_in_thread(&mut self) {
        block_on(self.pass());
    }

    /// Ends the turn. One of several connections of an address keeps it for a moment, in which the others find out that
    /// they have to wait: many that have little to do each would be served before anybody else otherwise.
    pub async fn end(&mut self) {
        let Claim::Turn(began) = self.claim else { return };
        if self.turns.state().charge(self.peer, began.elapsed()) {
            step_back().await;
        }
        self.claim = Claim::None;
        self.turns.state().release(self.peer);
    }

    async fn wait(&mut self) {
        self.claim = Claim::Waiting;
        self.given.notified().await;
        self.claim = Claim::Turn(Instant::now());
    }
}

/// Goes through the runtime's queue once. The runtime's own way to do so is for tasks that poll: it waits until the thread has
/// nothing else to do, or has done sixty-one other things.
pub async fn step_back() {
    let mut stepped = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut stepped, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits in a thread that has nothing else to do.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let (mut future, mut context) = (pin!(future), Context::from_waker(&waker));
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
        std::thread::park();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        match self.claim {
            Claim::None => {}
            Claim::Turn(began) => {
                state.charge(self.peer, began.elapsed());
                state.release(self.peer);
            }
            Claim::Waiting => state.withdraw(self.peer, &self.given),
        }
        state.leave(self.peer);
    }
}

impl Address {
    /// What time costs it. Who wants many turns at the same time pays more for each: with two addresses, one that wants two
    /// has a third of the time, one that wants a hundred an eighth.
    fn price(&self) -> u32 {
        (self.busy + self.waiting.len()).checked_ilog2().map_or(1, |bits| bits + 1)
    }
}

impl State {
    /// Gives a turn, or takes a place in the queue.
    fn ask(&mut self, peer: Who, given: &Arc<Notify>) -> bool {
        let is_alone = self.addresses.len() == 1;
        let address = self.addresses.entry(peer).or_default();
        if address.busy == 0 && address.waiting.is_empty() {
            address.had = address.had.max(self.clock);
        }
        // An address that is alone has nobody to share with.
        if self.order.is_empty() && (self.busy < self.threads || is_alone) {
            self.busy += 1;
            address.busy += 1;
            self.clock = self.clock.max(address.had);
            return true;
        }
        if address.waiting.is_empty() {
            self.order.insert((address.had, peer));
        }
        address.waiting.push_back(Arc::clone(given));
        false
    }

    /// Puts a turn that has been used to the account of an address. Says whether it has further connections and there
    /// are other addresses.
    fn charge(&mut self, peer: Who, time: Duration) -> bool {
        let others = self.addresses.len() > 1;
        let Some(address) = self.addresses.get_mut(&peer) else { return false };
        let before = address.had;
        address.had += time * address.price();
        if !address.waiting.is_empty() {
            self.order.remove(&(before, peer));
            self.order.insert((address.had, peer));
        }
        others && address.connections > 1
    }

    /// Ends a turn of who wants another one: says whether it may have that at once.
    fn pass(&mut self, peer: Who, given: &Arc<Notify>, time: Duration) -> bool {
        self.charge(peer, time);
        // What an address was given while it was alone has to be given back.
        let too_many = self.busy > self.threads && self.addresses.len() > 1;
        let Some(address) = self.addresses.get(&peer) else { return true };
        let first = self.order.first().is_none_or(|(had, _)| address.had <= *had);
        if first && address.waiting.is_empty() && !too_many {
            self.clock = self.clock.max(address.had);
            return true;
        }
        self.ask(peer, given);
        self.release(peer);
        false
    }

    /// Takes a turn back, for who has waited.
    fn release(&mut self, peer: Who) {
        if let Some(address) = self.addresses.get_mut(&peer) {
            address.busy -= 1;
        }
        self.busy -= 1;
        while self.busy < self.threads
            && let Some((had, next)) = self.order.pop_first()
        {
            self.clock = self.clock.max(had);
            let Some(address) = self.addresses.get_mut(&next) else { continue };
            let Some(given) = address.waiting.pop_front() else { continue };
            if !address.waiting.is_empty() {
                self.order.insert((had, next));
            }
            address.busy += 1;
            self.busy += 1;
            given.notify_one();
        }
    }

    /// Gives up a place in the queue, or the turn that was given in this moment.
    fn withdraw(&mut self, peer: Who, given: &Arc<Notify>) {
        let Some(address) = self.addresses.get_mut(&peer) else { return };
        let before = address.waiting.len();
        address.waiting.retain(|other| !Arc::ptr_eq(other, given));
        if address.waiting.len() == before {
            self.release(peer);
        } else if address.waiting.is_empty() {
            self.order.remove(&(address.had, peer));
        }
    }

    /// Forgets a connection, and those addresses without any that have had no more than others.
    fn leave(&mut self, peer: Who) {
        if let Some(address) = self.addresses.get_mut(&peer) {
            address.connections -= 1;
        }
        let (clock, full) = (self.clock, self.addresses.len() > REMEMBERED);
        self.addresses.retain(|_, address| address.connections > 0 || (address.had > clock && !full));
    }
}

#[cfg(test)]
mod fairness;
#[cfg(test)]
mod tests;
