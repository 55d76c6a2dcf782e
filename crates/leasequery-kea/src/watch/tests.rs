use std::fs;

use super::*;

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_mins(1);

/// Whether a watch hears of what is done; `true` also where nothing can be heard.
fn hears(watch: &mut Watch, action: impl FnOnce()) -> bool {
    let Some((_, heard)) = &watch.listening else { return true };
    while heard.recv_timeout(Duration::from_millis(50)).is_ok() {}
    action();
    heard.recv_timeout(LONG).is_ok()
}

#[test]
fn changes_of_the_file_and_of_what_is_named_after_it_are_heard() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("leases.csv");
    let mut watch = Watch::new(&path);
    assert!(hears(&mut watch, || fs::write(&path, "a").expect("room")));
    let rotated = directory.path().join("leases.csv.1");
    assert!(hears(&mut watch, || fs::rename(&path, &rotated).expect("renamed")));
    assert!(hears(&mut watch, || fs::remove_file(&rotated).expect("removed")));
}

#[test]
fn who_closes_the_file_having_written_is_told_of() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("leases.csv");
    let mut watch = Watch::new(&path);
    let other = directory.path().join("leases.csv.2");
    assert!(hears(&mut watch, || fs::write(&other, "a").expect("room")));
    assert!(!watch.take_closed());
    fs::write(&path, "a").expect("room");
    let start = Instant::now();
    while watch.listening.is_some() && !watch.take_closed() {
        assert!(start.elapsed() < LONG, "it is not told");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(!watch.take_closed(), "it is told once");
}

#[test]
fn other_files_and_readers_are_not_heard() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, other) = (directory.path().join("leases.csv"), directory.path().join("kea.log"));
    fs::write(&path, "a").expect("room");
    let watch = Watch::new(&path);
    fs::write(&other, "a").expect("room");
    fs::read(&path).expect("readable");
    if let Some((_, heard)) = &watch.listening {
        // Events come in order: this one is the first that counts.
        fs::write(&other, "b").expect("room");
        assert!(heard.recv_timeout(Duration::from_millis(100)).is_err());
    }
}

#[test]
fn a_directory_that_was_made_anew_is_watched_again() {
    let parent = tempfile::tempdir().expect("a directory");
    let directory = parent.path().join("kea");
    fs::create_dir(&directory).expect("made");
    let path = directory.join("leases.csv");
    let mut watch = Watch::new(&path);
    if watch.listening.is_none() {
        return;
    }
    fs::rename(&directory, parent.path().join("old")).expect("renamed");
    while watch.listening.is_some() {
        watch.wait(LONG);
    }
    fs::create_dir(&directory).expect("made");
    watch.tried = Instant::now().checked_sub(PAUSE).expect("the machine has run for longer");
    watch.wait(Duration::ZERO);
    assert!(hears(&mut watch, || fs::write(&path, "a").expect("room")));
}

#[test]
fn without_a_directory_it_waits_as_long_as_it_is_told() {
    let mut watch = Watch::new(Path::new("/nowhere/at/all/leases.csv"));
    assert!(watch.listening.is_none());
    watch.wait(Duration::ZERO);
}
