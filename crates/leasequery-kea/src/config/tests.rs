use super::super::v4::V4;
use super::super::v6::V6;
use super::*;

/// What Kea takes and refuses of these is judged by Kea itself in the interoperability tests.
fn load<F: Family>(family: &str) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kea-config").join(family);
    let mut taken = 0;
    for entry in std::fs::read_dir(&corpus).expect("a directory") {
        let file = entry.expect("an entry").path();
        // Some names are seen from the directory in which Kea runs.
        let read = |path: &Path| leasequery_live::files::read(&corpus.join(path.file_name().unwrap_or_default()));
        let read = Config::<F>::load_with(&file, &read);
        if file.extension().is_some_and(|end| end == "conf") {
            let config = read.unwrap_or_else(|problem| panic!("{problem}"));
            assert_eq!(config.warnings(), &[] as &[String], "{}", file.display());
            taken += 1;
        }
    }
    assert!(taken > 5);
}

#[test]
fn configurations_that_cover_the_grammar_of_kea_are_taken() {
    load::<V4>("v4");
    load::<V6>("v6");
}
