use super::*;

#[allow(clippy::unnecessary_wraps, reason = "each file may be missing")]
fn stamp(number: u64) -> Option<Stamp> {
    let identity = Identity { device: 1, inode: number, made: number };
    Some(Stamp { identity, size: 100, modified: 7, changed: 8, is_named: true })
}

fn past(completed: Option<Stamp>, second: Option<Stamp>, first: Option<Stamp>) -> Past {
    Past { completed, second, first }
}

/// What there is from the rotation of file 2, with file 1 from the cleanup before, until file 3 is in place.
fn cleanup() -> [Past; 5] {
    [
        past(None, stamp(1), stamp(2)),
        past(stamp(3), stamp(1), stamp(2)),
        past(stamp(3), None, stamp(2)),
        past(stamp(3), None, None),
        // Its name is new, and so is the time at which anything about it was changed.
        past(None, stamp(3).map(|stamp| Stamp { changed: 9, ..stamp }), None),
    ]
}

#[test]
fn a_cleanup_goes_forward_by_any_number_of_steps() {
    let steps = cleanup();
    for (at, before) in steps.iter().enumerate() {
        for (now, after) in steps.iter().enumerate() {
            // Which file was completed is not known before it was.
            let same = after.follows(before);
            assert_eq!(same, now >= at, "from {at} to {now}");
        }
    }
}

#[test]
fn anything_else_was_somebody_else() {
    let [rotated, completed, .., done] = cleanup();
    let changed = |file: Option<Stamp>| file.map(|file| Stamp { modified: file.modified + 1, ..file });
    let longer = |file: Option<Stamp>| file.map(|file| Stamp { size: file.size + 1, ..file });
    let touched = |file: Option<Stamp>| file.map(|file| Stamp { changed: file.changed + 1, ..file });
    for other in [changed, longer, touched] {
        assert!(!Past { second: other(done.second), ..done }.follows(&done));
        assert!(!Past { second: other(rotated.second), ..rotated }.follows(&rotated));
        assert!(!Past { first: other(rotated.first), ..rotated }.follows(&rotated));
        assert!(!Past { second: other(rotated.second), ..completed }.follows(&rotated));
    }
    assert!(!Past { completed: longer(completed.completed), ..completed }.follows(&completed));
    // Removed, replaced, and put where nothing was.
    for now in [
        past(None, None, None),
        past(None, stamp(9), None),
        past(None, done.second, stamp(9)),
        past(stamp(9), done.second, None),
    ] {
        assert!(!now.follows(&done), "{now:?}");
    }
    for now in
        [past(None, stamp(1), None), past(None, None, stamp(2)), past(None, stamp(9), stamp(2)), past(None, None, None)]
    {
        assert!(!now.follows(&rotated), "{now:?}");
    }
    assert!(!past(None, stamp(9), None).follows(&completed), "another one than was completed");
    assert!(!past(stamp(9), None, None).follows(&completed));
}
