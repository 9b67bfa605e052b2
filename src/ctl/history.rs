//! The shell's history: a line of text for each line typed, as readline writes it. For its owner alone.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
use nix::unistd::Uid;

/// How many lines are remembered.
pub const LINES: usize = 1000;
/// Longest part of a file that is read, from its end, in bytes.
const MAX_READ: u64 = 1024 * 1024;

/// A history file.
pub struct History {
    path: PathBuf,
}

impl History {
    /// The history in this file, which need not exist.
    pub fn new(path: PathBuf) -> History {
        History { path }
    }

    /// The lines so far, oldest first. A file with many more than are remembered is cut down to these.
    pub fn load(&self) -> io::Result<Vec<String>> {
        let mut file = match self.open(OpenOptions::new().read(true)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        let cut = length.saturating_sub(MAX_READ);
        file.seek(io::SeekFrom::Start(cut))?;
        let mut bytes = Vec::new();
        file.take(MAX_READ).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let recent = lines.len().saturating_sub(LINES);
        let kept = lines.get(recent..).unwrap_or_default().to_vec();
        if cut > 0 || recent > LINES {
            self.rewrite(&kept)?;
        }
        Ok(kept)
    }

    /// Adds a line, unless it holds a password.
    pub fn add(&self, line: &str) -> io::Result<()> {
        if holds_password(line) {
            return Ok(());
        }
        let mut file = self.open(OpenOptions::new().append(true).create(true))?;
        file.write_all(format!("{line}\n").as_bytes())
    }

    fn rewrite(&self, lines: &[String]) -> io::Result<()> {
        let mut file = self.open(OpenOptions::new().write(true))?;
        file.set_len(0)?;
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        file.write_all(text.as_bytes())
    }

    fn open(&self, how: &mut OpenOptions) -> io::Result<File> {
        let file = how.mode(0o600).custom_flags(O_NONBLOCK | O_NOFOLLOW).open(&self.path)?;
        let about = file.metadata()?;
        match no_history(about.is_file(), about.uid(), about.nlink(), about.mode()) {
            None => Ok(file),
            Some(why) => Err(io::Error::other(format!("{}: {why}", self.path.display()))),
        }
    }
}

/// Why a file is none that a history was ever kept in, and must be left alone.
fn no_history(regular: bool, owner: u32, links: u64, mode: u32) -> Option<String> {
    if !regular {
        Some("it is no regular file".to_owned())
    } else if owner != Uid::effective().as_raw() {
        Some(format!("it belongs to another user (uid {owner})"))
    } else if links != 1 {
        Some(format!("it has {links} names"))
    } else if mode & 0o077 != 0 {
        let mode = mode & 0o7777;
        Some(format!("others may read it (mode {mode:04o}): chmod 600 it if it is a history"))
    } else {
        None
    }
}

/// Whether a line has an address with credentials in it.
pub fn holds_password(line: &str) -> bool {
    line.split_whitespace().any(|word| {
        word.split_once("://").is_some_and(|(_, rest)| {
            rest.split(['/', '?', '#']).next().is_some_and(|place| place.contains('@'))
        })
    })
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn history(dir: &tempfile::TempDir) -> History {
        History::new(dir.path().join("history"))
    }

    fn write(history: &History, text: &str) {
        std::fs::write(&history.path, text).unwrap();
        std::fs::set_permissions(&history.path, Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn lines_are_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let history = history(&dir);
        assert_eq!(history.load().unwrap(), [""; 0]);
        history.add("status").unwrap();
        history.add("open http://u:secret@h:1/").unwrap();
        history.add("open http://h:1/?a@b").unwrap();
        assert_eq!(history.load().unwrap(), ["status", "open http://h:1/?a@b"]);
        let mode = std::fs::metadata(&history.path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    /// Nothing is remembered there, and nothing of it is changed.
    fn is_left_alone(history: &History) {
        let look = || {
            let about = std::fs::metadata(&history.path).unwrap();
            (std::fs::read(&history.path).unwrap(), about.mode())
        };
        let before = look();
        assert!(history.load().is_err());
        assert!(history.add("b").is_err());
        assert_eq!(look(), before);
    }

    #[test]
    fn other_files_are_left_alone() {
        let long: String = (0..LINES * 3).map(|number| format!("{number}\n")).collect();
        let dir = tempfile::tempdir().unwrap();
        let history = history(&dir);
        write(&history, &long);
        std::fs::set_permissions(&history.path, Permissions::from_mode(0o644)).unwrap();
        is_left_alone(&history);

        write(&history, &long);
        let link = History::new(dir.path().join("link"));
        std::os::unix::fs::symlink(&history.path, &link.path).unwrap();
        is_left_alone(&link);

        std::fs::hard_link(&history.path, dir.path().join("name")).unwrap();
        is_left_alone(&history);
    }

    #[test]
    fn histories_are_the_callers_own() {
        let me = Uid::effective().as_raw();
        assert_eq!(no_history(true, me, 1, 0o100_600), None);
        assert!(no_history(true, me + 1, 1, 0o100_600).unwrap().contains("another user"));
    }

    #[test]
    fn a_long_file_is_cut_down() {
        let dir = tempfile::tempdir().unwrap();
        let history = history(&dir);
        let text: String = (0..LINES * 2 + 5).map(|number| format!("{number}\n")).collect();
        write(&history, &text);
        let lines = history.load().unwrap();
        assert_eq!((lines.len(), lines[0].as_str()), (LINES, "1005"));
        assert_eq!(std::fs::read_to_string(&history.path).unwrap().lines().count(), LINES);
        assert_eq!(history.load().unwrap(), lines);
    }

    #[test]
    fn only_files_are_histories() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let fifo = History::new(path);
        assert!(fifo.load().is_err());
        assert!(fifo.add("x").is_err());
        assert!(History::new(dir.path().to_owned()).load().is_err());
    }
}
