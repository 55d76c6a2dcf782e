//! A bulk response while the store changes under it: what is there all the time is told of, and as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use leasequery_store::{Link, Settings, State, Update, V6Key};
use leasequery_wire::v6::{MessageType, QueryType, StatusCode};
use proptest::prelude::*;

use crate::support::*;

/// A change between two turns.
#[derive(Debug, Clone)]
enum Change {
    /// A client gets or renews a lease, on the link it is on anyway or another one.
    Lease {
        key: u8,
        client: u8,
        named: Option<u8>,
        relay: bool,
    },
    Release(u8),
    /// The lease goes to somebody else without a word about its end.
    Takeover(u8, u8),
    Later(u32),
    /// The links are configured otherwise.
    Links(bool),
}

/// Keys on two links and, delegated, from elsewhere; some of them inside of others.
fn some_key(number: u8) -> V6Key {
    let host = u16::from(number / 4);
    match number % 4 {
        0 => key(1, host),
        1 => key(2, host),
        2 => delegated(host),
        _ => V6Key::new(Ipv6Addr::from_bits(delegated(host).address().to_bits() + 1)),
    }
}

fn change() -> impl Strategy<Value = Change> {
    let named = prop::option::weighted(0.3, 1_u8..3);
    prop_oneof![
        6 => (0_u8..32, 0_u8..4, named, any::<bool>())
            .prop_map(|(key, client, named, relay)| Change::Lease { key, client, named, relay }),
        4 => (0_u8..32).prop_map(Change::Release),
        2 => (0_u8..32, 0_u8..4).prop_map(|(key, client)| Change::Takeover(key, client)),
        1 => (0_u32..10).prop_map(Change::Later),
    ]
}

fn links(other: bool) -> Vec<Link> {
    let network = |number| (address(number, 0), 64);
    let second = if other { vec![network(3)] } else { vec![network(2), (delegated(2).address(), 56)] };
    vec![Link { address: address(1, 0), networks: vec![network(1)] }, Link { address: address(2, 0), networks: second }]
}

fn apply(world: &mut World, change: &Change) {
    let now = world.store.now();
    match *change {
        Change::Lease { key, client: number, named, relay } => world.commit(&Update {
            link: named.map(|link| address(link.into(), 0)),
            relay_id: relay.then_some(b"\0\x01r"),
            last_transaction: Some(now),
            expires: Some(now.plus(if relay { 5 } else { 3600 })),
            ..lease(some_key(key), &client(number.into()))
        }),
        Change::Release(key) => world.release(some_key(key)),
        Change::Takeover(key, number) => {
            if let Some(binding) = world.store.lookup(some_key(key))
                && binding.state() == State::Active
            {
                world.commit(&lease(some_key(key), &client(number.into())));
            }
        }
        Change::Later(seconds) => {
            world.store.advance(now.plus(seconds));
        }
        Change::Links(other) => world.store.set_links(None, links(other)),
    }
}

/// What is there at one time that a query is about: each lease, and its client.
fn there(world: &World, query: &Query) -> BTreeMap<V6Key, Vec<u8>> {
    let replies = world.ask(query);
    if replies[0].status() == Some(StatusCode::NOT_CONFIGURED) {
        // The last lease of the link is gone, and there is no other word of it.
        return BTreeMap::new();
    }
    answer(&replies).iter().flat_map(|data| data.keys().map(|key| (key, data.client.clone()))).collect()
}

/// That without what is told only because its client has something that the query is about: what that is may change while
/// the client has it all the time.
fn meant(world: &World, query: &Query) -> BTreeMap<V6Key, Vec<u8>> {
    let mut there = there(world, query);
    if query.selector.is_some_and(|(query_type, _)| query_type == QueryType::BY_RELAY_ID) {
        there.retain(|key, _| world.store.lookup(*key).is_some_and(|binding| binding.relay_id().is_some()));
    }
    there
}

