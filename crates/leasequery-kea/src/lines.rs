//! The file that Kea appends to, line by line.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use memchr::memchr;

use super::columns::Header;
use super::family::Family;
use super::files::{Identity, Stamp};
use super::print::Print;
use super::row::RowError;

/// A file that grows, and how far it has been read.
#[derive(Debug)]
pub(super) struct Current<F: Family> {
    pub(super) file: File,
    pub(super) identity: Identity,
    /// What the first line says; `None` as long as that has not come.
    pub(super) header: Option<Header<F>>,
    /// Octets taken; the next one begins a line.
    pub(super) offset: u64,
    /// Lines taken.
    pub(super) line: u64,
    /// The last line taken, which has to stay where it is.
    pub(super) last: Vec<u8>,
    /// Of all lines taken.
    pub(super) print: Print,
    doubt: Doubt,
    /// Where the file was seen to end within the line that is next.
    ends: Vec<End>,
    buffer: Vec<u8>,
    /// What of the buffer has not been taken; it begins at the offset.
    waiting: Range<usize>,
    /// Up to where in the buffer there is no newline.
    scanned: usize,
    /// Octets at the offset that belong to a line that is too long, and are not kept.
    skipped: u64,
}

/// An end of the file within a line.
#[derive(Debug)]
struct End {
    at: u64,
    since: Instant,
    /// It has been seen again.
    again: bool,
    /// It stayed so: nobody was in the middle of writing.
    settled: bool,
    /// Whether what is before it has been taken for a row, once that has been judged.
    taken: Option<bool>,
}

/// Whether the file has only grown since it was looked at last.
#[derive(Debug)]
struct Doubt {
    seen: Stamp,
    /// It was changed and has not grown, since then: Kea is in the middle of writing a row, or somebody has written over
    /// others.
    odd: Option<Instant>,
    /// It has been changed since all of it was compared.
    changed: bool,
    /// There is reason to compare all of it.
    suspect: bool,
    compared: Instant,
    /// How long that took.
    took: Duration,
}

/// What comes next. Texts are given by [`Current::text`].
#[derive(Debug)]
pub(super) enum Next {
    Header,
    /// A row that was taken before its newline came.
    Taken,
    Row(Range<usize>),
    /// A row that Kea could not finish, and the next one that it wrote behind it without a newline.
    Glued(Range<usize>, Range<usize>),
    Broken(RowError),
}

/// Octets read at a time.
pub(super) const BLOCK: usize = 256 * 1024;
/// The longest line that is waited for; relay data has a few kilobytes at most.
pub(super) const LINE: usize = 1 << 20;
/// How long an end within a row has to be seen before it is taken for a torn one: a row that is being written is there
/// within microseconds.
pub(super) const SETTLED: Duration = Duration::from_millis(10);
/// Ends that are remembered of one line.
const ENDS: usize = 8;
/// How long it takes until all of a file that keeps growing is compared with what was read of it, at least. It is also a
/// hundred times as long as the last comparison took, or ten times, if there is reason to compare.
const COMPARED: Duration = Duration::from_mins(1);

impl<F: Family> Current<F> {
    /// Begins at the start of a file.
    pub(super) fn begin(file: File) -> io::Result<Self> {
        let seen = Stamp::of(&file.metadata()?);
        Ok(Self::at(file, seen, None, (0, 0), Vec::new(), Print::default()))
    }

    /// Goes on behind a line, which was the last one of so many, in a file that was so before it was read.
    pub(super) fn at(
        file: File,
        seen: Stamp,
        header: Option<Header<F>>,
        (offset, line): (u64, u64),
        last: Vec<u8>,
        print: Print,
    ) -> Self {
        let doubt =
            Doubt { seen, odd: None, changed: true, suspect: false, compared: Instant::now(), took: Duration::ZERO };
        Self {
            file,
            identity: seen.identity,
            header,
            offset,
            line,
            last,
            print,
            doubt,
            ends: Vec::new(),
            buffer: Vec::new(),
            waiting: 0..0,
            scanned: 0,
            skipped: 0,
        }
    }

