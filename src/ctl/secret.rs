//! Files that hold passwords: read only where nobody else can.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use nix::libc::O_NOCTTY;
use nix::unistd::Uid;

use super::input;
use super::options::native;
use super::prompt;
use crate::config::text;

/// Longest file that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// What a file holds, and why it must not hold a secret, if so.
pub struct Private {
    /// The text.
    pub text: String,
    /// Who else may read or change it, as the middle of an error.
    pub exposed: Option<String>,
}

/// Reads a small file; `None` if there is none.
pub fn read(path: &str) -> Result<Option<Private>, String> {
    let open = OpenOptions::new().read(true).custom_flags(O_NOCTTY).open(native(path));
    let file = match open {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {path}: {error}")),
    };
    let exposed = exposed(&file).map_err(|error| format!("cannot read {path}: {error}"))?;
    let mut bytes = Vec::new();
    let length = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    match length {
        Err(error) => return Err(format!("cannot read {path}: {error}")),
        Ok(length) if length as u64 > MAX_FILE => {
            return Err(format!("{path} is longer than {MAX_FILE} bytes"));
        }
        Ok(_) => {}
    }
    Ok(Some(Private { text: text::from_bytes(&bytes), exposed }))
}

fn exposed(file: &File) -> std::io::Result<Option<String>> {
    let about = file.metadata()?;
    let caller = Uid::effective();
    let mode = about.mode() & 0o7777;
    Ok(if mode & 0o077 != 0 {
        Some(format!("others may read or change it (mode {mode:04o}): chmod 600 it"))
    } else if !caller.is_root() && about.uid() != 0 && about.uid() != caller.as_raw() {
        Some(format!("it belongs to another user (uid {})", about.uid()))
    } else {
        None
    })
}

/// The password in the first line of a file that nobody else can read. `-` asks for it: on the terminal, unseen, or
/// takes a line of standard input.
pub fn password(path: &str) -> Result<String, String> {
    let line = match path {
        "-" if std::io::stdin().is_terminal() => prompt::ask_hidden("Password:"),
        "-" => input::line(),
        path => {
            let file =
                read(path)?.ok_or_else(|| format!("the password file {path} does not exist"))?;
            if let Some(why) = file.exposed {
                return Err(format!("the password file {path} is not used: {why}"));
            }
            file.text.lines().next().map(str::to_owned)
        }
    };
    let line = line.filter(|line| !line.is_empty());
    line.ok_or_else(|| format!("the password file {path} holds no password in its first line"))
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
        assert!(password("/").unwrap_err().contains("cannot read") || Uid::effective().is_root());
        let (_dir, path) = file(&"x".repeat(70_000), 0o600);
        assert!(password(&path).unwrap_err().contains("longer than"));
    }
}
