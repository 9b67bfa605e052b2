//! Root. Starting the helpers: opened once, so that all processes stay one build; dropped, limited, executed.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, FcntlArg, OFlag, fcntl, open, readlink};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{fstat, stat};
use nix::unistd::{execveat, setsid};
use privsep::table::{Identity, Limit};

use crate::begin::cannot;
use crate::child;
use crate::path::{HANDLE, mode, trusted_uid};
use crate::sys::{self, Process};

/// The helpers' files, and /dev/null.
pub struct Helpers {
    pub reader: OwnedFd,
    pub broker: OwnedFd,
    pub audit: OwnedFd,
    /// Where it is installed: only a table with PAM asks for it.
    pub pam: Option<OwnedFd>,
    pub null: OwnedFd,
}

/// What a helper gets.
pub struct Launch<'a> {
    pub name: &'a CStr,
    pub file: &'a OwnedFd,
    /// Descriptors and the numbers they get.
    pub map: &'a [(BorrowedFd<'a>, i32)],
    pub identity: Option<&'a Identity>,
    pub limits: &'a [(Resource, Limit)],
}

impl Helpers {
    /// Opens the files in `../libexec/supervisor` beside this very program. An error has been said; it is the exit
    /// status.
    pub fn open() -> Result<Helpers, u8> {
        let unusable = |path: &[u8], errno| cannot(&[b"use the helper program ", path], errno);
        let link = "/proc/self/exe";
        let here = readlink(link).map_err(|errno| unusable(link.as_bytes(), errno))?;
        let own = stat(here.as_os_str()).map_err(|errno| unusable(here.as_bytes(), errno))?;
        let dir = Path::new(&here).ancestors().nth(2).unwrap_or(Path::new(""));
        let perhaps = |helper: &str| {
            let path = [dir.as_os_str().as_bytes(), b"/libexec/supervisor/", helper.as_bytes()];
            let path = path.concat();
            let file = open(path.as_slice(), HANDLE, mode(0)).and_then(|file| {
                let stat = fstat(&file)?;
                // Whoever owns this program could have replaced it as well.
                let ours = trusted_uid(stat.st_uid) || stat.st_uid == own.st_uid;
                if ours && stat.st_mode & 0o022 == 0 { Ok(file) } else { Err(Errno::EPERM) }
            });
            (path, file)
        };
        let helper = |helper: &str| {
            let (path, file) = perhaps(helper);
            file.map_err(|errno| unusable(&path, errno))
        };
        let pam = match perhaps("supervisor-pam") {
            (_, Err(Errno::ENOENT)) => None,
            (path, file) => Some(file.map_err(|errno| unusable(&path, errno))?),
        };
        let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, mode(0));
        Ok(Helpers {
            reader: helper("supervisor-reader")?,
            broker: helper("supervisor-broker")?,
            audit: helper("supervisor-audit")?,
            pam,
            null: null.map_err(|errno| unusable(b"/dev/null", errno))?,
        })
    }
}

impl Launch<'_> {
    /// Starts the helper with an empty environment. A step that fails in the child ends it with 126.
    pub fn start(&self) -> Result<Process, Errno> {
        if let Some(process) = sys::clone(None, None)? {
            return Ok(process);
        }
        let kept = self.map.iter().map(|(fd, _)| *fd).chain([self.file.as_fd()]);
        sys::keep(&kept.collect::<Vec<_>>());
        let _ = self.become_helper();
        sys::exit(126)
    }

    fn become_helper(&self) -> Result<(), Errno> {
        setsid()?;
        // Out of the way of the numbers that are given out next.
        let aside = |fd: BorrowedFd<'_>| fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(16)).map(sys::adopt);
        let file = aside(self.file.as_fd())?;
        let map: Vec<(OwnedFd, i32)> =
            self.map.iter().map(|(fd, to)| Ok((aside(*fd)?, *to))).collect::<Result<_, Errno>>()?;
        map.iter().try_for_each(|(fd, to)| sys::place(fd.as_fd(), *to))?;
        child::signals()?;
        for (resource, (soft, hard)) in self.limits {
            setrlimit(*resource, *soft, *hard)?;
        }
        if let Some(identity) = self.identity {
            child::become_user(identity).map_err(|failure| Errno::from_raw(failure.errno))?;
        }
        // Whoever started it answers for it; after the change of user, which forgets this.
        let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
        execveat(&file, c"", &[self.name], &[] as &[&CStr], AtFlags::AT_EMPTY_PATH)?;
        Ok(())
    }
}
