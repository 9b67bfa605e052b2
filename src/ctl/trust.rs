//! Whether a file that lies where the caller happens to be may say where passwords go.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User};

/// Most symbolic links on a path.
const MAX_LINKS: usize = 40;
const STICKY: u32 = 0o1000;

/// Who is asked about.
#[derive(Debug, Clone, Copy)]
struct Caller {
    uid: Uid,
    /// A group that has nobody else in it.
    own_group: Option<Gid>,
}

/// Why others than the caller and root could have put this file there; `None` if they could not. `path` is absolute.
pub fn doubt(path: &Path) -> Option<String> {
    let uid = Uid::effective();
    walk(path, Caller { uid, own_group: own_group(uid) }).err()
}

/// The group of a user alone, as systems give every user one, files of which are commonly writable by the group.
fn own_group(uid: Uid) -> Option<Gid> {
    let user = User::from_uid(uid).ok().flatten().filter(|_| !uid.is_root())?;
    let group = Group::from_gid(user.gid).ok().flatten()?;
    let alone = group.name == user.name && group.mem.iter().all(|name| *name == user.name);
    alone.then_some(user.gid)
}

/// Looks at every directory and link on the way.
fn walk(path: &Path, caller: Caller) -> Result<(), String> {
    let mut left = parts(path);
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = left.pop() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        let fails = |error| format!("cannot look at {}: {error}", next.display());
        let about = fs::symlink_metadata(&next).map_err(fails)?;
        if let Some(why) = judge(&about, caller) {
            return Err(format!("{} {why}", next.display()));
        }
        if !about.is_symlink() {
            at = next;
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(format!("{} is a link to itself", path.display()));
        }
        let target = fs::read_link(&next).map_err(fails)?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        left.extend(parts(&target));
    }
    Ok(())
}

/// The parts of a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let named = |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::ParentDir);
    path.components().rev().filter(named).map(|part| part.as_os_str().to_owned()).collect()
}

fn judge(about: &Metadata, caller: Caller) -> Option<String> {
    let (owner, mode) = (about.uid(), about.mode());
    if owner != 0 && owner != caller.uid.as_raw() {
        return Some(format!("belongs to another user (uid {owner})"));
    }
    let own_group = caller.own_group.is_some_and(|group| group.as_raw() == about.gid());
    let others = mode & if own_group { 0o002 } else { 0o022 } != 0;
    // In a sticky directory others cannot replace what is not theirs; a link has no mode.
    let kept = about.is_symlink() || about.is_dir() && mode & STICKY != 0;
    (others && !kept).then(|| format!("can be changed by others (mode {:04o})", mode & 0o7777))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    struct Room(tempfile::TempDir);

    impl Room {
        fn new() -> Room {
            let room = Room(tempfile::tempdir().unwrap());
            fs::create_dir(room.path("d")).unwrap();
            fs::write(room.path("d/f"), "").unwrap();
            room.mode("d", 0o755);
            room.mode("d/f", 0o644);
            room
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn mode(&self, name: &str, mode: u32) {
            fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
        }

        /// As a caller without a group of its own.
        fn doubt(&self, name: &str) -> Option<String> {
            let caller = Caller { uid: Uid::effective(), own_group: None };
            walk(&self.path(name), caller).err()
        }
    }

    #[test]
    fn what_others_can_change_is_in_doubt() {
        let room = Room::new();
        assert_eq!(room.doubt("d/f"), None);
        for mode in [0o664, 0o646] {
            room.mode("d/f", mode);
            assert!(room.doubt("d/f").unwrap().ends_with(&format!("by others (mode {mode:04o})")));
        }
        room.mode("d/f", 0o600);
        for mode in [0o775, 0o757] {
            room.mode("d", mode);
            assert!(room.doubt("d/f").unwrap().contains("/d can be changed by others"));
        }
        room.mode("d", 0o1777);
        assert_eq!(room.doubt("d/f"), None);
    }

    #[test]
    fn what_belongs_to_others_is_in_doubt() {
        let room = Room::new();
        let other = Uid::from_raw(Uid::effective().as_raw() + 1);
        let about = fs::metadata(room.path("d/f")).unwrap();
        let why = judge(&about, Caller { uid: other, own_group: None });
        // Root's files are everybody's to trust.
        assert_eq!(why.is_none(), Uid::effective().is_root());
        if Uid::effective().is_root() {
            std::os::unix::fs::chown(room.path("d/f"), Some(65_520), None).unwrap();
            assert!(room.doubt("d/f").unwrap().ends_with("another user (uid 65520)"));
        }
    }

    #[test]
    fn links_are_followed_with_the_same_eyes() {
        let room = Room::new();
        symlink("d/../d/f", room.path("relative")).unwrap();
        symlink(room.path("relative"), room.path("absolute")).unwrap();
        symlink("loop", room.path("loop")).unwrap();
        assert_eq!(room.doubt("absolute"), None);
        assert!(room.doubt("loop").unwrap().contains("a link to itself"));
        assert!(room.doubt("d/none").unwrap().contains("cannot look at"));
        room.mode("d", 0o777);
        assert!(room.doubt("absolute").unwrap().contains("/d can be changed by others"));
    }

    #[test]
    fn a_group_of_ones_own_is_nobody_else() {
        let room = Room::new();
        room.mode("d/f", 0o664);
        let about = fs::metadata(room.path("d/f")).unwrap();
        let group = Some(Gid::from_raw(about.gid()));
        assert_eq!(judge(&about, Caller { uid: Uid::effective(), own_group: group }), None);
        assert_eq!(own_group(Uid::from_raw(0)), None);
    }
}
