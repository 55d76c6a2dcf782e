//! The examples of this crate, asked by hand.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use leasequery_wire::v4::{BOOT_REQUEST, Header, Message, MessageType, MessageWriter};

#[path = "../examples/datagrams.rs"]
mod datagrams;

use datagrams::server;

/// So that a test that waits in vain ends.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn a_server_of_ones_own_answers_a_bulk_query() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || server::serve(&listener, &Arc::new(RwLock::new(server::store()))));
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut query = Vec::new();
    let writer = MessageWriter::frame(&mut query, &Header::new(BOOT_REQUEST, 7), MessageType::BULK_LEASE_QUERY);
    writer.finish().expect("a short message");
    stream.write_all(&query).expect("it reads");
    let mut kinds = Vec::new();
    while kinds.last() != Some(&MessageType::LEASE_QUERY_DONE) {
        let mut length = [0; 2];
        stream.read_exact(&mut length).expect("a message");
        let mut message = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut message).expect("all of it");
        kinds.push(Message::parse(&message).expect("a message").message_type());
    }
    assert_eq!(kinds, [MessageType::LEASE_ACTIVE, MessageType::LEASE_QUERY_DONE]);
}

#[test]
fn a_socket_of_ones_own_answers_a_single_query() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    std::thread::spawn(move || datagrams::serve(&socket, &server::store()));
    let requestor = UdpSocket::bind("127.0.0.1:0").expect("a port");
    requestor.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut query = Vec::new();
    let mut header = Header::new(BOOT_REQUEST, 7);
    header.giaddr = Ipv4Addr::LOCALHOST;
    header.ciaddr = Ipv4Addr::new(10, 0, 0, 10);
    let writer = MessageWriter::datagram(&mut query, &header, MessageType::LEASE_QUERY);
    writer.finish().expect("a short message");
    requestor.send_to(&query, address).expect("it is sent");
    let mut answer = [0; 1500];
    let (length, _) = requestor.recv_from(&mut answer).expect("an answer");
    let answer = Message::parse(&answer[..length]).expect("a message");
    assert_eq!((answer.message_type(), answer.ciaddr()), (MessageType::LEASE_ACTIVE, Ipv4Addr::new(10, 0, 0, 10)));
}
