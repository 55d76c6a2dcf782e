use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::durable::{Durable, Memory};
use crate::{Budget, Hardware, Settings, Time, V4Key};

const NOW: Time = Time(1_700_000_000);
const A: SourceId = SourceId(0);
const B: SourceId = SourceId(1);
const C: SourceId = SourceId(2);
const KEY: V4Key = V4Key::new(Ipv4Addr::new(192, 0, 2, 1));

fn store() -> Store<V4Key> {
    let mut store = Store::new(Settings { durable: true, ..Settings::default() });
    store.advance(NOW);
    name_all(&mut store);
    store
}

fn name_all(store: &mut Store<V4Key>) {
    assert_eq!(["a", "b", "c"].map(|name| store.source(name)), [Some(A), Some(B), Some(C)]);
}

/// A word about the address: the state, the client, and how long ago it was heard.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Word {
    state: State,
    client: u8,
    ago: u32,
    hearsay: bool,
}

const LEASE: Word = Word { state: State::Active, client: 1, ago: 100, hearsay: false };

impl Word {
    fn ago(self, ago: u32) -> Self {
        Self { ago, ..self }
    }

    fn of(self, client: u8) -> Self {
        Self { client, ..self }
    }

    fn over(self) -> Self {
        Self { state: State::Released, ..self }
    }
}

fn say(store: &mut Store<V4Key>, source: SourceId, word: Word) -> Outcome {
    let mac = [2, 0, 0, 0, 0, word.client];
    let update = Update {
        hardware: Some(Hardware { htype: 1, address: &mac }),
        last_transaction: Some(NOW.minus(word.ago)),
        expires: (!word.state.is_ended()).then_some(NOW.plus(4000 - word.ago)),
        remote_there: word.hearsay,
        ..Update::new(KEY, word.state)
    };
    store.commit(source, &update)
}

/// The source tells everything, and that is this.
fn tell_all(store: &mut Store<V4Key>, source: SourceId, word: Option<Word>) {
    store.begin_sweep(source);
    if let Some(word) = word {
        say(store, source, word);
    }
    finish_sweep(store, source);
}

fn finish_sweep(store: &mut Store<V4Key>, source: SourceId) {
    let mut end = SweepEnd::default();
    while !store.end_sweep(source, &mut end, &Budget::new(1)) {}
}

/// What is stored: owner, state, client, and how long ago it was heard.
fn stored(store: &Store<V4Key>) -> (Option<u8>, State, u8, u32) {
    let binding = store.lookup(KEY).expect("it is known");
    let client = binding.hardware().map_or(0, |hardware| hardware.address[5]);
    let ago = NOW.since(binding.last_transaction().expect("it was said"));
    (store.owner(&binding).map(|owner| owner.0), binding.state(), client, ago)
}

const ACTIVE: State = State::Active;

/// Ways in which a source loses a lease without a word about it.
const LOSSES: [fn(&mut Store<V4Key>, SourceId); 4] = [
    |store, source| tell_all(store, source, None),
    |store, source| {
        store.withdraw(source, KEY);
    },
    |store, source| {
        store.end_lease(source, KEY, State::Available);
    },
    |store, source| {
        let mut end = SweepEnd::default();
        while !store.end_source(source, &mut end, &Budget::new(1)) {}
    },
];

#[test]
fn a_lease_that_its_owner_lost_is_that_of_whoever_says_the_same_and_nobody_is_told_of_an_end() {
    for lose in LOSSES {
        for ago in [100, 500] {
            let mut store = store();
            say(&mut store, A, LEASE);
            say(&mut store, B, LEASE.ago(ago));
            let before = store.revision();
            lose(&mut store, A);
            assert_eq!(stored(&store), (Some(1), ACTIVE, 1, 100));
            assert!(store.revision() > before, "it has to be on disk");
            assert!(store.is_asked(B) && !store.is_asked(A));
            // It says what it says.
            tell_all(&mut store, B, Some(LEASE.ago(500)));
            assert_eq!(stored(&store), (Some(1), ACTIVE, 1, 500));
            assert!(!store.is_asked(B));
            lose(&mut store, B);
            let (_, state, client, ago) = stored(&store);
            assert_eq!((state, client, ago), (State::Available, 1, 500));
        }
    }
}

#[test]
fn a_source_that_does_not_say_it_again_vouches_no_more() {
    let mut store = store();
    say(&mut store, A, LEASE);
    say(&mut store, B, LEASE);
    say(&mut store, C, LEASE.ago(500));
    tell_all(&mut store, B, None);
    let vouching: Vec<_> = store.lookup(KEY).map(|binding| store.vouching(&binding).collect()).expect("it is known");
    assert_eq!(vouching, [A, C]);
    tell_all(&mut store, A, None);
    assert_eq!(stored(&store).0, Some(2));
    // A sweep that broke off is no reason to forget anybody.
    say(&mut store, B, LEASE);
    store.begin_sweep(B);
    store.begin_sweep(C);
    finish_sweep(&mut store, C);
    assert_eq!(stored(&store), (Some(1), ACTIVE, 1, 100));
}

