use serde_json::json;

use super::*;

fn address(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
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
            "id": 4, "pools": [ { "pool": "10.2.0.10 - 10.2.0.20" }, { "pool": "10.2.1.1-10.2.1.2" }, { "pool": "nonsense" } ],
            "reservations": [ { "ip-address": "10.2.0.200" } ]
        } ],
    }, "Dhcp6": {} }));
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
    let config = KeaConfig::from_json(&json!({ "Dhcp4": {
        "renew-timer": 100, "rebind-timer": 150,
        "shared-networks": [ { "renew-timer": 50, "subnet4": [ { "id": 1 }, { "id": 2, "renew-timer": 20 } ] } ],
        "subnet4": [ { "id": 3 } ],
    } }));
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
    let config = KeaConfig::from_json(&json!({ "Dhcp4": {
        "calculate-tee-times": true,
        "subnet4": [ { "id": 1 }, { "id": 2, "t1-percent": 0.25, "t2-percent": 0.5 }, { "id": 3, "calculate-tee-times": false } ],
    } }));
    assert_eq!(config.timers(1, 800), (Some(400), Some(700)));
    assert_eq!(config.timers(2, 800), (Some(200), Some(400)));
    assert_eq!(config.timers(3, 800), (None, None));
    assert_eq!(config.timers(1, u32::MAX), (None, None), "a lease without end is not renewed");
}

#[test]
fn subnets_without_a_number_are_counted_those_of_networks_first() {
    let config = KeaConfig::from_json(&json!({ "Dhcp4": {
        "subnet4": [ { "renew-timer": 30 } ],
        "shared-networks": [ { "subnet4": [ { "renew-timer": 10 }, { "renew-timer": 20, "id": 0 } ] } ],
    } }));
    let renewals: Vec<_> = (1..=3).map(|id| config.timers(id, 600).0).collect();
    assert_eq!(renewals, [Some(10), Some(20), Some(30)]);
}

#[test]
fn subnets_without_relay_information_are_named() {
    let config = |global: bool, subnet: Option<bool>| {
        let mut first = json!({ "id": 7 });
        if let Some(subnet) = subnet {
            first["store-extended-info"] = json!(subnet);
        }
        let root = json!({ "Dhcp4": { "store-extended-info": global, "subnet4": [ first, { "id": 8 } ] } });
        KeaConfig::from_json(&root).without_extended_info()
    };
    assert_eq!(config(true, None), None);
    assert_eq!(config(false, None), Some("in all subnets".to_owned()));
    assert_eq!(config(false, Some(true)), Some("in 1 of 2 subnets: 8".to_owned()));
    assert_eq!(config(true, Some(false)), Some("in 1 of 2 subnets: 7".to_owned()));
}
