use std::net::Ipv4Addr;

use leasequery_store::{Settings, V4Key};

use super::*;

const NOW: Time = Time(1_700_000_000);
const HISTORY: u32 = 3600;

/// What is taken of a lease that ended some seconds ago, of which something was known or not.
fn told(ago: u32, known: bool) -> Change {
    let mut store = Store::new(Settings { history: HISTORY, ..Settings::default() });
    store.advance(NOW);
    let source = store.source("test").unwrap();
    let key = V4Key::new(Ipv4Addr::new(192, 0, 2, 1));
    if known {
        store.commit(source, &Update::new(key, State::Active));
    }
    let ended = Update { start_of_state: Start::Given(NOW.minus(ago)), ..Update::new(key, State::Released) };
    take(ended, Origin::Sweep, source, &mut store).unwrap().change
}

#[test]
fn what_has_been_forgotten_is_not_learned_again() {
    assert_eq!(told(HISTORY, false), Change::Lease);
    assert_eq!(told(HISTORY + 1, false), Change::None, "a server with a longer history tells of it in every sweep");
    assert_eq!(told(HISTORY + 1, true), Change::Lease, "that it has ended is news");
}