#[test]
fn a_word_of_a_later_transaction_ends_what_others_vouch_for_and_one_without_does_not() {
    let mut store = store();
    say(&mut store, A, LEASE);
    say(&mut store, B, LEASE);
    assert_eq!(say(&mut store, A, LEASE.over()), Outcome::Unchanged, "Kea's partner was told that it is deleted");
    assert_eq!(stored(&store), (Some(1), ACTIVE, 1, 100));
    assert!(!store.is_asked(B), "what is stored is what it says");
    say(&mut store, B, LEASE.over().ago(10));
    assert_eq!(stored(&store), (Some(1), State::Released, 1, 10));
    assert_eq!(say(&mut store, A, LEASE), Outcome::Unchanged);
    assert_eq!(stored(&store).1, State::Released);
    // Of the two words about the lease the other one was the earlier.
    let mut store = self::store();
    say(&mut store, A, LEASE);
    say(&mut store, B, LEASE.ago(500));
    say(&mut store, A, LEASE.over());
    assert_eq!(stored(&store), (Some(0), State::Released, 1, 100));
}

#[test]
fn an_owner_that_falls_back_behind_what_another_one_says_is_the_owner_no_more() {
    let mut store = store();
    say(&mut store, A, LEASE);
    say(&mut store, B, LEASE);
    for old in [LEASE.ago(900), LEASE.ago(900).of(2), LEASE.ago(900).over()] {
        say(&mut store, A, LEASE);
        assert_eq!(say(&mut store, A, old), Outcome::Unchanged, "{old:?}");
        assert_eq!(stored(&store), (Some(1), ACTIVE, 1, 100));
    }
    say(&mut store, A, LEASE.ago(50).of(2));
    assert_eq!(stored(&store), (Some(0), ACTIVE, 2, 50));
}

#[test]
fn who_has_another_clients_lease_does_not_vouch_and_is_asked() {
    for lose in LOSSES {
        let mut store = store();
        say(&mut store, A, LEASE);
        say(&mut store, B, LEASE.ago(500).of(2));
        lose(&mut store, A);
        assert_eq!((stored(&store).1, stored(&store).2), (State::Available, 1));
        // A push client ends it itself, and its word stays.
        let own = stored(&store).0.is_some();
        assert!(own || store.is_asked(B));
        say(&mut store, A, LEASE);
        say(&mut store, A, LEASE.ago(50).of(2));
        say(&mut store, B, LEASE.ago(50).of(2));
        lose(&mut store, A);
        assert_eq!(stored(&store), (Some(1), ACTIVE, 2, 50));
    }
}

#[test]
fn who_has_it_from_another_server_does_not_vouch_for_who_has_it_himself() {
    let hearsay = Word { hearsay: true, ..LEASE };
    for (first, second, active) in [(LEASE, hearsay, false), (hearsay, hearsay, true), (hearsay, LEASE, true)] {
        let mut store = store();
        say(&mut store, A, first);
        say(&mut store, B, second);
        tell_all(&mut store, A, None);
        assert_eq!(stored(&store).1 == ACTIVE, active, "{first:?}, {second:?}");
        assert!(store.is_asked(B) || first.hearsay != second.hearsay);
    }
}

#[test]
fn a_lease_that_ran_out_is_nobody_elses() {
    let mut store = store();
    say(&mut store, A, LEASE);
    say(&mut store, B, LEASE);
    store.advance(NOW.plus(4000));
    assert_eq!(stored(&store).1, State::Expired);
    tell_all(&mut store, A, None);
    assert_eq!(stored(&store).1, State::Expired);
    assert!(!store.is_asked(B));
}

#[test]
fn renewals_of_a_pair_are_told_once_and_who_vouches_costs_no_revision() {
    let mut store = store();
    say(&mut store, A, LEASE);
    say(&mut store, B, LEASE);
    for ago in [80, 60, 40] {
        let before = store.revision();
        say(&mut store, A, LEASE.ago(ago));
        say(&mut store, B, LEASE.ago(ago));
        say(&mut store, B, LEASE.ago(ago));
        assert_eq!(store.revision().0, before.0 + 1);
    }
    let before = store.revision();
    tell_all(&mut store, B, Some(LEASE.ago(40)));
    tell_all(&mut store, A, Some(LEASE.ago(40)));
    assert_eq!(store.revision(), before);
    assert_eq!(store.counts().lists, 5, "nobody, each of three alone, and both");
}

