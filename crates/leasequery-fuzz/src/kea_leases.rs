//! Rows of Kea's lease files.

use leasequery_kea::columns::Header;
use leasequery_kea::mapping::Batch;
use leasequery_kea::{Family, v4, v6};
use leasequery_store::{Key, Settings, SourceId, Store, Time, VpnIndex};

use crate::input::Input;
use crate::records::{Printed, check_round_trip};

/// The clock of the stores.
const NOW: Time = Time(1_790_000_000);

/// Runs one input: the protocol, how many rows are put into the store at a time, and a file.
///
/// A row is taken as a whole or not at all, is about the address that it seems to be about, and what is told of a file does
/// not depend on how many rows are taken together. A piece of a row counts as whole only if it is one.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (second, bite) = (input.bool(), 1 + input.below(40));
    if second { file::<v6::V6>(bite, input.rest()) } else { file::<v4::V4>(bite, input.rest()) }
}

/// Inputs to begin with: files as Kea 2.2 and Kea 3 write them.
pub fn seeds() -> Vec<Vec<u8>> {
    let v4 = r#"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id
10.77.1.0,00:0c:01:02:03:04,01:00:0c:01:02:03:04,600,1790000600,7,0,0,Host&#x2Cname,0,{ "ISC": { "relay-agent-info": { "remote-id": "AABBCCDDEE01"&#x2c "sub-options": "0x0106657468302F310206AABBCCDDEE01" } } },0
10.77.1.1,00:0c:01:02:03:05,,600,1789999000,7,0,0,,2,,0
10.77.1.2,,,86400,1790080000,7,0,0,,1,,0
10.77.1.0,00:0c:01:02:03:04,01:00:0c:01:02:03:04,0,1790000600,7,0,0,,0,,0
10.77.1.3,00:0c:01:02:03:06,01:00:0c:01:02:03:06,4294967295,6084967295,7,0,0,,0,{ "a": 1&#x2c "ISC": { "relay-agent-info": "0x0106657468302F31" } }
10.77.1.4,00:0c:01:02:03:07,,600,1790000"#;
    let old = r#"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context
10.77.1.0,00:0c:01:02:03:04,01:00:0c:01:02:03:04,600,1790000600,7,0,0,Host&#x2cname,0,{ "ISC": { "relay-agent-info": "0x0106657468302F310206AABBCCDDEE01" } }
10.77.1.0,00:0c:01:02:03:04,01:00:0c:01:02:03:04,600,1790000600,7,0,0,,3,"#;
    let v6 = r#"address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context,hwtype,hwaddr_source,pool_id
2001:db8:1::10,00:03:00:01:0c,600,1790000600,7,300,0,12345,128,1,1,host.example.,00:0c:01:02:03:04,0,{ "ISC": { "relay-info": [ { "hop": 0&#x2c "link": "fd77::2"&#x2c "options": "0x00250005000009BF61"&#x2c "peer": "fe80::1"&#x2c "remote-id": "000009BF61" } ] } },1,2,0
2001:db8:f000::,00:03:00:01:0c,600,1790000600,7,300,2,12345,56,0,0,,,0,{ "ISC": { "relay-info": [ { "hop": 1&#x2c "link": "::"&#x2c "peer": "fe80::2" }&#x2c { "hop": 0&#x2c "link": "fd77::2"&#x2c "options": "0x0035000400010203"&#x2c "peer": "fe80::1" } ] } },,,0
2001:db8:1::10,00:00:00,86400,1790080000,7,0,0,12345,128,0,0,,,1,,,,0
2001:db8:1::10,00:03:00:01:0c,0,1790000600,7,0,0,12345,128,0,0,,,0,,,,0
"#;
    let mut seeds = Vec::new();
    for (text, protocol) in [(v4, 0), (old, 0), (v6, 1)] {
        for bite in [0, 30] {
            seeds.push([&[protocol, bite], text.as_bytes()].concat());
        }
    }
    seeds
}

fn file<F: Family>(bite: usize, text: &[u8])
where
    Store<F::Key>: Printed,
{
    let mut lines = text.split(|octet| *octet == b'\n');
    let header = lines.next().unwrap_or_default();
    let Ok(header) = Header::<F>::parse(header) else { return };
    let (mut together, mut alone) = (store::<F::Key>(), store::<F::Key>());
    let (mut batch, mut single) = (Batch::<F>::default(), Batch::<F>::default());
    for line in lines {
        let whole = header.is_whole(line);
        let before = batch.len();
        match batch.add(line, &header) {
            Ok(()) => {
                assert_eq!(batch.len(), before + 1);
                let address = batch.last().map(|row| row.address);
                assert_eq!(header.address_of(line), address);
                assert!(single.add(line, &header).is_ok(), "it is taken again");
                single.commit(&mut alone, SourceId(0), VpnIndex::DEFAULT, None);
                assert!(single.is_empty());
            }
            Err(error) => {
                assert!(!whole, "{error}");
                assert_eq!(batch.len(), before);
            }
        }
        if batch.len() >= bite {
            let rows = batch.len();
            assert!(batch.commit(&mut together, SourceId(0), VpnIndex::DEFAULT, None) <= rows);
            assert!(batch.is_empty());
        }
    }
    batch.commit(&mut together, SourceId(0), VpnIndex::DEFAULT, None);
    assert_eq!(together.print(), alone.print());
    check_round_trip(&together, &mut store());
}

fn store<K: Key>() -> Store<K> {
    let mut store = Store::new(Settings { history: u32::MAX, ..Settings::default() });
    store.advance(NOW);
    store
}
