use super::*;
use crate::{Selector, Settings, State, Time, Update, VpnRange};

fn address(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

fn link(name: &str, networks: &[(&str, u8)]) -> Link {
    Link { address: address(name), networks: networks.iter().map(|(net, length)| (address(net), *length)).collect() }
}

fn store() -> Store<V6Key> {
    let mut store = Store::new(Settings::default());
    store.advance(Time(1000));
    store
}

fn add(store: &mut Store<V6Key>, key: V6Key, given: Option<&str>) {
    let source = store.source("test").expect("a number");
    let link = given.and_then(|given| store.name_link(key, address(given)));
    store.commit(source, &Update { client_id: Some(&[0, 3, 1]), link, ..Update::new(key, State::Active) });
}

fn link_of(store: &Store<V6Key>, key: V6Key) -> Option<Ipv6Addr> {
    store.link_of(&store.lookup(key).expect("a binding"))
}

#[test]
fn the_smallest_network_around_decides() {
    let mut store = store();
    store.set_links(
        None,
        vec![
            link("2001:db8::", &[("2001:db8::", 32)]),
            link("2001:db8:1::", &[("2001:db8:1::", 48), ("2001:db8:f000::", 36)]),
        ],
    );
    let prefix = V6Key::prefix(address("2001:db8:f000::"), 56);
    for (key, expected) in [
        (V6Key::new(address("2001:db8:1::5")), "2001:db8:1::"),
        (V6Key::new(address("2001:db8:2::5")), "2001:db8::"),
        (prefix, "2001:db8:1::"),
        // A prefix larger than a network is not inside of it.
        (V6Key::prefix(address("2001:db8:1::"), 40), "2001:db8::"),
    ] {
        add(&mut store, key, None);
        assert_eq!(link_of(&store, key), Some(address(expected)), "{key}");
    }
    assert_eq!(store.find_link(address("2001:db8:f000:1::1")), Some(address("2001:db8:1::")));
    let before = store.links_generation();
    store.set_links(None, vec![]);
    assert_eq!(link_of(&store, prefix), None);
    store.set_links(None, vec![]);
    assert_eq!(store.links_generation(), before + 1);
}

#[test]
fn without_configuration_an_address_is_on_the_link_of_its_64_bits() {
    let mut store = store();
    let (known, prefix) = (V6Key::new(address("2001:db8:1::5")), V6Key::prefix(address("2001:db8:f000::"), 56));
    assert_eq!(store.find_link(address("2001:db8:1::1")), None);
    add(&mut store, known, None);
    add(&mut store, prefix, None);
    assert_eq!((link_of(&store, known), link_of(&store, prefix)), (Some(address("2001:db8:1::")), None));
    assert_eq!(store.find_link(address("2001:db8:1::1")), Some(address("2001:db8:1::")));
    assert_eq!(store.find_link(address("2001:db8:2::1")), None);
}

#[test]
fn a_link_that_is_named_wins_and_takes_no_room_where_it_is_no_news() {
    let mut store = store();
    let (inside, prefix) = (V6Key::new(address("2001:db8:1::5")), V6Key::prefix(address("2001:db8:f000::"), 56));
    assert_eq!(store.name_link(inside, address("2001:db8:1::1")), None);
    add(&mut store, prefix, Some("2001:db8:1::1"));
    assert_eq!(link_of(&store, prefix), Some(address("2001:db8:1::")));
    assert_eq!(store.find_link(address("2001:db8:1::77")), Some(address("2001:db8:1::")));
    let named = |store: &Store<V6Key>, link| {
        store.scan(Selector::NamedLink(link), VpnRange::All, None, &Budget::unlimited()).count()
    };
    assert_eq!((named(&store, address("2001:db8:1::")), named(&store, address("2001:db8:2::"))), (1, 0));
    add(&mut store, prefix, Some("2001:db8:2::"));
    assert_eq!((named(&store, address("2001:db8:1::")), named(&store, address("2001:db8:2::"))), (0, 1));
}

#[test]
fn spans_cover_the_networks_of_a_link_once() {
    let mut store = store();
    store.set_links(
        None,
        vec![link(
            "2001:db8:1::",
            &[("2001:db8:f000::", 36), ("2001:db8:1::", 64), ("2001:db8:1::", 48), ("2001:db8:1:7::", 64)],
        )],
    );
    let span = |net, length| (V6Key::first_in(address(net), length), V6Key::last_in(address(net), length));
    assert_eq!(store.spans_of(address("2001:db8:1::")), [span("2001:db8:1::", 48), span("2001:db8:f000::", 36)]);
    assert_eq!(store.spans_of(address("2001:db8:9::")), [span("2001:db8:9::", 64)]);
}

#[test]
fn every_identifier_of_a_chain_of_relays_finds_its_bindings() {
    let mut store = store();
    let source = store.source("test").expect("a number");
    let ids: [&[u8]; 4] = [b"one", b"two", b"three", b"four"];
    // Rotated, so that each is the first of one binding and the last of another.
    for n in 0..40_usize {
        let mut rotated = ids;
        rotated.rotate_left(n % 4);
        let key = V6Key::new(Ipv6Addr::from_bits(n as u128));
        let relay = &rotated[..=(n % 3)];
        store.commit(
            source,
            &Update { remote_id: Some(relay[0]), more_remote_ids: &relay[1..], ..Update::new(key, State::Active) },
        );
    }
    let expected =
        |id: &[u8], gone: usize| (gone..40).filter(|n| (0..=n % 3).any(|hop| ids[(n + hop) % 4] == id)).count();
    let found = |store: &Store<V6Key>, id| {
        store.scan(Selector::RemoteId(id), VpnRange::All, None, &Budget::unlimited()).count()
    };
    for id in ids {
        assert_eq!(found(&store, id), expected(id, 0), "{id:?}");
    }
    // Leave one by one, in the order of the keys: each group changes its first member again and again.
    for n in 0..40_usize {
        store.commit(
            source,
            &Update { whole: true, ..Update::new(V6Key::new(Ipv6Addr::from_bits(n as u128)), State::Active) },
        );
        for id in ids {
            assert_eq!(found(&store, id), expected(id, n + 1), "{id:?} after {n}");
        }
    }
}
