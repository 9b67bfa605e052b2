//! Files that hold passwords: read only where nobody else can.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc::{O_NOCTTY, O_NONBLOCK};
use nix::sys::statfs::{FsType, fstatfs};
use nix::unistd::Uid;

use super::input;
use super::options::native;
use super::prompt;
use crate::config::text;

/// Longest file that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;
/// The file system of pipes that have no name (`PIPEFS_MAGIC`).
const PIPES: FsType = FsType(0x5049_5045);

/// What a file holds, if nobody but the caller and root can have written it.
pub struct Own {
    /// The text.
    pub text: String,
    /// Why it must not hold a secret, if so: who else may read it, as the end of an error.
    pub exposed: Option<String>,
}

/// Reads a small file that others cannot change; `None` if there is none.
pub fn read(path: &str) -> Result<Option<Own>, String> {
    read_if(path, |_| false)
}

/// The same, also of what is no regular file but fits.
fn read_if(path: &str, fits: impl FnOnce(&File) -> bool) -> Result<Option<Own>, String> {
    // A FIFO without a writer is not waited for.
    let flags = O_NOCTTY | O_NONBLOCK;
    let open = OpenOptions::new().read(true).custom_flags(flags).open(native(path));
    let file = match open {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {path}: {error}")),
    };
    let about = file.metadata().map_err(|error| format!("cannot read {path}: {error}"))?;
    if about.file_type().is_fifo() && !fits(&file) {
        return Err(format!("{path} is not used: it is a named pipe, and only `-` reads those"));
    }
    if !about.is_file() && !about.file_type().is_fifo() {
        return Err(format!("{path} is not used: it is no regular file"));
    }
    if let Some(why) = changeable(about.mode(), about.uid(), Uid::effective()) {
        return Err(format!("{path} is not used: {why}"));
    }
    let exposed = exposed(about.mode());
    let mut bytes = Vec::new();
    let length = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    match length {
        Err(error) => return Err(format!("cannot read {path}: {error}")),
        Ok(length) if length as u64 > MAX_FILE => {
            return Err(format!("{path} is longer than {MAX_FILE} bytes"));
        }
        Ok(_) => {}
    }
    Ok(Some(Own { text: text::from_bytes(&bytes), exposed }))
}

/// Whether it is what a shell makes of `<(command)`: a pipe that has no name, so that nobody who was not given it can
/// write to it. Reading waits for the command from now on.
fn is_from_a_command(file: &File) -> bool {
    let unnamed = fstatfs(file).is_ok_and(|fs| fs.filesystem_type() == PIPES);
    unnamed && fcntl(file, FcntlArg::F_SETFL(OFlag::empty())).is_ok()
}

/// How others than the caller and root could have changed a file.
fn changeable(mode: u32, owner: u32, caller: Uid) -> Option<String> {
    if owner != 0 && owner != caller.as_raw() {
        return Some(format!("it belongs to another user (uid {owner})"));
    }
    let mode = mode & 0o7777;
    (mode & 0o022 != 0).then(|| format!("others may change it (mode {mode:04o}): chmod 600 it"))
}

fn exposed(mode: u32) -> Option<String> {
    let mode = mode & 0o7777;
    (mode & 0o077 != 0).then(|| format!("others may read it (mode {mode:04o}): chmod 600 it"))
}

/// The password in the first line of a file that nobody else can read, or of what a shell's `<(command)` writes. `-`
/// asks for it: on the terminal, unseen, or takes a line of standard input.
pub fn password(path: &str) -> Result<String, String> {
    let line = match path {
        "-" if std::io::stdin().is_terminal() => prompt::ask_hidden("Password:"),
        "-" => input::line(),
        path => {
            let file = read_if(path, is_from_a_command)?
                .ok_or_else(|| format!("the password file {path} does not exist"))?;
            if let Some(why) = file.exposed {
                return Err(format!("the password file {path} is not used: {why}"));
            }
            file.text.lines().next().map(str::to_owned)
        }
    };
    let line = line.filter(|line| !line.is_empty());
    line.ok_or_else(|| format!("the password file {path} holds no password in its first line"))
}

/// The text of a private key's file, which nobody else can read; or what a shell's `<(command)` writes.
pub fn key(path: &str) -> Result<String, String> {
    let file = read_if(path, is_from_a_command)?
        .ok_or_else(|| format!("the key file {path} does not exist"))?;
    match file.exposed {
        Some(why) => Err(format!("the key file {path} is not used: {why}")),
        None => Ok(file.text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let name = path.to_str().unwrap().to_owned();
        (dir, name)
    }

    #[test]
    fn the_first_line_is_the_password() {
        let (_dir, path) = file("hunter2 \r\nrest\n", 0o600);
        assert_eq!(password(&path), Ok("hunter2 ".to_owned()));
        let (_dir, path) = file("x", 0o400);
        assert_eq!(password(&path), Ok("x".to_owned()));
    }

    #[test]
    fn what_others_may_read_is_no_secret() {
        for mode in [0o640, 0o604, 0o620] {
            let (_dir, path) = file("hunter2\n", mode);
            let error = password(&path).unwrap_err();
            assert!(error.contains(&format!("(mode {mode:04o}): chmod 600")), "{error}");
            assert!(!error.contains("hunter2"));
        }
    }

    #[test]
    fn a_password_must_be_there() {
        let (_dir, path) = file("\nx\n", 0o600);
        assert!(password(&path).unwrap_err().contains("no password in its first line"));
        assert!(password("/nonexistent").unwrap_err().ends_with("does not exist"));
        assert!(password("/").unwrap_err().ends_with("it is no regular file"));
        let (_dir, path) = file(&"x".repeat(70_000), 0o600);
        assert!(password(&path).unwrap_err().contains("longer than"));
    }

    #[test]
    fn a_fifo_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = password(path.to_str().unwrap()).unwrap_err();
        assert!(error.ends_with("it is a named pipe, and only `-` reads those"), "{error}");
    }

    #[test]
    fn a_command_of_the_shell_is_waited_for() {
        use std::io::Write;
        use std::os::fd::AsRawFd;
        let (reader, mut writer) = std::io::pipe().unwrap();
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        assert!(read(&path).is_err(), "a contexts file is none");
        let writing = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            writer.write_all(b"hunter2\nx\n").unwrap();
        });
        assert_eq!(password(&path), Ok("hunter2".to_owned()));
        writing.join().unwrap();
        assert!(password(&path).unwrap_err().contains("no password in its first line"));
    }

    #[test]
    fn only_the_callers_and_roots_files_are_taken() {
        let (root, me) = (Uid::from_raw(0), Uid::from_raw(1000));
        for (mode, owner, caller) in [(0o644, 0, root), (0o644, 0, me), (0o600, 1000, me)] {
            assert_eq!(changeable(mode, owner, caller), None);
        }
        for (owner, caller) in [(1000, root), (1001, me)] {
            assert!(changeable(0o600, owner, caller).unwrap().contains("another user"));
        }
        for mode in [0o100_620, 0o100_602] {
            assert!(changeable(mode, 1000, me).unwrap().contains("others may change it"));
        }
    }
}
