//! That private keys stay where they are.

use std::fs;
use std::sync::Arc;

use leasequery_testing::pki::{Files, Pki};

use crate::common::{Daemon, PUSH, eventually, leasequery, network, stderr};
use crate::{ME, SERVER, World, config, eventually_logged, lease, run};

/// Pieces of a private key in each form in which it could be printed.
fn pieces(files: &Files) -> Vec<String> {
    let pem = fs::read_to_string(&files.key).expect("it is there");
    let mut pieces: Vec<String> = pem
        .lines()
        .filter(|line| !line.starts_with('-'))
        .flat_map(|line| line.as_bytes().chunks(12).map(|part| String::from_utf8_lossy(part).into_owned()))
        .filter(|part| part.len() == 12)
        .collect();
    for part in files.secret().chunks_exact(6) {
        let joined =
            |separator: &str, form: fn(&u8) -> String| part.iter().map(form).collect::<Vec<_>>().join(separator);
        pieces.push(joined(", ", u8::to_string));
        pieces.push(joined("", |octet| format!("{octet:02x}")));
        pieces.push(joined("", |octet| format!("{octet:02X}")));
        pieces.push(joined(":", |octet| format!("{octet:02x}")));
        pieces.push(joined("\\x", |octet| format!("{octet:02x}")));
    }
    assert!(pieces.len() > 30);
    pieces
}

fn traced(config: &str) -> Daemon {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    fs::write(directory.path().join("leasequery.toml"), config).expect("written");
    let mut program = leasequery();
    program.env("LEASEQUERY_LOG", "trace").env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
    Daemon::start_in(directory, program)
}

#[test]
fn no_log_has_a_private_key_in_it() {
    let pki = Pki::new();
    let (server, me) = (pki.files("server", &[SERVER, "127.0.0.1"]), pki.files("me", &[ME]));
    let daemon = traced(&config(&server, "", ""));
    let world = World { pki, server, me, daemon };
    let secrets = [pieces(&world.server), pieces(&world.me)].concat();
    world.daemon.push_all(&[lease(5)]);
    let (ca, certificate, key) = (world.me.ca.display(), world.me.certificate.display(), world.me.key.display());
    let mirror = format!(
        "{}\n[[source]]\ntype = \"leasequery\"\nprotocol = \"v4\"\nserver = \"{}\"\ntls = {{ ca = \"{ca}\", certificate = \
         \"{certificate}\", key = \"{key}\" }}\n",
        config(&world.server, "", "").replace(PUSH, "").replace(&network("10.0.0.1-10.0.0.9"), ""),
        world.daemon.address()
    );
    let mirror = traced(&mirror);
    let mut said = String::new();
    let mut ask = |files: &Files| {
        let mut command = leasequery();
        command.args(["bulk", &mirror.address().to_string()]).args(files.options());
        let output = command.env("LEASEQUERY_LOG", "trace").env("RUST_LOG", "trace").output().expect("it runs");
        said.push_str(&stderr(&output));
        output.status.code()
    };
    assert_eq!(ask(&world.me), Some(0), "{}", mirror.log());

    // What is wrong with a key must not be told with the key.
    let whole = fs::read_to_string(&world.server.key).expect("it is there");
    let lines: Vec<&str> = whole.lines().collect();
    let damaged = [
        // Cut off, a letter that is none, no beginning, nothing but the inside, not the key of the certificate.
        lines[..2].join("\n"),
        whole.replace(lines[1], &format!("{}!", lines[1])),
        whole.replace(lines[0], "-----BEGIN PRIVATE KEY"),
        lines[1..].join("\n"),
        whole.replace(lines[1], &lines[1].to_lowercase()),
        lines[1].to_owned(),
    ];
    for text in damaged {
        let bad = Files { key: world.pki.path("damaged.key"), ..world.server.clone() };
        fs::write(&bad.key, &text).expect("written");
        assert_eq!(ask(&bad), Some(2), "{text}");
        let before = world.daemon.log().matches("the old configuration stays").count();
        world.daemon.configure(&config(&bad, "", ""));
        world.daemon.signal("HUP");
        eventually("a word", || world.daemon.log().matches("the old configuration stays").count() > before);
    }
    eventually_logged(&mirror, "answered");
    let output = run("bulk", &world.daemon.address().to_string(), &world.me, &[]);
    assert!(output.status.success(), "{output:?}");
    for (whose, text) in [("the server", world.daemon.log()), ("the mirror", mirror.log()), ("the requestor", said)] {
        assert!(text.len() > 200, "{whose}: {text}");
        for secret in &secrets {
            assert!(!text.contains(secret), "{whose}: {secret} in {text}");
        }
    }
}
