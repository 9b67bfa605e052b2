//! Runs a command and passes signals on to the process that a pidfile names.

use std::ffi::{CString, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::pidfile::{self, Process};
use super::{Start, Tool, print, say};
use crate::config::text;

/// What is passed on.
const PASSED: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGQUIT,
];
/// What ends the proxy, too.
const ENDING: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT];
/// How often is looked, while there is something to wait for that nobody tells.
const LOOK: Duration = Duration::from_millis(50);
/// How long a command that has left something behind has to write its pidfile.
const SETTLE: Duration = Duration::from_secs(5);
/// How long the command may outlive what the pidfile names at a stop.
const LINGER: Duration = Duration::from_secs(1);
/// Exit status where the command cannot be run, as shells give it.
const NOT_FOUND: u8 = 127;
/// Exit status where it is there and cannot be run.
const NOT_EXECUTABLE: u8 = 126;

pub const TOOL: Tool = Tool {
    name: "pidproxy",
    summary: "run a command and pass signals on to the process that its pidfile names",
    synopsis: "PIDFILE COMMAND [ARGUMENT…]",
    details: &[
        "For programs that are started by a command which does not pass signals on to them. SIGTERM, SIGHUP, SIGINT, \
         SIGUSR1, SIGUSR2 and SIGQUIT go to the process that the pidfile names at that moment. After SIGTERM, SIGINT \
         and SIGQUIT pidproxy ends when that process and the command have ended; a command that outlives it by a second \
         gets the signal too.",
        "Where the command ends and leaves the process behind that the pidfile names, pidproxy stays as long as that \
         does.",
    ],
    options: &[],
    exits: &[
        (1, "there is no command"),
        (126, "the command cannot be run"),
        (127, "there is no such command"),
    ],
    example: &["[program:mysql]", "command=pidproxy /run/mysqld/mysqld.pid mysqld_safe"],
    run,
};

fn run(tool: &Tool, start: &Start) -> u8 {
    let Some((pidfile, [command, args @ ..])) = start.args.split_first() else {
        print(&tool.help());
        return 1;
    };
    match Proxy::begin(pidfile, command, args) {
        Ok(proxy) => proxy.serve(),
        Err(status) => status,
    }
}

fn native(word: &str) -> OsString {
    OsString::from_vec(text::bytes(word))
}

struct Proxy {
    pidfile: PathBuf,
    signals: SignalFd,
    /// The command.
    command: Pid,
    /// Its exit status, and when it ended.
    ended: Option<(u8, Instant)>,
    /// The child that the pidfile named when the command had ended, and its exit status.
    left: Option<(Pid, Option<u8>)>,
    stop: Option<Stop>,
    /// Whether there are children that were not reaped.
    children: bool,
}

/// An end that was asked for.
struct Stop {
    signal: Signal,
    /// What has to end first.
    target: Option<Process>,
    /// When that was found ended.
    gone: Option<Instant>,
    /// Whether the command got the signal.
    told: bool,
}

impl Proxy {
    /// Starts the command. The error is the exit status; what is wrong was said.
    fn begin(pidfile: &str, command: &str, args: &[String]) -> Result<Proxy, u8> {
        let mut mask = SigSet::empty();
        PASSED.into_iter().chain([Signal::SIGCHLD]).for_each(|signal| mask.add(signal));
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = mask.thread_block().and_then(|()| SignalFd::with_flags(&mask, flags));
        let signals = signals.map_err(|error| {
            say(&format!("pidproxy: cannot wait for signals: {error}\n"));
            1
        })?;
        // What the command leaves behind becomes a child of this process: its end and exit status are known then.
        let _ = prctl::set_child_subreaper(true);
        let command = spawn(command, args)?;
        Ok(Proxy {
            pidfile: native(pidfile).into(),
            signals,
            command,
            ended: None,
            left: None,
            stop: None,
            children: true,
        })
    }

