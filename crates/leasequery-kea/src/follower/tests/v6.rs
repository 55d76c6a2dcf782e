//! What follows lease files follows those of DHCPv6 too.

use leasequery_store::{Budget, V6Key};

use super::*;
use crate::v6::Follower;

const HEADER: &str = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context,hwtype,hwaddr_source\n";

/// Every other one is a prefix. The client is part of the relay data too, which differs in the two layouts.
fn row(address: u8, client: u8, lifetime: u32, expire: u64) -> String {
    let (kind, length) = if address.is_multiple_of(2) { (0, 128) } else { (2, 56) };
    let name = if client.is_multiple_of(2) { "relays" } else { "relay-info" };
    let context = format!(
        r#"{{ "ISC": {{ "{name}": [ {{ "hop": 0, "link": "fd77::2", "options": "0x0025000500000009{client:02X}", "peer": "fe80::1" }} ] }} }}"#
    );
    let context = context.replace(',', "&#x2c");
    format!(
        "2001:db8:0:{address:x}00::,00:01:{client:02x},{lifetime},{expire},1,{lifetime},{kind},1,{length},0,0,a.,02:00,0,{context},1,2"
    )
}

fn kea() -> Kea {
    Kea::playing(Form { header: HEADER, columns: 17, lifetime: 2, row })
}

fn shared() -> Arc<SharedStore<V6Key>> {
    let mut store = Store::new(Settings::default());
    store.source("kea");
    Arc::new(SharedStore::new(store))
}

fn follower(kea: &Kea, shared: &Arc<SharedStore<V6Key>>) -> Follower {
    Follower::new(kea.path(""), None, VpnIndex::DEFAULT, feed(shared)).hasty()
}

/// Addresses and clients of the active leases.
fn active(shared: &SharedStore<V6Key>) -> BTreeMap<u8, u8> {
    shared.read(|store| {
        let budget = Budget::unlimited();
        let bound = store.scan(Selector::All, VpnRange::All, None, &budget).filter_map(|entry| match entry {
            Entry::Bound(binding) if binding.state() == State::Active => Some(binding),
            _ => None,
        });
        let client = |binding: Binding<'_, V6Key>| {
            let octets = binding.key().address().octets();
            let prefix = (octets[6] % 2 == 1).then_some(56);
            assert_eq!((octets[7], binding.key().prefix_length()), (0, prefix), "nobody leases such things");
            let client = binding.client_id().map_or(0, |duid| duid[2]);
            assert_eq!(binding.remote_id(), Some(&[0, 0, 0, 9, client][..]));
            (octets[6], client)
        };
        bound.map(client).collect()
    })
}

/// How many rows were news. What a former client lost by one of them is a change of its own.
fn commits(shared: &SharedStore<V6Key>, since: Revision) -> u64 {
    shared.read(|store| {
        let budget = Budget::unlimited();
        let lost = store.changes(since, &budget).filter(Binding::is_former).count() as u64;
        store.revision().0 - since.0 - lost
    })
}

#[test]
fn each_row_is_taken_once_through_rotations_and_cleanups() {
    let mut kea = kea();
    let shared = shared();
    let mut follower = follower(&kea, &shared);
    follower.step().expect("readable");
    for round in 0..20_u8 {
        let before = shared.read(Store::revision);
        kea.lease(round, round + 1);
        // Written before the rotation and not yet read.
        kea.lease(100, round + 1);
        kea.rotate();
        kea.lease(101, round + 1);
        follower.step().expect("readable");
        follower.step().expect("readable");
        assert_eq!(active(&shared), kea.leases);
        assert_eq!(commits(&shared, before), 3, "none missed, none repeated");
        kea.clean_up(3);
        follower.step().expect("readable");
        assert_eq!(commits(&shared, before), 3, "a cleanup is no change");
    }
    assert_eq!(follower.status().get().unreadable_relays, 0);
}

#[test]
fn the_first_load_is_the_meaning_of_all_files_together_and_what_is_missed_is_made_up_for() {
    let mut kea = kea();
    kea.lease(1, 1);
    kea.lease(2, 2);
    kea.rotate();
    kea.clean_up(3);
    kea.lease(2, 0);
    kea.lease(3, 3);
    kea.rotate();
    kea.lease(3, 4);
    let shared = shared();
    let mut follower = follower(&kea, &shared);
    follower.step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
    let status = follower.status().get();
    assert_eq!((status.leases, status.without_relay, status.rows), (2, 0, 3), "superseded rows are not read");
    kea.clean_up(3);
    kea.lease(1, 0);
    kea.rotate();
    kea.clean_up(3);
    kea.rotate();
    kea.lease(5, 5);
    follower.step().expect("readable");
    follower.step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
}

