use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use leasequery_record::Protocol;
use leasequery_store::VpnName;

use super::{Config, Limits, Service, Source, Transport};

/// A configuration that uses every key of this version.
const SAMPLE: &str = r#"
state-dir = "state"

[[listen]]
protocol = "v4"
transport = "tcp"
address = "192.0.2.1:6767"
tls = "off"
active = true
server-id = "192.0.2.2"

[[listen]]
protocol = "v4"
transport = "tcp"
address = "[::1]:0"
tls = "off"
server-id = "192.0.2.3"

[[requestor]]
name = "bng-1"
addresses = ["192.0.2.0/24", "2001:db8::/32"]
allow = ["udp", "active"]
withhold-options = [12, 81]
own-bindings-only = true
vpns = ["blue", "00005e:00000001"]

[[requestor]]
name = "bng-2"
addresses = ["192.0.2.77"]

[limits]
connections = 3
connections-per-requestor = 1
queries-per-connection = 2
data-timeout = 301.5
active-send-timeout = 120
active-idle-timeout = 60.5
history = "90m"

[[source]]
type = "kea-memfile"
protocol = "v4"
path = "kea-leases4.csv"
kea-config = "/etc/kea/kea-dhcp4.conf"
vpn = "blue"

[[source]]
type = "push"
path = "/run/push.sock"

[[source]]
type = "leasequery"
protocol = "v4"
server = "dhcp.example.net"
tls = "off"
options = [12]
poll = "90s"
active-receive-timeout = "150s"

[[network]]
protocol = "v4"
ranges = ["10.0.0.10-10.0.0.250", "10.1.0.0/16", "10.9.9.9"]
vpn = "blue"
"#;

const LISTEN: &str = "[[listen]]\nprotocol = \"v4\"\ntransport = \"tcp\"\naddress = \"127.0.0.1:0\"\ntls = \"off\"\n";
const REQUESTOR: &str = "[[requestor]]\nname = \"me\"\naddresses = [\"127.0.0.1\"]\n";

fn parse(text: &str) -> Config {
    Config::check(text, Path::new("/etc/here/leasequery.toml")).expect("the configuration is right")
}

fn name(text: &str) -> VpnName {
    VpnName::Name(text.as_bytes().into())
}

/// The problem of a configuration in which `«` marks where it has to be reported.
fn problem_at_mark(marked: &str) -> String {
    let offset = marked.find('«').expect("a mark");
    let text = marked.replace('«', "");
    let error = Config::check(&text, Path::new("leasequery.toml")).expect_err("the configuration is wrong");
    assert_eq!(error.place, Some(super::line_and_column(&text, offset)), "{}\n{marked}", error.text);
    error.text
}

fn assert_problem(marked: &str, part: &str) {
    let problem = problem_at_mark(marked);
    assert!(problem.contains(part), "{problem:?} does not say {part:?}");
}

#[test]
fn http_is_in_the_clear_on_loopback_and_elsewhere_only_if_that_is_written() {
    let http = |keys: &str| parse(&format!("{LISTEN}{REQUESTOR}[http]\n{keys}\n")).http.expect("there is one");
    let found = http("address = \"127.0.0.1\"\nnames = [\"Leases.Example.net.\"]");
    assert_eq!((found.address.to_string().as_str(), found.secure), ("127.0.0.1:9467", false));
    assert_eq!(found.names, ["leases.example.net"]);
    assert!(!http("address = \"192.0.2.1:80\"\ntls = \"off\"").secure);
    for (keys, words) in [
        ("«[http]\naddress = \"192.0.2.1:80\"\n", "tls = \"off\""),
        ("[http]\naddress = \"127.0.0.1:80\"\ntls = «\"required\"\n", "certificates"),
        ("[http]\naddress = \"127.0.0.1:80\"\ntls = «\"no\"\n", "\"off\" would be right"),
        ("[http]\naddress = «\"localhost:80\"\n", "is not an address"),
    ] {
        assert_problem(&format!("{LISTEN}{REQUESTOR}{keys}"), words);
    }
}

