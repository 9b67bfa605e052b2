//! Root. Binding the listening sockets of the table, and removing what they leave.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, FcntlArg, OFlag, fcntl, openat};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrLike, SockaddrStorage, UnixAddr, bind,
    connect, listen, setsockopt, socket, sockopt::Ipv6V6Only, sockopt::ReuseAddr,
};
use nix::sys::stat::{Mode, fchmod, fstat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchdir, fchownat, geteuid, linkat, unlinkat};
use privsep::table::{Shared, Socket, endpoint};

use crate::errand::{self, Errand, Made};
use crate::path::{DIRECTORY, HANDLE, OwnName, Place, Walk, find, id, is};
use crate::sys::{self, say};

/// A bound socket, and its name where it has one.
pub struct Bound {
    /// Goes first, while nobody else can have bound it.
    pub name: Option<OwnName>,
    pub socket: OwnedFd,
}

/// Why a socket could not be bound.
pub enum Refused {
    /// The owner could not be set.
    Owner,
    /// EADDRINUSE where somebody listens already, ENOTSOCK where the name is something else's.
    Errno(Errno),
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Refused::Errno(errno)
    }
}

const FLAGS: SockFlag = SockFlag::SOCK_CLOEXEC.union(SockFlag::SOCK_NONBLOCK);

/// For an HTTP server.
pub fn open(wanted: &Socket) -> Result<Bound, Refused> {
    bound(wanted, Backlog::MAXCONN)
}

/// For programs, which expect that accept() waits.
fn shared(wanted: &Shared) -> Result<Bound, Errno> {
    let backlog = i32::try_from(wanted.backlog).ok().and_then(|n| Backlog::new(n).ok());
    let bound = bound(&wanted.socket, backlog.unwrap_or(Backlog::MAXCONN));
    let bound = bound.map_err(|refused| match refused {
        Refused::Owner => Errno::EPERM,
        Refused::Errno(errno) => errno,
    })?;
    fcntl(&bound.socket, FcntlArg::F_SETFL(OFlag::O_RDWR))?;
    Ok(Bound { socket: sys::aside(bound.socket), ..bound })
}

/// Has a child bind it for programs: the name may lie where others can make root wait.
pub fn send(wanted: &Shared) -> Result<Errand, Errno> {
    errand::send(&[], || {
        let Bound { name, socket } = shared(wanted)?;
        let Some(mut name) = name else {
            return Made::one(socket);
        };
        let dir = name.dir.try_clone().map_err(|_| Errno::EMFILE)?;
        // Removing it is for the one who asked.
        Ok(Made { files: vec![socket, dir], id: name.id.take().unwrap_or_default() })
    })
}

/// What such a child has bound.
pub fn received(wanted: &Shared, made: Made) -> Result<Bound, Errno> {
    let mut files = made.files.into_iter();
    let socket = sys::aside(files.next().ok_or(Errno::EIO)?);
    let name = match (files.next(), &wanted.socket) {
        (Some(dir), Socket::Unix { path, .. }) => {
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
            Some(OwnName { dir: sys::aside(dir), name, id: Some(made.id) })
        }
        _ => None,
    };
    Ok(Bound { name, socket })
}

/// Has a child remove the name of what is closed.
pub fn close(bound: Bound) -> Option<Errand> {
    let Bound { name, socket } = bound;
    drop(socket);
    let mut name = name?;
    let id = name.id.take()?;
    errand::send(&[name.dir.as_fd()], || {
        name.remove(id);
        Ok(Made::default())
    })
    .ok()
}

fn bound(wanted: &Socket, backlog: Backlog) -> Result<Bound, Refused> {
    match wanted {
        Socket::Tcp { address, port } => {
            let socket = match tcp(endpoint(*address, *port), backlog) {
                // A kernel without IPv6: all addresses are those of IPv4.
                Err(Errno::EAFNOSUPPORT) if *address == 0 => {
                    tcp((Ipv4Addr::UNSPECIFIED, *port).into(), backlog)?
                }
                other => other?,
            };
            Ok(Bound { socket, name: None })
        }
        Socket::Unix { path, mode, uid, gid } => unix(path, *mode, (*uid, *gid), backlog),
    }
}

