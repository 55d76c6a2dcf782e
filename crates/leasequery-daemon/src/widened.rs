//! Who may be told more from now on.

use std::sync::Arc;

use leasequery_store::Time;

use crate::config::{Requestor, Requestors};

/// Notes in new permissions whether they are wider than the old ones. Whoever is connected is told of what is new at once;
/// whoever comes back later, with a time from before, is told of it by this mark.
pub(super) fn compare(old: &Requestors, new: &Requestors, now: Time) -> Requestors {
    let alike = |(old, new): (&Requestor, &Requestor)| {
        (&old.policy.name, &old.addresses, &old.certificate_names)
            == (&new.policy.name, &new.addresses, &new.certificate_names)
    };
    // If not, anybody may have become somebody else.
    let same_people = old.0.len() == new.0.len() && old.0.iter().zip(&new.0).all(alike);
    let mark = |(place, requestor): (usize, &Requestor)| {
        let before = old.0.get(place).filter(|_| same_people).map(|old| &old.policy);
        let mut policy = (*requestor.policy).clone();
        policy.widened = match before {
            Some(before) if !policy.is_wider_than(before) => before.widened,
            _ => Some(now),
        };
        Requestor { policy: Arc::new(policy), ..requestor.clone() }
    };
    Requestors(new.0.iter().enumerate().map(mark).collect())
}

#[cfg(test)]
mod tests {
    use leasequery_protocol::server::Policy;

    use super::*;
    use crate::config::OverHttp;

    const BEFORE: Time = Time(1000);
    const NOW: Time = Time(2000);

    fn requestor(name: &str, net: &str, withhold: &[u16]) -> Requestor {
        let policy =
            Policy { name: name.to_owned(), withhold: withhold.to_vec(), widened: Some(BEFORE), ..Policy::default() };
        Requestor {
            addresses: vec![net.parse().expect("a prefix")],
            certificate_names: None,
            policy: Arc::new(policy),
            over_http: OverHttp::default(),
        }
    }

    fn widened(old: &[Requestor], new: &[Requestor]) -> Vec<Option<Time>> {
        let compared = compare(&Requestors(old.to_vec()), &Requestors(new.to_vec()), NOW);
        compared.0.iter().map(|requestor| requestor.policy.widened).collect()
    }

    #[test]
    fn who_is_permitted_more_is_marked() {
        let (a, b) = (requestor("a", "192.0.2.0/24", &[12]), requestor("b", "192.0.2.1/32", &[]));
        let both = [a.clone(), b.clone()];
        assert_eq!(widened(&both, &both), [Some(BEFORE); 2], "nothing is new");
        let less = requestor("b", "192.0.2.1/32", &[12]);
        assert_eq!(widened(&both, &[a.clone(), less]), [Some(BEFORE); 2], "less is nothing new");
        let more = requestor("a", "192.0.2.0/24", &[]);
        assert_eq!(widened(&both, &[more, b.clone()]), [Some(NOW), Some(BEFORE)]);
        assert_eq!(widened(&both, &[b]), [Some(NOW)], "who was one may be the other");
        let elsewhere = requestor("b", "192.0.2.2/32", &[]);
        assert_eq!(widened(&both, &[a, elsewhere]), [Some(NOW); 2]);
    }
}