#[test]
fn over_http_something_has_to_tell_requestors_apart() {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, token) in
        [("one", "1111111111111111"), ("other", "2222222222222222\n"), ("short", "1"), ("odd", "1111111111111111 1")]
    {
        std::fs::write(directory.path().join(name), token).expect("written");
    }
    let check = |one: &str, other: &str| {
        let block = |name: &str, token: &str| {
            format!("[[requestor]]\nname = \"{name}\"\naddresses = [\"192.0.2.1\"]\nallow = [\"http\"]\n{token}\n")
        };
        let text = format!("[http]\naddress = \"127.0.0.1:0\"\n{}{}", block("a", one), block("b", other));
        Config::check(&text, &directory.path().join("leasequery.toml")).map_err(|problem| problem.to_string())
    };
    let file = |name: &str| format!("token-file = \"{name}\"");
    assert_eq!(check(&file("one"), &file("other")).expect("it is clear who asks").requestors.0.len(), 2);
    for (one, other, words) in [
        (file("one"), file("one"), "it would not be clear who asks"),
        (file("one"), String::new(), "it would not be clear who asks"),
        (file("none"), file("one"), "cannot be read"),
        (file("short"), file("one"), "at least 16"),
        (file("odd"), file("one"), "at least 16"),
    ] {
        let problem = check(&one, &other).expect_err(words);
        assert!(problem.contains(words), "{problem}");
    }
}

