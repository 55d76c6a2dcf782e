use std::sync::Arc;

use leasequery_testing::pki::{Files, Pki};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{CipherSuite, ClientConfig, SupportedProtocolVersion};

use super::*;

const SERVER: &str = "dhcp.example.net";

fn server(files: &Files) -> Server {
    Server::load(&files.certificate, &files.key, &files.ca, None).expect("the files are right")
}

fn client(files: &Files) -> Client {
    let Files { ca, certificate, key } = files.clone();
    Client { ca, certificate, key, server_name: SERVER.to_owned() }
}

/// Carries what two ends have for each other until neither has anything; gives what was inside.
fn carry(server: &mut Channel, client: &mut Channel) -> Result<(Vec<u8>, Vec<u8>), String> {
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    loop {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        client.transmit(&mut up);
        server.transmit(&mut down);
        if up.is_empty() && down.is_empty() {
            return Ok((to_server, to_client));
        }
        // One octet at a time is as good as all at once.
        for octet in up.chunks_mut(1) {
            server.receive(octet, &mut to_server)?;
        }
        client.receive(&mut down, &mut to_client)?;
    }
}

fn pair(pki: &Pki) -> (Channel, Channel) {
    let mut server = server(&pki.files("server", &[SERVER])).channel(None, false).expect("a channel");
    let mut client = client(&pki.files("me", &["me.example.net"])).channel().expect("a channel");
    assert_eq!(carry(&mut server, &mut client), Ok((Vec::new(), Vec::new())));
    assert!(!server.is_handshaking() && !client.is_handshaking());
    (server, client)
}

/// A message with its length prefix.
fn frame(length: u16, fill: u8) -> Vec<u8> {
    [length.to_be_bytes().as_slice(), &vec![fill; length.into()]].concat()
}

/// Type and length of each record.
fn split_records(mut octets: &[u8]) -> Vec<(u8, usize)> {
    let mut records = Vec::new();
    while let [kind, 3, 3, a, b, rest @ ..] = octets {
        let length = usize::from(u16::from_be_bytes([*a, *b]));
        records.push((*kind, length));
        octets = &rest[length..];
    }
    assert!(octets.is_empty(), "whole records");
    records
}

//= rfc7724-5.1-02
//= rfc7724-5.1-03
#[test]
fn each_message_is_a_record_with_its_length_in_front() {
    let pki = Pki::new();
    let (mut server, mut client) = pair(&pki);
    let frames: Vec<u8> = (0..1000).flat_map(|_| frame(318, 7)).collect();
    let mut out = Vec::new();
    server.send(&frames, &mut out).expect("TLS");
    // The type of what is inside, and the tag.
    assert_eq!(split_records(&out), vec![(23, 320 + 1 + 16); 1000]);
    let mut plain = Vec::new();
    for piece in out.chunks_mut(777) {
        client.receive(piece, &mut plain).expect("TLS");
    }
    assert_eq!(plain, frames);
}

/// What a server makes of frames, and who can read it.
fn encrypted(pki: &Pki, shares_records: bool, frames: &[u8]) -> (Vec<u8>, Channel) {
    let mut server = server(&pki.files("server", &[SERVER])).channel(None, shares_records).expect("a channel");
    let mut client = client(&pki.files("me", &["me.example.net"])).channel().expect("a channel");
    carry(&mut server, &mut client).expect("TLS");
    let mut out = Vec::new();
    server.send(frames, &mut out).expect("TLS");
    (out, client)
}

//= rfc7653-tls-37
#[test]
fn messages_share_records_where_that_is_permitted() {
    let frames: Vec<u8> = (0..1000).flat_map(|_| frame(318, 7)).chain(frame(20_000, 8)).chain(frame(3, 9)).collect();
    let (mut out, mut client) = encrypted(&Pki::new(), true, &frames);
    // 51 messages fill a record as far as they fit whole, a long one takes what it needs.
    let whole = |octets: usize| (23, octets + 17);
    let mut expected = vec![whole(51 * 320); 19];
    expected.extend([whole(31 * 320), whole(16_384), whole(20_002 - 16_384), whole(5)]);
    assert_eq!(split_records(&out), expected);
    let mut plain = Vec::new();
    client.receive(&mut out, &mut plain).expect("TLS");
    assert_eq!(plain, frames);
}

