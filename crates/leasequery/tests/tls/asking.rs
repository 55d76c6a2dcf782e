//! What is asked and told inside of TLS.

use leasequery_testing::pki::Pki;

use crate::common::{Daemon, PUSH, Watch, leasequery, network, place, records};
use crate::{ME, SERVER, World, config, eventually_logged, lease, lease_v6, run, world};

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

//= rfc7724-7.2-12
//= rfc7653-tls-16
//= rfc7653-tls-17
#[test]
fn changes_are_told_inside_of_tls() {
    let world = world("", "");
    for (server, flag, record) in
        [(world.daemon.address().to_string(), "--v4", lease(5)), (world.v6(), "--v6", lease_v6())]
    {
        let options = world.me.options();
        let mut arguments: Vec<_> = options.iter().map(String::as_str).collect();
        arguments.push(flag);
        let watch = Watch::start(&server, &arguments);
        assert!(watch.until("catch-up-complete").contains(&"connected".to_owned()));
        world.daemon.push_all(std::slice::from_ref(&record));
        watch.expect(&[&format!("{} active", place(&record))]);
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
        let options = world.me.options();
        let mut arguments: Vec<_> = options.iter().map(String::as_str).collect();
        arguments.push(flag);
        let watch = Watch::start(&server, &arguments);
        let polling = std::iter::repeat_with(|| watch.record()).find(|line| line["event"] == "polling");
        assert!(polling.expect("a line")["reason"].to_string().contains("NotAllowed"), "{}", world.daemon.log());
    }
    assert!(world.daemon.is_running());
}
