//! For tests: asks Python what it makes of texts.

use std::io::Write;
use std::process::{Command, Stdio};

/// A small generator of numbers, the same ones in every run.
pub struct Random(u64);

impl Random {
    /// Starts anew.
    pub fn new() -> Self {
        Random(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(n).unwrap()).unwrap()
    }

    /// Texts of up to `most` pieces each.
    pub fn texts(&mut self, count: usize, most: usize, pieces: &[&str]) -> Vec<String> {
        let text =
            |r: &mut Self| (0..r.below(most + 1)).map(|_| pieces[r.below(pieces.len())]).collect();
        (0..count).map(|_| text(self)).collect()
    }
}

/// What the body of a Python function `f(t)` returns for each text, as text. `None` where there is no Python.
pub fn answers(texts: &[String], body: &str) -> Option<Vec<String>> {
    let script = format!(
        "import sys,configparser,io,shlex,fnmatch\ndef f(t):\n{body}\n\
         for t in sys.stdin.buffer.read().decode('utf-8').split('\\0'):\n\
         \x20 sys.stdout.buffer.write(f(t).encode('utf-8','backslashreplace')+b'\\0')\n"
    );
    let mut child = Command::new("/usr/bin/env")
        .args(["python3", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let input = texts.join("\0").into_bytes();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    if output.status.code() == Some(127) {
        return None;
    }
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "python3 failed");
    let all = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<String> = all.split_terminator('\0').map(str::to_owned).collect();
    assert_eq!(answers.len(), texts.len());
    Some(answers)
}