#[test]
fn records_may_come_in_any_pieces() {
    let frames: Vec<u8> = (0..300).flat_map(|_| frame(318, 7)).chain(frame(20_000, 8)).collect();
    let pki = Pki::new();
    let mut random = fastrand::Rng::with_seed(8446);
    for longest in [1, 2, 7, 400, 5000] {
        let (mut out, mut client) = encrypted(&pki, false, &frames);
        let (mut rest, mut plain) = (&mut out[..], Vec::new());
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at_mut(random.usize(1..=longest.min(rest.len())));
            client.receive(piece, &mut plain).expect("TLS");
            rest = behind;
        }
        assert_eq!(plain, frames, "at most {longest} octets at a time");
    }
}

#[test]
fn a_record_that_was_changed_ends_the_connection() {
    let frames: Vec<u8> = (0..10).flat_map(|_| frame(318, 7)).collect();
    let pki = Pki::new();
    for place in [3, 4, 5, 300, 400, 3000] {
        let (mut out, mut client) = encrypted(&pki, false, &frames);
        out[place] ^= 1;
        let mut plain = Vec::new();
        let taken = client.receive(&mut out, &mut plain);
        // A longer record may still be coming.
        assert!(taken.is_err() || plain.len() < frames.len(), "octet {place}");
        assert!(frames.starts_with(&plain), "octet {place}");
        if taken.is_err() {
            let mut alert = Vec::new();
            client.transmit(&mut alert);
            assert!(!split_records(&alert).is_empty(), "octet {place}");
            let before = plain.len();
            client.receive(&mut [23, 3, 3, 0, 1, 0], &mut plain).expect("it is not looked at");
            assert_eq!(plain.len(), before);
        }
    }
}

/// But for the headers of records, which nothing protects.
#[test]
fn a_handshake_that_was_changed_fails() {
    let pki = Pki::new();
    let (files, me) = (pki.files("server", &[SERVER]), pki.files("me", &["me.example.net"]));
    let mut random = fastrand::Rng::with_seed(5246);
    let mut succeeded = 0;
    for round in 0..400 {
        let mut server = server(&files).channel(None, false).expect("a channel");
        let mut client = if round % 2 == 0 {
            client(&me).channel().expect("a channel")
        } else {
            limited(&me, &rustls::version::TLS12)
        };
        let change = random.usize(..1500);
        let (mut passed, mut failed) = (0, false);
        let mut plain = Vec::new();
        for turn in 0..20 {
            let mut octets = Vec::new();
            let (from, to) = if turn % 2 == 0 { (&mut client, &mut server) } else { (&mut server, &mut client) };
            from.transmit(&mut octets);
            if (passed..passed + octets.len()).contains(&change) {
                octets[change - passed] ^= 1 << random.u8(..8);
            }
            passed += octets.len();
            failed |= to.receive(&mut octets, &mut plain).is_err();
        }
        if !failed && change < passed && !server.is_handshaking() && !client.is_handshaking() {
            succeeded += 1;
            let mut octets = Vec::new();
            client.send(&frame(300, 1), &mut octets).expect("TLS");
            server.receive(&mut octets, &mut plain).expect("it is as good as any");
            assert_eq!(plain, frame(300, 1), "round {round}, octet {change}");
        } else {
            assert!(plain.is_empty(), "round {round}, octet {change}");
        }
    }
    assert!(succeeded < 40, "{succeeded} of 400");
}

