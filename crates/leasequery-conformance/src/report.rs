use std::collections::BTreeMap;
use std::fmt::Write;

use crate::Requirement;
use crate::claims::{Claim, Claims};

#[derive(Default, Clone, Copy)]
struct Count {
    proven: usize,
    not_applicable: usize,
    chosen: usize,
    open: usize,
}

/// Renders all requirements, with totals before them. Writing to a string does not fail.
pub(crate) fn render(protocols: &[(&'static str, Vec<Requirement>)], claims: &Claims) -> String {
    let mut by_id: BTreeMap<&str, Vec<&Claim>> = BTreeMap::new();
    for claim in &claims.claims {
        by_id.entry(&claim.id).or_default().push(claim);
    }
    let proofs = |requirement: &Requirement| by_id.get(requirement.id.as_str()).cloned().unwrap_or_default();

    let mut out = String::from(
        "# Conformance\n\nEvery obligation of the RFCs, and the tests that fail without it. Generated from `dhcpv4.toml`, \
         `dhcpv6.toml` and\nthe `//= ID` lines above the tests by `cargo run -p leasequery-conformance`; do not edit.\n",
    );
    for (name, requirements) in protocols {
        let _ = write!(out, "\n## {name}\n\n");
        for (title, group) in [
            ("level", group_by(requirements, &proofs, |r| &r.level)),
            ("topic", group_by(requirements, &proofs, |r| &r.topic)),
        ] {
            let _ = writeln!(
                out,
                "| {title} | proven | not applicable | chosen otherwise | open |\n| --- | ---: | ---: | ---: | ---: |"
            );
            let mut sum = Count::default();
            for (key, count) in &group {
                let Count { proven, not_applicable, chosen, open } = count;
                let _ = writeln!(out, "| {key} | {proven} | {not_applicable} | {chosen} | {open} |");
                sum.proven += count.proven;
                sum.not_applicable += count.not_applicable;
                sum.chosen += count.chosen;
                sum.open += count.open;
            }
            let Count { proven, not_applicable, chosen, open } = sum;
            let _ = writeln!(out, "| **all** | **{proven}** | **{not_applicable}** | **{chosen}** | **{open}** |\n");
        }
        let _ = writeln!(out, "| requirement | level | role | topic | proven by |\n| --- | --- | --- | --- | --- |");
        for requirement in requirements {
            let proofs = proofs(requirement);
            let state = match (&requirement.not_applicable, &requirement.chosen) {
                (Some(reason), _) => format!("not applicable: {reason}"),
                (None, Some(reason)) => format!("chosen otherwise: {reason}"),
                (None, None) if proofs.is_empty() => "open".to_owned(),
                (None, None) => tests(&proofs),
            };
            let Requirement { id, level, role, topic, text, .. } = requirement;
            let _ = writeln!(out, "| **{id}** {} | {level} | {role} | {topic} | {state} |", text.replace('|', "\\|"));
        }
    }
    out
}

fn tests(proofs: &[&Claim]) -> String {
    let mut names: Vec<_> =
        proofs.iter().map(|claim| format!("[{}](../{})", claim.test, claim.file.display())).collect();
    names.dedup();
    names.join("<br>")
}

fn group_by<'a>(
    requirements: &'a [Requirement],
    proofs: &impl Fn(&Requirement) -> Vec<&'a Claim>,
    key: impl Fn(&'a Requirement) -> &'a str,
) -> BTreeMap<&'a str, Count> {
    let mut groups: BTreeMap<&str, Count> = BTreeMap::new();
    for requirement in requirements {
        let count = groups.entry(key(requirement)).or_default();
        match (&requirement.not_applicable, &requirement.chosen, proofs(requirement).is_empty()) {
            (Some(_), ..) => count.not_applicable += 1,
            (None, Some(_), _) => count.chosen += 1,
            (None, None, true) => count.open += 1,
            (None, None, false) => count.proven += 1,
        }
    }
    groups
}
