//! The tokens file, as an administrator changes it: one at a time, and either as it was or as it is to be.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc::{O_NOCTTY, O_NOFOLLOW, O_NONBLOCK};
use nix::unistd::Uid;

use super::options::native;
use crate::config::settings::Token;
use crate::config::{text, token_line};

/// Longest file that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;
/// How long somebody else's change is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether that one is done.
const LOOK: Duration = Duration::from_millis(50);
/// For its owner alone.
const MODE: u32 = 0o600;

/// Why the file is not read or changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The caller may not: an administrator may.
    Forbidden(String),
    /// Anything else.
    Other(String),
}

impl Failure {
    /// What is wrong.
    pub fn text(&self) -> &str {
        match self {
            Failure::Forbidden(text) | Failure::Other(text) => text,
        }
    }

    fn of(what: &str, path: &str, error: &io::Error) -> Failure {
        let text = format!("cannot {what} {path}: {error}");
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Failure::Forbidden(text)
            }
            _ if error.raw_os_error() == Some(Errno::ELOOP as i32) => Failure::Other(format!(
                "{path} is a symbolic link, and is not followed: name the file itself"
            )),
            _ => Failure::Other(text),
        }
    }
}

/// The lines of the file, and the right to change them as long as this is there.
pub struct TokenFile {
    path: String,
    lines: Vec<String>,
    /// Nobody else has it.
    lock: Flock<File>,
}

/// The tokens of a file, without changing it.
pub fn list(path: &str) -> Result<Vec<Token>, Failure> {
    let file = opener().open(native(path)).map_err(|error| Failure::of("read", path, &error))?;
    tokens(path, &lines(path, &file)?)
}

impl TokenFile {
    /// Opens the file, and waits until nobody else changes it. One that is not there is made where that is wanted.
    pub fn open(path: &str, make: bool) -> Result<TokenFile, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let file = opener()
                .write(true)
                .create(make)
                .mode(MODE)
                .open(native(path))
                .map_err(|error| Failure::of("change", path, &error))?;
            let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => lock,
                Err((_, Errno::EWOULDBLOCK)) if Instant::now() < deadline => {
                    sleep(LOOK);
                    continue;
                }
                Err((_, Errno::EWOULDBLOCK)) => {
                    return Err(Failure::Other(format!(
                        "{path} is being changed by somebody else since {} seconds: try again",
                        PATIENCE.as_secs()
                    )));
                }
                Err((_, errno)) => return Err(Failure::of("lock", path, &errno.into())),
            };
            // Who had it may have put another one in its place.
            if is_at(&lock, path) {
                let lines = lines(path, &lock)?;
                return Ok(TokenFile { path: path.to_owned(), lines, lock });
            }
            if Instant::now() >= deadline {
                return Err(Failure::Other(format!(
                    "{path} is replaced again and again: try later"
                )));
            }
        }
    }

    /// The tokens in it. A line that is wrong is an error: it is not known what it was meant to be.
    pub fn tokens(&self) -> Result<Vec<Token>, Failure> {
        tokens(&self.path, &self.lines)
    }

    /// Adds a token.
    pub fn add(mut self, token: &Token) -> Result<(), Failure> {
        self.lines.push(token_line::write(token).map_err(Failure::Other)?);
        self.write()
    }

    /// Takes a token out; whether it was there.
    pub fn remove(mut self, name: &str) -> Result<bool, Failure> {
        let before = self.lines.len();
        // Its line need not be right for that: what cannot be read is out as well.
        self.lines.retain(|line| {
            token_line::is_remark(line) || line.split_whitespace().next() != Some(name)
        });
        if self.lines.len() == before {
            return Ok(false);
        }
        self.write().map(|()| true)
    }

    /// Puts a new file in the place of the old one, when all of it is on the disk.
    fn write(self) -> Result<(), Failure> {
        let path = Path::new(&native(&self.path)).to_owned();
        let failed = |error: io::Error| Failure::of("write", &self.path, &error);
        let about = self.lock.metadata().map_err(failed)?;
        let text: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        let (mut file, new) = beside(&path).map_err(failed)?;
        let written = (|| {
            let now = file.metadata()?;
            if (now.uid(), now.gid()) != (about.uid(), about.gid()) {
                fchown(&file, Some(about.uid()), Some(about.gid()))?;
            }
            file.set_permissions(fs::Permissions::from_mode(MODE))?;
            file.write_all(&text::bytes(&text))?;
            file.sync_all()?;
            fs::rename(&new, &path)
        })();
        if let Err(error) = written {
            let _ = fs::remove_file(&new);
            return Err(failed(error));
        }
        // The name, too, has to be on the disk.
        File::open(directory(&path)).and_then(|directory| directory.sync_all()).map_err(failed)
    }
}

