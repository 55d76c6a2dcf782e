use serde_json::json;

use super::*;

fn file(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).expect("it is written");
    path
}

fn read(path: &Path) -> Result<Value, JsonError> {
    load(path, &|file| std::fs::read_to_string(file))
}

fn parse(text: &str) -> Result<Value, String> {
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
    assert_eq!(parse("{ / }"), Err("kea.conf:1:3: key must be a string".to_owned()));
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
    assert_eq!(parse("{\n  \"a\": 1\n  \"b\": 2\n}"), Err("kea.conf:3:3: expected `,` or `}`".to_owned()));
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
fn files_that_include_themselves_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = file(directory.path(), "loop.json", "[ <?include \"loop.json\"?> ]");
    assert!(read(&path).expect_err("endless").to_string().contains("more than 10 deep"));
}

#[test]
fn damage_anywhere_never_panics() {
    let text = "{ /* a */ \"b\": [ 1, \"x\\\"y\", ], # c\n \"d\": <?include \"e\"?> }";
    for cut in 0..text.len() {
        let _ = parse(&text[..cut]);
        let _ = parse(&format!("{}\u{e9}{}", &text[..cut], &text[cut..]));
    }
}
