//! What a store knows, as records.

use leasequery_record::{Input as Record, View};
use leasequery_store::{Budget, Entry, Selector, SourceId, Store, V4Key, V6Key, VpnRange};

/// A store whose bindings can be printed and taken again.
pub(crate) trait Printed {
    /// All bindings, a record each.
    fn print(&self) -> Vec<String>;

    /// Takes a record.
    fn take(&mut self, record: &Record);
}

impl Printed for Store<V4Key> {
    fn print(&self) -> Vec<String> {
        self.scan(Selector::All, VpnRange::All, None, &Budget::unlimited())
            .filter_map(|entry| match entry {
                Entry::Bound(binding) => Some(text(&View::of_v4_binding(&binding, self))),
                Entry::Free { .. } => None,
            })
            .collect()
    }

    fn take(&mut self, record: &Record) {
        let Record::V4(record) = record else { panic!("a record of the other protocol: {record:?}") };
        record.commit(self, SourceId(0)).unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Printed for Store<V6Key> {
    fn print(&self) -> Vec<String> {
        self.scan(Selector::All, VpnRange::All, None, &Budget::unlimited())
            .filter_map(|entry| match entry {
                Entry::Bound(binding) => Some(text(&View::of_v6_binding(&binding))),
                Entry::Free { .. } => None,
            })
            .collect()
    }

    fn take(&mut self, record: &Record) {
        let Record::V6(record) = record else { panic!("a record of the other protocol: {record:?}") };
        record.commit(self, SourceId(0)).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// What is printed of a store can be taken by another one, which then prints the same.
pub(crate) fn check_round_trip<S: Printed>(store: &S, other: &mut S) {
    let printed = store.print();
    for line in &printed {
        match Record::parse(line.as_bytes()) {
            Ok(record) => other.take(&record),
            Err(error) => panic!("{error}: {line}"),
        }
    }
    assert_eq!(other.print(), printed);
}

/// A record is one line of UTF-8, in both forms.
pub(crate) fn text(view: &View<'_>) -> String {
    let (mut json, mut csv) = (Vec::new(), Vec::new());
    view.write_json(&mut json);
    view.write_csv(&mut csv);
    assert!(str::from_utf8(&csv).is_ok());
    let text = String::from_utf8(json).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(text.find('\n'), Some(text.len() - 1), "{text}");
    text
}
