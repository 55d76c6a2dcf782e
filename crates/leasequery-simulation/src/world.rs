//! The simulation itself.

use std::time::Duration;

use fastrand::Rng;
use leasequery_protocol::requestor::v4::V4;
use leasequery_protocol::requestor::v6::V6;

use crate::Mutation;
use crate::copy::SWEEP;
use crate::tree::Tree;

/// How a simulation runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// What is wrong on purpose.
    pub mutation: Option<Mutation>,
    /// The only protocol there is, instead of what the seed says.
    pub protocol: Option<Protocol>,
    /// Whether to print what happens.
    pub trace: bool,
}

/// What servers and requestors talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// DHCPv4.
    V4,
    /// DHCPv6.
    V6,
}

impl Protocol {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];
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

/// What is the same for all parts.
pub(crate) struct Context {
    pub(crate) random: Rng,
    pub(crate) now: Duration,
    pub(crate) options: Options,
    pub(crate) report: Report,
    /// Nothing goes wrong any more.
    pub(crate) calm: bool,
    /// No server ever forgets anything, and nobody asks for everything again.
    pub(crate) faithful: bool,
    /// The power has just been cut, and not everybody has noticed.
    pub(crate) power_cut: bool,
}

impl Context {
    pub(crate) fn trace(&self, text: impl FnOnce() -> String) {
        if self.options.trace {
            println!("{:>12.6} {}", self.now.as_secs_f64(), text());
        }
    }
}

/// Machines that know nothing of those of the other parts.
pub(crate) trait Part {
    /// When there is something to do.
    fn next(&mut self, now: Duration) -> Duration;

    /// Does what is to be done now.
    fn work(&mut self, context: &mut Context) -> Result<(), String>;

    /// Something happens on one of the DHCP servers.
    fn change_leases(&mut self, context: &mut Context);

    /// Something goes wrong.
    fn fault(&mut self, context: &mut Context) -> Result<(), String>;

    /// Kills all that may be killed at once.
    fn cut_power(&mut self, context: &mut Context);

    /// Starts what does not run.
    fn start_all(&mut self, now: Duration);

    /// Whether there are copies of several servers.
    fn has_joint(&self) -> bool;

    /// What has to hold of them all the time, once all is quiet.
    fn check_vouched(&mut self, context: &Context) -> Result<(), String>;

    /// What has to hold in the end.
    fn check(&self, context: &Context) -> Result<(), String>;
}

struct World {
    context: Context,
    parts: Vec<Box<dyn Part>>,
}

/// How long to wait for all copies to be complete once all is quiet: until old differences of clocks are forgotten, and
/// everything has been asked for once more, for each step of a chain.
const QUIET: Duration = Duration::from_mins(25);
/// How many more times to look when something has just happened.
const GRACE: u32 = 20;
/// How often to look at copies of several servers.
const GO_ON: Duration = Duration::from_secs(1);
/// More events than any simulation has.
const STUCK: u64 = 3_000_000;

/// Runs the simulation of a seed.
pub fn run(seed: u64, options: Options) -> Result<Report, Failure> {
    let mut random = Rng::with_seed(seed);
    let faithful = random.bool();
    let mut context = Context {
        random,
        now: Duration::ZERO,
        options,
        report: Report::default(),
        calm: false,
        faithful,
        power_cut: false,
    };
    let parts = parts(&mut context);
    let mut world = World { context, parts };
    world.play().map_err(|problem| Failure { seed, problem })?;
    Ok(world.context.report)
}

/// One part, or one for each protocol.
fn parts(context: &mut Context) -> Vec<Box<dyn Part>> {
    let protocols: &[Protocol] = match (context.options.protocol, context.random.u8(0..8)) {
        (Some(Protocol::V4), _) | (None, 0..=2) => &[Protocol::V4],
        (Some(Protocol::V6), _) | (None, 3..=5) => &[Protocol::V6],
        _ => &Protocol::ALL,
    };
    let small = protocols.len() > 1;
    let part = |protocol: &Protocol| -> Box<dyn Part> {
        match protocol {
            Protocol::V4 => Box::new(Tree::<V4>::new(small, context)),
            Protocol::V6 => Box::new(Tree::<V6>::new(small, context)),
        }
    };
    protocols.iter().map(part).collect()
}

impl World {
    fn play(&mut self) -> Result<(), String> {
        let random = &mut self.context.random;
        let chaos = Duration::from_secs(random.u64(20..400));
        let pace = Duration::from_millis(random.u64(20..2000));
        let trouble = Duration::from_millis(random.u64(500..60_000));
        let (mut next_change, mut next_fault) = (Duration::ZERO, trouble);
        while self.context.now < chaos {
            let stop = chaos.min(next_change).min(next_fault);
            self.run_until(stop)?;
            let now = self.context.now;
            if now >= next_change {
                let part = self.context.random.usize(..self.parts.len());
                self.parts[part].change_leases(&mut self.context);
                next_change = now + pace.mul_f64(self.context.random.f64() * 2.0);
            }
            if now >= next_fault {
                self.fault()?;
                next_fault = now + trouble.mul_f64(self.context.random.f64() * 2.0);
            }
        }
        self.context.calm = true;
        self.context.trace(|| "quiet".to_owned());
        for part in &mut self.parts {
            part.start_all(self.context.now);
        }
        self.run_until(chaos + QUIET)?;
        // Leases still expire; a history of a few bindings may be too short even for that, and costs a connection.
        for _ in 0..GRACE {
            if self.check().is_ok() {
                return self.go_on();
            }
            self.run_until(self.context.now + Duration::from_secs(11))?;
        }
        self.check()
    }

    /// Everybody asks for everything once more, and nothing may come and go with that.
    fn go_on(&mut self) -> Result<(), String> {
        let end = self.context.now + SWEEP + GO_ON;
        while self.parts.iter().any(|part| part.has_joint()) && self.context.now < end {
            self.run_until(self.context.now + GO_ON)?;
            self.parts.iter_mut().try_for_each(|part| part.check_vouched(&self.context))?;
        }
        Ok(())
    }

    fn fault(&mut self) -> Result<(), String> {
        self.context.report.faults += 1;
        let part = self.context.random.usize(..self.parts.len());
        self.parts[part].fault(&mut self.context)?;
        if std::mem::take(&mut self.context.power_cut) {
            for part in &mut self.parts {
                part.cut_power(&mut self.context);
            }
        }
        Ok(())
    }

    /// Lets time pass.
    fn run_until(&mut self, stop: Duration) -> Result<(), String> {
        for _ in 0..STUCK {
            let next = self.parts.iter_mut().map(|part| part.next(self.context.now)).min().unwrap_or(stop);
            if next > stop {
                self.context.now = stop;
                return Ok(());
            }
            self.context.now = self.context.now.max(next);
            for part in &mut self.parts {
                part.work(&mut self.context)?;
            }
        }
        Err("it goes round in circles".to_owned())
    }

    fn check(&self) -> Result<(), String> {
        self.parts.iter().try_for_each(|part| part.check(&self.context))
    }
}
