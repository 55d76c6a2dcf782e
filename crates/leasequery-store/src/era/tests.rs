use std::net::Ipv4Addr;

use super::*;
use crate::durable::{Durable, Memory};
use crate::{About, Budget, Network, Outcome, Settings, SourceId, Start, Update, V4Key};

const T: Time = Time(1_800_000_000);
const YEAR: u32 = 365 * 24 * 3600;
const SOURCE: SourceId = SourceId(0);

fn key(number: u8) -> V4Key {
    V4Key::new(Ipv4Addr::new(10, 0, 0, number))
}

fn begin(at: Time) -> Store<V4Key> {
    let mut store = Store::new(Settings { history: 3600, durable: true, ..Settings::default() });
    store.advance(at);
    store.source("kea");
    store.set_position(SOURCE, vec![1]);
    store
}

fn lease(store: &mut Store<V4Key>, number: u8, expires: Time) -> Outcome {
    let update = Update {
        client_id: Some(&[1, number]),
        expires: Some(expires),
        last_transaction: Some(store.now()),
        start_of_state: Start::Seen,
        ..Update::new(key(number), State::Active)
    };
    store.commit(SOURCE, &update)
}

fn state(store: &Store<V4Key>, number: u8) -> Option<State> {
    store.lookup(key(number)).map(|binding| binding.state())
}

fn spans(list: &[(u32, u32)]) -> Spans {
    let mut spans = Spans::default();
    for (first, last) in list {
        spans.add(Time(*first), Time(*last));
    }
    spans
}

#[test]
fn spans_that_touch_become_one_and_the_closest_do_when_there_are_too_many() {
    assert_eq!(spans(&[(10, 20), (40, 50), (21, 39)]).iter().collect::<Vec<_>>(), [(Time(10), Time(50))]);
    assert_eq!(
        spans(&[(10, 20), (5, 12), (30, 31)]).iter().collect::<Vec<_>>(),
        [(Time(5), Time(20)), (Time(30), Time(31))]
    );
    let many: Vec<_> = (0..=16).map(|n| (1000 * n, 1000 * n + if n == 5 { 900 } else { 10 })).collect();
    let spans = spans(&many);
    assert_eq!(spans.iter().len(), SPANS);
    assert!(spans.contains(Time(5950)) && !spans.contains(Time(4950)) && !spans.contains(Time(16_011)));
}

#[test]
fn a_clock_that_is_a_little_behind_is_waited_for() {
    let mut store = begin(T);
    store.advance(T.plus(100));
    lease(&mut store, 1, T.plus(98));
    assert_eq!(state(&store, 1), Some(State::Expired));
    store.advance(T.plus(95));
    assert_eq!((store.now(), store.wall(), store.era()), (T.plus(100), T.plus(95), 0));
    // Whether a lease has run out is judged by today's clock.
    lease(&mut store, 2, T.plus(97));
    assert_eq!(state(&store, 2), Some(State::Active));
    store.advance(T.plus(97));
    assert_eq!(state(&store, 2), Some(State::Expired));
    assert_eq!(store.now(), T.plus(100));
}

#[test]
fn a_lease_that_a_wrong_clock_ended_lives_again() {
    let mut store = begin(T);
    lease(&mut store, 1, T.plus(3000));
    lease(&mut store, 2, T.plus(10));
    lease(&mut store, 3, Time::INFINITE);
    store.advance(T.plus(2000));
    store.advance(T.plus(YEAR));
    lease(&mut store, 4, T.plus(YEAR + 50));
    assert_eq!(
        [1, 2, 3, 4].map(|n| state(&store, n)),
        [
            Some(State::Expired),
            // Forgotten: it ended longer ago than the history.
            None,
            Some(State::Active),
            Some(State::Active)
        ]
    );
    let before = store.revision();
    store.advance(T.plus(2100));
    assert_eq!((store.era(), store.now(), store.counts().active), (1, T.plus(2100), 3));
    assert!(store.is_settled());
    assert_eq!(
        [1, 2, 3, 4].map(|n| state(&store, n)),
        [Some(State::Active), None, Some(State::Active), Some(State::Active)]
    );
    let binding = store.lookup(key(1)).expect("it is there");
    assert_eq!((binding.start_of_state(), binding.changed()), (T, T.plus(2100)));
    // It is told as a change, and runs out when its time has come.
    assert_eq!(store.changes(before, &Budget::unlimited()).map(|binding| binding.key()).collect::<Vec<_>>(), [key(1)]);
    let told = store.lookup(key(4)).expect("it is there");
    assert!(told.changed() <= store.now() && told.start_of_state() <= store.now());
    store.advance(T.plus(3000));
    assert_eq!(state(&store, 1), Some(State::Expired));
}

