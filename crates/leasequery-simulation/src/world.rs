//! The simulation itself.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use leasequery_protocol::follower::{LINKS, Link};

use crate::Mutation;
use crate::check::{COARSE, Leeway, TOLERANCE, compare, compare_configured, view};
use crate::copy::{Connecting, Ear, POLL, SWEEP};
use crate::leases::{Row, address, networks, never_leased};
use crate::network::{Client, Tcp};
use crate::node::{LOCAL, Local, Node, Process, Role, place};
use crate::plan;
use crate::server::Serving;

/// How a simulation runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// What is wrong on purpose.
    pub mutation: Option<Mutation>,
    /// Whether to print what happens.
    pub trace: bool,
}

/// What a simulation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Changes of leases.
    pub changes: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// Faults: cuts, crashes, clock steps.
    pub faults: u64,
    /// Depends on all that happened.
    pub digest: u64,
}

/// What does not hold.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed, which leads there again.
    pub seed: u64,
    /// What was found.
    pub problem: String,
}

struct World {
    random: Rng,
    now: Duration,
    nodes: Vec<Node>,
    /// By number; one that is over is taken out.
    tcps: BTreeMap<usize, Tcp>,
    next_tcp: usize,
    options: Options,
    report: Report,
    calm: bool,
    /// No server ever forgets anything, and nobody asks for everything again.
    faithful: bool,
}

/// How long to wait for all copies to be complete once all is quiet: until old differences of clocks are forgotten, and
/// everything has been asked for once more, for each step of a chain.
const QUIET: Duration = Duration::from_mins(25);
/// How many more times to look when something has just happened.
const GRACE: u32 = 20;
/// How long it may take to be answered on a slow line.
const SLOW: Duration = Duration::from_secs(20);
/// More events than any simulation has.
const STUCK: u64 = 3_000_000;

/// Runs the simulation of a seed.
pub fn run(seed: u64, options: Options) -> Result<Report, Failure> {
    let mut random = Rng::with_seed(seed);
    let faithful = random.bool();
    let nodes = plan::nodes(faithful, &mut random);
    let mut world = World {
        random,
        now: Duration::ZERO,
        nodes,
        tcps: BTreeMap::new(),
        next_tcp: 0,
        options,
        report: Report::default(),
        calm: false,
        faithful,
    };
    world.play().map_err(|problem| Failure { seed, problem })?;
    Ok(world.report)
}

impl World {
    fn play(&mut self) -> Result<(), String> {
        let chaos = Duration::from_secs(self.random.u64(20..400));
        let pace = Duration::from_millis(self.random.u64(20..2000));
        let trouble = Duration::from_millis(self.random.u64(500..60_000));
        let (mut next_change, mut next_fault) = (Duration::ZERO, trouble);
        while self.now < chaos {
            let stop = chaos.min(next_change).min(next_fault);
            self.run_until(stop)?;
            if self.now >= next_change {
                self.change_leases();
                next_change = self.now + pace.mul_f64(self.random.f64() * 2.0);
            }
            if self.now >= next_fault {
                self.fault()?;
                next_fault = self.now + trouble.mul_f64(self.random.f64() * 2.0);
            }
        }
        self.calm = true;
        self.trace(|| "quiet".to_owned());
        for node in &mut self.nodes {
            if node.process.is_none() {
                node.start_at = Some(node.start_at.unwrap_or(self.now).min(self.now + Duration::from_secs(1)));
            }
        }
        self.run_until(chaos + QUIET)?;
        // Leases still expire; a history of a few bindings may be too short even for that, and costs a connection.
        for _ in 0..GRACE {
            if self.check().is_ok() {
                return Ok(());
            }
            self.run_until(self.now + Duration::from_secs(11))?;
        }
        self.check()
    }

    fn trace(&self, text: impl FnOnce() -> String) {
        if self.options.trace {
            println!("{:>12.6} {}", self.now.as_secs_f64(), text());
        }
    }

    /// Lets time pass.
    fn run_until(&mut self, stop: Duration) -> Result<(), String> {
        for _ in 0..STUCK {
            let next = self.next();
            if next > stop {
                self.now = stop;
                return Ok(());
            }
            self.now = self.now.max(next);
            for node in 0..self.nodes.len() {
                if self.due(node) <= self.now {
                    self.process(node)?;
                }
            }
            self.tcps.retain(|_, tcp| !tcp.is_over());
        }
        Err("it goes round in circles".to_owned())
    }

