//! `serve --check` looks at what `serve` will meet, and changes nothing.

mod common;

use std::process::Output;

use common::{LISTEN, LISTEN_V6, REQUESTOR, leasequery, listen_udp, stderr, stdout};

const HEADER: &str =
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n";
const LEASES: &str = "10.0.0.1,02:00:00:00:00:01,,4294967295,5795168800,1,0,0,,0,\n\
                      10.0.0.2,02:00:00:00:00:02,,4294967295,5795168800,1,0,0,,0,{ \"ISC\": { \"relay-agent-info\": \"0x0104AABBCCDD\" } }\n";
const SOURCE: &str =
    "[[source]]\ntype = \"kea-memfile\"\nprotocol = \"v4\"\npath = \"leases.csv\"\nkea-config = \"kea.conf\"\n";

fn subnets(more: &str) -> String {
    format!(
        "{{ \"Dhcp4\": {{ {more} \"subnet4\": [ {{ \"id\": 1, \"subnet\": \"10.0.0.0/24\", \
         \"pools\": [ {{ \"pool\": \"10.0.0.1 - 10.0.0.9\" }} ] }} ] }} }}"
    )
}

fn check(config: &str, files: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, content) in files.iter().chain(&[("leasequery.toml", config)]) {
        std::fs::write(directory.path().join(name), content).expect("written");
    }
    let file = directory.path().join("leasequery.toml");
    let output = leasequery().args(["serve", "--check", "--config"]).arg(file).output().expect("the program runs");
    let left = std::fs::read_dir(directory.path()).expect("readable").count();
    assert_eq!(left, files.len() + 1, "nothing is made");
    output
}

#[test]
fn what_is_there_is_counted() {
    let leases = [HEADER, LEASES].concat();
    let output = check(&format!("{LISTEN}{REQUESTOR}{SOURCE}"), &[("kea.conf", &subnets("")), ("leases.csv", &leases)]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = stdout(&output);
    let counts = "leases.csv: 2 leases, 1 with relay data and 1 without; 1 pools and reservations with 9 addresses";
    assert!(text.contains(counts), "{text}");
    assert!(text.contains("warning: ") && text.contains("store-extended-info is off"), "{text}");
}

#[test]
fn what_cannot_work_is_an_error() {
    let config = format!("{LISTEN}{REQUESTOR}{SOURCE}");
    let leases = [HEADER, LEASES].concat();
    let mysql = subnets("\"lease-database\": { \"type\": \"mysql\" },");
    let memory = subnets("\"lease-database\": { \"type\": \"memfile\", \"persist\": false },");
    let foreign = LISTEN.replace("127.0.0.1:0", "192.0.2.77:0") + REQUESTOR;
    let state = format!("state-dir = \"kea.conf\"\n{config}");
    for (config, kea, leases, why) in [
        (&config, subnets(""), "ip,mac\n1,2\n", "leases.csv: "),
        (&config, mysql, &*leases, "leases are kept in mysql"),
        (&config, memory, &*leases, "\"persist\" is false"),
        (&foreign, subnets(""), &*leases, "this machine has no such address"),
        (&state, subnets(""), &*leases, "is no directory"),
    ] {
        let output = check(config, &[("kea.conf", &kea), ("leases.csv", leases)]);
        assert_eq!(output.status.code(), Some(2), "{why}: {output:?}");
        assert!(stderr(&output).starts_with("error: ") && stderr(&output).contains(why), "{output:?}");
    }
}

#[test]
fn what_will_surprise_is_a_warning() {
    let config = format!("{LISTEN}{REQUESTOR}{SOURCE}");
    let hosts = subnets("\"hosts-databases\": [ { \"type\": \"mysql\" } ], \"config-control\": { },");
    let output = check(&config, &[("kea.conf", &hosts)]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for warning in ["hosts-databases: reservations may be in a database", "config-control: ", "there is no such file"] {
        assert!(
            stdout(&output).lines().any(|line| line.starts_with("warning: ") && line.contains(warning)),
            "{output:?}"
        );
    }
}

#[test]
fn it_says_who_may_really_ask_on_which_listener() {
    let requestors = "[[requestor]]\nname = \"six\"\naddresses = [\"2001:db8::/32\"]\n\
                      [[requestor]]\nname = \"single\"\naddresses = [\"127.0.0.1\"]\nallow = [\"udp\"]\n";
    let output = check(&format!("{LISTEN}{LISTEN_V6}{requestors}"), &[]);
    let text = stdout(&output);
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    assert!(line("listen v4 tcp").ends_with("may ask: nobody"), "{text}");
    assert!(line("listen v6 tcp").contains("may ask: six ("), "{text}");
    assert!(text.contains("warning: requestor \"single\" cannot ask anywhere"), "{text}");
    let output = check(&format!("{LISTEN}{}{requestors}", listen_udp("v4", "127.0.0.1:0")), &[]);
    let text = stdout(&output);
    assert!(text.lines().any(|line| line.starts_with("listen v4 udp") && line.contains("may ask: single")), "{text}");
    assert!(text.contains("warning: requestor \"six\" cannot ask anywhere"), "{text}");
}
