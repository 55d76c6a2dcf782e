use std::net::Ipv4Addr;

use super::*;
use crate::durable::{Durable, Memory};
use crate::{Network, Settings, State, Time, Update, V4Key};

const START: Time = Time(1_700_000_000);
const HISTORY: u32 = 100;

fn name(number: usize) -> VpnName {
    VpnName::Name(number.to_string().into_bytes().into())
}

fn blue() -> VpnName {
    VpnName::Name((*b"blue").into())
}

fn store(durable: bool) -> (Store<V4Key>, SourceId) {
    let mut store = Store::new(Settings { history: HISTORY, durable, ..Settings::default() });
    store.advance(START);
    let source = store.source("test").expect("the first source");
    (store, source)
}

/// As many seconds as it takes to look at everything, and some more.
fn pass(store: &mut Store<V4Key>, seconds: u32) {
    for _ in 0..seconds {
        store.advance(store.now().plus(1));
    }
}

fn lease(store: &mut Store<V4Key>, source: SourceId, vpn: VpnIndex, state: State) {
    let key = V4Key { vpn, address: Ipv4Addr::new(10, 0, 0, 1) };
    store.commit(source, &Update { client_id: Some(b"client"), ..Update::new(key, state) });
}

#[test]
fn each_name_has_one_number_and_each_number_one_name() {
    let mut vpns = Vpns::default();
    for number in 0..MOST {
        let index = vpns.intern(None, &name(number)).expect("a number");
        assert_eq!(usize::from(index.0), number + 1);
    }
    for number in 0..MOST {
        let index = vpns.find(&name(number)).expect("known");
        assert_eq!(vpns.intern(None, &name(number)), Some(index), "once");
        assert_eq!(vpns.name(index), Some(&name(number)));
    }
    assert_eq!(vpns.intern(None, &blue()), None, "all are taken");
    assert_eq!((vpns.find(&blue()), vpns.name(VpnIndex::DEFAULT)), (None, None));
}

#[test]
fn nobody_can_use_up_the_numbers_of_others() {
    let mut vpns = Vpns::default();
    let mut names = (0..).map(name);
    let mut greedy = |vpns: &mut Vpns, source| {
        names.by_ref().take_while(|name| vpns.intern(Some(SourceId(source)), name).is_some()).count()
    };
    assert_eq!(greedy(&mut vpns, 0), 32_768, "as many as are left for others");
    assert_eq!(greedy(&mut vpns, 0), 0);
    assert_eq!(greedy(&mut vpns, 1), 16_384);
    for source in 2..10 {
        assert!(greedy(&mut vpns, source) >= 31, "{source}");
    }
    assert!(vpns.intern(None, &blue()).is_some(), "nor those of the configuration");
    assert!(vpns.intern(Some(SourceId(0)), &blue()).is_some(), "what has a number can be named by all");
}

#[test]
fn what_nothing_refers_to_is_given_back_and_counts_no_longer() {
    let (mut store, source) = store(false);
    let vpn = store.vpn(Some(source), &blue()).expect("a number");
    lease(&mut store, source, vpn, State::Active);
    pass(&mut store, 10);
    lease(&mut store, source, vpn, State::Available);
    pass(&mut store, HISTORY);
    assert_eq!(store.find_vpn(&blue()), Some(vpn), "the history has it");
    pass(&mut store, 5);
    assert_eq!((store.find_vpn(&blue()), store.vpn_name(vpn)), (None, None));
    assert_eq!(store.vpns.owned[&source], 0);
    // A name that nothing came of, too.
    store.vpn(Some(source), &blue()).expect("a number");
    pass(&mut store, 5);
    assert_eq!(store.find_vpn(&blue()), None);
}

#[test]
fn what_is_configured_or_held_stays() {
    let (mut store, source) = store(false);
    let [configured, held, other] = [0, 1, 2].map(|number| store.vpn(Some(source), &name(number)).expect("a number"));
    let [first, last] = [1, 9].map(|last| V4Key { vpn: configured, address: Ipv4Addr::new(10, 0, 0, last) });
    store.set_networks(Some(source), &[Network { first, last, since: START }]);
    let (of_one, all) = (store.hold_vpn(held), store.hold_vpns());
    pass(&mut store, 5);
    assert_eq!([0, 1, 2].map(|number| store.find_vpn(&name(number))), [configured, held, other].map(Some));
    drop(all);
    pass(&mut store, 5);
    assert_eq!([0, 1, 2].map(|number| store.find_vpn(&name(number))), [Some(configured), Some(held), None]);
    drop(of_one);
    store.set_networks(Some(source), &[]);
    pass(&mut store, 5);
    assert_eq!([0, 1, 2].map(|number| store.find_vpn(&name(number))), [None; 3]);
}

