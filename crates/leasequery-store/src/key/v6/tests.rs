use super::*;

fn key(text: &str) -> V6Key {
    match text.split_once('/') {
        Some((address, length)) => V6Key::prefix(address.parse().expect("address"), length.parse().expect("length")),
        None => V6Key::new(text.parse().expect("address")),
    }
}

#[test]
fn a_prefix_comes_before_what_is_inside() {
    let ascending =
        ["2001:db8::/32", "2001:db8::/56", "2001:db8::/128", "2001:db8::", "2001:db8::1", "2001:db8:0:100::/56"];
    assert!(ascending.map(key).is_sorted());
    for text in ascending {
        assert_eq!(key(text).to_string(), text);
        let mut octets = Vec::new();
        key(text).write(&mut octets);
        assert_eq!(V6Key::read(&octets), Some(key(text)));
    }
    assert_eq!(V6Key::prefix("2001:db8::1".parse().expect("address"), 56), key("2001:db8::/56"));
    assert_eq!(V6Key::read(&[0; 16]), None);
    assert_eq!(V6Key::read(&[200; 17]), None);
}

#[test]
fn neighbours_are_each_others() {
    for text in ["::", "::/0", "2001:db8::/56", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] {
        let key = key(text);
        assert!(key.successor().is_none_or(|next| next > key && next.predecessor() == Some(key)));
        assert!(key.predecessor().is_none_or(|before| before < key && before.successor() == Some(key)));
    }
    assert_eq!(V6Key::last_of(VpnIndex::DEFAULT).successor(), None);
    assert_eq!(V6Key::first_of(VpnIndex::DEFAULT).predecessor(), None);
}

#[test]
fn the_edges_of_a_prefix_enclose_what_is_inside() {
    let net: Ipv6Addr = "2001:db8:1::".parse().expect("address");
    let inside = |key| V6Key::first_in(net, 48) <= key && key <= V6Key::last_in(net, 48);
    assert!(inside(key("2001:db8:1::/48")) && inside(key("2001:db8:1:ffff:ffff:ffff:ffff:ffff")));
    assert!(!inside(key("2001:db8:2::/56")) && !inside(key("2001:db8:0:ffff::")));
    assert!(V6Key::first_in(net, 0) <= key("::/0") && V6Key::last_in(net, 0) == V6Key::last_of(VpnIndex::DEFAULT));
}

#[test]
fn prefixes_around_an_address_are_found_the_longest_first() {
    let mut tree = Tree::default();
    for (record, text) in
        (0..).zip(["2001:db8::/32", "2001:db8:0:100::/56", "2001:db8:0:200::/56", "2001:db8:0:100::1"])
    {
        tree.insert(key(text), record);
        tree.insert(key(text), record);
    }
    let around = |tree: &Tree, text: &str| tree.around(text.parse().expect("address")).collect::<Vec<_>>();
    assert_eq!(around(&tree, "2001:db8:0:100::1"), [1, 0]);
    assert_eq!(around(&tree, "2001:db8:0:300::1"), [0]);
    assert_eq!(around(&tree, "2001:db9::1"), []);
    tree.remove(key("2001:db8::/32"));
    tree.remove(key("2001:db8::/32"));
    assert_eq!(around(&tree, "2001:db8:0:100::1"), [1]);
    assert_eq!(
        tree.range(key("2001:db8:0:100::1")).collect::<Vec<_>>(),
        [(key("2001:db8:0:100::1"), 3), (key("2001:db8:0:200::/56"), 2)]
    );
}
