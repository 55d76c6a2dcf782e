//! A Unix stream socket that takes records, one JSON object a line.

use std::fs::{File, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use leasequery_live::refusals::{self, Kind, Refusals};
use leasequery_live::registry::{Figure, State, Value};
use leasequery_live::{Feed, Running};
use leasequery_record::{Input, RecordError};
use leasequery_store::{Outcome, Revision, V4Key, V6Key};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

/// The socket, made and not yet served. It is removed when it is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of its file.
    made: (u64, u64),
}

/// The ways into the store of each protocol.
#[derive(Debug)]
pub struct Feeds {
    /// Of DHCPv4.
    pub v4: Feed<V4Key>,
    /// Of DHCPv6.
    pub v6: Feed<V6Key>,
}

/// What clients have sent, for whoever looks.
#[derive(Debug, Default)]
struct Tally {
    clients: AtomicU64,
    records: AtomicU64,
    refused: AtomicU64,
}

impl Tally {
    fn figures(&self) -> Vec<Figure> {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        vec![
            Figure::new("clients", "Clients that are connected", Value::Level(get(&self.clients))),
            Figure::new("records", "Records taken, of both protocols", Value::Count(get(&self.records))),
            Figure::new("skipped", "Lines that could not be taken", Value::Count(get(&self.refused))),
        ]
    }
}

/// The longest line: no lease has more to say, and a client that sends no newline must not fill the memory.
const LINE: usize = 1 << 20;
/// Octets of answers kept for a client that does not read them.
const UNSENT: usize = 16 << 20;
/// Lines put into the store at a time, so that nobody waits for it long.
const BATCH: usize = 256;
/// Octets of lines kept for that.
const BATCH_OCTETS: usize = 1 << 20;
/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 128;
/// Clients served at a time. Further ones wait until one has gone.
pub(crate) const CLIENTS: usize = 32;
/// How often to look whether a client that waits is still there.
const GLANCE: Duration = Duration::from_millis(250);
/// How often to look whether the socket still has its name.
const LOOK: Duration = Duration::from_secs(1);
/// Who may connect: owner and group.
const MODE: u32 = 0o660;
/// Mode bits of a directory: everybody may write into it, and may rename and remove only what is their own.
const EVERYBODY: u32 = 0o002;
const STICKY: u32 = 0o1000;