#[test]
fn a_number_is_given_again_as_late_as_can_be() {
    let mut vpns = Vpns::default();
    let first = vpns.intern(None, &blue()).expect("a number");
    let budget = Budget::unlimited();
    for _ in 0..2 {
        vpns.tidy(&budget, false, |_| false);
    }
    assert_eq!(vpns.find(&blue()), None);
    for number in 1..MOST {
        assert_ne!(vpns.intern(None, &name(number)), Some(first), "{number}");
    }
    assert_eq!(vpns.intern(None, &name(0)), Some(first));
}

#[test]
fn the_look_at_all_of_them_is_in_bites() {
    let mut vpns = Vpns::default();
    for number in 0..5000 {
        vpns.intern(None, &name(number));
    }
    let looked = std::cell::Cell::new(0);
    let look = |_| {
        looked.set(looked.get() + 1);
        true
    };
    vpns.tidy(&Budget::new(300), false, look);
    assert_eq!(looked.take(), 300);
    vpns.tidy(&Budget::unlimited(), false, look);
    assert_eq!(looked.take(), LOOKS);
}

/// Writes everything there is, and tells the store what is gone from the disk.
fn write(durable: &mut Durable<V4Key, Memory>, store: &mut Store<V4Key>) {
    durable.forget(store.take_forgotten());
    durable.write(durable.collect(store, &Budget::unlimited())).expect("written");
    durable.sync().expect("synced");
    store.release_vpns(durable.released_vpns());
}

#[test]
fn a_number_stays_what_it_is_until_the_disk_has_forgotten_it() {
    let disk = Memory::default();
    let settings = Settings { history: HISTORY, durable: true, ..Settings::default() };
    let (mut durable, mut store) = Durable::open_on(disk.clone(), settings).expect("an empty one");
    store.advance(START);
    let source = store.source("test").expect("the first source");
    let vpn = store.vpn(Some(source), &blue()).expect("a number");
    lease(&mut store, source, vpn, State::Active);
    write(&mut durable, &mut store);
    lease(&mut store, source, vpn, State::Available);
    pass(&mut store, HISTORY + 10);
    assert_eq!(store.counts().bindings, 0);
    assert_eq!(store.find_vpn(&blue()), Some(vpn), "the disk has a binding of it");
    // Some of what is to be forgotten is in no batch yet.
    durable.write(durable.collect(&store, &Budget::unlimited())).expect("written");
    durable.sync().expect("synced");
    store.release_vpns(durable.released_vpns());
    pass(&mut store, 5);
    assert_eq!(store.find_vpn(&blue()), Some(vpn), "it still has");
    let restored = Durable::<V4Key, _>::open_on(disk.clone(), settings).expect("it opens").1;
    let names = |store: &Store<V4Key>| {
        let budget = Budget::unlimited();
        let changes = store.changes(crate::Revision::default(), &budget);
        changes.map(|binding| store.vpn_name(binding.key().vpn).cloned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&restored), [Some(blue())], "whatever is there has its name");
    write(&mut durable, &mut store);
    pass(&mut store, 5);
    assert_eq!(store.find_vpn(&blue()), None);
    // What comes next has another number, on disk as well.
    let red = store.vpn(Some(source), &name(7)).expect("a number");
    lease(&mut store, source, red, State::Active);
    write(&mut durable, &mut store);
    let mut restored = Durable::<V4Key, _>::open_on(disk, settings).expect("it opens").1;
    assert_eq!(names(&restored), [Some(name(7))]);
    assert_eq!((restored.find_vpn(&blue()), restored.vpns.owned[&source]), (None, 1));
    assert_eq!(restored.vpn(None, &blue()).map(|vpn| vpn.0), Some(red.0 + 1), "after those that were given before");
}
