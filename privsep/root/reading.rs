//! Root. Running the reader: its limits, the files it may have, and the sealed table it leaves.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl, openat};
use nix::poll::PollFlags;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::Resource;
use nix::sys::stat::{FileStat, fstat};
use nix::unistd::geteuid;
use privsep::files::{Answer, Ask, MAX_DIRS, MAX_FILES, MAX_REQUEST};
use privsep::frame::{Error, Wire};
use privsep::start::{self, SPARE_UID, SPARE_UIDS, Start};
use privsep::table::{self, Identity, Table};

use crate::begin::{cannot, fail};
use crate::helpers::{Helpers, Launch};
use crate::path::{DIRECTORY, Walk, exposed, find, is, mode, sticky};
use crate::sys;

const CONTENT: SealFlag = SealFlag::F_SEAL_WRITE;
const DEADLINE: u64 = 30_000_000_000;

/// What a reading gave.
pub struct Reading {
    pub table: Table,
    /// For the broker; unread here.
    pub settings: OwnedFd,
}

/// Why the reader gave nothing.
enum Ended {
    /// It has said why.
    Left(u8),
    /// It went beyond its rules, died, or took too long.
    Broke(&'static str),
}

/// Runs the reader to its end. An error has been said; it is the exit status.
pub fn read(helpers: &Helpers, start: &Start) -> Result<Reading, u8> {
    let failed = |what: &'static str| {
        move |errno| cannot(&[b"read the configuration: ", what.as_bytes()], errno)
    };
    let make = |name| memfd(name).map_err(failed(name));
    let (record, table, settings) = (make("start")?, make("table")?, make("settings")?);
    let written = record.write_all_at(&start.encode(), 0).map_err(|_| Errno::EIO);
    written.and_then(|()| seal(&record, CONTENT)).map_err(failed("start record"))?;
    let (ours, theirs) = sys::datagrams().map_err(failed("socket to the reader"))?;
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
    let reader = launch.start().map_err(failed("reader"))?;
    drop(theirs);
    let verdict = Service::default().serve(&ours);
    // Whatever it has forked ends with it: nobody may still write to what is read next.
    reader.end(true);
    verdict.map_err(|ended| match ended {
        Ended::Left(status) => status,
        Ended::Broke(why) => fail(&[b"the configuration reader was ended: ", why.as_bytes()]),
    })?;
    seal(&table, CONTENT).and_then(|()| seal(&settings, CONTENT)).map_err(failed("seal"))?;
    let size = fstat(&table).map_err(failed("table"))?.st_size;
    let table = accept(&table, usize::try_from(size).unwrap_or(usize::MAX)).map_err(|error| {
        fail(&[b"the launch table was refused: ", error.to_string().as_bytes()])
    })?;
    Ok(Reading { table, settings: settings.into() })
}

/// The sealed table, when it is one.
fn accept(file: &File, size: usize) -> Result<Table, Error> {
    if size > table::MAX {
        return Err(Error::Limit);
    }
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, 0).map_err(|_| Error::Short)?;
    let table = Table::read(&bytes)?;
    table.permit(geteuid().as_raw()).map(|()| table)
}

/// Root lends the reader the last user id that nobody uses; when all are in use the last one, for its short life.
fn spare_identity(start: &Start) -> Option<Identity> {
    let free = (0..SPARE_UIDS).rev().find(|n| start.spare & (1 << n) != 0);
    let uid = SPARE_UID + free.unwrap_or(SPARE_UIDS - 1);
    geteuid().is_root().then_some(Identity { uid, gid: uid, groups: Vec::new() })
}

pub fn memfd(name: &str) -> Result<File, Errno> {
    memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).map(File::from)
}

