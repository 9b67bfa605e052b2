//! A directory of its own for each test, in a place where root alone can write.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use tempfile::TempDir;

use crate::procfs;
use crate::wait::wait_for;
use crate::watchdog;

/// The variable that marks everything a test starts.
pub const MARK: &str = "SUPERVISOR_TEST_ROOM";

/// A test's directory. What was started in it ends with it.
#[derive(Debug)]
pub struct Room {
    dir: TempDir,
    _watched: watchdog::Guard,
}

impl Room {
    /// Makes an empty room; fails the test when this is not root.
    pub fn new() -> Room {
        assert!(
            geteuid().is_root(),
            "this test needs root: it starts daemons that change user ids"
        );
        let dir = tempfile::Builder::new()
            .prefix("supervisor-tests-")
            .tempdir_in("/var/lib")
            .expect("cannot make a directory in /var/lib");
        let room = Room { dir, _watched: watchdog::Guard::new() };
        room.mode("", 0o755);
        room.directory("auto");
        room
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A path in the room.
    pub fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.dir().to_owned() } else { self.dir().join(name) }
    }

    /// A path in the room as text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Writes a file, mode 0644.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("cannot write a file of the test");
        self.mode(name, 0o644);
        path
    }

    /// Makes a directory, mode 0755.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("cannot make a directory of the test");
        self.mode(name, 0o755);
        path
    }

    /// Sets the mode.
    pub fn mode(&self, name: &str, mode: u32) {
        let path = self.path(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("cannot set a mode");
    }

    /// Gives a file or directory to a user and the group of the same number.
    pub fn give(&self, name: &str, uid: u32) {
        chown(self.path(name), Some(uid), Some(uid)).expect("cannot change an owner");
    }

    /// Makes a directory that belongs to a user.
    pub fn directory_of(&self, uid: u32, name: &str) -> PathBuf {
        let path = self.directory(name);
        self.give(name, uid);
        path
    }

    /// Puts one of this crate's own binaries where every user can run it.
    pub fn helper(&self, name: &str) -> PathBuf {
        self.directory("bin");
        let path = self.path("bin").join(name);
        if !path.exists() {
            fs::copy(crate::dist::helper(name), &path).expect("cannot copy a helper");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
                .expect("cannot set a mode");
        }
        path
    }

    /// NAME=VALUE of the variable that all processes of this room carry.
    pub fn mark(&self) -> String {
        format!("{MARK}={}", self.dir().display())
    }

    /// The processes that carry the mark.
    pub fn processes(&self) -> Vec<i32> {
        procfs::started_with(&self.mark())
    }

    fn end_all(&self) {
        let marked = self.processes();
        // Helpers have an empty environment: they are found as children of the marked.
        let mut doomed = marked.clone();
        for pid in &marked {
            doomed.extend(procfs::children(*pid));
        }
        // The daemon is the oldest; it goes first so that it starts nothing again.
        for pid in doomed {
            procfs::signal(pid, Signal::SIGKILL);
        }
    }

    fn tell(&self) {
        for entry in fs::read_dir(self.dir()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("stderr") || name.starts_with("stdout") || name.ends_with("d.log") {
                let text = fs::read(entry.path()).unwrap_or_default();
                let text = String::from_utf8_lossy(&text);
                let last: Vec<&str> = text.lines().rev().take(40).collect();
                eprintln!("--- {name}, its last lines:");
                for line in last.iter().rev() {
                    eprintln!("{line}");
                }
            }
        }
    }
}

impl Default for Room {
    fn default() -> Self {
        Room::new()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell();
            self.end_all();
            self.end_all();
        } else {
            wait_for("the end of what the test started", || {
                self.end_all();
                self.processes().is_empty()
            });
        }
    }
}
