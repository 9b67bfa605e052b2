//! Numbered lines: what was written, and what arrived in the logs.

use std::fs;
use std::path::{Path, PathBuf};

/// A log and its rotated files, oldest first.
pub fn files(log: &Path) -> Vec<PathBuf> {
    let numbered = |n: u32| PathBuf::from(format!("{}.{n}", log.display()));
    let mut files: Vec<PathBuf> = (1..).map(numbered).take_while(|p| p.exists()).collect();
    files.reverse();
    files.push(log.to_owned());
    files
}

/// The bytes of a log and its rotated files, oldest first.
pub fn whole(log: &Path) -> Vec<u8> {
    let read = |p: PathBuf| fs::read(p).unwrap_or_default();
    files(log).into_iter().flat_map(read).collect()
}

/// The last bytes of a log.
pub fn ends_with(log: &Path, end: &str) -> bool {
    fs::read(log).is_ok_and(|bytes| bytes.ends_with(end.as_bytes()))
}

/// Checks that the text is the lines 1, 2, 3 … each exactly once and in order, after which comes `end N`.
/// Gives N. Fails the test otherwise, with the place.
pub fn assert_exact(text: &[u8]) -> u64 {
    let text = std::str::from_utf8(text).expect("lines of digits");
    assert!(text.ends_with('\n'), "the last line is cut off");
    let mut expected = 1;
    for line in text.lines() {
        if let Some(last) = line.strip_prefix("end ") {
            assert_eq!(last, (expected - 1).to_string(), "lines are missing at the end");
            return expected - 1;
        }
        assert_eq!(line, expected.to_string(), "this line should come next");
        expected += 1;
    }
    panic!("there is no end after line {}", expected - 1);
}

/// Checks that of the lines `PREFIX N`, all from 1 to `last` are there, each once, in order.
pub fn assert_stream(text: &str, prefix: &str, last: u64) {
    let lines: Vec<&str> = text.lines().collect();
    let mut expected = 1;
    for (at, line) in lines.iter().enumerate() {
        let Some(number) = line.strip_prefix(prefix).and_then(|l| l.strip_prefix(' ')) else {
            continue;
        };
        if number != expected.to_string() {
            let near = &lines[at.saturating_sub(4)..(at + 4).min(lines.len())];
            let wanted = format!("{prefix} {expected}");
            let elsewhere = lines.iter().position(|l| *l == wanted);
            panic!("in line {at}, {wanted} should come next; it is in {elsewhere:?}: {near:?}");
        }
        expected += 1;
    }
    assert_eq!(expected - 1, last, "lines of {prefix} are missing at the end");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_missing_doubled_or_torn() {
        assert_eq!(assert_exact(b"1\n2\n3\nend 3\n"), 3);
        for bad in ["1\n3\nend 3\n", "1\n2\n2\nend 2\n", "1\n2\nend 3\n", "1\n2\n", "12\n"] {
            let result = std::panic::catch_unwind(|| assert_exact(bad.as_bytes()));
            assert!(result.is_err(), "{bad:?}");
        }
        assert_stream("a 1\nb 1\na 2\n", "a", 2);
    }
}
