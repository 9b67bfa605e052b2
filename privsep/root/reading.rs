//! Root. Running the reader: its limits, the files it may have, and the sealed table it leaves.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl, openat};
use nix::poll::PollFlags;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::Resource;
use nix::sys::stat::{FileStat, fstat};
use nix::sys::uio::pwrite;
use nix::unistd::{ftruncate, geteuid};
use privsep::files::{Answer, Ask, MAX_DIRS, MAX_FILES, MAX_NAMED, MAX_REQUEST};
use privsep::frame::{Error, Wire};
use privsep::start::{self, SPARE_UID, SPARE_UIDS, Start};
use privsep::table::{self, Identity, Table};

use crate::begin::{cannot, fail};
use crate::helpers::{Helpers, Launch};
use crate::path::{DIRECTORY, Walk, exposed, find, is, mode, sticky};
use crate::sys;

const CONTENT: SealFlag = SealFlag::F_SEAL_WRITE;
/// How long a reading may take, in nanoseconds.
pub const DEADLINE: u64 = 30_000_000_000;

/// What the reader fills.
pub struct Sheets {
    table: File,
    /// For the broker; unread here.
    pub settings: File,
}

/// Why there is no table.
pub enum Ended {
    /// The reader has said why.
    Left(u8),
    /// It went beyond its rules, died, or took too long.
    Broke(&'static str),
    /// It could not be run.
    System(&'static str, Errno),
}

/// Reads the configuration at the start. An error has been said; it is the exit status.
pub fn read(helpers: &Helpers, start: &Start) -> Result<(Table, File), u8> {
    let sheets =
        Sheets::new().map_err(|errno| cannot(&[b"read the configuration: sheets"], errno))?;
    sheets.fill(helpers, start.clone(), None).map_err(|ended| match ended {
        Ended::Left(status) => status,
        Ended::Broke(why) => fail(&[b"the configuration reader was ended: ", why.as_bytes()]),
        Ended::System(what, errno) => {
            cannot(&[b"read the configuration: ", what.as_bytes()], errno)
        }
    })?;
    let table = sheets.table().map_err(|error| {
        fail(&[b"the launch table was refused: ", error.to_string().as_bytes()])
    })?;
    let permit = table.permit(geteuid().as_raw());
    permit.map_err(|error| {
        fail(&[b"the launch table was refused: ", error.to_string().as_bytes()])
    })?;
    Ok((table, sheets.settings))
}

impl Sheets {
    pub fn new() -> Result<Sheets, Errno> {
        Ok(Sheets { table: memfd("table")?, settings: memfd("settings")? })
    }

    /// What a child needs that fills them.
    pub fn held<'a>(&'a self, helpers: &'a Helpers) -> [BorrowedFd<'a>; 4] {
        [self.table.as_fd(), self.settings.as_fd(), helpers.reader.as_fd(), helpers.null.as_fd()]
    }

    /// Runs the reader to its end and seals what it has written. `current` is the table in force, at a later reading.
    pub fn fill(
        &self,
        helpers: &Helpers,
        mut start: Start,
        current: Option<&Table>,
    ) -> Result<(), Ended> {
        let failed = |what| move |errno| Ended::System(what, errno);
        (start.spare, start.again) = (spare_uids(), current.is_some());
        let record = written("start", &start.encode()).map_err(failed("start record"))?;
        let current = current.map(|table| written("current", &table.encode())).transpose();
        let current = current.map_err(failed("current table"))?;
        let (ours, theirs) = sys::datagrams().map_err(failed("socket to the reader"))?;
        // The reader waits for its answers; only this end must not.
        let _ = fcntl(&theirs, FcntlArg::F_SETFL(OFlag::O_RDWR));
        let (out, err) = (std::io::stdout(), std::io::stderr());
        let mut map = vec![
            (helpers.null.as_fd(), 0),
            (out.as_fd(), 1),
            (err.as_fd(), 2),
            (theirs.as_fd(), start::SOCKET),
            (record.as_fd(), start::START),
            (self.table.as_fd(), start::TABLE),
            (self.settings.as_fd(), start::SETTINGS),
        ];
        map.extend(current.iter().map(|current| (current.as_fd(), start::CURRENT)));
        let identity = spare_identity(&start);
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
        [&self.table, &self.settings]
            .into_iter()
            .try_for_each(|sheet| seal(sheet, CONTENT))
            .map_err(failed("seal"))?;
        verdict
    }

    /// The sealed table, when it is one.
    pub fn table(&self) -> Result<Table, Error> {
        let size = fstat(&self.table).ok().and_then(|stat| usize::try_from(stat.st_size).ok());
        let size = size.filter(|size| *size <= table::MAX).ok_or(Error::Limit)?;
        let mut bytes = vec![0; size];
        self.table.read_exact_at(&mut bytes, 0).map_err(|_| Error::Short)?;
        Table::read(&bytes)
    }
}

/// A sealed memfd with these bytes.
fn written(name: &str, bytes: &[u8]) -> Result<File, Errno> {
    let file = memfd(name)?;
    file.write_all_at(bytes, 0).map_err(|_| Errno::EIO)?;
    seal(&file, CONTENT).map(|()| file)
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

/// A memfd of a fixed size that has these bytes at a place.
pub fn sheet(name: &str, size: usize, bytes: &[u8], at: libc::off_t) -> Result<OwnedFd, Errno> {
    let file = memfd(name)?;
    ftruncate(&file, i64::try_from(size).map_err(|_| Errno::EFBIG)?)?;
    pwrite(&file, bytes, at)?;
    seal(&file, SealFlag::empty()).map(|()| file.into())
}

/// What was granted so far.
#[derive(Default)]
struct Service {
    main: bool,
    dirs: Vec<Vec<u8>>,
    asked: u16,
    files: u32,
    named: u32,
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
            Ask::Named(path) if self.main && self.named < MAX_NAMED => {
                self.named += 1;
                regular(&path)
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

/// Opens a configuration file, or a directory. As root, nobody else may be able to write to it or anywhere on the way.
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
fn spare_uids() -> u16 {
    let used: BTreeSet<u32> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.metadata().ok().map(|m| m.uid()))
        .collect();
    (0..SPARE_UIDS).filter(|n| !used.contains(&(SPARE_UID + n))).fold(0, |mask, n| mask | 1 << n)
}