#[test]
fn what_the_wrong_clock_made_forget_is_known_no_more_until_it_has_been_read_again() {
    let begin = || {
        let mut store = begin(T);
        lease(&mut store, 1, T.plus(3000));
        store.set_whole(SOURCE);
        store.source("pushed");
        store.advance(T.plus(YEAR));
        store
    };
    let mut kept = begin();
    kept.advance(T.plus(100));
    assert!(kept.is_known(), "nothing was forgotten");
    // By the wrong clock the history passes.
    let mut store = begin();
    store.advance(T.plus(YEAR + 3601));
    assert_eq!(state(&store, 1), None);
    assert!(store.was_whole(SOURCE));
    store.advance(T.plus(100));
    assert!(!store.was_whole(SOURCE));
    let unknown = store.unknown(About::Key(key(1)), &[]).expect("it may be leased");
    assert_eq!(unknown.source, "kea");
    // In a copy on disk, too.
    assert_eq!(store.metadata().sources.iter().map(|source| source.whole).collect::<Vec<_>>(), [false, false]);
    lease(&mut store, 1, T.plus(3000));
    store.set_whole(SOURCE);
    assert!(store.is_known(), "nobody waits for who never says that it is all");
}

#[test]
fn an_address_in_probation_stays_in_it() {
    let mut store = begin(T);
    store.commit(SOURCE, &Update { expires: Some(T.plus(3000)), ..Update::new(key(1), State::Abandoned) });
    store.advance(T.plus(YEAR));
    assert_eq!(state(&store, 1), Some(State::Available));
    store.advance(T.plus(100));
    assert_eq!(state(&store, 1), Some(State::Abandoned));
}

#[test]
fn what_a_source_ended_stays_ended() {
    let mut store = begin(T);
    for number in 1..=2 {
        lease(&mut store, number, T.plus(3000));
    }
    store.end_lease(SOURCE, key(1), State::Released);
    store.end_lease(SOURCE, key(2), State::Available);
    store.advance(T.plus(YEAR));
    store.advance(T.plus(100));
    assert!([1, 2].map(|n| state(&store, n)).iter().all(|state| *state != Some(State::Active)));
}

#[test]
fn what_nobody_vouches_for_any_more_stays_ended() {
    let mut store = begin(T);
    lease(&mut store, 1, T.plus(3000));
    store.advance(T.plus(3100));
    // By now its server has forgotten it.
    store.begin_sweep(SOURCE);
    assert!(store.end_sweep(SOURCE, &mut crate::SweepEnd::default(), &Budget::unlimited()));
    store.advance(T.plus(100));
    assert_eq!((store.era(), state(&store, 1)), (1, Some(State::Expired)));
}

#[test]
fn putting_right_is_done_in_bites_and_until_then_nothing_is_settled() {
    let mut store = Store::new(Settings::default());
    store.advance(T);
    store.source("kea");
    for number in 0..3000_u16 {
        let key = V4Key::new(Ipv4Addr::from_bits(0x0a00_0000 + u32::from(number)));
        store.commit(SOURCE, &Update { expires: Some(T.plus(3000)), ..Update::new(key, State::Active) });
    }
    store.advance(T.plus(4000));
    assert_eq!(store.counts().active, 0);
    assert_eq!(store.advance(T.plus(100)), 1024);
    assert!(!store.is_settled() && !store.is_known());
    assert!(store.unknown(crate::About::Everything, &[]).is_some());
    assert_eq!(store.next_deadline(), Some(store.now()));
    store.advance(T.plus(100));
    store.advance(T.plus(101));
    assert!(store.is_settled() && store.is_known());
    assert_eq!(store.counts().active, 3000);
}

