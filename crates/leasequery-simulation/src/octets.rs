//! Messages as octets: what is read of them to hold servers to their promises, and what faults put in on purpose change.

use leasequery_store::Time;

/// What a message of a server says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) xid: u32,
    pub(crate) base_time: Option<Time>,
    pub(crate) word: Option<Word>,
}

/// How a catch-up phase ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    CatchUpComplete,
    DataMissing,
}

/// What a message tells of one lease.
#[derive(Debug)]
pub(crate) struct Told {
    /// What it is about.
    pub(crate) key: Vec<u8>,
    /// Whose it is, or was.
    pub(crate) client: Vec<u8>,
    pub(crate) is: Is,
}

/// What has become of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Is {
    Live,
    Over,
    /// It never was: an address that is merely configured.
    Free,
}

/// The messages of a protocol. A frame is one whole message with its length in front.
pub(crate) trait Octets {
    /// Reads what a message of a server says of itself.
    fn facts(body: &[u8]) -> Option<Facts>;

    /// What a message of a server tells of leases.
    fn told(body: &[u8]) -> Vec<Told>;

    /// Takes out what is told of a lease, by its place among those that are told of.
    fn leave_out(frame: &mut Vec<u8>, place: usize);

    /// Makes the leases last longer.
    fn lengthen(frame: &mut [u8], seconds: u32);

    /// Sets the time that a message was made at.
    fn put_base_time(frame: &mut [u8], time: Time);

    /// Makes CatchUpComplete of DataMissing.
    fn make_complete(frame: &mut Vec<u8>, now: Time);

    /// Appends a CatchUpComplete that is not the first message of its response.
    fn write_complete(xid: u32, now: Time, out: &mut Vec<u8>);

    /// Changes from when on an active query asks for changes.
    fn change_start(frame: &mut [u8], change: impl FnOnce(Time) -> Time);
}
