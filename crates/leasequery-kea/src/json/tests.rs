use serde_json::json;

use super::*;

fn file(directory: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).expect("it is written");
    path
}

fn read(path: &Path) -> Result<Value, JsonError> {
    load(path, &|file| std::fs::read(file))
}

fn parse(text: impl AsRef<[u8]>) -> Result<Value, String> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = file(directory.path(), "kea.conf", text);
    read(&path).map_err(|error| error.to_string().replace(&format!("{}/", directory.path().display()), ""))
}

#[test]
fn comments_in_three_styles_and_commas_left_over_are_taken() {
    let text =
        "# one\n{ // two\n /* three,\n } */ \"a\": [ 1, 2, /* , */ ], # four\n \"b\": { \"c\": \"# // /* , ]\", },\n}";
    assert_eq!(parse(text), Ok(json!({ "a": [1, 2], "b": { "c": "# // /* , ]" } })));
}

#[test]
fn comments_without_a_word_are_taken() {
    assert_eq!(parse("#\n{ #\n \"a\": 1, //\n /**/ \"b\": /*/ 3, */ 2 }\n#"), Ok(json!({ "a": 1, "b": 2 })));
    assert_eq!(parse("{ / }"), Err("kea.conf:1:3: `/` is nothing that could stand here".to_owned()));
}

