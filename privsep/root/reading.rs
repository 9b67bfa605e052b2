//! Root. Running the reader: its limits, the files it may have, and the sealed table it leaves.

use std::collections::BTreeSet;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl, openat};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::Resource;
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::geteuid;
use privsep::files::{Answer, Ask, MAX_DIRS, MAX_FILES, MAX_REQUEST};
use privsep::frame::{Error, Wire};
use privsep::start::{self, SPARE_UID, SPARE_UIDS, Start};
use privsep::table::{self, Identity, Table};

use crate::helpers::{Helpers, Launch};
use crate::path::{DIRECTORY, Place, Walk, open_to_others, plain, walk};
use crate::sys;

const DEADLINE: u64 = 30_000_000_000;

/// What a reading gave.
pub struct Reading {
    pub table: Table,
    /// For the broker; unread here.
    pub settings: OwnedFd,
}

/// Why there is nothing to start.
pub enum Failed {
    /// The reader has said why.
    Leave(u8),
    System(&'static str, Errno),
    Table(Error),
    /// It went beyond its rules, died, or took too long.
    Reader(&'static str),
}

/// Runs the reader to its end.
pub fn read(helpers: &Helpers, start: &Start) -> Result<Reading, Failed> {
    let memfd = |what| move |errno| Failed::System(what, errno);
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let make = |name: &'static str| memfd_create(name, flags).map_err(memfd(name));
    let (record, table, settings) = (make("start")?, make("table")?, make("settings")?);
    let mut record = std::fs::File::from(record);
    std::io::Write::write_all(&mut record, &start.encode())
        .and_then(|()| std::io::Seek::rewind(&mut record))
        .map_err(|_| Failed::System("start record", Errno::EIO))?;
    let record = OwnedFd::from(record);
    seal(&record).map_err(memfd("start record"))?;
    let (ours, theirs) = sys::datagrams().map_err(memfd("socket to the reader"))?;
    // The reader waits for its answers; only this end must not.
    let _ = fcntl(&theirs, FcntlArg::F_SETFL(OFlag::O_RDWR));
    let (out, err) = (std::io::stdout(), std::io::stderr());
    let map = [
        (helpers.null.as_fd(), 0),
        (out.as_fd(), 1),
        (err.as_fd(), 2),
        (theirs.as_fd(), start::SOCKET),
        (record.as_fd(), start::START),
        (table.as_fd(), start::TABLE),
        (settings.as_fd(), start::SETTINGS),
    ];
    let identity = spare_identity(start);
    let launch = Launch {
        name: c"supervisor-reader",
        file: &helpers.reader,
        map: &map,
        identity: identity.as_ref(),
        limits: &[
            (Resource::RLIMIT_CPU, (10, 10)),
            (Resource::RLIMIT_AS, (2 << 30, 2 << 30)),
            (Resource::RLIMIT_FSIZE, (64 << 20, 64 << 20)),
            (Resource::RLIMIT_CORE, (0, 0)),
        ],
    };
    let (pid, pidfd) = launch.start().map_err(memfd("reader"))?;
    drop(theirs);
    let verdict = Service::default().serve(&ours);
    // Whatever it has forked ends with it: nobody may still write to what is read next.
    sys::end(&pidfd, Some(pid));
    verdict?;
    seal(&table).and_then(|()| seal(&settings)).map_err(memfd("seal"))?;
    let size = fstat(&table).map_err(memfd("table"))?.st_size;
    if usize::try_from(size).is_ok_and(|n| n > table::MAX) {
        return Err(Failed::Table(Error::Limit));
    }
    let mut bytes = Vec::new();
    let mut file = std::fs::File::from(table);
    let read = std::io::Seek::rewind(&mut file).and_then(|()| file.read_to_end(&mut bytes));
    read.map_err(|_| Failed::System("table", Errno::EIO))?;
    let table = Table::read(&bytes).map_err(Failed::Table)?;
    table.permit(geteuid().as_raw()).map_err(Failed::Table)?;
    Ok(Reading { table, settings })
}

/// Root lends the reader the last user id that nobody uses; when all are in use the last one, for its short life.
fn spare_identity(start: &Start) -> Option<Identity> {
    let free = (0..SPARE_UIDS).rev().find(|n| start.spare & (1 << n) != 0);
    let uid = SPARE_UID + free.unwrap_or(SPARE_UIDS - 1);
    geteuid().is_root().then_some(Identity { uid, gid: uid, groups: Vec::new() })
}

fn seal(memfd: &OwnedFd) -> Result<(), Errno> {
    let seals = SealFlag::F_SEAL_SEAL
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_WRITE;
    fcntl(memfd, FcntlArg::F_ADD_SEALS(seals)).map(drop)
}

/// What was granted so far.
#[derive(Default)]
struct Service {
    main: bool,
    dirs: Vec<Vec<u8>>,
    asked: u16,
    files: u32,
}

impl Service {
    fn serve(&mut self, socket: &OwnedFd) -> Result<(), Failed> {
        let deadline = crate::now() + DEADLINE;
        loop {
            let left = deadline.saturating_sub(crate::now()) / 1_000_000;
            let timeout = PollTimeout::try_from(i32::try_from(left).unwrap_or(0))
                .unwrap_or(PollTimeout::ZERO);
            match poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(0) => return Err(Failed::Reader("it took too long")),
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(Failed::System("poll", errno)),
                Ok(_) => {}
            }
            let (answer, file) = match receive(socket)? {
                Ask::Accept if self.main => return Ok(()),
                Ask::Accept => return Err(Failed::Reader("it read no configuration")),
                Ask::Leave(status) => return Err(Failed::Leave(status)),
                ask => self
                    .answer(ask)
                    .map_or_else(|refusal| (refusal, None), |fd| (Answer::Granted, Some(fd))),
            };
            let fds: Vec<_> = file.iter().map(AsFd::as_fd).collect();
            sys::send(socket, &answer.seal(), &fds)
                .map_err(|_| Failed::Reader("it does not take its answers"))?;
        }
    }

    fn answer(&mut self, ask: Ask) -> Result<OwnedFd, Answer> {
        match ask {
            Ask::Main(path) if !self.main => {
                let file = regular(&find(&path)?, path.len())?;
                self.main = true;
                Ok(file)
            }
            Ask::Dir(path) if self.main && self.asked < MAX_DIRS => {
                self.asked += 1;
                let dir = directory(&find(&path)?, path.len())?;
                let listing = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
                let listing = openat(&dir, ".", listing, Mode::empty()).map_err(errno)?;
                self.dirs.push(path);
                Ok(listing)
            }
            Ask::File { dir, name } if self.files < MAX_FILES => {
                self.files += 1;
                let path = self.dirs.get(usize::from(dir)).ok_or(Answer::Refused)?;
                let path = [path, b"/".as_slice(), &name].concat();
                regular(&find(&path)?, path.len())
            }
            _ => Err(Answer::Refused),
        }
    }
}

fn errno(errno: Errno) -> Answer {
    Answer::Errno(errno as i32)
}

/// The directory of a configuration file. As root, nobody else may be able to write anywhere on the way.
fn find(path: &[u8]) -> Result<Place, Answer> {
    let root = geteuid().is_root();
    let place = if root { walk(path, Walk::Config, true) } else { plain(path) }.map_err(errno)?;
    match place.exposed.filter(|_| root) {
        Some(e) => Err(Answer::Unsafe { upto: e.upto, uid: e.uid, mode: e.mode }),
        None => Ok(place),
    }
}

fn checked(file: OwnedFd, upto: usize, kind: SFlag) -> Result<OwnedFd, Answer> {
    let stat = fstat(&file).map_err(errno)?;
    if stat.st_mode & libc::S_IFMT != kind.bits() {
        return Err(Answer::Kind);
    }
    let sticky = kind == SFlag::S_IFDIR
        && stat.st_mode & 0o1000 != 0
        && crate::path::trusted_uid(stat.st_uid);
    match open_to_others(&stat, upto).filter(|_| geteuid().is_root() && !sticky) {
        Some(e) => Err(Answer::Unsafe { upto: e.upto, uid: e.uid, mode: e.mode }),
        None => Ok(file),
    }
}

fn regular(place: &Place, upto: usize) -> Result<OwnedFd, Answer> {
    // As root every link was followed already; a device or FIFO must not be opened to find out what it is.
    let follow = if geteuid().is_root() { OFlag::O_NOFOLLOW } else { OFlag::empty() };
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | follow;
    let file = openat(&place.dir, place.name.as_slice(), flags, Mode::empty()).map_err(errno)?;
    checked(file, upto, SFlag::S_IFREG)
}

fn directory(place: &Place, upto: usize) -> Result<OwnedFd, Answer> {
    let follow = if geteuid().is_root() { OFlag::O_NOFOLLOW } else { OFlag::empty() };
    let flags = (DIRECTORY - OFlag::O_NOFOLLOW) | follow;
    let dir = openat(&place.dir, place.name.as_slice(), flags, Mode::empty()).map_err(errno)?;
    checked(dir, upto, SFlag::S_IFDIR)
}

fn receive(socket: &OwnedFd) -> Result<Ask, Failed> {
    match sys::receive(socket, &mut [0; MAX_REQUEST + 1]) {
        Ok([]) | Err(Errno::ECONNRESET) => Err(Failed::Reader("it ended without an answer")),
        Ok(bytes) => Ask::read(bytes).map_err(|_| Failed::Reader("it sent what it may not send")),
        Err(_) => Err(Failed::Reader("it sent what it may not send")),
    }
}

/// Which of the spare user ids no process has, one bit each.
pub fn spare_uids() -> u16 {
    use std::os::unix::fs::MetadataExt;
    let used: BTreeSet<u32> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.metadata().ok().map(|m| m.uid()))
        .collect();
    (0..SPARE_UIDS).filter(|n| !used.contains(&(SPARE_UID + n))).fold(0, |mask, n| mask | 1 << n)
}
