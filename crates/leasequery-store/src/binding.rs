use std::net::Ipv6Addr;

use crate::attributes::{Attributes, Identity, find, link_address, options};
use crate::records::Record;
use crate::{Key, Revision, Time};

/// What state an address is in (RFC 6926 section 6.2.7, whose numbers these are).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// Free for this server to lease.
    Available = 1,
    /// Leased.
    Active = 2,
    /// The lease ran out.
    Expired = 3,
    /// The client gave it back.
    Released = 4,
    /// In use by somebody unknown: declined, or found by a probe.
    Abandoned = 5,
    /// Made free by an administrator.
    Reset = 6,
    /// Free for another server to lease.
    Remote = 7,
    /// Between two states, waiting for other servers.
    Transitioning = 8,
}

impl State {
    /// The state with this number on the wire.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Available,
            2 => Self::Active,
            3 => Self::Expired,
            4 => Self::Released,
            5 => Self::Abandoned,
            6 => Self::Reset,
            7 => Self::Remote,
            8 => Self::Transitioning,
            _ => return None,
        })
    }

    /// The state that follows by itself when the time is up.
    pub const fn successor(self) -> Option<Self> {
        match self {
            Self::Active => Some(Self::Expired),
            Self::Abandoned => Some(Self::Available),
            _ => None,
        }
    }

    /// Whether the lease is over and its binding is kept only to tell of that: a tombstone, forgotten when the history
    /// has passed it.
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Available | Self::Expired | Self::Released | Self::Reset)
    }
}

/// A hardware address with its type; all of it belongs to a match (RFC 6926 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hardware<'a> {
    /// Type (1: Ethernet).
    pub htype: u8,
    /// The octets.
    pub address: &'a [u8],
}

/// Since when a binding is in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The source knows.
    Given(Time),
    /// Then, if it is this update that changes the state or the client; else it stays as it is.
    Entered(Time),
    /// Now by the store's clock (or when the lease ran out, if it did), if it is this update that changes the state or
    /// the client; else it stays as it is.
    Seen,
}

/// What a source says about one address: all that is true of it now.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each says something of its own, and most are seldom said")]
pub struct Update<'a, K> {
    /// Which address.
    pub key: K,
    /// Its state. `Active` with an expiry that has passed is taken as `Expired`.
    pub state: State,
    /// Since when.
    pub start_of_state: Start,
    /// Hardware address of the client.
    pub hardware: Option<Hardware<'a>>,
    /// Client-identifier (DHCPv4), with its type octet, or DUID (DHCPv6).
    pub client_id: Option<&'a [u8]>,
    /// When the client was last heard about this address.
    pub last_transaction: Option<Time>,
    /// When the state ends by itself; [`Time::INFINITE`] for a lease without end.
    pub expires: Option<Time>,
    /// When the client renews (T1). DHCPv6 leasequery does not tell of that, but until when the address is preferred,
    /// which is kept here.
    pub renews: Option<Time>,
    /// When the client rebinds (T2).
    pub rebinds: Option<Time>,
    /// Content of option 82 (DHCPv4) or of OPTION_LQ_RELAY_DATA (DHCPv6). `None` keeps what is stored while the client stays the same, because a renewal sent
    /// directly by the client has none (RFC 6925 section 5), unless the update is `whole`.
    pub relay_info: Option<&'a [u8]>,
    /// Remote ID, for look-ups; usually a part of `relay_info`.
    pub remote_id: Option<&'a [u8]>,
    /// Relay-ID, for look-ups; usually a part of `relay_info`.
    pub relay_id: Option<&'a [u8]>,
    /// Remote IDs of further relays on the way (DHCPv6), for look-ups.
    pub more_remote_ids: &'a [&'a [u8]],
    /// Relay-IDs of further relays on the way (DHCPv6), for look-ups.
    pub more_relay_ids: &'a [&'a [u8]],
    /// The link of the client (DHCPv6), if it is not to be found by the address: see [`Store::name_link`].
    ///
    /// [`Store::name_link`]: crate::Store::name_link
    pub link: Option<Ipv6Addr>,
    /// Further DHCP options, ascending by code.
    pub options: &'a [(u16, &'a [u8])],
    /// Whether the latest change happened on another server (RFC 6926 section 6.2.8).
    pub remote: bool,
    /// Whether the server that told of it said so too; `remote` is what we say.
    pub remote_there: bool,
    /// What is absent here is absent: it comes from somebody who knows all there is to know.
    pub whole: bool,
    /// Leave the store as it is if it does not know this address: the end of a lease nobody has told of is no news.
    pub if_known: bool,
}