#[test]
fn nothing_is_said_before_the_end_of_the_handshake_nor_after_the_end() {
    let pki = Pki::new();
    let mut early = server(&pki.files("server", &[SERVER])).channel(None, false).expect("a channel");
    let mut out = Vec::new();
    early.send(&frame(300, 1), &mut out).expect("TLS");
    early.close();
    early.transmit(&mut out);
    assert!(out.is_empty());

    let (mut server, mut client) = pair(&pki);
    server.send(&frame(300, 2), &mut out).expect("TLS");
    server.close();
    server.transmit(&mut out);
    let mut plain = Vec::new();
    client.receive(&mut out, &mut plain).expect("TLS");
    assert!(client.is_closed_by_peer());
    assert_eq!(plain, frame(300, 2));
    client.receive(&mut b"whatever".to_owned(), &mut plain).expect("not looked at");
    server.receive(&mut b"whatever".to_owned(), &mut plain).expect("not looked at");
    assert_eq!(plain, frame(300, 2));
}

//= rfc7724-5.1-03
#[test]
fn a_message_longer_than_a_record_takes_several() {
    let pki = Pki::new();
    let (mut server, mut client) = pair(&pki);
    let frames = [frame(16_382, 1), frame(16_383, 2), frame(65_535, 3)].concat();
    let mut out = Vec::new();
    server.send(&frames, &mut out).expect("TLS");
    assert_eq!(split_records(&out).len(), 1 + 2 + 5);
    let mut plain = Vec::new();
    client.receive(&mut out, &mut plain).expect("TLS");
    assert_eq!(plain, frames);
}

/// A requestor's end with nothing but one version of TLS.
fn limited(files: &Files, version: &'static SupportedProtocolVersion) -> Channel {
    let certificate = files::certified_key(&files.certificate, &files.key).expect("files");
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(files::roots(&files.ca).expect("roots"))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certificate)));
    config.resumption = Resumption::disabled();
    Channel::client(Arc::new(config), ServerName::try_from(SERVER).expect("a name"), SERVER).expect("a channel")
}