/// Asks while changes happen between the turns.
fn ask_while(world: World, query: &Query, room: usize, between: &[Vec<Change>]) -> Result<(), TestCaseError> {
    let all = Query::everything();
    let mut always = meant(&world, query);
    let mut watch = Watch::new(world);
    watch.send(&query.frame());
    let mut told = BTreeSet::new();
    let mut kinds = Vec::new();
    let mut turns = between.iter();
    loop {
        for reply in watch.turn(room) {
            kinds.push(reply.kind());
            let Some(data) = reply.data() else { continue };
            // Whatever is told is so now.
            let now = there(&watch.world, &all);
            let mut of_message = BTreeSet::new();
            for lease in &data.leases {
                prop_assert_eq!(now.get(&lease.key), Some(&data.client), "{} is told as it is", lease.key);
                prop_assert!(of_message.insert(lease.key), "{} stands twice in a message", lease.key);
                told.insert((lease.key, data.client.clone()));
            }
            let places: BTreeSet<_> = data
                .keys()
                .map(|key| {
                    let binding = watch.world.store.lookup(key).unwrap();
                    watch.world.store.link_of(&binding)
                })
                .collect();
            prop_assert_eq!(places.len(), 1, "one client on one link");
        }
        if watch.turn != leasequery_protocol::server::Turn::More {
            break;
        }
        for change in turns.next().into_iter().flatten() {
            apply(&mut watch.world, change);
            let now = meant(&watch.world, query);
            always.retain(|key, client| now.get(key) == Some(client));
        }
    }
    let done = kinds.iter().filter(|kind| **kind == MessageType::LEASE_QUERY_DONE).count();
    prop_assert_eq!(kinds.iter().filter(|kind| **kind == MessageType::LEASE_QUERY_REPLY).count(), 1);
    prop_assert_eq!(kinds.first(), Some(&MessageType::LEASE_QUERY_REPLY));
    prop_assert_eq!(done, usize::from(!told.is_empty()));
    for lease in always {
        prop_assert!(told.contains(&lease), "{} was there all the time and is not told of", lease.0);
    }
    Ok(())
}

