//! The conformance ledger: what the RFCs oblige to, and which tests prove it.
//!
//! `conformance/*.toml` lists the obligations. A test that proves one says so in a line `//= ID` directly above its
//! attributes. [`Ledger::read`] reads both, [`Ledger::problems`] says where they disagree, and [`Ledger::render`] makes
//! the table in `conformance/README.md`.

mod claims;
mod report;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

pub use claims::{Claim, Claims};

/// One obligation.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Requirement {
    /// Section of the RFC and serial number.
    pub id: String,
    /// MUST, SHOULD … or FORMAT.
    pub level: String,
    /// server, requestor or both.
    pub role: String,
    /// What it is about.
    pub topic: String,
    /// The obligation.
    pub text: String,
    /// How it is seen.
    pub test: String,
    /// How an ambiguity is settled.
    pub note: Option<String>,
    /// Why it does not concern this program.
    pub not_applicable: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    requirement: Vec<Requirement>,
}

/// The ledgers and what the tests claim.
#[derive(Debug)]
pub struct Ledger {
    /// Name of the protocol and its requirements.
    protocols: Vec<(&'static str, Vec<Requirement>)>,
    claims: Claims,
}

impl Ledger {
    /// Reads the ledgers and all tests of the repository at `root`.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut protocols = Vec::new();
        for (name, file) in [("DHCPv4", "dhcpv4.toml"), ("DHCPv6", "dhcpv6.toml")] {
            let path = root.join("conformance").join(file);
            let parsed: File = toml::from_str(&fs::read_to_string(&path)?)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display())))?;
            protocols.push((name, parsed.requirement));
        }
        Ok(Self { protocols, claims: Claims::read(root)? })
    }

    /// Where ledgers and tests disagree; nothing if all is well.
    pub fn problems(&self) -> Vec<String> {
        let mut known = BTreeMap::new();
        let mut problems = self.claims.problems.clone();
        for requirement in self.protocols.iter().flat_map(|(_, requirements)| requirements) {
            if known.insert(requirement.id.as_str(), requirement).is_some() {
                problems.push(format!("the ledger has {} twice", requirement.id));
            }
        }
        for claim in &self.claims.claims {
            let place = format!("{}:{}", claim.file.display(), claim.line);
            match known.get(claim.id.as_str()) {
                None => problems.push(format!("{place}: there is no requirement {}", claim.id)),
                Some(requirement) if requirement.not_applicable.is_some() => {
                    problems.push(format!("{place}: {} is marked as not applicable", claim.id));
                }
                Some(_) => {}
            }
        }
        problems
    }

    /// The table as Markdown.
    pub fn render(&self) -> String {
        report::render(&self.protocols, &self.claims)
    }
}

/// The root of the repository that this crate is part of.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[cfg(test)]
mod tests;
