//! What is told of a client (RFC 5007 section 4.4.2), and what is not.

use leasequery_protocol::server::Policy;
use leasequery_store::{Settings, Update};
use leasequery_wire::v6::MessageType;

use crate::support::*;

const DNS: [u8; 16] = [0x20; 16];
const NAME: &[u8] = b"\0\x04host\0";
const OPTIONS: [(u16, &[u8]); 3] = [(16, b"\0\0\x0d\xe9class"), (23, &DNS), (39, NAME)];

fn world() -> World {
    let mut world = World::new();
    world.commit(&Update { options: &OPTIONS, ..lease(key(1, 1), ALICE) });
    world
}

fn told(world: &World, query: &Query) -> Data {
    let mut told = world.told(query);
    assert_eq!(told.len(), 1);
    told.remove(0)
}

//= rfc5007-4.4.2-05
//= rfc3315-22.7-01
#[test]
fn options_that_are_asked_for_come_if_they_are_known_and_once() {
    let world = world();
    let data = told(&world, &Query::client(ALICE).about(&[39, 17, 23, 4711, 39, 1, 5, 46]));
    assert_eq!(data.codes(), [1, 5, 46, 23, 39], "in the order in which they are kept");
    assert_eq!((data.option(39), data.option(23)), (Some(NAME), Some(&DNS[..])));
    assert_eq!(told(&world, &Query::client(ALICE)).codes(), [1, 5, 46], "nothing was asked for");
}

//= rfc5007-4.1.2.1-10
#[test]
fn what_is_asked_for_of_the_message_says_nothing_about_the_client() {
    let mut world = world();
    let info = [&[0; 16][..], &[12, 0], &[0; 32]].concat();
    world.commit(&Update { options: &OPTIONS, relay_info: Some(&info), ..lease(key(1, 1), ALICE) });
    let outer = Query::client(ALICE).request(&[47, 23, 39]);
    assert_eq!(told(&world, &outer).codes(), [1, 5, 46]);
    assert_eq!(told(&world, &outer.about(&[39])).codes(), [1, 5, 46, 39]);
    for reply in world.ask(&Query::client(ALICE).request(&[23]).about(&[39])) {
        assert!(reply.codes().iter().all(|code| ![23, 39].contains(code)));
    }
}

#[test]
fn the_options_of_a_client_are_those_of_the_lease_that_was_heard_of_last_if_it_has_them() {
    let mut world = World::new();
    let with = |options| Update { options, ..lease(key(1, 1), ALICE) };
    world.commit(&with(&[(23, b"old"), (24, b"only here")]));
    let newer = Update { key: key(1, 2), last_transaction: Some(NOW.plus(1)), ..with(&[(23, b"new")]) };
    world.commit(&newer);
    let data = told(&world, &Query::client(ALICE).about(&[23, 24]));
    assert_eq!((data.option(23), data.option(24)), (Some(&b"new"[..]), Some(&b"only here"[..])));
}

//= rfc5007-4.4.2-07
//= rfc5007-5-03
#[test]
fn withheld_options_are_left_out_though_they_are_asked_for() {
    let world = world();
    let asked = Query::client(ALICE).about(&[16, 23, 39]);
    for (withhold, expected) in [(vec![], vec![1, 5, 46, 16, 23, 39]), (vec![16, 39], vec![1, 5, 46, 23])] {
        let policy = Policy { withhold, ..permitted() };
        assert_eq!(answer(&world.ask_as(&asked, policy))[0].codes(), expected);
    }
}

//= rfc5007-4.4.2-07
#[test]
fn a_change_of_what_is_withheld_holds_from_the_next_message_on() {
    let mut world = World::new();
    for number in 0..4 {
        world.commit(&Update { options: &OPTIONS, ..lease(key(1, number), &client(number)) });
    }
    let mut watch = Watch::new(world);
    watch.send(&Query::everything().about(&[16, 23]).frame());
    let mut codes = |withhold: &[u16]| {
        assert_eq!(watch.set_policy(Policy { withhold: withhold.to_vec(), ..permitted() }), []);
        watch.turn(1)[0].data().unwrap().codes()
    };
    assert_eq!(codes(&[]), [1, 5, 46, 16, 23]);
    assert_eq!(codes(&[16]), [1, 5, 46, 23]);
    assert_eq!(codes(&[16, 23]), [1, 5, 46]);
    assert_eq!(codes(&[23]), [1, 5, 46, 16]);
}

//= rfc7653-active-16
//= rfc5007-5-03
#[test]
fn each_requestor_has_its_own_list() {
    let mut watch = Watch::with(
        World::with(Settings::default()),
        Policy { withhold: vec![39], ..permitted() },
        leasequery_protocol::server::Limits::default(),
    );
    watch.ask(&Query::of_kind(MessageType::ACTIVE_LEASE_QUERY).request(&[16, 23, 39]));
    watch.world.commit(&Update { options: &OPTIONS, ..lease(key(1, 1), ALICE) });
    assert_eq!(watch.listen()[0].data().unwrap().codes(), [1, 5, 46, 16, 23], "actively");
    let bulk = Query::client(ALICE).about(&[16, 23, 39]);
    assert_eq!(told(&watch.world, &bulk).codes(), [1, 5, 46, 16, 23, 39], "another one in bulk");
    assert_eq!(watch.set_policy(Policy { withhold: vec![16], ..permitted() }), []);
    watch.world.commit(&Update { options: &OPTIONS, ..lease(key(1, 2), BOB) });
    assert_eq!(watch.listen()[0].data().unwrap().codes(), [1, 5, 46, 23, 39]);
}
