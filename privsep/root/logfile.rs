//! Root. Opening, rotating and emptying the log files of the table.
//!
//! Where every component of the path is root's alone, the spawner acts itself. Otherwise a forked child with a
//! deadline becomes the directory's owner and works by names inside the directory it holds, so that no program's
//! user can make root touch a file of that user's choosing.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::{FileStat, fchmod, fstat, fstatat, umask};
use nix::unistd::{
    Gid, Uid, UnlinkatFlags, Whence, fchown, ftruncate, geteuid, lseek, setgroups, setresgid,
    setresuid, unlinkat,
};
use privsep::table::{LogFile, Sink, Sweep};

use crate::errand::{self, Errand, Made};
use crate::path::{DIRECTORY, Place, Walk, find, id, is, mode, sticky, trusted_uid};

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
    Done(Result<Made, Errno>),
    /// A child works on it.
    Sent(Errand),
}

/// A task inside a held directory.
struct Work<'a> {
    log: &'a LogFile,
    task: Task,
    /// The open description of the file, if there is one.
    held: Option<&'a OwnedFd>,
    place: Place,
    /// The directory is somebody else's, and this is done with its owner's rights.
    lent: bool,
}

/// Begins a task. `held` is the open description of the file, if there is one.
pub fn start(sink: &Sink, task: Task, held: Option<&OwnedFd>) -> Started {
    let log = match sink {
        Sink::File(log) => log,
        _ if task != Task::Write => return Started::Done(Err(Errno::EAGAIN)),
        Sink::Inherited(number) => return Started::Done(inherited(*number).and_then(Made::one)),
        Sink::Syslog => return Started::Done(syslog().and_then(Made::one)),
    };
    let work = |place, lent| Work { log, task, held, place, lent };
    match find(&log.path, Walk::Trusted) {
        Ok(place) if place.exposed.is_none() => {
            return Started::Done(work(place, false).act().and_then(Made::one));
        }
        // A new AUTO log in a sticky directory of root's: made exclusively, it is nobody else's and nothing can wait.
        Ok(place)
            if log.auto
                && task == Task::Write
                && sticky(&place.parent)
                && place.parent.st_uid == 0 =>
        {
            let work = work(place, false);
            match work.make(OFlag::O_WRONLY) {
                Err(Errno::EEXIST) => {}
                made => return Started::Done(made.and_then(Made::one)),
            }
        }
        Ok(_) | Err(Errno::EXDEV) => {}
        Err(errno) => return Started::Done(Err(errno)),
    }
    let sent = errand::send(&held.map(AsFd::as_fd).into_iter().collect::<Vec<_>>(), || {
        let place = find(&log.path, Walk::All)?;
        become_owner(&place.parent)?;
        work(place, true).act().and_then(Made::one)
    });
    sent.map_or_else(|errno| Started::Done(Err(errno)), Started::Sent)
}

/// Nothing waits, and no last link is followed.
const CAREFUL: OFlag = OFlag::O_NOFOLLOW.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY);
/// And it must not be there yet.
const NEW: OFlag = CAREFUL.union(OFlag::O_CREAT).union(OFlag::O_EXCL);

/// A description of its own for what standard output or error leads to, so that no flag of the caller's changes.
fn inherited(number: u8) -> Result<OwnedFd, Errno> {
    let name = if number == 1 { "/proc/self/fd/1" } else { "/proc/self/fd/2" };
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = match nix::fcntl::open(name, flags, mode(0)) {
        // A socket cannot be opened again; a copy of it is written to without waiting.
        Err(Errno::ENXIO) if number == 1 => std::io::stdout().as_fd().try_clone_to_owned(),
        Err(Errno::ENXIO) => std::io::stderr().as_fd().try_clone_to_owned(),
        file => return file.inspect(to_end),
    };
    file.map_err(|_| Errno::EMFILE)
}

