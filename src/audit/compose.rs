//! What was said becomes lines. What came from the broker is input: it gets into a string of a line, never out of it.

use policy::audit::{Head, MAX, Source, Told, members};
use privsep::audit::{Deed, Note, SIZE};
use privsep::reply::{Cause, Failure};
use privsep::request::{End, Request, Whom};
use serde::Serialize;

use crate::process::texts;

/// So many bytes of lines are appended in one go, and then those of one record more.
const MOST: usize = 32 << 10;
/// How much is shown of what is no record.
const SHOWN: usize = 500;

/// Lines, and how many bytes of a pipe they were made of.
pub(super) struct Batch {
    pub(super) text: String,
    pub(super) after: Head,
    pub(super) taken: usize,
}

/// Makes lines of as many records as there are at the beginning of `bytes`, which `source` has said.
pub(super) fn batch(head: Head, source: Source, bytes: &[u8], time: &str) -> Batch {
    let mut batch = Batch { text: String::new(), after: head, taken: 0 };
    let mut rest = bytes;
    while batch.text.len() < MOST {
        // A piece without an end is left to come first, and then it is all that there will be of it.
        let (piece, more) = match record(source, rest) {
            Some((piece, more)) if !piece.is_empty() => (piece, more),
            _ if batch.taken == 0 && !rest.is_empty() => rest.split_at(rest.len().min(MAX)),
            _ => break,
        };
        let (piece, more) = match source {
            Source::Broker => rest.split_at(nonsense(rest, piece.len())),
            _ => (piece, more),
        };
        let (line, after) = batch.after.next(time, source, &decoded(source, piece));
        batch.text.push_str(&line);
        (batch.after, rest) = (after, more);
        batch.taken += piece.len();
    }
    batch
}

/// How much of the beginning is no record, where the first piece is none: it becomes one line.
fn nonsense(bytes: &[u8], first: usize) -> usize {
    let is_record = |piece: &[u8]| piece.strip_suffix(b"\n").and_then(Told::decode).is_some();
    let mut length = first;
    if bytes.get(..first).is_some_and(is_record) {
        return length;
    }
    while let Some((piece, _)) = bytes.get(length..).and_then(|rest| record(Source::Broker, rest))
        && !is_record(piece)
    {
        length += piece.len();
    }
    length
}

/// The first record and what comes after it.
fn record(source: Source, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = match source {
        Source::Spawner => SIZE,
        _ => bytes.iter().take(MAX).position(|byte| *byte == b'\n')? + 1,
    };
    bytes.split_at_checked(length)
}

/// The members of the line for one record, whatever its bytes are.
pub fn decoded(source: Source, piece: &[u8]) -> String {
    let record = match source {
        Source::Spawner => Note::decode(piece).ok().map(|note| members(&Said::new(&note))),
        _ => piece.strip_suffix(b"\n").and_then(Told::decode).map(|told| members(&told)),
    };
    record.unwrap_or_else(|| members(&Malformed::new(piece)))
}

/// What is no record.
#[derive(Serialize)]
struct Malformed {
    event: &'static str,
    bytes: usize,
    text: String,
}

impl Malformed {
    fn new(piece: &[u8]) -> Malformed {
        let shown = piece.get(..SHOWN).unwrap_or(piece);
        let text = String::from_utf8_lossy(shown).into_owned();
        Malformed { event: "malformed", bytes: piece.len(), text }
    }
}

/// What the spawner said, as a line has it.
#[derive(Default, Serialize)]
struct Said {
    n: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<u32>,
    event: &'static str,
    action: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Said {
    fn new(note: &Note) -> Said {
        let target = String::from_utf8_lossy(&note.name).into_owned();
        let lost = Some(note.lost).filter(|lost| *lost > 0);
        Said { n: note.n, lost, target, ..Said::of(&note.deed) }
    }

    fn of(deed: &Deed) -> Said {
        let said = |event, action| Said { event, action, ..Said::default() };
        match *deed {
            Deed::Began(run) => {
                Said { detail: Some(format!("run {run}")), ..said("lifecycle", "start") }
            }
            Deed::Ended() => said("lifecycle", "end"),
            Deed::BrokerEnded(cause, status) => Said {
                outcome: Some(ended(status)),
                detail: cause.map(|cause| why(cause).to_owned()),
                ..said("broker", "end")
            },
            Deed::Asked(request) => Said::asked(request),
            Deed::Spawned(_, pid) => Said { pid: Some(pid), ..said("process", "start") },
            Deed::Failed(_, failure) => {
                Said { outcome: Some(failed(failure)), ..said("process", "start") }
            }
            Deed::Exited(_, pid, status) => {
                Said { pid: Some(pid), outcome: Some(ended(status)), ..said("process", "exit") }
            }
            Deed::Signal(signo) => {
                Said { detail: Some(texts::signal(signo.into())), ..said("lifecycle", "signal") }
            }
            Deed::Read(epoch, accepted) => Said {
                outcome: Some(if accepted { "accepted" } else { "refused" }.to_owned()),
                detail: Some(format!("reading {epoch} is in force")),
                ..said("config", "read")
            },
        }
    }

    fn asked(request: Request) -> Said {
        let said = |event, action| Said { event, action, ..Said::default() };
        match request {
            Request::Signal { instance, signo, whom, .. } => {
                let whom = match whom {
                    Whom::Process => "the process",
                    Whom::Group => "its process group",
                    Whom::Tree => "all that it started",
                };
                let detail = format!("{} to {whom}", texts::signal(signo.into()));
                let (instance, detail) = (Some(instance), Some(detail));
                Said { instance, detail, ..said("process", "signal") }
            }
            Request::Ready => said("broker", "start"),
            Request::ClearLog { .. } => said("log", "clear"),
            Request::RotateLog { .. } => said("log", "rotate"),
            Request::Retire { .. } => said("config", "retire"),
            Request::Reread => said("config", "reread"),
            // A helper was started for one attempt; whose, and what came of it, the broker says.
            Request::Authenticate => said("login", "pam-helper"),
            Request::End(End::Exit) => said("lifecycle", "stop"),
            Request::End(End::Restart) => said("lifecycle", "restart"),
            other => Said { detail: Some(format!("{other:?}")), ..said("request", "other") },
        }
    }
}

fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::Start => "it was the first",
        Cause::Died => "it died",
        Cause::Misbehaved => "it asked for what nobody may ask for",
        Cause::Hung => "it hung",
    }
}

/// A wait status.
fn ended(status: i32) -> String {
    match status & 0x7f {
        0 => format!("exit status {}", status >> 8 & 0xff),
        signo => texts::signal(signo),
    }
}

fn failed(failure: Failure) -> String {
    let errno = nix::errno::Errno::from_raw(failure.errno);
    format!("{errno:?} at {:?}", failure.stage)
}
