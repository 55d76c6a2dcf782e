use super::*;

fn lease(more: &str) -> Lease {
    let line = format!(r#"{{"protocol":"v4","address":"10.0.0.1"{more}}}"#);
    Lease::parse(&line).expect("JSON").expect("a record")
}

const RULES: Rules<'_> = Rules { options: &[12], configured: true };

fn compare(a: &str, b: &str) -> Vec<&'static str> {
    let (a, b) = (lease(a), lease(b));
    let there = differences(Some(&a), Some(&b), RULES);
    assert_eq!(differences(Some(&b), Some(&a), RULES), there, "it makes no difference who is asked first");
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
fn a_lease_that_is_over_may_have_been_forgotten() {
    let bare = r#","state":"available""#;
    let client = r#","mac":"02:00:00:00:00:01""#;
    for state in ["available", "expired", "released", "reset"] {
        let ended = lease(&format!(r#","state":"{state}"{client}"#));
        for other in [None, Some(lease(bare))] {
            assert_eq!(differences(Some(&ended), other.as_ref(), RULES), [""; 0]);
            assert_eq!(differences(other.as_ref(), Some(&ended), RULES), [""; 0]);
        }
        assert!(!differences(Some(&ended), Some(&lease(ACTIVE)), RULES).is_empty());
        assert!(!differences(Some(&lease(r#","state":"abandoned""#)), Some(&ended), RULES).is_empty());
    }
}

#[test]
fn who_held_an_address_last_is_the_same_where_both_know_it() {
    let ended = r#","state":"released","mac":"02:00:00:00:00:01","start-time-of-state":"2026-01-01T00:00:00Z""#;
    assert_eq!(compare(ended, ended), [""; 0]);
    assert_eq!(compare(ended, &ended.replace("released", "expired")), ["state"]);
    assert_eq!(compare(ended, &ended.replace("00:01\"", "00:02\"")), ["mac"]);
    assert_eq!(compare(ended, &ended.replace("00:00Z", "00:09Z")), ["start-time-of-state"]);
}

#[test]
fn an_address_is_configured_on_both_sides_or_on_none() {
    let free = lease(r#","state":"available""#);
    assert_eq!(differences(Some(&free), None, RULES), ["state"]);
    assert_eq!(differences(None, Some(&free), RULES), ["state"]);
    let silent = Rules { configured: false, ..RULES };
    assert_eq!(differences(None, Some(&free), silent), [""; 0], "one of them does not say what is configured");
    let v6 = Lease::parse(r#"{"protocol":"v6","address":"2001:db8::1","state":"available"}"#).unwrap();
    assert_eq!(differences(None, v6.as_ref(), RULES), [""; 0], "DHCPv6 does not");
}

#[test]
fn options_count_if_they_were_asked_for() {
    let other = ACTIVE.replace("\"12\":\"aa\"", "\"12\":\"aa\",\"15\":\"bb\"");
    assert_eq!(compare(ACTIVE, &other), [""; 0], "15 was not");
    let (a, b) = (lease(ACTIVE), lease(&other));
    let fields = |options| differences(Some(&a), Some(&b), Rules { options, configured: true });
    assert_eq!(fields(&[]), [""; 0]);
    assert_eq!(fields(&[12, 15]), ["options"]);
}

#[test]
fn a_state_that_does_not_exist_is_a_mistake() {
    let problem = Lease::parse(r#"{"protocol":"v4","address":"10.0.0.1","state":"leased"}"#).expect_err("no state");
    assert!(problem.contains("\"leased\" is no state"), "{problem}");
}
