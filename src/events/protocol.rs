//! What a listener says on its standard output, read in pieces of any size.

use super::python;

/// What says that a listener waits for an event.
const READY: &[u8] = b"READY\n";
/// What a line that announces a result begins with.
const RESULT: &[u8] = b"RESULT ";
/// The result that accepts an event.
const OK: &[u8] = b"OK";
/// The longest line that may announce a result. It is a handful of bytes where somebody means it.
const LINE: usize = 4096;

/// What a listener is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It has yet to say READY.
    Acknowledged,
    /// It waits for an event.
    Ready,
    /// It has an event.
    Busy,
    /// It broke the protocol.
    Unknown,
}

impl State {
    pub(super) const ALL: [State; 4] =
        [State::Acknowledged, State::Ready, State::Busy, State::Unknown];

    pub(super) fn name(self) -> &'static str {
        match self {
            State::Acknowledged => "ACKNOWLEDGED",
            State::Ready => "READY",
            State::Busy => "BUSY",
            State::Unknown => "UNKNOWN",
        }
    }
}

/// What it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// It is ready.
    Ready,
    /// The result of its event is in; it is to say READY again.
    Result {
        /// Whether it accepts the event.
        ok: bool,
    },
    /// It broke the protocol: in which state, and with which line where it announced no result.
    Broke { at: State, line: Option<String> },
}

/// The bytes of a result, of which only those count that tell it from OK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) length: u64,
    pub(super) seen: u64,
    /// What was seen is how OK begins.
    pub(super) ok: bool,
}

impl Body {
    fn missing(&self) -> u64 {
        self.length.saturating_sub(self.seen)
    }

    fn take(&mut self, bytes: &mut &[u8]) {
        let most = usize::try_from(self.missing()).unwrap_or(usize::MAX);
        let (now, rest) = bytes.split_at_checked(most).unwrap_or((bytes, &[]));
        let at = usize::try_from(self.seen).unwrap_or(usize::MAX);
        self.ok &= OK.get(at..).is_some_and(|ok| ok.starts_with(now));
        self.seen = self.seen.saturating_add(u64::try_from(now.len()).unwrap_or(u64::MAX));
        *bytes = rest;
    }
}

/// One listener's side of the protocol, anew for each of its lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Protocol {
    pub(super) state: State,
    /// What has come of READY, or of the line that announces a result.
    pub(super) line: Vec<u8>,
    /// The result that is coming.
    pub(super) body: Option<Body>,
}

impl Protocol {
    pub(super) fn new() -> Protocol {
        Protocol { state: State::Acknowledged, line: Vec::new(), body: None }
    }

    /// It is sent an event.
    pub(super) fn engage(&mut self) {
        self.state = State::Busy;
    }

    /// Its event came to nothing before it could read all of it.
    pub(super) fn disengage(&mut self) {
        if self.state == State::Busy {
            (self.state, self.body) = (State::Ready, None);
            self.line.clear();
        }
    }

    /// Takes bytes until they say something, or all of them.
    pub(super) fn hear(&mut self, bytes: &mut &[u8]) -> Option<Word> {
        while !bytes.is_empty() {
            let word = match self.state {
                State::Acknowledged => self.greeting(bytes),
                State::Ready => Some(self.breach(None)),
                State::Busy => self.result(bytes),
                State::Unknown => None,
            };
            if self.state == State::Unknown {
                *bytes = &[];
            }
            if word.is_some() {
                return word;
            }
        }
        None
    }

