//! `fg`: what a process writes comes to the terminal, what is typed goes to the process.

use std::io::{self, BufReader, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::address::Address;
use super::escape::Cleaner;
use super::http::{Body, Stream, get, read_head};
use super::input::{self, Found};
use super::interrupt::{self, Listener};
use super::out::complain;
use super::quote;
use super::server::Info;
use super::session::{Session, status};
use super::trouble::Trouble;
use crate::rpc::fault::Code;
use crate::rpc::xml::Value;

const RUNNING: i64 = 20;
/// How often it is looked whether the process still runs, in milliseconds.
const LOOK: u16 = 500;
/// After what silence of the process nothing more is waited for.
const QUIET: Duration = Duration::from_millis(300);
/// The same where lines come from a pipe, whose end says nothing about the answers to them: the reference's daemon looks
/// at a log once a second.
const ANSWER: Duration = Duration::from_millis(1500);
/// How long a process that does not fall silent is listened to at most.
const LONGEST: Duration = Duration::from_secs(5);

/// `fg NAME`
pub fn run(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    if !session.upcheck()? {
        return Ok(());
    }
    let names: Vec<&str> = rest.split_whitespace().collect();
    let refusal = match names.as_slice() {
        [] => "ERROR: no process name supplied",
        [name] => match state_of(session, name)? {
            Ok(RUNNING) => return talk(session, name),
            Ok(_) => "ERROR: process not running",
            Err(text) => {
                session.error(text, "REFUSED");
                return Ok(());
            }
        },
        _ => "ERROR: too many process names supplied",
    };
    session.error(refusal, "REFUSED");
    session.exit = status::GENERIC;
    if names.is_empty() {
        super::actions::help::explain(session, "fg");
    }
    Ok(())
}

/// The state of a process, or the line that says why it cannot be told.
fn state_of(session: &mut Session, name: &str) -> Result<Result<i64, String>, Trouble> {
    match session.try_call("supervisor.getProcessInfo", &[name.into()])? {
        Ok(answer) => Ok(Ok(Info::try_from(&answer)?.state)),
        Err(fault) if fault.code == Code::BadName.number() => {
            session.exit = status::GENERIC;
            Ok(Err("ERROR: bad process name supplied".to_owned()))
        }
        Err(fault) => Ok(Err(format!("ERROR: <Fault {}: {}>", fault.code, quote(&fault.text)))),
    }
}

/// Why the conversation is over.
enum End {
    /// The person has left, after sending something or not.
    Left {
        /// Whether a line was sent.
        asked: bool,
    },
    /// So has the process.
    Killed,
    /// A line could not be sent or the state could not be told, for this reason.
    Refused(String),
}

fn talk(session: &mut Session, name: &str) -> Result<(), Trouble> {
    let interrupts = interrupt::listen()?;
    session.say("==> Press Ctrl-C to exit <==");
    let (shown, output) = mpsc::channel();
    let channels = ["stdout", "stderr"];
    let follow = |channel: &&str| Follower::start(session, name, channel, shown.clone());
    let followers: Vec<Follower> = channels.iter().filter_map(follow).collect();
    let end = converse(session, name, &interrupts, &output);
    if !interrupts.take() {
        let piped = !io::stdin().is_terminal() && matches!(end, Ok(End::Left { asked: true }));
        settle(&output, if piped { ANSWER } else { QUIET });
    }
    followers.into_iter().for_each(Follower::stop);
    match end? {
        End::Left { .. } => {}
        End::Killed => session.say("Process got killed"),
        End::Refused(text) => session.say(text),
    }
    session.say("Exiting foreground");
    Ok(())
}

/// Lets what was written last be shown.
fn settle(output: &Receiver<()>, quiet: Duration) {
    let end = Instant::now() + LONGEST;
    while Instant::now() < end && output.recv_timeout(quiet).is_ok() {}
}

/// Sends line by line, until one side has enough.
fn converse(
    session: &mut Session,
    name: &str,
    interrupts: &Listener,
    output: &Receiver<()>,
) -> Result<End, Trouble> {
    let mut found = input::waiting();
    let mut asked = false;
    loop {
        match found {
            Found::End => return Ok(End::Left { asked }),
            Found::Nothing => {}
            Found::Line(line) => {
                // What was shown before is no answer to it.
                output.try_iter().for_each(drop);
                asked = true;
                if let Some(end) = send(session, name, &line)? {
                    return Ok(end);
                }
            }
        }
        found = input::waiting();
        if found != Found::Nothing {
            continue;
        }
        let stdin = io::stdin();
        let mut ready = [
            PollFd::new(interrupts.as_fd(), PollFlags::POLLIN),
            PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
        ];
        let count = poll(&mut ready, PollTimeout::from(LOOK)).unwrap_or(0);
        let [interrupt, typed] = ready.map(|fd| fd.any().unwrap_or(false));
        if interrupt {
            return Ok(End::Left { asked });
        }
        if count > 0 && typed {
            found = input::read()?;
        } else if let Some(end) = gone(session, name)? {
            return Ok(end);
        }
    }
}

/// Sends a line; why that was the last one, if it was.
fn send(session: &mut Session, name: &str, line: &[u8]) -> Result<Option<End>, Trouble> {
    let line = match sendable(line) {
        Ok(line) => line,
        Err(what) => {
            session.say(format_args!("ERROR: not sent: XML-RPC cannot carry {what}"));
            return Ok(None);
        }
    };
    let chars = Value::from(format!("{line}\n").as_str());
    match session.try_call("supervisor.sendProcessStdin", &[name.into(), chars])? {
        Ok(_) => gone(session, name),
        Err(fault) if fault.code == Code::NotRunning.number() => Ok(Some(End::Killed)),
        Err(fault) => {
            Ok(Some(End::Refused(format!("ERROR: <Fault {}: {}>", fault.code, quote(&fault.text)))))
        }
    }
}

/// A line as text, or what of it no XML can hold.
fn sendable(line: &[u8]) -> Result<&str, String> {
    let line = std::str::from_utf8(line).map_err(|_| "bytes that are not UTF-8".to_owned())?;
    match line.chars().find(|c| c.is_ascii_control() && !matches!(c, '\t' | '\r')) {
        Some(bad) => Err(format!("U+{:04X}", u32::from(bad))),
        None => Ok(line),
    }
}

/// Whether the process has ended.
fn gone(session: &mut Session, name: &str) -> Result<Option<End>, Trouble> {
    Ok(match state_of(session, name)? {
        Ok(RUNNING) => None,
        Ok(_) => Some(End::Killed),
        Err(text) => Some(End::Refused(text)),
    })
}

/// A thread that shows one of the process's logs as it grows.
struct Follower {
    thread: JoinHandle<()>,
    closer: Stream,
}

impl Follower {
    /// Follows a log. One that cannot be followed is told of, unless it is that of stderr, which may go to the other.
    fn start(session: &Session, name: &str, channel: &str, shown: Sender<()>) -> Option<Follower> {
        let path = format!("/logtail/{name}/{channel}");
        let raw = session.out.raw();
        match connect(session, &path) {
            Ok((stream, closer)) => {
                let url = format!("{}{path}", session.server.url);
                let quiet = channel == "stderr";
                let cleaner = session.out.cleans().then(Cleaner::default);
                let thread = thread::spawn(move || {
                    if let Err(text) = show(stream, cleaner, &shown)
                        && !quiet
                    {
                        complain(&format!("{url} {text}"), raw);
                    }
                });
                Some(Follower { thread, closer })
            }
            Err(trouble) => {
                let url = &session.server.url;
                complain(&format!("{url}{path} Cannot connect, error: {trouble}"), raw);
                None
            }
        }
    }

    /// Ends it, whatever it waits for.
    fn stop(self) {
        self.closer.shut();
        let _ = self.thread.join();
    }
}

/// A connection on which the log has been asked for, twice: for reading, and to end the reading.
fn connect(session: &Session, path: &str) -> Result<(Stream, Stream), Trouble> {
    let address = Address::parse(&session.server.url)?;
    let mut stream = Stream::connect(&address)?;
    let request = get(path, &address.host_header(), session.server.authorization());
    stream.write_all(request.as_bytes())?;
    let closer = stream.try_clone()?;
    Ok((stream, closer))
}

/// Copies the log to standard output until it ends or is ended.
fn show(stream: Stream, mut cleaner: Option<Cleaner>, shown: &Sender<()>) -> Result<(), String> {
    let mut reader = BufReader::new(stream);
    let Ok(head) = read_head(&mut reader) else { return Ok(()) };
    if head.status != 200 {
        return Err(format!("Cannot read, status code {}", head.status));
    }
    let mut body = Body::new(&mut reader, head.framing);
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = body.read(&mut buffer) {
        let part = buffer.get(..count).unwrap_or_default();
        let cleaned = cleaner.as_mut().map(|cleaner| cleaner.part(part));
        let part = cleaned.as_deref().map_or(part, str::as_bytes);
        let mut out = io::stdout().lock();
        if out.write_all(part).and_then(|()| out.flush()).is_err() {
            break;
        }
        let _ = shown.send(());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_can_be_sent() {
        assert_eq!(sendable("grün\t<&]]>".as_bytes()), Ok("grün\t<&]]>"));
        assert_eq!(sendable(b"a\x1b"), Err("U+001B".to_owned()));
        assert_eq!(sendable(b"\xff"), Err("bytes that are not UTF-8".to_owned()));
    }
}
