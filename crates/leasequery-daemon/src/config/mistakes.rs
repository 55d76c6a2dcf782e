//! Mistakes that the parser finds, in the words of whoever writes a configuration: what it is about, and what would be right.

use std::ops::Range;

use leasequery_record::{meant, unknown_name};
use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use super::Problem;

/// Reads the text of a file.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let span = error.span().unwrap_or_default();
        let place = DeTable::parse(text).ok().and_then(|table| find(&table.into_inner(), &span)).unwrap_or_default();
        let mistake = Mistake { text, span: &span, place: &place };
        let words = mistake.explain(error.message()).unwrap_or_else(|| error.message().replace('\n', "; "));
        Problem::new(span, words)
    })
}

/// A mistake, and the keys that lead to it.
struct Mistake<'a> {
    text: &'a str,
    span: &'a Range<usize>,
    place: &'a [Step],
}

/// A step on the way from the top of a file to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    /// One of an array of tables.
    Table,
    /// One of a list within a line.
    Element,
}

/// The way to what is at exactly this span: a key or a value.
fn find(table: &DeTable<'_>, span: &Range<usize>) -> Option<Vec<Step>> {
    table.iter().find_map(|(key, value)| {
        let step = Step::Key(key.get_ref().to_string());
        if key.span() == *span {
            return Some(vec![step]);
        }
        let within = match value.get_ref() {
            DeValue::Table(table) => find(table, span),
            DeValue::Array(values) => values.iter().find_map(|value| {
                let this = if matches!(value.get_ref(), DeValue::Table(_)) { Step::Table } else { Step::Element };
                if value.span() == *span {
                    return Some(vec![this]);
                }
                let DeValue::Table(table) = value.get_ref() else { return None };
                find(table, span).map(|rest| [vec![this], rest].concat())
            }),
            _ => None,
        };
        // What is within comes first: an array of tables is where the first of them is.
        let here = || (value.span() == *span).then(Vec::new);
        within.or_else(here).map(|rest| [vec![step], rest].concat())
    })
}

impl Mistake<'_> {
    /// What the parser says about it, if that is something it says often.
    fn explain(&self, message: &str) -> Option<String> {
        if let Some((name, known)) = unknown_name(message) {
            return Some(self.unknown(name, &known));
        }
        if let Some(name) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
            return Some(format!("{} needs {name} = …", table(self.place)));
        }
        let (found, expected) = message.strip_prefix("invalid type: ")?.split_once(", expected ")?;
        Some(self.wrong_type(found, expected))
    }

    /// A key that there is not; `known` are those that there are.
    fn unknown(&self, name: &str, known: &[&str]) -> String {
        let table = self.place.split_last().map_or(String::new(), |(_, place)| table(place));
        let what = format!("{table} has no key \"{name}\"");
        match meant(name, known) {
            Some(near) => format!("{what}; did you mean \"{near}\"?"),
            None => format!("{what}; it has {}", known.join(", ")),
        }
    }

    fn wrong_type(&self, found: &str, expected: &str) -> String {
        let (before, after) = self.text.split_at_checked(self.span.start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default().to_owned() + after.lines().next().unwrap_or_default();
        let header = line.trim();
        let key = self.place.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Table | Step::Element => None,
        });
        let key = key.unwrap_or("this");
        let given = self.text.get(self.span.clone()).unwrap_or_default();
        match (found, expected) {
            ("map", "a sequence") if header.starts_with('[') => {
                format!("[{key}] is written [[{key}]], because there may be several")
            }
            ("map", _) if header.starts_with("[[") => {
                format!("[[{key}]] is written [{key}], because there is only one")
            }
            (_, "a sequence") => format!("{key} is a list; {key} = [{given}] would be right"),
            (_, "a string") if self.place.last() == Some(&Step::Element) => {
                format!("{key} is a list of texts in quotes; {given} is none")
            }
            (_, "a string") => format!("{key} is a text in quotes; {given} is none"),
            (_, "a boolean") => format!("{key} is true or false, without quotes; {given} is neither"),
            (_, "f64") => format!("{key} is a number, without quotes; {given} is none"),
            (_, number) if number.starts_with(['i', 'u']) && number[1..].parse::<u8>().is_ok() => {
                format!("{key} is a whole number, without quotes; {given} is none")
            }
            _ => format!("{key} has to be {expected}"),
        }
    }
}

/// How a table is called.
fn table(place: &[Step]) -> String {
    match place {
        [] => "the top of the file".to_owned(),
        [Step::Key(name)] => format!("[{name}]"),
        [Step::Key(name), Step::Table] => format!("[[{name}]]"),
        [outer @ .., Step::Key(name)] => format!("{name} of {}", table(outer)),
        [outer @ .., _] => table(outer),
    }
}

#[cfg(test)]
mod tests;
