//! The examples of this crate against that of a server.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, RwLock};

#[path = "../examples/bulk.rs"]
mod bulk;
#[path = "../examples/follow.rs"]
mod follow;
#[path = "../../leasequery-protocol/examples/server.rs"]
mod server;

fn serving() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || server::serve(&listener, &Arc::new(RwLock::new(server::store()))));
    address
}

#[test]
fn the_bulk_requestor_prints_what_the_server_has() {
    let mut out = Vec::new();
    bulk::bulk(&serving().to_string(), &mut out).expect("it is answered");
    let text = String::from_utf8(out).expect("text");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains(r#""address":"10.0.0.10""#) && text.contains(r#""mac":"02:00:00:00:00:0a""#), "{text}");
}

#[tokio::test]
async fn the_follower_has_a_copy() {
    let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
    let server = serving().to_string();
    let follow = follow::copy(&server, move |line| drop(sender.send(line)));
    let listen = async {
        let mut lines = Vec::new();
        while let Some(line) = told.recv().await.filter(|line| line != "InitialComplete") {
            lines.push(line);
        }
        lines
    };
    tokio::select! {
        ended = follow => panic!("{ended:?}"),
        lines = listen => assert!(lines.iter().any(|line| line.starts_with("10.0.0.10 ")), "{lines:?}"),
    }
}