#[test]
fn it_is_known_over_restarts_who_owns_what_and_who_vouches() {
    let disk = Memory::new();
    let open = || Durable::<V4Key, _>::open_on(disk.clone(), Settings { durable: true, ..Settings::default() });
    let (mut durable, mut store) = open().expect("it opens");
    store.advance(NOW);
    name_all(&mut store);
    let keep = |durable: &mut Durable<V4Key, Memory>, store: &Store<V4Key>| {
        durable.write(durable.collect(store, &Budget::new(100))).expect("it is written");
    };
    say(&mut store, A, LEASE);
    keep(&mut durable, &store);
    say(&mut store, B, LEASE);
    say(&mut store, C, LEASE.of(3).ago(900));
    keep(&mut durable, &store);
    drop(durable);

    let (mut durable, mut store) = open().expect("it opens");
    assert_eq!(stored(&store).0, Some(0));
    tell_all(&mut store, A, None);
    assert_eq!(stored(&store), (Some(1), ACTIVE, 1, 100));
    keep(&mut durable, &store);
    drop(durable);

    let (_, mut store) = open().expect("it opens");
    assert_eq!(stored(&store), (Some(1), ACTIVE, 1, 100));
    tell_all(&mut store, B, None);
    assert_eq!(stored(&store).1, State::Available);
    assert!(store.is_asked(C));
}

#[test]
fn a_sweep_is_over_when_everything_has_been_looked_at() {
    let mut store = store();
    for number in 0..200 {
        let key = V4Key::new(Ipv4Addr::new(10, 0, 0, number));
        store.commit(A, &Update::new(key, ACTIVE));
    }
    store.begin_sweep(A);
    let (mut end, mut bites) = (SweepEnd::default(), 1);
    while !store.end_sweep(A, &mut end, &Budget::new(100)) {
        let so_far = end.ended();
        assert!(so_far <= 7 * bites, "{so_far} ends in {bites} bites");
        // Whoever comes meanwhile is told of.
        store.commit(A, &Update::new(V4Key::new(Ipv4Addr::new(10, 0, 1, 7)), ACTIVE));
        bites += 1;
    }
    assert_eq!((end.ended(), store.counts().active), (200, 1));
}

/// What a source does.
#[derive(Debug, Clone)]
enum Step {
    Say(u8, Word),
    All(u8, Option<Word>),
    Broken(u8),
    Withdraw(u8),
    Restart,
}

fn word() -> impl Strategy<Value = Word> {
    let state = prop_oneof![4 => Just(State::Active), 1 => Just(State::Released), 1 => Just(State::Abandoned)];
    let times = prop_oneof![Just(100_u32), Just(101), Just(110), Just(500)];
    (state, 1..3_u8, times).prop_map(|(state, client, ago)| Word { state, client, ago, hearsay: false })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_u8, word()).prop_map(|(source, word)| Step::Say(source, word)),
        3 => (0..3_u8, proptest::option::of(word())).prop_map(|(source, word)| Step::All(source, word)),
        1 => (0..3_u8).prop_map(Step::Broken),
        2 => (0..3_u8).prop_map(Step::Withdraw),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    /// Whatever is said in whatever order: what some source has, and none says is over, is not free, unless that source is
    /// about to be asked because it is about another client than what was stored. And nobody owns what he does not say.
    #[test]
    fn what_somebody_has_does_not_end(steps in proptest::collection::vec(step(), 0..40)) {
        let disk = Memory::new();
        let settings = Settings { durable: true, ..Settings::default() };
        let open = || Durable::<V4Key, _>::open_on(disk.clone(), settings).expect("it opens");
        let (mut durable, mut store) = open();
        store.advance(NOW);
        name_all(&mut store);
        let mut words: [Option<Word>; 3] = [None; 3];
        for step in steps {
            match step {
                Step::Say(source, word) => {
                    say(&mut store, SourceId(source), word);
                    words[usize::from(source)] = Some(word);
                }
                Step::All(source, word) => {
                    tell_all(&mut store, SourceId(source), word);
                    words[usize::from(source)] = word;
                }
                Step::Broken(source) => store.begin_sweep(SourceId(source)),
                Step::Withdraw(source) => {
                    store.withdraw(SourceId(source), KEY);
                    words[usize::from(source)] = None;
                }
                Step::Restart => {
                    durable.write(durable.collect(&store, &Budget::new(100))).expect("it is written");
                    (durable, store) = open();
                    // Whoever is followed is asked for everything after a restart.
                    for source in [A, B, C] {
                        tell_all(&mut store, source, words[usize::from(source.0)]);
                    }
                }
            }
            let Some(binding) = store.lookup(KEY) else { continue };
            let held = |word: &Word| !word.state.is_ended();
            let over = |held: &Word| words.iter().flatten().any(|word| word.state.is_ended() && word.ago <= held.ago + 2);
            let live: Vec<_> = (0..).zip(&words).filter_map(|(n, word)| Some((n, word.filter(held)?))).collect();
            let sure = live.iter().any(|(_, word)| !over(word));
            let asked = live.iter().any(|(source, _)| store.is_asked(SourceId(*source)));
            if sure && binding.state().is_ended() {
                prop_assert!(asked, "{words:?}: {:?}", stored(&store));
            }
            if !binding.state().is_ended() {
                let owner = store.owner(&binding).expect("a lease is somebody's");
                let has = words[usize::from(owner.0)].is_some_and(|word| held(&word));
                prop_assert!(has || store.is_asked(owner), "{words:?}: {:?}", stored(&store));
            }
        }
        prop_assert!(store.counts().lists < 40);
    }
}
