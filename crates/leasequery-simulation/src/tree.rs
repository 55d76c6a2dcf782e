//! Servers, mirrors and watchers of one protocol.

use std::collections::BTreeMap;
use std::time::Duration;

use leasequery_protocol::follower::LINKS;
use leasequery_store::{Budget, SweepEnd};

use crate::Mutation;
use crate::copy::{Connecting, Ear};
use crate::family::{Family, Row};
use crate::network::{Client, Tcp};
use crate::node::{LOCAL, Local, Node, Process, Role, advance, place};
use crate::pairs::Vouched;
use crate::plan;
use crate::server::Serving;
use crate::world::{Context, Part};

/// The machines, and what connects them.
pub(crate) struct Tree<F: Family> {
    pub(crate) nodes: Vec<Node<F>>,
    /// By number; one that is over is taken out.
    pub(crate) tcps: BTreeMap<usize, Tcp>,
    next_tcp: usize,
    /// When each node has something to do, as it was when somebody last looked.
    dues: Vec<Duration>,
    /// What mirrors of several servers had, when somebody last looked.
    pub(crate) vouched: Vouched,
}

impl<F: Family> Part for Tree<F> {
    fn next(&mut self, now: Duration) -> Duration {
        let mut dues = std::mem::take(&mut self.dues);
        dues.clear();
        dues.extend((0..self.nodes.len()).map(|node| self.due(node, now)));
        self.dues = dues;
        self.dues.iter().copied().min().unwrap_or(Duration::MAX)
    }

    fn work(&mut self, context: &mut Context) -> Result<(), String> {
        for node in 0..self.nodes.len() {
            if self.dues[node] <= context.now {
                self.process(node, context)?;
            }
        }
        self.tcps.retain(|_, tcp| !tcp.is_over());
        Ok(())
    }

    fn change_leases(&mut self, context: &mut Context) {
        self.change_leases(context);
    }

    fn fault(&mut self, context: &mut Context) -> Result<(), String> {
        self.fault(context)
    }

    fn cut_power(&mut self, context: &mut Context) {
        self.cut_power(context);
    }

    fn start_all(&mut self, now: Duration) {
        for node in &mut self.nodes {
            (node.unread_until, node.wake) = (Duration::ZERO, now);
        }
        for node in self.nodes.iter_mut().filter(|node| node.process.is_none()) {
            node.start_at = Some(node.start_at.unwrap_or(now).min(now + Duration::from_secs(1)));
            if let Some(disk) = &mut node.disk {
                disk.recover();
            }
        }
    }

    fn has_joint(&self) -> bool {
        self.has_joint()
    }

    fn check_vouched(&mut self, context: &Context) -> Result<(), String> {
        self.check_vouched(context)
    }

    fn check(&self, context: &Context) -> Result<(), String> {
        self.check(context)
    }
}

impl<F: Family> Tree<F> {
    /// A random one.
    pub(crate) fn new(small: bool, context: &mut Context) -> Self {
        let nodes = plan::nodes(context.faithful, small, &mut context.random);
        Self { nodes, tcps: BTreeMap::new(), next_tcp: 0, dues: Vec::new(), vouched: Vouched::new() }
    }

    /// What a node is called.
    pub(crate) fn title(number: usize) -> String {
        format!("{} node {number}", F::NAME)
    }

    /// When a node has something to do.
    fn due(&self, number: usize, now: Duration) -> Duration {
        let node = &self.nodes[number];
        let Some(process) = &node.process else { return node.start_at.unwrap_or(Duration::MAX) };
        let mut due = node.wake;
        for serving in &process.serving {
            if serving.wants_read()
                && let Some(at) = self.tcps.get(&serving.tcp).and_then(|tcp| tcp.to_server.next(now))
            {
                due = due.min(at);
            }
        }
        for following in &process.following {
            for link in &following.links {
                if let Connecting::Open(tcp) = link
                    && let Some(at) = self.tcps.get(tcp).and_then(|tcp| tcp.to_client.next(now))
                {
                    due = due.min(at);
                }
            }
        }
        due
    }