impl Socket {
    /// Makes the socket, for its owner and group. One that a former run left is replaced; one that somebody listens on
    /// is not.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mode = std::fs::metadata(directory)?.permissions().mode();
        if mode & EVERYBODY != 0 && mode & STICKY == 0 {
            let text = "everybody may write into its directory, and could put another socket there";
            return Err(io::Error::new(ErrorKind::PermissionDenied, text));
        }
        if let Ok(found) = std::fs::symlink_metadata(path) {
            if found.is_symlink() {
                return Err(io::Error::new(ErrorKind::AlreadyExists, "there is a symbolic link"));
            }
            if !found.file_type().is_socket() {
                return Err(io::Error::new(ErrorKind::AlreadyExists, "there is something that is no socket"));
            }
            if somebody_listens(path)? {
                return Err(io::Error::new(ErrorKind::AddrInUse, "another process listens on it"));
            }
            std::fs::remove_file(path)?;
        }
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
        // The file gets the permissions that the socket has, so that it never has others.
        let socket = File::from(OwnedFd::from(socket));
        socket.set_permissions(Permissions::from_mode(MODE))?;
        let socket = socket2::Socket::from(OwnedFd::from(socket));
        socket.bind(&socket2::SockAddr::unix(path)?)?;
        // The process's umask has been taken away from them.
        std::fs::set_permissions(path, Permissions::from_mode(MODE))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let listener = UnixListener::from_std(OwnedFd::from(socket).into())?;
        let created = std::fs::symlink_metadata(path)?;
        Ok(Self { listener, path: path.to_owned(), made: (created.dev(), created.ino()) })
    }

    /// Whether clients find it by its name.
    fn is_there(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.made)
    }

    /// Makes it again if it was removed.
    fn restore(&mut self, feeds: &Feeds) {
        if self.is_there() {
            return;
        }
        let (state, word) = match Self::bind(&self.path) {
            Ok(made) => {
                // What has connected to the old one is served all the same.
                *self = made;
                warn!("push {}: the socket was removed, and is made again", self.path.display());
                (State::Well, "taking records".to_owned())
            }
            Err(problem) => (State::Down, format!("the socket was removed and cannot be made again: {problem}")),
        };
        for part in [&feeds.v4.part, &feeds.v6.part] {
            part.set(state, &word);
        }
    }

    /// Serves clients until the daemon ends.
    pub async fn run(mut self, feeds: Feeds, mut running: Running) {
        let (feeds, tally) = (Arc::new(feeds), Arc::<Tally>::default());
        for part in [&feeds.v4.part, &feeds.v6.part] {
            part.show({
                let tally = Arc::clone(&tally);
                move || tally.figures()
            });
            part.set(State::Well, "taking records");
        }
        info!("push {}: taking records", self.path.display());
        let mut clients = JoinSet::new();
        // Clients can cause it as often as they like, so it is told in sum.
        let refusals = Refusals::default();
        let name = format!("push {}", self.path.display());
        let note = |kind, text: String| {
            refusals.note(&name, None, kind, || text);
        };
        let mut report = tokio::time::interval(refusals::PERIOD);
        report.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !running.is_over() {
            tokio::select! {
                accepted = self.listener.accept(), if clients.len() < CLIENTS => match accepted {
                    Ok((stream, _)) => {
                        clients.spawn(take(stream, Arc::clone(&feeds), Arc::clone(&tally)));
                        tally.clients.store(clients.len() as u64, Ordering::Relaxed);
                        if clients.len() == CLIENTS {
                            let problem = "further ones have to wait";
                            note(Kind::NotServed(problem), format!("{CLIENTS} clients at a time, {problem}"));
                        }
                    }
                    Err(error) => {
                        note(Kind::NotAccepted, format!("cannot accept: {error}"));
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(ended) = clients.join_next() => {
                    tally.clients.store(clients.len() as u64, Ordering::Relaxed);
                    if let Ok(Err(error)) = ended {
                        note(Kind::Broken(error.kind()), format!("a client: {error}"));
                    }
                }
                _ = report.tick() => refusals.report(),
                _ = look.tick() => self.restore(&feeds),
                () = running.over() => {}
            }
        }
        refusals.report();
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Another one of this name is somebody else's.
        if self.is_there() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether a process takes connections at a path. One that has stopped, and has as many waiting as it can, does too.
fn somebody_listens(path: &Path) -> io::Result<bool> {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&socket2::SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) => Ok(error.kind() == ErrorKind::WouldBlock),
    }
}

/// What a client has sent.
#[derive(Debug, Default)]
struct Client {
    lines: u64,
    committed: u64,
    refused: u64,
    /// The latest of each protocol.
    revisions: (Revision, Revision),
}

impl Client {
    /// A line that is not taken is answered at once.
    fn refuse(&mut self, answers: &mut Vec<u8>, line: u64, error: &str) {
        self.refused += 1;
        let text = serde_json::json!({ "error": error, "line": line });
        answers.extend_from_slice(text.to_string().as_bytes());
        answers.push(b'\n');
    }
}

/// Serves one client to its end.
async fn take(stream: UnixStream, feeds: Arc<Feeds>, tally: Arc<Tally>) -> io::Result<()> {
    let (reader, writer) = stream.into_split();
    let (sender, answers) = mpsc::unbounded_channel();
    let unsent = AtomicUsize::new(0);
    // Side by side: a client that reads no answers before it has sent everything must not wait for ever.
    tokio::try_join!(read(reader, &unsent, sender, &feeds, &tally), write(writer, &unsent, answers))?;
    Ok(())
}

async fn read(
    reader: OwnedReadHalf,
    unsent: &AtomicUsize,
    answers: mpsc::UnboundedSender<Vec<u8>>,
    feeds: &Feeds,
    tally: &Tally,
) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(64 * 1024, reader);
    let mut client = Client::default();
    let mut records = Vec::new();
    let mut line = Vec::new();
    loop {
        let mut text = Vec::new();
        let mut octets = 0;
        let before = (client.committed, client.refused);
        // What has arrived is put into the store together, what has not is not waited for.
        let ended = loop {
            match next_line(&mut reader, &mut line).await? {
                Line::Ended => break true,
                Line::TooLong => {
                    client.lines += 1;
                    client.refuse(&mut text, client.lines, &format!("a line has at most {LINE} octets"));
                }
                Line::Whole => {
                    client.lines += 1;
                    match Input::parse(&line) {
                        _ if line.iter().all(u8::is_ascii_whitespace) => {}
                        Ok(input) => records.push((client.lines, input)),
                        Err(error) => client.refuse(&mut text, client.lines, &error.to_string()),
                    }
                }
            }
            octets += line.len();
            if records.len() == BATCH || octets > BATCH_OCTETS || !reader.buffer().contains(&b'\n') {
                break false;
            }
        };
        commit(&mut records, &mut client, &mut text, feeds);
        tally.records.fetch_add(client.committed - before.0, Ordering::Relaxed);
        tally.refused.fetch_add(client.refused - before.1, Ordering::Relaxed);
        if ended {
            // Everything is in the store; it is told when it will survive a crash, or that it would not.
            let kept = tokio::select! {
                kept = until_durable(feeds, client.revisions) => kept,
                () = until_gone(reader.get_ref().as_ref()) => {
                    return Err(io::Error::other("gone before what it said was on disk"));
                }
            };
            let last = match kept {
                Ok(()) => format!("{{\"committed\": {}}}\n", client.committed),
                Err(reason) => {
                    let records = client.committed;
                    let problem =
                        format!("{records} records were taken and are not on disk, a crash would lose them: {reason}");
                    format!("{}\n", serde_json::json!({ "error": problem }))
                }
            };
            text.extend_from_slice(last.as_bytes());
        }
        if !text.is_empty() {
            if unsent.fetch_add(text.len(), Ordering::Relaxed) > UNSENT {
                return Err(io::Error::other("it does not read its answers"));
            }
            // The writer is gone only if the client is, which the next read will find out.
            let _ = answers.send(text);
        }
        if ended {
            return Ok(());
        }
    }
}

