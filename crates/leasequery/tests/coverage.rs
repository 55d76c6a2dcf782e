//! What has never been read whole is not known: it is told neither as free nor as complete, and what is known is told at once.

mod common;

use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::process::Output;
use std::sync::Arc;

use common::{
    Asker, Daemon, LISTEN, LISTEN_V6, PATIENCE, Watch, active, eventually, follow, leasequery, listen_udp, network,
    query_all, records, stderr,
};
use leasequery_wire::v4::{BOOT_REQUEST, Header, Message, MessageType, MessageWriter, StatusCode};
use serde_json::Value;

/// Kea's lease files as it begins them.
const HEADER: &str =
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n";
const HEADER_V6: &str = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,\
                         fqdn_rev,hostname,hwaddr,state,user_context\n";
const LEASE: &str = "10.0.0.1,02:00:00:00:00:01,,4294967295,5795168800,1,0,0,,0,\n";
const LEASE_V6: &str =
    "2001:db8:1::10,00:03:00:01:02:00:00:00:00:01,4294967295,5795168800,1,4294967295,0,7,128,0,0,,,0,\n";
/// Kea's configuration with nine addresses, and with a link.
const KEA: &str = r#"{ "Dhcp4": { "subnet4": [ { "id": 1, "subnet": "10.0.0.0/24",
    "pools": [ { "pool": "10.0.0.1 - 10.0.0.9" } ] } ] } }"#;
const KEA_V6: &str = r#"{ "Dhcp6": { "subnet6": [ { "id": 1, "subnet": "2001:db8:1::/64",
    "pools": [ { "pool": "2001:db8:1::/80" } ] } ] } }"#;

/// Who cannot be reached is tried again soon.
const SOON: &str = "[limits]\nactive-idle-timeout = 0.3\n";

fn kea(protocol: &str, name: &str, config: &str) -> String {
    let config = if config.is_empty() { String::new() } else { format!("kea-config = \"{config}\"\n") };
    format!("[[source]]\ntype = \"kea-memfile\"\nprotocol = \"{protocol}\"\npath = \"{name}\"\n{config}")
}

/// A directory with files in it.
fn directory(files: &[(&str, &str)]) -> Arc<tempfile::TempDir> {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).expect("written");
    }
    directory
}

fn start(files: &[(&str, &str)], config: &str) -> Daemon {
    let directory = directory(files);
    std::fs::write(directory.path().join("leasequery.toml"), config).expect("written");
    Daemon::start_waiting_in(directory, leasequery())
}

fn everything_v4() -> String {
    format!("{}{}", active(LISTEN), listen_udp("v4", "127.0.0.1:0"))
}

/// What UDP says about an address.
fn ask(server: SocketAddr, address: [u8; 4]) -> MessageType {
    let header = Header { ciaddr: address.into(), giaddr: [127, 0, 0, 1].into(), ..Header::new(BOOT_REQUEST, 7) };
    let mut out = Vec::new();
    MessageWriter::datagram(&mut out, &header, MessageType::LEASE_QUERY).finish().expect("short");
    Message::parse(&Asker::new(server).ask(&out)).expect("a message").message_type()
}

fn states(output: &Output) -> Vec<(String, String)> {
    let text = |record: &Value, name: &str| record[name].as_str().unwrap_or_default().to_owned();
    records(output).iter().map(|record| (common::place(record), text(record, "state"))).collect()
}

/// What a copy of nothing must never say.
#[track_caller]
fn assert_unknown(daemon: &Daemon, why: &str) {
    let output = daemon.bulk(&[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).starts_with("error: UnspecFail: not everything is known yet: "), "{output:?}");
    assert!(stderr(&output).contains(why), "{output:?}");
    assert!(states(&output).iter().all(|(_, state)| state == "active"), "{output:?}");
    assert_eq!(daemon.printed(), "", "it is not ready");
}

