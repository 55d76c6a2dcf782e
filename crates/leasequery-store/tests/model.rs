//! The store against the plainest model of it, under random histories.

#![allow(missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use leasequery_store::SweepEnd;
use leasequery_store::{
    Binding, Budget, Entry, Hardware, Image, Network, Outcome, Place, Revision, Selector, Settings, SourceId, Start,
    State, Store, Time, Update, V4Key, VpnIndex, VpnName, VpnRange,
};
use proptest::prelude::*;

const SOURCE: SourceId = SourceId(0);
const START: u32 = 1_700_000_000;
const HISTORY: u32 = 100;

/// What a source may say, in small numbers so that everything meets.
#[derive(Debug, Clone)]
struct Said {
    vpn: u16,
    address: u8,
    state: State,
    client: u8,
    relay: Option<u8>,
    lease: Option<u32>,
    if_known: bool,
}

#[derive(Debug, Clone)]
enum Step {
    Say(Said),
    Pass(u32),
    Sweep(Vec<Said>),
}

fn key(vpn: u16, address: u8) -> V4Key {
    V4Key { vpn: VpnIndex(vpn), address: Ipv4Addr::new(10, 0, address >> 4, address << 4) }
}

fn mac(client: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, client]
}

/// Even clients make their identifier of their MAC address, odd ones do not.
fn client_id(client: u8) -> Vec<u8> {
    if client.is_multiple_of(2) { [&[1], &mac(client)[..]].concat() } else { vec![255, client, client] }
}

fn relay_info(relay: u8) -> Vec<u8> {
    vec![1, 1, 7, 2, 2, 9, relay, 12, 1, relay / 2]
}

fn say<T>(said: &Said, take: impl FnOnce(&Update<'_, V4Key>) -> T, now: Time) -> T {
    let (mac, id, info) = (mac(said.client), client_id(said.client), said.relay.map(relay_info));
    let update = Update {
        hardware: Some(Hardware { htype: 1, address: &mac }),
        client_id: Some(&id),
        last_transaction: Some(now),
        expires: said.lease.map(|seconds| now.plus(seconds)),
        relay_info: info.as_deref(),
        remote_id: info.as_deref().map(|info| &info[5..7]),
        relay_id: info.as_deref().map(|info| &info[9..10]),
        if_known: said.if_known,
        ..Update::new(key(said.vpn, said.address), said.state)
    };
    take(&update)
}

/// What is known of an address, in the model and read from the store.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    state: State,
    client: u8,
    relay: Option<u8>,
    start: Time,
    expires: Option<Time>,
    changed: Time,
}

fn known(binding: &Binding<'_, V4Key>) -> Known {
    let client = binding.hardware().map_or(0, |hardware| hardware.address[5]);
    assert_eq!(binding.client_id().map(<[u8]>::to_vec), Some(client_id(client)));
    let relay = binding.relay_info().map(|info| info[6]);
    assert_eq!(binding.remote_id().map(|id| id[1]), relay);
    assert_eq!(binding.relay_id().map(|id| id[0]), relay.map(|relay| relay / 2));
    Known {
        state: binding.state(),
        client,
        relay,
        start: binding.start_of_state(),
        expires: binding.expires(),
        changed: binding.changed(),
    }
}

#[derive(Debug, Default)]
struct Model {
    now: Time,
    known: BTreeMap<V4Key, (Known, u32)>,
}

impl Model {
    fn say(&mut self, said: &Said) -> bool {
        let now = self.now;
        let key = key(said.vpn, said.address);
        let old = self.known.get(&key).cloned();
        if old.is_none() && said.if_known {
            return false;
        }
        let same = old.as_ref().filter(|(old, _)| old.client == said.client);
        let expires = said.lease.map(|seconds| now.plus(seconds));
        let over = said.state == State::Active && expires.is_some_and(|expires| expires <= now);
        let state = if over { State::Expired } else { said.state };
        let entered =
            if over || (state == State::Expired && expires.is_some()) { expires.unwrap_or(now).min(now) } else { now };
        let start = same.filter(|(old, _)| old.state == state).map_or(entered, |(old, _)| old.start);
        let relay = said.relay.or(same.and_then(|(old, _)| old.relay));
        let new = Known { state, client: said.client, relay, start, expires, changed: now };
        let last = now.0;
        let changed =
            old.is_none_or(|(old, old_last)| (Known { changed: now, ..old }, old_last) != (new.clone(), last));
        if changed {
            self.known.insert(key, (new, last));
        }
        changed
    }

