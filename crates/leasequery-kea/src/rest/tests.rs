use std::fs;
use std::io::Write;

use super::*;

fn look(rest: &mut Rest, names: &Names) -> bool {
    rest.look(View::at(names).expect("readable"), names).expect("readable").at_rest
}

#[test]
fn files_are_at_rest_when_nothing_has_happened_for_long_enough() {
    let directory = tempfile::tempdir().expect("a directory");
    let names = Names::new(directory.path().join("leases.csv"));
    let (mut short, mut long) = (Rest::new(Duration::ZERO), Rest::new(Duration::from_hours(1)));
    for text in ["abc", "b\n", ""] {
        fs::write(&names.current, text).expect("room");
        assert!(!look(&mut short, &names), "the first look tells nothing");
        assert!(look(&mut short, &names));
        assert!(!look(&mut long, &names) && !look(&mut long, &names));
    }
    // The others count as well.
    fs::write(directory.path().join("leases.csv.2"), "c").expect("room");
    assert!(!look(&mut short, &names));
    assert!(look(&mut short, &names));
    short.forget();
    assert!(!look(&mut short, &names));
}

#[test]
fn a_file_that_grows_by_whole_rows_is_at_rest_after_longer() {
    let directory = tempfile::tempdir().expect("a directory");
    let names = Names::new(directory.path().join("leases.csv"));
    let mut file = fs::File::create(&names.current).expect("a file");
    let mut rest = Rest::new(Duration::ZERO);
    for (piece, at_rest) in [("a\n", false), ("b\n", true), ("c", false), ("d", false), ("e\n", true), ("f\n", true)] {
        file.write_all(piece.as_bytes()).expect("room");
        assert_eq!(look(&mut rest, &names), at_rest, "{piece}");
    }
    let mut patient = Rest::new(Duration::from_hours(1));
    for _ in 0..3 {
        file.write_all(b"g\n").expect("room");
        assert!(!look(&mut patient, &names));
    }
}
