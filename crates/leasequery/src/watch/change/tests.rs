use super::*;

fn known(state: &str, client: &str) -> Known {
    Known { state: state.to_owned(), client: client.to_owned() }
}

#[test]
fn it_says_from_what_to_what_and_of_whom() {
    let (anne, bert) = ("02:00:00:00:00:01", "02:00:00:00:00:02");
    for (before, now, change, expected) in [
        (None, known("active", anne), Change::Lease, "active"),
        (Some(known("available", "")), known("active", anne), Change::Lease, "available → active"),
        (Some(known("active", anne)), known("active", anne), Change::Times, "active, renewed"),
        (Some(known("active", anne)), known("active", anne), Change::Lease, "active"),
        (Some(known("active", anne)), known("released", anne), Change::Lease, "active → released"),
        (Some(known("active", anne)), known("available", ""), Change::Lease, "active → available (02:00:00:00:00:01)"),
        (Some(known("active", anne)), known("active", bert), Change::Lease, "active (was 02:00:00:00:00:01)"),
        (
            Some(known("expired", anne)),
            known("active", bert),
            Change::Lease,
            "expired → active (was 02:00:00:00:00:01)",
        ),
    ] {
        assert_eq!(describe(before.as_ref(), &now, change, Origin::Live), expected);
    }
    assert_eq!(describe(Some(&known("expired", "")), &known("active", anne), Change::Lease, Origin::Initial), "active");
}