    /// Lets a node do what it has to do.
    fn process(&mut self, number: usize, context: &mut Context) -> Result<(), String> {
        let now = context.now;
        if self.nodes[number].process.is_none() {
            if let Some(disk) = &mut self.nodes[number].disk
                && disk.is_failing(now)
            {
                // Somebody tries again and again.
                self.nodes[number].start_at = Some(now + Duration::from_secs(1));
                return Ok(());
            }
            context.trace(|| format!("{} starts", Self::title(number)));
            self.nodes[number].start(now, context.faithful, context.options.mutation, &mut context.random)?;
            self.nodes[number].start_at = None;
        }
        let Some(mut process) = self.nodes[number].process.take() else { return Ok(()) };
        let wall = self.nodes[number].clock.wall(now);
        advance(&mut process.store, wall, context.options.mutation);
        let before = process.store.revision();
        self.read_local(number, &mut process, now);
        for follower in 0..process.following.len() {
            self.follow(number, follower, &mut process, context)
                .map_err(|problem| format!("{}: {problem}", Self::title(number)))?;
        }
        if matches!(self.nodes[number].role, Role::Mirror) {
            self.nodes[number].whole |= process.following.iter().all(|following| following.whole);
        }
        context.report.changes += process.store.revision().0 - before.0;
        let mut serving = std::mem::take(&mut process.serving);
        let mut problem = None;
        serving.retain_mut(|serving| {
            let Some(tcp) = self.tcps.get_mut(&serving.tcp) else { return false };
            match serving.turn(now, &process.store, tcp, context.options.mutation, &mut context.random) {
                Ok(false) => true,
                Ok(true) => {
                    tcp.close_server(now, &mut context.random);
                    false
                }
                Err(broken) => {
                    problem.get_or_insert(broken);
                    false
                }
            }
        });
        process.serving = serving;
        if let Some(problem) = problem {
            return Err(format!("{}: {problem}", Self::title(number)));
        }
        if now >= process.keep_at {
            let node = &mut self.nodes[number];
            process.keep(now, node.disk.as_mut(), node.diligence, context.options.mutation, &mut context.random);
            process.keep_at = now + Duration::from_millis(50);
        }
        let digest = process.store.revision().0 ^ (number as u64) << 32 ^ u64::from(process.store.now().0);
        context.report.digest = context.report.digest.rotate_left(5) ^ digest;
        let unread_until = Some(self.nodes[number].unread_until).filter(|until| *until > now);
        self.nodes[number].wake = unread_until.into_iter().fold(process.next(now, context.calm), Duration::min);
        self.nodes[number].process = Some(process);
        Ok(())
    }

    /// A root takes what the DHCP server beside it says.
    fn read_local(&mut self, number: usize, process: &mut Process<F>, now: Duration) {
        let Node { role: Role::Root(local), unread_until, whole, .. } = &mut self.nodes[number] else { return };
        match local {
            Local::File { .. } if now < *unread_until => {}
            Local::File { rows, generation } => {
                let read = process.file_position();
                let known = read.filter(|(known, _)| known == generation);
                if known.is_none() {
                    if std::mem::take(&mut process.unclean) {
                        // What was told last may have been cleaned away since.
                        process.store.lose_history();
                    }
                    process.store.begin_sweep(LOCAL);
                }
                for row in rows.iter().skip(known.map_or(0, |(_, rows)| usize::try_from(rows).unwrap_or(0))) {
                    row.commit(LOCAL, &mut process.store);
                }
                if known.is_none() {
                    let mut end = SweepEnd::default();
                    while !process.store.end_sweep(LOCAL, &mut end, &Budget::new(64)) {}
                }
                process.unclean = false;
                process.set_file_position(*generation, rows.len() as u64);
                *whole = true;
                if process.store.awaited().next().is_some() {
                    process.store.set_whole(LOCAL);
                }
            }
            Local::Push { rows } => {
                for row in rows.drain(..) {
                    row.commit(LOCAL, &mut process.store);
                }
            }
        }
    }

