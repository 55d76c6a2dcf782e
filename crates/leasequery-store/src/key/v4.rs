use std::collections::BTreeMap;
use std::collections::btree_map;
use std::net::Ipv4Addr;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::{Key, KeyMap};
use crate::VpnIndex;

/// DHCPv4: an address in a VPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct V4Key {
    /// The VPN.
    pub vpn: VpnIndex,
    /// The address.
    pub address: Ipv4Addr,
}

impl V4Key {
    /// An address in the default VPN.
    pub const fn new(address: Ipv4Addr) -> Self {
        Self { vpn: VpnIndex::DEFAULT, address }
    }
}

impl std::fmt::Display for V4Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.address.fmt(f)
    }
}

impl Key for V4Key {
    type Inline = [u8; 7];
    type Map = Pages;

    const TOGETHER: bool = false;

    fn vpn(self) -> VpnIndex {
        self.vpn
    }

    fn first_of(vpn: VpnIndex) -> Self {
        Self { vpn, address: Ipv4Addr::UNSPECIFIED }
    }

    fn last_of(vpn: VpnIndex) -> Self {
        Self { vpn, address: Ipv4Addr::BROADCAST }
    }

    fn predecessor(self) -> Option<Self> {
        let address = self.address.to_bits().checked_sub(1)?;
        Some(Self { address: Ipv4Addr::from_bits(address), ..self })
    }

    fn successor(self) -> Option<Self> {
        let address = self.address.to_bits().checked_add(1)?;
        Some(Self { address: Ipv4Addr::from_bits(address), ..self })
    }

    fn distance(self, last: Self) -> u64 {
        (u64::from(last.address.to_bits()) + 1).saturating_sub(u64::from(self.address.to_bits()))
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.vpn.0.to_be_bytes());
        out.extend_from_slice(&self.address.octets());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let [v0, v1, a, b, c, d] = *bytes.first_chunk::<6>().filter(|_| bytes.len() == 6)?;
        Some(Self { vpn: VpnIndex(u16::from_be_bytes([v0, v1])), address: Ipv4Addr::new(a, b, c, d) })
    }
}

/// One page for each /24 with a binding: leases are dense, so a page costs little more than four octets an address, and
/// a look-up is one hash and one array access.
#[derive(Debug, Default)]
#[allow(clippy::struct_field_names, reason = "pages are what there is")]
pub struct Pages {
    /// Where the page of a /24 is.
    places: HashMap<u64, u32, RandomState>,
    /// The same, in the order of the addresses.
    order: BTreeMap<u64, u32>,
    /// Boxed, so that growing moves a pointer for each and not a kilobyte.
    #[allow(clippy::vec_box, reason = "see above")]
    pages: Vec<Box<Page>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Page {
    records: [u32; 256],
    used: u16,
}

/// Marks an address without a binding.
const NONE: u32 = u32::MAX;

/// Page number and place on the page.
fn place(key: V4Key) -> (u64, u8) {
    let address = key.address.to_bits();
    (u64::from(key.vpn.0) << 24 | u64::from(address >> 8), key.address.octets()[3])
}

impl Pages {
    fn place_for(&mut self, number: u64) -> u32 {
        if let Some(place) = self.places.get(&number) {
            return *place;
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.pages.push(Box::new(Page { records: [NONE; 256], used: 0 }));
            #[allow(clippy::cast_possible_truncation, reason = "no more pages than records, of which there are 2^31")]
            {
                (self.pages.len() - 1) as u32
            }
        });
        self.places.insert(number, place);
        self.order.insert(number, place);
        place
    }
}

impl KeyMap<V4Key> for Pages {
    type Range<'a> = PageRange<'a>;

    #[inline]
    fn find(&self, key: V4Key) -> Option<u32> {
        let (number, slot) = place(key);
        let page = self.places.get(&number)?;
        let record = self.pages[*page as usize].records[usize::from(slot)];
        (record != NONE).then_some(record)
    }

    fn insert(&mut self, key: V4Key, record: u32) {
        let (number, slot) = place(key);
        let place = self.place_for(number);
        let page = &mut self.pages[place as usize];
        let entry = &mut page.records[usize::from(slot)];
        page.used += u16::from(*entry == NONE);
        *entry = record;
    }

    fn remove(&mut self, key: V4Key) {
        let (number, slot) = place(key);
        let Some(place) = self.places.get(&number).copied() else { return };
        let page = &mut self.pages[place as usize];
        let entry = &mut page.records[usize::from(slot)];
        page.used -= u16::from(*entry != NONE);
        *entry = NONE;
        if page.used == 0 {
            self.places.remove(&number);
            self.order.remove(&number);
            self.free.push(place);
        }
    }

    fn range(&self, first: V4Key) -> PageRange<'_> {
        let (number, slot) = place(first);
        let mut range = PageRange { pages: &self.pages, order: self.order.range(number..), current: None, position: 0 };
        range.turn();
        if range.current.is_some_and(|(found, _)| found == number) {
            range.position = usize::from(slot);
        }
        range
    }
}

/// Walks over pages.
#[derive(Debug)]
pub struct PageRange<'a> {
    pages: &'a [Box<Page>],
    order: btree_map::Range<'a, u64, u32>,
    current: Option<(u64, &'a Page)>,
    position: usize,
}

impl PageRange<'_> {
    /// Turns to the next page.
    fn turn(&mut self) {
        self.current = self.order.next().map(|(number, place)| (*number, &*self.pages[*place as usize]));
        self.position = 0;
    }
}

impl Iterator for PageRange<'_> {
    type Item = (V4Key, u32);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (number, page) = self.current?;
            while let Some(&record) = page.records.get(self.position) {
                let slot = self.position;
                self.position += 1;
                if record != NONE {
                    #[allow(clippy::cast_possible_truncation, reason = "the parts fit by construction in `place`")]
                    let (vpn, address) = (VpnIndex((number >> 24) as u16), (number as u32) << 8 | slot as u32);
                    return Some((V4Key { vpn, address: Ipv4Addr::from_bits(address) }, record));
                }
            }
            self.turn();
        }
    }
}
