//! Columns for people, as wide as the terminal is. The first rows wait for each other, so that a short answer has columns that
//! fit it and none that are empty; of a longer one nobody knows what is still to come.

use std::time::{Duration, Instant};

use leasequery_record::{Protocol, View};

/// What a table is about.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    /// Whose leases.
    pub protocol: Protocol,
    /// Options were asked for.
    pub options: bool,
    /// There may be leases of several VPNs.
    pub vpns: bool,
    /// It tells of changes.
    pub changes: bool,
}

/// A column.
#[derive(Debug, Clone, Copy)]
struct Column {
    title: &'static str,
    /// The fields of which it shows the one that is there.
    fields: &'static [&'static str],
    /// How wide it is where there is room and nobody knows what comes.
    width: usize,
    /// How narrow it may become.
    least: usize,
    /// Of two columns that have no room beside each other, the higher one stays.
    rank: u8,
}

const fn column(title: &'static str, fields: &'static [&'static str], width: usize, least: usize, rank: u8) -> Column {
    Column { title, fields, width, least, rank }
}

const V4: [Column; 8] = [
    column("ADDRESS", &["address"], 15, 15, KEPT),
    STATE,
    column("MAC", &["mac"], 17, 17, 7),
    column("SINCE", &["start-time-of-state"], 20, 20, 3),
    column("EXPIRES", &["expires"], 20, 20, 6),
    column("REMOTE-ID", &["remote-id"], 32, 10, 4),
    column("RELAY-ID", &["relay-id"], 24, 8, 2),
    column("VPN", &["vpn"], 8, 8, 5),
];
/// DHCPv6 has no VPNs and does not tell since when a lease is there, but when its client was heard.
const V6: [Column; 7] = [
    column("ADDRESS", &["address", "prefix"], 26, 26, KEPT),
    STATE,
    column("DUID", &["duid"], 28, 14, 7),
    column("HEARD", &["client-last-transaction-time"], 20, 20, 3),
    column("EXPIRES", &["expires"], 20, 20, 6),
    column("REMOTE-ID", &["remote-id"], 32, 10, 4),
    column("RELAY-ID", &["relay-id"], 20, 8, 2),
];
const STATE: Column = column("STATE", &["state"], 9, 9, KEPT);
/// In place of the state, where it is told what has changed.
const CHANGE: Column = column("CHANGE", &["state"], 24, 18, KEPT);
/// The last column, where options were asked for.
const OPTIONS: Column = column("OPTIONS", &["options"], 24, 10, 6);
/// The rank of what is always there.
const KEPT: u8 = 9;

/// Between two columns.
const GAP: usize = 2;
/// Rows that wait for each other at most, and for how long.
const WAITING: usize = 1000;
const PATIENCE: Duration = Duration::from_millis(300);

/// A table that is being printed.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    /// Characters in a line; `None` if nobody counts them.
    room: Option<usize>,
    coloured: bool,
    /// Rows that wait, since when.
    waiting: Vec<Vec<String>>,
    since: Option<Instant>,
    /// The columns that are printed, and how wide they are, once that is settled.
    layout: Option<Vec<(usize, usize)>>,
}

impl Table {
    pub(super) fn new(columns: Columns, room: Option<usize>, coloured: bool) -> Self {
        let all: &[Column] = match columns.protocol {
            Protocol::V4 => &V4,
            Protocol::V6 => &V6,
        };
        let all = all.iter().filter(|column| columns.vpns || column.title != "VPN");
        let all = all.map(|column| if columns.changes && column.title == STATE.title { CHANGE } else { *column });
        let columns = all.chain(columns.options.then_some(OPTIONS)).collect();
        Self { columns, room, coloured, waiting: Vec::new(), since: None, layout: None }
    }

    /// Takes a row; `change` says what changed, where the state alone does not.
    pub(super) fn row(&mut self, out: &mut Vec<u8>, view: &View<'_>, change: Option<&str>) {
        let cell = |column: &Column| match change {
            Some(change) if column.title == CHANGE.title => change.to_owned(),
            _ => cell(column, view),
        };
        let cells: Vec<_> = self.columns.iter().map(cell).collect();
        if self.layout.is_some() {
            return self.write(out, &cells, false);
        }
        self.since.get_or_insert_with(Instant::now);
        self.waiting.push(cells);
        if self.waiting.len() >= WAITING {
            self.settle(out, false);
        }
    }

