//! The event listener protocol, from the listener's side: `READY`, an event, `RESULT`.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, Read, Write};

use crate::config::text;

/// Longest header line that is read, in bytes.
const MAX_LINE: u64 = 64 * 1024;

/// An event: what its header line says, and its payload.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    /// `eventname`, `serial`, `pool` and the rest of the header.
    pub headers: Facts,
    /// The payload; bytes that are no text as [`text::from_bytes`] has them.
    pub payload: String,
}

impl Event {
    /// The type of the event.
    pub fn name(&self) -> Result<&str, Broken> {
        self.headers.get("eventname")
    }

    /// What the first line of the payload says.
    pub fn facts(&self) -> Facts {
        Facts::read(self.payload.split('\n').next().unwrap_or_default())
    }
}

/// Words of the form `key:value`.
#[derive(Debug, PartialEq, Eq)]
pub struct Facts(HashMap<String, String>);

impl Facts {
    /// Reads a line. The value of a key may have colons in it, and a word without any counts for nothing.
    pub fn read(line: &str) -> Facts {
        let words = line.split_whitespace().filter_map(|word| word.split_once(':'));
        Facts(words.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// The value of a key that has to be there.
    pub fn get(&self, key: &'static str) -> Result<&str, Broken> {
        self.0.get(key).map(String::as_str).ok_or(Broken::Missing(key))
    }

    /// The value of a key that is a number.
    pub fn number(&self, key: &'static str) -> Result<u64, Broken> {
        self.get(key)?.parse().map_err(|_| Broken::Missing(key))
    }
}

/// Why there are no more events.
#[derive(Debug)]
pub enum Broken {
    /// The daemon closed the stream.
    Ended,
    /// An event lacks this.
    Missing(&'static str),
    /// The stream cannot be read or written.
    Io(io::Error),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Ended => f.write_str("supervisord closed the stream of events"),
            Broken::Missing(key) => write!(f, "an event came without a valid {key}"),
            Broken::Io(error) => write!(f, "cannot speak to supervisord: {error}"),
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Broken {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Broken::Ended,
            _ => Broken::Io(error),
        }
    }
}

/// The conversation with the daemon.
pub struct Listener<R, W> {
    input: R,
    output: W,
}

impl<R: BufRead, W: Write> Listener<R, W> {
    /// Over these streams: standard input and output, mostly.
    pub fn new(input: R, output: W) -> Listener<R, W> {
        Listener { input, output }
    }

    /// Says that it is ready and waits for an event.
    pub fn wait(&mut self) -> Result<Event, Broken> {
        self.write("READY\n")?;
        let line = read_line(&mut self.input)?;
        let headers = Facts::read(&text::from_bytes(&line));
        let length = headers.number("len")?;
        let payload = read_characters(&mut self.input, length)?;
        Ok(Event { headers, payload: text::from_bytes(&payload) })
    }

    /// Accepts the event.
    pub fn ok(&mut self) -> Result<(), Broken> {
        self.write("RESULT 2\nOK")
    }

    fn write(&mut self, words: &str) -> Result<(), Broken> {
        self.output.write_all(words.as_bytes())?;
        Ok(self.output.flush()?)
    }
}

/// A line, without more than it may have.
fn read_line(input: &mut impl BufRead) -> Result<Vec<u8>, Broken> {
    let mut line = Vec::new();
    input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
    match line.last() {
        Some(b'\n') => Ok(line),
        Some(_) if line.len() as u64 == MAX_LINE => Err(Broken::Missing("header line")),
        _ => Err(Broken::Ended),
    }
}

/// The header counts characters, not bytes: reads so many of UTF-8. A byte that begins none counts as one.
fn read_characters(input: &mut impl BufRead, mut left: u64) -> Result<Vec<u8>, Broken> {
    let mut payload = Vec::new();
    // Bytes that the character which was begun still has.
    let mut rest = 0;
    while left > 0 || rest > 0 {
        let ready = input.fill_buf()?;
        if ready.is_empty() {
            return Err(Broken::Ended);
        }
        let mut taken = 0;
        for byte in ready {
            if rest > 0 && (0x80..0xC0).contains(byte) {
                rest -= 1;
            } else if left == 0 {
                break;
            } else {
                left -= 1;
                rest = following(*byte);
            }
            taken += 1;
            if left == 0 && rest == 0 {
                break;
            }
        }
        if taken == 0 {
            break;
        }
        payload.extend_from_slice(ready.get(..taken).unwrap_or_default());
        input.consume(taken);
    }
    Ok(payload)
}

/// How many bytes follow the first one of a character.
fn following(first: u8) -> u8 {
    match first {
        0xC2..=0xDF => 1,
        0xE0..=0xEF => 2,
        0xF0..=0xF4 => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    const HEAD: &str =
        "ver:3.0 server:a:b serial:1 pool:p poolserial:0 eventname:REMOTE_COMMUNICATION";

    fn heard(input: &[u8], buffer: usize) -> (Vec<Result<Event, String>>, String) {
        let mut said = Vec::new();
        let mut listener = Listener::new(BufReader::with_capacity(buffer, input), &mut said);
        let mut events = Vec::new();
        loop {
            let event = listener.wait().map_err(|broken| broken.to_string());
            let last = event.is_err();
            events.push(event);
            if last {
                break;
            }
            listener.ok().unwrap();
        }
        (events, String::from_utf8(said).unwrap())
    }

    #[test]
    fn lengths_are_characters() {
        let payload = "type:t\ndätä €𝄞\r\n";
        let count = payload.chars().count();
        let input = format!("{HEAD} len:{count}\n{payload}{HEAD} len:0\n");
        for buffer in [1, 2, 3, 7, 8192] {
            let (events, said) = heard(input.as_bytes(), buffer);
            let first = events.first().unwrap().as_ref().unwrap();
            assert_eq!(first.payload, payload);
            assert_eq!(first.name().unwrap(), "REMOTE_COMMUNICATION");
            assert_eq!(first.headers.get("server").unwrap(), "a:b");
            assert_eq!(events.get(1).unwrap().as_ref().unwrap().payload, "");
            assert_eq!(said, "READY\nRESULT 2\nOKREADY\nRESULT 2\nOKREADY\n");
        }
    }

    #[test]
    fn bytes_that_are_no_text_count_one_each() {
        let mut input = format!("{HEAD} len:4\n").into_bytes();
        input.extend_from_slice(b"\xff\x80\xc3a");
        let (events, _) = heard(&input, 8);
        let event = events.first().unwrap().as_ref().unwrap();
        assert_eq!(text::bytes(&event.payload), b"\xff\x80\xc3a");
    }

    #[test]
    fn broken_streams_are_errors() {
        let error = |input: &[u8]| heard(input, 64).0.pop().unwrap().unwrap_err();
        assert_eq!(error(b""), "supervisord closed the stream of events");
        assert_eq!(error(b"len:5\nabc"), "supervisord closed the stream of events");
        assert_eq!(error(b"ver:3.0"), "supervisord closed the stream of events");
        assert_eq!(error(b"ver:3.0\n"), "an event came without a valid len");
        assert_eq!(error(b"len:-1\n"), "an event came without a valid len");
        let long = [b'x'; 70_000];
        assert_eq!(error(&long), "an event came without a valid header line");
    }

    #[test]
    fn facts() {
        let facts = Facts::read("processname:p groupname:g expected:0 pid:7 x");
        assert_eq!(facts.get("groupname").unwrap(), "g");
        assert_eq!(facts.number("pid").unwrap(), 7);
        assert!(facts.get("x").is_err());
        assert!(facts.number("processname").is_err());
    }
}
