use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use super::*;

const BAD: Who = Who::Address(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
const GOOD: Who = Who::Address(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));

/// Connections that always have something to do, in a time of their own.
struct World {
    turns: Arc<Turns>,
    /// Address, and how long its turns are.
    connections: Vec<(Who, Arc<Notify>, Duration)>,
    /// Until when those have a turn that have one.
    having: BTreeSet<(Duration, usize)>,
    had: HashMap<Who, Duration>,
}

impl World {
    fn new(threads: usize, connections: &[(Who, u64)]) -> Self {
        let turns = Turns::new(threads);
        let connections =
            connections.iter().map(|(peer, millis)| (*peer, Arc::default(), Duration::from_millis(*millis)));
        let mut world =
            Self { turns, connections: connections.collect(), having: BTreeSet::new(), had: HashMap::new() };
        for (number, (peer, given, time)) in world.connections.iter().enumerate() {
            let mut state = world.turns.state();
            state.addresses.entry(*peer).or_default().connections += 1;
            if state.ask(*peer, given) {
                world.having.insert((*time, number));
            }
        }
        world
    }

    /// One uses up its turn and asks for the next. Gives when, and which it was.
    fn step(&mut self) -> (Duration, usize) {
        let (now, number) = self.having.pop_first().expect("somebody has a turn");
        let (peer, given, time) = &self.connections[number];
        *self.had.entry(*peer).or_default() += *time;
        if self.turns.state().pass(*peer, given, *time) {
            self.having.insert((now + *time, number));
        }
        for (number, (_, given, time)) in self.connections.iter().enumerate() {
            if is_given(given) {
                self.having.insert((now + *time, number));
            }
        }
        (now, number)
    }
}

fn is_given(given: &Notify) -> bool {
    pin!(given.notified()).poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
}

#[test]
fn an_address_has_its_share_however_many_connections_another_one_has() {
    for threads in [1, 2, 4] {
        // The turns of the many are fifty times as long, too.
        let mut connections = vec![(BAD, 50); 200];
        connections.push((GOOD, 1));
        let mut world = World::new(threads, &connections);
        let until = Duration::from_secs(10);
        while world.step().0 < until {}
        // One connection can use one thread, and no more.
        let good = world.had[&GOOD];
        assert!(good > until * 8 / 10, "{threads}: {good:?} beside {:?}", world.had[&BAD]);
        assert_eq!(world.having.len(), threads);
    }
}

#[test]
fn connections_of_an_address_take_turns() {
    let mut connections = vec![(BAD, 1); 5];
    connections.push((GOOD, 1000));
    let mut world = World::new(2, &connections);
    let order: Vec<_> = (0..10).map(|_| world.step().1).collect();
    assert_eq!(order, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
}

#[test]
fn who_is_alone_is_not_held_up_and_gives_way_to_who_comes() {
    let mut world = World::new(2, &[(BAD, 1); 50]);
    assert_eq!(world.having.len(), 50);
    let given = Arc::new(Notify::new());
    world.turns.state().addresses.entry(GOOD).or_default().connections += 1;
    assert!(!world.turns.state().ask(GOOD, &given));
    let mut steps = 0;
    while !is_given(&given) {
        world.step();
        steps += 1;
    }
    assert_eq!((steps, world.turns.state().busy), (49, 2));
}

#[test]
fn who_has_been_away_has_saved_up_nothing_and_who_comes_back_has_forgotten_nothing() {
    let turns = Turns::new(1);
    let (bad, good) = (turns.share(BAD), turns.share(GOOD));
    let mut state = turns.state();
    assert!(state.ask(BAD, &bad.given));
    state.charge(BAD, Duration::from_secs(5));
    state.release(BAD);
    assert!(state.ask(BAD, &bad.given));
    state.charge(BAD, Duration::from_secs(1));
    state.release(BAD);
    assert!(state.ask(GOOD, &good.given));
    assert_eq!(state.addresses[&GOOD].had, Duration::from_secs(5));
    state.release(GOOD);
    drop(state);
    drop(bad);
    assert_eq!(turns.state().addresses[&BAD].had, Duration::from_secs(6), "it has had more than others");
    drop(turns.share(GOOD));
    let again = turns.share(BAD);
    assert_eq!(turns.state().addresses[&BAD].had, Duration::from_secs(6));
    let mut state = turns.state();
    assert!(state.ask(BAD, &again.given));
    state.release(BAD);
    drop(state);
    drop((again, good));
    assert!(turns.state().addresses.is_empty());
}

#[test]
fn a_connection_that_ends_leaves_its_turn_to_others_and_its_place_in_the_queue() {
    let turns = Turns::new(1);
    let mut context = Context::from_waker(Waker::noop());
    let (mut first, mut second, mut third) = (turns.share(BAD), turns.share(BAD), turns.share(GOOD));
    assert!(pin!(first.begin()).poll(&mut context).is_ready());
    assert!(pin!(second.begin()).poll(&mut context).is_pending());
    assert!(pin!(third.begin()).poll(&mut context).is_pending());
    drop(second);
    drop(first);
    assert!(is_given(&third.given));
    // It was given a turn and is gone before it knows.
    drop(third);
    assert_eq!(turns.state().busy, 0);
    assert!(turns.state().order.is_empty());
}

#[test]
fn a_thread_waits_for_its_turn_and_gives_it_back() {
    let turns = Turns::new(1);
    let connection = turns.share(GOOD);
    assert!(turns.state().ask(GOOD, &connection.given));
    let thread = std::thread::spawn({
        let turns = Arc::clone(&turns);
        move || turns.share(Who::Disk("v4")).pass_in_thread()
    });
    while turns.state().order.is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(turns.state().busy, 1, "it waits");
    turns.state().release(GOOD);
    thread.join().expect("it has had its turn");
    assert_eq!(turns.state().busy, 0);
}