#[test]
fn loads_every_key_of_a_full_configuration() {
    let config = parse(SAMPLE);
    assert_eq!(config.state_dir, Some(PathBuf::from("/etc/here/state")));

    assert_eq!(config.listeners.len(), 2);
    assert_eq!(config.listeners[0].address.to_string(), "192.0.2.1:6767");
    assert_eq!(config.listeners[0].service, Service::V4 { server_id: Some(Ipv4Addr::new(192, 0, 2, 2)) });
    assert_eq!(config.listeners[1].address.to_string(), "[::1]:0");
    assert!(config.listeners[0].active && !config.listeners[1].active, "off unless it is said");

    let [first, second] = config.requestors.0.as_slice() else { panic!("two requestors") };
    assert_eq!(first.policy.name, "bng-1");
    assert_eq!(first.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.0/24", "2001:db8::/32"]);
    assert!(first.policy.allow.udp && !first.policy.allow.bulk && first.policy.allow.active);
    assert_eq!(first.policy.withhold, [12, 81]);
    let networks = [("192.0.2.0", 24), ("2001:db8::", 32)].map(|(first, length)| (first.parse().unwrap(), length));
    assert_eq!(first.policy.relays, Some(networks.to_vec()));
    assert_eq!(first.policy.vpns, Some(vec![name("blue"), VpnName::Id([0, 0, 0x5e, 0, 0, 0, 1])]));
    assert!(second.policy.allow.udp && second.policy.allow.bulk && !second.policy.allow.active);
    assert_eq!((&second.policy.vpns, &second.policy.relays), (&None, &None));

    let limits = Limits {
        connections: 3,
        connections_per_requestor: 1,
        queries_per_connection: 2,
        data_timeout: Duration::from_millis(301_500),
        active_send_timeout: Duration::from_mins(2),
        active_idle_timeout: Duration::from_millis(60_500),
        history: 5400,
    };
    assert_eq!(config.limits, limits);

    let kea = Source::KeaMemfile {
        protocol: Protocol::V4,
        path: "/etc/here/kea-leases4.csv".into(),
        kea_config: Some("/etc/kea/kea-dhcp4.conf".into()),
        vpn: Some(name("blue")),
    };
    let upstream = Source::Leasequery {
        protocol: Protocol::V4,
        link: None,
        server: "dhcp.example.net:67".to_owned(),
        tls: None,
        vpn: None,
        options: vec![12],
        poll: Duration::from_secs(90),
        sweep: Duration::from_hours(1),
        active_receive_timeout: Duration::from_secs(150),
    };
    assert_eq!(config.sources, [kea, Source::Push { path: "/run/push.sock".into() }, upstream]);

    let address = Ipv4Addr::new;
    assert_eq!(
        config.networks[0].ranges,
        [
            (address(10, 0, 0, 10), address(10, 0, 0, 250)),
            (address(10, 1, 0, 0), address(10, 1, 255, 255)),
            (address(10, 9, 9, 9), address(10, 9, 9, 9)),
        ]
    );
    assert_eq!(config.networks[0].vpn, Some(name("blue")));
    assert_eq!(config.warnings.len(), 1, "active queries and no bulk ones: {:?}", config.warnings);
}

//= rfc6926-6.3-01
//= rfc6926-6.3-06 (server)
//= rfc6926-6.3-07
//= rfc6926-8.1-02
//= rfc5460-7.1-02
//= rfc5460-7.1-03
//= rfc6926-6.3-03 (server)
#[test]
fn has_the_defaults_of_the_rfc() {
    let config = parse(&LISTEN.replace("127.0.0.1:0", "127.0.0.1"));
    assert_eq!(config.listeners[0].address.port(), 67);
    assert_eq!(config.listeners[0].service, Service::V4 { server_id: None });
    assert_eq!((config.limits.connections, config.limits.connections_per_requestor), (10, 10));
    assert_eq!(config.limits.data_timeout, Duration::from_mins(5));
    assert_eq!(config.limits.queries_per_connection, 4);
    assert_eq!(config.limits.history, 86_400);
    assert_eq!(config.state_dir, None);
}

//= rfc6926-6.3-09 (both)
//= alq6-6.4-06 (both)
/// Of a source, too: how long it waits for data of a bulk query is the same limit.
#[test]
fn warns_of_a_timeout_below_the_default_and_takes_it() {
    let config =
        parse(&format!("{LISTEN}{REQUESTOR}[limits]\ndata-timeout = 0.5\n[[source]]\ntype = \"push\"\npath = \"p\"\n"));
    assert_eq!(config.limits.data_timeout, Duration::from_millis(500));
    let [warning] = config.warnings.as_slice() else { panic!("one warning: {:?}", config.warnings) };
    assert!(warning.contains("data-timeout") && warning.contains("300"), "{warning}");
}

//= rfc7724-5.3-06 (requestor)
//= alq6-6.4-06 (requestor)
#[test]
fn warns_of_less_patience_with_a_server_than_the_default_and_takes_it() {
    let source = |more: &str| {
        let source = "[[source]]\ntype = \"leasequery\"\nprotocol = \"v6\"\nserver = \"a\"\ntls = \"off\"\n";
        parse(&format!("{LISTEN}{REQUESTOR}{source}{more}"))
    };
    let patience = |config: &Config| match &config.sources[..] {
        [Source::Leasequery { active_receive_timeout, .. }] => *active_receive_timeout,
        others => panic!("{others:?}"),
    };
    let config = source("");
    assert_eq!((patience(&config), config.warnings.len()), (Duration::from_mins(2), 0));
    let config = source("active-receive-timeout = \"119s\"\n");
    assert_eq!(patience(&config), Duration::from_secs(119));
    let [warning] = config.warnings.as_slice() else { panic!("one warning: {:?}", config.warnings) };
    assert!(warning.contains("active-receive-timeout") && warning.contains("120s"), "{warning}");
}

#[test]
fn warns_of_what_can_do_nothing() {
    let warnings = |text: &str| parse(text).warnings.join("\n");
    assert!(warnings("").contains("[[listen]]"));
    assert!(warnings(LISTEN).contains("[[requestor]]"));
    assert!(warnings(&format!("{LISTEN}{REQUESTOR}")).contains("[[source]]"));
    let names = format!("{LISTEN}{REQUESTOR}certificate-names = [\"bng.example.net\"]\n");
    assert!(warnings(&names).contains("certificate-names"), "a check that is not made must not look as if it were");
    for wrong in ["«[]", "[«\"two words\"]"] {
        assert_problem(&format!("{LISTEN}{REQUESTOR}certificate-names = {wrong}\n"), "certificate");
    }
}

#[test]
fn longest_prefix_decides_where_requestors_overlap() {
    let config = parse(SAMPLE);
    let found = |peer: &str| {
        let peer: IpAddr = peer.parse().expect("an address");
        config.requestors.find(peer, Transport::Tcp).map(|policy| policy.name.as_str())
    };
    assert_eq!(found("192.0.2.1"), Some("bng-1"));
    assert_eq!(found("192.0.2.77"), Some("bng-2"));
    assert_eq!(found("::ffff:192.0.2.77"), Some("bng-2"), "an IPv4 peer of an IPv6 socket");
    assert_eq!(found("2001:db8::1"), Some("bng-1"));
    assert_eq!(found("192.0.3.1"), None);
    assert_eq!(found("2001:db9::1"), None);
}

//= rfc7724-8.1-04
//= rfc7724-8.1-05
//= rfc7724-8.1-06
//= rfc7653-tls-20
//= rfc7653-tls-21
//= rfc7653-tls-22
//= rfc6926-9-05 (both)
#[test]
fn refuses_what_is_not_protected_and_says_where() {
    let listen = |lines: &str| format!("[[listen]]\nprotocol = \"v4\"\n{lines}");
    assert_problem(
        &format!("«{}", listen("transport = \"tcp\"\naddress = \"127.0.0.1\"\n")),
        "TLS needs certificates: add [tls]",
    );
    assert_problem(
        &format!("«{}", listen("transport = \"tcp\"\naddress = \"127.0.0.1\"\nactive = true\n")),
        "TLS needs certificates: add [tls]",
    );
    assert_problem(
        &listen("transport = \"tcp\"\naddress = \"127.0.0.1\"\ntls = «\"required\"\n"),
        "TLS needs certificates: add [tls]",
    );
    assert_problem(&format!("{LISTEN}\n«[tls]\ncertificate = \"a.pem\"\n"), "[tls] needs key = …");
    let tls = "certificate = «\"/nowhere/a.pem\"\nkey = \"a.key\"\nclient-ca = \"ca.pem\"\n";
    assert_problem(&format!("{LISTEN}\n[tls]\n{tls}"), "/nowhere/a.pem cannot be read");
    assert_problem(
        "[[source]]\ntype = «\"leasequery\"\nprotocol = \"v4\"\nserver = \"192.0.2.1\"\n",
        "or tls = \"off\" to follow in the clear",
    );
    let source = "[[source]]\ntype = \"leasequery\"\nprotocol = \"v4\"\nserver = \"192.0.2.1\"\n";
    assert_problem(&format!("{source}tls = «{{ ca = \"ca.pem\" }}\n"), "tls of [[source]] needs certificate = …");
    assert_problem(&format!("{source}tls = «\"on\"\n"), "tls = \"on\" is unknown");
    let files = "{ ca = \"/nowhere/ca.pem\", certificate = \"/nowhere/me.pem\", key = \"/nowhere/me.key\" }";
    assert_problem(&format!("{source}tls = «{files}\n"), "/nowhere/me.pem cannot be read");
    assert_problem(&format!("{source}tls = \"off\"\npath = «\"a\"\n"), "has no key path");
    assert_problem(&format!("{source}tls = \"off\"\npoll = «\"soon\"\n"), "is not a duration");
}

#[test]
fn unknown_keys_are_errors_at_their_place() {
    for marked in [
        "«states-dir = \"x\"\n".to_owned(),
        format!("{LISTEN}  «adress = 1\n"),
        format!("{REQUESTOR}«alow = [\"bulk\"]\n"),
        "[limits]\n«conections = 1\n".to_owned(),
        "[[source]]\ntype = \"push\"\npath = \"a\"\n«mode = 7\n".to_owned(),
        "[[network]]\nprotocol = \"v4\"\n«range = \"10.0.0.0/8\"\n".to_owned(),
        "\n[[«lisen]]\nprotocol = \"v4\"\n".to_owned(),
    ] {
        assert_problem(&marked, " has no key ");
    }
}

#[test]
fn wrong_types_and_broken_syntax_are_errors_at_their_place() {
    assert_problem("state-dir = «7\n", "text in quotes");
    assert_problem("[limits]\nconnections = «\"ten\"\n", "");
    assert_problem(&format!("{LISTEN}{}", "[[requestor]]\nname = \"é\"\naddresses = «\"127.0.0.1\"\n"), "");
    let error = Config::check("state-dir = \"x", Path::new("leasequery.toml")).expect_err("no closing quote");
    assert!(!error.text.contains('\n'));
    assert_problem("«[[listen]]\nprotocol = \"v4\"\n", "[[listen]] needs transport = …");
}

#[test]
fn values_that_make_no_sense_are_errors_at_their_place() {
    assert_problem("[[listen]]\nprotocol = «\"v5\"\ntransport = \"tcp\"\naddress = \"127.0.0.1\"\n", "\"v5\"");
    assert_problem("[[listen]]\nprotocol = \"v4\"\ntransport = «\"sctp\"\naddress = \"127.0.0.1\"\n", "\"sctp\"");
    assert_problem(&LISTEN.replace("\"off\"", "«\"maybe\""), "\"maybe\"");
    assert_problem(&LISTEN.replace("\"127.0.0.1:0\"", "«\"localhost:67\""), "\"localhost:67\"");
    assert_problem(&LISTEN.replace("\"127.0.0.1:0\"", "«\"127.0.0.1:65536\""), "65536");
    assert_problem(&LISTEN.replace("\"127.0.0.1:0\"", "«\"[::1]:67\""), "server-id");
    assert_problem(&format!("{LISTEN}server-id = «\"0001\"\n"), "server-id \"0001\"");
    assert_problem(&format!("{LISTEN}server-id = «\"0.0.0.0\"\n"), "server-id");

    assert_problem(&format!("{REQUESTOR}allow = [\"udp\", «\"bulky\"]\n"), "\"bulky\"");
    assert_problem(&format!("{REQUESTOR}withhold-options = [12, «65536]\n"), "1 to 65535");
    assert_problem(&format!("{REQUESTOR}withhold-options = [«-1]\n"), "1 to 65535");
    assert_problem(&format!("{REQUESTOR}vpns = [«\"\"]\n"), "empty");
    assert_problem("[[requestor]]\nname = \"a\"\naddresses = [\"10.0.0.0/8\", «\"10.0.0.0/33\"]\n", "10.0.0.0/33");
    assert_problem("[[requestor]]\nname = \"a\"\naddresses = «[]\n", "at least one");

    assert_problem("[limits]\nconnections = «0\n", "from 1");
    assert_problem("[limits]\nqueries-per-connection = «-4\n", "from 1");
    assert_problem("[limits]\ndata-timeout = «0.0\n", "seconds");
    assert_problem("[limits]\ndata-timeout = «nan\n", "seconds");
    assert_problem("[limits]\nhistory = «\"a day\"\n", "24h");
    assert_problem("[limits]\nhistory = «\"-5s\"\n", "24h");

    assert_problem("[[source]]\ntype = «\"kea\"\npath = \"a\"\n", "\"kea\"");
    assert_problem("[[source]]\ntype = «\"push\"\n", "path");
    assert_problem("[[source]]\ntype = «\"kea-memfile\"\npath = \"a\"\n", "protocol");
    assert_problem("[[source]]\ntype = \"push\"\npath = \"a\"\nprotocol = «\"v4\"\n", "records");
    assert_problem(
        "[[source]]\ntype = \"kea-memfile\"\nprotocol = \"v4\"\npath = \"a\"\nserver = «\"192.0.2.1\"\n",
        "leasequery",
    );

    assert_problem("[[network]]\nprotocol = \"v4\"\nranges = [«\"10.0.0.9-10.0.0.1\"]\n", "10.0.0.9 is after 10.0.0.1");
    assert_problem("[[network]]\nprotocol = \"v4\"\nranges = [«\"10.0.0.0/40\"]\n", "range");
    assert_problem("[[network]]\nprotocol = «\"v4\"\n", "ranges");
    assert_problem("[[network]]\nprotocol = \"v4\"\nranges = [\"10.0.0.1\"]\nvpn = «\"\"\n", "empty");
    assert_problem("[[network]]\nprotocol = «\"v6\"\nprefixes = [\"2001:db8::/36\"]\n", "link");
    assert_problem("[[network]]\nprotocol = \"v6\"\nlink = «\"2001:db8::\"\n", "not a prefix");
    assert_problem("[[network]]\nprotocol = \"v6\"\nlink = \"2001:db8::/64\"\nvpn = «\"blue\"\n", "DHCPv4");
    assert_problem(
        "[[listen]]\nprotocol = \"v4\"\ntransport = \"udp\"\naddress = \"127.0.0.1\"\nactive = «true\n",
        "TCP",
    );
    assert_problem(
        "[[listen]]\nprotocol = \"v6\"\ntransport = \"udp\"\naddress = \"::1\"\nserver-id = «\"00\"\n",
        "DUID",
    );
    assert_problem("[[source]]\ntype = \"kea-memfile\"\nprotocol = \"v6\"\npath = \"a\"\nvpn = «\"blue\"\n", "VPN");
    assert_problem("[[network]]\nprotocol = \"v4\"\nranges = [\"10.0.0.1\"]\nlink = «\"2001:db8::/64\"\n", "DHCPv6");
}

/// Two requestors, each with an address and more.
fn two(first: &str, more: &str, second: &str, other: &str) -> String {
    let second = if second.contains('"') { second.to_owned() } else { format!("\"{second}") };
    format!(
        "[[requestor]]\nname = \"a\"\naddresses = [\"{first}\"]\n{more}\n\
         [[requestor]]\nname = \"b\"\naddresses = [{second}\"]\n{other}\n"
    )
}

#[test]
fn requestors_may_share_addresses_where_only_one_of_them_may_ask() {
    let udp = "[[listen]]\nprotocol = \"v4\"\ntransport = \"udp\"\naddress = \"127.0.0.1:0\"\n";
    let config =
        parse(&format!("{LISTEN}{udp}{}", two("10.0.0.0/8", "allow = [\"udp\"]", "10.0.0.0/8", "allow = [\"bulk\"]")));
    let found = |transport| {
        let peer = "10.1.1.1".parse().expect("an address");
        config.requestors.find(peer, transport).map(|policy| policy.name.clone()).unwrap_or_default()
    };
    assert_eq!((found(Transport::Udp), found(Transport::Tcp)), ("a".to_owned(), "b".to_owned()));
    // Both may ask over UDP, which has no certificates.
    let names = |name: &str| format!("certificate-names = [\"{name}\"]");
    assert_problem(
        &format!("{udp}{}", two("10.0.0.0/8", &names("a.example"), "«\"10.0.0.0/8", &names("b.example"))),
        "the address alone tells that",
    );
    assert!(parse(&two("10.0.0.0/8", "", "10.0.0.0/8", "")).listeners.is_empty(), "nobody can ask");
}

#[test]
fn mapped_addresses_are_those_of_ipv4() {
    let config =
        parse(&format!("{LISTEN}{}", two("::ffff:127.0.0.1", "", "::ffff:10.1.2.3/104", "own-bindings-only = true")));
    let addresses = |nth: usize| config.requestors.0[nth].addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!((addresses(0), addresses(1)), (vec!["127.0.0.1/32".to_owned()], vec!["10.0.0.0/8".to_owned()]));
    let ten = "10.0.0.0".parse::<IpAddr>().expect("an address");
    assert_eq!(config.requestors.0[1].policy.relays, Some(vec![(ten, 8)]));
    for peer in ["10.9.9.9", "::ffff:10.9.9.9"] {
        let peer = peer.parse().expect("an address");
        assert!(config.requestors.find(peer, Transport::Tcp).is_some(), "{peer}");
    }
    assert_problem(&format!("{LISTEN}{}", two("127.0.0.1", "", "«\"::ffff:127.0.0.1", "")), "127.0.0.1/32 already");
}

#[test]
fn what_must_be_unique_is_an_error_the_second_time() {
    assert_problem(
        "[[requestor]]\nname = \"a\"\naddresses = [\"10.0.0.1\"]\n[[requestor]]\nname = «\"a\"\naddresses = [\"10.0.0.2\"]\n",
        "two requestors are named \"a\"",
    );
    assert_problem(&format!("{LISTEN}{}", two("10.0.0.0/8", "", "«\"10.1.1.1/8", "")), "\"a\" has 10.0.0.0/8 already");
    assert_problem(
        "[[source]]\ntype = \"push\"\npath = \"a\"\n[[source]]\ntype = \"push\"\npath = «\"a\"\n",
        "two sources",
    );
    let fixed = LISTEN.replace(":0", ":6767");
    assert_problem(&format!("{fixed}{}", fixed.replace("\"127", "«\"127")), "two listeners");
    assert_eq!(parse(&format!("{LISTEN}{LISTEN}")).listeners.len(), 2, "two free ports");
}

#[test]
fn errors_name_the_file_line_and_column() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("l.toml");
    std::fs::write(&file, "# ä\n[limits]\nhistory = \"ages\"\n").expect("the file is written");
    let error = Config::load(&file).expect_err("ages is no duration").to_string();
    assert!(error.starts_with(&format!("{}:3:11: history \"ages\"", file.display())), "{error}");

    let error = Config::load(&directory.path().join("absent.toml")).expect_err("no such file").to_string();
    assert!(error.contains("absent.toml: cannot be read"), "{error}");
    std::fs::write(&file, b"state-dir = \"\xff\"\n").expect("the file is written");
    let error = Config::load(&file).expect_err("not UTF-8").to_string();
    assert!(error.contains("cannot be read"), "{error}");
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("l.toml");
    std::fs::write(&file, "state-dir = \"s\"\n[[source]]\ntype = \"push\"\npath = \"/p\"\n").expect("written");
    let config = Config::load(&file).expect("right");
    assert_eq!(config.state_dir, Some(directory.path().join("s")));
    assert_eq!(config.sources, [Source::Push { path: "/p".into() }]);
}

#[test]
fn a_source_has_the_same_name_however_it_is_written() {
    let name = |source: &str, directory: &str| {
        let text = format!("[[source]]\n{source}\n");
        Config::check(&text, &Path::new(directory).join("leasequery.toml")).expect("it is right").sources[0].name()
    };
    let here = std::env::current_dir().expect("a directory").join("etc");
    let here = here.to_str().expect("text");
    for (one, other) in [("leases.csv", "../etc/./leases.csv"), ("/var/lib/leases.csv", "/var/log/..//lib/leases.csv")]
    {
        for kind in ["type = \"push\"", "type = \"kea-memfile\"\nprotocol = \"v4\""] {
            let of = |path: &str, directory| name(&format!("{kind}\npath = \"{path}\""), directory);
            assert_eq!(of(one, "etc"), of(other, "etc"));
            assert_eq!(of(one, "etc"), of(one, here));
        }
    }
    let server = |server: &str| {
        name(&format!("type = \"leasequery\"\nprotocol = \"v4\"\ntls = \"off\"\nserver = \"{server}\""), "")
    };
    assert_eq!(server("DHCP.example.net:67"), server("dhcp.example.net"));
}
