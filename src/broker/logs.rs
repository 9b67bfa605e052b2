//! The log files as the broker deals with them: asked for before a program starts, opened by their names again, rotated,
//! cleared, and what is said of those that take nothing.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use privsep::reply::{Failure, Stage};
use privsep::request::{Log, Mode, Request, Slot};
use tokio::sync::oneshot;

use super::Broker;
use super::state::Pending;
use crate::config::settings::{Kind, Level, Of};
use crate::logs::{Event, Output, Route};
use crate::process::Input;

/// How long after a log that programs wait for could not be opened it is tried again.
const REOPEN: Duration = Duration::from_secs(2);
/// How soon the spawner is asked again for what it was busy with.
const AGAIN: Duration = Duration::from_millis(20);

impl Broker {
    /// Where a process's output goes.
    pub(super) fn route(&self, slot: Slot, output: Output) -> Route {
        let settings = self.settings();
        let Some(process) = settings.process(slot) else {
            return Route::default();
        };
        let mut route = Route::new(process, output, settings.strip_ansi);
        let group = settings.group(&process.group);
        if output == Output::Stdout && group.is_some_and(|g| matches!(g.of, Of::Pool { .. })) {
            // What a listener writes there is its protocol.
            (route.capture, route.syslog) = (None, None);
        }
        route.wants = self.wants(slot, output);
        // At this level the activity log has a copy of it all; the exchange says itself what it hears.
        let debug = settings.activity.level <= Level::Debug;
        route.chunks = debug && !route.wants.protocol;
        route.messages = debug && route.capture.is_some();
        route
    }

    /// The logs of a slot.
    fn logs_of(&self, slot: Slot) -> BTreeSet<Log> {
        let settings = self.settings();
        let process = settings.process(slot);
        process.into_iter().flat_map(|p| [p.stdout.log, p.stderr.log]).flatten().collect()
    }

    /// Starts a program, after its logs have been opened by their names: what another program writes to already stays.
    pub(super) fn spawn(&self, slot: Slot) {
        let mut closed = self.logs_of(slot);
        {
            let state = &mut *self.state.borrow_mut();
            closed.retain(|log| !(state.logs.is_open(*log) && state.logs.waits_for(*log)));
            state.parked.push(slot, closed.clone(), Instant::now());
        }
        self.start_parked();
        for log in closed {
            self.open(log, Mode::Reopen);
        }
    }

    /// Has the starts made whose logs are open.
    pub(super) fn start_parked(&self) {
        while let Some(slot) = { self.state.borrow_mut().parked.next(Instant::now()) } {
            self.link.send(Request::Spawn { slot });
        }
    }

    /// Asks for a log to write to, once.
    pub(super) fn open(&self, log: Log, mode: Mode) {
        if self.state.borrow_mut().opening.insert(log) {
            self.send(Request::OpenLog { log, mode }, Pending::Open(log, mode));
        }
    }

    /// Asks for the logs of a program that runs and whose logs are not open.
    pub(super) fn open_for(&self, slot: Slot) {
        for log in self.logs_of(slot) {
            if !self.state.borrow().logs.is_open(log) {
                self.open(log, Mode::Write);
            }
        }
    }

    /// A descriptor of a log has come.
    pub(super) fn opened(&self, seq: u32, log: Log, same: Log, fd: OwnedFd) {
        let mut state = self.state.borrow_mut();
        match state.pending.remove(&seq) {
            Some(Pending::Read(client)) => {
                let _ = client.send(Ok(fd.into()));
                return;
            }
            Some(Pending::Open(log, _)) => {
                state.opening.remove(&log);
                state.unopened.remove(&log);
            }
            Some(Pending::ReopenToClear(log, client)) => {
                state.logs.opened(log, same, fd, Instant::now());
                state.logs.hold(log, Instant::now());
                drop(state);
                return self.send(Request::ClearLog { log }, Pending::Clear(log, client));
            }
            // Closed meanwhile: nobody writes to it.
            Some(Pending::Reopen(_) | Pending::Rotate(_))
                if !state.logs.is_open(log) && !state.logs.is_syslog(log) =>
            {
                return;
            }
            Some(Pending::Reopen(_) | Pending::Rotate(_)) => {}
            Some(
                Pending::Signal { .. } | Pending::Clear(..) | Pending::Reread | Pending::Helper(_),
            )
            | None => return,
        }
        if !self.settings().logs.contains_key(&log) {
            // Whose it was has been removed meanwhile; the number may become another log's.
            return;
        }
        state.logs.opened(log, same, fd, Instant::now());
        drop(state);
        self.after_logs();
        self.unpark(log);
    }

