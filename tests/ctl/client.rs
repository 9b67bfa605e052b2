//! Running the client beside a daemon.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::Signal;
use system_tests::config::Config;
use system_tests::daemon::{Daemon, Launch};
use system_tests::dist::Dist;
use system_tests::procfs;
use system_tests::room::Room;

/// Ends a client that hangs.
const PATIENCE: &str = "120";
/// Not from the environment of whoever runs the tests: programs of other users need it.
const PYTHON: &str = "/usr/bin/python3";

/// A daemon, and a client that finds it.
pub struct World {
    pub daemon: Daemon,
    pub room: Room,
    config: PathBuf,
}

impl World {
    /// Starts a daemon with these programs.
    pub fn new(configure: impl FnOnce(&Room, Config) -> Config) -> World {
        let room = Room::new();
        let config = configure(&room, base(&room)).write(&room);
        let daemon = Launch::new(&room, Dist::plain().supervisord()).config(&config).ready();
        World { daemon, room, config }
    }

    /// Writes the configuration anew.
    pub fn rewrite(&self, configure: impl FnOnce(Config) -> Config) {
        configure(base(&self.room)).write(&self.room);
    }

    fn words(&self, line: &str) -> Vec<String> {
        let client = Dist::plain().supervisorctl();
        let mut words = vec![client.display().to_string(), "-c".to_owned()];
        words.push(self.config.display().to_string());
        words.extend(line.split_whitespace().map(str::to_owned));
        words
    }

    /// Runs the client to its end.
    pub fn run(&self, line: &str) -> Output {
        let mut command = Command::new("timeout");
        command.arg(PATIENCE).args(self.words(line)).stdin(Stdio::null());
        command.output().expect("cannot run the client")
    }

    /// Exit status and standard output.
    pub fn ctl(&self, line: &str) -> (i32, String) {
        let output = self.run(line);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap_or(-1), text)
    }

    /// Starts the client and reads along.
    pub fn begin(&self, line: &str) -> Reading {
        let words = self.words(line);
        let (first, rest) = words.split_first().expect("a program");
        let mut command = Command::new(first);
        command.args(rest).stdin(Stdio::null()).stdout(Stdio::piped());
        Reading { child: command.spawn().expect("cannot start the client"), shown: Vec::new() }
    }

    /// What the client sends to a terminal, with these variables set for it.
    pub fn on_terminal(&self, line: &str, variables: &[(&str, &str)]) -> Vec<u8> {
        self.terminal(line, "", variables)
    }

    /// The same for one that is interrupted once it has sent these bytes, in hexadecimal.
    pub fn on_terminal_until(&self, line: &str, until: &str) -> Vec<u8> {
        self.terminal(line, until, &[])
    }

    fn terminal(&self, line: &str, until: &str, variables: &[(&str, &str)]) -> Vec<u8> {
        let mut command = Command::new("timeout");
        command.args([PATIENCE, PYTHON, "-c", TERMINAL, until]).args(self.words(line));
        command.env_remove("NO_COLOR").envs(variables.iter().copied());
        command.stdin(Stdio::null()).output().expect("cannot run the client").stdout
    }
}

/// Python has pseudo-terminals.
const TERMINAL: &str = "
import os, pty, signal, sys
until = bytes.fromhex(sys.argv[1])
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
shown = b''
while True:
    try:
        part = os.read(fd, 65536)
    except OSError:
        break
    shown += part
    if until and until in shown:
        os.kill(pid, signal.SIGINT)
        until = b''
os.waitpid(pid, 0)
sys.stdout.buffer.write(shown)
";

/// A room has one daemon: all its configurations name the same user.
fn base(room: &Room) -> Config {
    let user = room.path("user");
    if !user.exists() {
        room.file("user", &system_tests::config::broker_user().to_string());
    }
    let user = std::fs::read_to_string(user).expect("cannot read a file of the test");
    Config::new(room).daemon(&format!("broker_user={user}"))
}

/// A client that runs.
pub struct Reading {
    child: Child,
    shown: Vec<u8>,
}

impl Reading {
    /// Reads until a text was shown; all that was shown until then. Fails the test if the client ends before.
    pub fn until(&mut self, text: &str) -> String {
        let stdout = self.child.stdout.as_mut().expect("a pipe");
        let mut buffer = [0; 4096];
        loop {
            let shown = String::from_utf8_lossy(&self.shown).into_owned();
            if shown.contains(text) {
                return shown;
            }
            let count = stdout.read(&mut buffer).expect("cannot read from the client");
            assert!(count > 0, "the client ended without {text:?}: {shown}");
            self.shown.extend_from_slice(&buffer[..count]);
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        assert!(procfs::signal(pid, signal), "the client is gone");
    }

    /// Waits for its end; its exit status, and all that it showed.
    pub fn end(mut self) -> (Option<i32>, String) {
        let mut stdout = self.child.stdout.take().expect("a pipe");
        stdout.read_to_end(&mut self.shown).expect("cannot read from the client");
        let status = self.child.wait().expect("cannot wait for the client");
        (status.code(), String::from_utf8_lossy(&self.shown).into_owned())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a Python program on an input; what it prints.
pub fn python(program: &str, input: &str) -> String {
    let mut command = Command::new(PYTHON);
    command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("no python3");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("cannot write to python");
    drop(stdin);
    let output = child.wait_with_output().expect("cannot wait for python");
    assert!(output.status.success(), "python did not like {input}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
