//! The machine without a protocol: messages are three octets (transaction id, how many replies, what to do), replies are
//! one octet each.

use leasequery_store::{Settings, V4Key};
use leasequery_wire::v4;
use proptest::prelude::*;

use super::*;

const TIMEOUT: Duration = Duration::from_mins(5);
const START: Duration = Duration::from_secs(10);
const PLENTY: usize = 1 << 20;

const ANSWER: u8 = 0;
const FAIL: u8 = 1;
const REFUSE: u8 = 2;
const CLOSE: u8 = 3;
const WATCH: u8 = 4;

#[derive(Debug)]
struct Script;

#[derive(Debug)]
struct Count {
    xid: u8,
    left: u8,
    fails: bool,
    /// Goes on for ever.
    active: bool,
    replies: u64,
}

impl Protocol for Script {
    type Key = V4Key;
    type Query = Count;

    const MIN_MESSAGE: usize = 3;
    const SHARES_RECORDS: bool = false;

    fn set_policy(&mut self, _: &Arc<Policy>) -> bool {
        false
    }

    fn admit(&mut self, message: &[u8], place: Place, _: &Store<V4Key>, out: &mut Vec<u8>) -> Admission<Count> {
        let (xid, left, what) = (message[0], message[1], message[2]);
        match (what, place.beside) {
            (CLOSE | 5.., _) => Admission::Close(CloseReason::Unsupported(v4::MessageType(what).into())),
            (REFUSE, _) | (_, Beside::Active) | (WATCH, Beside::Bulk) => {
                out.extend_from_slice(&[xid, b'?']);
                Admission::Refused {
                    xid: xid.into(),
                    status: v4::StatusCode::NOT_ALLOWED.into(),
                    text: "no".to_owned(),
                    close: what == WATCH || place.beside == Beside::Active,
                }
            }
            _ => Admission::Query(Count { xid, left, fails: what == FAIL, active: what == WATCH, replies: 0 }),
        }
    }
}

impl Query<V4Key> for Count {
    fn xid(&self) -> u32 {
        self.xid.into()
    }

    fn advance(&mut self, _: &Store<V4Key>, out: &mut Vec<u8>, room: usize, budget: &Budget) -> Progress {
        while budget.take() {
            if self.left == 0 && self.fails {
                return Progress::Failed("the store is broken".to_owned());
            }
            if self.left == 0 && self.active {
                return Progress::Waiting;
            }
            if self.left == 0 {
                out.extend_from_slice(&[self.xid, b'.']);
                return Progress::Done;
            }
            self.left -= 1;
            self.replies += 1;
            out.push(self.xid);
            if out.len() >= room {
                break;
            }
        }
        Progress::More
    }

    fn is_active(&self) -> bool {
        self.active
    }

    fn keep_alive(&mut self, _: &Store<V4Key>, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.xid, b'~']);
    }

    fn terminate(&mut self, _: &Store<V4Key>, out: &mut Vec<u8>, reason: &str) {
        out.extend_from_slice(&[self.xid, b'!']);
        out.extend_from_slice(reason.as_bytes());
    }

    fn set_policy(&mut self, _: &Arc<Policy>) -> Result<(), &'static str> {
        Ok(())
    }

    fn replies(&self) -> u64 {
        self.replies
    }
}

fn store() -> Store<V4Key> {
    Store::new(Settings::default())
}

fn connection(queries: usize) -> Connection<Script> {
    Connection::new(Script, Limits { queries, data_timeout: TIMEOUT, ..Limits::default() }, START)
}

fn message(xid: u8, replies: u8, what: u8) -> Vec<u8> {
    vec![0, 3, xid, replies, what]
}

fn turn(connection: &mut Connection<Script>, room: usize) -> (String, Turn) {
    let mut out = Vec::new();
    let turn = connection.poll_transmit(START, &store(), &mut out, room);
    (String::from_utf8(out).expect("the script speaks ASCII"), turn)
}

fn events(connection: &mut Connection<Script>) -> Vec<Event> {
    std::iter::from_fn(|| connection.poll_event()).collect()
}

