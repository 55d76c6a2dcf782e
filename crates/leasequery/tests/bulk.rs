//! `leasequery bulk`: selectors, formats and exit codes, against the daemon and against servers that misbehave.

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{
    Daemon, HUGE, LISTEN, PUSH, REQUESTOR, bulk, done, eventually, leasequery, network, records, reply, scripted,
    stderr,
};
use leasequery_wire::v4::{BOOT_REPLY, Header, Message, MessageType, MessageWriter, OptionCode, StatusCode, Vpn};
use serde_json::{Value, json};

const RELAY_1: &str = "0101610202723 10c026531";
const RELAY_2: &str = "0101620202723 10c026532";

fn relay(text: &str) -> String {
    text.replace(' ', "")
}

/// Leases of every kind: by two clients, through two relays at one remote end, one that ended, one in a VPN.
fn leases() -> Vec<Value> {
    let expires = "2100-01-01T00:00:00Z";
    vec![
        json!({"protocol": "v4", "address": "10.0.0.10", "state": "active", "htype": 1, "mac": "02:00:00:00:00:0a",
               "client-id": "ff0a0b", "relay-agent-information": relay(RELAY_1), "expires": expires,
               "start-time-of-state": "2026-01-01T00:00:00Z", "client-last-transaction-time": "2026-01-02T00:00:00Z",
               "renews": "2099-01-01T00:00:00Z", "rebinds": "2099-06-01T00:00:00Z",
               "options": {"12": "686f7374", "60": "2c220a"}, "data-source": "remote"}),
        json!({"protocol": "v4", "address": "10.0.0.11", "state": "active", "htype": 1, "mac": "02:00:00:00:00:0b",
               "relay-agent-information": relay(RELAY_2), "expires": expires}),
        json!({"protocol": "v4", "address": "10.0.0.12", "state": "released", "htype": 1, "mac": "02:00:00:00:00:0a"}),
        json!({"protocol": "v4", "address": "10.0.0.13", "state": "active", "htype": 6, "mac": "02:00:00:00:00:0a",
               "expires": "never"}),
        json!({"protocol": "v4", "address": "10.0.0.10", "vpn": "blue", "state": "active", "htype": 1,
               "mac": "02:00:00:00:00:0a", "expires": expires}),
    ]
}

fn daemon() -> Daemon {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{PUSH}{}", network("10.0.0.8/29")));
    daemon.push_all(&leases());
    daemon
}

#[test]
fn without_a_selector_every_configured_address_is_printed_once() {
    let daemon = daemon();
    let expected: Vec<_> = (8..16).map(|last| format!("10.0.0.{last}")).collect();
    assert_eq!(daemon.addresses(&[]), expected);
    let states: Vec<_> = daemon.records(&[]).iter().map(|record| record["state"].clone()).collect();
    assert_eq!(states, ["available", "available", "active", "active", "released", "active", "available", "available"]);
}

//= rfc6926-7.2-06
//= rfc6926-7.2-07
//= rfc6926-7.2-08
//= rfc6926-7.2-09
#[test]
fn each_selector_finds_its_leases() {
    let daemon = daemon();
    assert_eq!(daemon.addresses(&["--mac", "02:00:00:00:00:0a"]), ["10.0.0.10"]);
    assert_eq!(daemon.addresses(&["--mac", "0200.0000.000A", "--htype", "6"]), ["10.0.0.13"]);
    assert_eq!(daemon.addresses(&["--client-id", "ff0a0b"]), ["10.0.0.10"]);
    assert_eq!(daemon.addresses(&["--client-id", "0102000000000b"]), [""; 0]);
    assert_eq!(daemon.addresses(&["--remote-id", "7231"]), ["10.0.0.10", "10.0.0.11"]);
    assert_eq!(daemon.addresses(&["--relay-id", "6532"]), ["10.0.0.11"]);
    assert_eq!(daemon.addresses(&["--relay-id", "6533"]), [""; 0]);
}