    /// Starts what has waited for this log, unless it waits for another.
    fn unpark(&self, log: Log) {
        self.state.borrow_mut().parked.opened(log);
        self.start_parked();
    }

    /// The outcome of a request about a log that brings no descriptor.
    pub(super) fn log_done(&self, pending: Pending, result: Result<(), Errno>) {
        if result == Err(Errno::EBUSY)
            && let Some(request) = request_of(&pending)
        {
            let mut state = self.state.borrow_mut();
            state.again.push((request, pending));
            state.again_at = Some(Instant::now() + AGAIN);
            return;
        }
        let error = result.err().unwrap_or(Errno::EIO);
        match pending {
            Pending::Open(log, _) => {
                self.state.borrow_mut().opening.remove(&log);
                self.not_opened(log, error);
            }
            Pending::Reopen(log) => self.not_reopened(log, error),
            Pending::Read(client) => drop(client.send(Err(error.into()))),
            Pending::Rotate(log) => {
                if !matches!(result, Ok(()) | Err(Errno::EAGAIN)) {
                    let text = format!("could not rotate {}: {}", self.log_name(log), said(error));
                    self.line(Level::Error, &text);
                }
                self.state.borrow_mut().logs.release(log, result, Instant::now());
            }
            Pending::ReopenToClear(log, client) => {
                self.send(Request::ClearLog { log }, Pending::Clear(log, client));
            }
            Pending::Clear(log, client) => {
                self.state.borrow_mut().logs.release(log, Ok(()), Instant::now());
                let _ = client.send(result.map_err(io::Error::from));
            }
            Pending::Signal { .. } | Pending::Reread | Pending::Helper(_) => {}
        }
        self.after_logs();
    }

    /// A log could not be opened: starts that wait for it have failed; running programs wait for another try.
    fn not_opened(&self, log: Log, errno: Errno) {
        let mut state = self.state.borrow_mut();
        // A FIFO that nobody reads yet. Its programs are not to wait for a reader.
        let unread = errno == Errno::ENXIO;
        let wanted = state.parked.waits_for(log);
        let parked = if unread { Vec::new() } else { state.parked.give_up(log) };
        let waits = state.logs.waits_for(log) || self.settings().activity.log == Some(log);
        let waits = waits || unread && wanted;
        let first = waits && !state.logs.is_syslog(log) && state.unopened.insert(log);
        if waits {
            state.logs.not_opened(log, errno, Instant::now());
            state.reopen_at = Some(Instant::now() + REOPEN);
        }
        drop(state);
        if first {
            let text = format!(
                "could not open {}: {}; it is tried again, what comes waits in the pipes and is dropped when they are \
                 full",
                self.log_name(log),
                said(errno)
            );
            self.line(Level::Error, &text);
        }
        if unread {
            return self.unpark(log);
        }
        self.start_parked();
        for slot in parked {
            let failure = Failure { stage: Stage::Pipes, errno: errno as i32 };
            self.input(Input::SpawnFailed { slot, failure });
        }
    }

    /// Tries logs again that could not be opened.
    pub(super) fn open_again(&self) {
        let mut state = self.state.borrow_mut();
        if state.reopen_at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        state.reopen_at = None;
        let logs: Vec<Log> = state.unopened.iter().copied().collect();
        drop(state);
        for log in logs {
            self.open(log, Mode::Write);
        }
    }

    /// Asks once more for what the spawner was busy with.
    pub(super) fn ask_again(&self) {
        let mut state = self.state.borrow_mut();
        if state.again_at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        state.again_at = None;
        let again = std::mem::take(&mut state.again);
        drop(state);
        for (request, pending) in again {
            self.send(request, pending);
        }
    }

    /// Opens every log by its name again: somebody has moved the files.
    pub(super) fn reopen_logs(&self) {
        let logs = {
            let state = &mut *self.state.borrow_mut();
            let mut logs = state.logs.open_logs();
            for log in &logs {
                state.logs.hold(*log, Instant::now());
            }
            // What is on its way may be the old file.
            logs.extend(&state.opening);
            logs.into_iter().collect::<BTreeSet<Log>>()
        };
        for log in logs {
            self.send(Request::OpenLog { log, mode: Mode::Reopen }, Pending::Reopen(log));
        }
    }

