use serde_json::json;

use super::*;
use crate::config::LeaseFile;

fn address(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
}

fn config(dhcp4: &Value) -> KeaConfig {
    KeaConfig::from_json(&json!({ "Dhcp4": dhcp4 })).expect("a configuration")
}

fn span(first: &str, last: &str) -> (Ipv4Addr, Ipv4Addr) {
    (address(first), address(last))
}

#[test]
fn pools_and_reservations_are_configured_wherever_they_stand() {
    let config = KeaConfig::from_json(&json!({ "Dhcp4": {
        "reservations": [ { "ip-address": "10.9.9.9" }, { "hostname": "none" } ],
        "shared-networks": [ { "name": "a", "subnet4": [ { "id": 3, "pools": [ { "pool": "10.1.0.0/30" } ] } ] } ],
        "subnet4": [ {
            "id": 4, "pools": [ { "pool": "10.2.0.10 - 10.2.0.20" }, { "pool": "10.2.1.1-10.2.1.2" } ],
            "reservations": [ { "ip-address": "10.2.0.200" } ]
        } ],
    }, "Dhcp6": {} }))
    .expect("a configuration");
    assert_eq!(
        config.ranges(),
        [
            span("10.1.0.0", "10.1.0.3"),
            span("10.2.0.10", "10.2.0.20"),
            span("10.2.1.1", "10.2.1.2"),
            span("10.2.0.200", "10.2.0.200"),
            span("10.9.9.9", "10.9.9.9"),
        ]
    );
}

#[test]
fn timers_are_inherited_from_subnet_network_and_global_scope() {
    let config = config(&json!({
        "renew-timer": 100, "rebind-timer": 150,
        "shared-networks": [ { "renew-timer": 50, "subnet4": [ { "id": 1 }, { "id": 2, "renew-timer": 20 } ] } ],
        "subnet4": [ { "id": 3 } ],
    }));
    assert_eq!(config.timers(1, 600), (Some(50), Some(150)));
    assert_eq!(config.timers(2, 600), (Some(20), Some(150)));
    assert_eq!(config.timers(3, 600), (Some(100), Some(150)));
    assert_eq!(config.timers(99, 600), (None, None), "a subnet that is not configured");
    // Kea does not send what makes no sense for the lifetime.
    assert_eq!(config.timers(3, 120), (Some(100), None));
    assert_eq!(config.timers(3, 60), (None, None));
}

#[test]
fn timers_are_computed_when_kea_computes_them() {
    let config = config(&json!({
        "calculate-tee-times": true,
        "subnet4": [ { "id": 1 }, { "id": 2, "t1-percent": 0.25, "t2-percent": 0.5 }, { "id": 3, "calculate-tee-times": false } ],
    }));
    assert_eq!(config.timers(1, 800), (Some(400), Some(700)));
    assert_eq!(config.timers(2, 800), (Some(200), Some(400)));
    // As Kea 2.2 sends them: rounded, and nothing that is not within the lease.
    assert_eq!(config.timers(1, 601), (Some(301), Some(526)));
    assert_eq!(config.timers(1, 603), (Some(302), Some(528)));
    assert_eq!(config.timers(1, 2), (Some(1), None));
    assert_eq!(config.timers(1, 1), (None, None));
    assert_eq!(config.timers(1, 0), (None, None));
    assert_eq!(config.timers(3, 800), (None, None));
    assert_eq!(config.timers(1, u32::MAX), (None, None), "a lease without end is not renewed");
}

#[test]
fn numbers_that_are_none_are_what_kea_makes_of_them() {
    let config = config(&json!({
        "calculate-tee-times": true, "renew-timer": -1,
        "subnet4": [ { "id": 1, "pools": [ { "pool": "10.0.0.5 / 030" }, { "pool": "10.0.0.9/+32" } ] } ],
    }));
    assert_eq!(config.timers(1, 800), (None, Some(700)), "it is set, and beyond the lease");
    assert_eq!(config.ranges(), [span("10.0.0.5", "10.0.0.7"), span("10.0.0.9", "10.0.0.9")]);
    assert!(config.warnings().is_empty());
}

#[test]
fn subnets_without_a_number_are_counted_those_of_networks_first() {
    // Kea 2.2 numbers these 1 and 7, then 2, 10 and 3: a number that is given does not count.
    let config = config(&json!({
        "subnet4": [ { "renew-timer": 12 }, { "renew-timer": 14, "id": 10 }, { "renew-timer": 13 } ],
        "shared-networks": [ { "subnet4": [ { "renew-timer": 11, "id": 0 }, { "renew-timer": 17, "id": 7 } ] } ],
    }));
    let renewals: Vec<_> = [1, 2, 3, 4, 7, 10].iter().map(|id| config.timers(*id, 600).0).collect();
    assert_eq!(renewals, [Some(11), Some(12), Some(13), None, Some(17), Some(14)]);
}

#[test]
fn what_is_no_pool_is_told_and_what_is_no_configuration_refused() {
    let config = config(&json!({ "subnet4": [
        { "id": 4, "pools": [ { "pool": "10.2.0.9 - 10.2.0.1" }, { "pool": "10.2.0.7/32" }, { "pool": 7 } ],
          "reservations": [ { "ip-address": "10.2.0" } ] },
    ] }));
    assert_eq!(config.ranges(), [span("10.2.0.7", "10.2.0.7")]);
    assert_eq!(
        config.warnings(),
        [
            "subnet 4: pool \"10.2.0.9 - 10.2.0.1\" is neither FIRST - LAST nor a prefix: its addresses are not configured",
            "subnet 4: pool 7 is neither FIRST - LAST nor a prefix: its addresses are not configured",
            "subnet 4: reserved address \"10.2.0\" is none",
        ]
    );
    for root in [json!({}), json!([]), json!({ "Dhcp4": 1 }), json!({ "Dhcp6": {} })] {
        assert!(KeaConfig::from_json(&root).is_none(), "{root}");
    }
}

#[test]
fn the_lease_file_is_known() {
    assert_eq!(config(&json!({})).lease_file(), &LeaseFile::At("/var/lib/kea/kea-leases4.csv".into()));
    let database = |database| config(&json!({ "lease-database": database })).lease_file().clone();
    assert_eq!(database(json!({ "type": "memfile" })), LeaseFile::At("/var/lib/kea/kea-leases4.csv".into()));
    assert_eq!(database(json!({ "type": "memfile", "name": "/tmp/l.csv" })), LeaseFile::At("/tmp/l.csv".into()));
    assert_eq!(
        database(json!({ "type": "memfile", "persist": false })),
        LeaseFile::None("\"persist\" is false".to_owned())
    );
    assert_eq!(
        database(json!({ "type": "mysql", "name": "kea" })),
        LeaseFile::None("leases are kept in mysql".to_owned())
    );
}

#[test]
fn subnets_without_relay_information_are_named() {
    let without = |global: bool, subnet: Option<bool>| {
        let mut first = json!({ "id": 7 });
        if let Some(subnet) = subnet {
            first["store-extended-info"] = json!(subnet);
        }
        config(&json!({ "store-extended-info": global, "subnet4": [ first, { "id": 8 } ] })).without_extended_info()
    };
    assert_eq!(without(true, None), None);
    assert_eq!(without(false, None), Some("in all subnets".to_owned()));
    assert_eq!(without(false, Some(true)), Some("in 1 of 2 subnets: 8".to_owned()));
    assert_eq!(without(true, Some(false)), Some("in 1 of 2 subnets: 7".to_owned()));
}
