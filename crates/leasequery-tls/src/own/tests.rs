use leasequery_testing::pki::{Authority, Files, Pki};
use rcgen::{ExtendedKeyUsagePurpose, IsCa, date_time_ymd};

use super::*;
use crate::files;

fn look(files: &Files, side: Side) -> Result<OwnCertificate, String> {
    let certified = files::certified_key(&files.certificate, &files.key).expect("a certificate and its key");
    OwnCertificate::of(&files.certificate, &certified.cert, side).map_err(|error| error.to_string())
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[test]
fn what_can_never_be_used_is_refused() {
    let pki = Pki::new();
    let purpose = |purpose| move |params: &mut rcgen::CertificateParams| params.extended_key_usages = vec![purpose];
    let server = pki.signed("server", &["a.example"], &pki.authority, purpose(ExtendedKeyUsagePurpose::ServerAuth));
    let client = pki.signed("client", &["a.example"], &pki.authority, purpose(ExtendedKeyUsagePurpose::ClientAuth));
    let nameless = pki.files("nameless", &[]);
    for (files, side) in [(&server, Side::Server), (&client, Side::Requestor), (&nameless, Side::Requestor)] {
        look(files, side).expect("it is right");
    }
    for (files, side, why) in [
        (&client, Side::Server, "not for a server (extended key usage)"),
        (&server, Side::Requestor, "not for a requestor (extended key usage)"),
        (&nameless, Side::Server, "has no name (subject alternative name)"),
    ] {
        let problem = look(files, side).expect_err("it is wrong");
        assert!(problem.contains(why), "{problem}");
    }
    // With an address alone it has a name.
    look(&pki.files("address", &["192.0.2.1"]), Side::Server).expect("it is right");
    let own_ca = pki.signed("own", &["a.example"], &pki.authority, |params| {
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    let found = look(&own_ca, Side::Server).expect("some take it");
    assert!(found.notes()[0].contains("it is the certificate of an authority"), "{found:?}");
}

#[test]
fn when_it_begins_and_ends_is_known() {
    let pki = Pki::new();
    let files = pki.signed("server", &["a.example"], &pki.authority, |params| {
        (params.not_before, params.not_after) = (date_time_ymd(2024, 1, 1), date_time_ymd(2051, 3, 1));
    });
    let found = look(&files, Side::Server).expect("it is right");
    assert_eq!(found.until(), at("2051-03-01T00:00:00Z"));
    let fault = |time| found.fault(at(time)).unwrap_or_default();
    assert!(fault("2023-12-31T23:59:59Z").contains("is not valid before 2024-01-01T00:00:00Z"));
    assert_eq!((found.fault(at("2024-01-01T00:00:00Z")), found.fault(at("2051-03-01T00:00:00Z"))), (None, None));
    assert!(fault("2051-03-01T00:00:01Z").contains("ended at 2051-03-01T00:00:00Z"));

    let reminder = |time| found.reminder(at(time));
    assert_eq!(reminder("2051-01-29T23:59:59Z"), None);
    let (urgency, text) = reminder("2051-01-31T00:00:00Z").expect("a month before");
    assert_eq!(urgency, Urgency::Month);
    assert!(text.ends_with("server.pem: the certificate ends in 29 days, at 2051-03-01T00:00:00Z"), "{text}");
    assert_eq!(reminder("2051-02-22T00:00:00Z").map(|(urgency, _)| urgency), Some(Urgency::Week));
    let (urgency, text) = reminder("2051-02-28T12:30:00Z").expect("the last day");
    assert!(urgency == Urgency::Day && text.contains("ends in 11 hours"), "{text}");
    assert_eq!(reminder("2051-03-02T00:00:00Z"), None, "that is a fault");
}

/// What stands between it and its authority may end before it.
#[test]
fn one_above_it_may_end_earlier() {
    let pki = Pki::new();
    let files = pki.files("server", &["a.example"]);
    let above = pki.signed("above", &["b.example"], &Authority::new("above"), |params| {
        params.not_after = date_time_ymd(2040, 1, 1);
    });
    files.add(&[&std::fs::read_to_string(above.certificate).expect("it is there")]);
    let found = look(&files, Side::Server).expect("it is right");
    let (_, text) = found.reminder(at("2039-12-30T00:00:00Z")).expect("two days before");
    assert!(text.contains("certificate 2 in it ends in 2 days"), "{text}");
    let (_, text) = found.reminder(at("2041-01-01T00:00:00Z")).expect("after it");
    assert!(text.contains("certificate 2 in it ended at 2040-01-01T00:00:00Z"), "{text}");
    assert_eq!(found.fault(at("2041-01-01T00:00:00Z")), None, "it may not be needed");
}
