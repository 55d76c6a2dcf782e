//! What can be done wrong inside of TLS, and before it.

#![allow(unreachable_pub, reason = "everything is of one program")]

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use leasequery_testing::pki::{Files, Pki};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::common::query_all;
use crate::peers::{Counted, Deed, receive, take};

/// Certificates between a requestor's and nobody's authority: as many as fit what TLS may send.
const CHAIN: usize = 120;

/// Who they say they are.
pub struct Certificates {
    good: Arc<ClientConfig>,
    none: Arc<ClientConfig>,
    absurd: Arc<ClientConfig>,
}

impl Certificates {
    pub fn new(pki: &Pki) -> Self {
        let files = pki.files("bad", &["bad.example.net"]);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&files.ca).expect("a certificate")).expect("an authority");
        let config = || {
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_root_certificates(roots.clone())
        };
        let (certificate, key) = read(&files);
        // None of those between is a good one, and each has to be looked at.
        let others = (0..CHAIN).map(|number| {
            let name = format!("between-{number}.example.net");
            read(&pki.signed("between", &[&name], &pki.authority, |params| {
                params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            }))
            .0
        });
        let stranger =
            pki.signed("stranger", &["bad.example.net"], &leasequery_testing::pki::Authority::new("stranger"), |_| ());
        let (first, other_key) = read(&stranger);
        let absurd = std::iter::once(first).chain(others).collect();
        let authenticated = |chain, key| Arc::new(config().with_client_auth_cert(chain, key).expect("its key"));
        Self {
            good: authenticated(vec![certificate], key),
            none: Arc::new(config().with_no_client_auth()),
            absurd: authenticated(absurd, other_key),
        }
    }
}

fn read(files: &Files) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let certificate = CertificateDer::from_pem_file(&files.certificate).expect("a certificate");
    (certificate, PrivateKeyDer::from_pem_file(&files.key).expect("a key"))
}

fn client(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    ClientConnection::new(Arc::clone(config), name).expect("a client")
}

/// Sends what there is to be sent.
fn send(stream: &mut TcpStream, tls: &mut ClientConnection) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(stream)?;
    }
    Ok(())
}

/// A connection whose handshake is over.
fn secure<'a>(deed: &Deed<'a>, config: &Arc<ClientConfig>) -> io::Result<(Counted<'a>, ClientConnection)> {
    let mut peer = deed.ask_for_tls()?;
    let mut tls = client(config);
    while tls.is_handshaking() || tls.wants_write() {
        send(&mut peer.stream, &mut tls)?;
        if tls.is_handshaking() {
            receive(&mut peer.stream, &mut tls)?;
        }
    }
    Ok((peer, tls))
}

/// The first flight of a handshake.
fn hello(deed: &Deed<'_>) -> Vec<u8> {
    let mut octets = Vec::new();
    let _ = client(&deed.certificates().good).write_tls(&mut octets);
    octets
}

/// Again and again.
pub fn handshakes(deed: &Deed<'_>) -> io::Result<()> {
    secure(deed, &deed.certificates().good)?;
    deed.count();
    Ok(())
}

/// Says hello, and nothing else.
pub fn stops(deed: &Deed<'_>) -> io::Result<()> {
    let mut peer = deed.ask_for_tls()?;
    peer.stream.write_all(&hello(deed))?;
    deed.count();
    while deed.goes_on() {
        take_or_wait(&mut peer.stream)?;
    }
    Ok(())
}

/// Says hello octet by octet.
pub fn drip(deed: &Deed<'_>) -> io::Result<()> {
    let mut peer = deed.ask_for_tls()?;
    for octet in hello(deed) {
        if deed.goes_on() {
            peer.stream.write_all(&[octet])?;
            deed.count();
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// A handshake message of sixteen million octets.
pub fn giant(deed: &Deed<'_>) -> io::Result<()> {
    let mut peer = deed.ask_for_tls()?;
    let mut record = vec![22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff];
    record.resize(5 + 0x4000, 0);
    while deed.goes_on() {
        peer.stream.write_all(&record)?;
        deed.count();
        record.truncate(5);
        record.resize(5 + 0x4000, 0);
    }
    Ok(())
}

/// Many certificates, none of which leads anywhere.
pub fn chain(deed: &Deed<'_>) -> io::Result<()> {
    deed.count();
    let (mut peer, mut tls) = secure(deed, &deed.certificates().absurd)?;
    while deed.goes_on() {
        receive(&mut peer.stream, &mut tls)?;
    }
    Ok(())
}

/// No certificate at all.
pub fn anonymous(deed: &Deed<'_>) -> io::Result<()> {
    deed.count();
    let (mut peer, mut tls) = secure(deed, &deed.certificates().none)?;
    while deed.goes_on() {
        receive(&mut peer.stream, &mut tls)?;
    }
    Ok(())
}

/// Demands new keys and has nothing to say.
pub fn new_keys(deed: &Deed<'_>) -> io::Result<()> {
    let (mut peer, mut tls) = secure(deed, &deed.certificates().good)?;
    while deed.goes_on() {
        tls.refresh_traffic_keys().map_err(io::Error::other)?;
        send(&mut peer.stream, &mut tls)?;
        deed.count();
    }
    Ok(())
}

/// Sends a query in records of one octet each.
pub fn crumbs(deed: &Deed<'_>) -> io::Result<()> {
    let (mut peer, mut tls) = secure(deed, &deed.certificates().good)?;
    for octet in query_all(1) {
        if deed.goes_on() {
            tls.writer().write_all(&[octet])?;
            send(&mut peer.stream, &mut tls)?;
            deed.count();
        }
    }
    take(&mut peer.stream, &mut [0; 1000])
}

/// Asks for everything, and takes it.
pub fn greedy(deed: &Deed<'_>) -> io::Result<()> {
    let (mut peer, mut tls) = secure(deed, &deed.certificates().good)?;
    for xid in 1..=4 {
        tls.writer().write_all(&query_all(xid))?;
    }
    send(&mut peer.stream, &mut tls)?;
    // What is inside of it does not matter.
    let mut piece = vec![0; 64 * 1024];
    while deed.goes_on() {
        take(&mut peer.stream, &mut piece)?;
        deed.count();
    }
    Ok(())
}

/// Reads until the peer closes, or for a while.
fn take_or_wait(stream: &mut TcpStream) -> io::Result<()> {
    match stream.read(&mut [0; 4096]) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}