#[test]
fn times_select_what_changed() {
    let daemon = daemon();
    let old = ["--until", "2026-01-02T00:00:00Z", "--remote-id", "7231"];
    assert_eq!(daemon.addresses(&old), ["10.0.0.10"]);
    assert_eq!(daemon.addresses(&["--until", "1767225599", "--remote-id", "7231"]), [""; 0]);
    assert_eq!(daemon.addresses(&["--since", "2100-01-01T00:00:00Z"]), [""; 0]);
    assert_eq!(daemon.addresses(&["--since", "2026-01-01T00:00:00+00:00", "--relay-id", "6532"]), ["10.0.0.11"]);
    let output = daemon.bulk(&["--since", "2026-01-02T00:00:00Z", "--until", "2026-01-01T00:00:00Z"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).starts_with("error: MalformedQuery: "), "{output:?}");
}

#[test]
fn vpns_are_kept_apart() {
    let daemon = daemon();
    let blue = daemon.records(&["--vpn", "blue"]);
    assert_eq!(blue.len(), 1, "{blue:?}");
    assert_eq!((&blue[0]["vpn"], &blue[0]["address"]), (&json!("blue"), &json!("10.0.0.10")));
    assert_eq!(daemon.addresses(&["--vpn", "all", "--mac", "02:00:00:00:00:0a"]), ["10.0.0.10", "10.0.0.10"]);
    for vpn in ["green", "00005e:00000001"] {
        let output = daemon.bulk(&["--vpn", vpn]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).starts_with("error: NotAllowed: "), "{output:?}");
    }
}

#[test]
fn a_requestor_sees_the_vpns_it_may_see() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}vpns = [\"green\"]\n{PUSH}"));
    let mut green = leases()[4].clone();
    green["vpn"] = json!("green");
    daemon.push_all(&[leases()[4].clone(), green]);
    let vpns: Vec<_> = daemon.records(&["--vpn", "all"]).iter().map(|record| record["vpn"].clone()).collect();
    assert_eq!(vpns, ["green"]);
    let refusal = |vpn| stderr(&daemon.bulk(&["--vpn", vpn]));
    assert!(refusal("blue").starts_with("error: NotAllowed"));
    assert_eq!(refusal("blue"), refusal("red"), "what may not be seen and what is not there look the same");
}

#[test]
fn options_are_printed_when_asked_for_unless_withheld() {
    let daemon = daemon();
    let options = |daemon: &Daemon, arguments: &[&str]| {
        daemon.records(&[&["--client-id", "ff0a0b"], arguments].concat())[0]["options"].clone()
    };
    assert_eq!(options(&daemon, &[]), Value::Null);
    assert_eq!(options(&daemon, &["--options", "60"]), json!({"60": "2c220a"}));
    assert_eq!(options(&daemon, &["--options", "60,12,15"]), json!({"12": "686f7374", "60": "2c220a"}));

    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}withhold-options = [12, 61]\n{PUSH}"));
    daemon.push_all(&leases());
    let record = &daemon.records(&["--client-id", "ff0a0b", "--options", "12,60"])[0];
    assert_eq!(record["options"], json!({"60": "2c220a"}));
    assert_eq!(record["client-id"], Value::Null);
}

#[test]
fn a_relay_may_see_no_more_than_what_was_leased_through_it() {
    let daemon =
        Daemon::start(&format!("{LISTEN}{REQUESTOR}own-bindings-only = true\n{PUSH}{}", network("10.0.0.8/29")));
    let [mut mine, mut of_another] = [leases()[0].clone(), leases()[1].clone()];
    // Link Selection (RFC 3527): this requestor's address, and another one.
    mine["relay-agent-information"] = json!("0202723105047f000001");
    of_another["relay-agent-information"] = json!("0202723105040a000001");
    daemon.push_all(&[mine, of_another, leases()[2].clone()]);
    assert_eq!(daemon.addresses(&[]), ["10.0.0.10"], "and no address without a lease");
    assert_eq!(daemon.addresses(&["--remote-id", "7231"]), ["10.0.0.10"]);
    assert_eq!(daemon.addresses(&["--mac", "02:00:00:00:00:0b"]), [""; 0]);
}

