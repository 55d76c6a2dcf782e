//! The durable copy of the store: opened at the start, and kept up to date beside everything else.

mod checkpoint;
mod keeper;
mod place;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use leasequery_store::durable::{Durable, DurableError};
use leasequery_store::{Key, Settings, Store};
use tracing::{info, warn};

use super::SharedStore;
use super::registry::{Kind, Registry};
use super::turns::{Turns, Who};
use crate::feed::protocol as protocol_of;

pub use checkpoint::Checkpoint;
pub use keeper::Keeper;
pub use place::{Place, inspect};

use place::Database;

/// Opens the store of a protocol, from disk if there is a directory for it, which is kept up to date from now on. With
/// `repeats` every source tells again of what was lost in a crash, or finds that it cannot.
pub fn open<K: Key>(
    place: Option<&Arc<Place>>,
    protocol: &'static str,
    settings: Settings,
    repeats: bool,
    turns: &Arc<Turns>,
    registry: &Registry,
) -> anyhow::Result<(Arc<SharedStore<K>>, Option<Keeper>)> {
    let Some(place) = place else { return Ok((Arc::new(SharedStore::new(Store::new(settings))), None)) };
    let (name, mut database) = (place.name(), Database::new(place, protocol));
    let open = |directory: &Path| Durable::<K>::open(directory, settings);
    let (durable, store) = database.open(open).with_context(|| name.clone())?;
    if store.counts().bindings > 0 {
        info!("{name}: {} {protocol} bindings", store.counts().bindings);
    }
    // Its clock is set now: the history is lost up to this moment.
    let shared = Arc::new(SharedStore::new(store));
    if !durable.was_closed() {
        shared.set_unclean();
    }
    if !durable.was_closed() && !repeats {
        // Requestors may have been told of commits that nobody will repeat.
        warn!("{name}: the last run ended without writing everything, the history begins anew");
        shared.write(Store::lose_history);
    }
    let share = (Arc::clone(turns), Who::Disk(protocol));
    let part = registry.enter(Kind::StateDir, name.as_str(), Some(protocol_of::<K>()));
    let keeper = Keeper::start(&shared, durable, format!("{name} ({protocol})"), share, database, part);
    Ok((shared, Some(keeper)))
}

/// Opens a database. One that will never be usable is set aside, for what is in it can be had from the sources again, and
/// an empty one takes its place.
fn usable<T: Send>(
    name: &str,
    directory: &Path,
    open: impl Fn() -> Result<T, DurableError> + Sync,
) -> Result<T, DurableError> {
    match guarded(&open) {
        Err(problem) if problem.is_lasting() => {
            let aside = place::set_aside(directory, &problem).map_err(DurableError::System)?;
            warn!("{name}: {problem}; moved to {}, all of it has to come from the sources again", aside.display());
            guarded(&open)
        }
        opened => opened,
    }
}

/// Octets that are not what the database wrote may make it panic.
fn guarded<T: Send>(open: &(impl Fn() -> Result<T, DurableError> + Sync)) -> Result<T, DurableError> {
    let opened = std::thread::scope(|scope| scope.spawn(open).join());
    opened.unwrap_or_else(|_| Err(DurableError::Damaged("it is not sound".to_owned())))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use leasequery_store::durable::{Disk, Files, Table, Write};
    use leasequery_store::{Budget, SourceId, State, Update, V4Key};

    use super::*;

    /// A database with some bindings.
    fn write(directory: &Path) {
        let (mut durable, mut store) = Durable::<V4Key>::open(directory, Settings::default()).expect("an empty one");
        for number in 1..=200 {
            let key = V4Key::new(Ipv4Addr::new(10, 0, 0, number));
            store.commit(SourceId(0), &Update { client_id: Some(&[1; 40]), ..Update::new(key, State::Active) });
        }
        durable.write(durable.collect(&store, &Budget::new(1000))).expect("it writes");
        durable.close().expect("it is closed");
    }

    fn open(directory: &Path) -> Result<Store<V4Key>, DurableError> {
        usable("state-dir", directory, || Durable::open(directory, Settings::default())).map(|(_, store)| store)
    }

    fn files(directory: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(directory).expect("readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { files(&path, found) } else { found.push(path) }
        }
    }

    /// Whatever happens to its files, a database can be opened: with what was written, with what came before the damage,
    /// or as an empty one.
    #[test]
    fn no_damage_keeps_a_database_from_being_opened() {
        let directory = tempfile::tempdir().expect("a directory");
        let database = directory.path().join("v4");
        let mut random = fastrand::Rng::with_seed(11);
        write(&database);
        let mut names = Vec::new();
        files(&database, &mut names);
        for file in names {
            for way in 0..5 {
                let Ok(mut octets) = std::fs::read(&file) else { continue };
                octets.truncate(100_000);
                match way {
                    0 => octets.truncate(octets.len() / 2),
                    1 => octets.fill(0),
                    2 => octets.fill_with(|| random.u8(..)),
                    3 => octets.iter_mut().step_by(97).for_each(|octet| *octet ^= 0x55),
                    _ => {}
                }
                std::fs::write(&file, octets).expect("written");
                if way == 4 {
                    std::fs::remove_file(&file).expect("removed");
                }
                let opened = open(&database);
                let known = opened.unwrap_or_else(|problem| panic!("{}, {way}: {problem}", file.display())).counts();
                assert!(known.bindings <= 200);
                std::fs::remove_dir_all(&database).expect("removed");
                write(&database);
            }
        }
    }

    #[test]
    fn a_database_of_another_version_is_set_aside() {
        let directory = tempfile::tempdir().expect("a directory");
        let database = directory.path().join("v4");
        write(&database);
        let disk = Files::open(&database).expect("it opens");
        let metadata = Write { table: Table::Metadata, key: b"metadata".to_vec(), value: Some(vec![2, 0]) };
        disk.apply(vec![metadata]).and_then(|()| disk.sync()).expect("it is written");
        drop(disk);
        assert_eq!(open(&database).expect("it opens").counts().bindings, 0);
        let names =
            std::fs::read_dir(directory.path()).expect("readable").map(|entry| entry.expect("an entry").file_name());
        assert!(names.into_iter().any(|name| name.to_string_lossy().starts_with("v4.layout-2-")));
    }
}