impl<K: Key> Update<'_, K> {
    /// An update that says nothing but the state.
    pub fn new(key: K, state: State) -> Self {
        Self {
            key,
            state,
            start_of_state: Start::Seen,
            hardware: None,
            client_id: None,
            last_transaction: None,
            expires: None,
            renews: None,
            rebinds: None,
            relay_info: None,
            remote_id: None,
            relay_id: None,
            more_remote_ids: &[],
            more_relay_ids: &[],
            link: None,
            options: &[],
            remote: false,
            remote_there: false,
            whole: false,
            if_known: false,
        }
    }
}

/// The present knowledge about one address, read from the store.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'s, K: Key> {
    number: u32,
    record: &'s Record<K>,
    attributes: Attributes<'s>,
    packed: &'s [u8],
}

impl<'s, K: Key> Binding<'s, K> {
    #[inline]
    pub(crate) fn new(number: u32, record: &'s Record<K>, packed: &'s [u8]) -> Self {
        // A stored part is sound: it was packed here, or checked when it was restored.
        Self { number, record, attributes: crate::attributes::unpack(packed).unwrap_or_default(), packed }
    }

    /// Which address.
    #[inline]
    pub fn key(&self) -> K {
        self.record.key
    }

    /// Its state.
    #[inline]
    pub fn state(&self) -> State {
        self.record.state
    }

    /// Since when it is in its state.
    #[inline]
    pub fn start_of_state(&self) -> Time {
        self.record.start
    }

    /// When the store learned of the last change, by its own clock.
    #[inline]
    pub fn changed(&self) -> Time {
        self.record.changed
    }

    /// The number of the last change.
    #[inline]
    pub fn revision(&self) -> Revision {
        self.record.revision
    }

    /// Hardware address of the client, the last one if the lease is over.
    #[inline]
    pub fn hardware(&self) -> Option<Hardware<'s>> {
        self.record.hardware(&self.attributes)
    }

    /// Client-identifier or DUID of the client, the last one if the lease is over.
    #[inline]
    pub fn client_id(&self) -> Option<&'s [u8]> {
        self.record.client_id(&self.attributes)
    }

    /// When the client was last heard about this address.
    #[inline]
    pub fn last_transaction(&self) -> Option<Time> {
        self.record.last_transaction()
    }

    /// When the state ends by itself.
    #[inline]
    pub fn expires(&self) -> Option<Time> {
        self.record.expires()
    }

    /// When the client renews (T1), or until when the address is preferred ([`Update::renews`]).
    #[inline]
    pub fn renews(&self) -> Option<Time> {
        self.record.renews()
    }

    /// When the client rebinds (T2).
    #[inline]
    pub fn rebinds(&self) -> Option<Time> {
        self.record.rebinds()
    }

    /// Content of option 82 (DHCPv4) or of OPTION_LQ_RELAY_DATA (DHCPv6).
    #[inline]
    pub fn relay_info(&self) -> Option<&'s [u8]> {
        self.attributes.relay_info
    }

    /// Remote ID; the first of several.
    #[inline]
    pub fn remote_id(&self) -> Option<&'s [u8]> {
        self.attributes.remote_id
    }

    /// Relay-ID; the first of several.
    #[inline]
    pub fn relay_id(&self) -> Option<&'s [u8]> {
        self.attributes.relay_id
    }

    /// All Remote IDs.
    pub fn remote_ids(&self) -> impl Iterator<Item = &'s [u8]> + use<'s, K> {
        let packed = self.packed;
        (0..).map_while(move |nth| find(packed, Identity::RemoteId, nth))
    }

    /// All Relay-IDs.
    pub fn relay_ids(&self) -> impl Iterator<Item = &'s [u8]> + use<'s, K> {
        let packed = self.packed;
        (0..).map_while(move |nth| find(packed, Identity::RelayId, nth))
    }

    /// The link that was named for it ([`Update::link`]).
    pub fn named_link(&self) -> Option<Ipv6Addr> {
        self.attributes.link.map(link_address)
    }

    /// Further DHCP options, ascending by code.
    #[inline]
    pub fn options(&self) -> impl Iterator<Item = (u16, &'s [u8])> + use<'s, K> {
        options(self.attributes.options)
    }

    /// The value of one further DHCP option.
    #[inline]
    pub fn option(&self, code: u16) -> Option<&'s [u8]> {
        self.options().find(|(c, _)| *c == code).map(|(_, value)| value)
    }

    /// Whether the latest change happened on another server.
    #[inline]
    pub fn is_remote(&self) -> bool {
        self.record.is_remote()
    }

    /// Whether the server that told of it had learned of it from another one.
    #[inline]
    pub fn is_remote_there(&self) -> bool {
        self.record.flags & Record::<K>::REMOTE_THERE != 0
    }

    /// Number of the record.
    #[inline]
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn record(&self) -> &'s Record<K> {
        self.record
    }

    pub(crate) fn packed(&self) -> &'s [u8] {
        self.packed
    }
}
