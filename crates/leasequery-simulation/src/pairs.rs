//! Copies of several servers that tell of the same addresses.

use std::collections::BTreeSet;

use crate::check::{TOLERANCE, is_ending, view};
use crate::copy::{Name, is_ended};
use crate::family::Family;
use crate::node::{Node, Role};
use crate::tree::Tree;
use crate::world::Context;

/// The leases that mirrors of several servers have, and have to keep.
pub(crate) type Vouched = BTreeSet<(usize, Name)>;

impl<F: Family> Tree<F> {
    /// The mirrors of more than one server.
    fn joint(&self) -> impl Iterator<Item = (usize, &Node<F>)> {
        let joint = |node: &Node<F>| matches!(node.role, Role::Mirror) && node.upstreams.len() > 1;
        self.nodes.iter().enumerate().filter(move |(_, node)| joint(node))
    }

    /// Whether there are any.
    pub(crate) fn has_joint(&self) -> bool {
        self.joint().next().is_some()
    }

    /// Whether they go on having each lease that one of their servers has, while no other one says that it is over.
    pub(crate) fn check_vouched(&mut self, context: &Context) -> Result<(), String> {
        let mut vouched = Vouched::new();
        for (number, node) in self.joint() {
            let Some(process) = &node.process else { continue };
            let wall = node.clock.wall(context.now);
            let copy = view::<F>(&process.store);
            let servers: Vec<_> = node
                .upstreams
                .iter()
                .filter_map(|server| {
                    let server = &self.nodes[*server];
                    let ahead = i64::from(server.clock.wall(context.now).0) - i64::from(wall.0);
                    Some((view::<F>(&server.process.as_ref()?.store), ahead))
                })
                .collect();
            for name in servers.iter().flat_map(|(server, _)| server.keys()) {
                let said = || servers.iter().filter_map(|(server, ahead)| Some((&server.get(name)?.seen, *ahead)));
                if said().any(|(seen, ahead)| is_ended(seen.state) || is_ending(seen, wall, ahead, TOLERANCE)) {
                    continue;
                }
                let place = (number, name.clone());
                if copy.get(name).is_some_and(|copy| !is_ended(copy.seen.state)) {
                    vouched.insert(place);
                } else if self.vouched.contains(&place) {
                    let (title, said) = (Self::title(number), said().collect::<Vec<_>>());
                    return Err(format!("{title}: {name} has come to an end, and the servers have {said:?}"));
                }
            }
        }
        self.vouched = vouched;
        Ok(())
    }
}