    /// Nothing more has come yet: what waits need not wait for long.
    pub(super) fn pause(&mut self, out: &mut Vec<u8>) {
        if self.since.is_some_and(|since| since.elapsed() >= PATIENCE) {
            self.settle(out, false);
        }
    }

    /// Prints the titles and what waits. If that is all there is, what is empty is left out.
    pub(super) fn settle(&mut self, out: &mut Vec<u8>, all: bool) {
        if self.layout.is_some() {
            return;
        }
        let rows = std::mem::take(&mut self.waiting);
        let widest = |place: usize| rows.iter().map(|row| row[place].chars().count()).max().unwrap_or(0);
        let columns = self.columns.iter().enumerate().map(|(place, column)| {
            let least = column.title.len();
            let width = match widest(place) {
                0 if all && !rows.is_empty() && column.rank < KEPT => 0,
                widest if all && !rows.is_empty() => widest.max(least),
                widest => widest.max(column.width),
            };
            (place, width)
        });
        self.layout = Some(self.fit(columns.filter(|(_, width)| *width > 0).collect()));
        let titles: Vec<_> = self.columns.iter().map(|column| column.title.to_owned()).collect();
        self.write(out, &titles, true);
        for row in &rows {
            self.write(out, row, false);
        }
        self.since = None;
    }

    /// Makes columns narrower, and leaves some out, until they fit beside each other.
    fn fit(&self, mut columns: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
        let Some(room) = self.room else { return columns };
        let least = |(place, width): &(usize, usize)| {
            (*width).min(self.columns[*place].least.max(self.columns[*place].title.len()))
        };
        let needed = |columns: &[(usize, usize)]| columns.iter().map(|column| least(column) + GAP).sum::<usize>() - GAP;
        while columns.len() > 1 && needed(&columns) > room {
            let lowest = |place: &usize| self.columns[columns[*place].0].rank;
            let Some(place) = (0..columns.len()).rev().min_by_key(lowest).filter(|place| lowest(place) < KEPT) else {
                break;
            };
            columns.remove(place);
        }
        // What is left over goes to those that matter most.
        let mut left = room.saturating_sub(needed(&columns));
        let mut order: Vec<_> = (0..columns.len()).collect();
        order.sort_by_key(|place| std::cmp::Reverse(self.columns[columns[*place].0].rank));
        for place in order {
            let (least, width) = (least(&columns[place]), columns[place].1);
            let more = (width - least).min(left);
            columns[place].1 = least + more;
            left -= more;
        }
        columns
    }

    fn write(&self, out: &mut Vec<u8>, cells: &[String], title: bool) {
        let mut line = String::new();
        let (mut used, mut state) = (0, None);
        for (place, width) in self.layout.iter().flatten() {
            let column = &self.columns[*place];
            // What a row is about is never cut; it moves the others.
            let whole = self.room.is_none() || column.title == V4[0].title;
            let cell = if whole { &cells[*place] } else { &cut(&cells[*place], *width) };
            if column.fields == STATE.fields && cell.ends_with("active") {
                state = Some(line.len()..line.len() + cell.len());
            }
            let length = cell.chars().count();
            let padded = length.max(*width) + GAP;
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', padded - length));
            used += padded;
        }
        let mut line = line.trim_end().to_owned();
        match self.room {
            Some(room) if used > room + GAP => line = cut(&line, room),
            _ if !self.coloured => {}
            _ if title => line = format!("\x1b[1m{line}\x1b[0m"),
            _ => {
                if let Some(state) = state {
                    line.replace_range(state.clone(), &format!("\x1b[32m{}\x1b[0m", &line[state].to_owned()));
                }
            }
        }
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
}

/// What a column says of a record.
fn cell(column: &Column, view: &View<'_>) -> String {
    let value = column.fields.iter().find_map(|field| Some((*field, view.get(field)?)));
    let Some((field, value)) = value else { return String::new() };
    let mut octets = Vec::new();
    value.write(&mut octets);
    let mut text = String::from_utf8_lossy(&octets).into_owned();
    if let Some(plain) = view.text_of(field, value) {
        text = format!("{text} ({plain})");
    }
    // Names come from a network; they must not move the cursor of a terminal.
    text.replace(char::is_control, "?")
}

/// As much of a text as there is room for, and a sign that there is more.
fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
