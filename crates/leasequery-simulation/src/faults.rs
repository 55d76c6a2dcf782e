//! What happens to leases, and what goes wrong.

use std::time::Duration;

use crate::Mutation;
use crate::clock::Clock;
use crate::copy::Connecting;
use crate::family::{Family, Row, clean_up};
use crate::node::{Local, Role, advance};
use crate::tree::Tree;
use crate::world::Context;

impl<F: Family> Tree<F> {
    /// Something happens on one of the DHCP servers.
    pub(crate) fn change_leases(&mut self, context: &mut Context) {
        let number = context.random.usize(..self.nodes.len());
        let node = &mut self.nodes[number];
        let at = node.clock.wall(context.now);
        let Role::Root(local) = &mut node.role else { return };
        let burst = if context.random.u8(..) < 30 { 40 } else { 1 };
        let new: Vec<_> = (0..burst).map(|_| F::Row::random(at, &mut context.random)).collect();
        match local {
            Local::File { rows, .. } => rows.extend(new),
            Local::Push { rows } if node.process.is_some() => rows.extend(new),
            Local::Push { .. } => {}
        }
        if node.process.is_some() {
            node.wake = context.now;
        }
    }

    /// Something goes wrong.
    pub(crate) fn fault(&mut self, context: &mut Context) -> Result<(), String> {
        context.report.faults += 1;
        let wrong: Vec<_> = (0..self.nodes.len()).filter(|node| self.nodes[*node].clock.is_wrong()).collect();
        if let Some(wrong) = context.random.choice(wrong).filter(|_| context.random.u8(..) < 80) {
            return self.set_clock_right(wrong, context);
        }
        let number = context.random.usize(..self.nodes.len());
        // Clocks are not stepped, nor networks changed, where nothing would tell of it.
        match context.random.u8(0..if context.faithful { 13 } else { 19 }) {
            0..=4 => {
                let live: Vec<_> = self.tcps.keys().copied().collect();
                if let Some(tcp) = context.random.choice(live).and_then(|number| self.tcps.get_mut(&number)) {
                    tcp.cut(context.now, &mut context.random);
                }
            }
            5 => {
                let live: Vec<_> = self.tcps.keys().copied().collect();
                let until = context.now + Duration::from_secs(context.random.u64(1..60));
                if let Some(tcp) = context.random.choice(live).and_then(|number| self.tcps.get_mut(&number)) {
                    tcp.to_client.stop_until(until);
                }
            }
            6..=7 if !self.nodes[number].is_spared() => self.kill(number, context),
            8 if !self.nodes[number].is_spared() => context.power_cut = true,
            6..=9 => self.stop(number, context),
            10 => self.clean_up(number, context),
            11..=13 => self.break_disk(number, context),
            14 => self.permit(number, context)?,
            15..=17 => self.put_clock_wrong(number, context)?,
            _ => {
                let node = &mut self.nodes[number];
                if let (Role::Root(_), Some(process)) = (&node.role, &mut node.process) {
                    node.configured = F::other_configured(process.store.now(), &mut context.random);
                    F::configure(&node.configured, &mut process.store);
                    node.wake = context.now;
                }
            }
        }
        Ok(())
    }

    /// A disk is full, or broken, for a while.
    fn break_disk(&mut self, number: usize, context: &mut Context) {
        let until = context.now + Duration::from_millis(context.random.u64(10..150_000));
        if let Some(disk) = &mut self.nodes[number].disk {
            disk.fail(until, &mut context.random);
            context.trace(|| format!("{}: the disk fails until {}", Self::title(number), until.as_secs_f64()));
        }
    }

    /// A clock is stepped by seconds, minutes, days or years.
    fn put_clock_wrong(&mut self, number: usize, context: &mut Context) -> Result<(), String> {
        const DAY: i64 = 86_400_000;
        let most = [8_000, 100_000, 3 * DAY, 2 * 365 * DAY][context.random.usize(..4)];
        let step = context.random.i64(-most..most);
        if !self.step_clock(number, step, context)? {
            self.step_clock(number, step.abs(), context)?;
        }
        Ok(())
    }

    fn set_clock_right(&mut self, number: usize, context: &mut Context) -> Result<(), String> {
        let clock = self.nodes[number].clock;
        self.step_clock(number, clock.right - clock.ahead, context)?;
        Ok(())
    }

    /// Steps a clock by some milliseconds, unless what follows from that would be more than can be noticed.
    fn step_clock(&mut self, number: usize, step: i64, context: &mut Context) -> Result<bool, String> {
        let node = &mut self.nodes[number];
        let wall = node.clock.wall(context.now);
        let failing = node.disk.as_mut().is_some_and(|disk| disk.is_failing(context.now));
        let after = Clock { ahead: node.clock.ahead + step, ..node.clock }.wall(context.now);
        if step < 0 && !matches!(node.role, Role::Watcher { .. }) {
            match (&mut node.disk, &mut node.process) {
                // It looks at its clock many times a second, and what follows from that is soon on disk.
                (Some(disk), Some(process)) if !failing => {
                    advance(&mut process.store, after, context.options.mutation);
                    process.keep_all(context.now, disk);
                }
                // Without a disk it would forget what it has told, and the time of it, too.
                (None, Some(_)) => node.lasting = true,
                // So it is if the disk is far behind what was told.
                (Some(disk), None) if !failing && wall.since(disk.now()?) < 5 => {}
                _ => return Ok(false),
            }
        }
        context.trace(|| format!("{}: the clock is stepped by {step} ms", Self::title(number)));
        self.nodes[number].clock.ahead += step;
        if step > 0 {
            self.nodes[number].look_at_clock(context)?;
        }
        self.nodes[number].wake = context.now;
        Ok(true)
    }

