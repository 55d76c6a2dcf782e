//! Which certificates are good enough.

use std::process::Command;

use leasequery_testing::pki::{Authority, Files, Pki};

use crate::common::{Daemon, Watch, eventually, leasequery, stderr};
use crate::{ME, SERVER, assert_fails, config, eventually_logged, run, tool, world};

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
    assert!(stderr(&again).contains("all of it is there already"), "{again:?}");

    // The authority is kept and makes further ones, which the server takes.
    let before = std::fs::read(file("ca.pem")).expect("it is there");
    let more =
        leasequery().arg("certificates").arg(directory.path().join("pki")).args(["--requestor", "other"]).output();
    let more = more.expect("the program runs");
    assert!(more.status.success(), "{more:?}");
    assert_eq!(std::fs::read(file("ca.pem")).expect("it is there"), before);
    let names = format!("certificate-names = [\"{ME}\", \"other\"]");
    let daemon = Daemon::start(&config(&files("server"), "", &names));
    for name in [ME, "other"] {
        let output = run("bulk", &daemon.address().to_string(), &files(name), &[]);
        assert!(output.status.success(), "{output:?}");
    }
    std::fs::remove_file(file("ca.key")).expect("removed");
    let keyless =
        leasequery().arg("certificates").arg(directory.path().join("pki")).args(["--requestor", "third"]).output();
    let keyless = keyless.expect("the program runs");
    assert!(keyless.status.code() == Some(2) && stderr(&keyless).contains("ca.key, is not beside it"), "{keyless:?}");
}

