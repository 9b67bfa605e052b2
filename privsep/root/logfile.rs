//! Root. Opening, rotating and emptying the log files of the table.
//!
//! Where every component of the path is root's alone, the spawner acts itself. Otherwise a forked child with a
//! deadline becomes the directory's owner and works by names inside the directory it holds, so that no program's
//! user can make root touch a file of that user's choosing.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::{
    Gid, Uid, UnlinkatFlags, Whence, ftruncate, geteuid, lseek, setgroups, setresgid, setresuid,
    unlinkat,
};
use privsep::table::{LogFile, Sink, Sweep};

use crate::path::{Exposed, Place, Walk, plain, trusted_uid, walk};
use crate::sys::{self, Cloned};

/// What is to be done with a log file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Task {
    Write,
    Read,
    Rotate,
    Clear,
}

/// What became of it.
pub enum Started {
    Done(Result<OwnedFd, Errno>),
    /// A child works on it and answers on this socket.
    Job {
        pid: i32,
        pidfd: OwnedFd,
        answer: OwnedFd,
    },
}

/// Who the work is done as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rules {
    /// The directory is root's (or we are not root and have nothing to lend).
    Own,
    /// The directory is somebody else's.
    Owner,
}

/// Begins a task. `held` is the open description of the file, if there is one.
pub fn start(sink: &Sink, task: Task, held: Option<&OwnedFd>) -> Started {
    let log = match sink {
        Sink::File(log) => log,
        _ if task != Task::Write => return Started::Done(Err(Errno::EAGAIN)),
        Sink::Inherited(number) => return Started::Done(inherited(*number)),
        Sink::Syslog => return Started::Done(syslog()),
    };
    if !geteuid().is_root() {
        return Started::Done(
            plain(&log.path).and_then(|place| act(&place, log, task, held, Rules::Own)),
        );
    }
    match walk(&log.path, Walk::Trusted, false) {
        Ok(place) if place.exposed.is_none() => {
            return Started::Done(act(&place, log, task, held, Rules::Own));
        }
        // A new AUTO log in a sticky directory of root's: made exclusively, it is nobody else's and nothing can wait.
        Ok(Place { dir, name, parent, .. })
            if log.auto && task == Task::Write && parent.sticky() && parent.uid == 0 =>
        {
            match openat(&dir, name.as_slice(), OFlag::O_WRONLY | NEW, mode(log)) {
                Err(Errno::EEXIST) => {}
                made => return Started::Done(made),
            }
        }
        Ok(_) | Err(Errno::EXDEV) => {}
        Err(errno) => return Started::Done(Err(errno)),
    }
    delegate(log, task, held).unwrap_or_else(|errno| Started::Done(Err(errno)))
}

/// Nothing waits, and no last link is followed.
const CAREFUL: OFlag =
    OFlag::O_NOFOLLOW.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);
/// And it must not be there yet.
const NEW: OFlag = CAREFUL.union(OFlag::O_CREAT).union(OFlag::O_EXCL);

fn mode(log: &LogFile) -> Mode {
    Mode::from_bits_truncate(log.mode)
}

/// A description of its own for what standard output or error leads to, so that no flag of the caller's changes.
fn inherited(number: u8) -> Result<OwnedFd, Errno> {
    let name: &[u8] = if number == 1 { b"/proc/self/fd/1" } else { b"/proc/self/fd/2" };
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = nix::fcntl::open(name, flags, Mode::empty())?;
    to_end(&file);
    Ok(file)
}

/// A socket that is connected to the system's log, for datagrams of text.
fn syslog() -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new("/dev/log")?).map(|()| socket)
}

/// Whoever writes through a description that begins at the start could rewrite what is there already.
fn to_end(file: &OwnedFd) {
    let _ = lseek(file, 0, Whence::SeekEnd);
}

/// The daemon's standard output for the broker's copy of the log.
pub fn standard_output() -> Option<OwnedFd> {
    // A socket cannot be opened again; a copy of it is written to without waiting.
    inherited(1).ok().or_else(|| std::io::stdout().as_fd().try_clone_to_owned().ok())
}

