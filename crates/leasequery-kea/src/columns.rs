//! Where the columns of a lease file are, and the fields of one of its lines.

use memchr::memchr_iter;

use super::cast;
use super::family::Family;
use super::row::{Row, RowError, wrong};

/// Where the columns are that a lease is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<F: Family> {
    pub(super) address: usize,
    pub(super) client_id: usize,
    pub(super) valid_lifetime: usize,
    pub(super) expire: usize,
    pub(super) subnet_id: usize,
    pub(super) fqdn_fwd: usize,
    pub(super) fqdn_rev: usize,
    pub(super) hostname: usize,
    pub(super) state: Option<usize>,
    pub(super) user_context: Option<usize>,
    pub(super) own: F::Columns,
    /// How many columns of the first line are known.
    width: usize,
    /// How many columns have to be looked for; what is behind them is ignored.
    columns: usize,
}

/// Columns that any version may have.
const COLUMNS: usize = 24;

/// Finds columns by their names.
#[derive(Debug)]
pub struct Places<'a> {
    line: &'a [u8],
    family: &'static str,
    /// What rows of a Kea that knows more columns than the one that wrote the header have behind them.
    beyond: &'static [&'static str],
    /// The last column that every row has to have, the last one of the header, and the last one of all, as far as they
    /// have been asked for.
    last_needed: usize,
    last_of_header: usize,
    last: usize,
}

impl Places<'_> {
    /// A column that has to be there, also in the shortest row.
    pub fn need(&mut self, name: &'static str) -> Result<usize, RowError> {
        let place = self.in_header(name).ok_or(RowError::Header(self.family, name))?;
        self.last_needed = self.last_needed.max(place);
        Ok(place)
    }

    /// A column that need not be there.
    pub fn find(&mut self, name: &str) -> Option<usize> {
        self.in_header(name).or_else(|| {
            let before = self.line.split(|byte| *byte == b',').count();
            let place = before + self.beyond.iter().position(|column| *column == name)?;
            self.last = self.last.max(place);
            Some(place)
        })
    }

    fn in_header(&mut self, name: &str) -> Option<usize> {
        let mut columns = self.line.split(|byte| *byte == b',');
        let place = columns.position(|column| column == name.as_bytes()).filter(|place| *place < COLUMNS)?;
        self.last_of_header = self.last_of_header.max(place);
        self.last = self.last.max(place);
        Some(place)
    }
}

/// The columns that Kea has behind those of a header; none if the header is not in Kea's order.
fn beyond<F: Family>(line: &[u8]) -> &'static [&'static str] {
    let mut rest = F::COLUMNS;
    for column in line.split(|byte| *byte == b',') {
        match rest.split_first() {
            Some((first, behind)) if first.as_bytes() == column => rest = behind,
            _ => return &[],
        }
    }
    rest
}

impl<F: Family> Header<F> {
    /// Reads the first line of a file.
    pub fn parse(line: &[u8]) -> Result<Self, RowError> {
        let (family, beyond) = (F::NAME, beyond::<F>(line));
        let mut places = Places { line, family, beyond, last_needed: 0, last_of_header: 0, last: 0 };
        let mut header = Self {
            address: places.need("address")?,
            own: F::columns(&mut places)?,
            client_id: places.need(F::CLIENT_ID)?,
            valid_lifetime: places.need("valid_lifetime")?,
            expire: places.need("expire")?,
            subnet_id: places.need("subnet_id")?,
            fqdn_fwd: places.need("fqdn_fwd")?,
            fqdn_rev: places.need("fqdn_rev")?,
            hostname: places.need("hostname")?,
            state: places.find("state"),
            user_context: places.find("user_context"),
            width: 0,
            columns: 0,
        };
        if places.last_needed > header.hostname {
            return Err(RowError::Order(F::NAME));
        }
        (header.width, header.columns) = (places.last_of_header + 1, places.last + 1);
        Ok(header)
    }

    /// The address that a line is about, whatever else it says.
    pub fn address_of(&self, line: &[u8]) -> Option<F::Address> {
        F::address(line.split(|byte| *byte == b',').nth(self.address)?)
    }

    /// Whether a line without a newline is all of a row: Kea takes such a one at the end of a file if it has every
    /// column and what is in them makes sense.
    pub fn is_whole(&self, line: &[u8]) -> bool {
        let columns = memchr_iter(b',', line).count() + 1;
        let read = || Row::read(line, self, &mut Vec::new(), &mut F::Scratch::default());
        columns >= self.width && read().is_ok_and(|row| !row.relay_unreadable)
    }

    /// Finds the fields of a line. Rows need not be as wide as the header: a Kea of another version may have appended
    /// them, with fewer or with more columns of the same order.
    #[inline]
    pub(super) fn split<'a>(&self, line: &'a [u8], fields: &mut Fields<'a>) -> Result<(), RowError> {
        if line.last() == Some(&b'\r') {
            return Err(RowError::CarriageReturn);
        }
        let (mut count, mut start) = (0, 0);
        let ends = memchr_iter(b',', line).chain(std::iter::once(line.len()));
        for (column, end) in fields.columns.iter_mut().zip(ends).take(self.columns) {
            *column = &line[start..end];
            (count, start) = (count + 1, end + 1);
        }
        if count <= self.hostname {
            return Err(RowError::Columns(count, self.hostname + 1));
        }
        fields.count = count;
        for (column, place) in [("fqdn_fwd", self.fqdn_fwd), ("fqdn_rev", self.fqdn_rev)] {
            // They tell nothing of interest, except whether this is one row and not parts of several.
            if !cast::is_bool(fields.get(place)) {
                return Err(wrong(column, fields.get(place)));
            }
        }
        Ok(())
    }
}

/// The fields of a line, as they stand there.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    columns: [&'a [u8]; COLUMNS],
    count: usize,
}

impl<'a> Fields<'a> {
    /// A column that every row has.
    #[inline]
    pub fn get(&self, place: usize) -> &'a [u8] {
        self.columns[place]
    }

    /// A column that the file may not have, nor the row.
    #[inline]
    pub fn optional(&self, place: Option<usize>) -> Option<&'a [u8]> {
        place.filter(|place| *place < self.count).map(|place| self.columns[place])
    }
}
