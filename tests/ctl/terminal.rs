//! A program at a terminal of its own.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};
use system_tests::poll_until;
use system_tests::wait::{PATIENCE, within};

/// The program and the other end of its terminal.
pub struct Terminal {
    child: Child,
    master: File,
    /// All that was shown, without control sequences.
    shown: String,
    /// So much of it has been looked at.
    seen: usize,
    raw: Vec<u8>,
    over: bool,
}

impl Terminal {
    /// Starts a program whose controlling terminal is a new one.
    pub fn start(program: &Path, args: &[&str], env: &[(&str, &str)]) -> Terminal {
        let size = Winsize { ws_row: 40, ws_col: 150, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).expect("no terminal");
        let flags = OFlag::O_NONBLOCK;
        fcntl(pty.master.as_fd(), FcntlArg::F_SETFL(flags)).expect("cannot set a flag");
        let end = |fd: &OwnedFd| Stdio::from(fd.try_clone().expect("cannot copy a descriptor"));
        let child = Command::new("setsid")
            .arg("--ctty")
            .arg(program)
            .args(args)
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("HOME", "/nonexistent"), ("TERM", "xterm")])
            .envs(env.iter().copied())
            .stdin(end(&pty.slave))
            .stdout(end(&pty.slave))
            .stderr(end(&pty.slave))
            .current_dir("/")
            .spawn()
            .expect("cannot start the client");
        let master = File::from(pty.master);
        Terminal { child, master, shown: String::new(), seen: 0, raw: Vec::new(), over: false }
    }

    /// Types.
    pub fn send(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("cannot type");
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        loop {
            match self.master.read(&mut buffer) {
                Ok(0) => self.over = true,
                Ok(count) => {
                    self.raw.extend_from_slice(&buffer[..count]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Nobody has the terminal open any more.
                Err(_) => self.over = true,
            }
            break;
        }
        self.shown = plain(&String::from_utf8_lossy(&self.raw));
    }

    /// Waits until this is shown, after what was waited for before; gives what came up to its end.
    pub fn expect(&mut self, text: &str) -> String {
        let found = within(PATIENCE, || {
            self.read();
            let at = self.shown[self.seen..].find(text).map(|at| self.seen + at + text.len());
            (at.is_some() || self.over).then_some(at)
        });
        let Some(Some(at)) = found else {
            panic!("{text:?} is not shown: {:?}", &self.shown[self.seen..]);
        };
        let from = std::mem::replace(&mut self.seen, at);
        self.shown[from..at].to_owned()
    }

    /// Whether the terminal shows what is typed.
    pub fn echoes(&self) -> bool {
        let settings = tcgetattr(&self.master).expect("no terminal");
        settings.local_flags.contains(LocalFlags::ECHO)
    }

    /// All that was shown.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Waits for the end of the program; its exit status.
    pub fn end(&mut self) -> i32 {
        let status = poll_until("the end of the client", || {
            self.read();
            self.child.try_wait().expect("cannot wait")
        });
        self.read();
        status.code().unwrap_or(-1)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is left for people to read: no control sequences, no carriage returns.
fn plain(text: &str) -> String {
    let mut made = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                if chars.clone().next() == Some('[') {
                    chars.next();
                    for c in chars.by_ref() {
                        if ('@'..='~').contains(&c) {
                            break;
                        }
                    }
                }
            }
            '\r' | '\u{7}' => {}
            other => made.push(other),
        }
    }
    made
}

#[test]
fn sequences_are_left_out() {
    assert_eq!(plain("\u{1b}[?2004ha\u{1b}[1;31mb\r\n"), "ab\n");
}
