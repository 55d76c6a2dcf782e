use std::collections::HashSet;

use super::*;

#[test]
fn a_set_of_addresses_has_what_was_put_in() {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut set, mut expected) = (Addresses::default(), HashSet::new());
    for _ in 0..20_000 {
        // A few networks, so that there are repetitions, and addresses at their edges.
        let address = Ipv4Addr::from(random.u32(0..20) << 28 | random.u32(0..3) << 8 | u32::from(random.u8(..)));
        assert_eq!(set.contains(address), expected.contains(&address), "{address}");
        if random.bool() {
            set.insert(address);
            expected.insert(address);
        }
    }
    for address in &expected {
        assert!(set.contains(*address), "{address}");
    }
    assert_eq!(set.bits.iter().flatten().map(|word| word.count_ones() as usize).sum::<usize>(), expected.len());
}