    fn pass(&mut self, seconds: u32) {
        self.now = self.now.plus(seconds);
        let now = self.now;
        for (known, _) in self.known.values_mut() {
            if let (Some(next), Some(expires)) = (known.state.successor(), known.expires)
                && expires <= now
            {
                (known.state, known.start, known.changed) = (next, expires, now);
            }
        }
        self.known.retain(|_, (known, _)| !known.state.is_ended() || known.changed.plus(HISTORY) >= now);
    }
}

fn said() -> impl Strategy<Value = Said> {
    let state = prop_oneof![
        5 => Just(State::Active), 1 => Just(State::Released), 1 => Just(State::Available), 1 => Just(State::Expired),
        1 => Just(State::Abandoned), 1 => Just(State::Transitioning),
    ];
    (0..2_u16, 0..24_u8, state, 0..6_u8, proptest::option::of(0..6_u8), proptest::option::of(0..60_u32), any::<bool>())
        .prop_map(|(vpn, address, state, client, relay, lease, if_known)| Said {
            vpn,
            address,
            state,
            client,
            relay,
            lease,
            if_known,
        })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => said().prop_map(Step::Say),
        4 => (0..50_u32).prop_map(Step::Pass),
        1 => proptest::collection::vec(said(), 0..12).prop_map(Step::Sweep),
    ]
}

fn new_store() -> Store<V4Key> {
    let mut store = Store::new(Settings { history: HISTORY, durable: true, ..Settings::default() });
    store.advance(Time(START));
    store.source("test");
    store.vpn(None, &VpnName::Name((*b"blue").into()));
    let range = |vpn, first: u8, last: u8| Network { first: key(vpn, first), last: key(vpn, last), since: Time(START) };
    store.set_networks(None, &[range(0, 2, 4), range(1, 1, 1), range(0, 3, 6)]);
    store
}

/// Runs a history on both, and compares them after each step.
fn run(steps: &[Step]) -> (Store<V4Key>, Model) {
    let mut store = new_store();
    let mut model = Model { now: Time(START), ..Model::default() };
    for step in steps {
        match step {
            Step::Say(said) => {
                let before = store.revision();
                let outcome = say(said, |update| store.commit(SOURCE, update), model.now);
                let changed = model.say(said);
                assert_eq!(outcome != Outcome::Unchanged, changed, "{said:?}");
                assert_eq!(store.revision() > before, changed);
            }
            Step::Pass(seconds) => {
                model.pass(*seconds);
                store.advance(model.now);
                // A clock that is a little behind is waited for.
                store.advance(model.now.minus(3));
                store.advance(model.now);
            }
            Step::Sweep(all) => {
                store.begin_sweep(SOURCE);
                let mut told = BTreeSet::new();
                for said in all {
                    say(said, |update| store.commit(SOURCE, update), model.now);
                    model.say(said);
                    if model.known.contains_key(&key(said.vpn, said.address)) {
                        told.insert(key(said.vpn, said.address));
                    }
                }
                let mut end = SweepEnd::default();
                while !store.end_sweep(SOURCE, &mut end, &Budget::new(5)) {}
                for (key, (known, _)) in &mut model.known {
                    if !told.contains(key) && !known.state.is_ended() {
                        (known.state, known.start, known.changed) = (State::Available, model.now, model.now);
                    }
                }
            }
        }
    }
    (store, model)
}