    /// The DHCP server writes its file anew.
    fn clean_up(&mut self, number: usize, context: &mut Context) {
        let node = &mut self.nodes[number];
        let Role::Root(Local::File { rows, generation }) = &mut node.role else { return };
        if context.faithful {
            // What is lost in a crash stands in the file, unless that has been cleaned up.
            if node.process.is_none() {
                return;
            }
            node.spared = true;
        }
        clean_up(rows);
        *generation += 1;
        context.trace(|| format!("{}: the file is cleaned up", Self::title(number)));
        if self.nodes[number].process.is_some() {
            self.nodes[number].wake = context.now;
        }
    }

    /// Active queries are permitted no more, or again.
    fn permit(&mut self, number: usize, context: &mut Context) -> Result<(), String> {
        let node = &mut self.nodes[number];
        node.active = !node.active;
        let active = node.active;
        if let Some(process) = &mut node.process {
            for serving in &mut process.serving {
                serving.permit(active, &process.store)?;
            }
            node.wake = context.now;
        }
        context.trace(|| format!("{}: active queries are permitted: {active}", Self::title(number)));
        Ok(())
    }

    /// Follows another server from the next start on.
    fn reconfigure(&mut self, number: usize, context: &mut Context) {
        let servers: Vec<_> =
            (0..number).filter(|server| !matches!(self.nodes[*server].role, Role::Watcher { .. })).collect();
        let Some(upstream) = context.random.choice(servers) else { return };
        let upstreams = &mut self.nodes[number].upstreams;
        match upstreams.iter().position(|known| *known == upstream) {
            Some(place) if upstreams.len() > 1 => drop(upstreams.remove(place)),
            Some(_) => {}
            None if upstreams.len() > 1 => upstreams[0] = upstream,
            None => upstreams.push(upstream),
        }
        let upstreams = self.nodes[number].upstreams.clone();
        context.trace(|| format!("{} will follow {upstreams:?}", Self::title(number)));
    }

    /// Kills all that may be killed at once.
    pub(crate) fn cut_power(&mut self, context: &mut Context) {
        for number in 0..self.nodes.len() {
            if !self.nodes[number].is_spared() {
                self.kill(number, context);
            }
        }
    }

    /// When a process is started again, the lease file may be away for a while.
    fn start_again(&mut self, number: usize, most: u64, context: &mut Context) {
        let start = context.now + Duration::from_millis(context.random.u64(10..most));
        let away = if context.random.u8(..) < 64 { context.random.u64(1..60) } else { 0 };
        self.nodes[number].start_at = Some(start);
        self.nodes[number].unread_until = start + Duration::from_secs(away);
    }

    /// Kills a process: what was not on disk is gone.
    fn kill(&mut self, number: usize, context: &mut Context) {
        let Some(process) = self.nodes[number].process.take() else { return };
        if context.options.mutation == Some(Mutation::PositionBeforeCommits) {
            self.nodes[number].kept = process.following.iter().map(|following| following.follower.position()).collect();
        }
        context.trace(|| format!("{} is killed", Self::title(number)));
        // Its machine may have gone with it, and then nobody is told.
        let silent = context.random.u8(..) < 60;
        if let (Some(Mutation::PositionAheadOfData), Role::Watcher { reader, .. }) =
            (context.options.mutation, &mut self.nodes[number].role)
        {
            reader.lose();
        }
        for tcp in self.tcps.values_mut() {
            if tcp.client.node == number {
                tcp.client_gone = true;
                tcp.to_server.lost |= silent;
                tcp.to_server.end(context.now, true, &mut context.random);
            }
            if tcp.server == number {
                tcp.server_gone = true;
                tcp.to_client.lost |= silent;
                tcp.to_client.end(context.now, true, &mut context.random);
            }
        }
        if let (Some(disk), Some(durable)) = (&mut self.nodes[number].disk, &process.durable) {
            disk.crash(&process.store, durable, &mut context.random);
        }
        self.start_again(number, 40_000, context);
    }

    /// Ends a process as it should be ended.
    fn stop(&mut self, number: usize, context: &mut Context) {
        if context.faithful && self.nodes[number].upstreams.len() > 1 {
            // Which of two servers that say the same is the one to be believed is known only after the next sweep.
            return;
        }
        if self.nodes[number].lasting {
            return;
        }
        let node = &mut self.nodes[number];
        if node.spared && node.disk.as_mut().is_some_and(|disk| disk.is_failing(context.now)) {
            // It would lose what it told, as if it were killed.
            return;
        }
        let Some(mut process) = self.nodes[number].process.take() else { return };
        context.trace(|| format!("{} ends", Self::title(number)));
        for serving in &mut process.serving {
            if let Some(tcp) = self.tcps.get_mut(&serving.tcp) {
                serving.terminate(context.now, &process.store, tcp, &mut context.random);
                tcp.close_server(context.now, &mut context.random);
            }
        }
        for following in &process.following {
            for link in &following.links {
                if let Connecting::Open(tcp) = link
                    && let Some(tcp) = self.tcps.get_mut(tcp)
                {
                    tcp.close_client(context.now, &mut context.random);
                }
            }
        }
        if let (Some(disk), Some(durable)) = (&mut self.nodes[number].disk, process.durable.take())
            && !disk.close(&mut process.store, durable)
        {
            context.trace(|| format!("{} could not write everything", Self::title(number)));
        }
        // What the one did not say because the other said better is told again in a sweep.
        if matches!(self.nodes[number].role, Role::Mirror) && !context.faithful && context.random.u8(..) < 40 {
            self.reconfigure(number, context);
        }
        self.start_again(number, 10_000, context);
    }
}
