/// Number of a VPN in this store; 0 is the default one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct VpnIndex(pub u16);

impl VpnIndex {
    /// The address space without a name.
    pub const DEFAULT: Self = Self(0);
}

/// What a VPN other than the default one is called (RFC 6607 section 3.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum VpnName {
    /// A name, compared octet by octet.
    Name(Box<[u8]>),
    /// An identifier of RFC 2685: three octets of OUI, four of index.
    Id([u8; 7]),
}

/// The names in the order of their numbers.
#[derive(Debug, Default)]
pub(crate) struct Vpns(pub(crate) Vec<VpnName>);

impl Vpns {
    pub(crate) fn find(&self, name: &VpnName) -> Option<VpnIndex> {
        let position = self.0.iter().position(|known| known == name)?;
        u16::try_from(position + 1).ok().map(VpnIndex)
    }

    /// The number of `name`, a new one if it has none; `None` when all 65,535 are taken.
    pub(crate) fn intern(&mut self, name: &VpnName) -> Option<VpnIndex> {
        if let Some(index) = self.find(name) {
            return Some(index);
        }
        let index = VpnIndex(u16::try_from(self.0.len() + 1).ok()?);
        self.0.push(name.clone());
        Some(index)
    }

    pub(crate) fn name(&self, index: VpnIndex) -> Option<&VpnName> {
        usize::from(index.0).checked_sub(1).and_then(|position| self.0.get(position))
    }
}
