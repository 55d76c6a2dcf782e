//! The conformance ledger: what the RFCs oblige to, and which tests prove it.
//!
//! `conformance/*.toml` lists the obligations. A test that proves one says so in a line `//= ID` directly above its
//! attributes. Of an obligation of both sides a test of each is wanted, and of one of a protocol a test that speaks it; which
//! side a test is of is known from its place, or said behind the ID: `//= ID (server)`. [`Ledger::read`] reads both, [`Ledger::problems`] says where they disagree, and [`Ledger::render`] makes
//! the table in `conformance/README.md`.

mod claims;
mod reach;
mod report;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

pub use claims::{Claim, Claims};
pub use reach::{Reach, Side};

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
    /// Why this program does otherwise, where it would be free to do so.
    pub chosen: Option<String>,
}

impl Requirement {
    /// Whether it does not concern this program, or is not what it chose to do.
    fn is_left_out(&self) -> bool {
        self.not_applicable.is_some() || self.chosen.is_some()
    }
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
                Some(requirement) if requirement.is_left_out() => {
                    problems.push(format!("{place}: {} is marked as not done", claim.id));
                }
                Some(_) => {}
            }
        }
        for (protocol, requirements) in &self.protocols {
            for requirement in requirements {
                problems.extend(self.shown_in_part(protocol, requirement));
            }
        }
        problems
    }

    /// What the tests of a requirement leave open: a side, or the protocol.
    fn shown_in_part(&self, protocol: &str, requirement: &Requirement) -> Vec<String> {
        let Requirement { id, role, level, .. } = requirement;
        let mut problems = Vec::new();
        if requirement.not_applicable.is_some() && requirement.chosen.is_some() {
            problems.push(format!("{id} is both not applicable and chosen"));
        }
        if requirement.chosen.is_some() && level.starts_with("MUST") {
            problems.push(format!("{id} is a {level}: there is nothing to choose"));
        }
        let claims: Vec<_> = self.claims.claims.iter().filter(|claim| claim.id == *id).collect();
        if claims.is_empty() || requirement.is_left_out() {
            return problems;
        }
        let sides = match role.as_str() {
            "both" => &[Side::Server, Side::Requestor][..],
            "server" => &[Side::Server],
            _ => &[Side::Requestor],
        };
        for side in sides {
            // Of one side alone any test will do that is not of the other one.
            let of_side =
                |claim: &&&Claim| claim.reach.shows(*side) || (sides.len() == 1 && claim.reach.side.is_none());
            if !claims.iter().filter(of_side).any(|claim| claim.reach.speaks(protocol)) {
                problems.push(format!("{id}: no test of the {side} that speaks {protocol}"));
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