fn query() -> impl Strategy<Value = Query> {
    let link = prop::option::weighted(0.4, 1_u16..3);
    let query = prop_oneof![
        2 => Just(Query::everything()),
        2 => (0_u16..4).prop_map(|number| Query::client(&client(number))),
        2 => Just(Query::relay(b"\0\x01r")),
        1 => (0_u8..32).prop_map(|key| Query::address(some_key(key).address())),
    ];
    let on_link = (1_u16..3).prop_map(|link| Query::link(address(link, 0)));
    prop_oneof![
        2 => (query, link).prop_map(|(query, link)| match link {
            Some(link) => query.on(address(link, 0)),
            None => query,
        }),
        2 => on_link,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    //= rfc5460-5.2-03
    //= rfc5007-4.1.2.2-02
    //= rfc5460-7.2-09
    #[test]
    fn whatever_is_there_during_the_whole_response_is_told_of(
        configured in any::<bool>(),
        query in query(),
        room in 1_usize..300,
        before in prop::collection::vec(change(), 0..60),
        between in prop::collection::vec(prop::collection::vec(change(), 0..6), 0..40),
    ) {
        let mut world = World::with(Settings { history: 20, ..Settings::default() });
        if configured {
            apply(&mut world, &Change::Links(false));
        }
        // There is something on each link, so that each query is answered.
        for key in 0..4 {
            world.commit(&lease(some_key(key), &client(9)));
        }
        for change in &before {
            apply(&mut world, change);
        }
        let refused = world.ask(&query)[0].status().is_some();
        prop_assume!(!refused);
        ask_while(world, &query, room, &between)?;
    }
}

//= rfc5460-7.2-09
#[test]
fn a_lease_is_told_though_the_one_it_would_be_told_with_ends_before_its_turn() {
    // The prefix is named to be on the link and is looked at behind the networks of the link.
    let mut world = World::new();
    let near = V6Key::prefix(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 64);
    world.configure(&[&[(address(1, 0), 64)]]);
    world.commit(&Update { link: Some(address(1, 0)), ..lease(near, ALICE) });
    for host in 1..200 {
        world.commit(&lease(key(1, host), &client(host)));
    }
    world.commit(&lease(key(1, 200), ALICE));
    let mut watch = Watch::new(world);
    watch.send(&Query::link(address(1, 0)).frame());
    let mut told = Vec::new();
    loop {
        let before = told.len();
        told.extend(watch.turn(1).iter().filter_map(Reply::data).flat_map(|data| data.keys().collect::<Vec<_>>()));
        if told.len() == 199 && before == 198 {
            // One turn more, in which the other lease has its turn.
            told.extend(watch.turn(1).iter().filter_map(Reply::data).flat_map(|data| data.keys().collect::<Vec<_>>()));
            watch.world.release(near);
        }
        if watch.turn != leasequery_protocol::server::Turn::More {
            break;
        }
    }
    assert!(told.contains(&key(1, 200)));
}

#[test]
fn of_very_many_leases_of_a_client_none_is_missing_while_others_of_its_leases_come_and_go() {
    let mut world = World::new();
    for host in 0..70 {
        world.commit(&lease(key(1, host), ALICE));
    }
    let kept: Vec<_> = (0..20).map(|host| key(2, host)).collect();
    for key in &kept {
        world.commit(&lease(*key, ALICE));
    }
    let mut watch = Watch::new(world);
    watch.send(&Query::link(address(2, 0)).frame());
    let mut told = BTreeSet::new();
    let mut moved = 0..70;
    loop {
        told.extend(watch.turn(1).iter().filter_map(Reply::data).flat_map(|data| data.keys().collect::<Vec<_>>()));
        if watch.turn != leasequery_protocol::server::Turn::More {
            break;
        }
        for host in moved.by_ref().take(5) {
            watch.world.commit(&lease(key(1, host), BOB));
        }
    }
    assert_eq!(told.into_iter().collect::<Vec<_>>(), kept);
}

#[test]
fn a_client_whose_very_many_leases_are_all_renewed_meanwhile_is_not_told_as_many_times_of_all_of_them() {
    let mut world = World::new();
    for host in 0..2000 {
        world.commit(&lease(key(1, host), ALICE));
    }
    let mut watch = Watch::new(world);
    watch.send(&[Query::address(address(1, 1999)).xid(1).frame(), Query::everything().xid(2).frame()].concat());
    watch.turn(1);
    watch.later(1);
    for host in 0..2000 {
        watch.world.commit(&Update { last_transaction: Some(NOW.plus(1)), ..lease(key(1, host), ALICE) });
    }
    let told: usize = watch.listen().iter().filter_map(Reply::data).map(|data| data.leases.len()).sum();
    assert!(told <= 4000, "{told}");
}

#[test]
fn links_that_change_meanwhile_hide_nothing() {
    let mut world = World::new();
    apply(&mut world, &Change::Links(false));
    for number in 0..32 {
        world.commit(&lease(some_key(number), &client(u16::from(number) / 16)));
    }
    let query = Query::by(QueryType::BY_LINK_ADDRESS).until(NOW);
    let all = there(&world, &query);
    let mut watch = Watch::new(world);
    watch.send(&query.frame());
    let mut told = BTreeSet::new();
    let mut other = false;
    loop {
        told.extend(watch.turn(1).iter().filter_map(Reply::data).flat_map(|data| data.keys().collect::<Vec<_>>()));
        if watch.turn != leasequery_protocol::server::Turn::More {
            break;
        }
        other = !other;
        apply(&mut watch.world, &Change::Links(other));
    }
    assert_eq!(told, all.into_keys().collect());
}
