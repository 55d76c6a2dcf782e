use super::*;

const V4_COLUMNS: Columns = Columns { protocol: Protocol::V4, options: false, vpns: false, changes: false };

/// What is printed of rows, each of which has a value for each of these titles.
fn table(columns: Columns, room: Option<usize>, rows: &[&[(&str, &str)]], all: bool) -> Vec<String> {
    let mut table = Table::new(columns, room, false);
    let mut out = Vec::new();
    for row in rows {
        let value =
            |column: &Column| row.iter().find(|(title, _)| *title == column.title).map_or("", |(_, value)| value);
        table.waiting.push(table.columns.iter().map(|column| value(column).to_owned()).collect());
    }
    table.settle(&mut out, all);
    String::from_utf8(out).expect("UTF-8").lines().map(str::to_owned).collect()
}

const ROW: &[(&str, &str)] = &[
    ("ADDRESS", "10.0.0.1"),
    ("STATE", "active"),
    ("MAC", "02:00:00:00:00:01"),
    ("SINCE", "2026-01-01T00:00:00Z"),
    ("EXPIRES", "2026-01-01T01:00:00Z"),
    ("REMOTE-ID", "6c696e652d3030343636 (line-00466)"),
    ("RELAY-ID", "72656c61792d34 (relay-4)"),
];

#[test]
fn columns_are_as_wide_as_what_is_in_them_and_none_is_empty() {
    let lines = table(V4_COLUMNS, None, &[&ROW[..3], &[("ADDRESS", "10.0.0.200"), ("STATE", "abandoned")]], true);
    assert_eq!(
        lines,
        ["ADDRESS     STATE      MAC", "10.0.0.1    active     02:00:00:00:00:01", "10.0.0.200  abandoned",]
    );
    let nothing = table(V4_COLUMNS, None, &[], true);
    assert!(nothing.len() == 1 && nothing[0].contains("RELAY-ID"), "{nothing:?}");
}

#[test]
fn what_is_still_to_come_may_need_every_column() {
    let lines = table(V4_COLUMNS, None, &[&ROW[..3]], false);
    assert!(lines[0].starts_with("ADDRESS          STATE      MAC                SINCE"), "{lines:?}");
    assert!(lines[0].ends_with("RELAY-ID"), "{lines:?}");
}

#[test]
fn lines_are_never_longer_than_the_terminal() {
    let all = Columns { options: true, vpns: true, ..V4_COLUMNS };
    for (columns, room) in (30..250).flat_map(|room| [(V4_COLUMNS, room), (all, room)]) {
        let lines = table(columns, Some(room), &[ROW, ROW], false);
        for line in &lines {
            assert!(line.chars().count() <= room, "{room}: {line:?}");
        }
        assert!(lines[1].starts_with("10.0.0.1 "), "{room}: {lines:?}");
    }
    let lines = table(V4_COLUMNS, Some(80), &[ROW], true);
    assert_eq!(
        lines,
        [
            "ADDRESS   STATE   MAC                EXPIRES               REMOTE-ID",
            "10.0.0.1  active  02:00:00:00:00:01  2026-01-01T01:00:00Z  6c696e652d3030343636…",
        ]
    );
    let wide = table(V4_COLUMNS, Some(250), &[ROW], true);
    assert!(wide[1].ends_with("72656c61792d34 (relay-4)"), "{wide:?}");
}

#[test]
fn an_address_is_never_cut() {
    let v6 = Columns { protocol: Protocol::V6, ..V4_COLUMNS };
    let long = "2001:db8:1111:2222:3333:4444:5555:6666";
    let lines =
        table(v6, Some(80), &[&[("ADDRESS", long), ("STATE", "active"), ("DUID", "00030001020000000001")]], false);
    assert!(lines[1].starts_with(long), "{lines:?}");
    assert!(lines[1].chars().count() <= 80, "{lines:?}");
}

#[test]
fn colours_take_no_room() {
    let mut table = Table::new(V4_COLUMNS, Some(80), true);
    table.waiting.push(vec![
        "10.0.0.1".to_owned(),
        "active".to_owned(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
    ]);
    let mut out = Vec::new();
    table.settle(&mut out, true);
    let text = String::from_utf8(out).expect("UTF-8");
    assert_eq!(text, "\x1b[1mADDRESS   STATE\x1b[0m\n10.0.0.1  \x1b[32mactive\x1b[0m\n");
}
