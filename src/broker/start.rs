//! From exec to service: everything is made, then the sandbox is entered, then the spawner is told.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;

use link::bytes::Scratch;
use link::{Journal, Spawner, Watch, inherited};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use policy::LockedDown;
use policy::access::Access;
use privsep::reply::{Cause, Reply};
use privsep::request::{Mode, Request, Slot};
use privsep::start::SETTINGS_MAX;
use tokio::sync::Notify;
use tokio::task::LocalSet;

use super::Broker;
use super::activity::Before;
use super::audit::Mouth;
use super::eager::Eager;
use super::groups::known_before;
use super::leftover::{Leftover, children_of};
use super::post::Post;
use super::signals::{WISH_AT, Wish};
use super::state::State;
use super::stdin::Inputs;
use crate::config::settings::{Level, Settings};
use crate::http;
use crate::logs::activity::Activity;
use crate::logs::clock::Clock;
use crate::logs::{JOURNAL_STREAMS_AT, Logs, Tools};
use crate::process::Heart;

/// Exit status of a start that cannot be.
const FAILED: u8 = 2;

/// What is made before the sandbox.
struct Made {
    socket: OwnedFd,
    null: File,
    scratch: Scratch,
    pid: i32,
    children: Option<File>,
}

/// What the spawner gives first.
struct Greeting {
    settings: Settings,
    journal: Journal,
    stdout: Option<OwnedFd>,
    /// The audit writer's process id, and where it is told.
    audit: Option<(i32, OwnedFd)>,
    listeners: u32,
    before: Before,
}

/// Runs the broker. It ends when the spawner is gone; an exit status of 2 is a start that cannot be, with the reason
/// on standard error.
pub fn main() -> ExitCode {
    match make().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not a print macro: those panic when nobody is there to read.
            let _ = writeln!(io::stderr(), "Error: the broker could not start: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn failed(what: &str) -> impl FnOnce(io::Error) -> io::Error {
    move |e| io::Error::new(e.kind(), format!("{what}: {e}"))
}

fn make() -> io::Result<Made> {
    policy::harden().map_err(|e| io::Error::other(e.to_string()))?;
    // The kernel forgets this when a process changes its user id, so it is ours to ask for. A spawner that is gone
    // already shows as the end of the socket.
    set_pdeathsig(Signal::SIGKILL)?;
    let socket = inherited::socket();
    let pid = getppid().as_raw();
    Ok(Made {
        socket: socket.ok_or_else(|| io::Error::other("it is started by supervisord alone"))?,
        null: OpenOptions::new()
            .write(true)
            .open("/dev/null")
            .map_err(failed("/dev/null cannot be opened"))?,
        scratch: Scratch::new()
            .map_err(io::Error::from)
            .map_err(failed("a pipe cannot be made"))?,
        pid,
        children: children_of(pid),
    })
}

fn run(made: Made) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(failed("the loop cannot be made"))?;
    LocalSet::new().block_on(&runtime, async {
        let link = Spawner::new(made.socket)?;
        let tools = Tools {
            watch: Rc::new(Watch::new().map_err(failed("pipes cannot be watched"))?),
            scratch: made.scratch,
            null: made.null,
        };
        // The only other thread: none can be made later.
        let hasher = http::Hasher::shut_in().map_err(failed("no thread for passwords"))?;
        let gate = Rc::new(http::Gate::new(hasher)?);
        let locked = policy::broker_lockdown(false).map_err(|e| io::Error::other(e.to_string()))?;
        take_over(link, tools, (made.pid, made.children), gate, &locked).await
    })
}

/// Says that it is ready, takes what it is given, and serves to the end.
async fn take_over(
    link: Spawner,
    tools: Tools,
    (pid, children): (i32, Option<File>),
    gate: Rc<http::Gate>,
    locked: &LockedDown,
) -> io::Result<()> {
    let Some((broker, listeners)) = prepare(link, tools, pid, locked.missing()).await? else {
        return Ok(());
    };
    let mut leftover = Leftover::new(children);
    if broker.settings().servers.iter().any(|server| server.pam) {
        // The former broker's helpers may still be there.
        leftover.helped(Instant::now());
    }
    broker.state.borrow_mut().leftover = leftover;
    serve(&broker, &gate, listeners, locked);
    ended(broker.run().await)
}