    fn greeting(&mut self, bytes: &mut &[u8]) -> Option<Word> {
        let missing = READY.len().saturating_sub(self.line.len());
        let (now, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
        *bytes = rest;
        self.line.extend_from_slice(now);
        if self.line.len() < READY.len() {
            return None;
        }
        if self.line != READY {
            return Some(self.breach(None));
        }
        self.line.clear();
        self.state = State::Ready;
        Some(Word::Ready)
    }

    fn result(&mut self, bytes: &mut &[u8]) -> Option<Word> {
        if self.body.is_none()
            && let Some(word) = self.announcement(bytes)
        {
            return Some(word);
        }
        let body = self.body.as_mut()?;
        body.take(bytes);
        if body.missing() > 0 {
            return None;
        }
        let ok = body.ok && body.length == 2;
        (self.body, self.state) = (None, State::Acknowledged);
        Some(Word::Result { ok })
    }

    /// The line that says how long a result is.
    fn announcement(&mut self, bytes: &mut &[u8]) -> Option<Word> {
        let end = memchr::memchr(b'\n', bytes);
        let length = end.unwrap_or(bytes.len());
        let (now, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
        let most = LINE.saturating_sub(self.line.len());
        self.line.extend_from_slice(now.get(..most).unwrap_or(now));
        *bytes = rest.get(1..).unwrap_or_default();
        let long = now.len() > most;
        if end.is_none() && !long {
            return None;
        }
        let line = std::mem::take(&mut self.line);
        let number = line.strip_prefix(RESULT).filter(|_| !long);
        match number.and_then(python::integer) {
            Some(length) => self.body = Some(Body { length, seen: 0, ok: true }),
            None => return Some(self.breach(Some(python::text(&line)))),
        }
        None
    }

    fn breach(&mut self, line: Option<String>) -> Word {
        let at = std::mem::replace(&mut self.state, State::Unknown);
        (self.line, self.body) = (Vec::new(), None);
        Word::Broke { at, line }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said when the bytes come in pieces of this size, an event following each READY at once where `events`.
    fn said(bytes: &[u8], size: usize, events: bool) -> (Vec<Word>, State) {
        let (mut protocol, mut words) = (Protocol::new(), Vec::new());
        for mut piece in bytes.chunks(size) {
            while let Some(word) = protocol.hear(&mut piece) {
                if events && word == Word::Ready {
                    protocol.engage();
                }
                words.push(word);
            }
            assert!(protocol.line.len() <= LINE);
        }
        (words, protocol.state)
    }

    #[track_caller]
    fn says(bytes: &[u8], words: &[Word], state: State) {
        for size in 1..=bytes.len().min(200) {
            assert_eq!(said(bytes, size, true), (words.to_vec(), state), "pieces of {size}");
        }
    }

    const ACCEPTED: Word = Word::Result { ok: true };
    const REJECTED: Word = Word::Result { ok: false };

    fn bad(line: &str) -> Word {
        Word::Broke { at: State::Busy, line: Some(line.to_owned()) }
    }

    fn broke(at: State) -> Word {
        Word::Broke { at, line: None }
    }

    #[test]
    fn a_listener_that_obeys() {
        use State::*;
        says(b"READY", &[], Acknowledged);
        says(b"READY\n", &[Word::Ready], Busy);
        says(b"READY\nRESULT 2\nO", &[Word::Ready], Busy);
        says(b"READY\nRESULT 2\nOK", &[Word::Ready, ACCEPTED], Acknowledged);
        let twice = b"READY\nRESULT 2\nOKREADY\nRESULT 4\nFAILREADY\n";
        says(twice, &[Word::Ready, ACCEPTED, Word::Ready, REJECTED, Word::Ready], Busy);
        says(b"READY\nRESULT  +0_2\r\nOK", &[Word::Ready, ACCEPTED], Acknowledged);
    }

    #[test]
    fn any_other_result_rejects() {
        use State::*;
        for result in ["3\nOK\n", "2\nok", "2\nOO", "1\nO", "2\n\n\n", "3\nOKO", "3\nFOK"] {
            let bytes = format!("READY\nRESULT {result}");
            says(bytes.as_bytes(), &[Word::Ready, REJECTED], Acknowledged);
        }
        // Nothing has to follow an empty result.
        says(b"READY\nRESULT 0\n", &[Word::Ready, REJECTED], Acknowledged);
        let again = [Word::Ready, REJECTED, Word::Ready];
        says(b"READY\nRESULT 0\nREADY\n", &again, Busy);
        // A result without end is waited for and not kept.
        let mut endless = b"READY\nRESULT 99999999999999999999\n".to_vec();
        endless.resize(100_000, b'x');
        says(&endless, &[Word::Ready], Busy);
    }

    #[test]
    fn breaches() {
        use State::*;
        says(b"READY ", &[broke(Acknowledged)], Unknown);
        says(b"hello, world\nREADY\n", &[broke(Acknowledged)], Unknown);
        // Six bytes decide, not the first that is wrong.
        says(b"READX", &[], Acknowledged);
        says(b"\n\n\n\n\n\n", &[broke(Acknowledged)], Unknown);
        // A line feed after a result is the next thing said.
        let more = b"READY\nRESULT 2\nOK\nREADY\n";
        says(more, &[Word::Ready, ACCEPTED, broke(Acknowledged)], Unknown);
        for size in 1..9 {
            let words = vec![Word::Ready, broke(Ready)];
            assert_eq!(said(b"READY\n!RESULT 2", size, false), (words, Unknown));
        }
    }

    #[test]
    fn lines_that_announce_no_result() {
        for (line, shown) in [
            ("FOOBAR 2", "FOOBAR 2"),
            ("RESULT", "RESULT"),
            ("RESULT ", "RESULT "),
            ("RESULT -1", "RESULT -1"),
            ("RESULT 2 OK", "RESULT 2 OK"),
            ("result 2", "result 2"),
            (" RESULT 2", " RESULT 2"),
            ("", ""),
            ("R\u{e9}", "R\u{e9}"),
        ] {
            let bytes = format!("READY\n{line}\nOK");
            says(bytes.as_bytes(), &[Word::Ready, bad(shown)], State::Unknown);
        }
        let undecodable = bad("Undecodable: b'RESULT \\xff'");
        says(b"READY\nRESULT \xff\n", &[Word::Ready, undecodable], State::Unknown);
        let long = [&b"READY\n"[..], &[b' '; LINE + 1]].concat();
        says(&long, &[Word::Ready, bad(&" ".repeat(LINE))], State::Unknown);
        let most = [&b"READY\nRESULT 2"[..], &[b' '; LINE - 8], b"\nOK"].concat();
        says(&most, &[Word::Ready, ACCEPTED], State::Acknowledged);
    }
}
