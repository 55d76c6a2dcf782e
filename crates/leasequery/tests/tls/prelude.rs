//! What is said before TLS, and that nothing is said without it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use leasequery_testing::pki::{Files, Pki};
use leasequery_wire::v4::{
    BOOT_REPLY, BOOT_REQUEST, Header, Message, MessageType, MessageWriter, OptionCode, StatusCode,
};
use leasequery_wire::v6;

use crate::common::{Daemon, LISTEN, Next, PATIENCE, REQUESTOR, leasequery, query_all, scripted, stderr};
use crate::{ME, SERVER, assert_fails, config, eventually_logged, run, world};

pub(crate) fn request(kind: MessageType, xid: u32, options: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::frame(&mut out, &Header::new(BOOT_REQUEST, xid), kind);
    options(&mut writer);
    writer.finish().expect("a short message");
    out
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
    for server in [world.daemon.address().to_string(), format!("{} --v6", world.v6())] {
        let output = leasequery().arg("bulk").args(server.split(' ')).output().expect("the program runs");
        assert_fails(&output, "it may not permit this requestor to ask, or not without TLS");
    }
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
    let answer = Message::parse(&body).expect("a message");
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
    let answer = Message::parse(&answer).expect("a message");
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
    let words = ["--no-initial", "--for", "3s"].map(ToOwned::to_owned).to_vec();
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
    let world = world("", "[limits]\ndata-timeout = 3");
    let mut peer = world.daemon.connect();
    peer.send(&request(MessageType::TLS, 9, |_| ()));
    assert!(matches!(peer.next(), Next::Message { kind: MessageType::TLS, .. }));
    let rest = read_to_end(&mut peer.stream);
    assert!(rest.len() < 20, "{rest:?}");
}

/// A server that answers the first message with octets.
fn answering(answer: impl FnOnce(u32) -> Vec<u8> + Send + 'static) -> (SocketAddr, std::sync::mpsc::Receiver<Vec<u8>>) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let address = scripted(move |xid, stream| {
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

    let plain = Daemon::start(&format!("{LISTEN}{REQUESTOR}"));
    for (command, more) in [("watch", ["--for", "5s"].as_slice()), ("bulk", &[])] {
        let output = run(command, &plain.address().to_string(), &me, more);
        assert_fails(&output, "the server refuses TLS: TLSConnectionRefused");
        assert_fails(&output, "it may answer in the clear (without --tls");
    }
}

//= rfc7724-7.2-07
//= rfc7653-tls-10
#[test]
fn a_silent_server_is_not_waited_for() {
    let pki = Pki::new();
    let me = pki.files("me", &[ME]);
    let address = scripted(|_, stream| {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        assert!(read_to_end(stream).is_empty(), "it closes");
    });
    let output = run("bulk", &address.to_string(), &me, &["--timeout", "0.3"]);
    assert_fails(&output, "no answer to the request for TLS for 0.3 seconds");
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
    let output = check(&format!("{}{}", config(&server, "", ""), LISTEN));
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
    assert!(stderr(&output).contains("other.key is not the key of the first certificate in"), "{output:?}");
}

fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut octets = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut octets);
    octets
}
