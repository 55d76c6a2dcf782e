//! `openssl s_client`, behind a relay that says for it what comes before TLS.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use leasequery_testing::pki::{Authority, Files, Pki};
use leasequery_wire::v4::MessageType;
use leasequery_wire::v6;

use crate::common::{Daemon, eventually, query_all};
use crate::prelude::request;
use crate::{ME, World, chains, eventually_logged, tool, world};

/// Takes a connection and joins it to the server, once that has agreed to begin TLS.
fn relay(server: SocketAddr, prelude: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (client, _) = listener.accept().expect("a connection");
        let mut server = TcpStream::connect(server).expect("a connection");
        server.write_all(&prelude).expect("sent");
        let mut prefix = [0; 2];
        server.read_exact(&mut prefix).expect("a length");
        let mut answer = vec![0; usize::from(u16::from_be_bytes(prefix))];
        server.read_exact(&mut answer).expect("an answer");
        let back = (server.try_clone().expect("a handle"), client.try_clone().expect("a handle"));
        std::thread::spawn(move || carry(back.0, back.1));
        carry(client, server);
    });
    address
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    // However one side ends, the other one is told.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

/// `s_client`, running.
struct SClient {
    child: Child,
    said: Arc<Mutex<Vec<u8>>>,
    readers: [JoinHandle<()>; 2],
}

impl SClient {
    /// Connects with a certificate, and believes one authority; `None` if there is no OpenSSL.
    fn start(world: &World, v6: bool, files: Option<&Files>, more: &[&str]) -> Option<Self> {
        let address = if v6 {
            let mut prelude = Vec::new();
            v6::MessageWriter::frame(&mut prelude, v6::MessageType::START_TLS, 5).finish().expect("short");
            relay(world.v6().parse().expect("an address"), prelude)
        } else {
            relay(world.daemon.address(), request(MessageType::TLS, 9, |_| ()))
        };
        let mut command = tool("openssl")?;
        command.args(["s_client", "-connect", &address.to_string(), "-verify_return_error", "-CAfile"]);
        command.arg(&world.me.ca).args(["-verify_ip", "127.0.0.1", "-servername", crate::SERVER]);
        if let Some(files) = files {
            command.arg("-cert").arg(&files.certificate).arg("-key").arg(&files.key);
        }
        command.args(more).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let said = Arc::default();
        let (stdout, stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let readers = [keep(stdout, Arc::clone(&said)), keep(stderr, Arc::clone(&said))];
        Some(Self { child, said, readers })
    }

    fn send(&mut self, octets: &[u8]) {
        self.child.stdin.as_mut().expect("piped").write_all(octets).expect("sent");
    }

    /// Waits until it has said something.
    fn wait_for(&self, words: &str) {
        eventually(words, || String::from_utf8_lossy(&self.said.lock().expect("not poisoned")).contains(words));
    }

    /// What it said up to its end.
    fn text(mut self) -> String {
        // Its standard input stays open: its end would end s_client.
        eventually("its end", || self.child.try_wait().expect("it can be asked").is_some());
        for reader in self.readers {
            reader.join().expect("it was read");
        }
        String::from_utf8_lossy(&self.said.lock().expect("not poisoned")).into_owned()
    }
}

/// Keeps what is read, as it comes.
fn keep(mut from: impl Read + Send + 'static, said: Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            said.lock().expect("not poisoned").extend_from_slice(&piece[..length]);
        }
    })
}

/// How often the daemon has logged something.
fn logged(daemon: &Daemon, words: &str) -> usize {
    daemon.log().matches(words).count()
}

