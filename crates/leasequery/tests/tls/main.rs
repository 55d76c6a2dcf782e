//! Secure mode, with the program at both ends and with peers that do it wrong.

#[path = "../common/mod.rs"]
mod common;
mod openssl;
mod pki;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Output, Stdio};

use common::{Daemon, Next, PATIENCE, PUSH, eventually, leasequery, network, query_all, records, stderr};
use leasequery_wire::v4::{BOOT_REPLY, BOOT_REQUEST, Header, MessageType, MessageWriter, OptionCode, StatusCode};
use leasequery_wire::v6;
use pki::{Authority, Files, Pki};
use serde_json::{Value, json};

/// Who the server is, and who asks: both at this address, by names.
const SERVER: &str = "dhcp.example.net";
const ME: &str = "bng-1.example.net";

fn config(server: &Files, more: &str, requestor: &str) -> String {
    let (certificate, key, ca) = (server.certificate.display(), server.key.display(), server.ca.display());
    format!(
        r#"
[tls]
certificate = "{certificate}"
key = "{key}"
client-ca = "{ca}"
{more}

[[listen]]
protocol = "v4"
transport = "tcp"
address = "127.0.0.1:0"
active = true

[[listen]]
protocol = "v6"
transport = "tcp"
address = "127.0.0.1:0"
active = true
tls = "required"

[[requestor]]
name = "me"
addresses = ["127.0.0.1"]
allow = ["bulk", "active"]
{requestor}
{PUSH}{}"#,
        network("10.0.0.1-10.0.0.9")
    )
}

struct World {
    pki: Pki,
    server: Files,
    me: Files,
    daemon: Daemon,
}

fn world(more: &str, requestor: &str) -> World {
    let pki = Pki::new();
    let (server, me) = (pki.files("server", &[SERVER, "127.0.0.1"]), pki.files("me", &[ME]));
    let daemon = Daemon::start(&config(&server, more, requestor));
    World { pki, server, me, daemon }
}

impl World {
    fn bulk(&self, files: &Files, more: &[&str]) -> Output {
        run("bulk", &self.daemon.address().to_string(), files, more)
    }

    fn v6(&self) -> String {
        let listener = self.daemon.ready.split_whitespace().find_map(|word| word.strip_prefix("v6-tcp="));
        listener.expect("a listener").to_owned()
    }
}

fn run(command: &str, server: &str, files: &Files, more: &[&str]) -> Output {
    leasequery().args([command, server]).args(files.options()).args(more).output().expect("the program runs")
}

/// What is logged may be read a moment later.
fn eventually_logged(daemon: &Daemon, words: &str) {
    eventually(words, || daemon.log().contains(words));
}