/// Does a task inside a held directory.
fn act(
    place: &Place,
    log: &LogFile,
    task: Task,
    held: Option<&OwnedFd>,
    rules: Rules,
) -> Result<OwnedFd, Errno> {
    match task {
        Task::Write => open(place, log, rules, OFlag::O_WRONLY, true),
        Task::Read => open(place, log, rules, OFlag::O_RDONLY, log.auto && held.is_none()),
        Task::Clear => {
            let file = match held {
                Some(file) => file.try_clone().map_err(|_| Errno::EMFILE)?,
                None => open(place, log, rules, OFlag::O_WRONLY, false)?,
            };
            ftruncate(&file, 0).map(|()| file)
        }
        Task::Rotate => rotate(place, log, held.ok_or(Errno::EBADF)?, rules),
    }
}

/// Opens the file, or makes it where it is not there. Nothing here waits, follows a last link or truncates.
fn open(
    place: &Place,
    log: &LogFile,
    rules: Rules,
    access: OFlag,
    create: bool,
) -> Result<OwnedFd, Errno> {
    let (name, flags) = (place.name.as_slice(), access | CAREFUL);
    let file = match openat(&place.dir, name, flags, Mode::empty()) {
        Err(Errno::ENOENT) if create => openat(&place.dir, name, access | NEW, mode(log))?,
        Err(Errno::EACCES) if rules == Rules::Owner => left_by_root(place, flags)?,
        other => other?,
    };
    let stat = fstat(&file)?;
    let regular = stat.st_mode & libc::S_IFMT == SFlag::S_IFREG.bits();
    to_end(&file);
    // An AUTO name is known once it is listed: a file that somebody else has put there is not ours to write.
    let planted = log.auto && !trusted_uid(stat.st_uid);
    if rules == Rules::Owner && (!regular || stat.st_nlink != 1 || planted) {
        return Err(Errno::EPERM);
    }
    Ok(file)
}

/// What the reference leaves behind: a file of root's, with one name, in somebody else's directory.
fn left_by_root(place: &Place, flags: OFlag) -> Result<OwnedFd, Errno> {
    let owner = geteuid();
    setresuid(Uid::from_raw(u32::MAX), Uid::from_raw(0), Uid::from_raw(u32::MAX))?;
    let file = openat(&place.dir, place.name.as_slice(), flags, Mode::empty());
    setresuid(Uid::from_raw(u32::MAX), owner, Uid::from_raw(u32::MAX))?;
    let file = file?;
    if fstat(&file)?.st_uid == 0 { Ok(file) } else { Err(Errno::EACCES) }
}

/// Shifts the numbered files up and begins a new one; only when the limit is really reached.
fn rotate(place: &Place, log: &LogFile, held: &OwnedFd, rules: Rules) -> Result<OwnedFd, Errno> {
    let size = u64::try_from(fstat(held)?.st_size).unwrap_or(0);
    if log.maxbytes == 0 || size < log.maxbytes {
        return Err(Errno::EAGAIN);
    }
    if log.backups == 0 {
        ftruncate(held, 0)?;
        return held.try_clone().map_err(|_| Errno::EMFILE);
    }
    let numbered = |n: u32| [place.name.as_slice(), b".", n.to_string().as_bytes()].concat();
    let shift = |from: &[u8], to: &[u8]| match renameat(&place.dir, from, &place.dir, to) {
        Err(Errno::ENOENT) | Ok(()) => Ok(()),
        Err(errno) => Err(errno),
    };
    for n in (1..log.backups).rev() {
        shift(&numbered(n), &numbered(n + 1))?;
    }
    shift(&place.name, &numbered(1))?;
    open(place, log, rules, OFlag::O_WRONLY, true)
}

/// Has a child do it that has become the directory's owner.
fn delegate(log: &LogFile, task: Task, held: Option<&OwnedFd>) -> Result<Started, Errno> {
    let (answer, ours) = sys::datagrams()?;
    match sys::clone(None, None)? {
        Cloned::Parent { pid, pidfd } => Ok(Started::Job { pid, pidfd, answer }),
        Cloned::Child => {
            sys::keep(&held.into_iter().chain([&ours]).map(AsFd::as_fd).collect::<Vec<_>>());
            let file = walk(&log.path, Walk::All, false).and_then(|place| {
                become_owner(&place.parent)?;
                act(&place, log, task, held, Rules::Owner)
            });
            let errno = file.as_ref().err().map_or(0, |errno| *errno as i32).to_le_bytes();
            let fds: Vec<_> = file.iter().map(AsFd::as_fd).collect();
            let _ = sys::send(&ours, &errno, &fds);
            sys::exit(0)
        }
    }
}

