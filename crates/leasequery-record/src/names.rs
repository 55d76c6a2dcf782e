//! Names that a reader does not know, and those that may have been meant.

/// The name that a reader of fields says it does not know, and those that it knows.
pub fn unknown_name(message: &str) -> Option<(&str, Vec<&str>)> {
    let (name, known) = message.strip_prefix("unknown field `")?.split_once('`')?;
    // Those are in backticks, too.
    Some((name, known.split('`').skip(1).step_by(2).collect()))
}

/// The one of some names that is so much like this one that it may have been meant.
pub fn meant<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let likeness = |known: &str| strsim::jaro_winkler(name, known);
    let near = known.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    near.copied().filter(|near| likeness(near) >= LIKE)
}

/// From which likeness on.
const LIKE: f64 = 0.8;
