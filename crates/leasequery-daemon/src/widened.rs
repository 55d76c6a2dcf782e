//! Who may be told more from now on.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leasequery_protocol::server::Policy;
use leasequery_store::Time;
use tracing::warn;

use crate::config::{Requestor, Requestors};

/// What was permitted last, and since when, in a file beside the durable copies: who comes back after a restart has been
/// told what was permitted before it. One time for all is enough, for what it costs is to be told everything once more.
#[derive(Debug)]
pub(super) struct Memory(Option<PathBuf>);

impl Memory {
    /// In a file, or nowhere: who keeps no history needs none of it.
    pub(super) fn at(file: Option<PathBuf>) -> Self {
        Self(file)
    }

    /// What holds at the start. Permissions that are not those of the last run may be wider than they were; `is_new` says
    /// that nobody has been told of anything yet.
    pub(super) fn restore(&self, requestors: &Requestors, is_new: bool, now: Time) -> Requestors {
        let kept = self.0.as_deref().and_then(read);
        let widened = match kept {
            Some((digest, widened)) if digest == digest_of(requestors) => widened,
            None if is_new => None,
            _ => Some(now),
        };
        let mark = |requestor: &Requestor| {
            let policy = (*requestor.policy).clone();
            Requestor { policy: Arc::new(Policy { widened, ..policy }), ..requestor.clone() }
        };
        let restored = Requestors(requestors.0.iter().map(mark).collect());
        self.keep(&restored);
        restored
    }

    /// Remembers what is permitted from now on. Where that fails, the next run will find that it is not what was.
    pub(super) fn keep(&self, requestors: &Requestors) {
        let Some(file) = &self.0 else { return };
        let widened = requestors.0.iter().filter_map(|requestor| requestor.policy.widened).max();
        if let Err(problem) = write(file, digest_of(requestors), widened) {
            warn!("{}: {problem}; after a restart everybody who comes back is told everything", file.display());
        }
    }
}

/// Of all that is permitted, without the marks.
fn digest_of(requestors: &Requestors) -> u64 {
    let mut hasher = DefaultHasher::new();
    for requestor in &requestors.0 {
        let policy = Policy { widened: None, ..(*requestor.policy).clone() };
        format!("{:?} {:?} {policy:?}", requestor.addresses, requestor.certificate_names).hash(&mut hasher);
    }
    hasher.finish()
}

fn read(file: &Path) -> Option<(u64, Option<Time>)> {
    let text = leasequery_live::files::read_to_string(file).ok()?;
    let (digest, widened) = text.trim().split_once(' ')?;
    let widened = match widened {
        "-" => None,
        time => Some(Time(time.parse().ok()?)),
    };
    Some((u64::from_str_radix(digest, 16).ok()?, widened))
}

fn write(file: &Path, digest: u64, widened: Option<Time>) -> io::Result<()> {
    let widened = widened.map_or_else(|| "-".to_owned(), |time| time.0.to_string());
    let new = file.with_extension("new");
    fs::write(&new, format!("{digest:016x} {widened}\n"))?;
    fs::rename(&new, file)
}

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

    #[test]
    fn who_is_permitted_more_than_in_the_last_run_is_marked() {
        let directory = tempfile::tempdir().expect("a directory");
        let memory = || Memory::at(Some(directory.path().join("permissions")));
        let requestor = |withhold: &[u16]| {
            let mut requestor = requestor("a", "192.0.2.0/24", withhold);
            Arc::make_mut(&mut requestor.policy).widened = None;
            Requestors(vec![requestor])
        };
        let start =
            |withhold: &[u16], is_new, now| memory().restore(&requestor(withhold), is_new, now).0[0].policy.widened;
        assert_eq!(start(&[12], true, BEFORE), None, "nobody has been told of anything");
        assert_eq!(start(&[12], false, NOW), None, "nothing is new");
        assert_eq!(start(&[], false, NOW), Some(NOW));
        let later = Time(3000);
        assert_eq!(start(&[], false, later), Some(NOW), "it holds in the next run too");
        // And so does what changed in between.
        let running = memory().restore(&requestor(&[12]), false, later);
        memory().keep(&compare(&running, &requestor(&[]), Time(4000)));
        assert_eq!(start(&[], false, Time(5000)), Some(Time(4000)));
        // What cannot be read may have been anything.
        std::fs::write(directory.path().join("permissions"), "").expect("written");
        assert_eq!(start(&[], false, Time(6000)), Some(Time(6000)));
        assert_eq!(Memory::at(None).restore(&requestor(&[]), true, NOW).0[0].policy.widened, None);
    }
}
