//! Kea's dialect of JSON: comments in three styles, included files, commas left over at the end of lists.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Why a file is not Kea's JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    file: PathBuf,
    place: Option<(usize, usize)>,
    text: String,
}

impl JsonError {
    pub(super) fn new(file: &Path, text: &str) -> Self {
        Self { file: file.to_owned(), place: None, text: text.to_owned() }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.text)
    }
}

impl std::error::Error for JsonError {}

/// How deep Kea lets files include each other.
const DEPTH: usize = 10;

/// How files are read.
pub(super) type Read<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// Plain JSON, with what stood between and the files it came from.
struct Plain<'a> {
    read: Read<'a>,
    text: String,
    /// Where in the text a stretch of a file begins: offset in the text, file, line and column in the file.
    origins: Vec<(usize, PathBuf, usize, usize)>,
}

/// Reads a file of Kea's, and those that it includes.
pub(super) fn load(file: &Path, read: Read<'_>) -> Result<Value, JsonError> {
    let mut plain = Plain { read, text: String::new(), origins: Vec::new() };
    plain.include(file, (plain.read)(file), 0)?;
    plain.drop_trailing_commas();
    serde_json::from_str(&plain.text).map_err(|error| plain.locate(&error))
}

impl Plain<'_> {
    /// Appends a file: its comments become blanks, so that places stay what they are.
    fn include(&mut self, file: &Path, text: io::Result<String>, depth: usize) -> Result<(), JsonError> {
        let fail = |place, text: String| JsonError { file: file.to_owned(), place, text };
        if depth > DEPTH {
            return Err(fail(None, format!("files include each other more than {DEPTH} deep")));
        }
        let text = text.map_err(|error| fail(None, format!("cannot be read: {error}")))?;
        self.origin(file, 1, 1);
        let mut rest = text.as_str();
        let (mut line, mut column) = (1, 1);
        while let Some(next) = rest.chars().next() {
            let (length, is_comment) = match next {
                '"' => (string(rest), false),
                '#' => (rest.find('\n').unwrap_or(rest.len()), true),
                '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), true),
                '/' if rest.starts_with("/*") => match rest[2..].find("*/") {
                    Some(length) => (length + 4, true),
                    None => return Err(fail(Some((line, column)), "a comment without end".to_owned())),
                },
                '<' if rest.starts_with("<?include") => {
                    let directive = rest.split_inclusive("?>").next().unwrap_or(rest);
                    let name = directive.split('"').nth(1).filter(|_| directive.ends_with("?>"));
                    let name =
                        name.ok_or_else(|| fail(Some((line, column)), "<?include \"FILE\"?> is meant".to_owned()))?;
                    // Kea takes the path as it is; beside the file is where people look.
                    let beside = file.parent().unwrap_or(Path::new("")).join(name);
                    match (self.read)(&beside) {
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {
                            self.include(Path::new(name), (self.read)(Path::new(name)), depth + 1)?;
                        }
                        text => self.include(&beside, text, depth + 1)?,
                    }
                    let (after_line, after_column) = advance(directive, line, column);
                    self.origin(file, after_line, after_column);
                    (line, column) = (after_line, after_column);
                    rest = &rest[directive.len()..];
                    continue;
                }
                other => (other.len_utf8(), false),
            };
            let (piece, behind) = rest.split_at(length);
            if is_comment {
                self.text.extend(piece.chars().map(|c| if c == '\n' { c } else { ' ' }));
            } else {
                self.text.push_str(piece);
            }
            (line, column) = advance(piece, line, column);
            rest = behind;
        }
        Ok(())
    }

    fn origin(&mut self, file: &Path, line: usize, column: usize) {
        self.origins.push((self.text.len(), file.to_owned(), line, column));
    }

    /// Blanks commas before a closing bracket.
    fn drop_trailing_commas(&mut self) {
        let mut dropped = Vec::new();
        let mut comma = None;
        let mut at = 0;
        while let Some(next) = self.text[at..].chars().next() {
            match next {
                ',' => comma = Some(at),
                ']' | '}' => dropped.extend(comma.take()),
                blank if blank.is_whitespace() => {}
                _ => comma = None,
            }
            at += if next == '"' { string(&self.text[at..]) } else { next.len_utf8() };
        }
        for at in dropped {
            self.text.replace_range(at..=at, " ");
        }
    }

    /// Puts an error of the JSON parser where it belongs.
    fn locate(&self, error: &serde_json::Error) -> JsonError {
        let start = self.text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
        let offset = (start + error.column().saturating_sub(1)).min(self.text.len());
        let nearest = self.origins.iter().rev().find(|(begin, ..)| *begin <= offset);
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or(&text).to_owned();
        match nearest {
            Some((begin, file, line, column)) => {
                let between = self.text.get(*begin..offset).unwrap_or_default();
                JsonError { file: file.clone(), place: Some(advance(between, *line, *column)), text }
            }
            None => JsonError { file: PathBuf::new(), place: None, text },
        }
    }
}

/// Length of the string that `text` begins with, its quotes included.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (place, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

/// Line and column behind `piece`.
fn advance(piece: &str, line: usize, column: usize) -> (usize, usize) {
    match piece.rfind('\n') {
        Some(newline) => (line + piece.matches('\n').count(), piece[newline + 1..].chars().count() + 1),
        None => (line, column + piece.chars().count()),
    }
}

#[cfg(test)]
mod tests;