#[test]
fn a_lease_file_that_was_never_read_is_not_an_empty_one() {
    let elsewhere = r#"{ "Dhcp4": { "lease-database": { "type": "mysql" }, "subnet4": [ { "id": 1,
        "subnet": "10.0.0.0/24", "pools": [ { "pool": "10.0.0.1 - 10.0.0.9" } ] } ] } }"#;
    let nowhere = elsewhere.replace(r#""type": "mysql""#, r#""type": "memfile", "persist": false"#);
    for (file, config, why) in [
        (None, KEA, "there is no such file"),
        (Some(""), KEA, "it is empty"),
        (Some("ip,mac\n10.0.0.1,02:00:00:00:00:01\n"), KEA, "header"),
        (Some(&*[HEADER, LEASE].concat()), elsewhere, "mysql"),
        (Some(&*[HEADER, LEASE].concat()), &*nowhere, "persist"),
    ] {
        let mut files = vec![("kea.conf", config)];
        files.extend(file.map(|content| ("leases.csv", content)));
        let daemon = start(&files, &(everything_v4() + &kea("v4", "leases.csv", "kea.conf")));
        eventually("it is looked at", || daemon.log().contains(why));
        assert_unknown(&daemon, why);
        for address in [[10, 0, 0, 1], [10, 0, 0, 9], [10, 9, 9, 9]] {
            assert_eq!(ask(daemon.listener("v4-udp"), address), MessageType::LEASE_UNKNOWN, "{why}");
        }
        let mac = daemon.bulk(&["--mac", "02:00:00:00:00:05"]);
        assert_eq!(mac.status.code(), Some(1), "nobody knows whether it has a lease: {mac:?}");
    }
    // So is a directory, and a file that may not be read is no other case; both are errors of opening it.
    let files = directory(&[("kea.conf", KEA)]);
    std::fs::create_dir(files.path().join("leases.csv")).expect("a directory");
    std::fs::write(files.path().join("leasequery.toml"), everything_v4() + &kea("v4", "leases.csv", "kea.conf"))
        .expect("written");
    let daemon = Daemon::start_waiting_in(files, leasequery());
    eventually("it is looked at", || daemon.log().contains("it is a directory"));
    assert_unknown(&daemon, "it is a directory");
}

#[test]
fn a_lease_file_with_nothing_but_its_header_is_whole_and_empty() {
    let daemon = start(&[("kea.conf", KEA)], &(everything_v4() + &kea("v4", "leases.csv", "kea.conf")));
    assert_unknown(&daemon, "leases.csv");
    std::fs::write(daemon.path("leases.csv"), HEADER).expect("written");
    eventually("it is ready", || daemon.printed().starts_with("ready v4-tcp=127.0.0.1:"));
    let output = daemon.bulk(&[]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(states(&output).len(), 9, "all of them are available");
    assert_eq!(ask(daemon.listener("v4-udp"), [10, 0, 0, 1]), MessageType::LEASE_UNASSIGNED);
    assert_eq!(daemon.printed().lines().count(), 1);
}

#[test]
fn what_other_sources_have_is_served_before_the_ready_line() {
    let files = [("kea.conf", KEA), ("leases.csv", &[HEADER, LEASE].concat())];
    let gone = common::free_port();
    let config = everything_v4() + &kea("v4", "leases.csv", "kea.conf") + &follow("v4", gone);
    let daemon = start(&files, &config);
    eventually("the file is read", || ask(daemon.listener("v4-udp"), [10, 0, 0, 1]) == MessageType::LEASE_ACTIVE);
    // Whoever is followed may have leased any address, also of its pool.
    assert_eq!(ask(daemon.listener("v4-udp"), [10, 0, 0, 2]), MessageType::LEASE_UNKNOWN);
    let output = daemon.bulk(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&gone.to_string()), "{output:?}");
    let found = states(&output);
    assert_eq!((found.len(), &*found[0].1), (1, "active"), "{found:?}");
    assert_eq!(daemon.printed(), "");
    eventually("it is said whom it waits for", || daemon.log().contains(&format!("waiting for leasequery {gone}")));
}

