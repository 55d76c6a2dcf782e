use std::collections::HashMap;

use leasequery_store::{Budget, Entry, Selector, Settings, State, Store, Time, V4Key, VpnIndex, VpnRange};

use super::AccessNetwork;

const NOW: u32 = 1_795_168_800;

fn populated(rate: u32) -> (AccessNetwork, Store<V4Key>) {
    let mut store = Store::new(Settings::default());
    store.advance(Time(NOW));
    let source = store.source("demo").expect("room for a source");
    let mut network = AccessNetwork::new(7, source, rate);
    store.set_networks(None, &network.configured(store.now()));
    network.populate(&mut store, |_| {});
    (network, store)
}

fn states(store: &Store<V4Key>) -> HashMap<State, usize> {
    let mut states = HashMap::new();
    for entry in store.scan(Selector::All, VpnRange::One(VpnIndex::DEFAULT), None, &Budget::unlimited()) {
        let state = match entry {
            Entry::Bound(binding) => binding.state(),
            Entry::Free { .. } => State::Available,
        };
        *states.entry(state).or_default() += 1;
    }
    states
}

#[test]
fn everything_that_can_happen_happens_within_the_configured_addresses() {
    let (mut network, mut store) = populated(200);
    assert_eq!(states(&store), HashMap::from([(State::Active, 1100), (State::Available, 900)]));
    assert_eq!(network.tally().changes(), 0, "who was there before does not count");
    let before = store.revision().0;
    for second in 1..=120 {
        store.advance(Time(NOW + second));
        for _ in 0..200 {
            let _ = network.step(&mut store);
        }
    }
    let states = states(&store);
    assert_eq!(states.values().sum::<usize>(), 2000, "no lease outside the networks");
    for state in [State::Active, State::Expired, State::Released, State::Abandoned] {
        assert!(states.get(&state).is_some_and(|count| *count > 0), "{state:?}: {states:?}");
    }
    let tally = network.tally();
    assert!(tally.granted > 1000 && tally.renewed > 1000 && tally.released > 1000 && tally.declined > 100, "{tally:?}");
    assert!(store.revision().0 - before >= tally.changes(), "what ran out comes on top");
    let resident = network.resident().expect("someone");
    let hardware = leasequery_store::Hardware { htype: 1, address: &resident.mac };
    let budget = Budget::unlimited();
    let mut found = store.scan(Selector::Hardware(hardware), VpnRange::One(VpnIndex::DEFAULT), None, &budget);
    assert!(matches!(found.next(), Some(Entry::Bound(binding)) if binding.state() == State::Active));
}

#[test]
fn a_busy_network_has_more_addresses() {
    let (network, store) = populated(20_000);
    assert_eq!(network.size(), 40_000);
    assert_eq!(store.counts().configured, 40_000);
    assert_eq!(populated(1_000_000).0.size(), 4 * 16_364);
}

#[test]
fn identifiers_tell_where_a_client_is() {
    let (network, store) = populated(200);
    let resident = network.resident().expect("someone");
    let vpns = VpnRange::One(VpnIndex::DEFAULT);
    assert_eq!(
        store.scan(Selector::RelayId(resident.relay_id.as_bytes()), vpns, None, &Budget::unlimited()).count() / 100,
        2
    );
    assert!(
        store.scan(Selector::RemoteId(resident.remote_id.as_bytes()), vpns, None, &Budget::unlimited()).count() >= 1
    );
}
