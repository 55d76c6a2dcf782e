use std::net::Ipv4Addr;

use super::*;
use crate::durable::{Durable, Memory};
use crate::{Budget, Link, Network, Settings, State, Time, Update, V4Key, V6Key};

fn key(number: u8) -> V4Key {
    V4Key::new(Ipv4Addr::new(10, 0, 0, number))
}

fn range(first: u8, last: u8) -> [Network<V4Key>; 1] {
    [Network { first: key(first), last: key(last), since: Time(1) }]
}

fn store(sources: &[&str]) -> (Store<V4Key>, Vec<SourceId>) {
    let mut store = Store::new(Settings::default());
    store.advance(Time(1000));
    let sources = sources.iter().map(|name| store.source(name).expect("a number")).collect();
    (store, sources)
}

fn who(unknown: Option<Unknown<'_>>) -> Option<&str> {
    unknown.map(|unknown| unknown.source)
}

#[test]
fn an_address_depends_on_those_who_configured_it_and_all_else_on_everybody() {
    let (mut store, ids) = store(&["a", "b"]);
    store.set_networks(Some(ids[0]), &range(1, 9));
    store.set_networks(Some(ids[1]), &range(5, 20));
    store.set_networks(None, &range(30, 40));
    for id in &ids {
        store.set_configured(*id);
    }
    assert!(store.is_known(), "nobody waits for a source that only tells what happens");
    store.await_source(ids[1], "there is no such file");
    assert_eq!(who(store.unknown(About::Key(key(1)), &[])), None);
    for number in [5, 20, 30, 200] {
        assert_eq!(who(store.unknown(About::Key(key(number)), &[])), Some("b"), "10.0.0.{number}");
    }
    let text = store.unknown(About::Everything, &[]).expect("b is awaited").to_string();
    assert_eq!(text, "not everything is known yet: b: there is no such file");
    assert_eq!(who(store.unknown(About::Bindings, &[])), Some("b"));
    store.set_whole(ids[1]);
    assert!(store.is_known());
    assert_eq!(store.unknown(About::Everything, &[]), None);
}

#[test]
fn a_source_of_which_nobody_knows_what_it_leases_may_have_leased_any_address() {
    let (mut store, ids) = store(&["whole", "unheard"]);
    store.set_networks(Some(ids[0]), &range(1, 9));
    store.set_configured(ids[0]);
    store.set_whole(ids[0]);
    store.await_source(ids[1], "it has not been reached");
    let asked = |store: &Store<V4Key>| who(store.unknown(About::Key(key(1)), &[])).map(str::to_owned);
    assert_eq!(asked(&store), Some("unheard".to_owned()));
    // What is known of its configuration is somewhere else.
    store.set_networks(Some(ids[1]), &range(10, 20));
    assert_eq!(asked(&store), Some("unheard".to_owned()), "another run may have known that");
    store.set_configured(ids[1]);
    assert_eq!(asked(&store), None);
    store.await_networks(ids[1], "it has a mistake");
    assert_eq!(asked(&store), Some("unheard".to_owned()));
    store.set_whole(ids[1]);
    assert_eq!(asked(&store), None);
}

#[test]
fn where_only_the_configuration_is_unknown_bindings_are_known() {
    let (mut store, ids) = store(&["a"]);
    store.await_networks(ids[0], "it has a mistake");
    assert_eq!(who(store.unknown(About::Everything, &[])), Some("a"));
    assert_eq!(who(store.unknown(About::Bindings, &[])), None);
    assert_eq!(who(store.unknown(About::Key(key(1)), &[])), None);
    store.set_configured(ids[0]);
    assert!(store.is_known());
}

#[test]
fn a_link_depends_on_those_who_configured_it() {
    let mut store = Store::<V6Key>::new(Settings::default());
    let [a, b] = ["a", "b"].map(|name| store.source(name).expect("a number"));
    let link = |text: &str| -> Ipv6Addr { text.parse().expect("an address") };
    let configured = |text| vec![Link { address: link(text), networks: vec![(link(text), 64)] }];
    store.set_links(Some(a), configured("2001:db8:1::"));
    store.set_links(Some(b), configured("2001:db8:2::"));
    store.set_links(None, configured("2001:db8:3::"));
    for source in [a, b] {
        store.set_configured(source);
    }
    store.await_source(b, "it is away");
    assert_eq!(who(store.unknown(About::Link(link("2001:db8:1::")), &[])), None);
    for text in ["2001:db8:2::", "2001:db8:3::", "2001:db8:4::"] {
        assert_eq!(who(store.unknown(About::Link(link(text)), &[])), Some("b"), "{text}");
    }
    // What is on a link may be known by a configuration that is not.
    store.set_whole(b);
    assert_eq!(who(store.unknown(About::Link(link("2001:db8:4::")), &[])), None);
    store.await_networks(b, "it has a mistake");
    for text in ["2001:db8:1::", "2001:db8:4::"] {
        assert_eq!(who(store.unknown(About::Link(link(text)), &[])), Some("b"), "{text}");
    }
}

#[test]
fn a_source_counts_as_known_to_itself() {
    let (mut store, ids) = store(&["kea", "partner"]);
    let partner: SocketAddr = "192.0.2.2:67".parse().expect("an address");
    let other: SocketAddr = "192.0.2.2:6767".parse().expect("an address");
    store.await_source(ids[1], "it is away");
    store.set_servers(ids[1], vec![partner]);
    assert_eq!(who(store.unknown(About::Everything, &[other])), Some("partner"));
    assert_eq!(who(store.unknown(About::Everything, &[other, partner])), None);
    store.await_source(ids[0], "it is being read");
    assert_eq!(who(store.unknown(About::Everything, &[partner])), Some("kea"));
}

#[test]
fn nothing_is_expected_of_a_source_that_has_gone() {
    let (mut store, ids) = store(&["a"]);
    store.set_whole(ids[0]);
    store.await_source(ids[0], "it is away");
    assert!(store.was_whole(ids[0]));
    assert!(store.end_source(ids[0], &mut crate::SweepEnd::default(), &Budget::new(64)));
    assert!(store.is_known() && !store.was_whole(ids[0]));
}

#[test]
fn what_was_whole_is_remembered_but_not_before_what_it_said() {
    let disk = Memory::new();
    let (mut durable, mut store) = Durable::<V4Key, _>::open_on(disk.clone(), Settings::default()).expect("empty");
    store.advance(Time(1000));
    let [whole, other] = ["whole", "other"].map(|name| store.source(name).expect("a number"));
    store.await_source(whole, "it is being read");
    store.await_source(other, "it is away");
    for number in 1..=3 {
        store.commit(whole, &Update::new(key(number), State::Active));
    }
    store.set_whole(whole);
    let reopened = || Durable::<V4Key, _>::open_on(disk.clone(), Settings::default()).expect("readable").1;
    durable.write(durable.collect(&store, &Budget::new(2))).expect("written");
    assert!(!reopened().was_whole(whole), "two of three bindings are there");
    durable.write(durable.collect(&store, &Budget::new(2))).expect("written");
    let mut store = reopened();
    assert!(store.was_whole(whole) && !store.was_whole(other));
    assert!(store.is_known(), "whoever runs it says what it waits for");
    store.await_source(whole, "it is being read");
    store.await_source(other, "it is away");
    assert!(store.keep_whole(whole) && !store.keep_whole(other));
    assert_eq!(who(store.unknown(About::Everything, &[])), Some("other"));
}