#[test]
fn files_of_two_authorities_are_told_apart() {
    let directory = tempfile::tempdir().expect("a directory");
    for name in ["one", "two"] {
        let made =
            leasequery().arg("certificates").arg(directory.path().join(name)).output().expect("the program runs");
        assert!(made.status.success(), "{made:?}");
    }
    let file = |pki: &str, name: &str| directory.path().join(pki).join(name);
    let files = |authority: &str, own: &str, name: &str| Files {
        ca: file(authority, "ca.pem"),
        certificate: file(own, &format!("{name}.pem")),
        key: file(own, &format!("{name}.key")),
    };
    let daemon = Daemon::start(&config(&files("one", "one", "server"), "", ""));
    let server = daemon.address().to_string();
    let unknown = run("bulk", &server, &files("two", "two", "requestor"), &[]);
    assert_fails(&unknown, "was issued by an authority that is not in the file of authorities");
    let unknown = run("bulk", &server, &files("one", "two", "requestor"), &[]);
    assert_fails(&unknown, "it does not know the authority that issued our certificate");
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
    eventually_logged(&world.daemon, "none of the certificate-names");

    // The same is asked of connections that are there, when it changes.
    let options = world.me.options();
    let arguments: Vec<_> = options.iter().map(String::as_str).collect();
    let watch = Watch::start(&world.daemon.address().to_string(), &arguments);
    watch.until("catch-up-complete");
    world.daemon.configure(&config(&world.server, "", "certificate-names = [\"bng-2.example.net\"]"));
    world.daemon.signal("HUP");
    let log = || world.daemon.log();
    eventually("the end of the connection", || log().contains("its certificate is no longer permitted"));
    drop(watch);
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

//= rfc7724-8.1-22 (requestor)
//= rfc7653-tls-34 (requestor)
#[test]
fn both_sides_have_to_show_certificates() {
    let world = world("", "");
    let ca = world.me.ca.to_str().expect("UTF-8");
    for command in ["bulk", "watch"] {
        for (server, flag) in [(world.daemon.address().to_string(), "--v4"), (world.v6(), "--v6")] {
            let mut asking = leasequery();
            let output = asking.args([command, &server, flag, "--tls", "--ca", ca]).output().expect("it runs");
            assert_eq!(output.status.code(), Some(2), "{output:?}");
        }
    }
}

//= rfc7724-8.1-09
//= rfc7653-tls-25
#[test]
fn requestors_that_share_an_address_are_told_apart_by_their_certificates() {
    let requestor = |name: &str, addresses: &str, allow: &str| {
        format!(
            "[[requestor]]\nname = \"{name}\"\naddresses = [\"{addresses}\"]\nallow = [{allow}]\n\
             certificate-names = [\"{name}.example.net\"]\n"
        )
    };
    let others = [
        requestor("bng-2", "127.0.0.1", "\"active\""),
        // The prefix is shorter, and its certificate is the only one that fits.
        requestor("bng-3", "127.0.0.0/8", "\"bulk\""),
    ];
    let world = world("", &format!("certificate-names = [\"{ME}\"]\n{}", others.concat()));
    assert!(world.bulk(&world.me, &[]).status.success(), "{}", world.daemon.log());
    let second = world.bulk(&world.pki.files("second", &["bng-2.example.net"]), &[]);
    assert_eq!(second.status.code(), Some(1), "it may not send bulk queries: {second:?}");
    let third = world.bulk(&world.pki.files("third", &["BNG-3.example.net"]), &[]);
    assert!(third.status.success(), "{third:?}");
    assert_fails(&world.bulk(&world.pki.files("fourth", &["bng-4.example.net"]), &[]), "no name that it permits");
}

#[test]
fn a_list_of_revoked_certificates_that_cannot_be_used_says_why() {
    let Some(_) = tool("openssl") else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let openssl = |arguments: &str| {
        let command = arguments.split(' ').collect::<Vec<_>>();
        let output =
            Command::new("openssl").args(command).current_dir(directory.path()).output().expect("openssl runs");
        assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    };
    let configure = |more: &str| {
        let text = format!(
            "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\ndefault_md = sha256\ndefault_crl_days = 30\n{more}\n\
             [delta]\n2.5.29.27 = critical,DER:020101\n"
        );
        std::fs::write(directory.path().join("ca.conf"), text).expect("written");
    };
    for name in ["index.txt", "ca.conf"] {
        std::fs::write(directory.path().join(name), "").expect("written");
    }
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ca -days 30 -keyout ca.key -out ca.pem",
    );
    let generate = "ca -config ca.conf -gencrl -keyfile ca.key -cert ca.pem -out list.pem";

    let pki = Pki::new();
    let server = pki.files("server", &[SERVER]);
    let file = directory.path().join("leasequery.toml");
    let crl = directory.path().join("list.pem");
    let check = || {
        let own = Files { ca: directory.path().join("ca.pem"), ..server.clone() };
        std::fs::write(&file, config(&own, &format!("crl = \"{}\"", crl.display()), "")).expect("written");
        leasequery().args(["serve", "--check", "--config"]).arg(&file).output().expect("the program runs")
    };
    let refused = |words: &str| {
        let output = check();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let text = stderr(&output);
        assert!(text.contains("leasequery.toml:6:7: ") && text.contains(words), "{words}: {text}");
        assert!(!text.contains("ParseError"), "{text}");
    };
    configure("");
    openssl(generate);
    refused("add crlnumber or crl_extensions");
    std::fs::write(directory.path().join("number"), "01\n").expect("written");
    configure("crlnumber = number\ncrl_extensions = delta");
    openssl(generate);
    refused("it is a delta list");
    std::fs::write(&crl, "-----BEGIN X509 CRL-----\nMAMCAQE=\n-----END X509 CRL-----\n").expect("written");
    refused("it is no list that RFC 5280 section 5 describes");

    configure("crlnumber = number");
    openssl(generate);
    assert!(check().status.success(), "{:?}", check());
    openssl("crl -in list.pem -outform DER -out list.der");
    std::fs::rename(directory.path().join("list.der"), &crl).expect("renamed");
    assert!(check().status.success(), "DER is taken as well: {:?}", check());
    openssl(&format!("{generate} -crl_lastupdate 20240101000000Z -crl_nextupdate 20240201000000Z"));
    let output = check();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("out of date since 2024-02-01T00:00:00Z"), "{text}");
}

/// What `serve --check` says of a configuration, and how it ends.
fn check(pki: &Pki, config: &str) -> (Option<i32>, String) {
    let file = pki.path("leasequery.toml");
    std::fs::write(&file, config).expect("written");
    let output = leasequery().args(["serve", "--check", "--config"]).arg(&file).output().expect("the program runs");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output))
}

/// A certificate for some days from now on.
fn for_days(pki: &Pki, file: &str, days: i64) -> Files {
    pki.signed(file, &[SERVER, "127.0.0.1"], &pki.authority, |params| {
        let end = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date() + jiff::Span::new().days(days);
        let part = |number: i8| u8::try_from(number).expect("positive");
        params.not_after = rcgen::date_time_ymd(end.year().into(), part(end.month()), part(end.day()));
    })
}

