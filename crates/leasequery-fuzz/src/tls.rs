//! Octets on their way between the two ends of TLS, where somebody interferes.

use std::sync::LazyLock;

use leasequery_tls::{Channel, Client, Server};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::input::Input;

const NAME: &str = "localhost";

/// Runs one input: whether messages may share records, then who sends what, and what becomes of it.
///
/// Whatever is changed, left out, repeated or put in, each end is given what the other one said, from the beginning and
/// without a gap, or less of it. If nobody interferes it is given everything.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let directory = tempfile::tempdir().expect("room for files");
    let (server, client) = ends(directory.path(), input.bool());
    let mut ends = [End::new(server), End::new(client)];
    let mut honest = true;
    while !input.is_empty() {
        let choice = input.u8();
        let from = usize::from(choice & 1);
        match choice >> 1 & 7 {
            0..=2 => carry(&mut ends, from, usize::MAX, honest),
            3 => carry(&mut ends, from, input.u8().into(), honest),
            4 => {
                let way = &mut ends[from].way;
                if way.is_empty() {
                    continue;
                }
                honest = false;
                let place = input.below(way.len());
                match input.u8() {
                    0 => way.truncate(place),
                    1 => drop(way.drain(..place)),
                    2 => way.extend_from_within(place..),
                    change => way[place] ^= change,
                }
            }
            5 => {
                honest = false;
                let length = input.u8().into();
                ends[from].way.extend_from_slice(input.piece(length));
            }
            6 => ends[from].say(input.u16()),
            _ => ends[from].close(),
        }
    }
    if honest && !ends.iter().any(|end| end.closed) {
        for turn in 0..16 {
            carry(&mut ends, turn % 2, usize::MAX, honest);
        }
        let [server, client] = &ends;
        assert_eq!((server.said.len(), client.said.len()), (client.heard.len(), server.heard.len()));
    }
}

/// Inputs to begin with: a handshake, messages, the end; at once and in pieces; with something wrong in each flight.
pub fn seeds() -> Vec<Vec<u8>> {
    let (client, server) = (1, 0);
    let handshake = [client, server, client, server];
    // What is done, above the bit that says by whom.
    let [piece, interfere, inject, say, close] = [3, 4, 5, 6, 7].map(|choice| choice << 1);
    let talk =
        [say | client, 1, 44, say | server, 1, 44, say | server, 80, 0, client, server, close | client, close | server];
    let mut seeds = Vec::new();
    for record in [0, 1] {
        seeds.push([&[record][..], &handshake, &talk, &handshake].concat());
        let pieces: Vec<u8> = (0..40).flat_map(|turn| [piece | (turn & 1), 200]).collect();
        seeds.push([&[record][..], &pieces, &talk, &pieces].concat());
        for (flight, change) in (0..4).flat_map(|flight| [0, 1, 2, 1 << 5].map(|change| (flight, change))) {
            let (before, after) = handshake.split_at(flight);
            let interference = [interfere | after[0], 1, 0, change];
            seeds.push([&[record][..], before, &interference, after, &talk, &handshake].concat());
        }
        seeds.push([&[record, inject | server, 7, 22, 3, 1, 0, 2, 1, 0][..], &handshake].concat());
    }
    seeds
}

/// One end, with what it and others have put on the way to the other one.
struct End {
    channel: Channel,
    way: Vec<u8>,
    said: Vec<u8>,
    heard: Vec<u8>,
    closed: bool,
}

impl End {
    fn new(channel: Channel) -> Self {
        Self { channel, way: Vec::new(), said: Vec::new(), heard: Vec::new(), closed: false }
    }

    fn say(&mut self, length: u16) {
        let mut frame = length.to_be_bytes().to_vec();
        frame.resize(2 + usize::from(length), length.to_be_bytes()[1]);
        let before = self.way.len();
        self.channel.send(&frame, &mut self.way).expect("there is nothing wrong with it");
        if !self.channel.is_handshaking() && self.way.len() > before + frame.len() {
            self.said.extend_from_slice(&frame);
        }
    }

    fn close(&mut self) {
        self.closed = true;
        self.channel.close();
    }
}

/// Carries as many octets from one end to the other.
fn carry(ends: &mut [End; 2], from: usize, most: usize, honest: bool) {
    let [server, client] = ends;
    let (from, to) = if from == 0 { (server, client) } else { (client, server) };
    from.channel.transmit(&mut from.way);
    let mut octets: Vec<u8> = from.way.drain(..most.min(from.way.len())).collect();
    let taken = to.channel.receive(&mut octets, &mut to.heard);
    assert!(!honest || taken.is_ok(), "{taken:?}");
    assert!(from.said.starts_with(&to.heard), "it was not said");
}

/// A server and a requestor that trust each other.
fn ends(directory: &std::path::Path, shares_records: bool) -> (Channel, Channel) {
    static PEM: LazyLock<[String; 3]> = LazyLock::new(|| {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().expect("a key");
        let ca = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![NAME.to_owned()]).expect("a name");
        [ca, params.signed_by(&key, &issuer).expect("a certificate").pem(), key.serialize_pem()]
    });
    let [ca, certificate, key] = ["ca", "certificate", "key"].map(|file| directory.join(file));
    for (file, text) in [&ca, &certificate, &key].into_iter().zip(&*PEM) {
        std::fs::write(file, text).expect("room for a file");
    }
    let server = Server::load(&certificate, &key, &ca, None).expect("they are right");
    let client = Client { ca, certificate, key, server_name: NAME.to_owned() };
    (server.channel(None, shares_records).expect("a channel"), client.channel().expect("a channel"))
}
