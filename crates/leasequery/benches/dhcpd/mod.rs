//! ISC's dhcpd with leases, in a network of its own: it serves no loopback interface. That takes root and its package.

use std::fmt::Write as _;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Name of the network, and the first half of those of the two ends of the cable to it.
const NAME: &str = "lqbench";
/// Where dhcpd listens.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);
/// The relay that asks: where its answers are sent to.
pub(crate) const RELAY: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 2);

const CONFIG: &str = "authoritative;
allow leasequery;
subnet 10.0.0.0 netmask 255.128.0.0 { range 10.0.0.0 10.127.255.254; }
subnet 10.255.0.0 netmask 255.255.255.0 { }
";

/// A running dhcpd.
#[derive(Debug)]
pub(crate) struct Dhcpd {
    child: Child,
    directory: PathBuf,
}

impl Dhcpd {
    /// Starts it with so many leases, from 10.0.0.0 on.
    pub(crate) fn start(leases: u32) -> io::Result<Self> {
        let directory = std::env::temp_dir().join(format!("{NAME}-{}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        let mut file = String::new();
        for number in 0..leases {
            let [_, a, b, c] = number.to_be_bytes();
            let _ = write!(
                file,
                "lease 10.{a}.{b}.{c} {{\n starts epoch 1;\n ends epoch 4000000000;\n cltt epoch 1;\n binding state \
                 active;\n hardware ethernet 02:00:00:{a:02x}:{b:02x}:{c:02x};\n}}\n"
            );
        }
        std::fs::write(directory.join("leases"), file)?;
        std::fs::write(directory.join("dhcpd.conf"), CONFIG)?;
        let inside = format!("ip netns exec {NAME}");
        for command in [
            format!("ip netns add {NAME}"),
            format!("ip link add {NAME}0 type veth peer name {NAME}1 netns {NAME}"),
            format!("ip addr add {RELAY}/24 dev {NAME}0"),
            format!("ip link set {NAME}0 up"),
            format!("{inside} ip addr add {SERVER}/24 dev {NAME}1"),
            format!("{inside} ip link set {NAME}1 up"),
        ] {
            run(&command)?;
        }
        let command = format!("{inside} dhcpd -4 -f -cf dhcpd.conf -lf leases -pf pid {NAME}1");
        let mut words = command.split(' ');
        let child = Command::new(words.next().unwrap_or_default())
            .args(words)
            .current_dir(&directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut dhcpd = Self { child, directory };
        while !dhcpd.directory.join("pid").exists() {
            if let Some(status) = dhcpd.child.try_wait()? {
                return Err(io::Error::other(format!("it ended: {status}")));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(dhcpd)
    }
}

impl Drop for Dhcpd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = run(&format!("ip netns del {NAME}"));
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn run(command: &str) -> io::Result<()> {
    let mut words = command.split(' ');
    let status = Command::new(words.next().unwrap_or_default()).args(words).stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{command}: {status}"))) }
}