#[test]
fn a_row_glued_to_a_torn_one_is_parted_from_it() {
    let torn = kea().row(1, 1);
    for cut in 1..torn.len() {
        let mut kea = kea();
        let shared = shared();
        let mut follower = follower(&kea, &shared);
        let (torn, glued) = (kea.row(1, 1), kea.row(2, 2));
        kea.write(&torn[..cut]);
        follower.step().expect("readable");
        follower.step().expect("readable");
        kea.write(&glued);
        kea.note(2, 2);
        // What stands in the last column, where the hardware address is from, does not matter.
        let whole = cut >= torn.len() - 2;
        if whole {
            kea.note(1, 1);
        }
        follower.step().expect("readable");
        assert_eq!(active(&shared), kea.leases, "cut at {cut}: {}", &torn[..cut]);
        assert_eq!(follower.status().get().broken, u64::from(!whole));
    }
}

#[test]
fn a_broken_row_costs_itself_only_and_broken_relays_less() {
    let mut kea = kea();
    kea.lease(1, 1);
    kea.write("2001:db8::1,zz,60,1,1,30,0,1,128,0,0,,,0,,,\n\nrubbish\n2001:db8::3\n");
    kea.lease(4, 4);
    let shared = shared();
    let mut follower = follower(&kea, &shared);
    follower.step().expect("readable");
    assert_eq!(active(&shared), kea.leases);
    assert_eq!(follower.status().get().broken, 4);
    kea.write("2001:db8::1,00:01,60,1000,1,30,0,1,128,0,0,,,0,{ \"ISC\": { \"relays\": 7 } },,\n");
    follower.step().expect("readable");
    let status = follower.status().get();
    assert_eq!((status.rows, status.broken, status.unreadable_relays, status.behind), (3, 4, 1, 0));
}

#[test]
fn a_file_of_dhcpv4_changes_nothing() {
    let mut kea = kea();
    let shared = shared();
    kea.lease(1, 1);
    follower(&kea, &shared).step().expect("readable");
    fs::write(kea.path(""), super::HEADER).expect("room");
    let mut follower = follower(&kea, &shared);
    follower.step().expect("it may change again");
    let problem = follower.step().expect_err("no lease file").to_string();
    assert!(problem.contains("not the header of a DHCPv6 lease file"), "{problem}");
    assert_eq!(active(&shared), kea.leases);
}

#[test]
fn random_histories_end_as_the_file_says() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut kea = kea();
        let shared = shared();
        let mut follower = follower(&kea, &shared);
        for _ in 0..300 {
            let cleaning = kea.path(".1").exists() || kea.path(".completed").exists();
            match random.u8(..16) {
                0 if !cleaning => kea.rotate(),
                1 | 2 if cleaning => kea.clean_up(random.usize(1..=3)),
                3 => follower.step().expect("readable"),
                4 => follower = self::follower(&kea, &shared),
                5 if !cleaning && !kea.path(".2").exists() => kea.rewrite(),
                6 => kea.write("2001:db8::99,broken\n"),
                _ => kea.lease(random.u8(..20), random.u8(..5)),
            }
        }
        follower.step().expect("readable");
        follower.step().expect("readable");
        assert_eq!(active(&shared), kea.leases, "seed {seed}");
        let before = shared.read(Store::revision);
        follower.step().expect("readable");
        assert_eq!(commits(&shared, before), 0, "seed {seed}: nothing is repeated");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_content_of_the_files_makes_it_panic(
        contents in proptest::collection::vec("[0-9.,:\n&#xa-f{}\"]{0,300}", 4),
        noise in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut kea = kea();
        let shared = shared();
        for (suffix, content) in [".completed", ".2", ".1", ""].iter().zip(&contents) {
            fs::write(kea.path(suffix), HEADER.to_owned() + content).expect("room");
        }
        kea.file = fs::OpenOptions::new().append(true).open(kea.path("")).expect("there");
        let mut follower = follower(&kea, &shared);
        let _ = follower.step();
        kea.file.write_all(&noise).expect("room");
        let _ = follower.step();
        kea.rotate();
        kea.file.write_all(&noise).expect("room");
        let _ = follower.step();
    }
}