/// Up to the moment of service. `None` when the spawner is gone.
pub(super) async fn prepare(
    link: Spawner,
    tools: Tools,
    pid: i32,
    missing: &[&str],
) -> io::Result<Option<(Rc<Broker>, Listeners)>> {
    link.send(Request::Ready);
    let Some(greeting) = greeting(&link).await? else {
        return Ok(None);
    };
    if greeting.settings.sandbox_required && !missing.is_empty() {
        let layers = missing.join(" and no ");
        let text = format!(
            "sandbox=required, but this system offers no {layers}; use a kernel with it or set \
             sandbox=auto"
        );
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    let (before, count) = (greeting.before, greeting.listeners);
    let null = tools.null.try_clone()?;
    let broker = Rc::new(assemble(link, tools, pid, greeting));
    let Some(listeners) = hand_back(&broker, count, before, missing).await? else {
        return Ok(None);
    };
    if broker.settings().daemon {
        let _ = inherited::silence(null.as_fd());
    }
    Ok(Some((broker, listeners)))
}

/// The spawner's end is ours; anything else is a reason to tell.
pub(super) fn ended(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Ok(()),
        _ => Err(error),
    }
}

/// The first message. `None` when the spawner is gone.
async fn greeting(link: &Spawner) -> io::Result<Option<Greeting>> {
    let (reply, fds) = match link.recv().await {
        Ok(message) => message,
        Err(error) => return ended(error).map(|()| None),
    };
    let Reply::Hello { epoch, listeners, predecessors, cause, detail, stdout, audit } = reply
    else {
        return Err(io::Error::other("the spawner did not greet first"));
    };
    let mut fds = fds.into_iter();
    let (Some(settings), Some(journal)) = (fds.next(), fds.next()) else {
        return Err(io::Error::other("the greeting came without its descriptors"));
    };
    let journal = Journal::map(journal.as_fd())?;
    let before = Before { epoch, predecessors, cause, detail };
    // A later reading may have left nonsense, of which a former broker has told; what is in force goes on.
    let left = || in_force(journal.text().as_deref(), before);
    let settings = read_settings(settings).or_else(|error| left().ok_or(error));
    let stdout = if stdout { fds.next() } else { None };
    let audit = audit.and_then(|writer| Some((writer, fds.next()?)));
    Ok(Some(Greeting { settings: settings?, journal, stdout, audit, listeners, before }))
}

