//! The parser's end of the spawner's file service.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::fstat;
use privsep::files::{ANSWER_SIZE, Answer, Ask};
use privsep::frame::Wire;

use super::files::{Denied, Files, Listing, Named};
use super::text;

/// The most bytes of one file.
const FILE_MAX: u64 = 8 << 20;
/// The most entries of one directory.
const LISTING_MAX: usize = 65_536;

/// The spawner, asked over a socket. Once it no longer answers, nothing more is asked.
#[derive(Debug)]
pub struct Spawner {
    socket: OwnedFd,
    directories: u16,
    broken: Option<String>,
}

impl Spawner {
    /// Speaks over this socket.
    pub fn new(socket: OwnedFd) -> Self {
        Spawner { socket, directories: 0, broken: None }
    }

    /// Why the spawner no longer answers, if that is so.
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// Says what cannot be answered: that all is written, or that the reader leaves.
    pub fn say(&self, ask: &Ask) -> io::Result<()> {
        let flags = MsgFlags::MSG_NOSIGNAL;
        loop {
            match send(self.socket.as_raw_fd(), &ask.encode(), flags) {
                Ok(_) => return Ok(()),
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT)?,
                Err(Errno::EINTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn wait(&self, events: PollFlags) -> io::Result<()> {
        let mut set = [PollFd::new(self.socket.as_fd(), events)];
        match poll(&mut set, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    fn ask(&mut self, ask: &Ask) -> Result<OwnedFd, Denied> {
        if let Some(why) = &self.broken {
            return Err(Denied::Unreadable(why.clone()));
        }
        match self.exchange(ask) {
            Ok((Answer::Granted, Some(descriptor))) => Ok(descriptor),
            Ok((Answer::Granted, None)) => Err(self.gone("it granted a file and gave none")),
            Ok((answer, _)) => Err(Denied::Answer(answer)),
            Err(e) => Err(self.gone(&e.to_string())),
        }
    }

    fn gone(&mut self, why: &str) -> Denied {
        let why = format!("asking supervisord for configuration files failed: {why}");
        self.broken = Some(why.clone());
        Denied::Unreadable(why)
    }

    fn exchange(&self, ask: &Ask) -> io::Result<(Answer, Option<OwnedFd>)> {
        let bytes = ask.encode();
        if bytes.len() > privsep::files::MAX_REQUEST || Ask::read(&bytes).is_err() {
            return Ok((Answer::Errno(Errno::ENAMETOOLONG as i32), None));
        }
        self.say(ask)?;
        let mut buffer = [0; ANSWER_SIZE];
        loop {
            match link::reader::receive(self.socket.as_fd(), &mut buffer) {
                Ok((0, _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((n, descriptor)) => {
                    let answer = buffer.get(..n).map(Answer::unseal);
                    let Some(Ok(answer)) = answer else {
                        return Err(io::ErrorKind::InvalidData.into());
                    };
                    return Ok((answer, descriptor));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.wait(PollFlags::POLLIN)?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

fn contents(descriptor: OwnedFd) -> Result<Vec<u8>, Denied> {
    let mut bytes = Vec::new();
    let mut file = File::from(descriptor).take(FILE_MAX + 1);
    file.read_to_end(&mut bytes).map_err(|e| Denied::Unreadable(format!("reading failed: {e}")))?;
    if u64::try_from(bytes.len()).is_ok_and(|n| n > FILE_MAX) {
        let limit = FILE_MAX >> 20;
        return Err(Denied::Unreadable(format!("it is larger than {limit} MB")));
    }
    Ok(bytes)
}

fn listing(descriptor: OwnedFd) -> io::Result<Listing> {
    let mut names = Vec::new();
    for entry in Dir::from_fd(descriptor)?.iter() {
        let entry = entry?;
        let name = std::ffi::OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        if names.len() == LISTING_MAX {
            return Err(io::Error::other(format!("more than {LISTING_MAX} entries")));
        }
        // Links and file systems without types have to be asked about.
        let directory = matches!(entry.file_type(), None | Some(Type::Directory | Type::Symlink));
        names.push((text::from_bytes(name.as_bytes()), directory));
    }
    Ok(names)
}

impl Files for Spawner {
    fn main(&mut self, path: &str) -> Result<Vec<u8>, Denied> {
        contents(self.ask(&Ask::Main(text::bytes(path)))?)
    }

    fn directory(&mut self, path: &str) -> Result<(u16, Listing), Denied> {
        let descriptor = self.ask(&Ask::Dir(text::bytes(path)))?;
        let number = self.directories;
        self.directories = number.saturating_add(1);
        let names =
            listing(descriptor).map_err(|e| Denied::Unreadable(format!("listing failed: {e}")))?;
        Ok((number, names))
    }

    fn file(&mut self, dir: u16, name: &str) -> Result<Vec<u8>, Denied> {
        let name = text::bytes(name);
        contents(self.ask(&Ask::File { dir, name })?)
    }

    fn named(&mut self, path: &str) -> Result<Named, Denied> {
        let descriptor = self.ask(&Ask::Named(text::bytes(path)))?;
        let stat = fstat(&descriptor);
        let stat = stat.map_err(|e| Denied::Unreadable(format!("its mode is not known: {e}")))?;
        let (uid, gid, mode) = (stat.st_uid, stat.st_gid, stat.st_mode);
        Ok(Named { bytes: contents(descriptor)?, uid, gid, mode })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::IoSlice;
    use std::os::fd::RawFd;

    use nix::sys::socket::{
        AddressFamily, ControlMessage, SockFlag, SockType, recv, sendmsg, socketpair,
    };

    /// A spawner that answers each request by `answer`.
    fn with(answer: fn(Ask) -> Option<(Answer, Option<File>)>) -> Spawner {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; privsep::files::MAX_REQUEST];
            loop {
                let n = recv(theirs.as_raw_fd(), &mut buffer, MsgFlags::empty()).unwrap();
                if n == 0 {
                    return;
                }
                let Some((answer, file)) = answer(Ask::read(&buffer[..n]).unwrap()) else {
                    return;
                };
                let numbers: Vec<RawFd> = file.iter().map(AsRawFd::as_raw_fd).collect();
                let rights = [ControlMessage::ScmRights(&numbers)];
                let rights: &[ControlMessage] = if numbers.is_empty() { &[] } else { &rights };
                let bytes = answer.seal();
                let iov = [IoSlice::new(&bytes)];
                sendmsg::<()>(theirs.as_raw_fd(), &iov, rights, MsgFlags::empty(), None).unwrap();
            }
        });
        Spawner::new(ours)
    }

    #[test]
    fn files_and_directories_come_as_descriptors() {
        let mut spawner = with(|ask| {
            let path = match ask {
                Ask::Main(path) | Ask::Dir(path) => {
                    std::path::PathBuf::from(std::ffi::OsStr::from_bytes(&path))
                }
                Ask::File { dir: 0, name } => {
                    std::path::Path::new("/proc/self").join(std::ffi::OsStr::from_bytes(&name))
                }
                _ => return Some((Answer::Refused, None)),
            };
            match File::open(path) {
                Ok(file) => Some((Answer::Granted, Some(file))),
                Err(e) => Some((Answer::Errno(e.raw_os_error().unwrap()), None)),
            }
        });
        assert!(!spawner.main("/proc/self/stat").unwrap().is_empty());
        let (number, names) = spawner.directory("/proc/self").unwrap();
        assert_eq!(number, 0);
        assert!(names.contains(&("stat".to_owned(), false)));
        assert!(names.contains(&("fd".to_owned(), true)));
        assert!(!spawner.file(0, "stat").unwrap().is_empty());
        let missing = Denied::Answer(Answer::Errno(Errno::ENOENT as i32));
        assert_eq!(spawner.main("/nowhere/at/all"), Err(missing));
        let long = format!("/{}", "x".repeat(5_000));
        let errno = Denied::Answer(Answer::Errno(Errno::ENAMETOOLONG as i32));
        assert_eq!(spawner.main(&long), Err(errno));
        assert!(spawner.broken().is_none());
    }

    #[test]
    fn a_spawner_that_is_gone_is_asked_once() {
        let mut spawner = with(|_| None);
        assert!(matches!(spawner.main("/a"), Err(Denied::Unreadable(_))));
        assert!(spawner.broken().is_some());
        assert!(matches!(spawner.main("/b"), Err(Denied::Unreadable(_))));
    }
}