fn bound(store: &Store<V4Key>, selector: Selector<'_>, vpns: VpnRange, page: usize) -> BTreeMap<V4Key, Known> {
    let mut found = BTreeMap::new();
    let mut after = None;
    loop {
        let budget = Budget::new(page);
        let mut scan = store.scan(selector, vpns, after, &budget);
        let mut entries = 0;
        for entry in scan.by_ref() {
            assert!(after.is_none_or(|after| after < entry.key()), "keys ascend");
            after = Some(entry.key());
            entries += 1;
            if let Entry::Bound(binding) = entry {
                found.insert(binding.key(), known(&binding));
            }
        }
        assert!(entries <= page && (scan.is_over() || budget.is_spent()), "nothing is given for nothing");
        if scan.is_over() {
            return found;
        }
        assert!(scan.cursor() > after.filter(|_| entries == 0), "each bite comes further");
        after = scan.cursor();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_selector_finds_what_the_model_has(steps in proptest::collection::vec(step(), 0..120), page in 1..40_usize) {
        let (store, model) = run(&steps);
        let expected = |wanted: &dyn Fn(&V4Key, &Known) -> bool| -> BTreeMap<V4Key, Known> {
            model.known.iter().filter(|(key, (known, _))| wanted(key, known)).map(|(key, (known, _))| (*key, known.clone())).collect()
        };
        prop_assert_eq!(bound(&store, Selector::All, VpnRange::All, page), expected(&|_, _| true));
        for vpn in 0..3 {
            let one = VpnRange::One(VpnIndex(vpn));
            prop_assert_eq!(bound(&store, Selector::All, one, page), expected(&|key, _| key.vpn.0 == vpn));
        }
        for number in 0..6_u8 {
            let mac = mac(number);
            let hardware = |htype| Selector::Hardware(Hardware { htype, address: &mac });
            prop_assert_eq!(bound(&store, hardware(1), VpnRange::All, page), expected(&|_, known| known.client == number));
            prop_assert!(bound(&store, hardware(6), VpnRange::All, page).is_empty());
            let id = client_id(number);
            prop_assert_eq!(bound(&store, Selector::ClientId(&id), VpnRange::All, page), expected(&|_, known| known.client == number));
            prop_assert_eq!(
                bound(&store, Selector::RemoteId(&[9, number]), VpnRange::One(VpnIndex(1)), page),
                expected(&|key, known| key.vpn.0 == 1 && known.relay == Some(number))
            );
            prop_assert_eq!(
                bound(&store, Selector::RelayId(&[number]), VpnRange::All, page),
                expected(&|_, known| known.relay.is_some_and(|relay| relay / 2 == number))
            );
        }
        prop_assert_eq!(store.counts().active, model.known.values().filter(|(known, _)| known.state == State::Active).count());
    }

    #[test]
    fn a_copy_and_the_changes_since_are_the_store(steps in proptest::collection::vec(step(), 0..120), cut in 0..120_usize) {
        let cut = cut.min(steps.len());
        let (early, _) = run(&steps[..cut]);
        let mut copy = bound(&early, Selector::All, VpnRange::All, 64);
        let (mut store, _) = run(&steps);
        let mut seen = BTreeSet::new();
        let mut last = early.revision();
        for binding in store.changes(early.revision(), &Budget::unlimited()) {
            prop_assert!(binding.revision() > last, "revisions ascend");
            last = binding.revision();
            prop_assert!(seen.insert(binding.key()), "each binding once");
            copy.insert(binding.key(), known(&binding));
        }
        // What was forgotten is not told of as a change: nobody may come back from that far behind.
        for key in store.take_forgotten().into_iter().map(Place::key) {
            if store.lookup(key).is_none() {
                copy.remove(&key);
            }
        }
        prop_assert_eq!(copy, bound(&store, Selector::All, VpnRange::All, 64));
    }

    #[test]
    fn changes_at_a_time_or_later_lie_behind_the_revision_of_that_time(steps in proptest::collection::vec(step(), 0..120), back in 0..200_u32) {
        let (store, _) = run(&steps);
        let time = store.now().minus(back);
        let revision = store.revision_at(time);
        for entry in store.scan(Selector::All, VpnRange::All, None, &Budget::unlimited()) {
            if let Entry::Bound(binding) = entry {
                prop_assert_eq!(binding.changed() >= time, binding.revision() > revision);
            }
        }
    }

    #[test]
    fn an_image_is_the_store(steps in proptest::collection::vec(step(), 0..120)) {
        let (store, _) = run(&steps);
        let mut image = Image::new(store.settings(), store.metadata());
        image.set_networks(vec![(None, store.networks_of(None).to_vec())]);
        for entry in store.scan(Selector::All, VpnRange::All, None, &Budget::unlimited()) {
            if let Entry::Bound(binding) = entry {
                let mut bytes = Vec::new();
                store.write_binding(&binding, &mut bytes);
                prop_assert!(image.add(binding.place(), &bytes).is_ok());
            }
        }
        let mut restored = image.finish();
        prop_assert_eq!(restored.metadata(), store.metadata());
        prop_assert_eq!(restored.counts().active, store.counts().active);
        prop_assert_eq!(bound(&restored, Selector::All, VpnRange::All, 7), bound(&store, Selector::All, VpnRange::All, 7));
        let revisions = |store: &Store<V4Key>| store.changes(Revision::default(), &Budget::unlimited()).map(|b| (b.revision(), b.key())).collect::<Vec<_>>();
        prop_assert_eq!(revisions(&restored), revisions(&store));
        // Timers and history go on as they would have.
        let mut store = store;
        let later = store.now().plus(HISTORY / 2);
        store.advance(later);
        restored.advance(later);
        prop_assert_eq!(bound(&restored, Selector::All, VpnRange::All, 7), bound(&store, Selector::All, VpnRange::All, 7));
    }

    #[test]
    fn damaged_records_are_refused_or_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let store = new_store();
        let mut whole = vec![3, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        whole.extend_from_slice(&[0; 31]);
        whole.extend_from_slice(&bytes);
        for bytes in [&bytes, &whole] {
            let mut image = Image::new(Settings::default(), store.metadata());
            if image.add(key(0, 1).into(), bytes).is_ok() {
                let store = image.finish();
                let binding = store.lookup(key(0, 1)).expect("it was added");
                let _ = (binding.client_id(), binding.relay_info(), binding.remote_id(), binding.options().count());
            }
        }
    }
}

#[test]
fn configured_addresses_without_a_binding_are_free_and_come_once() {
    let mut store = new_store();
    say(
        &Said { vpn: 0, address: 3, state: State::Active, client: 1, relay: None, lease: None, if_known: false },
        |u| store.commit(SOURCE, u),
        Time(START),
    );
    let configured = |vpn| key(vpn, 2).address.to_bits()..=key(vpn, 6).address.to_bits();
    let budget = Budget::unlimited();
    let entries: Vec<_> = store.scan(Selector::All, VpnRange::One(VpnIndex(0)), None, &budget).collect();
    let addresses: Vec<_> = entries.iter().map(|entry| entry.key().address.to_bits()).collect();
    assert_eq!(addresses, configured(0).collect::<Vec<_>>());
    let free = entries.iter().filter(|entry| matches!(entry, Entry::Free { since: Time(START), .. })).count();
    assert_eq!(free, addresses.len() - 1);
    assert_eq!(store.counts().configured, addresses.len() as u64 + 1);
    assert!(store.is_configured(key(1, 1)) && !store.is_configured(key(1, 2)));
}

#[test]
fn a_range_that_stays_keeps_the_time_when_it_was_first_configured() {
    let mut store = new_store();
    let later = Time(START + 500);
    store.advance(later);
    store.set_networks(None, &[Network { first: key(0, 1), last: key(0, 4), since: later }]);
    let since: BTreeMap<_, _> = store
        .scan(Selector::All, VpnRange::All, None, &Budget::unlimited())
        .map(|entry| match entry {
            Entry::Free { key, since } => (key, since),
            Entry::Bound(binding) => panic!("nothing is bound: {binding:?}"),
        })
        .collect();
    assert_eq!(since[&key(0, 1)], later);
    assert_eq!(since[&key(0, 2)], Time(START));
    assert_eq!(since[&key(0, 4)], Time(START));
    assert!(!since.contains_key(&key(0, 5)), "no longer configured");
}

//= rfc6926-6.2.4-03
#[test]
fn a_renewal_does_not_begin_a_state_and_an_expiry_does() {
    let mut store = new_store();
    let lease =
        Said { vpn: 0, address: 3, state: State::Active, client: 1, relay: None, lease: Some(50), if_known: false };
    say(&lease, |u| store.commit(SOURCE, u), Time(START));
    store.advance(Time(START + 20));
    say(&lease, |u| store.commit(SOURCE, u), Time(START + 20));
    let start =
        |store: &Store<V4Key>| store.lookup(key(0, 3)).map(|binding| (binding.state(), binding.start_of_state()));
    assert_eq!(start(&store), Some((State::Active, Time(START))));
    // The expiry is noticed late and dated to when it happened.
    store.advance(Time(START + 90));
    assert_eq!(start(&store), Some((State::Expired, Time(START + 70))));
    // Another client: another state, though it is called the same.
    say(&lease, |u| store.commit(SOURCE, u), Time(START + 90));
    store.advance(Time(START + 95));
    say(&Said { client: 2, ..lease }, |u| store.commit(SOURCE, u), Time(START + 95));
    assert_eq!(start(&store), Some((State::Active, Time(START + 95))));
}

//= rfc6925-5-01
#[test]
fn a_renewal_without_relay_information_keeps_it_and_a_new_client_does_not() {
    let mut store = new_store();
    let lease =
        Said { vpn: 0, address: 3, state: State::Active, client: 1, relay: Some(4), lease: Some(50), if_known: false };
    say(&lease, |u| store.commit(SOURCE, u), Time(START));
    store.advance(Time(START + 20));
    say(&Said { relay: None, ..lease.clone() }, |u| store.commit(SOURCE, u), Time(START + 20));
    let found =
        |store: &Store<V4Key>| store.scan(Selector::RelayId(&[2]), VpnRange::All, None, &Budget::unlimited()).count();
    assert_eq!(found(&store), 1);
    say(&Said { relay: None, client: 2, ..lease }, |u| store.commit(SOURCE, u), Time(START + 20));
    assert_eq!(found(&store), 0);
}

//= rfc6926-2-03
#[test]
fn hardware_addresses_of_another_type_or_length_are_other_clients() {
    let mut store = new_store();
    let addresses: [(u8, &[u8]); 4] =
        [(1, &[2, 0, 0, 0, 0, 1]), (6, &[2, 0, 0, 0, 0, 1]), (1, &[2, 0, 0, 0, 0]), (32, &[7; 16])];
    for (number, (htype, address)) in (0..).zip(addresses) {
        let hardware = Some(Hardware { htype, address });
        store.commit(SOURCE, &Update { hardware, ..Update::new(key(0, number), State::Active) });
    }
    for (number, (htype, address)) in (0..).zip(addresses) {
        let found: Vec<_> = store
            .scan(Selector::Hardware(Hardware { htype, address }), VpnRange::All, None, &Budget::unlimited())
            .map(|e| e.key())
            .collect();
        assert_eq!(found, [key(0, number)]);
    }
}

//= rfc7653-security-02
#[test]
fn an_ended_lease_is_forgotten_after_the_history_and_the_floor_tells() {
    let mut store = new_store();
    let lease =
        Said { vpn: 0, address: 9, state: State::Active, client: 1, relay: None, lease: Some(10), if_known: false };
    say(&lease, |u| store.commit(SOURCE, u), Time(START));
    assert_eq!(store.history_floor(), Time(START + 1));
    store.advance(Time(START + 10));
    assert_eq!(store.next_deadline(), Some(Time(START + 10 + HISTORY + 1)));
    store.advance(Time(START + 10 + HISTORY));
    assert!(store.lookup(key(0, 9)).is_some(), "kept for the whole history");
    store.advance(Time(START + 11 + HISTORY));
    assert!(store.lookup(key(0, 9)).is_none());
    assert_eq!(store.take_forgotten().into_iter().map(Place::key).collect::<Vec<_>>(), [key(0, 9)]);
    assert_eq!(store.history_floor(), Time(START + 11));
}

#[test]
fn the_number_of_ended_leases_is_bounded() {
    let mut store = Store::new(Settings { max_ended: 10, ..Settings::default() });
    store.advance(Time(START));
    for number in 0..100 {
        store.commit(SOURCE, &Update { start_of_state: Start::Seen, ..Update::new(key(0, number), State::Released) });
    }
    store.advance(Time(START + 1));
    assert_eq!(store.counts().bindings, 10);
    assert_eq!(store.history_floor(), Time(START + 1), "what happened in that second is no longer complete");
}

#[test]
fn attributes_too_large_for_any_reply_are_refused_and_change_nothing() {
    let mut store = new_store();
    let huge = vec![7; 70_000];
    let update = Update { relay_info: Some(&huge), ..Update::new(key(0, 3), State::Active) };
    assert_eq!(store.commit(SOURCE, &update), Outcome::Refused);
    assert!(store.lookup(key(0, 3)).is_none());
    say(
        &Said { vpn: 0, address: 3, state: State::Active, client: 1, relay: Some(1), lease: None, if_known: false },
        |u| store.commit(SOURCE, u),
        Time(START),
    );
    assert_eq!(store.commit(SOURCE, &update), Outcome::Refused);
    assert_eq!(
        store.lookup(key(0, 3)).and_then(|binding| binding.relay_info().map(<[u8]>::to_vec)),
        Some(relay_info(1))
    );
    assert_eq!(store.scan(Selector::RemoteId(&[9, 1]), VpnRange::All, None, &Budget::unlimited()).count(), 1);
}

#[test]
fn the_log_stays_in_proportion_to_the_bindings() {
    let mut store = new_store();
    for round in 0..200_000_u32 {
        let address = key(0, (round % 200) as u8);
        store.commit(SOURCE, &Update { last_transaction: Some(Time(round)), ..Update::new(address, State::Active) });
    }
    let counts = store.counts();
    assert_eq!(counts.bindings, 200);
    assert!(counts.log < 30_000, "{counts:?}");
    assert_eq!(store.changes(Revision::default(), &Budget::unlimited()).count(), 200);
}

#[test]
fn a_source_that_will_tell_no_more_leaves_nothing_behind() {
    let mut store = new_store();
    let other = store.source("other").expect("a number");
    let names: Vec<_> = store.sources().map(|(id, name)| (id, name.to_owned())).collect();
    assert_eq!(names, [(SOURCE, "test".to_owned()), (other, "other".to_owned())]);
    for source in [SOURCE, other] {
        let first = 10 * source.0;
        store.set_networks(
            Some(source),
            &[Network { first: key(0, first), last: key(0, first + 9), since: Time(START) }],
        );
        store.set_position(source, vec![1]);
        for number in [first, first + 1] {
            store.commit(source, &Update::new(key(0, number), State::Active));
        }
    }
    store.end_lease(other, key(0, 10), State::Released);
    let end_other = |store: &mut Store<V4Key>| {
        let mut end = SweepEnd::default();
        while !store.end_source(other, &mut end, &Budget::new(1)) {}
        end.ended()
    };
    assert_eq!(end_other(&mut store), 1, "the other one is over anyway");
    let state = |number| store.lookup(key(0, number)).map(|binding| binding.state());
    assert_eq!([0, 1, 10, 11].map(state), [State::Active, State::Active, State::Released, State::Available].map(Some));
    assert!(store.is_configured(key(0, 0)) && !store.is_configured(key(0, 11)));
    assert_eq!((store.position(SOURCE), store.position(other)), (Some(&[1][..]), None));
    assert_eq!(end_other(&mut store), 0);
}