    /// Turns the wheel of a follower until it stands still.
    fn follow(
        &mut self,
        number: usize,
        nth: usize,
        process: &mut Process<F>,
        context: &mut Context,
    ) -> Result<(), String> {
        let (now, mine) = (context.now, context.now.saturating_sub(process.began));
        let server = process.following[nth].server;
        while let Some(link) = process.following[nth].follower.poll_connect(mine) {
            let delay = Duration::from_micros(context.random.u64(50..50_000));
            process.following[nth].links[place(link)] = Connecting::Until(now + delay);
        }
        for link in LINKS {
            if matches!(process.following[nth].links[place(link)], Connecting::Until(until) if until <= now) {
                self.finish_connecting(Client { node: number, follower: nth, link }, process, context);
            }
        }
        let mut trace = context.options.trace.then(Vec::new);
        loop {
            let following = &mut process.following[nth];
            for link in LINKS {
                let Connecting::Open(tcp) = following.links[place(link)] else { continue };
                let Some(tcp) = self.tcps.get_mut(&tcp) else {
                    following.follower.handle_eof(link);
                    continue;
                };
                let mut unsent = following.follower.poll_transmit(link).to_vec();
                if let Some(mutation) = context.options.mutation {
                    mutation.on_client_output::<F>(&mut unsent, following.bulk);
                }
                if !unsent.is_empty() {
                    let sent = tcp.to_server.write(now, &unsent, &mut context.random);
                    following.follower.handle_sent(link, mine, sent);
                }
                let bytes = tcp.to_client.read(now);
                if !bytes.is_empty() {
                    following.follower.handle_bytes(link, &bytes);
                    // There is room again.
                    if let Some(node) = self.nodes.get_mut(server) {
                        node.wake = node.wake.min(now);
                    }
                } else if tcp.to_client.has_ended(now) {
                    following.follower.handle_eof(link);
                }
            }
            let unread = matches!(self.nodes[server].role, Role::Root(_)) && !self.nodes[server].whole;
            let reader = match &mut self.nodes[number].role {
                Role::Watcher { reader, .. } => Some(&mut **reader),
                _ => None,
            };
            let mut ear = Ear { reader, bulk: &mut following.bulk, trace: trace.as_mut(), unread, untrue: None };
            let budget = context.random.usize(1..40);
            let more = following.follower.advance(mine, &mut process.store, &mut ear, budget);
            if let Some(name) = ear.untrue {
                return Err(format!("node {server} has read nothing yet, and tells that {name} is free"));
            }
            if following.follower.position().is_some()
                && !std::mem::replace(&mut following.whole, true)
                && !self.nodes[server].whole
            {
                return Err(format!("node {server} does not know everything yet, and it was taken for everything"));
            }
            if let Role::Watcher { reader, .. } = &mut self.nodes[number].role {
                // What was printed is printed, and then the position is saved.
                reader.position = following.follower.position();
                if context.options.mutation == Some(Mutation::PositionAheadOfData) {
                    reader.remember(now);
                }
            }
            for link in LINKS {
                if let Connecting::Open(tcp) = following.links[place(link)]
                    && !following.follower.is_open(link)
                {
                    following.links[place(link)] = Connecting::No;
                    if let Some(tcp) = self.tcps.get_mut(&tcp) {
                        tcp.close_client(now, &mut context.random);
                    }
                }
            }
            if !more {
                break;
            }
        }
        for line in trace.into_iter().flatten() {
            context.trace(|| format!("{}: {line}", Self::title(number)));
        }
        Ok(())
    }

    /// A connection is made, or refused.
    fn finish_connecting(&mut self, client: Client, process: &mut Process<F>, context: &mut Context) {
        let now = context.now;
        let refused = !context.calm && context.random.u8(..) < 12;
        let following = &mut process.following[client.follower];
        let (server, link, mine) = (following.server, client.link, now.saturating_sub(process.began));
        let ready = self.nodes[server].is_ready();
        // Something before the server may take connections that it cannot pass on.
        let dead = !refused && !ready && context.random.u8(..) < 60;
        if !dead && (refused || !ready) {
            following.links[place(link)] = Connecting::No;
            following.follower.handle_unreachable(link, "refused");
            return;
        }
        let tcp = self.next_tcp;
        self.next_tcp += 1;
        let mut connection = Tcp::new(client, server, &mut context.random);
        if dead {
            connection.close_server(now, &mut context.random);
        } else {
            context.report.connections += 1;
            if !context.calm && context.random.u8(..) < 20 {
                let long = context.random.u64(1..90);
                connection.to_client.stop_until(now + Duration::from_secs(long));
            }
        }
        self.tcps.insert(tcp, connection);
        following.links[place(link)] = Connecting::Open(tcp);
        following.follower.handle_connected(link, mine, F::peer(), &mut process.store);
        let active = self.nodes[server].active;
        if let Some(process) = self.nodes[server].process.as_mut().filter(|_| !dead) {
            process.serving.push(Serving::new(tcp, now, active, &mut context.random));
        }
    }
}
