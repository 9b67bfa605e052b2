//! The writer at work: look, keep, append, take.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use link::bytes::{Scratch, offer};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::read;
use policy::audit::{Anchor, Continued, Head, Source, Torn, digest, members};
use serde::Serialize;

use super::compose::{self, Batch};
use super::file::{self, Log};
use super::past::Past;
use super::rate::Rate;
use super::state::{Origin, State};

/// How much of a pipe is looked at in one go.
const CHUNK: usize = 32 << 10;
/// How long lines may be in the log before the disk has them and the chain's new end is told.
const SYNC: Duration = Duration::from_secs(1);
/// How soon a log that takes nothing is tried again, in milliseconds.
const STALLED: u8 = 250;
/// A file that is over its limit at the start could not be rotated: it is asked for again after this.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a log may take nothing when nobody is left but the writer. After this what is in the pipes is given up.
const ORPHANED: Duration = Duration::from_secs(300);
/// How long the system's log may be gone before it is looked for anew.
const DEAF: Duration = Duration::from_secs(60);
/// Facility authpriv, severity informational.
const SYSLOG: &str = "<86>supervisor-audit: ";

/// The order of the pipes.
const SOURCES: [Source; 2] = [Source::Spawner, Source::Broker];

/// Something that the writer says itself.
#[derive(Serialize)]
struct Own<'a> {
    event: &'static str,
    detail: &'a str,
}

