//! Runs a tool as a daemon would: events on its standard input, its answers read one by one.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use system_tests::Room;

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    /// The exit status, −1 where a signal ended it.
    pub code: i32,
    /// How many events were answered.
    pub answered: usize,
    /// Standard error, with times replaced, and without what is said of the end of the stream.
    pub said: String,
    /// What else was on standard output.
    pub rest: String,
}

/// What a listener is started with.
pub struct Drive<'a> {
    pub room: &'a Room,
    pub program: &'a Path,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
}

impl<'a> Drive<'a> {
    /// A listener with these arguments, of the daemon at this address.
    pub fn new(room: &'a Room, program: &'a Path, url: &str, args: &[&str]) -> Drive<'a> {
        let words = args.iter().map(|word| (*word).to_owned());
        let env = [
            ("PATH", "/usr/bin:/bin"),
            ("LANG", "C.UTF-8"),
            ("SUPERVISOR_SERVER_URL", url),
            ("SUPERVISOR_PROCESS_NAME", "listener"),
            ("SUPERVISOR_GROUP_NAME", "listeners"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Drive { room, program, args: words.collect(), env: env.to_vec() }
    }

    /// Gives it events, then closes the stream.
    pub fn run(&self, events: &[(&str, &str)]) -> Run {
        let said = self.room.path("said");
        let mut command = Command::new("timeout");
        command.args(["-k", "1", "100"]).arg(self.program).args(&self.args);
        command.env_clear().envs(self.env.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(File::create(&said).expect("a file"));
        let mut child = command.spawn().expect("a listener");
        let mut input = child.stdin.take().expect("a pipe");
        let mut output = child.stdout.take().expect("a pipe");
        let mut answered = 0;
        for (serial, (name, payload)) in events.iter().enumerate() {
            if !expect(&mut output, "READY\n") {
                break;
            }
            let length = payload.chars().count();
            let head = format!(
                "ver:3.0 server:supervisor serial:{serial} pool:p poolserial:{serial} eventname:{name} len:{length}\n"
            );
            input.write_all(head.as_bytes()).expect("room in a pipe");
            input.write_all(payload.as_bytes()).expect("room in a pipe");
            if !expect(&mut output, "RESULT 2\nOK") {
                break;
            }
            answered += 1;
        }
        if answered == events.len() {
            expect(&mut output, "READY\n");
        }
        drop(input);
        let mut rest = Vec::new();
        output.read_to_end(&mut rest).expect("a pipe that can be read");
        let status = child.wait().expect("a child");
        let said = fs::read(&said).expect("a file");
        Run {
            code: status.code().unwrap_or(-1),
            answered,
            said: without_end(&undated(&String::from_utf8_lossy(&said))),
            rest: String::from_utf8_lossy(&rest).into_owned(),
        }
    }
}

/// Whether these are the next bytes; false at the end of the stream.
fn expect(output: &mut impl Read, words: &str) -> bool {
    let mut bytes = vec![0; words.len()];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match output.read(rest).expect("a pipe that can be read") {
            0 => {
                assert_eq!(filled, 0, "half an answer: {}", String::from_utf8_lossy(&bytes));
                return false;
            }
            count => filled += count,
        }
    }
    assert_eq!(String::from_utf8_lossy(&bytes), words);
    true
}

/// The reference's tools end with a traceback where ours say what is wrong in a line.
fn without_end(said: &str) -> String {
    let ends = ["Traceback (most recent call last)"];
    let ours = ["memmon", "httpok", "crashmail", "crashmailbatch", "fatalmailbatch", "crashsms"];
    let ours = ours.iter().flat_map(|name| {
        ["supervisord closed the stream", "cannot ask supervisord"]
            .map(|end| format!("{name}: {end}"))
    });
    let ends = ends.into_iter().map(str::to_owned).chain(ours);
    let end = ends.filter_map(|end| said.find(&end)).min().unwrap_or(said.len());
    // What is said before may have no line end.
    said[..end].trim_end_matches('\n').to_owned()
}

/// The text with times replaced by words.
pub fn undated(text: &str) -> String {
    let text = replaced(text, "dddd-dd-dd dd:dd:dd,ddd", "STAMP");
    replaced(&text, "aaa aaa _d dd:dd:dd dddd aaa", "TIME")
}

/// The text with each place replaced that looks so: `d` for a digit, `a` for a letter, `_` for a digit or a blank.
fn replaced(text: &str, pattern: &str, by: &str) -> String {
    let fits = |c: u8, p: u8| match p {
        b'd' => c.is_ascii_digit(),
        b'a' => c.is_ascii_alphabetic(),
        b'_' => c.is_ascii_digit() || c == b' ',
        _ => c == p,
    };
    let mut bytes = text.as_bytes();
    let mut out = Vec::new();
    while let Some((first, rest)) = bytes.split_first() {
        let place = bytes.get(..pattern.len());
        if place.is_some_and(|place| place.iter().zip(pattern.bytes()).all(|(c, p)| fits(*c, p))) {
            out.extend_from_slice(by.as_bytes());
            bytes = bytes.get(pattern.len()..).unwrap_or_default();
        } else {
            out.push(*first);
            bytes = rest;
        }
    }
    String::from_utf8(out).expect("text")
}

/// The payload of PROCESS_STATE_EXITED.
pub fn exited(name: &str, group: &str, expected: u8) -> String {
    format!("processname:{name} groupname:{group} from_state:RUNNING expected:{expected} pid:4711")
}

#[test]
fn times() {
    assert_eq!(undated("at 2026-11-21 15:00:00,123!"), "at STAMP!");
    assert_eq!(undated("at Sat Nov 21 15:07:17 2026 UTC because"), "at TIME because");
    assert_eq!(undated("at Sat Nov  1 15:07:17 2026 UTC"), "at TIME");
}
