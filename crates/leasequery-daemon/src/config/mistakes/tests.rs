use std::path::Path;

use crate::config::Config;

const LISTEN: &str = "[[listen]]\nprotocol = \"v4\"\ntransport = \"tcp\"\naddress = \"127.0.0.1:0\"\n";

/// What is said of a configuration, with the place.
fn said(text: &str) -> String {
    Config::check(text, Path::new("l.toml")).expect_err("the configuration is wrong").to_string()
}

#[test]
fn a_key_that_there_is_not_may_have_been_meant_as_another() {
    for (text, expected) in [
        ("statedir = \"x\"", "l.toml:1:1: the top of the file has no key \"statedir\"; did you mean \"state-dir\"?"),
        ("[lissten]\na = 1", "l.toml:1:2: the top of the file has no key \"lissten\"; did you mean \"listen\"?"),
        ("[[listen]]\nprotocl = \"v4\"", "l.toml:2:1: [[listen]] has no key \"protocl\"; did you mean \"protocol\"?"),
        ("[limits]\nconection = 1", "l.toml:2:1: [limits] has no key \"conection\"; did you mean \"connections\"?"),
        (
            "[[requestor]]\nadresses = []",
            "l.toml:2:1: [[requestor]] has no key \"adresses\"; did you mean \"addresses\"?",
        ),
        (
            "[[source]]\nkeaconfig = \"y\"",
            "l.toml:2:1: [[source]] has no key \"keaconfig\"; did you mean \"kea-config\"?",
        ),
        ("[[network]]\nrange = \"y\"", "l.toml:2:1: [[network]] has no key \"range\"; did you mean \"ranges\"?"),
        ("[tls]\ncert = \"y\"", "l.toml:2:1: [tls] has no key \"cert\"; did you mean \"certificate\"?"),
        (
            "[[source]]\ntype = \"leasequery\"\ntls = { ca = \"a\", cert = \"b\" }",
            "l.toml:3:19: tls of [[source]] has no key \"cert\"; did you mean \"certificate\"?",
        ),
    ] {
        assert_eq!(said(text), expected);
    }
    let strange = said("[tls]\nfoo = 1");
    assert_eq!(strange, "l.toml:2:1: [tls] has no key \"foo\"; it has certificate, key, client-ca, crl");
}

#[test]
fn tables_have_one_pair_of_brackets_or_two() {
    assert_eq!(
        said("[listen]\nprotocol = \"v4\""),
        "l.toml:1:1: [listen] is written [[listen]], because there may be several"
    );
    assert_eq!(
        said("[source.a]\ntype = \"push\""),
        "l.toml:1:2: [source] is written [[source]], because there may be several"
    );
    assert_eq!(
        said("[[limits]]\nconnections = 3"),
        "l.toml:1:1: [[limits]] is written [limits], because there is only one"
    );
    assert_eq!(said("[[tls]]\nkey = \"b\""), "l.toml:1:1: [[tls]] is written [tls], because there is only one");
}

#[test]
fn a_word_without_quotes_is_told_what_would_be_right() {
    for (text, expected) in [
        (
            format!("{LISTEN}tls = false"),
            "l.toml:5:7: tls = \"false\" is unknown; \"required\" and \"off\" would be right",
        ),
        (
            "[limits]\nhistory = 24".to_owned(),
            "l.toml:2:11: history \"24\" is not a duration; \"24h\" or \"90m\" would be right",
        ),
        (
            "[[source]]\ntype = \"leasequery\"\nprotocol = \"v4\"\nserver = \"a\"\ntls = false".to_owned(),
            "l.toml:5:7: tls = \"false\" is unknown; \"off\" or { ca = \"…\", certificate = \"…\", key = \"…\" } would be right",
        ),
        (LISTEN.replace("\"v4\"", "4"), "l.toml:2:12: protocol \"4\" is unknown; \"v4\" or \"v6\" would be right"),
    ] {
        assert_eq!(said(&text), expected);
    }
}

#[test]
fn values_of_a_wrong_type_are_told_which_is_right() {
    for (text, expected) in [
        ("state-dir = 7", "l.toml:1:13: state-dir is a text in quotes; 7 is none"),
        (
            "[[requestor]]\nname = \"me\"\naddresses = \"127.0.0.1\"",
            "l.toml:3:13: addresses is a list; addresses = [\"127.0.0.1\"] would be right",
        ),
        (
            "[limits]\nconnections = \"10\"",
            "l.toml:2:15: connections is a whole number, without quotes; \"10\" is none",
        ),
        (
            "[limits]\ndata-timeout = \"300s\"",
            "l.toml:2:16: data-timeout is a number, without quotes; \"300s\" is none",
        ),
        ("[[listen]]\nactive = \"yes\"", "l.toml:2:10: active is true or false, without quotes; \"yes\" is neither"),
        ("[[requestor]]\nvpns = [5]", "l.toml:2:9: vpns is a list of texts in quotes; 5 is none"),
        (
            "[[source]]\ntype = \"leasequery\"\ntls = 5",
            "l.toml:3:7: tls has to be \"off\", or { ca = \"…\", certificate = \"…\", key = \"…\" }",
        ),
        ("[tls]\nkey = \"a\"", "l.toml:1:1: [tls] needs certificate = …"),
        (
            "[[source]]\ntype = \"leasequery\"\ntls = { ca = \"a\" }",
            "l.toml:3:7: tls of [[source]] needs certificate = …",
        ),
    ] {
        assert_eq!(said(text), expected);
    }
}

#[test]
fn broken_syntax_is_said_on_one_line() {
    assert_eq!(said("[[listen]\n"), "l.toml:1:10: unclosed array table, expected `]`");
}