fn opener() -> OpenOptions {
    let mut how = OpenOptions::new();
    how.read(true).custom_flags(O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    how
}

/// Whether the file is still the one of that name.
fn is_at(file: &File, path: &str) -> bool {
    let id = |about: fs::Metadata| (about.dev(), about.ino());
    let here = file.metadata().map(id).ok();
    here.is_some() && fs::symlink_metadata(native(path)).map(id).ok() == here
}

/// A new file in the same directory, and its path.
fn beside(path: &Path) -> io::Result<(File, PathBuf)> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{:016x}", u64::from_ne_bytes(random)));
    let new = directory(path).join(name);
    let mut how = OpenOptions::new();
    let file = how.write(true).create_new(true).mode(MODE).custom_flags(O_NOFOLLOW).open(&new)?;
    Ok((file, new))
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().as_bytes().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn lines(path: &str, file: &File) -> Result<Vec<String>, Failure> {
    let other = |text: String| Failure::Other(text);
    let about = file.metadata().map_err(|error| Failure::of("read", path, &error))?;
    if !about.is_file() {
        return Err(other(format!("{path} is no regular file")));
    }
    if about.nlink() > 1 {
        return Err(other(format!("{path} has {} names: it must have one alone", about.nlink())));
    }
    let me = Uid::effective().as_raw();
    if about.uid() != 0 && about.uid() != me && me != 0 {
        return Err(other(format!("{path} belongs to another user (uid {})", about.uid())));
    }
    let mut bytes = Vec::new();
    let length = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    let length = length.map_err(|error| Failure::of("read", path, &error))?;
    if length as u64 > MAX_FILE {
        return Err(other(format!("{path} is longer than {MAX_FILE} bytes")));
    }
    Ok(text::from_bytes(&bytes).lines().map(str::to_owned).collect())
}

fn tokens(path: &str, lines: &[String]) -> Result<Vec<Token>, Failure> {
    let mut tokens: Vec<Token> = Vec::new();
    for (number, line) in (1..).zip(lines) {
        if token_line::is_remark(line) {
            continue;
        }
        let token = token_line::read(line)
            .map_err(|why| Failure::Other(format!("{path}:{number}: {why}")))?;
        tokens.push(token);
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn token(name: &str) -> Token {
        Token {
            name: name.to_owned(),
            role: "r".to_owned(),
            maker: None,
            expires: None,
            digest: token_line::digest(name),
        }
    }

    fn path(dir: &tempfile::TempDir, name: &str) -> String {
        dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn add(path: &str, name: &str) -> Result<(), Failure> {
        TokenFile::open(path, true)?.add(&token(name))
    }

    #[test]
    fn files_are_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = path(&dir, "tokens");
        fs::write(&file, "# kept\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let mut before = File::open(&file).unwrap();
        add(&file, "a").unwrap();
        // Whoever reads the old one reads all of it.
        let mut text = String::new();
        before.read_to_string(&mut text).unwrap();
        assert_eq!(text, "# kept\n");
        assert!(fs::read_to_string(&file).unwrap().starts_with("# kept\na r never owner "));
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left there");
    }

    #[test]
    fn the_owner_stays() {
        if !Uid::effective().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let file = path(&dir, "tokens");
        add(&file, "a").unwrap();
        std::os::unix::fs::chown(&file, Some(65_521), Some(65_522)).unwrap();
        add(&file, "b").unwrap();
        let about = fs::metadata(&file).unwrap();
        assert_eq!((about.uid(), about.gid(), about.mode() & 0o7777), (65_521, 65_522, 0o600));
    }

    #[test]
    fn one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let file = path(&dir, "tokens");
        let writers = (0..8).map(|number| {
            let file = file.clone();
            std::thread::spawn(move || add(&file, &format!("t{number}")))
        });
        for writer in writers.collect::<Vec<_>>() {
            assert_eq!(writer.join().unwrap(), Ok(()));
        }
        assert_eq!(list(&file).unwrap().len(), 8);
    }

    #[test]
    fn other_files_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (path(&dir, "tokens"), path(&dir, "link"));
        add(&file, "a").unwrap();
        symlink(&file, &link).unwrap();
        for failure in [list(&link).unwrap_err(), add(&link, "b").unwrap_err()] {
            assert!(failure.text().contains("is a symbolic link"), "{}", failure.text());
        }
        let second = path(&dir, "second");
        fs::hard_link(&file, &second).unwrap();
        assert!(add(&file, "b").unwrap_err().text().contains("2 names"));
        let fifo = path(&dir, "fifo");
        nix::unistd::mkfifo(fifo.as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(add(&fifo, "b").unwrap_err().text().contains("no regular file"));
        assert!(matches!(list(&path(&dir, "none")), Err(Failure::Other(_))));
        assert!(TokenFile::open(&path(&dir, "none"), false).is_err());
        assert!(!fs::exists(path(&dir, "none")).unwrap());
    }

    #[test]
    fn wrong_lines_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = path(&dir, "tokens");
        let secret = token_line::token(&[1; 32]);
        fs::write(&file, format!("# x\n{secret}\n")).unwrap();
        let failure = list(&file).unwrap_err();
        assert!(
            failure.text().contains(&format!("{file}:2: ")) && !failure.text().contains(&secret)
        );
    }
}
