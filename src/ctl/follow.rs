//! Following logs until the streams end or the user has seen enough.

use std::io::{self, BufReader, PipeReader, Read};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::follower::{self, Follower, Missing};
use super::http::Stream;
use super::interrupt::{self, Listener};
use super::log::{Log, last_lines};
use super::out::{Problem, complain};
use super::server::Server;
use super::session::{Session, status};
use super::sink::Sink;
use super::trouble::Trouble;

/// A log that is to be followed.
#[derive(Debug, Clone)]
pub struct Source {
    /// What is followed, and as what it is shown.
    pub log: Log,
    /// How many lines of what is there already are shown first; `None` for as much as the daemon gives.
    pub lines: Option<usize>,
}

/// A stream whose reads end when the user interrupts.
struct Watched {
    stream: Stream,
    interrupts: Listener,
    interrupted: bool,
}

impl Read for Watched {
    /// An interrupt looks like the end of the stream, and is noted.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.stream.holds_more() {
                return self.stream.read(buffer);
            }
            let [interrupt, stream] = wait_for([self.interrupts.as_fd(), self.stream.as_fd()])?;
            if interrupt {
                self.interrupts.take();
                self.interrupted = true;
                return Ok(0);
            }
            if stream && self.stream.take_in()? {
                return self.stream.read(buffer);
            }
        }
    }
}

/// Which of the two has something to read.
fn wait_for(fds: [std::os::fd::BorrowedFd<'_>; 2]) -> io::Result<[bool; 2]> {
    let mut ready = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    match poll(&mut ready, PollTimeout::NONE) {
        Ok(_) => Ok(ready.map(|fd| fd.any().unwrap_or(false))),
        Err(Errno::EINTR) => Ok([false; 2]),
        Err(errno) => Err(errno.into()),
    }
}

/// How following a log ended.
enum End {
    /// The daemon ended the stream, or nobody reads it any more.
    Stream,
    /// The daemon went away.
    Daemon,
    /// It could not be followed, for this reason.
    Refused(String),
}

/// Shows a log from its end on.
pub fn follow(session: &mut Session, source: &Source) -> Result<(), Trouble> {
    // Before the first line, which people and scripts take for the leave to interrupt.
    let interrupts = interrupt::listen()?;
    begin(session);
    let sink = Sink::new(&session.out, &source.log, false);
    let end = match follower::connect(&session.server, &source.log.path) {
        Ok(stream) => {
            let mut reader = BufReader::new(Watched { stream, interrupts, interrupted: false });
            let end = show(&mut reader, &session.server, source, sink);
            if reader.get_ref().interrupted {
                session.say_unless_json("");
                return Ok(());
            }
            end
        }
        Err(trouble) => End::Refused(format!("Cannot connect, error: {trouble}")),
    };
    tell(session, &source.log, end);
    Ok(())
}

/// Shows logs from their ends on, line by line, each with its name in front.
pub fn follow_all(session: &mut Session, sources: &[Source]) -> Result<(), Trouble> {
    let interrupts = interrupt::listen()?;
    begin(session);
    // It ends when the last of the threads has ended.
    let (ended, running) = io::pipe()?;
    let mut followers = Vec::new();
    for source in sources {
        let sink = Sink::new(&session.out, &source.log, true);
        match follower::connect(&session.server, &source.log.path) {
            Ok(stream) => {
                let (server, source) = (session.server.again(), source.clone());
                let alive = running.try_clone()?;
                followers.push(Follower::start(stream, move |reader| {
                    let end = show(reader, &server, &source, sink);
                    drop(alive);
                    (source.log, end)
                })?);
            }
            Err(trouble) => {
                let text = format!("Cannot connect, error: {trouble}");
                tell(session, &source.log, End::Refused(text));
            }
        }
    }
    drop(running);
    let interrupted = wait(&interrupts, &ended)?;
    for follower in followers {
        if let Some((log, end)) = follower.end(interrupted)
            && !interrupted
        {
            tell(session, &log, end);
        }
    }
    if interrupted {
        session.say_unless_json("");
    }
    Ok(())
}

/// Waits for the user or the end of all; whether it was the user.
fn wait(interrupts: &Listener, ended: &PipeReader) -> io::Result<bool> {
    loop {
        let [interrupt, end] = wait_for([interrupts.as_fd(), ended.as_fd()])?;
        if interrupt {
            interrupts.take();
        }
        if interrupt || end {
            return Ok(interrupt);
        }
    }
}

fn begin(session: &mut Session) {
    session.streamed = true;
    session.say_unless_json("==> Press Ctrl-C to exit <==");
}

/// Says how it ended, where that is worth a word, and sets the exit status.
fn tell(session: &mut Session, log: &Log, end: End) {
    let (text, failed) = match end {
        End::Stream => return,
        End::Daemon => ("supervisord has closed the connection".to_owned(), false),
        End::Refused(text) => (text, true),
    };
    if session.out.json() {
        let code = if failed { "CANNOT_FOLLOW" } else { "DISCONNECTED" };
        session.out.error("", Problem { code, message: &text, name: Some(&log.name) });
    } else {
        let line = format!("{}{} {text}", session.server.url, log.path);
        complain(&line, session.out.raw());
    }
    if failed {
        session.exit = status::GENERIC;
    }
}

/// Copies the stream to the sink until it ends.
fn show<R: Read>(
    reader: &mut BufReader<R>,
    server: &Server,
    source: &Source,
    mut sink: Sink,
) -> End {
    let mut body = match follower::body(reader) {
        Ok(body) => body,
        Err(Missing::Head(error)) => {
            return End::Refused(format!("Cannot connect, error: {}", Trouble::from(error)));
        }
        Err(Missing::Status(403)) => {
            return End::Refused("Cannot read, status code 403: not allowed: log".to_owned());
        }
        Err(Missing::Status(status)) => {
            return End::Refused(format!("Cannot read, status code {status}"));
        }
    };
    let mut lines = source.lines;
    let copied = follower::parts(&mut body, |part| match lines.take() {
        None => sink.take(part),
        // The stream begins with so many bytes; where lines are asked for, what is before them is looked up.
        Some(lines) => match source.log.before_end_of(server, part, lines) {
            Some(text) => sink.take(text.as_bytes()),
            None => sink.take(last_lines(&String::from_utf8_lossy(part), lines).as_bytes()),
        },
    });
    sink.end();
    match copied {
        // Streams of the reference end by the connection's end, ours by an end of their own where the log is gone.
        Ok(()) => End::Stream,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => End::Daemon,
        Err(error) => End::Refused(format!("Cannot read, error: {error}")),
    }
}
