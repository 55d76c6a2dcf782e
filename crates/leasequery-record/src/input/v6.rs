use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use leasequery_store::{Outcome, SourceId, Start, State, Store, Time, Update, V6Key};
use leasequery_wire::v6::{OptionCode, Options, Relay, is_duid, write_relayed};

use super::{Raw, RecordError, error, field, has_none, options, parse_id};
use crate::{parse_end, parse_hex, parse_mac, parse_time};

/// A DHCPv6 record, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V6Input {
    key: V6Key,
    /// `None` removes the lease.
    state: Option<State>,
    duid: Option<Vec<u8>>,
    link: Option<Ipv6Addr>,
    start_of_state: Option<Time>,
    last_transaction: Option<Time>,
    expires: Option<Time>,
    preferred: Option<Time>,
    /// The relay's address, then the Relay-Forward.
    relay_info: Option<Vec<u8>>,
    remote_ids: Vec<Vec<u8>>,
    relay_ids: Vec<Vec<u8>>,
    options: BTreeMap<u16, Vec<u8>>,
    remote: bool,
}

impl V6Input {
    /// Checks a line.
    pub(super) fn new(raw: Raw) -> Result<Self, RecordError> {
        has_none(
            "DHCPv6",
            &[
                ("vpn", raw.vpn.is_some()),
                ("client-id", raw.client_id.is_some()),
                ("relay-agent-information", raw.relay_agent_information.is_some()),
            ],
        )?;
        let (state, remote) = (raw.state()?, raw.remote()?);
        let key = match (raw.address, raw.prefix) {
            (Some(text), None) => parse_address(&text).map(V6Key::new).map_err(|problem| error("address", problem))?,
            (None, Some(text)) => parse_prefix(&text).map_err(|problem| error("prefix", problem))?,
            (Some(_), Some(_)) => return Err(error("prefix", "a record has an address or a prefix, not both")),
            (None, None) => return Err(error("address", "missing; or a prefix, if one is delegated")),
        };
        let duid = field("duid", raw.duid, parse_hex)?;
        if let Some(duid) = &duid
            && !is_client(duid)
        {
            return Err(error("duid", format!("a DUID has 3 to 130 octets, and this has {}", duid.len())));
        }
        if duid.is_none() && state == Some(State::Active) {
            return Err(error("duid", "missing; a lease has a client, known by its DUID in hex"));
        }
        // Leasequery has no place for T1 and T2; what is wrong with them is said all the same.
        field("renews", raw.renews, parse_end)?;
        field("rebinds", raw.rebinds, parse_end)?;
        let mut options = options(raw.options, u16::MAX)?;
        if let Some(mac) = field("mac", raw.mac, parse_mac)? {
            let htype = u16::from(raw.htype.unwrap_or(1)).to_be_bytes();
            let option = OptionCode::CLIENT_LINK_LAYER_ADDRESS.0;
            options.entry(option).or_insert_with(|| [&htype[..], &mac].concat());
        }
        let mut input = Self {
            key,
            state,
            duid,
            link: field("link", raw.link, parse_address)?,
            start_of_state: field("start-time-of-state", raw.start_time_of_state, parse_time)?,
            last_transaction: field("client-last-transaction-time", raw.client_last_transaction_time, parse_time)?,
            expires: field("expires", raw.expires, parse_end)?,
            preferred: field("preferred-until", raw.preferred_until, parse_end)?,
            relay_info: None,
            remote_ids: field("remote-id", raw.remote_id, parse_id)?.into_iter().collect(),
            relay_ids: field("relay-id", raw.relay_id, parse_id)?.into_iter().collect(),
            options,
            remote,
        };
        let peer = field("relay-peer", raw.relay_peer, parse_peer)?;
        let message = field("relay-message", raw.relay_message, parse_hex)?;
        input.complete_relay(peer, message)?;
        Ok(input)
    }

    /// Derives Remote-IDs and Relay-IDs from the Relay-Forward, or, where only they are given, makes one of them, so that
    /// replies carry what queries find.
    fn complete_relay(&mut self, peer: Option<Ipv6Addr>, message: Option<Vec<u8>>) -> Result<(), RecordError> {
        for id in &self.remote_ids {
            if id.len() < 5 {
                return Err(error(
                    "remote-id",
                    "has an enterprise number of four octets in front, and something behind",
                ));
            }
        }
        for id in &self.relay_ids {
            if !is_duid(id) {
                return Err(error("relay-id", "is a DUID of 2 to 130 octets"));
            }
        }
        match message {
            Some(message) => self.read_relays(peer, &message),
            None if self.remote_ids.is_empty() && self.relay_ids.is_empty() && peer.is_none() => Ok(()),
            None => self.make_relay(peer),
        }
    }

