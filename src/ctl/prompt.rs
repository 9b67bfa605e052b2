//! Questions to the person at the terminal.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};

use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use super::input;
use super::interrupt;

/// Asks on standard output and reads a line from standard input; `None` at its end.
pub fn ask(question: &str) -> Option<String> {
    let mut out = std::io::stdout();
    let _ = write!(out, "{question}").and_then(|()| out.flush());
    input::line()
}

/// Asks on the terminal without showing what is typed; without a terminal, on standard error, since what is typed may be
/// seen then.
pub fn ask_hidden(question: &str) -> Option<String> {
    let Ok(mut tty) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        let _ = write!(std::io::stderr(), "Warning: Password input may be echoed.\n{question}");
        return input::line();
    };
    let before = tcgetattr(&tty).ok()?;
    interrupt::keep_terminal(&before);
    let mut hidden = before.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&tty, SetArg::TCSAFLUSH, &hidden).ok()?;
    let _ = write!(tty, "{question}");
    let answer = tty.try_clone().ok().and_then(|tty| read_line(&mut BufReader::new(tty)));
    let _ = tcsetattr(&tty, SetArg::TCSAFLUSH, &before);
    let _ = writeln!(tty);
    answer
}

fn read_line(input: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    let count = input.read_line(&mut line).ok()?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    (count > 0).then(|| line.to_owned())
}
