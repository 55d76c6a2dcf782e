//! Records that a client pushes, one a line.

use leasequery_record::Input as Record;
use leasequery_store::{Key, Settings, SourceId, Store, Time, V4Key, V6Key};

use crate::records::{Printed, check_round_trip};

/// The clock of the stores.
const NOW: Time = Time(1_795_168_800);

/// Runs one input, lines of records.
///
/// An error is one line of text. What has been taken is printed as a record that would be taken as well, and says the same
/// then.
pub fn run(data: &[u8]) {
    let (mut v4, mut v6) = (store::<V4Key>(), store::<V6Key>());
    for line in data.split(|octet| *octet == b'\n') {
        let result = match Record::parse(line) {
            Ok(Record::V4(record)) => record.commit(&mut v4, SourceId(0)),
            Ok(Record::V6(record)) => record.commit(&mut v6, SourceId(0)),
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            let text = error.to_string();
            assert!(!text.is_empty());
            // The list of all fields is some 400 octets.
            assert!(text.len() <= 500 + 7 * line.len(), "an error is no longer than what is wrong: {text}");
        }
    }
    check_round_trip(&v4, &mut store());
    check_round_trip(&v6, &mut store());
}

/// Inputs to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    [
        r#"{"protocol":"v4","address":"10.0.0.10","vpn":"blue","state":"active","htype":6,"mac":"02:00:00:00:00:0a","client-id":"ff010203","start-time-of-state":"2026-11-20T09:00:00Z","client-last-transaction-time":"2026-11-20T09:30:00Z","expires":"2026-11-20T11:00:00Z","renews":"2026-11-20T10:10:00Z","rebinds":"2026-11-20T10:20:00Z","relay-agent-information":"010163020272650c026964","options":{"60":"6d73","12":"686f7374"},"data-source":"remote","server":"192.0.2.1","base-time":"2026-11-20T10:00:00Z"}"#,
        r#"{"protocol":"v4","address":"10.0.0.11","vpn":"00005e:00000001","state":"released","mac":"02:00:00:00:00:0b","remote-id":"7265","relay-id":"6964"}
{"protocol":"v4","address":"10.0.0.11","op":"delete"}
{"protocol":"v4","address":"10.0.0.12","state":"abandoned","expires":"2026-11-21T12:00:00+01:00"}"#,
        r#"{"protocol":"v6","address":"2001:db8::1","state":"active","duid":"000100011234","iaid":7,"link":"2001:db8:1::","client-last-transaction-time":"2026-11-20T09:30:00Z","expires":"2026-11-20T11:00:00Z","preferred-until":"2026-11-20T10:30:00Z","relay-peer":"fe80::1","relay-message":"0c0020010db8000000000000000000000001fe80000000000000000000000000000200250005000009bf610035000400020304","options":{"23":"20010db8000000000000000000000053"}}"#,
        r#"{"protocol":"v6","prefix":"2001:db8:f000::/56","state":"active","duid":"00030001020000000001","remote-id":"0000000161","relay-id":"000203","mac":"02:00:00:00:00:0a"}
{"protocol":"v6","prefix":"2001:db8:f000::/56","state":"expired"}
{"protocol":"v6","address":"2001:db8::2","op":"delete","state":"active"}
"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

fn store<K: Key>() -> Store<K>
where
    Store<K>: Printed,
{
    let mut store = Store::new(Settings { history: u32::MAX, ..Settings::default() });
    store.advance(NOW);
    store
}