#[test]
fn what_was_pushed_is_printed_field_by_field() {
    let daemon = daemon();
    let printed = daemon.records(&["--vpn", "all", "--options", "12,60"]);
    let of_server = |record: &Value| record.get("server").is_some() && record.get("base-time").is_some();
    assert!(printed.iter().all(of_server));
    for mut lease in leases() {
        let same = |other: &&Value| other["address"] == lease["address"] && other["vpn"] == lease["vpn"];
        let mut found = printed.iter().find(same).expect("it is printed").clone();
        let (found, lease) = (found.as_object_mut().expect("an object"), lease.as_object_mut().expect("an object"));
        for field in ["server", "base-time"] {
            found.remove(field);
        }
        lease.entry("data-source").or_insert(json!("local"));
        let start = found["start-time-of-state"].clone();
        lease.entry("start-time-of-state").or_insert(start);
        if let Some(info) = lease.get("relay-agent-information").and_then(Value::as_str) {
            let (remote_id, relay_id) = ("7231", &info[info.len() - 4..].to_owned());
            lease.insert("remote-id".into(), json!(remote_id));
            lease.insert("relay-id".into(), json!(relay_id));
            // Of printable octets: r1, e1 and the like.
            lease.insert("remote-id-text".into(), json!("r1"));
            let octets = [0, 2].map(|place| u8::from_str_radix(&relay_id[place..place + 2], 16).expect("hex"));
            lease.insert("relay-id-text".into(), json!(String::from_utf8_lossy(&octets)));
        }
        if lease["mac"].is_string() && !lease.contains_key("client-id") {
            found.remove("client-id");
        }
        assert_eq!(found, lease);
    }
}

#[test]
fn what_was_printed_can_be_pushed_and_is_printed_the_same() {
    let first = daemon();
    let asked = ["--vpn", "all", "--options", "12,60"];
    let output = first.bulk(&asked);
    let second = Daemon::start(&format!("{LISTEN}{REQUESTOR}{PUSH}{}", network("10.0.0.8/29")));
    let lines = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    assert_eq!(second.push(&lines), [json!({"committed": 9})]);
    let without_server = |mut records: Vec<Value>| {
        for record in &mut records {
            record.as_object_mut().expect("an object").remove("base-time");
        }
        records
    };
    assert_eq!(without_server(second.records(&asked)), without_server(records(&output)));
}