/// That a command failed for want of TLS, with these words.
fn assert_fails(output: &Output, words: &str) {
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(stderr(output).contains(words), "{words}: {output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

fn lease(last: u8) -> Value {
    json!({
        "protocol": "v4", "address": format!("10.0.0.{last}"), "state": "active", "mac": format!("02:00:00:00:00:{last:02x}"),
        "client-last-transaction-time": "2026-01-01T00:00:00Z", "expires": "2090-01-01T00:00:00Z",
    })
}

fn lease_v6() -> Value {
    json!({
        "protocol": "v6", "address": "2001:db8:1::10", "link": "2001:db8:1::", "state": "active",
        "duid": "00030001020000000001", "iaid": 1,
        "client-last-transaction-time": "2026-01-01T00:00:00Z", "expires": "2090-01-01T00:00:00Z",
    })
}

fn request(kind: MessageType, xid: u32, options: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::frame(&mut out, &Header::new(BOOT_REQUEST, xid), kind);
    options(&mut writer);
    writer.finish().expect("a short message");
    out
}

//= rfc7724-7.2-01
//= rfc7724-8.1-03
//= rfc7724-8.1-08
//= rfc7724-8.1-11
//= rfc7653-tls-05
//= rfc7653-tls-19
//= rfc7653-tls-24
//= rfc7653-tls-26
#[test]
fn a_bulk_query_is_answered_inside_of_tls() {
    let world = world("", "");
    world.daemon.push_all(&[lease(5), lease_v6()]);
    let output = world.bulk(&world.me, &[]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(records(&output).len(), 9);
    let output = run("bulk", &world.v6(), &world.me, &["--v6"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(records(&output).len(), 1, "{output:?}");
    eventually_logged(&world.daemon, "secured by TLS 1.3, TLS13_AES_128_GCM_SHA256, as bng-1.example.net");
}

#[test]
fn one_command_makes_all_that_is_needed_for_a_trial() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join("pki").join(name);
    let make = || {
        let options = ["--server", "dhcp.example.net", "--server", "127.0.0.1", "--requestor", ME];
        leasequery()
            .arg("certificates")
            .arg(directory.path().join("pki"))
            .args(options)
            .output()
            .expect("the program runs")
    };
    let first = make();
    assert!(first.status.success(), "{first:?}");
    let told = String::from_utf8_lossy(&first.stdout).into_owned();
    assert!(told.contains(&format!("client-ca = \"{}\"", file("ca.pem").display())), "{told}");

    let files = |name: &str| Files {
        ca: file("ca.pem"),
        certificate: file(&format!("{name}.pem")),
        key: file(&format!("{name}.key")),
    };
    let names = format!("certificate-names = [\"{ME}\"]");
    let daemon = Daemon::start(&config(&files("server"), "", &names));
    let output = run("bulk", &daemon.address().to_string(), &files(ME), &[]);
    assert!(output.status.success(), "{output:?}");
    assert_fails(&run("bulk", &daemon.address().to_string(), &files("server"), &[]), "");

    let key = std::fs::metadata(file("server.key")).expect("it is there");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777, 0o600);
    let again = make();
    assert_eq!(again.status.code(), Some(2), "nothing is overwritten");
    assert!(stderr(&again).contains("ca.pem: File exists"), "{again:?}");
}

//= rfc7724-7.2-12
//= rfc7653-tls-16
//= rfc7653-tls-17
#[test]
fn changes_are_told_inside_of_tls() {
    let world = world("", "");
    for (server, flag, record) in
        [(world.daemon.address().to_string(), "--v4", lease(5)), (world.v6(), "--v6", lease_v6())]
    {
        let watch = leasequery()
            .args(["watch", &server, flag, "--for", "3s"])
            .args(world.me.options())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        std::thread::sleep(std::time::Duration::from_millis(1200));
        world.daemon.push_all(std::slice::from_ref(&record));
        let output = watch.wait_with_output().expect("it ends");
        let lines = records(&output);
        let found = lines.iter().any(|line| line["address"] == record["address"] && line["state"] == "active");
        assert!(found, "{output:?}\n{}", world.daemon.log());
        assert!(lines.iter().any(|line| line["event"] == "connected"), "{output:?}");
    }
}

#[test]
fn a_mirror_and_verify_use_tls() {
    let world = world("", "");
    world.daemon.push_all(&[lease(5)]);
    let (ca, certificate, key) = (world.me.ca.display(), world.me.certificate.display(), world.me.key.display());
    let config = format!(
        "{}\n[[source]]\ntype = \"leasequery\"\nprotocol = \"v4\"\nserver = \"{}\"\ntls = {{ ca = \"{ca}\", certificate = \
         \"{certificate}\", key = \"{key}\", server-name = \"{SERVER}\" }}\n",
        config(&world.server, "", "").replace(PUSH, "").replace(&network("10.0.0.1-10.0.0.9"), ""),
        world.daemon.address()
    );
    let mirror = Daemon::start(&config);
    let output = leasequery()
        .args(["verify", &world.daemon.address().to_string(), &mirror.address().to_string()])
        .args(world.me.options())
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{output:?}");
}

//= rfc7724-7.2-11
//= rfc7724-7.2-13
//= rfc7653-tls-15
//= rfc7653-tls-18
#[test]
fn a_server_that_is_not_the_right_one_is_not_asked() {
    let world = world("", "");
    let output = world.bulk(&world.me, &["--server-name", "other.example.net"]);
    assert_fails(&output, "the certificate of the server is not for the name other.example.net");
    let output = world.bulk(&world.me, &["--server-name", SERVER]);
    assert!(output.status.success(), "{output:?}");

    let stranger = world.pki.path("stranger.pem");
    let other = world.pki.signed("other", &[ME], &Authority::new("stranger"), |_| ());
    std::fs::copy(&other.certificate, &stranger).expect("copied");
    let output = world.bulk(&Files { ca: stranger, ..world.me.clone() }, &[]);
    assert_fails(&output, "issued by an authority that is not in the file of authorities");

    let expired = world.pki.expired("server-2020", &[SERVER, "127.0.0.1"]);
    let daemon = Daemon::start(&config(&expired, "", ""));
    let output = run("bulk", &daemon.address().to_string(), &world.me, &[]);
    assert_fails(&output, "the certificate of the server has expired");
}

//= rfc7724-8.1-13
//= rfc7724-8.1-19
//= rfc7724-8.1-21
//= rfc7653-tls-28
//= rfc7653-tls-31
//= rfc7653-tls-33
#[test]
fn a_requestor_without_a_good_certificate_is_not_answered() {
    let pki = Pki::new();
    let revoked = pki.signed("revoked", &[ME], &pki.authority, |params| params.serial_number = Some(4711.into()));
    let server = pki.files("server", &["127.0.0.1"]);
    let more = format!("crl = \"{}\"", pki.crl(4711).display());
    let daemon = Daemon::start(&config(&server, &more, ""));
    let ask = |files: &Files| run("bulk", &daemon.address().to_string(), files, &[]);
    assert!(ask(&pki.files("me", &[ME])).status.success(), "{}", daemon.log());
    assert_fails(&ask(&revoked), "our certificate has been revoked");
    assert_fails(&ask(&pki.expired("expired", &[ME])), "our certificate has expired");
    let stranger = pki.signed("stranger", &[ME], &Authority::new("stranger"), |_| ());
    assert_fails(&ask(&stranger), "it does not know the authority that issued our certificate");
    for words in ["has been revoked", "has expired", "an authority that is not in the file"] {
        eventually_logged(&daemon, words);
    }

    // A list of somebody else.
    let other = Pki::named("somebody else");
    let daemon = Daemon::start(&config(&server, &format!("crl = \"{}\"", other.crl(4711).display()), ""));
    assert_eq!(run("bulk", &daemon.address().to_string(), &pki.files("me", &[ME]), &[]).status.code(), Some(3));
    eventually_logged(&daemon, "no list in crl tells whether");
}

//= rfc7724-8.1-09
//= rfc7724-9-02
//= rfc7724-8.1-10
//= rfc7653-tls-25
//= rfc7653-tls-38
#[test]
fn certificate_names_decide_who_may_ask() {
    let names = "certificate-names = [\"BNG-1.example.net\", \"192.0.2.7\"]".to_owned();
    let mut world = world("", &names);
    let stranger = world.pki.files("stranger", &["bng-2.example.net", "*.example.net"]);
    assert!(world.bulk(&world.me, &[]).status.success(), "{}", world.daemon.log());
    assert!(world.bulk(&world.pki.files("address", &["192.0.2.7"]), &[]).status.success());
    assert_fails(&world.bulk(&stranger, &[]), "our certificate has no name that it permits");
    eventually_logged(&world.daemon, "none of its certificate-names");

    // The same is asked of connections that are there, when it changes.
    let watch = leasequery()
        .args(["watch", &world.daemon.address().to_string(), "--for", "20s"])
        .args(world.me.options())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let before = world.daemon.log().matches("secured by").count();
    eventually("a connection", || world.daemon.log().matches("secured by").count() > before);
    world.daemon.configure(&config(&world.server, "", "certificate-names = [\"bng-2.example.net\"]"));
    world.daemon.signal("HUP");
    let log = || world.daemon.log();
    eventually("the end of the connection", || log().contains("its certificate is no longer permitted"));
    let mut watch = watch;
    let _ = watch.kill();
    let _ = watch.wait();
    assert!(world.bulk(&stranger, &[]).status.success());
    assert!(world.daemon.is_running());
}

#[test]
fn new_certificates_are_taken_and_broken_ones_are_not() {
    let world = world("", "");
    let server = world.daemon.address().to_string();
    let ask = |name: &str| run("bulk", &server, &world.me, &["--server-name", name]);
    assert!(ask(SERVER).status.success());
    // Over the files that are in use.
    world.pki.files("server", &["new.example.net", "127.0.0.1"]);
    assert!(ask(SERVER).status.success(), "not before it is said");
    world.daemon.signal("HUP");
    eventually("the new certificate", || ask("new.example.net").status.success());
    assert_fails(&ask(SERVER), "but for");

    std::fs::write(&world.server.key, "no key").expect("written");
    world.daemon.signal("HUP");
    eventually_logged(&world.daemon, "the old configuration stays");
    eventually_logged(&world.daemon, "server.key: there is no private key in it");
    assert!(ask("new.example.net").status.success());
}

#[test]
fn check_says_how_each_listener_is_protected() {
    let pki = Pki::new();
    let server = pki.files("server", &[SERVER]);
    let file = pki.path("leasequery.toml");
    let check = |config: &str| {
        std::fs::write(&file, config).expect("written");
        leasequery().args(["serve", "--check", "--config"]).arg(&file).output().expect("the program runs")
    };
    let output = check(&format!("{}{}", config(&server, "", ""), common::LISTEN));
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("listen")).collect();
    assert_eq!(lines.len(), 3, "{output:?}");
    let required = format!("TLS required, certificates of requestors from {}", server.ca.display());
    assert!(lines[0].contains(&required) && lines[1].contains(&required), "{text}");
    assert!(lines[2].contains("in the clear, no TLS"), "{text}");

    let other = pki.files("other", &[SERVER]);
    let output = check(&config(&Files { key: other.key, ..server }, "", ""));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("leasequery.toml:4:7: "), "{output:?}");
    assert!(stderr(&output).contains("other.key is not the key of the certificate in"), "{output:?}");
}

//= rfc7724-8.1-12
//= rfc7653-tls-27
#[test]
fn nothing_is_answered_in_the_clear() {
    let world = world("", "");
    for kind in [MessageType::BULK_LEASE_QUERY, MessageType::ACTIVE_LEASE_QUERY] {
        let mut peer = world.daemon.connect();
        peer.send(&request(kind, 7, |_| ()));
        assert_eq!(peer.next(), Next::Closed);
    }
    eventually_logged(&world.daemon, "TLS is required here, and the first message does not ask for it");
}

//= rfc7724-8.1-14
//= rfc7724-8.1-17
//= rfc7724-8.1-23
#[test]
fn options_of_dhcptls_are_ignored_and_what_is_no_handshake_closes() {
    let world = world("", "");
    let mut peer = world.daemon.connect();
    peer.send(&request(MessageType::TLS, 9, |writer| {
        writer.option(OptionCode(55), &[1, 3]);
        writer.option(OptionCode(222), b"unknown");
    }));
    let body = peer.next_body().expect("an answer");
    let answer = leasequery_wire::v4::Message::parse(&body).expect("a message");
    assert_eq!((answer.message_type(), answer.xid(), answer.op()), (MessageType::TLS, 9, BOOT_REPLY));
    assert_eq!(answer.status().expect("readable"), None);
    peer.send(b"this is not TLS");
    assert!(!read_to_end(&mut peer.stream).is_empty(), "an alert, then the end");
    eventually_logged(&world.daemon, "the requestor does not speak TLS");
}

//= rfc7724-7.2-10
//= rfc7653-tls-29
//= rfc7653-tls-35
#[test]
fn a_query_behind_the_request_for_tls_is_not_answered() {
    let world = world("", "");
    let (answer, rest) =
        talk(&world.daemon.address().to_string(), &[request(MessageType::TLS, 9, |_| ()), query_all(10)]);
    let answer = leasequery_wire::v4::Message::parse(&answer).expect("a message");
    assert_eq!((answer.message_type(), answer.xid()), (MessageType::TLS, 9));
    assert_eq!(answer.status().expect("readable"), None);
    assert!(rest.len() < 20 && rest[0] == 21, "nothing but an alert: {rest:?}");
    assert!(!world.daemon.log().contains("answered"), "{}", world.daemon.log());

    let mut octets = Vec::new();
    v6::MessageWriter::frame(&mut octets, v6::MessageType::START_TLS, 5).finish().expect("short");
    v6::MessageWriter::frame(&mut octets, v6::MessageType::LEASE_QUERY, 6).finish().expect("short");
    let (answer, rest) = talk(&world.v6(), &[octets]);
    let answer = v6::Message::parse(&answer).expect("a message");
    assert_eq!((answer.message_type(), answer.transaction_id()), (v6::MessageType::REPLY, 5));
    assert_eq!(answer.status().expect("readable"), None);
    assert!(rest.len() < 20 && rest[0] == 21, "nothing but an alert: {rest:?}");
}

/// Sends octets, and gives the first message that comes back, and what follows it up to the end.
fn talk(server: &str, octets: &[Vec<u8>]) -> (Vec<u8>, Vec<u8>) {
    let mut stream = TcpStream::connect(server).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(&octets.concat()).expect("sent");
    let answer = read_to_end(&mut stream);
    let length = usize::from(u16::from_be_bytes([answer[0], answer[1]]));
    let (body, rest) = answer[2..].split_at(length);
    (body.to_vec(), rest.to_vec())
}

//= rfc7724-8.1-20
//= rfc7653-tls-32
#[test]
fn the_requestor_that_the_certificate_tells_decides_on_active_queries() {
    let pki = Pki::new();
    let (server, me) = (pki.files("server", &["127.0.0.1"]), pki.files("me", &[ME]));
    let names = format!("certificate-names = [\"{ME}\"]");
    let config = config(&server, "", &names).replace("allow = [\"bulk\", \"active\"]", "allow = [\"bulk\"]");
    let mut world = World { daemon: Daemon::start(&config), pki, server, me };
    for (server, flag) in [(world.daemon.address().to_string(), "--v4"), (world.v6(), "--v6")] {
        let output = run("watch", &server, &world.me, &[flag, "--for", "2s"]);
        assert!(output.status.success(), "{output:?}");
        let polling = records(&output).into_iter().find(|line| line["event"] == "polling");
        let reason = polling.map(|line| line["reason"].to_string()).unwrap_or_default();
        assert!(reason.contains("NotAllowed"), "{output:?}");
    }
    assert!(world.daemon.is_running());
}

//= rfc7724-8.1-16
#[test]
fn too_many_connections_are_closed_and_not_told_that_there_is_no_tls() {
    let world = world("", "[limits]\nconnections = 1");
    let mut first = world.daemon.connect();
    first.send(&request(MessageType::TLS, 9, |_| ()));
    assert!(matches!(first.next(), Next::Message { kind: MessageType::TLS, status: None, .. }));
    let mut second = TcpStream::connect(world.daemon.address()).expect("a connection");
    let _ = second.write_all(&request(MessageType::TLS, 10, |_| ()));
    assert!(read_to_end(&mut second).is_empty());
}

/// What a requestor of DHCPv6 says first, and, if that is STARTTLS, what follows when it is granted.
fn first_words(command: &str, options: &[String]) -> (Vec<u8>, Vec<u8>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let server = listener.local_addr().expect("an address").to_string();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut prefix = [0; 2];
        stream.read_exact(&mut prefix).expect("a length");
        let mut message = vec![0; usize::from(u16::from_be_bytes(prefix))];
        stream.read_exact(&mut message).expect("a message");
        let mut next = vec![0; 6];
        if message[0] == v6::MessageType::START_TLS.0 {
            let xid = v6::Message::parse(&message).expect("a message").transaction_id();
            let mut answer = Vec::new();
            v6::MessageWriter::frame(&mut answer, v6::MessageType::REPLY, xid).finish().expect("short");
            stream.write_all(&answer).expect("sent");
            stream.read_exact(&mut next).expect("more");
        }
        (message, next)
    });
    let output = leasequery().args([command, &server, "--v6"]).args(options).output().expect("the program runs");
    assert!(!output.stdout.starts_with(b"{\"protocol"), "{output:?}");
    peer.join().expect("a peer")
}