#[test]
fn the_history_begins_anew_and_positions_are_gone() {
    let mut store = begin(T);
    lease(&mut store, 1, Time::INFINITE);
    for later in 1..=10 {
        store.advance(T.plus(50 * later));
    }
    assert!(store.reaches(T.plus(1)) && store.reaches(T.plus(502)) && !store.reaches(T.plus(503)));
    store.advance(T.plus(200));
    assert_eq!(store.history_floor(), T.plus(201));
    assert_eq!(store.position(SOURCE), None);
    assert_eq!(store.forgotten_up_to(), store.revision());
    // The clock passes times that it has shown before.
    for later in [0, 1, 100, 300, 310] {
        store.advance(T.plus(200 + later));
        assert!(!store.reaches(T.plus(200 + later)), "{later}");
    }
    store.advance(T.plus(511));
    assert!(!store.reaches(T.plus(510)) && store.reaches(T.plus(511)));
    lease(&mut store, 2, Time::INFINITE);
    let caught_up: Vec<_> =
        store.changes(store.revision_at(T.plus(511)), &Budget::unlimited()).map(|binding| binding.key()).collect();
    assert_eq!(caught_up, [key(2)]);
}

#[test]
fn only_what_a_clock_has_shown_is_ambiguous() {
    // The state of yesterday, a boot in 1970, and then NTP.
    let mut store = begin(T);
    store.advance(Time(5));
    for second in 6..40 {
        store.advance(Time(second));
    }
    assert_eq!(store.era(), 1);
    store.advance(T.plus(60));
    assert_eq!(store.era(), 1);
    assert!(!store.reaches(T) && store.reaches(T.plus(60)) && store.reaches(Time(20)));
    // A clock that was ahead by a year for some minutes.
    let mut store = begin(T);
    store.advance(T.plus(YEAR));
    store.advance(T.plus(YEAR + 50));
    store.advance(T.plus(100));
    assert!(!store.reaches(T.plus(100)) && store.reaches(T.plus(101)));
    store.advance(T.plus(YEAR - 1));
    assert!(store.reaches(T.plus(1000)) && store.reaches(T.plus(YEAR - 1)));
    store.advance(T.plus(YEAR + 30));
    assert!(!store.reaches(T.plus(YEAR)) && !store.reaches(T.plus(YEAR + 30)) && store.reaches(T.plus(YEAR - 1)));
}

#[test]
fn what_is_configured_is_configured_since_a_time_that_has_come() {
    let mut store = begin(T.plus(YEAR));
    store.set_networks(None, &[Network { first: key(1), last: key(9), since: store.now() }]);
    store.advance(T);
    assert_eq!(store.networks_of(None)[0].since, T);
}

#[test]
fn eras_survive_on_disk_and_begin_there() {
    let disk = Memory::new();
    let settings = Settings { history: 3600, durable: true, ..Settings::default() };
    let open = || Durable::<V4Key, Memory>::open_on(disk.clone(), settings).expect("it opens");
    let (mut durable, mut store) = open();
    store.advance(T);
    store.source("kea");
    store.set_position(SOURCE, vec![1]);
    lease(&mut store, 1, T.plus(3000));
    store.advance(T.plus(YEAR));
    lease(&mut store, 2, T.plus(YEAR + 3000));
    durable.write(durable.collect(&store, &Budget::unlimited())).expect("it writes");
    drop(durable);
    // Killed, and the clock is put right before it is started again.
    let (mut durable, mut store) = open();
    store.advance(T.plus(100));
    assert_eq!((store.era(), store.now(), store.history_floor()), (1, T.plus(100), T.plus(101)));
    assert_eq!((state(&store, 1), store.position(SOURCE)), (Some(State::Active), None));
    store.advance(T.plus(110));
    assert!(store.reaches(T.plus(110)));
    // An incomplete batch does not say that everything was put right.
    durable.write(durable.collect(&store, &Budget::new(1))).expect("it writes");
    assert!(!open().1.is_settled());
    durable.write(durable.collect(&store, &Budget::unlimited())).expect("it writes");
    let (_, mut restored) = open();
    assert!(restored.is_settled());
    restored.advance(T.plus(120));
    assert_eq!((restored.era(), state(&restored, 1)), (1, Some(State::Active)));
    assert!(restored.lookup(key(2)).is_some_and(|binding| binding.changed() <= restored.now()));
    restored.advance(T.plus(YEAR + 1));
    assert!(!restored.reaches(T.plus(YEAR)));
}
