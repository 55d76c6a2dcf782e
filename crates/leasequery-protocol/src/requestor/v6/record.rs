use std::sync::Arc;

use leasequery_store::{Time, V6Key};
use leasequery_wire::DecodeError;
use leasequery_wire::v6::{INFINITE, Lease, OptionCode, Relay, RelayData};

use super::layout::{Layout, is_field};
use crate::clock::{Made, Skew};

/// What a server says about one lease of a client. Times are by the local clock, unless said otherwise.
#[derive(Debug)]
pub struct Record<'a> {
    message: &'a [u8],
    layout: Arc<Layout>,
    nth: usize,
    lease: Lease<'a>,
    made: Made,
    server: Option<Arc<[u8]>>,
    times: Times,
}

/// The times of a record, by the local clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// When the client was last heard on its link.
    pub last_transaction: Time,
    /// Until when it is preferred.
    pub preferred: Option<Time>,
    /// When it ends; [`Time::INFINITE`] for a lease without end, `None` for one that is over.
    pub expires: Option<Time>,
}

impl<'a> Record<'a> {
    /// Reads what a message says about the `nth` lease of its client, all of it, so that nothing can fail later on.
    pub(crate) fn new(
        message: &'a [u8],
        layout: &Arc<Layout>,
        nth: usize,
        made: Made,
        server: Option<&Arc<[u8]>>,
        skew: Skew,
    ) -> Result<Option<Self>, DecodeError> {
        let Some(lease) = layout.lease(message, nth)? else { return Ok(None) };
        let ahead = |seconds: u32| match seconds {
            INFINITE => Time::INFINITE,
            seconds => skew.to_local(Time(made.at.0.saturating_add(seconds).min(u32::MAX - 1))),
        };
        let times = Times {
            last_transaction: skew.to_local(made.at.minus(layout.elapsed)),
            preferred: (lease.valid > 0).then(|| ahead(lease.preferred)),
            expires: (lease.valid > 0).then(|| ahead(lease.valid)),
        };
        let layout = Arc::clone(layout);
        Ok(Some(Self { message, layout, nth, lease, made, server: server.cloned(), times }))
    }

    /// Whether it is the last one of its message.
    pub(crate) fn is_last(&self) -> bool {
        self.nth + 1 == self.layout.leases()
    }

    /// The address or prefix.
    pub fn key(&self) -> V6Key {
        match self.lease.prefix_length {
            None => V6Key::new(self.lease.address),
            Some(length) => V6Key::prefix(self.lease.address, length),
        }
    }

    /// Whether the client has it; else it is over (RFC 7653 section 3 has ends told, as lifetimes of zero).
    pub fn is_active(&self) -> bool {
        self.lease.valid > 0
    }

    /// The client's DUID.
    pub fn client_id(&self) -> &'a [u8] {
        self.layout.client_id(self.message)
    }

    /// An address on the client's link, if the message tells of one.
    pub fn on_link(&self) -> Option<std::net::Ipv6Addr> {
        self.layout.on_link
    }

    /// The times.
    pub fn times(&self) -> Times {
        self.times
    }

    /// When the server made the message, by the server's clock.
    pub fn base_time(&self) -> Time {
        self.made.at
    }

    /// Whether the server said so: if it did not, or nothing that is to be believed, [`base_time`](Self::base_time) is when
    /// the message came.
    pub fn has_base_time(&self) -> bool {
        self.made.said
    }

    /// The server's DUID.
    pub fn server(&self) -> Option<&[u8]> {
        self.server.as_deref()
    }

    /// How the client's last message came to the server, if through relays. Some servers put it beside the client's
    /// data. What cannot be read costs nothing but itself.
    pub fn relay_data(&self) -> Option<RelayData<'a>> {
        self.layout.relay_data(self.message)
    }

    /// The relays it came through, the one nearest to the server first, as far as they can be read.
    pub fn relays(&self) -> impl Iterator<Item = Relay<'a>> + use<'a> {
        let message = self.relay_data().map_or(&[][..], |data| data.message);
        Relay::chain(message).map_while(Result::ok)
    }

    /// All options about the client, or its lease, without a method of their own here.
    pub fn options(&self) -> impl Iterator<Item = (OptionCode, &'a [u8])> {
        self.layout.others(self.message).chain(self.lease.options.iter().filter(|(code, _)| !is_field(*code)))
    }
}
