//! Root. Binding the listening sockets of the table, and removing what they leave.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, UnixAddr, bind, connect, listen,
    setsockopt, socket, sockopt::ReuseAddr,
};
use nix::sys::stat::{Mode, fchmod, fstat, fstatat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchdir, fchownat, geteuid, linkat, unlinkat};
use privsep::table::Socket;

use crate::path::{Place, Walk, plain, remove_own, walk};
use crate::sys::say;

/// A bound socket, and where its name is.
pub struct Bound {
    pub socket: OwnedFd,
    name: Option<(Place, u64, u64)>,
}

/// Why a socket could not be bound.
pub enum Refused {
    /// Somebody listens there.
    Busy,
    /// Something that is not a socket has the name.
    Occupied,
    /// The owner could not be set.
    Owner,
    Errno(Errno),
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        if errno == Errno::EADDRINUSE { Refused::Busy } else { Refused::Errno(errno) }
    }
}

const FLAGS: SockFlag = SockFlag::SOCK_CLOEXEC.union(SockFlag::SOCK_NONBLOCK);

pub fn open(wanted: &Socket) -> Result<Bound, Refused> {
    let bound = match wanted {
        Socket::Tcp { address, port } => {
            let [a, b, c, d] = address.to_be_bytes();
            let socket = socket(AddressFamily::Inet, SockType::Stream, FLAGS, None)?;
            setsockopt(&socket, ReuseAddr, &true)?;
            bind(socket.as_raw_fd(), &SockaddrIn::new(a, b, c, d, *port))?;
            Bound { socket, name: None }
        }
        Socket::Unix { path, mode, uid, gid } => unix(path, *mode, *uid, *gid)?,
    };
    listen(&bound.socket, Backlog::MAXCONN)?;
    Ok(bound)
}

/// Binds under a name of its own, sets mode and owner, and only then links the name that clients know: at first sight
/// the socket is as configured, and a name that exists is never lost to a second daemon.
fn unix(path: &[u8], mode: u32, uid: Option<u32>, gid: Option<u32>) -> Result<Bound, Refused> {
    let place = if geteuid().is_root() { walk(path, Walk::All, false)? } else { plain(path)? };
    let socket = socket(AddressFamily::Unix, SockType::Stream, FLAGS, None)?;
    // bind() takes the mode from the socket itself, so that there is no moment with another one.
    fchmod(&socket, Mode::from_bits_truncate(mode))?;
    let own = [place.name.as_slice(), b".", std::process::id().to_string().as_bytes()].concat();
    let mask = nix::sys::stat::umask(Mode::empty());
    let bound = within(&place, || bind(socket.as_raw_fd(), &UnixAddr::new(own.as_slice())?));
    nix::sys::stat::umask(mask);
    bound?;
    let linked = chown(&place, &own, uid, gid).and_then(|()| link(&place, &own, path));
    let _ = unlinkat(&place.dir, own.as_slice(), UnlinkatFlags::NoRemoveDir);
    let (device, inode) = linked?;
    Ok(Bound { socket, name: Some((place, device, inode)) })
}

/// Runs `f` in the held directory: socket addresses are short and bind() knows no directory descriptor.
fn within(place: &Place, f: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
    let back =
        nix::fcntl::open(".", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    fchdir(&place.dir)?;
    let result = f();
    match back {
        Ok(back) => fchdir(&back)?,
        Err(_) => nix::unistd::chdir("/")?,
    }
    result
}

/// Sets the owner of the very file that was bound: a socket of ours with one name.
fn chown(place: &Place, own: &[u8], uid: Option<u32>, gid: Option<u32>) -> Result<(), Refused> {
    if uid.is_none() && gid.is_none() {
        return Ok(());
    }
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = openat(&place.dir, own, flags, Mode::empty())?;
    let stat = fstat(&file)?;
    let socket = stat.st_mode & libc::S_IFMT == libc::S_IFSOCK;
    if !socket || stat.st_nlink != 1 || stat.st_uid != geteuid().as_raw() {
        return Err(Refused::Errno(Errno::EPERM));
    }
    let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
    fchownat(&file, "", uid, gid, AtFlags::AT_EMPTY_PATH).map_err(|_| Refused::Owner)
}

/// Gives the socket its name; a name whose socket nobody serves is taken over.
fn link(place: &Place, own: &[u8], path: &[u8]) -> Result<(u64, u64), Refused> {
    let name = place.name.as_slice();
    for _ in 0..3 {
        match linkat(&place.dir, own, &place.dir, name, AtFlags::empty()) {
            Ok(()) => {
                let stat = fstatat(&place.dir, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
                return Ok((stat.st_dev, stat.st_ino));
            }
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        let stat = fstatat(&place.dir, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if stat.st_mode & libc::S_IFMT != libc::S_IFSOCK {
            return Err(Refused::Occupied);
        }
        if served(place)? {
            return Err(Refused::Busy);
        }
        say(&[b"Unlinking stale socket ", path, b"\n"]);
        unlinkat(&place.dir, name, UnlinkatFlags::NoRemoveDir)?;
    }
    Err(Refused::Busy)
}

/// Whether somebody listens behind the name. Only a refused connection says that nobody does.
fn served(place: &Place) -> Result<bool, Errno> {
    let probe = socket(AddressFamily::Unix, SockType::Stream, FLAGS, None)?;
    let result =
        within(place, || connect(probe.as_raw_fd(), &UnixAddr::new(place.name.as_slice())?));
    Ok(result != Err(Errno::ECONNREFUSED))
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Some((place, device, inode)) = &self.name {
            remove_own(place, Some((*device, *inode)));
        }
    }
}