#[test]
fn strings_may_hold_quotes_and_slashes() {
    assert_eq!(parse(r#"{ "a": "\"//\\", "b": "\\" /* " */ }"#), Ok(json!({ "a": "\"//\\", "b": "\\" })));
}

#[test]
fn files_are_included_from_beside_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    file(directory.path(), "subnets.json", "[ 1, # one\n 2 ]");
    let path = file(directory.path(), "kea.conf", "{ \"subnets\": <?include \"subnets.json\"?>, \"after\": 3 }");
    assert_eq!(read(&path), Ok(json!({ "subnets": [1, 2], "after": 3 })));
}

#[test]
fn an_error_is_placed_in_the_file_where_it_is() {
    assert_eq!(parse("{\n  \"a\": 1\n  \"b\": 2\n}"), Err("kea.conf:3:3: expected `,` or `}`, found \"b\"".to_owned()));
    assert_eq!(parse("{ /* no end"), Err("kea.conf:1:3: a comment without end".to_owned()));
    let directory = tempfile::tempdir().expect("a directory");
    file(directory.path(), "inner.json", "\n[ 1 2 ]");
    let path = file(directory.path(), "kea.conf", "{\n \"a\": <?include \"inner.json\"?>\n}");
    let error = read(&path).expect_err("malformed").to_string();
    assert!(error.contains("inner.json:2:5: "), "{error}");
    let path = file(directory.path(), "other.conf", "{\n \"a\": <?include \"missing.json\"?>\n}");
    let error = read(&path).expect_err("missing").to_string();
    assert!(error.contains("missing.json: cannot be read"), "{error}");
}

#[test]
fn numbers_are_those_of_kea() {
    for (text, value) in [
        ("0600", json!(600)),
        ("-007", json!(-7)),
        ("-0", json!(0)),
        ("00000000000000000000000000000012", json!(12)),
        ("9223372036854775807", json!(i64::MAX)),
        (".45", json!(0.45)),
        ("+.45", json!(0.45)),
        ("-.5e+3", json!(-500.0)),
        ("5.", json!(5.0)),
        ("+5", json!(5.0)),
        ("4.5E-1", json!(0.45)),
        ("1e-400", json!(0.0)),
    ] {
        assert_eq!(parse(format!("[{text}]")), Ok(json!([value])), "{text}");
    }
    for text in
        [".", "-.", "+", "-", "e5", "1e", "12.3.4", "1-2", "600x", "9223372036854775808", "1e400", "0x10", "TRUE"]
    {
        assert!(parse(format!("[{text}]")).is_err(), "{text}");
    }
}

#[test]
fn commas_are_left_over_in_any_number_behind_what_they_part() {
    assert_eq!(parse("{ \"a\": [ 1,,, 2,, ],,, \"b\": {},, }"), Ok(json!({ "a": [1, 2], "b": {} })));
    for text in [
        "{ , }",
        "[,1]",
        "{ , \"a\": 1 }",
        "{ \"a\":, 1 }",
        "{ \"a\": 1 },",
        "{ \"a\" }",
        "{ 1: 2 }",
        "[ 1 2 ]",
        "",
        "#",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn any_octets_may_stand_in_comments_and_strings() {
    let text = b"# B\xfcro\n{ \"B\xfcro\": \"\x7f\xe4\" /* \xff\0 */ } // \xfe";
    assert_eq!(parse(text), Ok(json!({ "B\u{fffd}ro": "\u{7f}\u{fffd}" })));
    assert_eq!(parse(r#"["\u0041\u00e9\/\b\f\n\r\t"]"#), Ok(json!(["A\u{e9}/\u{8}\u{c}\n\r\t"])));
    for text in
        ["[\"\\x\"]", "[\"\\u00\"]", "[\"\\u+123\"]", "[\"a\tb\"]", "[\"a\nb\"]", "[\"a", "[\"\\", "[\0]", "[\x0c]"]
    {
        assert!(parse(text).is_err(), "{text:?}");
    }
    let place = parse(b"{ \"\xfc\xfc\": \xff }").expect_err("no value");
    assert!(place.starts_with("kea.conf:1:9: "), "{place}");
}

#[test]
fn what_is_deep_is_read_and_what_has_no_end_is_not() {
    for depth in [200, 1000] {
        assert!(parse("[".repeat(depth) + &"]".repeat(depth)).is_ok(), "{depth}");
    }
    for text in ["[".repeat(1001), "[".repeat(1_000_000), "{\"a\":".repeat(1_000_000)] {
        assert!(parse(text).expect_err("too deep").contains("more than 1000"));
    }
}

#[test]
fn a_directive_may_have_blanks_and_its_file_may_be_any_piece() {
    let directory = tempfile::tempdir().expect("a directory");
    file(directory.path(), "pair", "\"a\": 1,");
    file(directory.path(), "value", "// no newline");
    let text = "{ <?\n  include\t\"pair\" \n?>, <?include\"pair\"?> \"b\": <?include \"value\"?> 2 }";
    let path = file(directory.path(), "kea.conf", text);
    assert_eq!(read(&path), Ok(json!({ "a": 1, "b": 2 })));
    // What begins in a file ends there.
    for piece in ["/* no end", "\"b", "<?include \"pair\""] {
        file(directory.path(), "value", piece);
        assert!(read(&path).expect_err("malformed").to_string().contains("value:1:1: "), "{piece}");
    }
    for text in [
        "<?include ?>",
        "<?include \"\"?>",
        "<?foo \"pair\"?>",
        "<?include \"pair\"",
        "<?include \"pair\" #\n?>",
        "<?include \"pa\nir\"?>",
        "<?",
    ] {
        let path = file(directory.path(), "kea.conf", format!("{{ {text} }}"));
        assert!(read(&path).expect_err("malformed").to_string().contains("is meant"), "{text}");
    }
}

#[test]
fn files_that_include_themselves_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = file(directory.path(), "loop.json", "[ <?include \"loop.json\"?> ]");
    assert!(read(&path).expect_err("endless").to_string().contains("more than 11 deep"));
    // Kea reads eleven below the first.
    for (files, taken) in [(11, true), (12, false)] {
        for number in 0..files {
            file(directory.path(), &number.to_string(), format!("<?include \"{}\"?>", number + 1));
        }
        file(directory.path(), &files.to_string(), "7");
        assert_eq!(read(&directory.path().join("0")).is_ok(), taken, "{files}");
    }
}

#[test]
fn damage_anywhere_never_panics() {
    let text = "{ /* a */ \"b\": [ 1, \"x\\\"y\", ], # c\n \"d\": <?include \"e\"?> }";
    for cut in 0..text.len() {
        let _ = parse(&text[..cut]);
        let _ = parse(format!("{}\u{e9}{}", &text[..cut], &text[cut..]));
        let _ = parse([&text.as_bytes()[..cut], b"\xe9", &text.as_bytes()[cut..]].concat());
    }
}
