//! Who follows whom.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;

use crate::clock::Clock;
use crate::copy::Reader;
use crate::disk::Disk;
use crate::family::Family;
use crate::node::{Local, Node, Role};

/// A random arrangement of servers, mirrors and watchers. In a `faithful` one no server ever forgets anything, so that
/// nobody needs to ask for everything again. A `small` one has another one beside it.
pub(crate) fn nodes<F: Family>(faithful: bool, small: bool, random: &mut Rng) -> Vec<Node<F>> {
    let most = if small { [1, 2, 2] } else { [2, 3, 3] };
    let mut nodes: Vec<Node<F>> = Vec::new();
    for _ in 0..random.usize(1..=most[0]) {
        let local = if faithful || random.bool() {
            Local::File { rows: Vec::new(), generation: 0 }
        } else {
            Local::Push { rows: Vec::new() }
        };
        nodes.push(node(Role::Root(local), Vec::new(), random));
    }
    for _ in 0..random.usize(0..=most[1]) {
        let mut upstreams = vec![random.usize(..nodes.len())];
        let other = random.usize(..nodes.len());
        if random.u8(..) < 60 && !upstreams.contains(&other) {
            upstreams.push(other);
        }
        nodes.push(node(Role::Mirror, upstreams, random));
    }
    let servers = nodes.len();
    for _ in 0..random.usize(1..=most[2]) {
        let upstream = random.usize(..servers);
        let keeps = random.bool();
        nodes.push(node(Role::Watcher { reader: Box::new(Reader::default()), keeps }, vec![upstream], random));
    }
    if faithful {
        let followed: BTreeSet<_> = nodes.iter().flat_map(|node| node.upstreams.clone()).collect();
        for (number, node) in
            nodes.iter_mut().enumerate().filter(|(_, node)| !matches!(node.role, Role::Watcher { .. }))
        {
            node.disk = Some(Disk::new());
            node.history = 100_000;
            // Who is asked again and again for what changed would not learn of ends.
            node.active |= !F::BULK_TELLS_ENDS;
            // A mirror that is killed begins its history anew, and knows no more which of two servers it believed.
            node.spared = matches!(node.role, Role::Mirror) && (followed.contains(&number) || node.upstreams.len() > 1);
        }
    }
    nodes
}

fn node<F: Family>(role: Role<F>, upstreams: Vec<usize>, random: &mut Rng) -> Node<F> {
    let durable = !matches!(role, Role::Watcher { .. }) && random.u8(..) < 180;
    Node {
        role,
        upstreams,
        clock: Clock::new(
            if random.bool() { random.i64(-5000..5000) } else { random.i64(-5_000_000..5_000_000) },
            random.i64(-50..50),
        ),
        disk: durable.then(Disk::new),
        diligence: if random.bool() { random.u8(1..8) } else { random.u8(8..250) },
        history: if random.bool() { random.u32(5..60) } else { 100_000 },
        process: None,
        start_at: Some(Duration::from_millis(random.u64(0..3000))),
        kept: Vec::new(),
        active: random.u8(..) >= 24,
        eager: random.bool(),
        unread_until: if random.u8(..) < 64 { Duration::from_secs(random.u64(1..60)) } else { Duration::ZERO },
        whole: false,
        spared: false,
        lasting: false,
        configured: F::first_configured(random),
        wake: Duration::ZERO,
    }
}
