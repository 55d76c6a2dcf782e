use super::*;

fn witness(says: Says, source: u8) -> Witness {
    Witness { says, source: SourceId(source), epoch: 1 }
}

#[test]
fn the_owner_is_first_and_then_the_best_word() {
    let mut list = Witnesses::NOBODY;
    for new in [
        witness(Says::Other, 1),
        witness(Says::Same, 9),
        witness(Says::Own, 7),
        witness(Says::Earlier, 0),
        witness(Says::Same, 2),
        witness(Says::Same, 1),
    ] {
        list.add(new);
    }
    let sources: Vec<_> = list.iter().map(|witness| witness.source.0).collect();
    assert_eq!(sources, [7, 2, 9, 0, 1], "and of one source the first word counts");
    assert_eq!(list.owner(), Some(SourceId(7)));
    assert_eq!(list.heir(), Some(witness(Says::Same, 2)));
    assert_eq!(list.without(SourceId(2)).heir(), Some(witness(Says::Same, 9)));
    let alone = Witnesses::alone(SourceId(7), 1);
    assert!(alone.heir().is_none() && alone.is_alone() && Witnesses::NOBODY.owner().is_none());
}

#[test]
fn of_more_sources_than_a_list_holds_the_owner_is_not_lost() {
    let mut list = Witnesses::alone(SourceId(200), 0);
    (0..100).for_each(|source| list.add(witness(Says::Same, source)));
    assert_eq!(list.iter().count(), MOST);
    assert_eq!(list.owner(), Some(SourceId(200)));
}

#[test]
fn what_a_restart_has_to_know_is_who_vouches() {
    let with = |says| {
        let mut list = Witnesses::alone(SourceId(0), 0);
        list.add(witness(says, 1));
        list
    };
    let alone = Witnesses::alone(SourceId(0), 0);
    assert!(alone.is_outdated_by(&with(Says::Same)) && alone.is_outdated_by(&with(Says::Other)));
    assert!(with(Says::Same).is_outdated_by(&with(Says::Other)));
    assert!(!with(Says::Same).is_outdated_by(&with(Says::Earlier)));
    assert!(!with(Says::Same).is_outdated_by(&alone), "whoever says nothing any more is asked");
    assert!(!alone.is_outdated_by(&Witnesses::alone(SourceId(0), 5)));
    assert!(alone.is_outdated_by(&Witnesses::alone(SourceId(1), 0)));
}

#[test]
fn lists_are_kept_once_and_for_as_long_as_they_are_in_use() {
    let mut lists = Lists::new();
    let list = |source| Witnesses::alone(SourceId(source), 0);
    let number = lists.hold(&list(1)).expect("a number");
    assert_eq!(lists.hold(&list(1)), Some(number));
    assert_eq!(lists.len(), 2, "and nobody's");
    lists.release(number);
    assert_eq!(*lists.get(number), list(1));
    lists.release(number);
    assert_eq!(lists.len(), 1);
    assert_eq!(lists.hold(&list(2)), Some(number), "its number is free");
    assert_eq!(lists.hold(&Witnesses::NOBODY), Some(NOBODY));
}

#[test]
fn there_is_an_end_of_numbers() {
    let mut lists = Lists::new();
    let mut held = 0_u32;
    for epoch in 0..=u8::MAX {
        for source in 0..u8::MAX {
            for says in [Says::Same, Says::Other] {
                let mut list = Witnesses::alone(SourceId(source), epoch);
                list.add(Witness { says, source: SourceId(source.wrapping_add(1) % 255), epoch: 0 });
                held += u32::from(lists.hold(&list).is_some());
            }
        }
    }
    // Two are there from the beginning.
    assert_eq!(held, u32::from(u16::MAX) - 1);
}
