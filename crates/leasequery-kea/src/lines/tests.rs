use std::io::Write;

use proptest::prelude::*;

use super::super::v4::V4;
use super::*;

const HEADER: &str = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state\n";

fn file(text: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(text).expect("room");
    file
}

/// All lines between two places, the last one first.
fn from_behind(file: &File, places: Range<u64>) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let mut end = places.end;
    let count = backwards(file, places, &mut |nth, place, line| {
        assert_eq!(nth, lines.len() as u64);
        assert!(place + line.len() as u64 <= end, "where it begins is before where the next one does");
        end = place;
        lines.push(line.to_vec());
        Ok(())
    });
    assert_eq!(count.expect("readable"), lines.len() as u64);
    lines
}

/// All lines as they come, without the header.
fn from_before(text: &[u8]) -> (Vec<Vec<u8>>, Current<V4>) {
    let mut current = Current::<V4>::begin(file(text)).expect("readable");
    let mut lines = Vec::new();
    while let Some(next) = current.next(SETTLED).expect("readable") {
        match next {
            Next::Header => {}
            Next::Row(row) => lines.push(current.text(&row).to_vec()),
            Next::Broken(RowError::Length(_)) => lines.push(Vec::new()),
            other => panic!("{other:?}"),
        }
    }
    (lines, current)
}

#[test]
fn a_file_reads_the_same_from_both_ends() {
    for seed in 0..8 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut text = HEADER.as_bytes().to_vec();
        // Lines of all lengths, across several blocks; one of them is longer than any lease.
        for number in 0..60 {
            let length = match number {
                31 => LINE + random.usize(1..2 * BLOCK),
                _ if random.bool() => random.usize(..100),
                _ => random.usize(..BLOCK / 4),
            };
            text.extend((0..length).map(|_| random.alphanumeric() as u8));
            text.push(b'\n');
        }
        let (mut lines, current) = from_before(&text);
        assert_eq!((lines.len(), current.line, current.offset), (60, 61, text.len() as u64));
        assert_eq!(current.last, lines[59]);
        let mut expected: Vec<&[u8]> = text[HEADER.len()..].split(|byte| *byte == b'\n').collect();
        expected.pop();
        expected[31] = &[];
        assert!(lines.iter().zip(&expected).all(|(found, expected)| found == expected));
        lines.reverse();
        let file = file(&text);
        let (_, begin) = header::<V4>(&file).expect("readable").expect("there is one");
        assert!(from_behind(&file, begin..text.len() as u64) == lines);
    }
}

#[test]
fn lines_of_exactly_a_block_are_read_from_behind() {
    for length in [BLOCK - 1, BLOCK, BLOCK + 1, LINE - 1, LINE] {
        let text = [vec![b'a'; length], vec![b'b'; length]].join(&b'\n');
        for end in [&b""[..], b"\n"] {
            let text = [&text, end].concat();
            let lines = from_behind(&file(&text), 0..text.len() as u64);
            assert!(lines == [vec![b'b'; length], vec![b'a'; length]], "{length}");
        }
    }
}

#[test]
fn the_last_newline_is_found_however_far_before_it_is() {
    for (length, newline) in [(10, 3), (10, 9), (10_000, 0), (10_000, 4095), (10_000, 4096), (10_000, 9_999)] {
        let mut text = vec![b'x'; length];
        text[newline] = b'\n';
        let file = file(&text);
        let (end, behind) = (length as u64, newline as u64 + 1);
        assert_eq!(behind_last_newline(&file, 0, end).expect("readable"), behind);
        assert_eq!(behind_last_newline(&file, behind, end).expect("readable"), behind, "none after that");
    }
}

#[test]
fn a_file_without_its_header_is_waited_for() {
    for cut in 0..HEADER.len() {
        let mut current = Current::<V4>::begin(file(&HEADER.as_bytes()[..cut])).expect("readable");
        assert!(current.next(SETTLED).expect("readable").is_none());
        assert!(header::<V4>(&current.file).expect("readable").is_none());
        (&current.file).write_all(&HEADER.as_bytes()[cut..]).expect("room");
        assert!(matches!(current.next(SETTLED), Ok(Some(Next::Header))));
        assert!(current.next(SETTLED).expect("readable").is_none());
    }
    assert!(header::<V4>(&file(&[b'x'; 5000])).is_err());
}

