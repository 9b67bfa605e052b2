//! Says on standard error which programs ended that should not have. Build it with `rustc -O listener.rs`.

use std::io::{self, BufRead, Read, Write};

/// The value of a key in `a:1 b:2`.
fn field<'a>(line: &'a str, key: &str) -> &'a str {
    let mut words = line.split_whitespace().filter_map(|word| word.split_once(':'));
    words.find(|(name, _)| *name == key).map_or("", |(_, value)| value)
}

/// Reads so many characters: `len` does not count bytes.
fn take(input: &mut impl Read, characters: usize) -> io::Result<String> {
    let mut bytes = Vec::new();
    for _ in 0..characters {
        let mut first = [0];
        input.read_exact(&mut first)?;
        let more = match first[0] {
            0xf0.. => 3,
            0xe0.. => 2,
            0xc0.. => 1,
            _ => 0,
        };
        bytes.extend(first);
        input.take(more).read_to_end(&mut bytes)?;
    }
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Standard output belongs to the protocol. Without the flush nobody would hear it.
fn tell(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn handle(header: &str, payload: &str) -> io::Result<()> {
    let kind = field(header, "eventname");
    if kind == "PROCESS_STATE_EXITED" && field(payload, "expected") == "1" {
        return Ok(());
    }
    let (group, name) = (field(payload, "groupname"), field(payload, "processname"));
    writeln!(io::stderr(), "{group}:{name} ended, {kind}")
}

fn main() -> io::Result<()> {
    let mut input = io::stdin().lock();
    loop {
        tell("READY\n")?;
        let mut header = String::new();
        if input.read_line(&mut header)? == 0 {
            return Ok(());
        }
        let length = field(&header, "len").parse().map_err(io::Error::other)?;
        let payload = take(&mut input, length)?;
        // What was refused comes again later.
        tell(if handle(&header, &payload).is_ok() { "RESULT 2\nOK" } else { "RESULT 4\nFAIL" })?;
    }
}
