//! Kea's dialect of JSON, as its own grammar takes it: comments in three styles, included files, commas left over in any
//! number, numbers that begin with zeros or with their point, and any octets in comments and strings.

use std::fmt;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Number, Value};

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

/// How deep Kea lets files include each other: one for the first file, and so many below it.
const FILES: usize = 12;
/// How many octets are read of all files together: ones that include each other again and again come to an end.
const OCTETS: usize = 256 << 20;
/// How deep lists and maps may be in each other. Kea has no bound, and no configuration that anybody means is as deep.
const DEPTH: usize = 1000;

/// How files are read.
pub(super) type Read<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// Reads a file of Kea's, and those that it includes.
pub(super) fn load(file: &Path, read: Read<'_>) -> Result<Value, JsonError> {
    let mut reader = Reader { read, files: Vec::new(), room: OCTETS };
    reader.open(file, read(file))?;
    let first = reader.token()?;
    let value = reader.value(first)?;
    match reader.token()? {
        Token { kind: Kind::End, .. } => Ok(value),
        token => Err(reader.unexpected(&token, "the end")),
    }
}

/// The files that are open, each included by the one before it.
struct Reader<'a> {
    read: Read<'a>,
    files: Vec<Input>,
    room: usize,
}

struct Input {
    path: PathBuf,
    text: Vec<u8>,
    at: usize,
}

/// What the grammar is made of, and where in the innermost file it begins.
struct Token {
    kind: Kind,
    start: usize,
}

#[derive(Debug, PartialEq)]
enum Kind {
    /// One of `{}[],:`.
    Mark(u8),
    /// A string, a number, true, false or null.
    Scalar(Value),
    /// Behind all of it.
    End,
}

/// A list or map whose end has not come yet.
enum Open {
    List(Vec<Value>),
    /// With the name of the value that is next.
    Map(Map<String, Value>, String),
}

impl Open {
    fn put(&mut self, value: Value) {
        match self {
            Self::List(list) => list.push(value),
            Self::Map(map, name) => drop(map.insert(std::mem::take(name), value)),
        }
    }

    fn close(self) -> Value {
        match self {
            Self::List(list) => Value::Array(list),
            Self::Map(map, _) => Value::Object(map),
        }
    }
}

