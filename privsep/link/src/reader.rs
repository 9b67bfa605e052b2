//! The reader's descriptors: what exec left open for it, and what comes over its socket.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use crate::inherited::adopt;

/// What the spawner gave the reader at its start.
#[derive(Debug)]
pub struct Ends {
    /// The socket for file requests.
    pub socket: OwnedFd,
    /// The start record.
    pub start: OwnedFd,
    /// Where the launch table is written.
    pub table: OwnedFd,
    /// Where the settings are written.
    pub settings: OwnedFd,
    /// At a later reading, the table in force.
    pub current: Option<OwnedFd>,
}

/// Takes them. `None` when they were taken before or one is not open.
pub fn take() -> Option<Ends> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return None;
    }
    Some(Ends {
        socket: adopt(privsep::start::SOCKET)?,
        start: adopt(privsep::start::START)?,
        table: adopt(privsep::start::TABLE)?,
        settings: adopt(privsep::start::SETTINGS)?,
        current: adopt(privsep::start::CURRENT),
    })
}

/// Receives one datagram and the descriptor that came with it, if one did. More than one is an error.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut control = nix::cmsg_space!([RawFd; 2]);
    let mut iov = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut iov, Some(&mut control), flags)?;
    let mut all = Vec::new();
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = part {
            for number in numbers {
                // SAFETY: the kernel has just made this descriptor for this process; nothing else owns it.
                all.push(unsafe { OwnedFd::from_raw_fd(number) });
            }
        }
    }
    let cut = message.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC);
    let descriptor = all.pop();
    if cut || !all.is_empty() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok((message.bytes, descriptor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::IoSlice;
    use std::os::fd::AsFd;

    use nix::sys::socket::{
        AddressFamily, ControlMessage, SockFlag, SockType, sendmsg, socketpair,
    };

    #[test]
    fn one_descriptor_comes_through_and_two_do_not() {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).unwrap();
        let send = |numbers: &[RawFd]| {
            let rights = [ControlMessage::ScmRights(numbers)];
            let rights: &[ControlMessage] = if numbers.is_empty() { &[] } else { &rights };
            let iov = [IoSlice::new(b"abc")];
            sendmsg::<()>(theirs.as_raw_fd(), &iov, rights, MsgFlags::empty(), None).unwrap()
        };
        let mut buffer = [0; 8];
        send(&[]);
        let (n, none) = receive(ours.as_fd(), &mut buffer).unwrap();
        assert!(n == 3 && none.is_none());
        let file = tempfile();
        send(&[file.as_raw_fd()]);
        let (_, one) = receive(ours.as_fd(), &mut buffer).unwrap();
        assert!(one.is_some_and(|fd| fd.as_raw_fd() != file.as_raw_fd()));
        send(&[file.as_raw_fd(), file.as_raw_fd()]);
        assert!(receive(ours.as_fd(), &mut buffer).is_err());
        drop(theirs);
        let (n, _) = receive(ours.as_fd(), &mut buffer).unwrap();
        assert_eq!(n, 0);
    }

    fn tempfile() -> std::fs::File {
        std::fs::File::open("/dev/null").unwrap()
    }
}
