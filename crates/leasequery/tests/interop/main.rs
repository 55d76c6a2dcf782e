//! Interoperability: the program as it is run, against the real Kea, perfdhcp, tshark and systemd.
//!
//! Each test says whether it ran. One whose peers are not installed is left out and says so; with
//! `LEASEQUERY_REQUIRE_INTEROP` set that is a failure, but for containers, which cannot be installed everywhere. `cargo test --test interop -- NAME` runs those whose names contain
//! NAME.

mod chain;
mod daemon;
mod dialect;
mod dissector;
mod family;
mod ha;
mod kea;
mod lease_file;
mod live;
mod proxy;
mod unit;

use std::panic::catch_unwind;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use family::Family;

/// How long anything may take before a test fails, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_mins(3);

struct Test {
    name: &'static str,
    /// Commands that it needs, [`CONTAINERS`] or [`HA`].
    needs: &'static [&'static str],
    run: Run,
}

/// For one protocol or for both.
enum Run {
    Once(fn()),
    For(Family, fn(Family)),
}

/// Not a command: the right to have some, of root or through sudo.
const CONTAINERS: &str = "the right to have containers";
/// Nor this: what makes a pair of two servers of Kea's. It comes with them.
const HA: &str = "libdhcp_ha.so";
const KEA: &[&str] = &["kea-dhcp4", "kea-lfc", "perfdhcp"];
const KEA_V6: &[&str] = &["kea-dhcp6", "kea-lfc", "perfdhcp"];
const PAIR: &[&str] = &["kea-dhcp4", "perfdhcp", HA];
/// Kea is there for its user.
const SYSTEMD: &[&str] = &[CONTAINERS, "systemd-nspawn", "systemd-analyze", "kea-dhcp4", "python3"];

const TESTS: &[Test] = &[
    Test { name: "bulk_equals_the_lease_file_by_every_selector", needs: KEA, run: Run::Once(live::every_selector) },
    Test { name: "a_new_lease_is_visible_while_others_get_theirs", needs: KEA, run: Run::Once(live::new_lease) },
    Test {
        name: "cleanups_and_expiry_under_traffic_lose_nothing",
        needs: KEA,
        run: Run::For(Family::V4, live::cleanups),
    },
    Test { name: "kills_and_restarts_under_traffic_lose_nothing", needs: KEA, run: Run::For(Family::V4, live::kills) },
    Test { name: "a_chain_in_trouble_ends_with_keas_leases", needs: KEA, run: Run::For(Family::V4, chain::trouble) },
    Test { name: "a_pair_in_hot_standby_ends_no_lease_that_one_has", needs: PAIR, run: Run::Once(ha::hot_standby) },
    Test {
        name: "a_pair_that_balances_load_ends_no_lease_that_one_has",
        needs: PAIR,
        run: Run::Once(ha::load_balancing),
    },
    Test {
        name: "dhcpv6_relays_and_clients_are_found_by_every_selector",
        needs: KEA_V6,
        run: Run::Once(live::relayed_v6),
    },
    Test {
        name: "dhcpv6_cleanups_and_expiry_under_traffic_lose_nothing",
        needs: KEA_V6,
        run: Run::For(Family::V6, live::cleanups),
    },
    Test {
        name: "dhcpv6_kills_and_restarts_under_traffic_lose_nothing",
        needs: KEA_V6,
        run: Run::For(Family::V6, live::kills),
    },
    Test {
        name: "a_dhcpv6_chain_in_trouble_ends_with_keas_leases",
        needs: KEA_V6,
        run: Run::For(Family::V6, chain::trouble),
    },
    Test {
        name: "configurations_mean_what_they_mean_to_kea",
        needs: &["kea-dhcp4"],
        run: Run::For(Family::V4, dialect::configurations),
    },
    Test {
        name: "dhcpv6_configurations_mean_what_they_mean_to_kea",
        needs: &["kea-dhcp6"],
        run: Run::For(Family::V6, dialect::configurations),
    },
    Test { name: "rows_are_taken_as_kea_takes_them", needs: &["kea-dhcp4"], run: Run::For(Family::V4, dialect::rows) },
    Test {
        name: "dhcpv6_rows_are_taken_as_kea_takes_them",
        needs: &["kea-dhcp6"],
        run: Run::For(Family::V6, dialect::rows),
    },
    Test { name: "missing_extended_info_is_told", needs: KEA, run: Run::Once(live::no_extended_info) },
    Test {
        name: "tshark_finds_an_active_session_well_formed",
        needs: &["tshark"],
        run: Run::Once(dissector::active_session),
    },
    Test { name: "tshark_finds_every_reply_well_formed", needs: &["tshark"], run: Run::Once(dissector::every_reply) },
    Test {
        name: "tshark_finds_a_dhcpv6_active_session_well_formed",
        needs: &["tshark"],
        run: Run::Once(dissector::active_session_v6),
    },
    Test {
        name: "tshark_finds_every_dhcpv6_reply_well_formed",
        needs: &["tshark"],
        run: Run::Once(dissector::every_reply_v6),
    },
    Test {
        name: "tshark_finds_single_queries_well_formed",
        needs: &["tshark"],
        run: Run::Once(dissector::single_queries),
    },
    Test {
        name: "the_unit_has_the_least_privileges_under_systemd",
        needs: SYSTEMD,
        run: Run::Once(unit::under_systemd),
    },
    Test { name: "systemd_finds_the_unit_safe", needs: &["systemd-analyze"], run: Run::Once(unit::exposure) },
];

fn main() -> ExitCode {
    let filter: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let required = std::env::var_os("LEASEQUERY_REQUIRE_INTEROP").is_some();
    let (mut passed, mut failed, mut left_out) = (0, 0, 0);
    for test in TESTS.iter().filter(|test| filter.is_empty() || filter.iter().any(|part| test.name.contains(part))) {
        let missing: Vec<_> = test.needs.iter().filter(|need| !is_there(need)).copied().collect();
        if !missing.is_empty() {
            println!(
                "interop {} ... LEFT OUT: {} missing (scripts/test installs commands)",
                test.name,
                missing.join(", ")
            );
            left_out += usize::from(missing != [CONTAINERS]);
            continue;
        }
        let start = Instant::now();
        let result = catch_unwind(|| match test.run {
            Run::Once(run) => run(),
            Run::For(family, run) => run(family),
        });
        println!(
            "interop {} ... {} ({:.1} s)",
            test.name,
            if result.is_ok() { "ok" } else { "FAILED" },
            start.elapsed().as_secs_f64()
        );
        if result.is_ok() { passed += 1 } else { failed += 1 }
    }
    println!("\ninterop: {passed} passed, {failed} failed, {left_out} left out\n");
    if failed > 0 || (required && left_out > 0) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn is_there(need: &str) -> bool {
    if need == CONTAINERS {
        return unit::has_containers();
    }
    if need == HA {
        return ha::hooks().is_some();
    }
    path_to(need).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Finds a command, also where a user's path does not lead.
fn path_to(command: &str) -> Command {
    let mut which = Command::new("sh");
    which.args(["-c", "PATH=$PATH:/usr/sbin:/sbin command -v \"$0\"", command]).stdout(Stdio::null());
    which
}

/// A command of the distribution's.
pub(crate) fn tool(name: &str) -> Command {
    let mut command = Command::new("env");
    let path = std::env::var("PATH").unwrap_or_default();
    command.arg(format!("PATH={path}:/usr/sbin:/sbin")).arg(name);
    command
}