#[test]
fn a_certificate_that_nobody_takes_is_an_error_before_it_is_used() {
    let pki = Pki::new();
    let good = pki.files("good", &[SERVER, "127.0.0.1"]);
    let expired = pki.expired("expired", &[SERVER, "127.0.0.1"]);
    let later = pki.signed("later", &[SERVER], &pki.authority, |params| {
        params.not_before = rcgen::date_time_ymd(2090, 1, 1);
    });
    let purpose = |params: &mut rcgen::CertificateParams| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    };
    let client = pki.signed("client", &[SERVER], &pki.authority, purpose);
    for (files, why) in [
        (&expired, "expired.pem: the certificate ended at 2020-02-01T00:00:00Z"),
        (&later, "later.pem: the certificate is not valid before 2090-01-01T00:00:00Z"),
        (&client, "client.pem: the certificate is not for a server (extended key usage)"),
        (&pki.files("nameless", &[]), "nameless.pem: the certificate has no name"),
    ] {
        let (code, text) = check(&pki, &config(files, "", ""));
        assert!(code == Some(2) && text.contains(why), "{code:?} {text}");
        // So is the one with which another server is followed.
        if files.certificate.ends_with("client.pem") || files.certificate.ends_with("nameless.pem") {
            continue;
        }
        let Files { ca, certificate, key } = files;
        let source = format!(
            "[[source]]\ntype = \"leasequery\"\nprotocol = \"v4\"\nserver = \"192.0.2.1\"\n\
             tls = {{ ca = {ca:?}, certificate = {certificate:?}, key = {key:?} }}\n"
        );
        let (code, text) = check(&pki, &config(&good, "", &format!("\n{source}")));
        assert!(code == Some(2) && text.contains(why), "{code:?} {text}");
    }
    // This one will never be of use, while a clock may be wrong.
    let file = pki.path("leasequery.toml");
    std::fs::write(&file, config(&client, "", "")).expect("written");
    let output = leasequery().args(["serve", "--config"]).arg(&file).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");

    for (days, words) in [(40, ""), (20, "ends in 19 days"), (5, "ends in 4 days")] {
        let (code, text) = check(&pki, &config(&for_days(&pki, "soon", days), "", ""));
        assert_eq!(code, Some(0), "{text}");
        let found = text.lines().find(|line| line.starts_with("warning: ") && line.contains("soon.pem: "));
        assert!(found.map_or(words.is_empty(), |line| line.contains(words) && !words.is_empty()), "{days}: {text}");
    }
}

#[test]
fn a_reload_keeps_a_good_certificate_instead_of_one_that_has_ended() {
    let world = world("", "");
    world.pki.expired("server", &[SERVER, "127.0.0.1"]);
    world.daemon.signal("HUP");
    eventually_logged(&world.daemon, "the old configuration stays");
    eventually_logged(&world.daemon, "server.pem: the certificate ended at 2020-02-01T00:00:00Z");
    let output = world.bulk(&world.me, &[]);
    assert!(output.status.success(), "{output:?}");
    for_days(&world.pki, "server", 5);
    world.daemon.signal("HUP");
    eventually_logged(&world.daemon, "server.pem: the certificate ends in ");
    assert!(world.bulk(&world.me, &[]).status.success());
}

//= rfc7724-8.1-13 (server)
#[test]
fn a_connection_ends_when_its_certificate_is_revoked_or_nobody_vouches_for_it_any_more() {
    let pki = Pki::new();
    let server = pki.files("server", &[SERVER, "127.0.0.1"]);
    let serial = |serial: u64| move |params: &mut rcgen::CertificateParams| params.serial_number = Some(serial.into());
    let one = pki.signed("one", &[ME], &pki.authority, serial(1));
    let other = pki.signed("other", &[ME], &pki.authority, serial(2));
    let crl = pki.crl(4711);
    let daemon = Daemon::start(&config(&server, &format!("crl = {crl:?}"), ""));
    let watch = |files: &Files| {
        let options = files.options();
        let arguments: Vec<_> = options.iter().map(String::as_str).collect();
        let watch = Watch::start(&daemon.address().to_string(), &arguments);
        watch.until("catch-up-complete");
        watch
    };
    let (first, second) = (watch(&one), watch(&other));
    pki.crl(1);
    daemon.signal("HUP");
    first.until("disconnected");
    eventually_logged(&daemon, "the certificate of the requestor has been revoked");
    // The other one goes on, with what is new.
    daemon.push_all(&[crate::lease(7)]);
    second.expect(&["10.0.0.7 active"]);
    std::fs::write(pki.path("ca.pem"), Authority::new("another").pem).expect("written");
    daemon.configure(&config(&server, "", ""));
    daemon.signal("HUP");
    second.until("disconnected");
}
