use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::reach::{Reach, Side};

/// A test that says it proves a requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The requirement.
    pub id: String,
    /// Name of the test.
    pub test: String,
    /// The file, from the root of the repository.
    pub file: PathBuf,
    /// The line of the claim, from 1.
    pub line: usize,
    /// How far the proof reaches.
    pub reach: Reach,
}

/// All claims, and marks that claim nothing.
#[derive(Debug, Default)]
pub struct Claims {
    /// In the order of files and lines.
    pub claims: Vec<Claim>,
    /// Marks that stand above no test.
    pub problems: Vec<String>,
}

const MARK: &str = "//= ";

impl Claims {
    /// Reads all Rust files below `crates`.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        collect(&root.join("crates"), &mut files)?;
        files.sort();
        let mut claims = Self::default();
        for file in files {
            let name = file.strip_prefix(root).unwrap_or(&file);
            claims.scan(name, &fs::read_to_string(&file)?);
        }
        Ok(claims)
    }

    /// Finds the claims in one file: marks, then comments and attributes, one of which makes a test, then a function.
    pub(crate) fn scan(&mut self, file: &Path, text: &str) {
        let mut marks: Vec<(usize, String)> = Vec::new();
        let mut is_test = false;
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if let Some(id) = line.strip_prefix(MARK) {
                marks.push((number, id.trim().to_owned()));
            } else if marks.is_empty() || line.starts_with("//") {
            } else if line.starts_with("#[") {
                is_test |= line.contains("test");
            } else {
                let function = test_name(line).filter(|_| is_test);
                for (line, mark) in marks.drain(..) {
                    let (id, said) = split(&mark);
                    match function {
                        Some(name) => {
                            let mut reach = Reach::of(file);
                            if let Some(said) = said {
                                reach.side = Side::named(said);
                                if reach.side.is_none() {
                                    self.problems.push(format!("{}:{line}: {said} is no side", file.display()));
                                }
                            }
                            let (id, function) = (id.to_owned(), name.to_owned());
                            self.claims.push(Claim { id, test: function, file: file.to_owned(), line, reach });
                        }
                        None => self.problems.push(format!("{}:{line}: {id} stands above no test", file.display())),
                    }
                }
                is_test = false;
            }
        }
        for (line, id) in marks {
            self.problems.push(format!("{}:{line}: {id} stands above no test", file.display()));
        }
    }
}

/// An ID, and the side that is said behind it.
fn split(mark: &str) -> (&str, Option<&str>) {
    let said = mark.strip_suffix(')').and_then(|mark| mark.split_once(" ("));
    said.map_or((mark, None), |(id, side)| (id, Some(side)))
}

fn test_name(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ").unwrap_or(line);
    let rest = rest.strip_prefix("async ").unwrap_or(rest).strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