#[test]
fn of_two_servers_of_kea_each_has_to_be_known_where_it_leases() {
    let elsewhere = KEA.replace("10.0.0.", "10.0.1.");
    let both = KEA.replace(r#""pools": ["#, r#""pools": [ { "pool": "10.0.0.100 - 10.0.0.101" },"#);
    for (partner, free, known) in
        [(&*elsewhere, MessageType::LEASE_UNASSIGNED, 9), (&both, MessageType::LEASE_UNKNOWN, 1)]
    {
        let files = [("kea.conf", KEA), ("leases.csv", &[HEADER, LEASE].concat()), ("partner.conf", partner)];
        let sources = kea("v4", "leases.csv", "kea.conf") + &kea("v4", "partner.csv", "partner.conf");
        let daemon = start(&files, &(everything_v4() + &sources));
        eventually("the file is read", || ask(daemon.listener("v4-udp"), [10, 0, 0, 1]) == MessageType::LEASE_ACTIVE);
        assert_eq!(ask(daemon.listener("v4-udp"), [10, 0, 0, 2]), free, "{partner}");
        assert_eq!(states(&daemon.bulk(&[])).len(), known, "{partner}");
        // What nobody but the daemon's own configuration names could be anybody's.
        let network = network("10.0.0.1-10.0.0.20");
        daemon.configure(&(everything_v4() + &sources + &network));
        daemon.signal("HUP");
        eventually("it is reloaded before it is ready", || daemon.log().contains("SIGHUP"));
        assert_eq!(ask(daemon.listener("v4-udp"), [10, 0, 0, 2]), MessageType::LEASE_UNKNOWN);
        assert_eq!(states(&daemon.bulk(&[])).len(), 1);
        std::fs::write(daemon.path("partner.csv"), HEADER).expect("written");
        eventually("it is ready", || !daemon.printed().is_empty());
        assert_eq!(ask(daemon.listener("v4-udp"), [10, 0, 0, 2]), MessageType::LEASE_UNASSIGNED);
    }
}

#[test]
fn a_configuration_of_kea_that_is_broken_leaves_the_lease_file_served() {
    let files = [("kea.conf", "{ \"Dhcp4\": "), ("leases.csv", &[HEADER, LEASE].concat())];
    let daemon = start(&files, &(everything_v4() + &kea("v4", "leases.csv", "kea.conf")));
    eventually("the file is read", || ask(daemon.listener("v4-udp"), [10, 0, 0, 1]) == MessageType::LEASE_ACTIVE);
    assert_unknown(&daemon, "kea.conf");
    let one = daemon.bulk(&["--mac", "02:00:00:00:00:01"]);
    assert!(one.status.success(), "whose lease it is is known: {one:?}");
    // Nobody has to say that it can be read now.
    std::fs::write(daemon.path("kea.conf"), KEA).expect("written");
    eventually("it is ready", || !daemon.printed().is_empty());
    assert_eq!(states(&daemon.bulk(&[])).len(), 9);
    // Once it was read a broken one leaves what it said.
    std::fs::write(daemon.path("kea.conf"), "[").expect("written");
    daemon.signal("HUP");
    eventually("it is said", || daemon.log().contains("the old one stays"));
    assert_eq!(states(&daemon.bulk(&[])).len(), 9);
}

#[test]
fn what_was_whole_is_served_after_a_restart_though_the_file_has_gone() {
    let files = directory(&[("kea.conf", KEA), ("leases.csv", &[HEADER, LEASE].concat())]);
    let config = format!("state-dir = \"state\"\n{}{}", everything_v4(), kea("v4", "leases.csv", "kea.conf"));
    std::fs::write(files.path().join("leasequery.toml"), config).expect("written");
    let mut daemon = Daemon::start_in(Arc::clone(&files), leasequery());
    assert_eq!(states(&daemon.bulk(&[])).len(), 9);
    std::fs::remove_file(files.path().join("leases.csv")).expect("it is there");
    eventually("it is noticed", || daemon.log().contains("there is no such file"));
    assert_eq!(states(&daemon.bulk(&[])).len(), 9, "once it was whole it is served");
    daemon.signal("TERM");
    daemon.wait();
    let daemon = Daemon::start_in(files, leasequery());
    let output = daemon.bulk(&[]);
    assert!(output.status.success() && states(&output)[0].1 == "active", "{output:?}");
    assert!(daemon.log().contains("what the last run knew is served, as it was "), "{}", daemon.log());
}

#[test]
fn an_active_response_tells_what_happens_and_is_complete_when_everything_is_known() {
    let daemon = start(&[("kea.conf", KEA)], &(everything_v4() + common::PUSH + &kea("v4", "leases.csv", "kea.conf")));
    let watch = Watch::of(&daemon, &[]);
    watch.expect(&["connected"]);
    let lease = |n: u8| {
        serde_json::json!({"protocol": "v4", "address": format!("10.0.0.{n}"), "state": "active",
                                           "mac": format!("02:00:00:00:00:0{n}")})
    };
    eventually("the connection is there", || daemon.log().contains("UnspecFail") || daemon.log().contains("answered"));
    daemon.push_all(&[lease(5)]);
    watch.expect(&["10.0.0.5 active"]);
    std::fs::write(daemon.path("leases.csv"), [HEADER, LEASE].concat()).expect("written");
    watch.expect(&["10.0.0.1 active", "catch-up-complete"]);
    // What there is is told as a whole now, what is merely configured too.
    for n in 1..=9 {
        assert_eq!(watch.next(), format!("10.0.0.{n} {}", if [1, 5].contains(&n) { "active" } else { "available" }));
    }
    watch.expect(&["initial-complete"]);
}

#[test]
fn a_mirror_of_a_server_that_knows_nothing_knows_nothing() {
    let root = start(&[("kea.conf", KEA)], &(everything_v4() + &kea("v4", "leases.csv", "kea.conf")));
    let config = everything_v4() + &follow("v4", root.address()) + &network("10.0.0.1-10.0.0.9");
    let mirror = Daemon::start_waiting(&config);
    let behind = Daemon::start_waiting(&(everything_v4() + &follow("v4", mirror.address())));
    for (daemon, upstream) in [(&mirror, &root), (&behind, &mirror)] {
        eventually("it has heard that", || daemon.log().contains("it tells what it knows: UnspecFail"));
        assert_unknown(daemon, &format!("leasequery {}", upstream.address()));
        assert_eq!(ask(daemon.listener("v4-udp"), [10, 0, 0, 1]), MessageType::LEASE_UNKNOWN);
    }
    std::fs::write(root.path("leases.csv"), [HEADER, LEASE].concat()).expect("written");
    for daemon in [&root, &mirror, &behind] {
        eventually("it is ready", || !daemon.printed().is_empty());
        let output = daemon.bulk(&[]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!((states(&output).len(), &*states(&output)[0].1), (9, "active"));
    }
}

/// Each beside its own Kea, as in a pair for high availability.
#[test]
fn two_that_follow_each_other_become_ready() {
    let ports = [common::free_port(), common::free_port()];
    let pair: Vec<_> = [0, 1]
        .map(|me| {
            let listen = LISTEN.replace("127.0.0.1:0", &ports[me].to_string());
            let config = active(&listen) + SOON + &kea("v4", "leases.csv", "kea.conf") + &follow("v4", ports[1 - me]);
            let lease = LEASE.replace("10.0.0.1", &format!("10.0.0.{}", me + 1)).replace(":01,", &format!(":0{me},"));
            start(&[("kea.conf", KEA), ("leases.csv", &[HEADER, &lease].concat())], &config)
        })
        .into();
    for daemon in &pair {
        eventually("it is ready", || !daemon.printed().is_empty());
        let output = daemon.bulk(&[]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(states(&output).iter().filter(|(_, state)| state == "active").count(), 2, "{output:?}");
    }
}

#[test]
fn of_two_that_follow_each_other_none_is_ready_before_both_know_what_they_alone_can_know() {
    let ports = [common::free_port(), common::free_port()];
    let pair: Vec<_> = [0, 1]
        .map(|me| {
            let listen = LISTEN.replace("127.0.0.1:0", &ports[me].to_string());
            let config = active(&listen) + SOON + &kea("v4", "leases.csv", "kea.conf") + &follow("v4", ports[1 - me]);
            let files = [("kea.conf", KEA), ("leases.csv", &*[HEADER, LEASE].concat())];
            start(&files[..2 - me], &config)
        })
        .into();
    eventually("the one has heard from the other", || pair[0].log().contains("it tells what it knows: UnspecFail"));
    for daemon in &pair {
        let output = daemon.bulk(&[]);
        assert!(stderr(&output).starts_with("error: UnspecFail: "), "{output:?}");
        assert_eq!(daemon.printed(), "");
    }
    std::fs::write(pair[1].path("leases.csv"), HEADER).expect("written");
    for daemon in &pair {
        eventually("it is ready", || !daemon.printed().is_empty());
    }
}

#[test]
fn dhcpv6_says_of_nobody_that_he_has_nothing_before_it_is_known() {
    let config = active(LISTEN_V6) + &listen_udp("v6", "[::1]:0") + &kea("v6", "leases.csv", "kea.conf");
    let daemon = start(&[("kea.conf", KEA_V6)], &config);
    let server = daemon.listener("v6-udp").to_string();
    let duid = "00030001020000000001";
    let asked =
        |arguments: &[&str]| leasequery().args(["query", &server]).args(arguments).output().expect("the program runs");
    for arguments in [["--address", "2001:db8:1::10"], ["--address", "2001:db8:9::10"], ["--duid", duid]] {
        let output = asked(&arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(stderr(&output).starts_with("error: UnspecFail: not everything is known yet: "), "{output:?}");
    }
    for arguments in [&[][..], &["--duid", duid], &["--link", "2001:db8:1::1"], &["--link", "2001:db8:9::1"]] {
        let output = daemon.bulk(arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(stderr(&output).contains("leases.csv: "), "{output:?}");
        assert!(output.stdout.is_empty());
    }
    let mirror = Daemon::start_waiting(&(active(LISTEN_V6) + &follow("v6", daemon.address())));
    let watch = Watch::of(&mirror, &[]);
    watch.expect(&["connected"]);
    std::fs::write(daemon.path("leases.csv"), [HEADER_V6, LEASE_V6].concat()).expect("written");
    watch.expect(&["2001:db8:1::10 active", "catch-up-complete", "2001:db8:1::10 active", "initial-complete"]);
    for arguments in [["--address", "2001:db8:1::10"], ["--address", "2001:db8:1::99"], ["--duid", duid]] {
        assert!(asked(&arguments).status.success(), "{:?}", asked(&arguments));
    }
    assert!(stderr(&asked(&["--address", "2001:db8:9::10"])).contains("NotConfigured"));
    for daemon in [&daemon, &mirror] {
        assert!(daemon.printed().starts_with("ready "), "{}", daemon.printed());
        assert_eq!(states(&daemon.bulk(&[])), [("2001:db8:1::10".to_owned(), "active".to_owned())]);
    }
}

#[test]
fn the_service_manager_does_not_wait_for_somebody_elses_server() {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    let manager = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let next = || {
        let mut input = [0; 1000];
        let length = manager.recv(&mut input).expect("a word");
        String::from_utf8_lossy(&input[..length]).into_owned()
    };
    let gone = common::free_port();
    let config = everything_v4() + &kea("v4", "leases.csv", "") + &follow("v4", gone);
    std::fs::write(directory.path().join("leasequery.toml"), &config).expect("written");
    let mut program = leasequery();
    program.env("NOTIFY_SOCKET", directory.path().join("notify"));
    let mut daemon = Daemon::start_waiting_in(Arc::clone(&directory), program);
    let first = next();
    assert!(first.starts_with("READY=1\nSTATUS=what is known is served; waiting since 20"), "{first}");
    assert!(first.contains(&format!("leasequery {gone}: ")), "{first}");
    let mut status = first;
    while !status.contains("no connection: ") || !status.contains("there is no such file") {
        status = next();
        assert!(status.starts_with("STATUS=what is known is served; waiting since "), "{status}");
    }
    let mut peer = daemon.connect();
    peer.send(&query_all(1));
    let (count, status) = peer.answer(1);
    assert_eq!((count, status.map(|(code, _)| code)), (0, Some(StatusCode::UNSPEC_FAIL)), "nobody is left to hang");
    daemon.signal("TERM");
    assert!(daemon.wait().success());
}
