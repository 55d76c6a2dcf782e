use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places for connections that a listener has.
#[derive(Debug)]
pub struct Places {
    limit: usize,
    limit_of_one: usize,
    /// How many each address has taken, where that is any.
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A place that is taken; dropping it gives it back.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    peer: IpAddr,
}

impl Places {
    /// `limit` places, no more than `limit_of_one` of them for one address.
    pub fn new(limit: usize, limit_of_one: usize) -> Arc<Self> {
        Arc::new(Self { limit, limit_of_one, taken: Mutex::default() })
    }

    /// Takes a place, or says why there is none.
    pub fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Place, &'static str> {
        let mut taken = self.taken();
        if taken.values().sum::<usize>() >= self.limit {
            return Err("as many connections as limits.connections permits");
        }
        let of_one = taken.entry(peer).or_default();
        if *of_one >= self.limit_of_one {
            return Err("as many connections as limits.connections-per-requestor permits");
        }
        *of_one += 1;
        Ok(Place { places: Arc::clone(self), peer })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(of_one) = taken.get_mut(&self.peer) {
            *of_one -= 1;
            if *of_one == 0 {
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

    #[test]
    fn nothing_is_kept_of_who_is_gone() {
        let places = Places::new(100, 1);
        for last in 0..100 {
            drop(places.take(IpAddr::from([192, 0, 2, last])).unwrap());
        }
        assert!(places.taken().is_empty());
    }
}