    /// Takes the next whole line, if there is one; the rest behind the last newline is left for later. An end within a
    /// row is taken for a torn one once it has been seen for as long as `settled`.
    pub(super) fn next(&mut self, settled: Duration) -> io::Result<Option<Next>> {
        let Some(line) = self.whole_line(settled)? else { return Ok(None) };
        let length = (line.len() as u64).saturating_add(std::mem::take(&mut self.skipped));
        let start = self.offset;
        self.offset += length + 1;
        self.line += 1;
        let ends = std::mem::take(&mut self.ends);
        self.last.clear();
        if length > LINE as u64 {
            self.print.add(start, &[]);
            return Ok(Some(Next::Broken(RowError::Length(LINE))));
        }
        let text = &self.buffer[line.clone()];
        let Some(header) = &self.header else {
            match Header::parse(text) {
                Ok(header) => self.header = Some(header),
                Err(problem) => {
                    // It is looked at again, and may be another one then.
                    (self.offset, self.line) = (start, self.line - 1);
                    (self.waiting, self.scanned) = (0..0, 0);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
                }
            }
            self.note_line(start, line);
            return Ok(Some(Next::Header));
        };
        let cut = ends.iter().rev().find_map(|end| {
            let cut = usize::try_from(end.at.checked_sub(start)?).ok()?;
            let (_, row) = text.split_at_checked(cut)?;
            // Where a row was only seen while it was written, what makes sense as a whole is a whole.
            (header.is_whole(row) && (end.settled || !header.is_whole(text))).then_some(line.start + cut)
        });
        let taken = |place: usize| {
            let at = start + (place - line.start) as u64;
            ends.iter().any(|end| end.taken == Some(true) && end.at == at)
        };
        let next = match cut {
            Some(cut) if taken(cut) => Next::Row(cut..line.end),
            Some(cut) => Next::Glued(line.start..cut, cut..line.end),
            None if taken(line.end) => Next::Taken,
            None => Next::Row(line.clone()),
        };
        self.note_line(start, line);
        Ok(Some(next))
    }

    fn note_line(&mut self, start: u64, line: Range<usize>) {
        let text = &self.buffer[line];
        self.print.add(start, text);
        self.last.extend_from_slice(text);
    }

    /// The text of what was given last.
    pub(super) fn text(&self, piece: &Range<usize>) -> &[u8] {
        self.buffer.get(piece.clone()).unwrap_or_default()
    }

    /// What is behind the last newline of a file to which nothing will be added, unless that has been taken.
    pub(super) fn rest(&self) -> io::Result<Vec<u8>> {
        let end = self.file.metadata()?.len();
        if self.ends.iter().any(|seen| seen.taken == Some(true) && seen.at == end) {
            Ok(Vec::new())
        } else {
            self.up_to(end)
        }
    }

    /// What is behind the last newline of a file that has been at rest for so long; given once.
    pub(super) fn rested(&mut self, enough: Duration) -> io::Result<Option<Vec<u8>>> {
        let Some(end) = self.ends.last_mut() else { return Ok(None) };
        if end.taken.is_some() || !end.again || end.since.elapsed() < enough {
            return Ok(None);
        }
        end.taken = Some(false);
        let at = end.at;
        self.up_to(at).map(Some)
    }

    /// Where what is behind the last newline ended when it was taken for a row, if it was.
    pub(super) fn taken_end(&self) -> Option<u64> {
        self.ends.iter().rev().find(|end| end.taken == Some(true)).map(|end| end.at)
    }

    /// Knows that the file was at rest when it ended within a line, and whether that has been taken for a row.
    pub(super) fn note_rest(&mut self, at: u64, taken: bool) {
        self.ends.push(End { at, since: Instant::now(), again: true, settled: true, taken: Some(taken) });
    }

    /// Knows that what was given behind the last newline has been taken for a row.
    pub(super) fn note_taken(&mut self) {
        if let Some(end) = self.ends.last_mut() {
            end.taken = Some(true);
        }
    }

