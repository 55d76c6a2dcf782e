use super::Server;

fn parse(text: &str) -> Result<(String, u16), String> {
    text.parse::<Server>().map(|server| (server.host, server.port))
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
fn an_ipv6_address_means_dhcpv6_unless_v4_is_asked_for() {
    let server: Server = "[::1]:67".parse().expect("a server");
    assert!(server.resolve(false, false).is_err());
    assert_eq!(server.resolve(true, false).map(|found| found[0].to_string()).ok(), Some("[::1]:67".to_owned()));
    assert!(server.resolve(false, true).is_err());
    let server: Server = "127.0.0.1".parse().expect("a server");
    assert_eq!(server.resolve(false, false).map(|found| found[0].to_string()).ok(), Some("127.0.0.1:67".to_owned()));
    assert!(server.resolve(false, true).is_err());
}