/// Where a connection can stand.
fn situations() -> [(&'static str, Connection<Script>); 5] {
    let with = |what| {
        let mut connection = connection(2);
        connection.handle_bytes(START, &message(b'a', 9, what));
        turn(&mut connection, 1);
        connection
    };
    let mut half_closed = with(ANSWER);
    half_closed.handle_eof();
    let mut closing = with(ANSWER);
    closing.terminate(&store(), &mut Vec::new(), "over");
    [
        ("idle", connection(2)),
        ("busy", with(ANSWER)),
        ("active", with(WATCH)),
        ("half-closed", half_closed),
        ("closing", closing),
    ]
}

/// The timers' action and a turn, once the data timeout is over.
fn time_out(connection: &mut Connection<Script>) {
    if !connection.handle_timeout(START + TIMEOUT) {
        connection.poll_transmit(START + TIMEOUT, &store(), &mut Vec::new(), 1);
    }
}

type Happening = (&'static str, fn(&mut Connection<Script>));

const HAPPENINGS: [Happening; 11] = [
    ("query", |c| {
        c.handle_bytes(START, &message(b'b', 9, ANSWER));
        turn(c, 1);
    }),
    ("active query", |c| {
        c.handle_bytes(START, &message(b'b', 9, WATCH));
        turn(c, 1);
    }),
    ("half a query", |c| {
        c.handle_bytes(START, &message(b'b', 9, ANSWER)[..3]);
        time_out(c);
    }),
    ("fault", |c| {
        c.handle_bytes(START, &[0, 2]);
        turn(c, 1);
    }),
    ("unsupported", |c| {
        c.handle_bytes(START, &message(b'b', 0, CLOSE));
        turn(c, 1);
    }),
    ("refusal", |c| {
        c.handle_bytes(START, &message(b'b', 0, REFUSE));
        turn(c, 1);
    }),
    ("eof", |c| {
        c.handle_eof();
        turn(c, 1);
    }),
    ("all sent", |c| {
        turn(c, PLENTY);
    }),
    ("idle timer", time_out),
    ("blocked timer", |c| {
        c.handle_progress(START, 0, 1);
        c.handle_timeout(START + TIMEOUT);
    }),
    ("terminate", |c| c.terminate(&store(), &mut Vec::new(), "over")),
];

#[test]
fn every_event_in_every_phase_leads_where_the_table_says() {
    let mut table = Vec::new();
    for (name, happen) in HAPPENINGS {
        for (situation, mut connection) in situations() {
            events(&mut connection);
            happen(&mut connection);
            let closed = events(&mut connection).into_iter().find_map(|event| match event {
                Event::Closing(reason) => Some(format!(": {reason}")),
                _ => None,
            });
            let (phase, queries) = (connection.phase, connection.outstanding());
            table.push(format!("{situation}, {name} -> {phase:?} {queries}{}", closed.unwrap_or_default()));
        }
    }
    assert_eq!(table, include_str!("phases.txt").lines().collect::<Vec<_>>());
}

#[test]
fn queries_take_turns_in_small_bites() {
    let mut connection = connection(2);
    connection.handle_bytes(START, &[message(b'a', 200, ANSWER), message(b'b', 1, ANSWER)].concat());
    let (sent, turn) = turn(&mut connection, PLENTY);
    assert_eq!(turn, Turn::Idle);
    assert_eq!(sent.find("b."), Some(BITE + 1), "b is done after one bite of a: {sent}");
    assert_eq!(sent.bytes().filter(|octet| *octet == b'a').count(), 201, "a is answered whole");
}

#[test]
fn a_query_that_cannot_be_finished_ends_all_of_the_connection_each_with_the_reason() {
    let mut connection = connection(2);
    connection.handle_bytes(START, &[message(b'a', 2, FAIL), message(b'b', 200, ANSWER)].concat());
    let (sent, turn) = turn(&mut connection, PLENTY);
    assert_eq!(turn, Turn::Close);
    let reason = "query 0x00000061 was aborted: the store is broken";
    assert_eq!(sent, format!("aaa!{reason}b!{reason}"));
    let closing = CloseReason::Aborted { xid: b'a'.into(), reason: "the store is broken".to_owned() };
    assert_eq!(events(&mut connection).last(), Some(&Event::Closing(closing)));
}

#[test]
fn a_fault_tells_those_whose_queries_it_breaks_off() {
    let mut connection = connection(2);
    connection.handle_bytes(START, &[message(b'a', 9, ANSWER), vec![0, 2]].concat());
    let (sent, turn) = turn(&mut connection, PLENTY);
    assert_eq!(turn, Turn::Close);
    assert_eq!(sent, "a!the length prefix announces 2 octets, a message has at least 3");
}

#[test]
fn an_active_query_is_told_that_it_is_alive_when_all_has_been_said_and_not_before() {
    let mut connection = connection(1);
    connection.handle_bytes(START, &message(b'a', 3, WATCH));
    let late = START + Limits::default().active_idle_timeout;
    let said = |connection: &mut Connection<Script>, now, room| {
        let mut out = Vec::new();
        let turn = connection.poll_transmit(now, &store(), &mut out, room);
        (String::from_utf8(out).expect("the script speaks ASCII"), turn)
    };
    assert_eq!(said(&mut connection, START, 2), ("aa".to_owned(), Turn::More));
    assert_eq!(said(&mut connection, late, 2), ("a".to_owned(), Turn::Idle));
    assert_eq!(said(&mut connection, late, 2), (String::new(), Turn::Idle));
    let later = late + Limits::default().active_idle_timeout;
    assert_eq!(connection.poll_timeout(), Some(later));
    assert_eq!(said(&mut connection, later, 2), ("a~".to_owned(), Turn::Idle));
}

#[test]
fn refusals_heed_the_room() {
    let mut connection = connection(1);
    connection.handle_bytes(START, &[message(b'a', 0, REFUSE), message(b'b', 0, REFUSE)].concat());
    assert_eq!(turn(&mut connection, 1), ("a?".to_owned(), Turn::More));
    assert_eq!(turn(&mut connection, 1), ("b?".to_owned(), Turn::Idle));
}

#[test]
fn a_limit_of_no_queries_still_answers_one() {
    let mut connection = connection(0);
    connection.handle_bytes(START, &message(b'a', 1, ANSWER));
    assert_eq!(turn(&mut connection, PLENTY), ("aa.".to_owned(), Turn::Idle));
}

#[test]
fn a_response_that_was_stuck_is_idle_from_when_it_was_taken() {
    let mut connection = connection(1);
    connection.handle_bytes(START, &message(b'a', 0, ANSWER));
    turn(&mut connection, PLENTY);
    connection.handle_progress(START, 0, 2);
    let taken = START + TIMEOUT / 2;
    connection.handle_progress(taken, 2, 0);
    assert_eq!(connection.poll_timeout(), Some(taken + TIMEOUT));
}

proptest! {
    // Each case is thousands of messages.
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What an owner does who keeps to the rules: he gives input only while it is wanted.
    #[test]
    fn input_is_bounded_whatever_comes(
        chunks in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..4096),
                // Long frames, pieces of them, and floods of queries.
                (0_usize..4096).prop_map(|length| vec![0xff; length]),
                (0_usize..800, any::<u8>(), 0_u8..5).prop_map(|(n, left, what)| {
                    (0..n).flat_map(|xid| message(xid.to_le_bytes()[0], left, what)).collect()
                }),
            ],
            0..60,
        ),
        queries in 1_usize..5,
        rooms in prop::collection::vec(1_usize..5000, 1..8),
    ) {
        let mut connection = connection(queries);
        let mut rooms = rooms.iter().copied().cycle();
        for chunk in &chunks {
            if connection.wants_read() {
                connection.handle_bytes(START, chunk);
            }
            let mut out = Vec::new();
            let room = rooms.next().unwrap_or(1);
            connection.poll_transmit(START, &store(), &mut out, room);
            prop_assert!(connection.outstanding() <= queries);
            prop_assert!(connection.input.len() < 2 + 65_535 + 4096);
            events(&mut connection);
        }
    }
}
