//! Root. Starting the helpers: opened once, so that all processes stay one build; dropped, limited, executed.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, FcntlArg, OFlag, fcntl, open};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{execveat, setsid};
use privsep::table::{Identity, Limit};

use crate::child;
use crate::path::{HANDLE, trusted_uid};
use crate::sys::{self, Process};

/// The helpers' files, and /dev/null.
pub struct Helpers {
    pub reader: OwnedFd,
    pub broker: OwnedFd,
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
    /// Opens the files in `../libexec/supervisor` beside this very program. On failure gives the path in question.
    pub fn open() -> Result<Helpers, (Vec<u8>, Errno)> {
        let here = nix::fcntl::readlink("/proc/self/exe")
            .map_err(|e| (b"/proc/self/exe".to_vec(), e))?
            .into_vec();
        let root = std::path::Path::new(std::ffi::OsStr::from_bytes(&here))
            .ancestors()
            .nth(2)
            .map(|p| p.as_os_str().as_bytes());
        let dir = [root.unwrap_or_default(), b"/libexec/supervisor/"].concat();
        let own = nix::sys::stat::stat(here.as_slice()).map_err(|e| (here.clone(), e))?;
        let helper = |name: &[u8]| {
            let path = [dir.as_slice(), name].concat();
            let file = open(path.as_slice(), HANDLE, Mode::empty()).and_then(|file| {
                let stat = fstat(&file)?;
                // Whoever owns this program could have replaced it as well.
                let ours = trusted_uid(stat.st_uid) || stat.st_uid == own.st_uid;
                if ours && stat.st_mode & 0o022 == 0 { Ok(file) } else { Err(Errno::EPERM) }
            });
            file.map_err(|errno| (path, errno))
        };
        let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty());
        Ok(Helpers {
            reader: helper(b"supervisor-reader")?,
            broker: helper(b"supervisor-broker")?,
            null: null.map_err(|errno| (b"/dev/null".to_vec(), errno))?,
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
        let copies: Vec<OwnedFd> =
            self.map.iter().map(|(fd, _)| aside(*fd)).collect::<Result<_, Errno>>()?;
        let numbers = self.map.iter().map(|(_, to)| *to);
        child::descriptors(&copies.iter().map(AsFd::as_fd).zip(numbers).collect::<Vec<_>>())?;
        child::signals()?;
        for (resource, (soft, hard)) in self.limits {
            setrlimit(*resource, *soft, *hard)?;
        }
        if let Some(identity) = self.identity {
            child::become_user(identity).map_err(|failure| Errno::from_raw(failure.errno))?;
        }
        execveat(&file, c"", &[self.name], &[] as &[&CStr], AtFlags::AT_EMPTY_PATH)?;
        Ok(())
    }
}