fn look(current: &mut Current<V4>) -> bool {
    let stamp = Stamp::of(&current.file.metadata().expect("there"));
    current.is_rewritten(stamp, false, Duration::ZERO).expect("readable")
}

#[test]
fn a_file_that_is_cut_is_another_also_within_a_line_that_is_passed_over() {
    let mut current = Current::<V4>::begin(file(HEADER.as_bytes())).expect("readable");
    assert!(matches!(current.next(SETTLED), Ok(Some(Next::Header))));
    assert!(!look(&mut current));
    (&current.file).write_all(&vec![0; 2 * LINE]).expect("room");
    assert!(current.next(SETTLED).expect("readable").is_none());
    assert!(!look(&mut current));
    current.file.set_len(HEADER.len() as u64 + 10).expect("cut");
    assert!(look(&mut current));
}

/// A file with two rows that have been taken, and the length of one.
fn two_rows() -> (Current<V4>, u64) {
    let (_, current) = from_before(format!("{HEADER}10.0.0.1,one\n10.0.0.2,two\n").as_bytes());
    (current, 13)
}

#[test]
fn a_file_that_only_grows_is_what_it_was() {
    let (mut current, _) = two_rows();
    for _ in 0..3 {
        (&current.file).write_all(b"10.0.0.3,three\n10.0.0.4").expect("room");
        assert!(!look(&mut current));
        while current.next(SETTLED).expect("readable").is_some() {}
        assert!(!look(&mut current));
        (&current.file).write_all(b",four\n").expect("room");
    }
}

#[test]
fn what_is_written_over_the_last_row_is_seen_when_more_comes() {
    let (mut current, row) = two_rows();
    current.file.write_all_at(b"X", current.offset - row).expect("room");
    (&current.file).write_all(b"10.0.0.3,three\n").expect("room");
    assert!(look(&mut current));
}

#[test]
fn what_is_written_over_any_row_is_seen_if_the_file_does_not_grow_is_closed_or_has_an_older_time_and_in_any_case_later()
{
    for way in 0..4 {
        let (mut current, row) = two_rows();
        current.file.write_all_at(b"X", current.offset - 2 * row).expect("room");
        if way > 0 {
            (&current.file).write_all(b"10.0.0.3,three\n").expect("room");
            assert_eq!(current.last, b"10.0.0.2,two");
        }
        match way {
            0 => {}
            1 => {
                let stamp = Stamp::of(&current.file.metadata().expect("there"));
                assert!(current.is_rewritten(stamp, true, Duration::ZERO).expect("readable"));
                continue;
            }
            2 => current.file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1)).expect("possible"),
            _ => {
                assert!(!look(&mut current), "the last row is where it was");
                current.doubt.compared = Instant::now().checked_sub(COMPARED).expect("long enough after the start");
            }
        }
        assert!(look(&mut current), "{way}");
    }
}

#[test]
fn what_is_touched_is_what_it_was() {
    let (mut current, _) = two_rows();
    current.file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1)).expect("possible");
    assert!(!look(&mut current));
    let stamp = Stamp::of(&current.file.metadata().expect("there"));
    assert!(!current.is_rewritten(stamp, true, Duration::ZERO).expect("readable"));
}

proptest! {
    #[test]
    fn any_octets_read_the_same_from_both_ends(text in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..300)) {
        let mut expected: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        if expected.last().is_some_and(|last| last.is_empty()) {
            expected.pop();
        }
        expected.reverse();
        prop_assert_eq!(from_behind(&file(&text), 0..text.len() as u64), expected);
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let (mut lines, current) = from_before(&[HEADER.as_bytes(), &text].concat());
        lines.reverse();
        prop_assert_eq!(lines, from_behind(&file(&text), 0..whole as u64));
        prop_assert_eq!(current.offset, (HEADER.len() + whole) as u64);
        prop_assert_eq!(current.rest().expect("readable"), &text[whole..]);
    }
}
