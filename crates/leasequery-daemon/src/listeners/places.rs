use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The places for connections that a listener has.
#[derive(Debug)]
pub struct Places {
    limit: usize,
    limit_of_one: usize,
    /// File descriptors for connections, which all listeners share.
    descriptors: Option<Arc<Semaphore>>,
    /// Those that each address has taken, where there are any.
    taken: Mutex<HashMap<IpAddr, Vec<Arc<Seat>>>>,
}

/// A place that is taken; dropping it gives it back.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    peer: IpAddr,
    seat: Arc<Seat>,
    _descriptor: Option<OwnedSemaphorePermit>,
}

#[derive(Debug, Default)]
struct Seat {
    idle: AtomicBool,
    wanted: Notify,
}

impl Places {
    /// `limit` places, no more than `limit_of_one` of them for one address.
    pub fn new(limit: usize, limit_of_one: usize) -> Arc<Self> {
        Arc::new(Self { limit, limit_of_one, descriptors: None, taken: Mutex::default() })
    }

    /// The same, where a connection needs one of so many file descriptors besides.
    pub(crate) fn within(descriptors: &Arc<Semaphore>, limit: usize, limit_of_one: usize) -> Arc<Self> {
        let descriptors = Some(Arc::clone(descriptors));
        Arc::new(Self { limit, limit_of_one, descriptors, taken: Mutex::default() })
    }

    /// Takes a place, or says why there is none. If there is none left, an idle connection of an address that has at least
    /// two more has to go (RFC 7653 section 9.5).
    pub fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Place, &'static str> {
        let mut taken = self.taken();
        let own = taken.get(&peer).map_or(0, Vec::len);
        if own >= self.limit_of_one {
            return Err("as many connections as limits.connections-per-requestor permits");
        }
        if taken.values().map(Vec::len).sum::<usize>() >= self.limit && !make_room(&mut taken, own) {
            return Err("as many connections as limits.connections permits");
        }
        let descriptor = self.descriptors.as_ref().map(|descriptors| Arc::clone(descriptors).try_acquire_owned());
        let Ok(descriptor) = descriptor.transpose() else {
            // The next one finds the descriptor of whoever makes room.
            make_room(&mut taken, own);
            return Err("as many connections as there are file descriptors for (ulimit -n, LimitNOFILE)");
        };
        let seat = Arc::<Seat>::default();
        taken.entry(peer).or_default().push(Arc::clone(&seat));
        Ok(Place { places: Arc::clone(self), peer, seat, _descriptor: descriptor })
    }

    /// How many are taken.
    pub(crate) fn count(&self) -> usize {
        self.taken().values().map(Vec::len).sum()
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, Vec<Arc<Seat>>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a place from who has the most, for one who has `own`.
fn make_room(taken: &mut HashMap<IpAddr, Vec<Arc<Seat>>>, own: usize) -> bool {
    let idle = |seat: &Arc<Seat>| seat.idle.load(Ordering::Relaxed);
    let candidates = taken.values_mut().filter(|seats| seats.len() > own + 1 && seats.iter().any(idle));
    let Some(seats) = candidates.max_by_key(|seats| seats.len()) else { return false };
    let Some(longest) = seats.iter().position(idle) else { return false };
    seats.remove(longest).wanted.notify_one();
    true
}

impl Place {
    /// Says whether the connection has anything to do.
    pub(crate) fn set_idle(&self, idle: bool) {
        self.seat.idle.store(idle, Ordering::Relaxed);
    }

    /// Waits until the connection has to make room for another one.
    pub(crate) async fn wanted(&self) {
        self.seat.wanted.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(seats) = taken.get_mut(&self.peer) {
            seats.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
            if seats.is_empty() {
                taken.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_ONE: &str = "as many connections as limits.connections-per-requestor permits";
    const OF_ALL: &str = "as many connections as limits.connections permits";

    //= rfc6926-8.4-03
    //= rfc7724-8.3-03
    //= rfc5460-7.3-04
    //= alq6-9.3-02
    //= rfc5460-7.1-01
    //= rfc7653-limits-01
    #[test]
    fn there_are_so_many_places_and_so_many_for_one() {
        let [one, two, three] = [1, 2, 3].map(|last| IpAddr::from([192, 0, 2, last]));
        let places = Places::new(3, 2);
        let first = places.take(one).unwrap();
        let _second = places.take(one).unwrap();
        assert_eq!(places.take(one).unwrap_err(), OF_ONE);
        let _third = places.take(two).unwrap();
        assert_eq!(places.take(three).unwrap_err(), OF_ALL);
        drop(first);
        let _fourth = places.take(three).unwrap();
        assert_eq!(places.take(one).unwrap_err(), OF_ALL);
    }

    fn is_wanted(place: &Place) -> bool {
        let wanted = std::pin::pin!(place.wanted());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::future::Future::poll(wanted, &mut context).is_ready()
    }

    //= rfc7724-9-03
    //= rfc7653-limits-02
    #[test]
    fn who_has_the_most_makes_room_with_what_is_idle() {
        let [one, two] = [1, 2].map(|last| IpAddr::from([192, 0, 2, last]));
        let places = Places::new(4, 4);
        let mut of_one: Vec<_> = (0..4).map(|_| places.take(one).unwrap()).collect();
        assert_eq!(places.take(two).unwrap_err(), OF_ALL, "all of them are busy");
        of_one[1].set_idle(true);
        of_one[3].set_idle(true);
        let _first = places.take(two).unwrap();
        assert_eq!(of_one.iter().map(is_wanted).collect::<Vec<_>>(), [false, true, false, false]);
        // It goes when it is told so, and its place is no longer its own.
        drop(of_one.remove(1));
        assert_eq!(places.taken()[&one].len(), 3);
        let _second = places.take(two).unwrap();
        assert!(is_wanted(&of_one[2]));
        of_one[0].set_idle(true);
        assert_eq!(places.take(two).unwrap_err(), OF_ALL, "both have as many");
        assert_eq!(places.take(one).unwrap_err(), OF_ALL);
    }

    #[test]
    fn all_listeners_together_have_so_many_descriptors() {
        let [one, two] = [1, 2].map(|last| IpAddr::from([192, 0, 2, last]));
        let descriptors = Arc::new(Semaphore::new(3));
        let [first, second] = [(), ()].map(|()| Places::within(&descriptors, 10, 10));
        let of_one: Vec<_> = (0..2).map(|_| first.take(one).unwrap()).collect();
        let _other = second.take(one).unwrap();
        assert!(first.take(two).unwrap_err().contains("file descriptors"), "all of them are busy");
        of_one[0].set_idle(true);
        assert!(first.take(two).unwrap_err().contains("file descriptors"));
        assert!(is_wanted(&of_one[0]), "it makes room for the next attempt");
        drop(of_one);
        first.take(two).unwrap();
    }

    #[test]
    fn nothing_is_kept_of_who_is_gone() {
        let places = Places::new(100, 1);
        for last in 0..100 {
            drop(places.take(IpAddr::from([192, 0, 2, last])).unwrap());
        }
        assert!(places.taken().is_empty());
    }
}