    fn not_reopened(&self, log: Log, errno: Errno) {
        let mut state = self.state.borrow_mut();
        if state.logs.is_syslog(log) {
            return state.logs.not_opened(log, errno, Instant::now());
        }
        let open = state.logs.is_open(log);
        state.logs.release(log, Ok(()), Instant::now());
        drop(state);
        if open {
            let text = format!("could not reopen {}: {}", self.log_name(log), said(errno));
            self.line(Level::Error, &text);
        }
    }

    /// Empties a log: the file that has its name now, whatever became of the one that is open.
    pub(super) fn clear(&self, log: Log, client: oneshot::Sender<io::Result<()>>) {
        let open = {
            let logs = &mut self.state.borrow_mut().logs;
            logs.hold(log, Instant::now());
            logs.is_open(log)
        };
        if open {
            let request = Request::OpenLog { log, mode: Mode::Reopen };
            self.send(request, Pending::ReopenToClear(log, client));
        } else {
            self.send(Request::ClearLog { log }, Pending::Clear(log, client));
        }
    }

    /// A log as a message names it.
    fn log_name(&self, log: Log) -> String {
        match self.settings().logs.get(&log) {
            Some(file) if file.kind == Kind::Syslog => "the system's log".to_owned(),
            Some(file) => file.path.clone(),
            None => format!("log {log}"),
        }
    }

    fn process_name(&self, slot: Slot) -> String {
        let settings = self.settings();
        settings.process(slot).map_or_else(|| "?".to_owned(), |process| process.name.clone())
    }

    /// What the logs want, or tell.
    pub(super) fn log_event(&self, event: Event) {
        match event {
            Event::Rotate(log) => self.send(Request::RotateLog { log }, Pending::Rotate(log)),
            Event::Reopen(log) => {
                let mode = Mode::Reopen;
                self.send(Request::OpenLog { log, mode }, Pending::Reopen(log));
            }
            Event::Trouble(log, errno) => self.say_trouble(log, errno),
            Event::Works(log, dropped) => self.say_works(log, dropped),
            Event::Lost(slot, bytes) => {
                let text = format!(
                    "gave up {bytes} bytes that {} had left behind: its log could not take them",
                    self.process_name(slot)
                );
                self.line(Level::Error, &text);
            }
            Event::Chunk(slot, output, text) => {
                let name = self.process_name(slot);
                let text = String::from_utf8_lossy(&text);
                self.line(Level::Debug, &format!("'{name}' {} output:\n{text}", output.name()));
            }
            Event::Captured(slot, output, _) => {
                let name = self.process_name(slot);
                self.line(
                    Level::Debug,
                    &format!("'{name}' {} emitted a comm event", output.name()),
                );
            }
            Event::Drained(slot, instance) => self.drained(slot, instance),
        }
    }

    fn say_trouble(&self, log: Log, errno: Errno) {
        let how = match self.settings().logs.get(&log) {
            Some(file) if file.kind == Kind::Syslog => "lines for it are dropped",
            _ => "what comes waits in the pipes and is dropped when they are full",
        };
        let name = self.log_name(log);
        let text = format!("could not write to {name}: {}; it is tried again, {how}", said(errno));
        self.line(Level::Critical, &text);
    }

    fn say_works(&self, log: Log, dropped: u64) {
        let unit = match self.settings().logs.get(&log) {
            Some(file) if file.kind == Kind::Syslog => "lines",
            _ => "bytes",
        };
        let name = self.log_name(log);
        if dropped == 0 {
            self.line(Level::Info, &format!("{name} can be written to again"));
        } else {
            let text = format!("{name} can be written to again; {dropped} {unit} were dropped");
            self.line(Level::Warn, &text);
        }
    }
}

fn said(errno: Errno) -> io::Error {
    errno.into()
}

/// What was asked for.
fn request_of(pending: &Pending) -> Option<Request> {
    Some(match pending {
        Pending::Open(log, mode) => Request::OpenLog { log: *log, mode: *mode },
        Pending::Reopen(log) | Pending::ReopenToClear(log, _) => {
            Request::OpenLog { log: *log, mode: Mode::Reopen }
        }
        Pending::Read(_) | Pending::Signal { .. } | Pending::Reread | Pending::Helper(_) => {
            return None;
        }
        Pending::Rotate(log) => Request::RotateLog { log: *log },
        Pending::Clear(log, _) => Request::ClearLog { log: *log },
    })
}