/// A file of the audit log, for reading and writing: at once, and only where nobody else can put another in its place.
/// What is `held` is rotated before that, where it is due and still has the name; nothing is moved before the next one is there.
pub fn audit_file(log: &LogFile, held: Option<&OwnedFd>) -> Result<OwnedFd, Errno> {
    let place = find(&log.path, Walk::Config)?;
    if place.exposed.is_some() {
        return Err(Errno::EPERM);
    }
    let work = Work { log, task: Task::Rotate, held, place, lent: false };
    let (dir, name) = (&work.place.dir, work.place.name.as_slice());
    let there = fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW).map(|stat| id(&stat));
    if let Some(held) = held
        && fstat(held).map(|stat| id(&stat)) == there
        && work.due(held)?
    {
        let new = [name, b".new"].concat();
        let _ = unlinkat(dir, new.as_slice(), UnlinkatFlags::NoRemoveDir);
        openat(dir, new.as_slice(), OFlag::O_WRONLY | NEW, mode(log.mode))?;
        work.shift()?;
        renameat(dir, new.as_slice(), dir, name)?;
    }
    let file = work.place.open(OFlag::O_RDWR | OFlag::O_CREAT | CAREFUL, log.mode)?;
    let stat = fstat(&file)?;
    to_end(&file);
    let ours = is(&stat, libc::S_IFREG) && stat.st_nlink == 1 && trusted_uid(stat.st_uid);
    // Where others could write, they may have written.
    if !ours || stat.st_mode & 0o022 != 0 {
        return Err(Errno::EPERM);
    }
    fchmod(&file, mode(log.mode)).map(|()| file)
}

/// A socket that is connected to the system's log, for datagrams of text.
pub fn syslog() -> Result<OwnedFd, Errno> {
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
    inherited(1).ok()
}

/// Another descriptor of the same description.
pub fn copy(file: &OwnedFd) -> Result<OwnedFd, Errno> {
    file.try_clone().map_err(|_| Errno::EMFILE)
}

