//! What a server says, put into a store beside what others say.

use leasequery_store::{SourceId, State, Store, Update, V6Key};
use leasequery_wire::v6::OptionCode;

use crate::follower::reconcile;
use crate::follower::{Origin, Told};
use crate::requestor::v6::Record;

/// Takes a record into the store as what its source says. `None` if the store cannot take it.
pub(super) fn commit(
    record: &Record<'_>,
    origin: Origin,
    source: SourceId,
    store: &mut Store<V6Key>,
) -> Option<Told<V6Key>> {
    let key = record.key();
    let times = record.times();
    let relay_info = record.relay_data().map(|data| [&data.peer.octets(), data.message].concat());
    // The one nearest to the client first.
    let mut relays: Vec<_> = record.relays().collect();
    relays.reverse();
    // Where no address tells the link, the relay next to the client does.
    let relay_link = relays.first().map(|relay| relay.link).filter(|link| !link.is_unspecified());
    let ids = |code| relays.iter().flat_map(move |relay| relay.options.iter().filter(move |(c, _)| *c == code));
    let remote_ids: Vec<&[u8]> = ids(OptionCode::REMOTE_ID).map(|(_, id)| id).collect();
    let relay_ids: Vec<&[u8]> = ids(OptionCode::RELAY_ID).map(|(_, id)| id).collect();
    let mut options: Vec<(u16, &[u8])> = record.options().map(|(code, value)| (code.0, value)).collect();
    options.sort_by_key(|(code, _)| *code);
    options.dedup_by_key(|(code, _)| *code);
    let update = Update {
        client_id: Some(record.client_id()),
        last_transaction: Some(times.last_transaction),
        expires: times.expires,
        renews: times.preferred,
        relay_info: relay_info.as_deref(),
        remote_id: remote_ids.first().copied(),
        relay_id: relay_ids.first().copied(),
        more_remote_ids: remote_ids.get(1..).unwrap_or_default(),
        more_relay_ids: relay_ids.get(1..).unwrap_or_default(),
        link: record.on_link().or(relay_link).and_then(|address| store.name_link(key, address)),
        options: &options,
        remote: true,
        whole: true,
        ..Update::new(key, if record.is_active() { State::Active } else { State::Available })
    };
    reconcile::take(update, origin, source, store)
}

/// Whether a record is the end of what one client had of an address that is another one's by what this source said: what is
/// told of a client ends nothing that another client has.
pub(super) fn is_of_former_client(record: &Record<'_>, source: SourceId, store: &Store<V6Key>) -> bool {
    !record.is_active()
        && store.lookup(record.key()).is_some_and(|known| {
            known.state() == State::Active
                && known.client_id() != Some(record.client_id())
                && store.vouching(&known).any(|vouching| vouching == source)
        })
}

#[cfg(test)]
mod tests;
