use super::*;

#[test]
fn a_long_list_of_options_is_worked_out_once_for_all_messages() {
    // As many codes as a list can have, each of a few again and again.
    let codes: Vec<_> = (0..32_766).map(|number| OptionCode(number % 300)).collect();
    let plan = ReplyPlan::new(&codes, false, &[23]);
    assert!(plan.relay_data);
    // What a message costs goes by these, of which there is one search for each option of a lease.
    assert!(plan.stored.is_sorted_by(|one, next| one < next), "each is there once, and in order");
    assert!(plan.stored.len() < 300);
    assert!([24, 39, 299].iter().all(|code| plan.stored.contains(code)));
    assert!(
        [1, 5, 9, 23, 46, 47, 100].iter().all(|code| !plan.stored.contains(code)),
        "withheld, or told anyway, or never"
    );
}
