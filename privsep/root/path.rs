//! Root. Walking a path by components, so that what is opened is what was checked.
//!
//! A component is trusted when only root (or, not started as root, the daemon's user) can write it. Symbolic links
//! are followed only where a trusted directory holds one that its owner may be trusted with.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

const MAX_LINKS: usize = 40;
pub const DIRECTORY: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_CLOEXEC);
/// Names a file without opening it.
pub const HANDLE: OFlag = OFlag::O_PATH.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// The directory of a path, held open, and the name in it.
pub struct Place {
    pub dir: OwnedFd,
    pub name: Vec<u8>,
    /// The first directory on the way that others may write into, and how many bytes of the path lead to it, as far as
    /// no link was followed.
    pub exposed: Option<(usize, FileStat)>,
    /// The last directory itself.
    pub parent: FileStat,
}

/// How far to walk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// Stop with EXDEV before entering anything below an exposed directory: beyond it, others can make root wait.
    Trusted,
    /// To the end.
    All,
    /// To the end, where a sticky directory exposes only what does not belong to a trusted owner; a link there is
    /// followed too.
    Config,
}

pub fn trusted_uid(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

/// Whether anybody but a trusted owner could change this very file or directory.
pub fn exposed(stat: &FileStat) -> bool {
    !trusted_uid(stat.st_uid) || stat.st_mode & 0o022 != 0
}

/// In a sticky directory of a trusted owner, others cannot replace what is not theirs.
pub fn sticky(stat: &FileStat) -> bool {
    stat.st_mode & 0o1000 != 0 && trusted_uid(stat.st_uid)
}

pub fn is(stat: &FileStat, kind: libc::mode_t) -> bool {
    stat.st_mode & libc::S_IFMT == kind
}

/// Which file it is, under whatever name: device and inode.
pub fn id(stat: &FileStat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// The place of an absolute path. A daemon that is not root risks only its own rights: ordinary rules are enough.
pub fn find(path: &[u8], how: Walk) -> Result<Place, Errno> {
    if geteuid().is_root() { walk(path, how) } else { plain(path) }
}

/// Walks to the last component.
fn walk(path: &[u8], how: Walk) -> Result<Place, Errno> {
    let mut todo = components(path);
    let mut dir = openat(AT_FDCWD, "/", HANDLE, mode(0))?;
    let mut parent = fstat(&dir)?;
    let mut first = exposed(&parent).then_some((1, parent));
    let (mut upto, mut links) = (0, 0);
    while let Some(name) = todo.pop() {
        let last = todo.is_empty();
        if last && how != Walk::Config {
            return Ok(Place { dir, name, exposed: first, parent });
        }
        if how == Walk::Trusted && first.is_some() {
            return Err(Errno::EXDEV);
        }
        let next = match openat(&dir, name.as_slice(), HANDLE, mode(0)) {
            // It can be made there.
            Err(Errno::ENOENT) if last => return Ok(Place { dir, name, exposed: first, parent }),
            next => next?,
        };
        let inner = fstat(&next)?;
        if links == 0 {
            upto += 1 + name.len();
        }
        if is(&inner, libc::S_IFLNK) {
            links += 1;
            let safe = how == Walk::Config && (!exposed(&parent) || sticky(&parent));
            if links > MAX_LINKS || !trusted_uid(inner.st_uid) || (first.is_some() && !safe) {
                return Err(Errno::ELOOP);
            }
            let target = readlinkat(&next, "")?.into_vec();
            if target.first() == Some(&b'/') {
                dir = openat(AT_FDCWD, "/", HANDLE, mode(0))?;
                parent = fstat(&dir)?;
            }
            todo.append(&mut components(&target));
            continue;
        }
        if last {
            return Ok(Place { dir, name, exposed: first, parent });
        }
        if !is(&inner, libc::S_IFDIR) {
            return Err(Errno::ENOTDIR);
        }
        (dir, parent) = (next, inner);
        let harmless = how == Walk::Config && sticky(&parent);
        if first.is_none() && exposed(&parent) && !harmless {
            first = Some((upto, parent));
        }
    }
    Err(Errno::EISDIR)
}

/// The components in reverse, so that the next one is popped.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".");
    parts.rev().map(<[u8]>::to_vec).collect()
}

fn plain(path: &[u8]) -> Result<Place, Errno> {
    let cut = path.iter().rposition(|b| *b == b'/').ok_or(Errno::EINVAL)?;
    let (parent, name) = path.split_at(cut + 1);
    let dir = openat(AT_FDCWD, parent, DIRECTORY | OFlag::O_PATH, mode(0))?;
    let parent = fstat(&dir)?;
    Ok(Place { dir, name: name.to_vec(), exposed: None, parent })
}

pub fn mode(bits: u32) -> Mode {
    Mode::from_bits_truncate(bits)
}

impl Place {
    /// Opens what has the name; `mode` is for a file that this makes.
    pub fn open(&self, flags: OFlag, mode: u32) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlag::O_CLOEXEC;
        openat(&self.dir, self.name.as_slice(), flags, self::mode(mode))
    }

    pub fn stat(&self) -> Result<FileStat, Errno> {
        fstatat(&self.dir, self.name.as_slice(), AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    pub fn remove(&self) -> Result<(), Errno> {
        unlinkat(&self.dir, self.name.as_slice(), UnlinkatFlags::NoRemoveDir)
    }
}

/// A name of ours, removed at the end if it is still the same file; `None` leaves it.
pub struct OwnName {
    pub dir: OwnedFd,
    pub name: Vec<u8>,
    pub id: Option<(u64, u64)>,
}

impl OwnName {
    pub fn new(Place { dir, name, .. }: Place, id: (u64, u64)) -> OwnName {
        OwnName { dir, name, id: Some(id) }
    }

    /// Removes it if it is this file.
    pub fn remove(&self, file: (u64, u64)) {
        let name = self.name.as_slice();
        let there = fstatat(&self.dir, name, AtFlags::AT_SYMLINK_NOFOLLOW);
        if there.is_ok_and(|stat| id(&stat) == file) {
            let _ = unlinkat(&self.dir, name, UnlinkatFlags::NoRemoveDir);
        }
    }
}

impl Drop for OwnName {
    fn drop(&mut self) {
        self.id.iter().for_each(|id| self.remove(*id));
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
        let place = walk(b"/etc/passwd", Walk::All).unwrap();
        assert_eq!(place.name, b"passwd");
        assert_eq!(walk(b"/", Walk::All).err(), Some(Errno::EISDIR));
        assert_eq!(walk(b"/etc/passwd/x", Walk::All).err(), Some(Errno::ENOTDIR));
    }
}