//= rfc7653-tls-06
//= rfc7653-tls-07
//= rfc7653-tls-14
#[test]
fn a_requestor_begins_with_the_query_or_with_tls_as_it_is_told() {
    let pki = Pki::new();
    let words = ["--no-initial", "--for", "1s"].map(ToOwned::to_owned).to_vec();
    let (first, _) = first_words("watch", &words);
    assert_eq!(first[0], v6::MessageType::ACTIVE_LEASE_QUERY.0);
    let (first, next) = first_words("watch", &[words, pki.files("me", &[ME]).options()].concat());
    assert_eq!((first.len(), first[0]), (4, v6::MessageType::START_TLS.0));
    // A record of the handshake with a ClientHello in it.
    assert_eq!((next[0], next[1], next[5]), (22, 3, 1), "{next:?}");
}

//= rfc7724-8.1-24
//= rfc7653-limits-03
#[test]
fn a_handshake_that_does_not_come_is_not_waited_for() {
    let world = world("", "[limits]\ndata-timeout = 0.3");
    let mut peer = world.daemon.connect();
    peer.send(&request(MessageType::TLS, 9, |_| ()));
    assert!(matches!(peer.next(), Next::Message { kind: MessageType::TLS, .. }));
    let rest = read_to_end(&mut peer.stream);
    assert!(rest.len() < 20, "{rest:?}");
}

