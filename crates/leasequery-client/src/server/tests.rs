use leasequery_record::Protocol;

use super::Server;

fn parse(text: &str) -> Result<(String, u16), String> {
    text.parse::<Server>().map(|server| (server.host.clone(), server.port(Protocol::V4)))
}

//= rfc6926-6.3-03
//= rfc6926-6.3-04
//= rfc6926-6.3-05
#[test]
fn the_port_is_67_unless_said() {
    let is = |host: &str, port: u16| Ok((host.to_owned(), port));
    assert_eq!(parse("192.0.2.1"), is("192.0.2.1", 67));
    assert_eq!(parse("192.0.2.1:6767"), is("192.0.2.1", 6767));
    assert_eq!(parse("dhcp.example.net"), is("dhcp.example.net", 67));
    assert_eq!(parse("dhcp.example.net:1"), is("dhcp.example.net", 1));
    assert_eq!(parse("[2001:db8::1]"), is("2001:db8::1", 67));
    assert_eq!(parse("[2001:db8::1]:547"), is("2001:db8::1", 547));
    assert_eq!(parse("2001:db8::1"), is("2001:db8::1", 67), "without brackets there is no port");
}

#[test]
fn nonsense_is_refused() {
    for wrong in ["", ":67", "[]:67", "[::1", "[::1]67", "[::1]:", "host:", "host:x", "host:65536", "host:-1", "host:0"]
    {
        assert!(parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_port_without_brackets_is_told_how_it_is_written() {
    let error = parse("::1:44387").expect_err("no address");
    assert!(error.contains("'[::1]:44387'"), "{error}");
    assert!(parse("db8:1:2").expect_err("no address").contains("'[ADDRESS]:PORT'"));
    assert_eq!(parse("fe80::1%eth0"), Ok(("fe80::1%eth0".to_owned(), 67)), "a link-local address has a zone");
}

#[test]
fn the_protocol_follows_the_address_unless_it_is_said() {
    let resolve = |text: &str, v4, v6| {
        let server: Server = text.parse().expect("a server");
        let (protocol, addresses) = server.resolve(v4, v6).expect("an address");
        format!("{protocol} {}", addresses[0])
    };
    assert_eq!(resolve("[::1]", false, false), "v6 [::1]:547");
    assert_eq!(resolve("::1", true, false), "v4 [::1]:67");
    assert_eq!(resolve("127.0.0.1", false, false), "v4 127.0.0.1:67");
    assert_eq!(resolve("127.0.0.1:5547", false, true), "v6 127.0.0.1:5547");
    assert_eq!("::1".parse::<Server>().expect("a server").at(Protocol::V6), "[::1]:547");
}

#[test]
fn a_server_is_the_same_however_it_is_written() {
    let at = |text: &str| text.parse::<Server>().expect("a server").at(Protocol::V4);
    assert_eq!(at("DHCP.Example.net"), at("dhcp.example.net:67"));
    assert_eq!(at("[2001:DB8::0:1]:67"), at("2001:db8:0::1"));
    assert_ne!(at("192.0.2.1"), at("192.0.2.1:6767"));
}
