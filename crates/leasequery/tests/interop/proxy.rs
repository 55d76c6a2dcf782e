//! A network that cuts: a relay of TCP connections whose connections can be broken at any octet.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Relays connections to a server that may move.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    target: Arc<Mutex<String>>,
    live: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    pub(crate) fn start(local: IpAddr, target: &str) -> Self {
        let listener = TcpListener::bind((local, 0)).expect("a port");
        let proxy = Self {
            address: listener.local_addr().expect("its address"),
            target: Arc::new(Mutex::new(target.to_owned())),
            live: Arc::default(),
        };
        let (target, live) = (Arc::clone(&proxy.target), Arc::clone(&proxy.live));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let target = target.lock().expect("not poisoned").clone();
                let Ok(server) = TcpStream::connect(target) else { continue };
                let mut live = live.lock().expect("not poisoned");
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().expect("cloned"), to.try_clone().expect("cloned"));
                    live.push(from.try_clone().expect("cloned"));
                    std::thread::spawn(move || carry(from, to));
                }
            }
        });
        proxy
    }

    /// From now on connections go there.
    pub(crate) fn lead_to(&self, target: &str) {
        target.clone_into(&mut self.target.lock().expect("not poisoned"));
    }

    /// Breaks all connections, wherever they are in their messages.
    pub(crate) fn cut(&self) {
        for stream in self.live.lock().expect("not poisoned").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Carries octets in small pieces, so that a cut comes within messages.
fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut piece = [0; 1000];
    while let Ok(length) = from.read(&mut piece)
        && length > 0
    {
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    let _ = to.shutdown(Shutdown::Both);
}