/// Takes on the owner's rights. The real id stays root, so that the owner can neither stop nor trace this child.
fn become_owner(parent: &Exposed) -> Result<(), Errno> {
    let keep = (Gid::from_raw(u32::MAX), Uid::from_raw(u32::MAX));
    if parent.uid == u32::MAX || parent.gid == u32::MAX {
        return Err(Errno::EPERM);
    }
    setgroups(&[])?;
    if parent.uid != 0 {
        setresgid(keep.0, Gid::from_raw(parent.gid), keep.0)?;
        setresuid(keep.1, Uid::from_raw(parent.uid), keep.1)?;
    }
    if geteuid().as_raw() == parent.uid { Ok(()) } else { Err(Errno::EPERM) }
}

/// The answer of a child, once there is one: the file, or why not. A child that died without one gives EIO.
pub fn answer(from: &OwnedFd) -> Option<Result<OwnedFd, Errno>> {
    match sys::receive_file(from) {
        Err(Errno::EAGAIN | Errno::EINTR) => None,
        Err(errno) => Some(Err(errno)),
        Ok((_, Some(file))) => Some(Ok(file)),
        Ok(([0, 0, 0, 0], None)) => Some(Err(Errno::EIO)),
        Ok((errno, None)) => Some(Err(Errno::from_raw(i32::from_le_bytes(errno)))),
    }
}

/// Removes the AUTO logs of earlier starts: regular files of our own whose names carry the infix.
pub fn sweep(what: &Sweep) {
    let place = if geteuid().is_root() {
        walk(&what.directory, Walk::Config, true)
    } else {
        plain(&what.directory)
    };
    let Ok(place) = place.as_ref() else { return };
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let Ok(dir) = openat(&place.dir, place.name.as_slice(), flags, Mode::empty()) else {
        return;
    };
    let Ok(mut listing) = nix::dir::Dir::from_fd(dir) else {
        return;
    };
    let names: Vec<Vec<u8>> =
        listing.iter().flatten().map(|e| e.file_name().to_bytes().to_vec()).collect();
    for name in names.iter().filter(|name| is_auto_log(name, &what.infix)) {
        let stat = nix::sys::stat::fstatat(
            listing.as_fd(),
            name.as_slice(),
            nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW,
        );
        let ours = stat.is_ok_and(|s| {
            trusted_uid(s.st_uid) && s.st_mode & libc::S_IFMT == SFlag::S_IFREG.bits()
        });
        if ours {
            let _ = unlinkat(listing.as_fd(), name.as_slice(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// `SOMETHING---IDENTIFIER-XXXX.log`, perhaps with a number behind.
fn is_auto_log(name: &[u8], infix: &[u8]) -> bool {
    let Some(at) = name.windows(infix.len()).position(|part| part == infix) else {
        return false;
    };
    let rest = name.split_at(at + infix.len()).1;
    let Some(dot) = rest.windows(4).position(|part| part == b".log") else {
        return false;
    };
    let tail = rest.split_at(dot + 4).1;
    let number = tail.strip_prefix(b".").unwrap_or(tail);
    at > 0 && dot > 0 && number.len() <= 4 && number.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_auto_logs_of_this_identifier_are_swept() {
        let is = |name: &str| is_auto_log(name.as_bytes(), b"---supervisor-");
        assert!(is("cat-stdout---supervisor-ab12cd34.log"));
        assert!(is("cat-stdout---supervisor-ab12cd34.log.1"));
        assert!(is("cat-stdout---supervisor-ab12cd34.log.1000"));
        for other in [
            "cat-stdout---other-ab12cd34.log",
            "---supervisor-ab12cd34.log",
            "cat---supervisor-.log",
            "cat---supervisor-x.logfoo",
            "cat---supervisor-x.txt",
            "cat---supervisor-x.log.12345",
        ] {
            assert!(!is(other), "{other}");
        }
    }

    #[test]
    fn what_is_written_comes_after_what_is_there() {
        let path = std::env::temp_dir().join(format!("logfile-{}", std::process::id()));
        std::fs::write(&path, "history").unwrap();
        let log = LogFile {
            path: path.as_os_str().as_encoded_bytes().to_vec(),
            maxbytes: 0,
            backups: 0,
            mode: 0o600,
            exact: false,
            uid: None,
            gid: None,
            auto: false,
        };
        let place = plain(&log.path).unwrap();
        let file = act(&place, &log, Task::Write, None, Rules::Own).unwrap();
        assert_eq!(lseek(&file, 0, Whence::SeekCur), Ok(7));
        std::fs::remove_file(path).unwrap();
    }
}