    fn serve(mut self) -> u8 {
        loop {
            while let Ok(Some(info)) = self.signals.read_signal() {
                let number = i32::try_from(info.ssi_signo).unwrap_or(0);
                if let Some(signal) = PASSED.into_iter().find(|signal| *signal as i32 == number) {
                    self.pass(signal);
                }
            }
            self.reap();
            self.follow_stop();
            if let Some(status) = self.status() {
                return status;
            }
            let patience = match (&self.stop, self.ended) {
                (None, None) => PollTimeout::NONE,
                (None, Some(_)) if self.left.is_some() => PollTimeout::NONE,
                _ => PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO),
            };
            let mut ready = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut ready, patience);
        }
    }

    /// Passes a signal on.
    fn pass(&mut self, signal: Signal) {
        let named = pidfile::read(&self.pidfile);
        let path = text::from_bytes(&self.pidfile.clone().into_os_string().into_vec());
        let target = named.and_then(Process::of);
        match named {
            None => print(&format!("Can't read child pidfile {path}!\n")),
            Some(pid) => match kill(pid, signal) {
                Ok(()) => {}
                Err(Errno::ESRCH) => {
                    say(&format!("pidproxy: process {pid}, which {path} names, does not run\n"));
                }
                Err(error) => say(&format!("pidproxy: cannot signal process {pid}: {error}\n")),
            },
        }
        if ENDING.contains(&signal) {
            self.stop = Some(Stop { signal, target, gone: None, told: false });
        }
    }

    fn reap(&mut self) {
        loop {
            let (pid, status) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, u8::try_from(code & 0xff).unwrap_or(1)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    (pid, 128 + u8::try_from(signal as i32).unwrap_or(0))
                }
                Ok(WaitStatus::StillAlive) => return,
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(_) => {
                    self.children = false;
                    return;
                }
            };
            if pid == self.command {
                self.ended = Some((status, Instant::now()));
            } else if let Some((_, known)) = self.left.as_mut().filter(|(left, _)| *left == pid) {
                *known = Some(status);
            }
        }
    }

    /// At a stop the command has to end after what the pidfile names, or else gets the signal itself.
    fn follow_stop(&mut self) {
        let Some(stop) = &mut self.stop else {
            return;
        };
        if stop.target.is_none_or(|target| !target.runs()) {
            let gone = *stop.gone.get_or_insert_with(Instant::now);
            let waited = stop.target.is_none() || gone.elapsed() >= LINGER;
            if waited && !stop.told && self.ended.is_none() {
                stop.told = true;
                let _ = kill(self.command, stop.signal);
            }
        }
    }

    /// The exit status, once there is nothing to wait for.
    fn status(&mut self) -> Option<u8> {
        let (status, when) = self.ended?;
        if self.left.is_none() {
            let named = pidfile::read(&self.pidfile).and_then(Process::of);
            self.left = named.filter(|named| named.parent == Pid::this()).map(|p| (p.pid, None));
        }
        match (&self.left, &self.stop) {
            (Some((_, known)), _) => *known,
            (None, Some(stop)) => stop.gone.map(|_| status),
            (None, None) => (!self.children || when.elapsed() >= SETTLE).then_some(status),
        }
    }
}

/// Starts the command: from its path, or found in PATH, or else in the current directory.
fn spawn(command: &str, args: &[String]) -> Result<Pid, u8> {
    let mut spawned = spawn_from(command, command, args);
    if !command.contains('/') && spawned == Err(Errno::ENOENT) {
        spawned = spawn_from(&format!("./{command}"), command, args);
    }
    spawned.map_err(|error| {
        say(&format!("pidproxy: cannot run {command}: {}\n", error.desc()));
        if error == Errno::ENOENT { NOT_FOUND } else { NOT_EXECUTABLE }
    })
}

/// Starts a file under another name, without the mask of this process.
fn spawn_from(path: &str, name: &str, args: &[String]) -> nix::Result<Pid> {
    let mut attributes = PosixSpawnAttr::init()?;
    let flags = PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF;
    attributes.set_flags(flags)?;
    attributes.set_sigmask(&SigSet::empty())?;
    // Programs of Rust ignore it.
    attributes.set_sigdefault(&SigSet::from(Signal::SIGPIPE))?;
    let word = |bytes: Vec<u8>| CString::new(bytes).map_err(|_| Errno::EINVAL);
    let words = std::iter::once(name).chain(args.iter().map(String::as_str));
    let words: Vec<CString> = words.map(|w| word(text::bytes(w))).collect::<nix::Result<_>>()?;
    let variables = std::env::vars_os()
        .map(|(name, value)| word([name.into_vec(), b"=".to_vec(), value.into_vec()].concat()));
    let variables: Vec<CString> = variables.collect::<nix::Result<_>>()?;
    let actions = PosixSpawnFileActions::init()?;
    posix_spawnp(&word(text::bytes(path))?, &actions, &attributes, &words, &variables)
}