/// Waits until what was committed is on disk, or cannot come there.
async fn until_durable(feeds: &Feeds, revisions: (Revision, Revision)) -> Result<(), Arc<str>> {
    feeds.v4.shared.until_durable(revisions.0).await?;
    feeds.v6.shared.until_durable(revisions.1).await
}

/// Waits until a client that has shut down its sending side is gone altogether. There is nothing to be read any more that
/// would tell of it.
async fn until_gone(stream: &UnixStream) {
    while let Ok(ready) = stream.ready(Interest::WRITABLE).await
        && !ready.is_write_closed()
    {
        tokio::time::sleep(GLANCE).await;
    }
}

/// Writes answers until there will be no more, then shuts down the sending side.
async fn write(
    mut writer: OwnedWriteHalf,
    unsent: &AtomicUsize,
    mut answers: mpsc::UnboundedReceiver<Vec<u8>>,
) -> io::Result<()> {
    while let Some(text) = answers.recv().await {
        writer.write_all(&text).await?;
        unsent.fetch_sub(text.len(), Ordering::Relaxed);
    }
    writer.shutdown().await
}

fn commit(records: &mut Vec<(u64, Input)>, client: &mut Client, answers: &mut Vec<u8>, feeds: &Feeds) {
    let mut results: Vec<Option<Result<Outcome, RecordError>>> = Vec::with_capacity(records.len());
    results.resize_with(records.len(), || None);
    if records.iter().any(|(_, input)| matches!(input, Input::V4(_))) {
        client.revisions.0 = feeds.v4.shared.write(|store| {
            for ((_, input), result) in records.iter().zip(&mut results) {
                if let Input::V4(input) = input {
                    *result = Some(input.commit(store, feeds.v4.source));
                }
            }
            store.revision()
        });
    }
    if records.iter().any(|(_, input)| matches!(input, Input::V6(_))) {
        client.revisions.1 = feeds.v6.shared.write(|store| {
            for ((_, input), result) in records.iter().zip(&mut results) {
                if let Input::V6(input) = input {
                    *result = Some(input.commit(store, feeds.v6.source));
                }
            }
            store.revision()
        });
    }
    for ((number, _), result) in records.drain(..).zip(results.into_iter().flatten()) {
        match result {
            Ok(Outcome::Committed(_) | Outcome::Unchanged) => client.committed += 1,
            Ok(Outcome::Refused) => client.refuse(answers, number, "refused by the store"),
            Err(error) => client.refuse(answers, number, &error.to_string()),
        }
    }
}

enum Line {
    Whole,
    TooLong,
    Ended,
}

/// Reads one line, without its newline; of a line that is too long nothing is kept.
async fn next_line(reader: &mut (impl AsyncBufReadExt + Unpin), line: &mut Vec<u8>) -> io::Result<Line> {
    line.clear();
    let mut length = 0;
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return Ok(match length {
                0 => Line::Ended,
                _ if length > LINE => Line::TooLong,
                _ => Line::Whole,
            });
        }
        let newline = memchr::memchr(b'\n', available);
        let piece = &available[..newline.unwrap_or(available.len())];
        length += piece.len();
        if length <= LINE {
            line.extend_from_slice(piece);
        } else {
            *line = Vec::new();
        }
        let used = piece.len() + usize::from(newline.is_some());
        reader.consume(used);
        if newline.is_some() {
            return Ok(if length > LINE { Line::TooLong } else { Line::Whole });
        }
    }
}