impl Reader<'_> {
    /// Takes the value that begins with a token.
    fn value(&mut self, first: Token) -> Result<Value, JsonError> {
        let (mut token, mut open) = (first, Vec::new());
        loop {
            let mut whole = match token.kind {
                Kind::Scalar(value) => Some(value),
                Kind::Mark(b'[' | b'{') if open.len() >= DEPTH => {
                    return Err(self.error(token.start, format!("more than {DEPTH} lists and maps in each other")));
                }
                Kind::Mark(b'[') => {
                    open.push(Open::List(Vec::new()));
                    None
                }
                Kind::Mark(b'{') => {
                    open.push(Open::Map(Map::new(), String::new()));
                    None
                }
                _ => return Err(self.unexpected(&token, "a value")),
            };
            // What is whole is put where it belongs, until the next value is due.
            token = loop {
                let Some(innermost) = open.last_mut() else { return Ok(whole.unwrap_or_default()) };
                let begun = match whole {
                    Some(value) => {
                        innermost.put(value);
                        false
                    }
                    None => true,
                };
                match self.next_in(innermost, begun)? {
                    Some(first) => break first,
                    None => whole = open.pop().map(Open::close),
                }
            };
        }
    }

    /// The first token of the next value in a list or map; `None` at its end. There can be commas behind each value.
    fn next_in(&mut self, open: &mut Open, begun: bool) -> Result<Option<Token>, JsonError> {
        let mut parted = begun;
        loop {
            let token = self.token()?;
            match (&mut *open, token.kind) {
                (Open::List(_), Kind::Mark(b']')) | (Open::Map(..), Kind::Mark(b'}')) => return Ok(None),
                (_, Kind::Mark(b',')) if !begun => parted = true,
                (Open::List(_), kind) if parted => return Ok(Some(Token { kind, ..token })),
                (Open::Map(_, name), Kind::Scalar(Value::String(found))) if parted => {
                    *name = found;
                    let colon = self.token()?;
                    return if colon.kind == Kind::Mark(b':') {
                        self.token().map(Some)
                    } else {
                        Err(self.unexpected(&colon, "`:`"))
                    };
                }
                (open, kind) => {
                    let expected = match open {
                        Open::List(_) => "`,` or `]`",
                        Open::Map(..) if parted => "a name in quotes",
                        Open::Map(..) => "`,` or `}`",
                    };
                    return Err(self.unexpected(&Token { kind, ..token }, expected));
                }
            }
        }
    }

    /// Takes what comes next, from whichever file that is.
    fn token(&mut self) -> Result<Token, JsonError> {
        loop {
            let innermost = self.files.len() <= 1;
            let Some(input) = self.files.last_mut() else { return Ok(Token { kind: Kind::End, start: 0 }) };
            let start = input.at;
            let Some(rest @ [next, ..]) = input.text.get(start..) else {
                if innermost {
                    return Ok(Token { kind: Kind::End, start });
                }
                self.files.pop();
                continue;
            };
            let length = match next {
                b' ' | b'\t' | b'\r' | b'\n' => 1,
                b'#' => line(rest),
                b'/' if rest.starts_with(b"//") => line(rest),
                b'/' if rest.starts_with(b"/*") => match find(&rest[2..], b"*/") {
                    Some(length) => length + 4,
                    None => return Err(self.error(start, "a comment without end".to_owned())),
                },
                b'<' if rest.starts_with(b"<?") => {
                    self.include(start)?;
                    continue;
                }
                b'{' | b'}' | b'[' | b']' | b',' | b':' => {
                    input.at += 1;
                    return Ok(Token { kind: Kind::Mark(*next), start });
                }
                _ => {
                    let scalar = if *next == b'"' { string(rest) } else { word(rest) };
                    let (value, length) = scalar.map_err(|text| self.error(start, text))?;
                    if let Some(input) = self.files.last_mut() {
                        input.at += length;
                    }
                    return Ok(Token { kind: Kind::Scalar(value), start });
                }
            };
            input.at += length;
        }
    }

    /// Opens the file that `<?include "FILE"?>` names, behind which it goes on later.
    fn include(&mut self, start: usize) -> Result<(), JsonError> {
        let Some(input) = self.files.last_mut() else { return Ok(()) };
        let Some((name, length)) = directive(&input.text[start..]) else {
            return Err(self.error(start, "<?include \"FILE\"?> is meant".to_owned()));
        };
        input.at += length;
        // Kea takes the path as it is; beside the file is where people look.
        let beside = input.path.parent().unwrap_or(Path::new("")).join(&name);
        if self.files.len() >= FILES {
            return Err(self.error(start, format!("files include each other more than {} deep", FILES - 1)));
        }
        match (self.read)(&beside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.open(&name, (self.read)(&name)),
            text => self.open(&beside, text),
        }
    }

    fn open(&mut self, path: &Path, text: io::Result<Vec<u8>>) -> Result<(), JsonError> {
        let text = text.map_err(|error| JsonError::new(path, &format!("cannot be read: {error}")))?;
        let room = self.room.checked_sub(text.len());
        self.room = room.ok_or_else(|| JsonError::new(path, "too much is included"))?;
        self.files.push(Input { path: path.to_owned(), text, at: 0 });
        Ok(())
    }

    fn unexpected(&self, token: &Token, expected: &str) -> JsonError {
        let found = match &token.kind {
            Kind::Mark(mark) => format!("`{}`", char::from(*mark)),
            Kind::Scalar(value) => value.to_string().chars().take(40).collect(),
            Kind::End => "the end of the file".to_owned(),
        };
        self.error(token.start, format!("expected {expected}, found {found}"))
    }

    /// An error in the innermost file.
    fn error(&self, at: usize, text: String) -> JsonError {
        let Some(input) = self.files.last() else { return JsonError { file: PathBuf::new(), place: None, text } };
        let before = &input.text[..at.min(input.text.len())];
        let begin = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        let column = 1 + String::from_utf8_lossy(&before[begin..]).chars().count();
        JsonError { file: input.path.clone(), place: Some((line, column)), text }
    }
}

