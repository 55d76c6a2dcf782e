//! Active queries and what is read of their answers.

use leasequery_protocol::follower::Link;
use leasequery_wire::v4::{BOOT_REPLY, Header, MessageType, MessageWriter, OptionCode, StatusCode};

use crate::peer::*;

//= rfc7724-7.3-02
//= rfc7724-7.3-03
//= rfc7724-7.3-04
//= rfc7724-7.3-05
//= rfc7724-7.3-06
//= rfc7724-7.3-07
#[test]
fn an_active_query_has_a_list_and_no_selectors() {
    let mut scene = Scene::new();
    let active = scene.begin(&[]);
    assert_eq!(active.kind, MessageType(16));
    assert_eq!(active.octets[12..44], [0; 32], "no addresses, no chaddr");
    let message = leasequery_wire::v4::Message::parse(&active.octets).unwrap();
    assert_eq!(message.client_identifier(), None);
    assert!(message.relay_agent_information().unwrap().is_none());
    for code in [OptionCode::BASE_TIME, OptionCode::DHCP_STATE, OptionCode::START_TIME_OF_STATE, OptionCode(12)] {
        assert!(active.list.contains(&code.0), "{code:?} is asked for");
    }
    scene.wait(100);
    scene.close(Link::Active);
    assert_eq!(scene.next_connection(), Link::Active);
    assert_ne!(scene.accept(Link::Active).xid, active.xid);
}

//= rfc7724-5.2.2-02
//= rfc7724-5.2.2-03
#[test]
fn a_status_concerns_its_message_or_the_whole_response() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    // The server cannot tell of one binding; the response goes on.
    let mut out = Vec::new();
    let header = Header { ciaddr: address(2), ..Header::new(BOOT_REPLY, active.xid) };
    let mut writer = MessageWriter::frame(&mut out, &header, MessageType::LEASE_ACTIVE);
    writer.status(StatusCode::UNSPEC_FAIL, "broken");
    writer.finish().unwrap();
    scene.say(Link::Active, &out);
    scene.say(Link::Active, &lease(active.xid, 3, NOW));
    assert_eq!(scene.leased(), [1, 3]);
    // No status at all, and one that nobody knows, end nothing.
    scene.say(Link::Active, &status(active.xid, StatusCode(99), None));
    scene.say(Link::Active, &status(active.xid, StatusCode::SUCCESS, None));
    assert!(scene.follower.is_open(Link::Active));
    scene.say(Link::Active, &status(active.xid, StatusCode::UNSPEC_FAIL, None));
    assert!(!scene.follower.is_open(Link::Active));
}

#[test]
fn an_empty_message_is_a_keep_alive_in_the_manner_of_some_servers() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    scene.wait(100);
    let mut out = Vec::new();
    let mut writer = MessageWriter::frame(&mut out, &Header::new(BOOT_REPLY, active.xid), MessageType::LEASE_ACTIVE);
    writer.u32(OptionCode::BASE_TIME, NOW.plus(100).0);
    writer.finish().unwrap();
    scene.say(Link::Active, &out);
    scene.wait(100);
    assert!(scene.follower.is_open(Link::Active));
    assert_eq!(scene.resume(), Some(NOW.plus(100)));
}

#[test]
fn a_message_about_no_address_breaks_the_protocol() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    let mut out = Vec::new();
    let header = Header { htype: 1, chaddr: &[2, 0, 0, 0, 0, 1], ..Header::new(BOOT_REPLY, active.xid) };
    let writer = MessageWriter::frame(&mut out, &header, MessageType::LEASE_ACTIVE);
    writer.finish().unwrap();
    scene.say(Link::Active, &out);
    assert!(!scene.follower.is_open(Link::Active));
}

#[test]
fn a_final_message_ends_an_active_response_too() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    scene.say(Link::Active, &done(active.xid, Some(NOW.plus(4)), Some(StatusCode::QUERY_TERMINATED)));
    assert!(!scene.follower.is_open(Link::Active));
    assert_eq!(scene.resume(), Some(NOW.plus(4)));
}

#[test]
fn a_server_without_base_times_is_followed_all_the_same() {
    let mut scene = Scene::new();
    let bulk = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &binding(bulk.xid, MessageType::LEASE_ACTIVE, 1, None));
    scene.wait(10);
    scene.say(Link::Bulk, &done(bulk.xid, None, None));
    let active = scene.answer(Link::Active);
    assert_eq!(active.since, Some(NOW.minus(2)), "the clocks are taken to be equal, but for a little");
    scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, None));
    scene.say(Link::Active, &binding(active.xid, MessageType::LEASE_ACTIVE, 2, None));
    assert_eq!(scene.leased(), [1, 2]);
    assert_eq!(scene.resume(), Some(NOW.minus(2)), "nothing says how far it has come");
}
