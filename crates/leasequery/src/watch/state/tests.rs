use super::*;

#[test]
fn what_was_saved_is_read_and_belongs_to_its_server() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("state");
    let mut file = StateFile::open(path.clone(), "v4", "192.0.2.1:67").expect("no file is no mistake");
    assert_eq!(file.position(), None);
    for resume in [5, 1_800_000_000] {
        let position = Position { resume: Time(resume), skew: -7 };
        file.save(position).expect("it is written");
        assert_eq!(StateFile::open(path.clone(), "v4", "192.0.2.1:67").expect("the file").position(), Some(position));
    }
    let problem = StateFile::open(path.clone(), "v4", "192.0.2.2:67").expect_err("another server");
    assert!(problem.contains("belongs to 192.0.2.1:67 (v4), not to 192.0.2.2:67 (v4)"), "{problem}");
    std::fs::write(&path, b"{}").expect("it is written");
    let problem = StateFile::open(path, "v4", "192.0.2.1:67").expect_err("something else");
    assert!(problem.contains("not a state file"), "{problem}");
}

#[test]
fn where_nothing_can_be_written_is_known_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("none/state");
    let problem = StateFile::open(path.clone(), "v4", "192.0.2.1:67").expect_err("there is no such directory");
    assert!(problem.starts_with(&format!("{}: there is no directory ", path.display())), "{problem}");
    StateFile::open(directory.path().join("state"), "v4", "192.0.2.1:67").expect("it can be written");
    assert_eq!(std::fs::read_dir(directory.path()).expect("readable").count(), 0, "trying leaves nothing behind");
}
