//! Root. Walking a path by components, so that what is opened is what was checked.
//!
//! A component is trusted when only root (or, not started as root, the daemon's user) can write it. Symbolic links
//! are followed only where a trusted directory holds one that its owner may be trusted with.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

const MAX_LINKS: usize = 40;
pub const DIRECTORY: OFlag =
    OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// A directory that others may write into.
#[derive(Clone, Copy)]
pub struct Exposed {
    /// Bytes of the path that lead to it, as far as no link was followed.
    pub upto: u32,
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
}

impl Exposed {
    /// In a sticky directory of a trusted owner, others cannot replace what is not theirs.
    pub fn sticky(&self) -> bool {
        self.mode & 0o1000 != 0 && trusted_uid(self.uid)
    }
}

/// The directory of a path, held open, and the name in it.
pub struct Place {
    pub dir: OwnedFd,
    pub name: Vec<u8>,
    /// The first directory on the way that others may write into.
    pub exposed: Option<Exposed>,
    /// The last directory itself.
    pub parent: Exposed,
}

/// How far to walk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// Stop with EXDEV before entering anything below an exposed directory: beyond it, others can make root wait.
    Trusted,
    /// To the end.
    All,
    /// To the end, where a sticky directory exposes only what does not belong to a trusted owner.
    Config,
}

pub fn trusted_uid(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

fn exposed(stat: &FileStat, upto: usize) -> Option<Exposed> {
    let e = describe(stat, upto);
    (!trusted_uid(e.uid) || e.mode & 0o022 != 0).then_some(e)
}

fn describe(stat: &FileStat, upto: usize) -> Exposed {
    let upto = u32::try_from(upto).unwrap_or(u32::MAX);
    Exposed { upto, uid: stat.st_uid, gid: stat.st_gid, mode: stat.st_mode }
}

/// Whether anybody but a trusted owner could change this very file.
pub fn open_to_others(stat: &FileStat, upto: usize) -> Option<Exposed> {
    exposed(stat, upto)
}

fn is(stat: &FileStat, kind: libc::mode_t) -> bool {
    stat.st_mode & libc::S_IFMT == kind
}

/// Walks to the last component of an absolute path. With `follow`, a link there is followed too.
pub fn walk(path: &[u8], how: Walk, follow: bool) -> Result<Place, Errno> {
    let mut todo = components(path);
    let mut dir = openat(AT_FDCWD, "/", DIRECTORY, Mode::empty())?;
    let mut stat = fstat(&dir)?;
    let mut first: Option<Exposed> = exposed(&stat, 1);
    let (mut upto, mut links) = (0, 0);
    while let Some(name) = todo.pop() {
        let last = todo.is_empty();
        if last && !follow {
            return Ok(Place { dir, name, exposed: first, parent: describe(&stat, upto) });
        }
        if how == Walk::Trusted && first.is_some() {
            return Err(Errno::EXDEV);
        }
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let next = openat(&dir, name.as_slice(), flags, Mode::empty())?;
        let inner = fstat(&next)?;
        if links == 0 {
            upto += 1 + name.len();
        }
        if is(&inner, libc::S_IFLNK) {
            links += 1;
            let sticky = how == Walk::Config && exposed(&stat, 0).is_none_or(|e| e.sticky());
            if links > MAX_LINKS || !trusted_uid(inner.st_uid) || (first.is_some() && !sticky) {
                return Err(Errno::ELOOP);
            }
            let target = readlinkat(&next, "")?.into_vec();
            if target.first() == Some(&b'/') {
                dir = openat(AT_FDCWD, "/", DIRECTORY, Mode::empty())?;
                stat = fstat(&dir)?;
            }
            todo.append(&mut components(&target));
            continue;
        }
        if last {
            return Ok(Place { dir, name, exposed: first, parent: describe(&stat, upto) });
        }
        if !is(&inner, libc::S_IFDIR) {
            return Err(Errno::ENOTDIR);
        }
        (dir, stat) = (next, inner);
        let here = exposed(&stat, upto);
        let harmless = how == Walk::Config && here.is_some_and(|e| e.sticky());
        first = first.or(here.filter(|_| !harmless));
    }
    Err(Errno::EISDIR)
}

/// The components in reverse, so that the next one is popped.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".");
    parts.rev().map(<[u8]>::to_vec).collect()
}

/// The directory of a path by ordinary rules, for a daemon that is not root and risks only its own rights.
pub fn plain(path: &[u8]) -> Result<Place, Errno> {
    let cut = path.iter().rposition(|b| *b == b'/').ok_or(Errno::EINVAL)?;
    let (parent, name) = path.split_at(cut + 1);
    let dir = openat(
        AT_FDCWD,
        parent,
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    let parent = describe(&fstat(dir.as_fd())?, cut);
    Ok(Place { dir, name: name.to_vec(), exposed: None, parent })
}

/// Removes a name of ours at the end, if it is still the same file.
pub fn remove_own(place: &Place, file: Option<(u64, u64)>) {
    let name = place.name.as_slice();
    let there = fstatat(&place.dir, name, AtFlags::AT_SYMLINK_NOFOLLOW);
    if there.is_ok_and(|stat| Some((stat.st_dev, stat.st_ino)) == file) {
        let _ = unlinkat(&place.dir, name, UnlinkatFlags::NoRemoveDir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_come_out_in_order_and_dots_go() {
        let mut todo = components(b"//a/./b/../c/");
        let mut order = Vec::new();
        while let Some(part) = todo.pop() {
            order.push(String::from_utf8(part).unwrap());
        }
        assert_eq!(order, ["a", "b", "..", "c"]);
    }

    #[test]
    fn the_name_is_what_is_left() {
        let place = plain(b"/etc/passwd").unwrap();
        assert_eq!(place.name, b"passwd");
        let place = walk(b"/etc/passwd", Walk::All, false).unwrap();
        assert_eq!(place.name, b"passwd");
        assert_eq!(walk(b"/", Walk::All, false).err(), Some(Errno::EISDIR));
        assert_eq!(walk(b"/etc/passwd/x", Walk::All, false).err(), Some(Errno::ENOTDIR));
    }
}
