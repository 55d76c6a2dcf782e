//! What the system says of this process.

/// What it takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    /// When it began, in seconds since 1970.
    pub(crate) started: f64,
    /// Seconds of processor time.
    pub(crate) processor: f64,
    /// Octets of memory.
    pub(crate) resident: f64,
    /// File descriptors.
    pub(crate) descriptors: f64,
}

/// What the system counts processor time in: a hundredth of a second, to every program (times(2)).
const TICK: f64 = 0.01;

impl Process {
    /// Looks, where there is a /proc.
    pub(crate) fn look() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name may have anything in it, and ends with the last parenthesis. Fields are counted from 1 (proc(5)).
        let fields: Vec<f64> =
            stat.rsplit(')').next()?.split_whitespace().map(|field| field.parse().unwrap_or_default()).collect();
        let field = |number: usize| fields.get(number - 3).copied();
        let boot = std::fs::read_to_string("/proc/stat").ok()?;
        let boot: f64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let size = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix("kB")?;
        Some(Self {
            started: boot + field(22)? * TICK,
            processor: (field(14)? + field(15)?) * TICK,
            resident: 1024.0 * size.trim().parse::<f64>().ok()?,
            descriptors: std::fs::read_dir("/proc/self/fd").ok()?.map(|_| 1.0).sum(),
        })
    }
}