pub(super) struct Writer {
    log: Log,
    limit: Option<u64>,
    /// From when on the limit counts.
    patient: Instant,
    memory: file::Head,
    pipes: [OwnedFd; 2],
    open: [bool; 2],
    scratch: Scratch,
    syslog: Option<OwnedFd>,
    /// Since when the system's log is gone.
    deaf: Option<Instant>,
    /// How much the broker may say.
    rate: Rate,
    head: Head,
    serial: u64,
    /// Since when there is something that is not told.
    dirty: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        log: Log,
        memory: file::Head,
        pipes: [OwnedFd; 2],
        scratch: Scratch,
        syslog: Option<OwnedFd>,
    ) -> io::Result<Writer> {
        let limit = memory.limit()?;
        Ok(Writer {
            log,
            limit,
            patient: Instant::now(),
            memory,
            pipes,
            open: [true; 2],
            scratch,
            syslog,
            deaf: None,
            rate: Rate::new(i64::MAX, Instant::now()),
            head: Head::default(),
            serial: 0,
            dirty: None,
        })
    }

    /// Finds out where the last writer ended, and closes what it left open.
    pub(super) fn begin(&mut self, missing: &[&str]) -> io::Result<()> {
        match self.memory.state()? {
            Some(state) => self.resume(state)?,
            None => self.first()?,
        }
        self.carry_on()?;
        let (_, size) = self.log.look()?;
        if self.limit.is_some_and(|limit| size >= limit) {
            self.patient = Instant::now() + PATIENCE;
        }
        for layer in missing {
            let detail = format!("this system offers no {layer}");
            self.say(&members(&Own { event: "sandbox", detail: &detail }))?;
        }
        Ok(())
    }

    /// An empty file says what it continues.
    fn carry_on(&mut self) -> io::Result<()> {
        let (_, size) = self.log.look()?;
        if size > 0 || self.head.seq == 0 {
            return Ok(());
        }
        let line = members(&Continued::new(&self.head));
        self.say(&line)
    }

    /// After a writer of this daemon's: what it was at is finished, unless it was.
    fn resume(&mut self, state: State) -> io::Result<()> {
        let (file, size) = self.log.look()?;
        (self.serial, self.head) = (state.serial, state.after());
        self.rate = Rate::new(state.left, Instant::now());
        self.dirty = Some(Instant::now());
        if file == state.file {
            let there = size.checked_sub(state.at).and_then(|n| usize::try_from(n).ok());
            // The next daemon's writer was sooner, and has gone on from there: the chain is its own now.
            if there.is_some_and(|there| there > state.text.len()) && self.orphan() {
                return Err(io::Error::other("another writer has gone on with the log"));
            }
            // A file that somebody has cut meanwhile has nothing of it.
            self.append_all(state.text.get(there.unwrap_or(0)..).unwrap_or_default())?;
        }
        if let Some(from) = state.from {
            self.take(from, true)?;
        }
        Ok(())
    }

    /// The first of a daemon's: there is the log, and what its anchor said.
    fn first(&mut self) -> io::Result<()> {
        let (_, size) = self.log.look()?;
        let past = Past::of(&self.log, size)?;
        let anchor = self.memory.anchor()?;
        // It was rotated, and whoever did that was killed. Otherwise an empty log was emptied.
        let rotated = size == 0 && self.memory.older()?;
        let fits = match &anchor {
            Some(anchor) => rotated || past.fits(&self.log, size, anchor)?,
            None => true,
        };
        let anchored = anchor.as_ref().map(|anchor| anchor.head);
        self.head = past.last.or(anchored).unwrap_or_default();
        self.dirty = past.last.map(|_| Instant::now());
        if past.unended {
            self.append_all(b"\n")?;
        }
        if !past.torn.is_empty() {
            let (line, after) =
                self.head.next(&now(), Source::Audit, &members(&Torn::new(&past.torn)));
            // The end of the torn line, unless it has one.
            let mut last = [0];
            let ended = self.log.read(&mut last, size.saturating_sub(1))? == 1 && last == *b"\n";
            let text = if ended { line } else { format!("\n{line}") };
            self.put(Batch { text, after, taken: 0 }, None)?;
        }
        self.carry_on()?;
        if let Some(anchor) = anchor.filter(|_| !fits) {
            let detail = format!(
                "the anchor of {} says line {}, {}",
                anchor.time,
                anchor.head.seq,
                policy::audit::hex(&anchor.head.hash)
            );
            self.say(&members(&Own { event: "mismatch", detail: &detail }))?;
        }
        Ok(())
    }

    /// Writes until the file is to be rotated, or nobody is left.
    pub(super) fn run(&mut self) -> io::Result<()> {
        loop {
            let full = self.full()?;
            if full || self.open == [false; 2] {
                self.sync();
                return Ok(());
            }
            let ready = self.wait()?;
            for (pipe, ready) in ready.into_iter().enumerate() {
                if ready {
                    self.serve(pipe)?;
                }
            }
            // There may be a new socket for whoever comes next.
            if self.deaf.is_some_and(|since| since.elapsed() >= DEAF) && !self.orphan() {
                self.sync();
                return Ok(());
            }
            if self.dirty.is_some_and(|since| since.elapsed() >= SYNC) {
                self.sync();
            }
        }
    }

    fn full(&self) -> io::Result<bool> {
        let Some(limit) = self.limit.filter(|_| self.patient <= Instant::now()) else {
            return Ok(false);
        };
        // Without a spawner nobody would rotate it, and take what is left in the pipes.
        Ok(self.log.look()?.1 >= limit && !self.orphan())
    }

    /// Whether the spawner is gone: nobody can say anything for it any more.
    fn orphan(&self) -> bool {
        let Some(pipe) = self.pipes.first() else { return true };
        let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::empty())];
        let _ = poll(&mut fds, PollTimeout::ZERO);
        fds.iter().any(|fd| fd.revents().is_some_and(|is| is.contains(PollFlags::POLLHUP)))
    }

    /// Waits for something to be done. Gives which pipes have something, or have ended. A broker that has said too much
    /// is not listened to for a while, but what it has left at its end is.
    fn wait(&mut self) -> io::Result<[bool; 2]> {
        let held = self.rate.wait(Instant::now());
        let heard = [
            PollFlags::POLLIN,
            if held.is_some() { PollFlags::empty() } else { PollFlags::POLLIN },
        ];
        let open = self.pipes.iter().zip(heard).zip(self.open).filter(|(_, open)| *open);
        let mut fds: Vec<_> =
            open.map(|((pipe, events), _)| PollFd::new(pipe.as_fd(), events)).collect();
        let due = self.dirty.map(|since| SYNC.saturating_sub(since.elapsed()));
        let deaf = self.deaf.map(|since| DEAF.saturating_sub(since.elapsed()).max(SYNC));
        let timeout =
            [due, deaf, held].into_iter().flatten().min().map_or(PollTimeout::NONE, |due| {
                let millis = due.as_millis().saturating_add(1);
                u16::try_from(millis).map_or(PollTimeout::MAX, PollTimeout::from)
            });
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut said = fds.iter().map(|fd| fd.revents().is_none_or(|is| !is.is_empty()));
        Ok(self.open.map(|open| open && said.next().unwrap_or(false)))
    }

    /// Puts what a pipe has into the log.
    fn serve(&mut self, pipe: usize) -> io::Result<()> {
        let (Some(from), Some(source), Some(true)) =
            (self.pipes.get(pipe), SOURCES.get(pipe), self.open.get(pipe))
        else {
            return Ok(());
        };
        let mut bytes = vec![0; CHUNK];
        let got = match self.scratch.peek(from.as_fd(), &mut bytes) {
            Err(Errno::EAGAIN) => return Ok(()),
            got => got?,
        };
        if got == 0 {
            self.open.iter_mut().skip(pipe).take(1).for_each(|open| *open = false);
            return Ok(());
        }
        let bytes = bytes.get(..got).unwrap_or_default();
        let batch = compose::batch(self.head, *source, bytes, &now());
        let taken = batch.taken;
        let hash = digest(&[bytes.get(..taken).unwrap_or_default()]);
        if *source == Source::Broker {
            self.rate.take(batch.text.len());
        }
        self.put(batch, Some(Origin { pipe, taken, hash }))
    }

    /// Says something itself.
    fn say(&mut self, members: &str) -> io::Result<()> {
        let (text, after) = self.head.next(&now(), Source::Audit, members);
        self.put(Batch { text, after, taken: 0 }, None)
    }

    /// Keeps it for whoever comes after, appends it, and takes from the pipe what it was made of.
    fn put(&mut self, batch: Batch, from: Option<Origin>) -> io::Result<()> {
        let (file, at) = self.log.look()?;
        self.serial = self.serial.saturating_add(1);
        let state = State::new(self.serial, batch.after, batch.text.into_bytes(), from);
        let state = State { file, at, left: self.rate.left(), ..state };
        self.memory.keep(&state)?;
        let stalled = self.append_all(&state.text)?;
        if let Some(from) = from {
            self.take(from, false)?;
        }
        self.head = batch.after;
        self.dirty.get_or_insert_with(Instant::now);
        if let Some(why) = stalled {
            self.say(&members(&Own { event: "stalled", detail: &why }))?;
        }
        if !self.tell(&state.text) && self.deaf.is_none() {
            self.deaf = Some(Instant::now());
            let detail = "it takes nothing, from about here on; it is looked for again in a minute";
            self.say(&members(&Own { event: "syslog", detail }))?;
        }
        Ok(())
    }

    /// Appends it, however long that takes. Gives why it took long, if it did.
    fn append_all(&self, mut text: &[u8]) -> io::Result<Option<String>> {
        let (mut stalled, since) = (None, Instant::now());
        while !text.is_empty() {
            match self.log.append(text) {
                Ok(n) if n > 0 => text = text.get(n..).unwrap_or_default(),
                Ok(_) => pause(),
                Err(error) => {
                    if stalled.is_none() {
                        let why = error.to_string();
                        super::complain(&format!(
                            "CRIT the audit log takes nothing: {why}; make room, changes are refused until then\n"
                        ));
                        stalled = Some(why);
                    }
                    if since.elapsed() > ORPHANED && self.orphan() {
                        return Err(error);
                    }
                    pause();
                }
            }
        }
        Ok(stalled)
    }

    /// Takes bytes from a pipe whose lines are in the log. With `perhaps` they may be taken already.
    fn take(&self, from: Origin, perhaps: bool) -> io::Result<()> {
        let Some(pipe) = self.pipes.get(from.pipe) else {
            return Ok(());
        };
        let mut bytes = vec![0; from.taken];
        if perhaps {
            let got = match self.scratch.peek(pipe.as_fd(), &mut bytes) {
                Err(Errno::EAGAIN) => 0,
                got => got?,
            };
            if got != from.taken || digest(&[&bytes]) != from.hash {
                return Ok(());
            }
        }
        let mut got = 0;
        while got < from.taken {
            match read(pipe, bytes.get_mut(got..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Lets the system's log have it, as far as that takes it. False where it is gone.
    fn tell(&self, text: &[u8]) -> bool {
        let Some(socket) = &self.syslog else { return true };
        let gone = [Err(Errno::ECONNREFUSED), Err(Errno::ENOTCONN)];
        let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines
            .all(|line| !gone.contains(&offer(socket.as_fd(), &[SYSLOG.as_bytes(), line].concat())))
    }

    /// What is in the log goes to the disk, and then it is told where the chain stands.
    fn sync(&mut self) {
        if self.dirty.take().is_none() {
            return;
        }
        let told = self
            .log
            .sync()
            .and_then(|()| self.memory.publish(&Anchor { head: self.head, time: now() }));
        if told.is_err() {
            self.dirty = Some(Instant::now());
        }
    }
}

fn pause() {
    let _ = poll(&mut [], STALLED);
}

/// The time, RFC 3339, universal, with microseconds.
fn now() -> String {
    format!("{:.6}", Timestamp::now())
}