#[test]
fn json_is_one_record_a_line_with_the_fields_in_one_order() {
    let daemon = daemon();
    let output = daemon.bulk(&["--client-id", "ff0a0b", "--format", "json", "--options", "12"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let server = format!("\"server\":\"{}\"", daemon.address().ip());
    let expected = [
        r#"{"protocol":"v4","address":"10.0.0.10","state":"active","htype":1,"mac":"02:00:00:00:00:0a""#,
        r#""client-id":"ff0a0b","start-time-of-state":"2026-01-01T00:00:00Z""#,
        r#""client-last-transaction-time":"2026-01-02T00:00:00Z","expires":"2100-01-01T00:00:00Z""#,
        r#""renews":"2099-01-01T00:00:00Z","rebinds":"2099-06-01T00:00:00Z""#,
        r#""relay-agent-information":"01016102027231 0c026531","remote-id":"7231","remote-id-text":"r1""#,
        r#""relay-id":"6531","relay-id-text":"e1""#,
        r#""options":{"12":"686f7374"},"data-source":"remote""#,
        &server,
        r#""base-time":""#,
    ]
    .join(",")
    .replace(' ', "");
    assert!(text.starts_with(&expected), "{text}\n{expected}");
    assert!(text.ends_with("Z\"}\n") && text.lines().count() == 1, "{text}");
}

#[test]
fn csv_has_a_header_and_quotes_what_needs_it() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{PUSH}"));
    let mut lease = leases()[0].clone();
    lease["vpn"] = json!("a,\"b");
    daemon.push_all(&[lease]);
    let output = daemon.bulk(&["--vpn", "all", "--format", "csv", "--options", "12,60"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(
        lines[0],
        "protocol,address,prefix,vpn,state,htype,mac,client-id,duid,start-time-of-state,client-last-transaction-time,\
         expires,renews,rebinds,preferred-until,relay-agent-information,relay-peer,relay-message,remote-id,relay-id,\
         options,data-source,server,base-time"
    );
    let start = "v4,10.0.0.10,,\"a,\"\"b\",active,1,02:00:00:00:00:0a,ff0a0b,,2026-01-01T00:00:00Z,2026-01-02T00:00:00Z,\
                 2100-01-01T00:00:00Z,2099-01-01T00:00:00Z,2099-06-01T00:00:00Z,,010161020272310c026531,,,7231,6531,\
                 12=686f7374;60=2c220a,remote,127.0.0.1,";
    assert!(lines[1].starts_with(start), "{text}\n{start}");

    let output = daemon.bulk(&["--mac", "020000000001", "--format", "csv"]);
    assert_eq!(String::from_utf8(output.stdout).expect("UTF-8").lines().count(), 1, "the header alone");
}

#[test]
fn a_table_has_columns_for_people() {
    let daemon = daemon();
    let output = daemon.bulk(&["--vpn", "all", "--format", "table"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 10, "{text}");
    for (column, value) in [
        ("ADDRESS", "10.0.0.10"),
        ("STATE", "active"),
        ("MAC", "02:00:00:00:00:0a"),
        ("EXPIRES", "2100-01-01T00:00:00Z"),
    ] {
        let place = lines[0].find(column).expect(column);
        assert!(lines[3][place..].starts_with(value), "{column}: {text}");
    }
    assert!(lines[9].ends_with("blue"), "{text}");

    let output = daemon.bulk(&["--client-id", "ff0a0b", "--format", "table", "--options", "60"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let place = text.find("OPTIONS").expect("a column where options were asked for");
    assert!(text.lines().nth(1).expect("a row")[place..].starts_with("60=2c220a"), "{text}");
}

#[test]
fn a_server_cannot_take_over_the_terminal() {
    let run = |format: &str| {
        let server = scripted(|xid, stream| {
            let mut out = Vec::new();
            let header = Header { ciaddr: Ipv4Addr::new(10, 0, 0, 1), ..Header::new(BOOT_REPLY, xid) };
            let mut writer = MessageWriter::frame(&mut out, &header, MessageType::LEASE_ACTIVE);
            writer.vpn(Vpn::Name(b"\x1b[31m\n"));
            writer.finish().expect("a short message");
            out.extend_from_slice(&done(xid, Some((StatusCode::NOT_ALLOWED, "\x1b[2J\n"))));
            stream.write_all(&out).expect("sent");
        });
        bulk(&server.to_string(), &["--vpn", "all", "--format", format])
    };
    for format in ["table", "json"] {
        let output = run(format);
        let text = [output.stdout.as_slice(), &output.stderr].concat();
        assert!(!text.contains(&0x1b), "{output:?}");
        assert_eq!(stderr(&output), "error: NotAllowed: ?[2J?\n");
        let lines = String::from_utf8_lossy(&output.stdout).lines().count();
        assert_eq!(lines, if format == "table" { 2 } else { 1 }, "{output:?}");
    }
}

//= rfc6926-8.2-07
//= rfc6926-7.3-13
#[test]
fn nothing_found_is_a_success() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}"));
    let output = daemon.bulk(&[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty(), "{output:?}");
}

#[test]
fn wrong_usage_is_told_before_anything_is_sent() {
    // Nobody listens there: an attempt to connect would end with 3.
    let run = |arguments: &[&str]| {
        let output = bulk("127.0.0.1:1", arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        stderr(&output)
    };
    assert!(run(&["--mac", "020000000001", "--client-id", "0102"]).contains("cannot be used with"));
    assert!(run(&["--remote-id", "01", "--relay-id", "01"]).contains("cannot be used with"));
    assert!(run(&["--address", "10.0.0.1"]).contains("no query by address"));
    assert!(run(&["--duid", "0001"]).contains("DHCPv6"));
    assert!(run(&["--link", "2001:db8::"]).contains("DHCPv6"));
    assert!(run(&["--v6", "--mac", "020000000001"]).contains("DHCPv4"));
    assert!(run(&["--v6", "--duid", "00"]).contains("DUID"));
    assert!(run(&["--v4", "--v6"]).contains("cannot be used with"));
    for wrong in [
        ["--mac", "02:zz"],
        ["--client-id", "1"],
        ["--client-id", "01"],
        ["--client-id", ""],
        ["--remote-id", "x"],
        ["--since", "yesterday"],
        ["--until", "-1"],
        ["--vpn", ""],
        ["--vpn", "blü"],
        ["--options", "0"],
        ["--options", "12,255"],
        ["--options", "host-name"],
        ["--format", "xml"],
        ["--timeout", "0"],
        ["--timeout", "soon"],
        ["--htype", "1"],
        ["--nonsense", "1"],
    ] {
        assert!(run(&wrong).starts_with("error: "), "{wrong:?}");
    }
    let long = "00".repeat(256);
    assert!(run(&["--relay-id", &long]).starts_with("error: "));
    for server in ["", "[::1", "127.0.0.1:x", "[::1]:x"] {
        assert_eq!(bulk(server, &[]).status.code(), Some(2), "{server:?}");
    }
    assert_eq!(leasequery().arg("bulk").output().expect("it runs").status.code(), Some(2));
    assert_eq!(leasequery().output().expect("it runs").status.code(), Some(2));
}

//= rfc6926-7.2-02
//= rfc6926-7.2-03
//= rfc6926-7.2-04
//= rfc6926-7.2-10
//= rfc6926-7.8-01
//= rfc6926-7.8-02
#[test]
fn asks_as_the_rfc_says_and_closes_after_the_answer() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address").to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut prefix = [0; 2];
        stream.read_exact(&mut prefix).expect("a length");
        let mut octets = vec![0; usize::from(u16::from_be_bytes(prefix))];
        stream.read_exact(&mut octets).expect("a query");
        let message = Message::parse(&octets).expect("a message");
        assert_eq!(message.message_type(), MessageType::BULK_LEASE_QUERY);
        assert_eq!((message.htype(), message.chaddr(), message.chaddr_field()), (0, [].as_slice(), [0; 16]));
        assert!(message.ciaddr().is_unspecified());
        assert_eq!(message.option(OptionCode::CLIENT_IDENTIFIER), None);
        assert_eq!(message.option(OptionCode::RELAY_AGENT_INFORMATION), None);
        let list = message.parameter_request_list().expect("well-formed").expect("a list").to_vec();
        for code in [152, 51, 153, 91, 156, 157, 61, 82, 125] {
            assert!(list.contains(&code), "{code} is missing in {list:?}");
        }
        stream.write_all(&done(message.xid(), None)).expect("sent");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("closed without a reset");
        assert!(rest.is_empty());
    });
    assert_eq!(bulk(&address, &["--options", "125"]).status.code(), Some(0));
    server.join().expect("the server saw what it expected");
}

#[test]
fn an_error_status_is_printed_by_name_and_text() {
    let server = scripted(|xid, stream| {
        stream.write_all(&done(xid, Some((StatusCode::NOT_ALLOWED, "ask another")))).expect("sent");
    });
    let output = bulk(&server.to_string(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "error: NotAllowed: ask another\n");

    let server = scripted(|xid, stream| {
        let first = reply(xid, MessageType::LEASE_ACTIVE, Ipv4Addr::new(10, 0, 0, 1));
        stream.write_all(&[first, done(xid, Some((StatusCode(42), "")))].concat()).expect("sent");
    });
    let output = bulk(&server.to_string(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(records(&output).len(), 1, "what came before the end is printed");
    assert!(stderr(&output).contains("42"), "{output:?}");
}

/// Whether the other side, a process of this machine, has taken all that was sent to it.
fn is_taken(stream: &TcpStream) -> bool {
    let [here, there] = [stream.local_addr(), stream.peer_addr()].map(|address| address.expect("it is open").port());
    let connections = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    let (from, to) = (format!(":{there:04X}"), format!(":{here:04X}"));
    let mut words = connections.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = words.find(|words| words.len() > 4 && words[1].ends_with(&from) && words[2].ends_with(&to));
    line.is_some_and(|words| words[4].ends_with(":00000000"))
}

//= rfc6926-4-01
//= rfc6926-7.8-04
//= rfc6926-7.8-03
#[test]
fn an_answer_that_breaks_off_is_incomplete_and_what_came_is_printed() {
    for reset in [false, true] {
        let server = scripted(move |xid, stream| {
            let first = reply(xid, MessageType::LEASE_ACTIVE, Ipv4Addr::new(10, 0, 0, 1));
            let second = reply(xid, MessageType::LEASE_ACTIVE, Ipv4Addr::new(10, 0, 0, 2));
            stream.write_all(&[first, second[..100].to_vec()].concat()).expect("sent");
            if reset {
                // A reset overtakes what the reader has not taken.
                eventually("it is taken", || is_taken(stream));
                let _ = socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
            }
        });
        let output = bulk(&server.to_string(), &[]);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert_eq!(records(&output).len(), 1);
        assert!(stderr(&output).contains("incomplete"), "{output:?}");
        assert!(stderr(&output).contains("closed the connection"), "{output:?}");
    }
}

#[test]
fn a_server_that_breaks_the_protocol_is_named_so() {
    type Answer = fn(u32) -> Vec<u8>;
    let cases: [(&str, Answer); 5] = [
        ("too short a length", |_| vec![0, 3, 1, 2, 3]),
        ("no message", |_| [vec![0, 250], vec![0; 250]].concat()),
        ("another xid", |xid| done(xid ^ 1, None)),
        ("lease unknown", |xid| reply(xid, MessageType::LEASE_UNKNOWN, Ipv4Addr::new(10, 0, 0, 1))),
        ("no address", |xid| reply(xid, MessageType::LEASE_ACTIVE, Ipv4Addr::UNSPECIFIED)),
    ];
    for (name, answer) in cases {
        let server = scripted(move |xid, stream| {
            stream.write_all(&answer(xid)).expect("sent");
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let output = bulk(&server.to_string(), &[]);
        assert_eq!(output.status.code(), Some(3), "{name}: {output:?}");
        assert!(stderr(&output).contains("protocol violation"), "{name}: {output:?}");
    }
}

//= rfc6926-6.3-08
#[test]
fn a_silent_server_is_given_up_after_the_timeout() {
    let server = scripted(|_, stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let start = Instant::now();
    let output = bulk(&server.to_string(), &["--timeout", "0.3"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("no data from the server for 0.3 seconds"), "{output:?}");
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
}

#[test]
fn no_connection_is_said_with_the_address() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let output = bulk(&free.to_string(), &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains(&free.to_string()), "{output:?}");
    let output = bulk("host.invalid", &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("host.invalid"), "{output:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{HUGE}"));
    for format in ["json", "csv", "table"] {
        let mut child = leasequery()
            .args(["bulk", &daemon.address().to_string(), "--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut first = [0; 100];
        child.stdout.take().expect("piped").read_exact(&mut first).expect("some output");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn a_server_that_closes_its_side_early_may_still_be_asked() {
    // Shutting down the sending side after the final message is nothing special either.
    let server = scripted(|xid, stream| {
        stream.write_all(&done(xid, None)).expect("sent");
        stream.shutdown(Shutdown::Write).expect("shut down");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    assert_eq!(bulk(&server.to_string(), &[]).status.code(), Some(0));
}
