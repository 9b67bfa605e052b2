//! An event listener that writes down what it hears, and a program that has something to say.
//!
//! `listener record FILE`         one line an event: serial, poolserial, type, the payload's last line
//! `listener held FILE GO`        the same; the first event of a life is answered when the file GO is there
//! `listener rejects FILE EACH`   the same; each EACH-th event that is heard is rejected
//! `listener breaks FILE AFTER`   the same; the answer to the event that comes after so many is no result
//! `listener dies FILE AFTER`     the same; it ends without an answer to the event that comes after so many
//! `listener says FIRST LAST GO [SIZE]`
//!     a message between tags for each number, once the file GO is there; then rests. Lines of x before the number make
//!     messages of about this size, and there is a pause after each
#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Read, Write};
use std::path::Path;
use std::time::Duration;

const OK: &str = "RESULT 2\nOK";
const FAIL: &str = "RESULT 4\nFAIL";

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["record", file] => listen(file, |_| OK),
        ["held", file, go] => listen(file, |nth| {
            if nth == 1 {
                rest_until(go);
            }
            OK
        }),
        ["rejects", file, each] => {
            let each = number(each);
            listen(file, |nth| if nth % each == 0 { FAIL } else { OK })
        }
        ["breaks", file, after] => {
            let after = number(after);
            listen(file, |nth| if nth > after { "this is no result\n" } else { OK })
        }
        ["dies", file, after] => {
            let after = number(after);
            listen(file, |nth| if nth > after { std::process::exit(1) } else { OK })
        }
        ["says", first, last, go] => says(number(first), number(last), go, 0),
        ["says", first, last, go, size] => says(number(first), number(last), go, number(size)),
        _ => {
            eprintln!("listener: what is to be done?");
            std::process::exit(64);
        }
    }
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| {
        eprintln!("listener: {word} is no number");
        std::process::exit(64)
    })
}

fn rest_until(file: &str) {
    while !Path::new(file).exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn field<'a>(line: &'a str, key: &str) -> &'a str {
    let mut words = line.split_whitespace().filter_map(|word| word.split_once(':'));
    words.find(|(name, _)| *name == key).map_or("", |(_, value)| value)
}

/// Answers as `answer` says for the first event, the second …
fn listen(file: &str, mut answer: impl FnMut(u64) -> &'static str) -> io::Result<()> {
    let mut notes: File = OpenOptions::new().append(true).create(true).open(file)?;
    let mut input = io::stdin().lock();
    let mut out = io::stdout().lock();
    let mut header = String::new();
    let mut payload = Vec::new();
    for nth in 1.. {
        out.write_all(b"READY\n")?;
        out.flush()?;
        header.clear();
        if input.read_line(&mut header)? == 0 {
            break;
        }
        // All payloads of these tests are ASCII.
        payload.resize(field(&header, "len").parse().map_err(io::Error::other)?, 0);
        input.read_exact(&mut payload)?;
        let text = String::from_utf8_lossy(&payload);
        let names = ["serial", "poolserial", "eventname"].map(|key| field(&header, key));
        let last = text.rsplit('\n').next().unwrap_or_default();
        notes.write_all(format!("{} {last}\n", names.join(" ")).as_bytes())?;
        out.write_all(answer(nth).as_bytes())?;
        out.flush()?;
    }
    Ok(())
}

fn says(first: u64, last: u64, go: &str, size: u64) -> io::Result<()> {
    rest_until(go);
    let line = format!("{}\n", "x".repeat(999));
    let lines = line.repeat(usize::try_from(size / 1000).unwrap_or(0));
    let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
    for n in first..=last {
        write!(out, "<!--XSUPERVISOR:BEGIN-->{lines}{n}<!--XSUPERVISOR:END-->")?;
        if size > 0 {
            out.flush()?;
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    out.flush()?;
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}