/// Fixes its size for ever, and with more seals more.
pub fn seal(memfd: &File, more: SealFlag) -> Result<(), Errno> {
    let size = SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
    fcntl(memfd, FcntlArg::F_ADD_SEALS(size | more)).map(drop)
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
    fn serve(&mut self, socket: &OwnedFd) -> Result<(), Ended> {
        let deadline = crate::now() + DEADLINE;
        loop {
            let left = deadline.saturating_sub(crate::now()) / 1_000_000;
            match sys::wait(socket, PollFlags::POLLIN, left) {
                Ok(events) if events.is_empty() => return Err(Ended::Broke("it took too long")),
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(Ended::Broke(errno.desc())),
                Ok(_) => {}
            }
            let (answer, file) = match receive(socket)? {
                Ask::Accept if self.main => return Ok(()),
                Ask::Accept => return Err(Ended::Broke("it read no configuration")),
                Ask::Leave(status) => return Err(Ended::Left(status)),
                ask => self
                    .answer(ask)
                    .map_or_else(|refusal| (refusal, None), |fd| (Answer::Granted, Some(fd))),
            };
            let fds: Vec<_> = file.iter().map(AsFd::as_fd).collect();
            sys::send(socket, &answer.seal(), &fds)
                .map_err(|_| Ended::Broke("it does not take its answers"))?;
        }
    }

    fn answer(&mut self, ask: Ask) -> Result<OwnedFd, Answer> {
        match ask {
            Ask::Main(path) if !self.main => regular(&path).inspect(|_| self.main = true),
            Ask::Dir(path) if self.main && self.asked < MAX_DIRS => {
                self.asked += 1;
                let dir = open(&path, DIRECTORY | OFlag::O_PATH, libc::S_IFDIR)?;
                let listing = openat(&dir, ".", DIRECTORY, mode(0)).map_err(errno)?;
                self.dirs.push(path);
                Ok(listing)
            }
            Ask::File { dir, name } if self.files < MAX_FILES => {
                self.files += 1;
                let path = self.dirs.get(usize::from(dir)).ok_or(Answer::Refused)?;
                regular(&[path, b"/".as_slice(), &name].concat())
            }
            _ => Err(Answer::Refused),
        }
    }
}

fn errno(errno: Errno) -> Answer {
    Answer::Errno(errno as i32)
}

fn regular(path: &[u8]) -> Result<OwnedFd, Answer> {
    // A device or FIFO must not be opened to find out what it is.
    open(path, OFlag::O_NONBLOCK | OFlag::O_NOCTTY, libc::S_IFREG)
}

/// Opens a configuration file or directory. As root, nobody else may be able to write to it or anywhere on the way.
fn open(path: &[u8], flags: OFlag, kind: libc::mode_t) -> Result<OwnedFd, Answer> {
    let root = geteuid().is_root();
    let exposure = |upto: usize, stat: FileStat| Answer::Unsafe {
        upto: u32::try_from(upto).unwrap_or(u32::MAX),
        uid: stat.st_uid,
        mode: stat.st_mode,
    };
    let place = find(path, Walk::Config).map_err(errno)?;
    if let Some((upto, stat)) = place.exposed {
        return Err(exposure(upto, stat));
    }
    // As root every link was followed already.
    let follow = if root { OFlag::O_NOFOLLOW } else { OFlag::empty() };
    let file = place.open(flags | follow, 0).map_err(errno)?;
    let stat = fstat(&file).map_err(errno)?;
    if !is(&stat, kind) {
        return Err(Answer::Kind);
    }
    let harmless = kind == libc::S_IFDIR && sticky(&stat);
    if root && exposed(&stat) && !harmless {
        return Err(exposure(path.len(), stat));
    }
    Ok(file)
}

fn receive(socket: &OwnedFd) -> Result<Ask, Ended> {
    match sys::receive(socket, &mut [0; MAX_REQUEST + 1]) {
        Ok([]) | Err(Errno::ECONNRESET) => Err(Ended::Broke("it ended without an answer")),
        Ok(bytes) => Ask::read(bytes).map_err(|_| Ended::Broke("it sent what it may not send")),
        Err(_) => Err(Ended::Broke("it sent what it may not send")),
    }
}

/// Which of the spare user ids no process has, one bit each.
pub fn spare_uids() -> u16 {
    let used: BTreeSet<u32> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.metadata().ok().map(|m| m.uid()))
        .collect();
    (0..SPARE_UIDS).filter(|n| !used.contains(&(SPARE_UID + n))).fold(0, |mask, n| mask | 1 << n)
}
