use std::borrow::Cow;
use std::net::Ipv4Addr;

use leasequery_store::Time;
use proptest::prelude::*;

use super::{FIELDS, Value, quote};
use crate::{hex_text, mac_text, time_text};

fn json(value: &Value<'_>) -> serde_json::Value {
    let mut out = Vec::new();
    value.write_json(&mut out);
    serde_json::from_slice(&out).expect("JSON")
}

proptest! {
    #[test]
    fn values_are_the_json_that_serde_reads(
        text in any::<String>(), octets in proptest::collection::vec(any::<u8>(), 0..70), number: u8, address: u32, time: u32
    ) {
        prop_assert_eq!(json(&Value::Text(Cow::Owned(text.clone()))), text);
        prop_assert_eq!(json(&Value::Number(number)), number);
        prop_assert_eq!(json(&Value::Hex(&octets)), hex_text(&octets));
        prop_assert_eq!(json(&Value::Mac(&octets)), mac_text(&octets));
        prop_assert_eq!(json(&Value::Time(Time(time))), time_text(Time(time)));
        let address = Ipv4Addr::from(address);
        prop_assert_eq!(json(&Value::Address(address.into())), address.to_string());
        let options = json(&Value::Options(vec![(number.into(), &octets), (255, &[])]));
        prop_assert_eq!(&options["255"], "");
        if number != 255 {
            prop_assert_eq!(&options[number.to_string()], &hex_text(&octets));
        }
    }

    #[test]
    fn a_quoted_value_is_read_back_as_it_was(text in any::<String>()) {
        let mut out = b"x,".to_vec();
        out.extend_from_slice(text.as_bytes());
        quote(&mut out, 2);
        let quoted = String::from_utf8(out).expect("UTF-8");
        let quoted = quoted.strip_prefix("x,").expect("what was there stays");
        let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|_| quoted != text);
        let read = inner.map_or_else(|| quoted.to_owned(), |inner| inner.replace("\"\"", "\""));
        prop_assert_eq!(read, text);
    }
}

#[test]
fn fields_have_names_that_differ() {
    let mut names = FIELDS.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FIELDS.len());
}
