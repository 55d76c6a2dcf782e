use std::path::Path;

use super::{Claims, Ledger, Requirement, repository};

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

/// What is wrong with a requirement of DHCPv6 that has these marks in these files.
fn problems(role: &str, more: &str, marks: &[(&str, &str)]) -> Vec<String> {
    let requirement: Requirement = toml::from_str(&format!(
        "id = \"a-1\"\nlevel = \"SHOULD\"\nrole = \"{role}\"\ntopic = \"\"\ntext = \"\"\ntest = \"\"\n{more}"
    ))
    .expect("a requirement");
    let mut claims = Claims::default();
    for (file, id) in marks {
        claims.scan(Path::new(file), &format!("//= {id}\n#[test]\nfn name() {{}}"));
    }
    Ledger { protocols: vec![("DHCPv6", vec![requirement])], claims }.problems()
}

#[test]
fn what_both_sides_have_to_do_is_shown_of_each_in_its_protocol() {
    const SERVER: (&str, &str) = ("crates/leasequery-protocol/tests/server_v6/a.rs", "a-1");
    const REQUESTOR: (&str, &str) = ("crates/leasequery-protocol/tests/follower_v6/a.rs", "a-1");
    const OTHER: (&str, &str) = ("crates/leasequery-protocol/tests/requestor/a.rs", "a-1");
    let no_test = |side: &str| vec![format!("a-1: no test of the {side} that speaks DHCPv6")];
    assert_eq!(problems("both", "", &[SERVER, REQUESTOR]), [""; 0]);
    assert_eq!(problems("both", "", &[SERVER]), no_test("requestor"));
    assert_eq!(problems("both", "", &[REQUESTOR]), no_test("server"));
    assert_eq!(problems("both", "", &[SERVER, OTHER]), no_test("requestor"));
    assert_eq!(problems("requestor", "", &[SERVER]), no_test("requestor"));
    // One codec is for both sides, and what has no place of its own says what it is.
    assert_eq!(problems("both", "", &[("crates/leasequery-wire/src/v6/a.rs", "a-1")]), [""; 0]);
    let anywhere = "crates/leasequery/tests/a.rs";
    assert_eq!(problems("server", "", &[(anywhere, "a-1")]), [""; 0]);
    assert_eq!(problems("both", "", &[SERVER, (anywhere, "a-1")]), no_test("requestor"));
    assert_eq!(problems("both", "", &[SERVER, (anywhere, "a-1 (requestor)")]), [""; 0]);
    assert_eq!(problems("both", "", &[(anywhere, "a-1 (both)")]), [""; 0]);
    assert!(problems("both", "", &[(anywhere, "a-1 (somebody)")])[0].contains("is no side"));
}

#[test]
fn a_choice_is_argued_and_never_of_what_must_be() {
    assert_eq!(problems("server", "chosen = \"so\"", &[]), [""; 0]);
    assert_eq!(problems("server", "chosen = \"so\"\nnot-applicable = \"so\"", &[]).len(), 1);
    let mark = ("crates/leasequery/tests/a.rs", "a-1");
    assert!(problems("server", "chosen = \"so\"", &[mark])[0].contains("is marked as not done"));
}
