use std::sync::Arc;

use leasequery_live::Stores;
use leasequery_live::registry::Registry;
use leasequery_live::turns::Turns;

use crate::access::Access;
use crate::callers::Callers;

/// What everything that answers has around it.
#[derive(Debug, Clone)]
pub struct Around {
    /// What is told of.
    pub stores: Stores,
    /// Who may ask.
    pub access: Access,
    /// Whose turn it is.
    pub turns: Arc<Turns>,
    /// Where it says how it is.
    pub registry: Registry,
    /// Who has asked.
    pub callers: Callers,
}

impl Around {
    /// With nobody in the registry.
    pub fn new(stores: Stores, access: Access, turns: Arc<Turns>) -> Self {
        Self { stores, access, turns, registry: Registry::default(), callers: Callers::default() }
    }
}
