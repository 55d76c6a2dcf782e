use super::*;

/// The sub-options in a context, which is escaped as Kea does it.
fn read(context: &str) -> Result<Vec<u8>, Unreadable> {
    let mut bytes = vec![1, 2, 3];
    let result = super::read(context.replace(',', "&#x2c").as_bytes(), &mut bytes)
        .map(|relay| bytes[relay.sub_options].to_vec());
    assert_eq!(bytes[..3], [1, 2, 3], "what was there stays");
    assert_eq!(bytes.len(), 3 + result.as_ref().map_or(0, Vec::len), "and nothing else is left behind");
    result
}

const INFO: [u8; 5] = [1, 1, 7, 12, 0];

#[test]
fn both_generations_are_read() {
    for context in [
        r#"{ "ISC": { "relay-agent-info": "0x0101070C00" } }"#,
        r#"{ "ISC": { "relay-agent-info": { "sub-options": "0x0101070C00" } } }"#,
        r#"{ "ISC": { "relay-agent-info": { "relay-id": "00", "remote-id": "11", "sub-options": "0x0101070c00" } } }"#,
    ] {
        assert_eq!(read(context), Ok(INFO.to_vec()), "{context}");
    }
}

#[test]
fn other_json_with_the_same_meaning_is_read() {
    for context in [
        r#"{"ISC":{"relay-agent-info":"0101070C00"}}"#,
        r#"{ "ISC": { "client-classes": [ "a" ], "relay-agent-info": { "sub-options": "0x0101070C00" } }, "mine": "\"x\"" }"#,
        r#"{ "ISC": { "relay-agent-info": { "sub-options": "0101070C00", "later": 1 } } }"#,
    ] {
        assert_eq!(read(context), Ok(INFO.to_vec()), "{context}");
    }
}

#[test]
fn a_context_without_relay_data_has_none() {
    for context in [r#"{ "mine": 1 }"#, r#"{ "ISC": { "limits": { } } }"#, "{ }"] {
        assert_eq!(read(context), Ok(Vec::new()), "{context}");
    }
}

#[test]
fn what_makes_no_sense_costs_the_relay_data_only() {
    for context in [
        r#"{ "ISC": { "relay-agent-info": "0x010" } }"#,
        r#"{ "ISC": { "relay-agent-info": "0x01zz" } }"#,
        // A sub-option that runs past its end.
        r#"{ "ISC": { "relay-agent-info": "0x010507" } }"#,
        r#"{ "ISC": { "relay-agent-info": 7 } }"#,
        r#"{ "ISC": { "relay-agent-info": { "remote-id": "11" } } }"#,
        "{ not json",
        "10.0.0.1",
        "[ ]",
        "3600",
    ] {
        assert_eq!(read(context), Err(Unreadable), "{context}");
    }
}

#[test]
fn the_identifiers_are_parts_of_the_sub_options() {
    let context = r#"{ "ISC": { "relay-agent-info": { "relay-id": "FF"&#x2c "remote-id": "EE"&#x2c "sub-options": "0x020009010102010505000C02AABB0C0107" } } }"#;
    let mut bytes = vec![9];
    let relay = super::read(context.as_bytes(), &mut bytes).expect("readable");
    assert_eq!(bytes[relay.sub_options], [2, 0, 9, 1, 1, 2, 1, 5, 5, 0, 0x0c, 2, 0xaa, 0xbb, 0x0c, 1, 7]);
    assert_eq!(bytes[relay.remote_id], [5], "one without octets identifies nobody");
    assert_eq!(bytes[relay.relay_id], [0xaa, 0xbb]);
}