    fn next(&self) -> Duration {
        (0..self.nodes.len()).map(|node| self.due(node)).min().unwrap_or(Duration::MAX)
    }

    /// When a node has something to do.
    fn due(&self, number: usize) -> Duration {
        let node = &self.nodes[number];
        let Some(process) = &node.process else { return node.start_at.unwrap_or(Duration::MAX) };
        let mut due = node.wake;
        for serving in &process.serving {
            if serving.wants_read()
                && let Some(at) = self.tcps.get(&serving.tcp).and_then(|tcp| tcp.to_server.next(self.now))
            {
                due = due.min(at);
            }
        }
        for following in &process.following {
            for link in &following.links {
                if let Connecting::Open(tcp) = link
                    && let Some(at) = self.tcps.get(tcp).and_then(|tcp| tcp.to_client.next(self.now))
                {
                    due = due.min(at);
                }
            }
        }
        due
    }

    /// Lets a node do what it has to do.
    fn process(&mut self, number: usize) -> Result<(), String> {
        let now = self.now;
        if self.nodes[number].process.is_none() {
            self.trace(|| format!("node {number} starts"));
            self.nodes[number].start(now, self.faithful, self.options.mutation, &mut self.random)?;
            self.nodes[number].start_at = None;
        }
        let Some(mut process) = self.nodes[number].process.take() else { return Ok(()) };
        let wall = self.nodes[number].clock.wall(now);
        process.store.advance(wall);
        let before = process.store.revision();
        self.read_local(number, &mut process);
        for follower in 0..process.following.len() {
            self.follow(number, follower, &mut process);
        }
        self.report.changes += process.store.revision().0 - before.0;
        let mut serving = std::mem::take(&mut process.serving);
        let mut problem = None;
        serving.retain_mut(|serving| {
            let Some(tcp) = self.tcps.get_mut(&serving.tcp) else { return false };
            match serving.turn(now, &process.store, tcp, self.options.mutation, &mut self.random) {
                Ok(false) => true,
                Ok(true) => {
                    tcp.close_server(now, &mut self.random);
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
            return Err(format!("node {number}: {problem}"));
        }
        if now >= process.keep_at {
            process.keep(self.nodes[number].diligence, &mut self.random)?;
            process.keep_at = now + Duration::from_millis(50);
        }
        let digest = process.store.revision().0 ^ (number as u64) << 32 ^ u64::from(process.store.now().0);
        self.report.digest = self.report.digest.rotate_left(5) ^ digest;
        self.nodes[number].wake = process.next(now);
        self.nodes[number].process = Some(process);
        Ok(())
    }

    /// A root takes what the DHCP server beside it says.
    fn read_local(&mut self, number: usize, process: &mut Process) {
        let Role::Root(local) = &mut self.nodes[number].role else { return };
        match local {
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
                    process.store.end_sweep(LOCAL);
                }
                process.unclean = false;
                process.set_file_position(*generation, rows.len() as u64);
            }
            Local::Push { rows } => {
                for row in rows.drain(..) {
                    row.commit(LOCAL, &mut process.store);
                }
            }
        }
    }

    /// Turns the wheel of a follower until it stands still.
    fn follow(&mut self, number: usize, nth: usize, process: &mut Process) {
        let (now, mine) = (self.now, self.now.saturating_sub(process.began));
        let server = process.following[nth].server;
        while let Some(link) = process.following[nth].follower.poll_connect(mine) {
            let delay = Duration::from_micros(self.random.u64(50..50_000));
            process.following[nth].links[place(link)] = Connecting::Until(now + delay);
        }
        for link in LINKS {
            if matches!(process.following[nth].links[place(link)], Connecting::Until(until) if until <= now) {
                self.finish_connecting(number, nth, link, server, process);
            }
        }
        let mut trace = self.options.trace.then(Vec::new);
        loop {
            let following = &mut process.following[nth];
            for link in LINKS {
                let Connecting::Open(tcp) = following.links[place(link)] else { continue };
                let Some(tcp) = self.tcps.get_mut(&tcp) else {
                    following.follower.handle_eof(link);
                    continue;
                };
                let mut unsent = following.follower.poll_transmit(link).to_vec();
                if let Some(mutation) = self.options.mutation {
                    mutation.on_client_output(&mut unsent, following.bulk);
                }
                if !unsent.is_empty() {
                    let sent = tcp.to_server.write(now, &unsent, &mut self.random);
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
            let reader = match &mut self.nodes[number].role {
                Role::Watcher { reader, .. } => Some(&mut **reader),
                _ => None,
            };
            let mut ear = Ear { reader, bulk: &mut following.bulk, trace: trace.as_mut() };
            let budget = self.random.usize(1..40);
            let more = following.follower.advance(mine, &mut process.store, &mut ear, budget);
            if let Role::Watcher { reader, .. } = &mut self.nodes[number].role {
                // What was printed is printed, and then the position is saved.
                reader.position = following.follower.position();
                if self.options.mutation == Some(Mutation::PositionAheadOfData) {
                    reader.remember(now);
                }
            }
            for link in LINKS {
                if let Connecting::Open(tcp) = following.links[place(link)]
                    && !following.follower.is_open(link)
                {
                    following.links[place(link)] = Connecting::No;
                    if let Some(tcp) = self.tcps.get_mut(&tcp) {
                        tcp.close_client(now, &mut self.random);
                    }
                }
            }
            if !more {
                break;
            }
        }
        for line in trace.into_iter().flatten() {
            self.trace(|| format!("node {number}: {line}"));
        }
    }

    fn finish_connecting(&mut self, number: usize, nth: usize, link: Link, server: usize, process: &mut Process) {
        let now = self.now;
        let refused = !self.calm && self.random.u8(..) < 12;
        let following = &mut process.following[nth];
        let ready = self.nodes[server].is_ready();
        if !refused && !ready && self.random.u8(..) < 60 {
            // Something before the server takes connections that it cannot pass on.
            let mut connection = Tcp::new(Client { node: number, follower: nth, link }, server, &mut self.random);
            connection.close_server(now, &mut self.random);
            let tcp = self.next_tcp;
            self.next_tcp += 1;
            self.tcps.insert(tcp, connection);
            following.links[place(link)] = Connecting::Open(tcp);
            let peer = address(0).into();
            following.follower.handle_connected(link, now.saturating_sub(process.began), peer, &mut process.store);
            return;
        }
        if refused || !ready {
            following.links[place(link)] = Connecting::No;
            following.follower.handle_unreachable(link, "refused");
            return;
        }
        let tcp = self.next_tcp;
        self.next_tcp += 1;
        self.report.connections += 1;
        let client = Client { node: number, follower: nth, link };
        let mut connection = Tcp::new(client, server, &mut self.random);
        if !self.calm && self.random.u8(..) < 20 {
            let long = self.random.u64(1..90);
            connection.to_client.stop_until(now + Duration::from_secs(long));
        }
        self.tcps.insert(tcp, connection);
        following.links[place(link)] = Connecting::Open(tcp);
        let peer = address(0).into();
        following.follower.handle_connected(link, now.saturating_sub(process.began), peer, &mut process.store);
        let active = self.nodes[server].active;
        if let Some(process) = &mut self.nodes[server].process {
            process.serving.push(Serving::new(tcp, now, active, &mut self.random));
        }
    }

    fn change_leases(&mut self) {
        let number = self.random.usize(..self.nodes.len());
        let node = &mut self.nodes[number];
        let at = node.clock.wall(self.now);
        let Role::Root(local) = &mut node.role else { return };
        let burst = if self.random.u8(..) < 30 { 40 } else { 1 };
        let new: Vec<_> = (0..burst).map(|_| Row::random(at, &mut self.random)).collect();
        match local {
            Local::File { rows, .. } => rows.extend(new),
            Local::Push { rows } if node.process.is_some() => rows.extend(new),
            Local::Push { .. } => {}
        }
        if node.process.is_some() {
            node.wake = self.now;
        }
    }

    fn fault(&mut self) -> Result<(), String> {
        self.report.faults += 1;
        let number = self.random.usize(..self.nodes.len());
        // Clocks are not stepped, nor networks changed, where nothing would tell of it.
        match self.random.u8(0..if self.faithful { 11 } else { 14 }) {
            0..=4 => {
                let live: Vec<_> = self.tcps.keys().copied().collect();
                if let Some(tcp) = self.random.choice(live).and_then(|number| self.tcps.get_mut(&number)) {
                    tcp.cut(self.now, &mut self.random);
                }
            }
            5 => {
                let live: Vec<_> = self.tcps.keys().copied().collect();
                let until = self.now + Duration::from_secs(self.random.u64(1..60));
                if let Some(tcp) = self.random.choice(live).and_then(|number| self.tcps.get_mut(&number)) {
                    tcp.to_client.stop_until(until);
                }
            }
            6..=7 if !self.nodes[number].spared => self.kill(number),
            8 if !self.nodes[number].spared => self.cut_power(),
            6..=9 => self.stop(number)?,
            10 => self.clean_up(number),
            11 => self.permit(number)?,
            12 => {
                let mut step = self.random.i64(-100_000..100_000);
                let node = &mut self.nodes[number];
                if step < 0 && !matches!(node.role, Role::Watcher { .. }) {
                    // Losing what was told and the time of it, too, is more than can be noticed.
                    let keeps = node.disk.is_some() && node.process.is_some() && self.random.u8(..) < 50;
                    if !keeps {
                        step = -step;
                    }
                    node.spared |= keeps;
                }
                self.trace(|| format!("node {number}: the clock is stepped by {step} ms"));
                self.nodes[number].clock.ahead += step;
                self.nodes[number].wake = self.now;
            }
            _ => {
                let node = &mut self.nodes[number];
                if let (Role::Root(_), Some(process)) = (&node.role, &mut node.process) {
                    process.networks = networks(process.store.now(), &mut self.random);
                    process.store.set_networks(None, &process.networks);
                    node.wake = self.now;
                }
            }
        }
        Ok(())
    }

    /// The DHCP server writes its file anew.
    fn clean_up(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        let Role::Root(Local::File { rows, generation }) = &mut node.role else { return };
        if self.faithful {
            // What is lost in a crash stands in the file, unless that has been cleaned up.
            if node.process.is_none() {
                return;
            }
            node.spared = true;
        }
        Row::clean_up(rows);
        *generation += 1;
        self.trace(|| format!("node {number}: the file is cleaned up"));
        if self.nodes[number].process.is_some() {
            self.nodes[number].wake = self.now;
        }
    }

    /// Active queries are permitted no more, or again.
    fn permit(&mut self, number: usize) -> Result<(), String> {
        let node = &mut self.nodes[number];
        node.active = !node.active;
        let active = node.active;
        if let Some(process) = &mut node.process {
            for serving in &mut process.serving {
                serving.permit(active, &process.store)?;
            }
            node.wake = self.now;
        }
        self.trace(|| format!("node {number}: active queries are permitted: {active}"));
        Ok(())
    }

    /// Follows another server from the next start on.
    fn reconfigure(&mut self, number: usize) {
        let servers: Vec<_> =
            (0..number).filter(|server| !matches!(self.nodes[*server].role, Role::Watcher { .. })).collect();
        let Some(upstream) = self.random.choice(servers) else { return };
        let upstreams = &mut self.nodes[number].upstreams;
        match upstreams.iter().position(|known| *known == upstream) {
            Some(place) if upstreams.len() > 1 => drop(upstreams.remove(place)),
            Some(_) => {}
            None if upstreams.len() > 1 => upstreams[0] = upstream,
            None => upstreams.push(upstream),
        }
        let upstreams = self.nodes[number].upstreams.clone();
        self.trace(|| format!("node {number} will follow {upstreams:?}"));
    }

    /// Kills all that may be killed at once.
    fn cut_power(&mut self) {
        for number in 0..self.nodes.len() {
            if !self.nodes[number].spared {
                self.kill(number);
            }
        }
    }

    /// Kills a process: what was not on disk is gone.
    fn kill(&mut self, number: usize) {
        let Some(process) = self.nodes[number].process.take() else { return };
        if self.options.mutation == Some(Mutation::PositionBeforeCommits) {
            self.nodes[number].kept = process.following.iter().map(|following| following.follower.position()).collect();
        }
        self.trace(|| format!("node {number} is killed"));
        // Its machine may have gone with it, and then nobody is told.
        let silent = self.random.u8(..) < 60;
        if let (Some(Mutation::PositionAheadOfData), Role::Watcher { reader, .. }) =
            (self.options.mutation, &mut self.nodes[number].role)
        {
            reader.lose();
        }
        for tcp in self.tcps.values_mut() {
            if tcp.client.node == number {
                tcp.client_gone = true;
                tcp.to_server.lost |= silent;
                tcp.to_server.end(self.now, true, &mut self.random);
            }
            if tcp.server == number {
                tcp.server_gone = true;
                tcp.to_client.lost |= silent;
                tcp.to_client.end(self.now, true, &mut self.random);
            }
        }
        if let Some(disk) = &self.nodes[number].disk {
            // It may have been the process alone, or the power of the machine.
            let survivors = match self.random.u8(0..8) {
                0..=5 => 0,
                6 => self.random.usize(0..=disk.unsynced()),
                _ => usize::MAX,
            };
            disk.crash_after(survivors);
        }
        self.nodes[number].start_at = Some(self.now + Duration::from_millis(self.random.u64(10..40_000)));
    }

    /// Ends a process as it should be ended.
    fn stop(&mut self, number: usize) -> Result<(), String> {
        if self.faithful && self.nodes[number].upstreams.len() > 1 {
            // Which of two servers that say the same is the one to be believed is known only after the next sweep.
            return Ok(());
        }
        let Some(mut process) = self.nodes[number].process.take() else { return Ok(()) };
        self.trace(|| format!("node {number} ends"));
        for serving in &mut process.serving {
            if let Some(tcp) = self.tcps.get_mut(&serving.tcp) {
                serving.terminate(self.now, &process.store, tcp, &mut self.random);
                tcp.close_server(self.now, &mut self.random);
            }
        }
        for following in &process.following {
            for link in &following.links {
                if let Connecting::Open(tcp) = link
                    && let Some(tcp) = self.tcps.get_mut(tcp)
                {
                    tcp.close_client(self.now, &mut self.random);
                }
            }
        }
        if let Some(mut durable) = process.durable.take() {
            let forgotten = process.store.take_forgotten();
            let batch = durable.collect(&process.store, usize::MAX);
            durable.write(batch, &forgotten).and_then(|()| durable.close()).map_err(|error| error.to_string())?;
        }
        // What the one did not say because the other said better is told again in a sweep.
        if matches!(self.nodes[number].role, Role::Mirror) && !self.faithful && self.random.u8(..) < 40 {
            self.reconfigure(number);
        }
        self.nodes[number].start_at = Some(self.now + Duration::from_millis(self.random.u64(10..10_000)));
        Ok(())
    }

    /// What has to hold in the end.
    fn check(&mut self) -> Result<(), String> {
        for number in 0..self.nodes.len() {
            let node = &self.nodes[number];
            if node.upstreams.is_empty() {
                continue;
            }
            let process = node.process.as_ref().ok_or_else(|| format!("node {number} does not run"))?;
            let mut servers = Vec::new();
            for following in &process.following {
                if !following.follower.is_live() && self.nodes[following.server].active {
                    return Err(format!("node {number} does not follow node {}: {following:?}", following.server));
                }
                let server = &self.nodes[following.server];
                let store = &server.process.as_ref().ok_or("a server does not run")?.store;
                let ahead = i64::from(server.clock.wall(self.now).0) - i64::from(node.clock.wall(self.now).0);
                servers.push((view(store, false), ahead));
            }
            if matches!(node.role, Role::Mirror) && !self.faithful {
                let stores: Vec<_> = process
                    .following
                    .iter()
                    .filter_map(|following| {
                        let server = &self.nodes[following.server];
                        let ahead = i64::from(server.clock.wall(self.now).0) - i64::from(node.clock.wall(self.now).0);
                        Some((&server.process.as_ref()?.store, ahead))
                    })
                    .collect();
                compare_configured(&process.store, &stores, never_leased())
                    .map_err(|problem| format!("node {number} (mirror of {:?}): {problem}", node.upstreams))?;
            }
            let copy = match &node.role {
                Role::Watcher { reader, .. } => reader.known.clone(),
                _ => view(&process.store, true),
            };
            let tolerance = match &node.role {
                Role::Watcher { reader, .. } if reader.old_times => None,
                _ if self.faithful => Some(COARSE),
                _ => Some(TOLERANCE),
            };
            // Mirrors end leases by themselves.
            let watches = matches!(node.role, Role::Watcher { .. });
            let polls = watches && node.upstreams.iter().any(|server| !self.nodes[*server].active);
            let late = match (polls, self.faithful) {
                (false, _) => Duration::ZERO,
                (true, true) => POLL + SLOW,
                // The end may be forgotten before the next poll, and then it is found by asking for everything.
                (true, false) => SWEEP + POLL + SLOW,
            };
            let leeway = Leeway { times: tolerance, ends: TOLERANCE + late.as_secs().cast_signed() };
            let role = match &node.role {
                Role::Root(_) => "root",
                Role::Mirror => "mirror",
                Role::Watcher { keeps: true, .. } => "watcher with a state file",
                Role::Watcher { .. } => "watcher",
            };
            compare(&copy, &servers, node.clock.wall(self.now), leeway)
                .map_err(|problem| format!("node {number} ({role} of {:?}): {problem}", node.upstreams))?;
        }
        Ok(())
    }
}
