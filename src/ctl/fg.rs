//! `fg`: what a process writes comes to the terminal, what is typed goes to the process.

use std::io::{self, BufReader, IsTerminal};
use std::os::fd::AsFd;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::actions::rights::denied;
use super::follower::{self, Follower, Missing};
use super::http::Stream;
use super::input::{self, Found};
use super::interrupt::{self, Listener};
use super::out::complain;
use super::quote;
use super::server::Info;
use super::session::{Session, status};
use super::sink::Sink;
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
    let follow = |channel| follow(session, name, channel, shown.clone());
    let followers: Vec<Follower<()>> = channels.into_iter().filter_map(follow).collect();
    let end = converse(session, name, &interrupts, &output);
    if !interrupts.take() {
        let piped = !io::stdin().is_terminal() && matches!(end, Ok(End::Left { asked: true }));
        settle(&output, if piped { ANSWER } else { QUIET });
    }
    for follower in followers {
        follower.end(true);
    }
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
        Err(fault) if fault.code == Code::AccessDenied.number() => {
            session.exit = status::GENERIC;
            Ok(Some(End::Refused(format!("ERROR: {}", denied(&fault.text)))))
        }
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

/// Shows one of the process's logs as it grows. One that cannot be followed is told of, unless it is that of stderr, which
/// may go to the other.
fn follow(session: &Session, name: &str, channel: &str, shown: Sender<()>) -> Option<Follower<()>> {
    let path = format!("/logtail/{name}/{channel}");
    let url = format!("{}{path}", session.server.url);
    let (raw, sink) = (session.out.raw(), Sink::bytes(&session.out));
    let quiet = channel == "stderr";
    let started = follower::connect(&session.server, &path).and_then(|stream| {
        let url = url.clone();
        Ok(Follower::start(stream, move |reader| {
            if let Err(status) = show(reader, sink, &shown)
                && !quiet
            {
                complain(&format!("{url} Cannot read, status code {status}"), raw);
            }
        })?)
    });
    let told =
        |trouble: &Trouble| complain(&format!("{url} Cannot connect, error: {trouble}"), raw);
    started.inspect_err(told).ok()
}

/// Copies the log to standard output until it ends or is ended; an error is the status of a refusal.
fn show(reader: &mut BufReader<Stream>, mut sink: Sink, shown: &Sender<()>) -> Result<(), u16> {
    let mut body = match follower::body(reader) {
        Ok(body) => body,
        Err(Missing::Head(_)) => return Ok(()),
        Err(Missing::Status(status)) => return Err(status),
    };
    // However it ends, the conversation is what tells of it.
    let _ = follower::parts(&mut body, |part| {
        let taken = sink.take(part);
        let _ = shown.send(());
        taken
    });
    sink.end();
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
