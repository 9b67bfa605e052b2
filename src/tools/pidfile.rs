//! What a pidfile names, and whether that still runs.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::Pid;

/// Most of a pidfile that is read, in bytes.
const MOST: u64 = 4096;

/// The process id in the first line of a file. Numbers that mean several processes are none, nor is process 1. It waits for
/// nobody: what is no regular file names none, as a FIFO would be waited for.
pub fn read(path: &Path) -> Option<Pid> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    file.take(MOST).read_to_string(&mut text).ok()?;
    let number = text.trim_start().lines().next()?.trim().parse().ok()?;
    (number > 1).then_some(Pid::from_raw(number))
}

/// A process, told from a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: Pid,
    /// Its parent's.
    pub parent: Pid,
    /// When it started, in ticks since the machine did.
    started: u64,
}

impl Process {
    /// The process with this number, unless it has ended.
    pub fn of(pid: Pid) -> Option<Process> {
        parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Whether it still runs.
    pub fn runs(&self) -> bool {
        Process::of(self.pid).is_some_and(|now| now.started == self.started)
    }
}

/// The fields after the name, which may have anything in it.
fn parse(pid: Pid, stat: &str) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ended = matches!(*fields.first()?, "Z" | "X" | "x");
    let parent = Pid::from_raw(fields.get(1)?.parse().ok()?);
    let started = fields.get(19)?.parse().ok()?;
    (!ended).then_some(Process { pid, parent, started })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        assert_eq!(read(&path), None);
        let of = |text: &str| {
            fs::write(&path, text).unwrap();
            read(&path).map(Pid::as_raw)
        };
        assert_eq!(of("42\n"), Some(42));
        assert_eq!(of(" 42 \n/var/lib\n"), Some(42));
        for none in ["", "\n", "x", "0", "-1", "1", "-42", "42x", "99999999999"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn a_fifo_names_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let (done, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || done.send(read(&path)));
        assert_eq!(end.recv_timeout(std::time::Duration::from_secs(20)), Ok(None));
    }

    #[test]
    fn processes() {
        let own = Process::of(Pid::this()).unwrap();
        assert!(own.runs());
        assert_eq!(own.parent, Pid::parent());
        let another = Process { started: own.started + 1, ..own };
        assert!(!another.runs());
        let stat = "7 (a) Z (b) S 3 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 999 1 1";
        let process = parse(Pid::from_raw(7), stat).unwrap();
        assert_eq!((process.parent.as_raw(), process.started), (3, 999));
        assert_eq!(parse(Pid::from_raw(7), &stat.replace(") S", ") Z")), None);
        assert_eq!(parse(Pid::from_raw(7), "7 (a) S 3"), None);
    }
}
