//! Who is at the other end of a unix socket, as the kernel noted it when that end connected.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The most groups that a process can have (`NGROUPS_MAX`).
const MOST: usize = 65_536;

/// Ids of the supplementary groups of the process that connected, at that moment.
pub fn groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut room = 32;
    loop {
        let mut groups = vec![0u32; room];
        let size = room.saturating_mul(size_of::<u32>());
        let mut length = libc::socklen_t::try_from(size).map_err(io::Error::other)?;
        // SAFETY: the kernel writes at most `length` bytes to `groups`, which has as many, and the length itself to
        // `length`; both outlive the call. Every bit pattern is a group id.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if result == 0 {
            let bytes = usize::try_from(length).map_err(io::Error::other)?;
            groups.truncate(bytes / size_of::<u32>());
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ERANGE) || room >= MOST {
            return Err(error);
        }
        room = room.saturating_mul(8).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_groups_are_those_of_the_process() {
        let (one, _other) = UnixStream::pair().expect("pair");
        let mut groups = groups(one.as_fd()).expect("groups");
        let status = std::fs::read_to_string("/proc/self/status").expect("status");
        let own = status.lines().find_map(|line| line.strip_prefix("Groups:")).expect("a line");
        let mut own: Vec<u32> =
            own.split_whitespace().map(|gid| gid.parse().expect("a number")).collect();
        groups.sort_unstable();
        own.sort_unstable();
        assert_eq!(groups, own);
    }

    #[test]
    fn what_is_no_unix_socket_has_none() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listener");
        assert!(groups(listener.as_fd()).is_err());
    }
}
