//! Kinds of keys, and certificates that do not come straight from the authority.

use std::fs;

use leasequery_testing::pki::{Authority, Files, Pki};

use crate::common::{Daemon, eventually, stderr};
use crate::foreign_requestor::ask;
use crate::{ME, SERVER, World, assert_fails, config, eventually_logged, run, tool};

/// With certificates as they are given.
pub(crate) fn world(pki: Pki, server: Files, me: Files) -> World {
    let daemon = Daemon::start(&config(&server, "", &format!("certificate-names = [\"{ME}\"]")));
    World { pki, server, me, daemon }
}

/// That a bulk query works, with the files as they are now.
fn works(world: &World, files: &Files) {
    let output = world.bulk(files, &["--server-name", SERVER]);
    assert!(output.status.success(), "{output:?}\n{}", world.daemon.log());
}

#[test]
fn rsa_keys_are_good_at_both_ends() {
    let pki = Pki::new();
    let (server, me) = (pki.rsa("server", &[SERVER, "127.0.0.1"]), pki.rsa("me", &[ME]));
    let world = world(pki, server, me);
    works(&world, &world.me);
    works(&world, &world.pki.files("elliptic", &[ME]));
}

/// Two authorities below the one that is believed, and a certificate from the lower one.
struct Chain {
    middle: Authority,
    low: Authority,
}

impl Chain {
    fn new(pki: &Pki, name: &str) -> Self {
        let middle = pki.authority.below(&format!("{name}, middle"));
        Self { low: middle.below(&format!("{name}, low")), middle }
    }

    fn files(&self, pki: &Pki, name: &str, names: &[&str], more: &[&str]) -> Files {
        let files = pki.signed(name, names, &self.low, |_| ());
        files.add(more);
        files
    }
}

#[test]
fn authorities_in_between_are_followed_in_any_order() {
    let pki = Pki::new();
    let (ours, theirs) = (Chain::new(&pki, "ours"), Chain::new(&pki, "theirs"));
    let server = theirs.files(&pki, "server", &[SERVER], &[&theirs.low.pem, &theirs.middle.pem]);
    let me = ours.files(&pki, "me", &[ME], &[&ours.low.pem, &ours.middle.pem]);
    let mut world = world(pki, server, me);
    works(&world, &world.me);

    // The wrong way round, with the root and somebody else's among them.
    let stranger = Authority::new("stranger");
    let jumble =
        |chain: &Chain, root: &str| [&stranger.pem, &chain.middle.pem, root, &chain.low.pem].map(str::to_owned);
    let root = world.pki.authority.pem.clone();
    let me = ours.files(&world.pki, "jumble", &[ME], &jumble(&ours, &root).each_ref().map(String::as_str));
    works(&world, &me);
    let more = jumble(&theirs, &root);
    theirs.files(&world.pki, "server", &[SERVER], &more.each_ref().map(String::as_str));
    world.daemon.signal("HUP");
    eventually_logged(&world.daemon, "certificates and networks taken");
    works(&world, &world.me);

    // Without those in between nobody can tell.
    let bare = ours.files(&world.pki, "bare", &[ME], &[]);
    let output = world.bulk(&bare, &["--server-name", SERVER]);
    assert_fails(&output, "it does not know the authority that issued our certificate");
    theirs.files(&world.pki, "server", &[SERVER], &[]);
    world.daemon.signal("HUP");
    let me = world.me.clone();
    eventually("the new file", || !world.bulk(&me, &["--server-name", SERVER]).status.success());
    let output = world.bulk(&world.me, &["--server-name", SERVER]);
    assert_fails(&output, "the certificate of the server was issued by an authority that is not in the file");

    // The own one comes first.
    let files = world.pki.files("turned", &[ME]);
    let own = fs::read_to_string(&files.certificate).expect("it is there");
    fs::write(&files.certificate, [root, own].concat()).expect("written");
    let output = world.bulk(&files, &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("turned.key is not the key of the first certificate in"), "{output:?}");
    assert!(world.daemon.is_running());
}

#[test]
fn a_chain_without_end_is_refused_and_harms_nobody() {
    let pki = Pki::new();
    let (server, me) = (pki.files("server", &[SERVER, "127.0.0.1"]), pki.files("me", &[ME]));
    let mut links = vec![pki.authority.below("link 0")];
    for number in 1..7 {
        let next = links[links.len() - 1].below(&format!("link {number}"));
        links.push(next);
    }
    let chained = |links: &[Authority]| links.iter().rev().map(|link| link.pem.clone()).collect::<String>();
    let most = pki.signed("most", &[ME], &links[5], |_| ());
    most.add(&[&chained(&links[..6])]);
    let long = pki.signed("long", &[ME], &links[links.len() - 1], |_| ());
    long.add(&[&chained(&links)]);
    // All of one name, so that each may have signed each.
    let same: Vec<_> = (0..90).map(|_| Authority::new("the same").pem).collect();
    let maze = pki.signed("maze", &[ME], &Authority::new("the same"), |_| ());
    maze.add(&same.iter().map(String::as_str).collect::<Vec<_>>());
    let huge = pki.files("huge", &[ME]);
    huge.add(&vec![pki.authority.pem.as_str(); 1000]);
    let mut world = world(pki, server, me);
    let port = world.daemon.address().port();
    for (files, words) in [
        (&long, "7 other certificates came with it, more than 6"),
        (&maze, "90 other certificates came with it, more than 6"),
        (&huge, "HandshakePayloadTooLarge"),
    ] {
        for version in ["TLSv1_3", "TLSv1_2"] {
            let before = world.daemon.log().matches(words).count();
            let Some(seen) = ask(port, &files.ca, Some(files), version) else { return };
            assert!(seen["error"].is_string(), "{seen}");
            eventually(words, || world.daemon.log().matches(words).count() > before);
        }
    }
    works(&world, &world.me);
    works(&world, &most);
    assert!(world.daemon.is_running());
    // It would not do that itself.
    let output = world.bulk(&huge, &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("huge.pem: 1001 certificates are in it, and at most 6"), "{output:?}");
}

#[test]
fn keys_are_read_in_each_form_of_pem() {
    let pki = Pki::new();
    let (server, me) = (pki.files("server", &[SERVER]), pki.rsa("me", &[ME]));
    let world = world(pki, server, me);
    let elliptic = world.pki.files("elliptic", &[ME]);
    let cases = [
        (&world.me, ["rsa", "-traditional"].as_slice(), "-----BEGIN RSA PRIVATE KEY-----"),
        (&elliptic, &["ec"], "-----BEGIN EC PRIVATE KEY-----"),
        (&elliptic, &["pkcs8", "-topk8", "-nocrypt"], "-----BEGIN PRIVATE KEY-----"),
    ];
    for (files, arguments, form) in cases {
        let Some(mut openssl) = tool("openssl") else { return };
        let key = world.pki.path("converted.key");
        let output =
            openssl.args(arguments).arg("-in").arg(&files.key).arg("-out").arg(&key).output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
        assert!(fs::read_to_string(&key).expect("it is there").starts_with(form));
        works(&world, &Files { key, ..files.clone() });
    }

    let Some(mut openssl) = tool("openssl") else { return };
    let key = world.pki.path("encrypted.key");
    openssl.args(["pkcs8", "-topk8", "-passout", "pass:secret", "-in"]).arg(&elliptic.key).arg("-out").arg(&key);
    assert!(openssl.output().expect("it runs").status.success());
    let output = run("bulk", "127.0.0.1", &Files { key, ..elliptic }, &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("the private key in it is encrypted"), "{output:?}");
}
