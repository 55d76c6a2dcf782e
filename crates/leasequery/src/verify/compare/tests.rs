use super::*;

fn lease(more: &str) -> Lease {
    let line = format!(r#"{{"protocol":"v4","address":"10.0.0.1"{more}}}"#);
    Lease::parse(&line).expect("JSON").expect("a record")
}

fn compare(a: &str, b: &str) -> Vec<&'static str> {
    let (a, b) = (lease(a), lease(b));
    let there = differences(Some(&a), Some(&b));
    assert_eq!(differences(Some(&b), Some(&a)), there, "it makes no difference who is asked first");
    there
}

const ACTIVE: &str = r#","state":"active","htype":1,"mac":"02:00:00:00:00:01","client-id":"01aa","relay-agent-information":"0201aa","options":{"12":"aa"},"start-time-of-state":"2026-01-01T00:00:00Z","client-last-transaction-time":"2026-01-01T00:00:10Z","expires":"2026-01-01T01:00:00Z","renews":"2026-01-01T00:30:00Z","rebinds":"2026-01-01T00:45:00Z","data-source":"local","server":"192.0.2.1","base-time":"2026-01-01T00:20:00Z""#;

#[test]
fn who_says_it_and_when_is_of_no_account() {
    let other = ACTIVE.replace("local", "remote").replace("192.0.2.1", "192.0.2.2").replace("00:20:00", "00:21:00");
    assert_eq!(compare(ACTIVE, &other), [""; 0]);
}

#[test]
fn each_field_of_a_lease_counts() {
    for (field, from, to) in [
        ("state", "active", "abandoned"),
        ("mac", "00:01\"", "00:02\""),
        ("mac", "\"htype\":1", "\"htype\":6"),
        ("client-id", "01aa", "01ab"),
        ("relay-agent-information", "0201aa", "0201ab"),
        ("options", "\"12\":\"aa\"", "\"12\":\"ab\""),
        ("start-time-of-state", "00:00:00Z", "00:00:03Z"),
        ("client-last-transaction-time", "00:00:10Z", "00:00:07Z"),
        ("expires", "01:00:00Z", "01:00:03Z"),
        ("renews", "00:30:00Z", "00:30:03Z"),
        ("rebinds", "00:45:00Z", "00:45:03Z"),
    ] {
        assert_eq!(compare(ACTIVE, &ACTIVE.replacen(from, to, 1)), [field], "{from} and {to}");
    }
}

#[test]
fn times_are_rounded_and_those_that_have_passed_are_not_told() {
    assert_eq!(compare(ACTIVE, &ACTIVE.replace("01:00:00Z", "01:00:02Z")), [""; 0]);
    assert_eq!(compare(ACTIVE, &ACTIVE.replace(r#","renews":"2026-01-01T00:30:00Z""#, "")), [""; 0]);
    assert_eq!(compare(ACTIVE, &ACTIVE.replace(r#","expires":"2026-01-01T01:00:00Z""#, "")), ["expires"]);
}

#[test]
fn that_nobody_holds_an_address_is_said_in_several_ways() {
    let states = ["available", "expired", "released", "reset"];
    let ended: Vec<Lease> =
        states.iter().map(|state| lease(&format!(r#","state":"{state}","mac":"{state}""#))).collect();
    let mut ways: Vec<Option<&Lease>> = ended.iter().map(Some).collect();
    ways.push(None);
    for a in &ways {
        for b in &ways {
            assert_eq!(differences(*a, *b), [""; 0]);
        }
        assert!(!differences(*a, Some(&lease(ACTIVE))).is_empty());
        assert!(!differences(Some(&lease(r#","state":"abandoned""#)), *a).is_empty());
    }
}