/// Octets up to the end of the line.
fn line(text: &[u8]) -> usize {
    memchr::memchr(b'\n', text).unwrap_or(text.len())
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, wanted)
}

/// The name in `<?include "FILE"?>` and the length of that. There may be blanks and newlines around each of its parts, and
/// the name is taken as it stands there.
fn directive(text: &[u8]) -> Option<(PathBuf, usize)> {
    let rest = text.strip_prefix(b"<?")?.trim_ascii_start().strip_prefix(b"include")?;
    let rest = rest.trim_ascii_start().strip_prefix(b"\"")?;
    let end = memchr::memchr2(b'"', b'\n', rest).filter(|end| *end > 0 && rest[*end] == b'"')?;
    let name = PathBuf::from(std::ffi::OsString::from_vec(rest[..end].to_vec()));
    let behind = rest[end + 1..].trim_ascii_start().strip_prefix(b"?>")?;
    Some((name, text.len() - behind.len()))
}

/// The string that begins here, and its length with both quotes.
fn string(text: &[u8]) -> Result<(Value, usize), String> {
    let mut octets = Vec::new();
    let mut at = 1;
    loop {
        let next = *text.get(at).ok_or("a string without end")?;
        at += 1;
        match next {
            b'"' => return Ok((String::from_utf8_lossy(&octets).into(), at)),
            b'\\' => {
                let (octet, length) = match text.get(at) {
                    Some(octet @ (b'"' | b'\\' | b'/')) => (char::from(*octet), 1),
                    Some(b'b') => ('\u{8}', 1),
                    Some(b'f') => ('\u{c}', 1),
                    Some(b'n') => ('\n', 1),
                    Some(b'r') => ('\r', 1),
                    Some(b't') => ('\t', 1),
                    Some(b'u') => (unicode(text.get(at + 1..at + 5)).ok_or("\\uXXXX is meant")?, 5),
                    _ => return Err("a string with an escape that there is not".to_owned()),
                };
                octets.extend_from_slice(octet.encode_utf8(&mut [0; 4]).as_bytes());
                at += length;
            }
            0..0x20 => return Err("a string with a control character in it, or without end".to_owned()),
            octet => octets.push(octet),
        }
    }
}

fn unicode(digits: Option<&[u8]>) -> Option<char> {
    let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    let code = u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
}

/// The number or word that begins here, and its length.
fn word(text: &[u8]) -> Result<(Value, usize), String> {
    let length = |of: fn(&u8) -> bool| text.iter().position(|octet| !of(octet)).unwrap_or(text.len());
    let numeric = length(|octet| octet.is_ascii_digit() || matches!(octet, b'+' | b'-' | b'.' | b'e' | b'E'));
    if numeric > 0 && !text[0].is_ascii_alphabetic() {
        let digits = str::from_utf8(&text[..numeric]).unwrap_or_default();
        return number(digits).map(|value| (value, numeric)).ok_or_else(|| format!("`{digits}` is no number"));
    }
    let length = length(u8::is_ascii_alphabetic).max(1);
    let value = match &text[..length] {
        b"true" => Value::Bool(true),
        b"false" => Value::Bool(false),
        b"null" => Value::Null,
        other => return Err(format!("`{}` is nothing that could stand here", other[..length.min(40)].escape_ascii())),
    };
    Ok((value, length))
}

/// Zeros may stand in front. What has a plus, a point or an exponent is no whole number, as for Kea.
fn number(digits: &str) -> Option<Value> {
    if digits.bytes().enumerate().all(|(place, octet)| octet.is_ascii_digit() || (place == 0 && octet == b'-')) {
        return digits.parse::<i64>().ok().map(Value::from);
    }
    digits.parse().ok().and_then(Number::from_f64).map(Value::Number)
}

#[cfg(test)]
mod tests;