//= rfc7525-3.1.1-01
#[test]
fn it_asks_inside_of_both_versions() {
    let pki = Pki::new();
    let (server, me) = (pki.rsa("server", &["127.0.0.1"]), pki.rsa("me", &[ME]));
    let (elliptic, rsa) = (world("", ""), chains::world(pki, server, me));
    for (world, v6, version, cipher) in [
        (&elliptic, false, "-tls1_3", "TLS_AES_128_GCM_SHA256"),
        (&elliptic, false, "-tls1_2", "ECDHE-ECDSA-CHACHA20-POLY1305"),
        (&rsa, true, "-tls1_3", "TLS_AES_128_GCM_SHA256"),
        (&rsa, true, "-tls1_2", "ECDHE-RSA-CHACHA20-POLY1305"),
    ] {
        let before = logged(&world.daemon, "secured by");
        let Some(mut client) = SClient::start(world, v6, Some(&world.me), &[version]) else { return };
        eventually("TLS", || logged(&world.daemon, "secured by") > before);
        if version == "-tls1_3" {
            // A command of s_client's: new keys, on both sides.
            client.send(b"K\n");
            // It is one only where nothing else was read with it.
            client.wait_for("KEYUPDATE");
        }
        if v6 {
            // Something that closes the connection.
            let mut octets = Vec::new();
            v6::MessageWriter::frame(&mut octets, v6::MessageType::START_TLS, 6).finish().expect("short");
            client.send(&octets);
        } else {
            client.send(&query_all(7));
            eventually("an answer", || world.daemon.log().contains("answered: 9 bindings"));
            client.send(&request(MessageType::TLS, 8, |_| ()));
        }
        let said = client.text();
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
        assert!(said.contains(cipher), "{said}");
        assert_eq!(said.contains("KEYUPDATE"), version == "-tls1_3", "{said}");
        // Its name for what the server asks for.
        assert!(said.contains("Acceptable client certificate CA names"), "{said}");
    }
}

//= rfc7525-3.1.1-02
//= rfc7724-9-01
//= rfc7525-4.1-01
//= rfc7653-tls-36
#[test]
fn it_is_refused_with_what_is_old_or_weak() {
    let mut world = world("", "");
    // OpenSSL itself refuses some of them otherwise.
    let weak = |cipher: &'static str| ["-tls1_2", "-cipher", cipher];
    let cases = [
        ["-tls1", "-cipher", "ALL:@SECLEVEL=0"],
        ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        // No ephemeral keys, no authenticated encryption, no encryption, nobody's certificate.
        weak("AES128-GCM-SHA256:@SECLEVEL=0"),
        weak("ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"),
        weak("DHE-RSA-AES256-GCM-SHA384:@SECLEVEL=0"),
        weak("eNULL:@SECLEVEL=0"),
        weak("aNULL:@SECLEVEL=0"),
    ];
    for case in cases {
        let before = logged(&world.daemon, "no version or cipher of TLS in common");
        let Some(client) = SClient::start(&world, false, Some(&world.me), &case) else { return };
        let said = client.text();
        assert!(said.contains("alert"), "{case:?}: {said}");
        eventually("a word of it", || logged(&world.daemon, "no version or cipher of TLS in common") > before);
    }
    assert!(!world.daemon.log().contains("secured by"), "{}", world.daemon.log());
    assert!(world.daemon.is_running());
}

#[test]
fn it_cannot_negotiate_again() {
    let mut world = world("", "");
    let Some(mut client) = SClient::start(&world, false, Some(&world.me), &["-tls1_2"]) else { return };
    eventually_logged(&world.daemon, "secured by TLS 1.2");
    // A command of s_client's.
    client.send(b"R\n");
    let said = client.text();
    assert!(said.contains("RENEGOTIATING") && said.contains("no renegotiation"), "{said}");
    assert!(world.bulk(&world.me, &[]).status.success(), "{}", world.daemon.log());
    assert!(world.daemon.is_running());
}

//= rfc7653-tls-34
#[test]
fn it_is_refused_without_a_good_certificate() {
    let world = world("", "");
    let stranger = world.pki.signed("stranger", &[ME], &Authority::new("stranger"), |_| ());
    for version in ["-tls1_3", "-tls1_2"] {
        for (files, alert) in [(None, "alert"), (Some(&stranger), "alert unknown ca")] {
            let Some(client) = SClient::start(&world, true, files, &[version]) else { return };
            let said = client.text();
            assert!(said.contains(alert), "{said}");
        }
    }
    assert!(!world.daemon.log().contains("secured by"), "{}", world.daemon.log());
}