impl Work<'_> {
    fn act(&self) -> Result<OwnedFd, Errno> {
        match self.task {
            Task::Write => self.open(OFlag::O_WRONLY, true),
            Task::Read => self.open(OFlag::O_RDONLY, self.log.auto && self.held.is_none()),
            Task::Clear => {
                // By name: what is open may have been moved away.
                let file = self.open(OFlag::O_WRONLY, false)?;
                ftruncate(&file, 0).map(|()| file)
            }
            Task::Rotate => self.rotate(),
        }
    }

    /// Opens the file, or makes it where it is not there. Nothing here waits, follows a last link or truncates.
    fn open(&self, access: OFlag, create: bool) -> Result<OwnedFd, Errno> {
        let place = &self.place;
        let file = match place.open(access | CAREFUL, 0) {
            Err(Errno::ENOENT) if create => self.make(access)?,
            Err(Errno::EACCES) if self.lent => self.left_by_root(access)?,
            other => other?,
        };
        let stat = fstat(&file)?;
        to_end(&file);
        // An AUTO name is known once it is listed: a file that somebody else has put there is not ours to write.
        let ours = trusted_uid(stat.st_uid) || self.log.uid == Some(stat.st_uid);
        let planted = self.log.auto && !ours;
        let odd = !is(&stat, libc::S_IFREG) || stat.st_nlink != 1 || planted;
        if self.lent && odd { Err(Errno::EPERM) } else { Ok(file) }
    }

    /// Makes the file. One that gets an owner is root's until then, and nobody may open it: whoever has the directory
    /// could otherwise write to it ever after, or have another name for it.
    fn make(&self, access: OFlag) -> Result<OwnedFd, Errno> {
        let log = self.log;
        if log.uid.or(log.gid).is_none() {
            let file = self.place.open(access | NEW, log.mode)?;
            if log.exact {
                fchmod(&file, mode(log.mode))?;
            }
            return Ok(file);
        }
        let (uid, gid) = (log.uid.map(Uid::from_raw), log.gid.map(Gid::from_raw));
        let mask = umask(mode(0o777));
        umask(mask);
        let hidden = if log.exact { mode(0) } else { mask };
        self.as_root(|| {
            let file = self.place.open(access | NEW, 0)?;
            fchown(&file, uid, gid)?;
            fchmod(&file, mode(log.mode) & !hidden).map(|()| file)
        })
    }

    /// What the reference leaves behind, a file of root's in somebody else's directory, or one of the configured owner.
    fn left_by_root(&self, access: OFlag) -> Result<OwnedFd, Errno> {
        let file = self.as_root(|| self.place.open(access | CAREFUL, 0))?;
        let owner = fstat(&file)?.st_uid;
        if owner == 0 || self.log.uid == Some(owner) { Ok(file) } else { Err(Errno::EACCES) }
    }

    /// Does one thing with root's rights, also where they were lent away.
    fn as_root<T>(&self, act: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
        let owner = geteuid();
        if self.lent {
            effective(Uid::from_raw(0))?;
        }
        let result = act();
        effective(owner).and(result)
    }

    /// Shifts the numbered files up and begins a new one; only when the limit is really reached.
    fn rotate(&self) -> Result<OwnedFd, Errno> {
        let held = self.held.ok_or(Errno::EBADF)?;
        if !self.due(held)? {
            return Err(Errno::EAGAIN);
        }
        if self.log.backups == 0 {
            ftruncate(held, 0)?;
            return copy(held);
        }
        self.shift()?;
        self.open(OFlag::O_WRONLY, true)
    }

    fn due(&self, held: &OwnedFd) -> Result<bool, Errno> {
        let size = u64::try_from(fstat(held)?.st_size).unwrap_or(0);
        Ok(self.log.maxbytes > 0 && size >= self.log.maxbytes)
    }

    /// Moves every file up by one number.
    fn shift(&self) -> Result<(), Errno> {
        let (log, place) = (self.log, &self.place);
        let numbered = |n: u32| match n {
            0 => place.name.clone(),
            n => [place.name.as_slice(), b".", n.to_string().as_bytes()].concat(),
        };
        for n in (0..log.backups).rev() {
            let (from, to) = (numbered(n), numbered(n + 1));
            match renameat(&place.dir, from.as_slice(), &place.dir, to.as_slice()) {
                Err(Errno::ENOENT) | Ok(()) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

/// Changes the effective user id alone. The real id stays root, so that the owner can neither stop nor trace this
/// child.
fn effective(uid: Uid) -> Result<(), Errno> {
    let keep = Uid::from_raw(u32::MAX);
    setresuid(keep, uid, keep)
}

/// Takes on the owner's rights.
fn become_owner(parent: &FileStat) -> Result<(), Errno> {
    if parent.st_uid == u32::MAX || parent.st_gid == u32::MAX {
        return Err(Errno::EPERM);
    }
    setgroups(&[])?;
    if parent.st_uid != 0 {
        let keep = Gid::from_raw(u32::MAX);
        setresgid(keep, Gid::from_raw(parent.st_gid), keep)?;
        effective(Uid::from_raw(parent.st_uid))?;
    }
    if geteuid().as_raw() == parent.st_uid { Ok(()) } else { Err(Errno::EPERM) }
}

/// Removes the AUTO logs of earlier starts: regular files of our own whose names carry the infix.
pub fn sweep(what: &Sweep) {
    let list = |place: Place| place.open(DIRECTORY | OFlag::O_NOFOLLOW, 0);
    let dir = find(&what.directory, Walk::Config).and_then(list);
    let Ok(mut listing) = dir.and_then(nix::dir::Dir::from_fd) else {
        return;
    };
    let names = listing.iter().flatten().map(|entry| entry.file_name().to_owned());
    let names: Vec<_> = names.filter(|name| is_auto_log(name.to_bytes(), &what.infix)).collect();
    for name in names {
        let name = name.as_c_str();
        let stat = fstatat(listing.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW);
        if stat.is_ok_and(|stat| trusted_uid(stat.st_uid) && is(&stat, libc::S_IFREG)) {
            let _ = unlinkat(listing.as_fd(), name, UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// `SOMETHING---IDENTIFIER-XXXX.log`, perhaps with a number behind.
fn is_auto_log(name: &[u8], infix: &[u8]) -> bool {
    let Some((before, rest)) = cut(name, infix) else {
        return false;
    };
    cut(rest, b".log").is_some_and(|(unique, tail)| {
        let number = tail.strip_prefix(b".").unwrap_or(tail);
        let counted = number.len() <= 4 && number.iter().all(u8::is_ascii_digit);
        let one_word = !unique.is_empty() && !unique.iter().any(u8::is_ascii_whitespace);
        !before.is_empty() && one_word && counted
    })
}

/// What stands before and after the first `mark`.
fn cut<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(mark.len()).position(|part| part == mark)?;
    Some((text.get(..at)?, text.get(at + mark.len()..)?))
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
            "cat---supervisor-a b.log",
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
        let file = LogFile {
            path: path.as_os_str().as_encoded_bytes().to_vec(),
            maxbytes: 0,
            backups: 0,
            mode: 0o600,
            exact: false,
            uid: None,
            gid: None,
            auto: false,
        };
        let place = find(&file.path, Walk::All).unwrap();
        let work = Work { log: &file, task: Task::Write, held: None, place, lent: false };
        let file = work.act().unwrap();
        assert_eq!(lseek(&file, 0, Whence::SeekCur), Ok(7));
        std::fs::remove_file(path).unwrap();
    }
}