/// A server that answers the first message with octets.
fn answering(answer: impl FnOnce(u32) -> Vec<u8> + Send + 'static) -> (SocketAddr, std::sync::mpsc::Receiver<Vec<u8>>) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let address = common::scripted(move |xid, stream| {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let answer = answer(xid);
        if !answer.is_empty() {
            stream.write_all(&answer).expect("sent");
            let _ = sender.send(read_to_end(stream));
        }
    });
    (address, receiver)
}

//= rfc7724-7.2-03
//= rfc7724-7.2-04
//= rfc7724-7.2-08
//= rfc7724-7.2-09
//= rfc7653-tls-08
//= rfc7653-tls-09
//= rfc7653-tls-11
#[test]
fn a_requestor_never_falls_back() {
    let pki = Pki::new();
    let me = pki.files("me", &[ME]);
    let reply = |xid, status| {
        let mut out = Vec::new();
        let mut writer = MessageWriter::frame(&mut out, &Header::new(BOOT_REPLY, xid), MessageType::TLS);
        if let Some(status) = status {
            writer.status(status, "");
        }
        writer.finish().expect("a short message");
        out
    };
    let (address, after) = answering(move |xid| reply(xid, Some(StatusCode::TLS_CONNECTION_REFUSED)));
    assert_fails(&run("bulk", &address.to_string(), &me, &[]), "the server refuses TLS: TLSConnectionRefused");
    assert!(after.recv().expect("the end").is_empty(), "nothing more was said");

    let (address, _) = answering(|_| Vec::new());
    assert_fails(&run("bulk", &address.to_string(), &me, &[]), "which it may not support");

    let (address, after) = answering(move |xid| [reply(xid, None), reply(xid, None)].concat());
    assert_fails(&run("bulk", &address.to_string(), &me, &[]), "in the clear");
    assert!(after.recv().expect("the end").is_empty());

    let plain = Daemon::start(&format!("{}{}", common::LISTEN, common::REQUESTOR));
    let output = run("watch", &plain.address().to_string(), &me, &["--for", "5s"]);
    assert_fails(&output, "the server refuses TLS: TLSConnectionRefused");
}

//= rfc7724-7.2-07
//= rfc7653-tls-10
#[test]
fn a_silent_server_is_not_waited_for() {
    let pki = Pki::new();
    let me = pki.files("me", &[ME]);
    let address = common::scripted(|_, stream| {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        assert!(read_to_end(stream).is_empty(), "it closes");
    });
    let output = run("bulk", &address.to_string(), &me, &["--timeout", "0.3"]);
    assert_fails(&output, "no answer to the request for TLS for 0.3 seconds");
}

//= rfc7724-8.1-22
//= rfc7653-tls-34
#[test]
fn both_sides_have_to_show_certificates() {
    let world = world("", "");
    let ca = world.me.ca.to_str().expect("UTF-8");
    let output = world.daemon.bulk(&["--tls", "--ca", ca]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut octets = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut octets);
    octets
}