/// What is for all addresses of IPv6 is for those of IPv4, too.
fn tcp(address: SocketAddr, backlog: Backlog) -> Result<OwnedFd, Errno> {
    let address = SockaddrStorage::from(address);
    let family = address.family().ok_or(Errno::EAFNOSUPPORT)?;
    let socket = socket(family, SockType::Stream, FLAGS, None)?;
    setsockopt(&socket, ReuseAddr, &true)?;
    if family == AddressFamily::Inet6 {
        setsockopt(&socket, Ipv6V6Only, &false)?;
    }
    bind(socket.as_raw_fd(), &address)?;
    listen(&socket, backlog)?;
    Ok(socket)
}

/// Binds under a name of its own, sets mode and owner, listens, and only then links the name that clients know: at
/// first sight the socket is as configured, and a second daemon that finds the name sees that somebody serves it.
fn unix(
    path: &[u8],
    mode: u32,
    (uid, gid): (Option<u32>, Option<u32>),
    backlog: Backlog,
) -> Result<Bound, Refused> {
    let place = find(path, Walk::All)?;
    let socket = socket(AddressFamily::Unix, SockType::Stream, FLAGS, None)?;
    // bind() takes the mode from the socket itself, so that there is no moment with another one.
    fchmod(&socket, Mode::from_bits_truncate(mode))?;
    let own = [place.name.as_slice(), b".", std::process::id().to_string().as_bytes()].concat();
    let mask = nix::sys::stat::umask(Mode::empty());
    let bound = within(&place, || bind(socket.as_raw_fd(), &UnixAddr::new(own.as_slice())?));
    nix::sys::stat::umask(mask);
    bound?;
    let linked = chown(&place, &own, uid, gid)
        .and_then(|()| Ok(listen(&socket, backlog).and_then(|()| link(&place, &own, path))?));
    let _ = unlinkat(&place.dir, own.as_slice(), UnlinkatFlags::NoRemoveDir);
    let id = linked?;
    Ok(Bound { socket, name: Some(OwnName::new(place, id)) })
}

/// Runs `f` in the held directory: socket addresses are short and bind() knows no directory descriptor.
fn within(place: &Place, f: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
    let back = nix::fcntl::open(".", DIRECTORY | OFlag::O_PATH, Mode::empty());
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
    let file = openat(&place.dir, own, HANDLE, Mode::empty())?;
    let stat = fstat(&file)?;
    if !is(&stat, libc::S_IFSOCK) || stat.st_nlink != 1 || stat.st_uid != geteuid().as_raw() {
        return Err(Errno::EPERM.into());
    }
    let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
    fchownat(&file, "", uid, gid, AtFlags::AT_EMPTY_PATH).map_err(|_| Refused::Owner)
}

/// Gives the socket its name; a name whose socket nobody serves is taken over.
fn link(place: &Place, own: &[u8], path: &[u8]) -> Result<(u64, u64), Errno> {
    for _ in 0..3 {
        match linkat(&place.dir, own, &place.dir, place.name.as_slice(), AtFlags::empty()) {
            Ok(()) => return place.stat().map(|stat| id(&stat)),
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno),
        }
        if !is(&place.stat()?, libc::S_IFSOCK) {
            return Err(Errno::ENOTSOCK);
        }
        if served(place)? {
            return Err(Errno::EADDRINUSE);
        }
        say(&[b"Unlinking stale socket ", path, b"\n"]);
        place.remove()?;
    }
    Err(Errno::EADDRINUSE)
}

/// Whether somebody listens behind the name. Only a refused connection says that nobody does.
fn served(place: &Place) -> Result<bool, Errno> {
    let probe = socket(AddressFamily::Unix, SockType::Stream, FLAGS, None)?;
    let result =
        within(place, || connect(probe.as_raw_fd(), &UnixAddr::new(place.name.as_slice())?));
    Ok(result != Err(Errno::ECONNREFUSED))
}