    fn up_to(&self, end: u64) -> io::Result<Vec<u8>> {
        let length = end.saturating_sub(self.offset);
        let mut rest = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(LINE)];
        self.file.read_exact_at(&mut rest, self.offset)?;
        Ok(rest)
    }

    /// Takes a look at the file as it is now, and says whether it is other than it was where it has been read: nobody but
    /// Kea writes into it, and Kea only adds. `closed` says that somebody who wrote into it has closed it.
    ///
    /// The last line is compared whenever there are more; all of them, if the file was changed without becoming longer, if
    /// its time has gone back, if somebody has closed it, and now and then.
    pub(super) fn is_rewritten(&mut self, now: Stamp, closed: bool, settled: Duration) -> io::Result<bool> {
        if now.size < self.offset + self.skipped {
            return Ok(true);
        }
        let doubt = &mut self.doubt;
        let before = std::mem::replace(&mut doubt.seen, now);
        let grown = now.size > before.size;
        if now != before {
            doubt.changed = true;
            doubt.odd = if grown { None } else { doubt.odd.or_else(|| Some(Instant::now())) };
        }
        let odd = doubt.odd.is_some_and(|since| since.elapsed() >= settled);
        doubt.suspect |= closed || odd || now.modified < before.modified;
        let elapsed = doubt.compared.elapsed();
        // Who waits for nothing does not wait here either.
        let busy = if settled.is_zero() { Duration::ZERO } else { doubt.took * 10 };
        if (doubt.suspect && elapsed >= busy) || (doubt.changed && elapsed >= COMPARED.max(doubt.took * 100)) {
            return self.is_other();
        }
        Ok(grown && !self.has_last()?)
    }

    /// Whether the lines before the offset are not those that were read.
    fn is_other(&mut self) -> io::Result<bool> {
        let begun = Instant::now();
        let other = Print::of(&self.file, self.offset)? != self.print;
        let (compared, took) = (Instant::now(), begun.elapsed());
        self.doubt = Doubt { seen: self.doubt.seen, odd: None, changed: false, suspect: false, compared, took };
        Ok(other)
    }

    /// Whether the last line is where it was.
    fn has_last(&self) -> io::Result<bool> {
        let length = self.last.len() + 1;
        let Some(start) = self.offset.checked_sub(length as u64).filter(|_| !self.last.is_empty()) else {
            return Ok(true);
        };
        let mut found = vec![0; length];
        self.file.read_exact_at(&mut found, start)?;
        Ok(found.split_last() == Some((&b'\n', &self.last)))
    }

    /// Octets that have not been taken.
    pub(super) fn behind(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len().saturating_sub(self.offset))
    }

    /// The next line in the buffer, without its newline.
    fn whole_line(&mut self, settled: Duration) -> io::Result<Option<Range<usize>>> {
        loop {
            if let Some(newline) = memchr(b'\n', &self.buffer[self.scanned..self.waiting.end]) {
                let line = self.waiting.start..self.scanned + newline;
                self.waiting.start = line.end + 1;
                self.scanned = self.waiting.start;
                return Ok(Some(line));
            }
            self.buffer.copy_within(self.waiting.clone(), 0);
            self.waiting = 0..self.waiting.len();
            if self.waiting.end > LINE {
                self.skipped += self.waiting.end as u64;
                self.waiting = 0..0;
            }
            if self.waiting.end + BLOCK / 2 > self.buffer.len() {
                self.buffer.resize(self.waiting.end + BLOCK, 0);
            }
            self.scanned = self.waiting.end;
            let at = self.offset + self.skipped + self.waiting.end as u64;
            let length = self.file.read_at(&mut self.buffer[self.waiting.end..], at)?;
            if length == 0 {
                if !self.waiting.is_empty() {
                    self.note_end(at, settled);
                }
                // It is read again when there is more.
                (self.waiting, self.scanned) = (0..0, 0);
                return Ok(None);
            }
            self.waiting.end += length;
        }
    }

    fn note_end(&mut self, at: u64, settled: Duration) {
        match self.ends.last_mut() {
            Some(end) if end.at == at => {
                end.again = true;
                end.settled |= end.since.elapsed() >= settled;
            }
            _ => {
                self.ends.push(End { at, since: Instant::now(), again: false, settled: false, taken: None });
                if self.ends.len() > ENDS {
                    self.ends.remove(0);
                }
            }
        }
    }
}

