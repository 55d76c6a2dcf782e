//! DHCPv6, whose bulk answers do not tell that leases end.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use leasequery_protocol::follower::{Event, Follower, Link, Observer, Origin, Position, Settings, Told};
use leasequery_protocol::requestor::v6::{Record, Selector, V6, Wanted};
use leasequery_store::{Binding, Store, Time, V6Key};
use leasequery_wire::v6::{Message, MessageType, MessageWriter, OptionCode, StatusCode};
use leasequery_wire::{Framing, split_frame};

use crate::peer::{NOW, seconds, settings};

const PEER: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const EPOCH: u32 = 946_684_800;
const DUID: [u8; 4] = [0, 2, 0, 1];

struct Nobody;

impl Observer<V6> for Nobody {
    fn record(&mut self, _: &Record<'_>, _: Told<V6Key>, _: Origin) {}
    fn gone(&mut self, _: &Binding<'_, V6Key>, _: &Store<V6Key>) {}
    fn event(&mut self, _: &Event) {}
}

/// A follower with a store, that stands where everything up to NOW has been told.
struct Scene {
    follower: Follower<V6>,
    store: Store<V6Key>,
    now: Duration,
}

impl Scene {
    fn new(settings: Settings) -> Self {
        let mut store = Store::new(leasequery_store::Settings::default());
        store.advance(NOW);
        let source = store.source("server").unwrap();
        let wanted = Wanted { selector: Selector::default(), options: Vec::new(), client_id: DUID.into() };
        let position = Some(Position { resume: NOW, skew: 0 });
        Self { follower: Follower::new(wanted, source, position, settings, 7), store, now: Duration::ZERO }
    }

    fn time(&self) -> Time {
        NOW.plus(u32::try_from(self.now.as_secs()).unwrap())
    }

    fn work(&mut self) {
        while self.follower.advance(self.now, &mut self.store, &mut Nobody, 3) {}
    }

    /// Waits until it wants a connection. Gives the transaction id of what it asks there, and since when: since the
    /// beginning of time is everything.
    fn accept(&mut self) -> (Link, u32, Option<Time>) {
        let link = loop {
            if let Some(link) = self.follower.poll_connect(self.now) {
                break link;
            }
            self.now = self.follower.poll_timeout().unwrap().max(self.now + Duration::from_millis(1));
            self.store.advance(self.time());
            self.work();
        };
        self.follower.handle_connected(link, self.now, PEER, &mut self.store);
        let octets = self.follower.poll_transmit(link).to_vec();
        self.follower.handle_sent(link, self.now, octets.len());
        let Ok(Framing::Frame { body, .. }) = split_frame(&octets, 4) else { panic!("a query") };
        let query = Message::parse(body).unwrap();
        let since = query.options().u32(OptionCode::START_TIME).unwrap();
        (link, query.transaction_id(), since.map(|since| Time(since + EPOCH)))
    }

    /// Says that there is nothing to tell, or what else the status means.
    fn say(&mut self, link: Link, xid: u32, status: Option<StatusCode>) {
        let mut out = Vec::new();
        let mut writer = MessageWriter::frame(&mut out, MessageType::LEASE_QUERY_REPLY, xid);
        writer.option(OptionCode::SERVER_ID, &DUID);
        writer.option(OptionCode::CLIENT_ID, &DUID);
        writer.u32(OptionCode::BASE_TIME, self.time().0 - EPOCH);
        if let Some(status) = status {
            writer.status(status, "");
        }
        writer.finish().unwrap();
        self.follower.handle_bytes(link, &out);
        self.work();
    }

    fn close(&mut self, link: Link) {
        self.follower.handle_eof(link);
        self.work();
    }

    fn resume(&self) -> Option<Time> {
        self.follower.position().map(|position| position.resume)
    }
}

#[test]
fn what_ended_while_it_was_polled_is_caught_up_with() {
    for sweep in [None, Some(seconds(3600))] {
        let mut scene = Scene::new(Settings { sweep, ..settings() });
        let (link, _, since) = scene.accept();
        assert_eq!((link, since), (Link::Active, Some(NOW)));
        scene.close(Link::Active);
        let mut polls = Vec::new();
        let (xid, since) = loop {
            match scene.accept() {
                (Link::Active, xid, since) => break (xid, since),
                (Link::Bulk, xid, since) => {
                    polls.push(since);
                    scene.say(Link::Bulk, xid, None);
                }
            }
            assert_eq!(scene.resume(), Some(NOW), "nobody has told what ended since");
        };
        assert!(polls.last().copied().flatten() >= Some(NOW.plus(1)), "each poll goes on from the last one: {polls:?}");
        assert_eq!(since, Some(NOW), "the active response does not");
        scene.say(Link::Active, xid, Some(StatusCode::CATCH_UP_COMPLETE));
        assert!(scene.resume() > Some(NOW), "now it has been told");
    }
}

#[test]
fn what_ended_in_a_gap_is_found_by_asking_for_everything() {
    for (sweep, initial, everything) in [(None, true, true), (None, false, false), (Some(seconds(3600)), true, false)] {
        let mut scene = Scene::new(Settings { sweep, initial, ..settings() });
        let (link, active, _) = scene.accept();
        assert_eq!(link, Link::Active);
        scene.now += seconds(10);
        scene.say(Link::Active, active, Some(StatusCode::DATA_MISSING));
        let (link, _, since) = scene.accept();
        assert_eq!(link, Link::Bulk);
        // Where everything is asked for anyway, that comes behind what changed in the gap.
        assert_eq!(since, Some(if everything { Time(EPOCH) } else { NOW }));
    }
}
