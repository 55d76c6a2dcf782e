use serde_json::json;

use super::*;
use crate::config::LeaseFile;

fn address(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

fn config(dhcp6: &Value) -> KeaConfig {
    KeaConfig::from_json(&json!({ "Dhcp6": dhcp6 })).expect("a configuration")
}

fn link(name: &str, networks: &[(&str, u8)]) -> Link {
    let networks = networks.iter().map(|(net, length)| (address(net), *length)).collect();
    Link { address: address(name), networks }
}

#[test]
fn a_link_is_a_shared_network_or_else_a_subnet() {
    let config = config(&json!({
        "subnet6": [
            { "id": 4, "subnet": "2001:db8:4::/64", "pd-pools": [
                { "prefix": "2001:db8:f000::", "prefix-len": 36, "delegated-len": 56 },
                { "prefix": "2001:db8:e000::", "prefix-len": 40, "delegated-len": 64 },
            ] },
            { "id": 5, "subnet": "2001:db8:5::/64" },
        ],
        "shared-networks": [
            { "name": "a", "subnet6": [ { "id": 1, "subnet": "2001:db8:1::/64" }, { "id": 2, "subnet": "2001:db8:2::/64" } ] },
            { "name": "b", "subnet6": [] },
            { "name": "c", "subnet6": [ { "id": 3, "subnet": " 2001:db8:3::7 / 64 " } ] },
        ],
    }));
    assert_eq!(
        config.links(),
        [
            link("2001:db8:1::", &[("2001:db8:1::", 64), ("2001:db8:2::", 64)]),
            link("2001:db8:3::", &[("2001:db8:3::", 64)]),
            link("2001:db8:4::", &[("2001:db8:4::", 64), ("2001:db8:f000::", 36), ("2001:db8:e000::", 40)]),
            link("2001:db8:5::", &[("2001:db8:5::", 64)]),
        ]
    );
    let links: Vec<_> = (1..=6).map(|subnet| config.link_of(subnet)).collect();
    let names = ["2001:db8:1::", "2001:db8:1::", "2001:db8:3::", "2001:db8:4::", "2001:db8:5::"];
    assert_eq!(links[..5], names.map(|name| Some(address(name))));
    assert_eq!(links[5], None, "a subnet that is not configured");
}

#[test]
fn relays_outside_of_the_networks_belong_to_the_link() {
    let config = config(&json!({
        "relay": { "ip-addresses": [ "2001:db8:99::9" ] },
        "shared-networks": [ { "name": "a", "relay": { "ip-addresses": [ "fd77::1" ] }, "subnet6": [
            { "subnet": "2001:db8:1::/64", "relay": { "ip-addresses": [ "2001:db8:1::1", "fd77::2", "fd77::1" ] } },
            { "subnet": "2001:db8:2::/64", "relay": { "ip-address": "fd77::3" } },
        ] } ],
        "subnet6": [ { "subnet": "2001:db8:3::/64", "relay": { "ip-addresses": [ "2001:db8:1::2" ] } },
                     { "subnet": "2001:db8:4::/64", "relay": { "ip-address": "::" } } ],
    }));
    let networks = [("2001:db8:1::", 64), ("2001:db8:2::", 64), ("fd77::2", 128), ("fd77::1", 128), ("fd77::3", 128)];
    assert_eq!(
        config.links(),
        [
            link("2001:db8:1::", &networks),
            link("2001:db8:3::", &[("2001:db8:3::", 64), ("2001:db8:1::2", 128)]),
            link("2001:db8:4::", &[("2001:db8:4::", 64)]),
        ]
    );
    assert_eq!(config.warnings(), [""; 0]);
}

#[test]
fn what_is_no_prefix_is_told_and_what_is_no_configuration_refused() {
    let config = config(&json!({ "subnet6": [
        { "id": 3 },
        { "id": 4, "subnet": "2001:db8::/129" },
        { "id": 5, "subnet": "2001:db8:5::/64", "relay": { "ip-addresses": [ "10.0.0.1" ] },
          "pd-pools": [ { "prefix": "2001:db8::" }, { "prefix": "2001:db8::", "prefix-len": 300 }, { "prefix-len": 4 } ] },
    ] }));
    assert_eq!(config.links(), [link("2001:db8:5::", &[("2001:db8:5::", 64)])]);
    let pool = "subnet 5: a pd-pool that is no prefix: what is of it has no link";
    assert_eq!(
        config.warnings(),
        [
            "subnet 3: null is no prefix: its link is not known",
            "subnet 4: \"2001:db8::/129\" is no prefix: its link is not known",
            pool,
            pool,
            pool,
            "subnet 5: relay address \"10.0.0.1\" is none",
        ]
    );
    for root in [json!({}), json!([]), json!({ "Dhcp6": 1 }), json!({ "Dhcp4": {} })] {
        assert!(KeaConfig::from_json(&root).is_none(), "{root}");
    }
}

#[test]
fn the_lease_file_and_subnets_without_relay_data_are_known() {
    let config = config(&json!({
        "store-extended-info": true,
        "subnet6": [ { "id": 1, "subnet": "2001:db8:1::/64" },
                     { "id": 2, "subnet": "2001:db8:2::/64", "store-extended-info": false } ],
    }));
    assert_eq!(config.lease_file(), &LeaseFile::At("/var/lib/kea/kea-leases6.csv".into()));
    assert_eq!(config.without_extended_info(), Some("in 1 of 2 subnets: 2".to_owned()));
}
