use std::path::Path;

use super::{Claims, Ledger, repository};

#[test]
fn tests_and_ledger_agree() {
    let problems = Ledger::read(&repository()).expect("the ledger is readable").problems();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_table_is_up_to_date() {
    let ledger = Ledger::read(&repository()).expect("the ledger is readable");
    let table = std::fs::read_to_string(repository().join("conformance/README.md")).unwrap_or_default();
    assert!(table == ledger.render(), "conformance/README.md is stale; run: cargo run -p leasequery-conformance");
}

fn scan(text: &str) -> Claims {
    let mut claims = Claims::default();
    claims.scan(Path::new("a.rs"), text);
    claims
}

#[test]
fn finds_every_mark_above_a_test() {
    let mark = "//=";
    let claims = scan(&format!(
        "{mark} id-1\n{mark} id-2\n// why\n#[test]\nfn first() {{\n}}\n{mark} id-3\n#[tokio::test]\nasync fn second() {{}}"
    ));
    let found: Vec<_> =
        claims.claims.iter().map(|claim| (claim.id.as_str(), claim.test.as_str(), claim.line)).collect();
    assert_eq!(found, [("id-1", "first", 1), ("id-2", "first", 2), ("id-3", "second", 7)]);
    assert!(claims.problems.is_empty());
}

#[test]
fn a_mark_above_anything_but_a_test_is_a_problem() {
    let mark = "//=";
    for text in
        ["id-1\nfn helper() {}", "id-1\n#[derive(Debug)]\nstruct A;", "id-1\n\n#[test]\nfn after_a_gap() {}", "id-1"]
    {
        let claims = scan(&format!("{mark} {text}"));
        assert!(claims.claims.is_empty(), "{text}");
        assert_eq!(claims.problems, ["a.rs:1: id-1 stands above no test"]);
    }
}