/// The header of a file, and where its rows begin; `None` if the file is still without one.
pub(super) fn header<F: Family>(file: &File) -> io::Result<Option<(Header<F>, u64)>> {
    let mut first = vec![0; 4096];
    let length = file.read_at(&mut first, 0)?;
    let Some(newline) = memchr(b'\n', &first[..length]) else {
        return if length < first.len() { Ok(None) } else { Err(invalid(RowError::Length(first.len()))) };
    };
    let header = Header::parse(&first[..newline]).map_err(invalid)?;
    Ok(Some((header, newline as u64 + 1)))
}

fn invalid(problem: RowError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// Where the last whole line between `start` and `end` ends: behind its newline.
pub(super) fn behind_last_newline(file: &File, start: u64, end: u64) -> io::Result<u64> {
    let mut block = vec![0; 4096];
    let mut at = end;
    while at > start {
        let length = block.len().min(usize::try_from(at - start).unwrap_or(usize::MAX));
        at -= length as u64;
        file.read_exact_at(&mut block[..length], at)?;
        if let Some(newline) = memchr::memrchr(b'\n', &block[..length]) {
            return Ok(at + newline as u64 + 1);
        }
    }
    Ok(start)
}

/// The line that ends at a place, behind its newline.
pub(super) fn line_before(file: &File, place: u64) -> io::Result<Vec<u8>> {
    let newline = place.saturating_sub(1);
    let begin = behind_last_newline(file, newline.saturating_sub(LINE as u64), newline)?;
    let mut line = vec![0; usize::try_from(newline - begin).unwrap_or(LINE)];
    file.read_exact_at(&mut line, begin)?;
    Ok(line)
}

/// Takes a line: its number from the last one, where it begins, and its text.
type Take<'a> = &'a mut dyn FnMut(u64, u64, &[u8]) -> io::Result<()>;

/// Gives the lines between two places, the last one first, each with its number from there and where it begins, and says
/// how many those were. One that is too long is given as an empty one.
pub(super) fn backwards(file: &File, places: Range<u64>, take: Take<'_>) -> io::Result<u64> {
    // What has been read and not given is at the end.
    let mut buffer = vec![0; BLOCK + LINE];
    let (mut start, mut end) = (BLOCK + LINE, BLOCK + LINE);
    let (mut at, mut lines, mut too_long) = (places.end, 0, false);
    while at > places.start {
        let kept = BLOCK + LINE - (end - start);
        buffer.copy_within(start..end, kept);
        (start, end) = (kept, BLOCK + LINE);
        let length = BLOCK.min(usize::try_from(at - places.start).unwrap_or(BLOCK));
        at -= length as u64;
        start -= length;
        file.read_exact_at(&mut buffer[start..start + length], at)?;
        if at + length as u64 == places.end && buffer[start..end].ends_with(b"\n") {
            end -= 1;
        }
        while let Some(newline) = memchr::memrchr(b'\n', &buffer[start..end]) {
            let line = &buffer[start + newline + 1..end];
            let too_long = std::mem::take(&mut too_long) || line.len() > LINE;
            take(lines, at + newline as u64 + 1, if too_long { &[] } else { line })?;
            lines += 1;
            end = start + newline;
        }
        if end - start > LINE {
            too_long = true;
            end = start;
        }
    }
    if !places.is_empty() {
        take(lines, places.start, if too_long || end - start > LINE { &[] } else { &buffer[start..end] })?;
        lines += 1;
    }
    Ok(lines)
}

#[cfg(test)]
mod tests;
