//! Who else could change what a path leads to. Runs in the resolver, which can look at files.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::host::{Look, Part};
use super::text;

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;
const STICKY: u32 = 0o1000;

/// Who is trusted with a path.
#[derive(Debug, Clone, Copy)]
pub struct Trusted<'t> {
    /// User ids. What belongs to another one, that one can change.
    pub uids: &'t [u32],
    /// Group ids that may have the right to write.
    pub gids: &'t [u32],
}

/// Follows a path, an absolute one, and looks at all that leads to its end.
pub fn look(path: &str, trusted: Trusted<'_>) -> Look {
    let path = text::bytes(path);
    let mut walk = Walk {
        at: PathBuf::from("/"),
        left: parts(Path::new(OsStr::from_bytes(&path))),
        links: 0,
        shared: None,
        found: Look::default(),
    };
    match fs::symlink_metadata("/") {
        Ok(root) => walk.enter(&root, trusted),
        Err(_) => walk.found.hidden = true,
    }
    while !walk.found.hidden && walk.step(trusted) {}
    walk.found
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let named = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    });
    named.collect()
}

struct Walk {
    /// Where we are: what is looked at already.
    at: PathBuf,
    left: VecDeque<OsString>,
    links: usize,
    /// The directory we are in, where everybody may make files and only owners may remove them.
    shared: Option<Part>,
    found: Look,
}

impl Walk {
    /// One name further; false at the end.
    fn step(&mut self, trusted: Trusted<'_>) -> bool {
        let Some(name) = self.left.pop_front() else {
            return false;
        };
        if name == ".." {
            self.at.pop();
            self.shared = None;
            return true;
        }
        let next = self.at.join(name);
        self.found.last = None;
        match fs::symlink_metadata(&next) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                // Whoever comes first decides what it is.
                let shared = self.shared.take();
                self.found.by = self.found.by.take().or(shared);
                return false;
            }
            Err(_) => self.found.hidden = true,
            Ok(meta) if meta.is_symlink() => self.follow(&next, &meta, trusted),
            Ok(meta) => {
                self.at = next;
                self.enter(&meta, trusted);
            }
        }
        true
    }

    fn follow(&mut self, link: &Path, meta: &Metadata, trusted: Trusted<'_>) {
        self.links += 1;
        if self.shared.is_some() && !trusted.uids.contains(&meta.uid()) {
            self.found.by.get_or_insert_with(|| part(link, meta));
        }
        let Some(target) = fs::read_link(link).ok().filter(|_| self.links <= MAX_LINKS) else {
            self.found.hidden = true;
            return;
        };
        if target.is_absolute() {
            self.at = PathBuf::from("/");
        }
        self.shared = None;
        parts(&target).into_iter().rev().for_each(|name| self.left.push_front(name));
    }

    /// Judges where we are now.
    fn enter(&mut self, meta: &Metadata, trusted: Trusted<'_>) {
        let here = part(&self.at, meta);
        let group = here.mode & 0o020 != 0 && !trusted.gids.contains(&here.gid);
        let writable = group || here.mode & 0o002 != 0;
        let kept = meta.is_dir() && here.mode & STICKY != 0;
        self.shared = (writable && kept).then(|| here.clone());
        if !trusted.uids.contains(&here.uid) || (writable && !kept) {
            self.found.by.get_or_insert_with(|| here.clone());
        }
        self.found.last = Some(here);
    }
}

fn part(path: &Path, meta: &Metadata) -> Part {
    Part {
        path: text::from_bytes(path.as_os_str().as_bytes()),
        uid: meta.uid(),
        gid: meta.gid(),
        mode: meta.mode() & 0o7777,
        directory: meta.is_dir(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A directory below a root that may itself belong to anybody: what leads to it is trusted with `base`.
    fn room() -> (tempfile::TempDir, Vec<u32>) {
        let room = tempfile::tempdir().unwrap();
        let own = fs::metadata(room.path()).unwrap().uid();
        let all = room.path().ancestors().map(|dir| fs::metadata(dir).unwrap().uid());
        let mut uids: Vec<u32> = all.collect();
        uids.push(own);
        (room, uids)
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn found(path: &Path, uids: &[u32]) -> Look {
        look(path.to_str().unwrap(), Trusted { uids, gids: &[] })
    }

    #[test]
    fn modes_of_files_and_directories() {
        let (room, uids) = room();
        let (dir, file) = (room.path().join("d"), room.path().join("d/f"));
        fs::create_dir(&dir).unwrap();
        fs::write(&file, "").unwrap();
        for (of_dir, of_file, by) in [
            (0o755, 0o644, None),
            (0o700, 0o600, None),
            (0o755, 0o646, Some("d/f")),
            (0o755, 0o664, Some("d/f")),
            (0o775, 0o644, Some("d")),
            (0o757, 0o644, Some("d")),
            (0o1777, 0o644, None),
            (0o1777, 0o666, Some("d/f")),
        ] {
            mode(&dir, of_dir);
            mode(&file, of_file);
            let found = found(&file, &uids);
            let expected = by.map(|by| room.path().join(by).to_str().unwrap().to_owned());
            assert_eq!(found.by.map(|part| part.path), expected, "{of_dir:o} {of_file:o}");
            assert!(!found.hidden);
        }
        mode(&file, 0o664);
        let gid = fs::metadata(&file).unwrap().gid();
        let trusted = Trusted { uids: &uids, gids: &[gid] };
        let found = look(file.to_str().unwrap(), trusted);
        assert_eq!((found.by, found.last.map(|part| part.mode)), (None, Some(0o664)));
    }

    #[test]
    fn owners() {
        let (room, uids) = room();
        let file = room.path().join("f");
        fs::write(&file, "").unwrap();
        let own = fs::metadata(&file).unwrap().uid();
        let others: Vec<u32> = uids.into_iter().filter(|uid| *uid != own).collect();
        assert!(found(&file, &others).by.is_some());
    }

    #[test]
    fn what_is_not_there_yet() {
        let (room, uids) = room();
        let missing = found(&room.path().join("a/b"), &uids);
        assert_eq!(missing, Look::default());
        mode(room.path(), 0o1777);
        let by = found(&room.path().join("a"), &uids).by.unwrap();
        assert_eq!(Path::new(&by.path), room.path());
        mode(room.path(), 0o700);
    }

    #[test]
    fn links_are_followed_to_where_they_lead() {
        let (room, uids) = room();
        let dir = room.path().join("open");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("f"), "").unwrap();
        mode(&dir, 0o777);
        for (n, target) in
            ["open/f", "./open/../open/f", dir.join("f").to_str().unwrap()].into_iter().enumerate()
        {
            let link = room.path().join(format!("l{n}"));
            symlink(target, &link).unwrap();
            let by = found(&link, &uids).by.unwrap();
            assert_eq!(Path::new(&by.path), dir, "{target}");
        }
        symlink("loop", room.path().join("loop")).unwrap();
        assert!(found(&room.path().join("loop"), &uids).hidden);
    }
}