//= rfc7525-3.1.1-01
//= rfc7525-4.1-02
//= rfc7525-4.2-01
//= rfc7724-8.1-08
//= rfc7653-tls-24
#[test]
fn both_versions_of_tls_work_with_ephemeral_keys() {
    let pki = Pki::new();
    let (files, me) = (pki.files("server", &[SERVER]), pki.files("me", &["me.example.net"]));
    for (version, described) in [
        (&rustls::version::TLS13, "TLS 1.3, TLS13_AES_128_GCM_SHA256"),
        (&rustls::version::TLS12, "TLS 1.2, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    ] {
        let mut server = server(&files).channel(None, false).expect("a channel");
        let mut client = limited(&me, version);
        carry(&mut server, &mut client).expect("TLS");
        assert_eq!((server.describe(), client.describe()), (described.to_owned(), described.to_owned()));
        let mut octets = Vec::new();
        client.send(&frame(300, 1), &mut octets).expect("TLS");
        let mut plain = Vec::new();
        server.receive(&mut octets, &mut plain).expect("TLS");
        assert_eq!(plain, frame(300, 1));
        assert_eq!(carry(&mut server, &mut client), Ok((Vec::new(), Vec::new())));
    }
}

//= rfc7525-3.1.1-02
//= rfc7724-9-01
//= rfc7525-4.1-01
//= rfc7653-tls-36
#[test]
fn nothing_weak_is_offered() {
    let suites: Vec<CipherSuite> = provider().cipher_suites.iter().map(SupportedCipherSuite::suite).collect();
    for suite in suites {
        let name = suite.as_str().expect("a name");
        assert!(name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_"), "{name}");
        assert!(name.contains("GCM") || name.contains("POLY1305"), "{name}");
    }
}

//= rfc7525-3.6-01
#[test]
fn the_server_is_told_its_name_if_it_is_one() {
    let pki = Pki::new();
    let me = pki.files("me", &["me.example.net"]);
    let hello = |name: &str| {
        let mut channel = Client { server_name: name.to_owned(), ..client(&me) }.channel().expect("a channel");
        let mut out = Vec::new();
        channel.transmit(&mut out);
        out
    };
    let has = |octets: &[u8], text: &[u8]| octets.windows(text.len()).any(|window| window == text);
    assert!(has(&hello(SERVER), SERVER.as_bytes()));
    assert!(!has(&hello("192.0.2.1"), b"192.0.2.1"));
    let wrong = Client { server_name: "not a name".to_owned(), ..client(&me) };
    assert!(matches!(wrong.channel(), Err(TlsError::Name(_))));
}

#[test]
fn names_are_compared_as_wholes_and_whatever_their_case() {
    let pki = Pki::new();
    let files = pki.files("me", &["bng-1.example.net", "*.example.org", "192.0.2.1", "2001:db8::1"]);
    let certified = files::certified_key(&files.certificate, &files.key).expect("files");
    let identity = Identity::new(&certified.cert[0], &[]);
    for (name, found) in [
        ("bng-1.example.net", true),
        ("BNG-1.Example.NET", true),
        ("bng-2.example.net", false),
        ("example.net", false),
        ("bng.example.org", false),
        ("*.example.org", true),
        ("192.0.2.1", true),
        ("192.0.2.2", false),
        ("2001:db8:0::1", true),
        ("", false),
    ] {
        assert_eq!(identity.has(name), found, "{name}");
    }
    assert!(identity.has_one_of(None));
    assert!(!identity.has_one_of(Some(&[])));
}

#[test]
fn files_that_are_no_good_are_named() {
    let pki = Pki::new();
    let (one, other) = (pki.files("one", &[SERVER]), pki.files("other", &[SERVER]));
    let load = |certificate: &std::path::Path, key: &std::path::Path, ca: &std::path::Path| {
        Server::load(certificate, key, ca, None).expect_err("no good").to_string()
    };
    std::fs::write(pki.path("empty"), "").expect("written");
    let text = load(&pki.path("none"), &one.key, &one.ca);
    assert!(text.contains("none cannot be read"), "{text}");
    let text = load(&pki.path("empty"), &one.key, &one.ca);
    assert!(text.contains("empty: there is no certificate in it"), "{text}");
    let text = load(&one.certificate, &one.certificate, &one.ca);
    assert!(text.contains("one.pem: there is no private key in it"), "{text}");
    let text = load(&one.certificate, &other.key, &one.ca);
    assert!(text.contains("other.key is not the key of the first certificate in"), "{text}");
    let text = load(&one.certificate, &one.key, &one.key);
    assert!(text.contains("one.key: there is no certificate in it"), "{text}");
}

#[test]
fn a_peer_that_speaks_no_tls_is_told_from_one_that_speaks_it_badly() {
    let pki = Pki::new();
    let mut server = server(&pki.files("server", &[SERVER])).channel(None, false).expect("a channel");
    let reason = server.receive(&mut b"GET / HTTP/1.0\r\n\r\n".to_owned(), &mut Vec::new()).expect_err("no TLS");
    assert!(reason.starts_with("the requestor does not speak TLS"), "{reason}");
}

#[test]
fn keys_are_not_shown_by_debug() {
    let pki = Pki::new();
    let (files, me) = (pki.files("server", &[SERVER]), pki.files("me", &["me.example.net"]));
    let (loaded, requestor) = (server(&files), client(&me));
    let (mut one, mut other) =
        (loaded.channel(None, false).expect("a channel"), requestor.channel().expect("a channel"));
    let before = format!("{loaded:?} {loaded:#?} {requestor:?} {one:?} {other:?}");
    carry(&mut one, &mut other).expect("TLS");
    let after = format!("{one:?} {other:?} {:?}", files::certified_key(&me.certificate, &me.key));
    let shown = [before, after].concat().replace(char::is_whitespace, "");
    for files in [&files, &me] {
        for part in files.secret().chunks_exact(6) {
            let decimal: Vec<String> = part.iter().map(ToString::to_string).collect();
            let hex: Vec<String> = part.iter().map(|octet| format!("{octet:02x}")).collect();
            assert!(!shown.contains(&decimal.join(",")) && !shown.contains(&hex.concat()), "{shown}");
        }
    }
}