    fn read_relays(&mut self, peer: Option<Ipv6Addr>, message: &[u8]) -> Result<(), RecordError> {
        let mut relays =
            Relay::chain(message).collect::<Result<Vec<_>, _>>().map_err(|problem| error("relay-message", problem))?;
        // Without the relay's own address what it says of the one before it is next to it.
        let outermost = relays.first().map_or(Ipv6Addr::UNSPECIFIED, |relay| relay.peer);
        relays.reverse();
        let there = |code| -> Vec<Vec<u8>> {
            let options = relays.iter().flat_map(|relay| relay.options.iter());
            options.filter(|(c, _)| *c == code).map(|(_, id)| id.to_vec()).collect()
        };
        for (name, given, there) in [
            ("remote-id", &mut self.remote_ids, there(OptionCode::REMOTE_ID)),
            ("relay-id", &mut self.relay_ids, there(OptionCode::RELAY_ID)),
        ] {
            if given.iter().any(|given| !there.contains(given)) {
                return Err(error(name, "is not the one in relay-message"));
            }
            *given = there;
        }
        self.relay_info = Some([&peer.unwrap_or(outermost).octets(), message].concat());
        Ok(())
    }

    /// A Relay-Forward with nothing but the identifiers, if there are any: that a relay is known says something by itself.
    fn make_relay(&mut self, peer: Option<Ipv6Addr>) -> Result<(), RecordError> {
        let mut octets = Vec::new();
        let ids = [(OptionCode::REMOTE_ID, &self.remote_ids), (OptionCode::RELAY_ID, &self.relay_ids)];
        for (code, id) in ids.into_iter().flat_map(|(code, ids)| ids.iter().map(move |id| (code, id))) {
            let length = u16::try_from(id.len()).map_err(|_| error("remote-id", "has more than 65535 octets"))?;
            octets.extend_from_slice(&code.0.to_be_bytes());
            octets.extend_from_slice(&length.to_be_bytes());
            octets.extend_from_slice(id);
        }
        let peer = peer.unwrap_or(Ipv6Addr::UNSPECIFIED);
        let options = Options::parse(&octets, 0).map_err(|problem| error("remote-id", problem))?;
        let kind = leasequery_wire::v6::MessageType::RELAY_FORWARD;
        let link = self.link.unwrap_or(Ipv6Addr::UNSPECIFIED);
        let mut info = peer.octets().to_vec();
        write_relayed(&[Relay { kind, hop_count: 0, link, peer: Ipv6Addr::UNSPECIFIED, options }], &mut info)
            .ok_or_else(|| error("remote-id", "is too long for a message"))?;
        self.relay_info = Some(info);
        Ok(())
    }

    /// Puts the record into the store.
    pub fn commit(&self, store: &mut Store<V6Key>, source: SourceId) -> Result<Outcome, RecordError> {
        let Some(state) = self.state else { return Ok(store.end_lease(source, self.key, State::Available)) };
        if self.duid.is_none() {
            // Whose it was is known here, or nobody needs to be told.
            return Ok(store.end_lease(source, self.key, state));
        }
        let options: Vec<(u16, &[u8])> = self.options.iter().map(|(code, value)| (*code, value.as_slice())).collect();
        let remote_ids: Vec<&[u8]> = self.remote_ids.iter().map(Vec::as_slice).collect();
        let relay_ids: Vec<&[u8]> = self.relay_ids.iter().map(Vec::as_slice).collect();
        let update = Update {
            start_of_state: self.start_of_state.map_or(Start::Seen, Start::Given),
            client_id: self.duid.as_deref(),
            last_transaction: self.last_transaction,
            expires: self.expires,
            renews: self.preferred,
            relay_info: self.relay_info.as_deref(),
            remote_id: remote_ids.first().copied(),
            relay_id: relay_ids.first().copied(),
            more_remote_ids: remote_ids.get(1..).unwrap_or_default(),
            more_relay_ids: relay_ids.get(1..).unwrap_or_default(),
            link: self.link.and_then(|link| store.name_link(self.key, link)),
            options: &options,
            remote: self.remote,
            // Without relay data the client was last heard directly (RFC 5007 section 4.1.2.4).
            whole: true,
            ..Update::new(self.key, state)
        };
        match store.commit(source, &update) {
            Outcome::Refused => Err(RecordError("more than 65535 octets of attributes".to_owned())),
            outcome => Ok(outcome),
        }
    }
}

/// Whether octets can be the DUID of a client: a type, and something behind it (RFC 8415 section 11.1).
fn is_client(duid: &[u8]) -> bool {
    is_duid(duid) && duid.len() > 2
}

fn parse_address(text: &str) -> Result<Ipv6Addr, String> {
    let address = text.parse().ok().filter(|address: &Ipv6Addr| !address.is_unspecified() && !address.is_multicast());
    address.ok_or_else(|| format!("'{text}' is not an IPv6 address of one host"))
}

/// Whatever a server may have said of a relay, also that it does not know its address: what was printed can be pushed.
fn parse_peer(text: &str) -> Result<Ipv6Addr, String> {
    text.parse().map_err(|_| format!("'{text}' is not an IPv6 address"))
}

fn parse_prefix(text: &str) -> Result<V6Key, String> {
    let wrong = || format!("'{text}' is not a delegated prefix; '2001:db8:f000::/56' would be one");
    let (address, length) = text.split_once('/').ok_or_else(wrong)?;
    let address: Ipv6Addr = address.parse().map_err(|_| wrong())?;
    let length = length.parse().ok().filter(|length| *length <= 128).ok_or_else(wrong)?;
    let key = V6Key::prefix(address, length);
    if key.address() == address { Ok(key) } else { Err(format!("'{text}' has something behind its {length} bits")) }
}