/// All bytes of what the reader wrote.
pub(super) fn contents(fd: OwnedFd) -> io::Result<Vec<u8>> {
    let size = link::bytes::end_of(fd.as_fd())?.unwrap_or(0);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if size > SETTINGS_MAX {
        return Err(io::Error::other("the settings are over their limit"));
    }
    let mut bytes = vec![0; size];
    File::from(fd).read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

fn read_settings(fd: OwnedFd) -> io::Result<Settings> {
    let settings = Settings::decode(&contents(fd)?);
    settings.ok_or_else(|| io::Error::other("the settings make no sense"))
}

/// The settings that a former broker had in force, where those are not simply the last reading. One that broke the
/// rules of the border is not believed: what it left could have each of its successors break them too.
fn in_force(text: Option<&[u8]>, before: Before) -> Option<Settings> {
    Settings::decode(text.filter(|_| before.cause != Cause::Misbehaved)?)
}

/// The same without what is not for a former broker to say: whom a server lets in, which logs are a process's, and what its
/// labels are. Gives the entries that the last reading does not have, too: what those write goes where the left settings say,
/// but nobody is shown a log by those.
fn vouched(mut left: Settings, latest: &Settings) -> (Settings, BTreeSet<Slot>) {
    let mut others = BTreeSet::new();
    // One whose section is gone serves as before until the restart; over TLS nobody, as it has no key.
    for server in &mut left.servers {
        let read = latest.servers.iter().find(|read| read.socket == server.socket);
        read.into_iter().for_each(|read| server.clone_from(read));
    }
    for (slot, process) in &mut left.processes {
        match latest.process(*slot) {
            Some(known) if known.is_named_as(process) => {
                process.stdout.log = known.stdout.log;
                process.stderr.log = known.stderr.log;
                process.labels.clone_from(&known.labels);
            }
            _ => {
                others.insert(*slot);
            }
        }
    }
    for (log, file) in &mut left.logs {
        if let Some(known) = latest.logs.get(log) {
            file.clone_from(known);
        }
    }
    (left, others)
}

fn assemble(link: Spawner, tools: Tools, pid: i32, greeting: Greeting) -> Broker {
    let Greeting { settings: latest, journal, before, .. } = greeting;
    let latest = Rc::new(latest);
    // Never those that a former broker left.
    let access = RefCell::new(Rc::new(Access::new(latest.access.clone())));
    let succeeds = before.predecessors > 0;
    let text = succeeds.then(|| journal.text()).flatten();
    let left = in_force(text.as_deref(), before).map(|left| vouched(left, &latest));
    let refused = text.is_some() && left.is_none();
    let (left, unvouched) = left.unzip();
    let active = left.map_or_else(|| Rc::clone(&latest), Rc::new);
    let journal = Rc::new(journal);
    let post = Rc::new(Post::new(&active, Rc::clone(&journal), before.cause));
    for (cell, payload) in post.redo() {
        journal.patch(cell, 0, payload.get(..JOURNAL_STREAMS_AT).unwrap_or_default());
    }
    let slots = active.processes.last_key_value().and_then(|(slot, _)| usize::try_from(*slot).ok());
    let cells: Vec<_> = (0..slots.map_or(1, |n| n + 2)).map(|n| journal.read(n)).collect();
    let wish = cells.first().and_then(|cell| cell.as_ref()?.get(WISH_AT).copied());
    let watch = Rc::clone(&tools.watch);
    let clock = Clock::new(&active.zone);
    let zone = clock.zone().clone();
    let activity = Activity::new(&active.activity, greeting.stdout, clock);
    let mut logs = Logs::new(tools, Some(Rc::clone(&journal)), Clock::new(&active.zone));
    logs.listen(Rc::<Post>::clone(&post));
    logs.configure(&active.logs, active.activity.log);
    if succeeds {
        logs.take_over();
    }
    let heart = Heart::new(&active, &cells);
    let mut state = State::new(heart, logs, Inputs::new(Rc::clone(&watch)), activity, latest);
    state.wish = Wish::decode(wish);
    state.unvouched = unvouched.unwrap_or_default();
    (state.written, state.unwritten) = (text.is_some(), refused);
    // What a former broker had not come to.
    state.settle_at = succeeds.then(Instant::now);
    state.known.extend(active.processes.keys());
    state.known.extend(known_before(&journal));
    let (state, active) = (RefCell::new(state), RefCell::new(active));
    let (eager, kick) = (Eager::default(), Notify::new());
    let (writer, audit) = greeting.audit.unzip();
    let audit = Mouth::new(audit, writer, before.predecessors);
    Broker { access, active, zone, pid, link, watch, journal, post, eager, audit, state, kick }
}

type Listeners = Vec<(u32, OwnedFd)>;

/// Takes listeners and what runs, up to `Complete`. `None` when the spawner is gone.
async fn hand_back(
    broker: &Broker,
    count: u32,
    before: Before,
    missing: &[&str],
) -> io::Result<Option<Listeners>> {
    if let Some(log) = broker.settings().activity.log {
        broker.open(log, Mode::Write);
    }
    if before.predecessors == 0 {
        broker.say_started(before);
    } else {
        broker.say_replaced(before);
    }
    broker.say_missing(missing);
    let mut listeners = Vec::new();
    while !broker.state.borrow().complete {
        let (reply, fds) = match broker.link.recv().await {
            Ok(message) => message,
            Err(error) => return ended(error).map(|()| None),
        };
        match (reply, fds.len()) {
            (Reply::Listener { index }, 1) => {
                listeners.extend(fds.into_iter().map(|fd| (index, fd)));
            }
            _ => broker.told(reply, fds),
        }
    }
    if u32::try_from(listeners.len()) != Ok(count) {
        return Err(io::Error::other("the spawner kept listeners back"));
    }
    Ok(Some(listeners))
}

/// Serves the HTTP servers. Whoever calls this is in the sandbox.
fn serve(broker: &Rc<Broker>, gate: &Rc<http::Gate>, listeners: Listeners, locked: &LockedDown) {
    for (index, fd) in listeners {
        let settings = broker.settings();
        let Some(server) = settings.servers.iter().find(|s| s.socket == index) else {
            continue;
        };
        let Some(fd) = admit(broker, fd, locked) else {
            continue;
        };
        let listener = http::Listener::from(fd);
        let serving = http::serve(Rc::clone(broker), Rc::clone(gate), listener, server.clone());
        tokio::task::spawn_local(serving);
    }
}

/// Without seccomp, a server that others than this machine reach is not served.
fn admit(broker: &Broker, fd: OwnedFd, locked: &LockedDown) -> Option<OwnedFd> {
    if !locked.missing().contains(&"seccomp") {
        return Some(fd);
    }
    let listener = TcpListener::from(fd);
    match listener.local_addr() {
        Ok(address) if !address.ip().is_loopback() => {
            let text = format!(
                "{address} is not served: without seccomp only loopback addresses and unix sockets \
                 are"
            );
            broker.line(Level::Critical, &text);
            None
        }
        _ => Some(listener.into()),
    }
}
