//! The socket to the spawner: requests out in order, messages with their descriptors in.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, send};
use privsep::reply::{self, Reply};
use privsep::request::{self, Request};
use tokio::io::Interest;

use crate::poll::PollFd;

/// The broker's end. Nothing here blocks; requests that find the socket full wait in order.
pub struct Spawner {
    socket: PollFd<OwnedFd>,
    seq: Cell<u32>,
    backlog: RefCell<VecDeque<[u8; request::SIZE]>>,
}

impl Spawner {
    /// Takes over the socket, which must be a non-blocking SEQPACKET one. Must be called inside a tokio runtime.
    pub fn new(socket: OwnedFd) -> io::Result<Spawner> {
        Ok(Spawner {
            socket: PollFd::new(socket, Interest::READABLE | Interest::WRITABLE)?,
            seq: Cell::new(0),
            backlog: RefCell::new(VecDeque::new()),
        })
    }

    /// Sends a request, at once or as soon as there is room, after all that were sent before it. Gives the number that
    /// the answer repeats; never 0. That the spawner is gone shows in [`Spawner::recv`].
    pub fn send(&self, request: Request) -> u32 {
        let seq = match self.seq.get().wrapping_add(1) {
            0 => 1,
            seq => seq,
        };
        self.seq.set(seq);
        self.backlog.borrow_mut().push_back(request.encode(seq));
        self.flush();
        seq
    }

    /// Whether requests wait for room.
    pub fn backed_up(&self) -> bool {
        !self.backlog.borrow().is_empty()
    }

    fn flush(&self) {
        let mut backlog = self.backlog.borrow_mut();
        while let Some(request) = backlog.front() {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            let sent = self.socket.attempt(Interest::WRITABLE, |socket| {
                Ok(send(socket.as_raw_fd(), request, flags)?)
            });
            match sent {
                Ok(None) => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // A dead peer: the receiving side reports it, and nothing that was asked matters any more.
                Ok(Some(_)) | Err(_) => {
                    backlog.pop_front();
                }
            }
        }
    }

    /// The next message and its descriptors, which are close-on-exec. Cancelling it loses nothing.
    ///
    /// Errors: `UnexpectedEof` when the spawner is gone, `InvalidData` when a message is not what the border allows.
    pub async fn recv(&self) -> io::Result<(Reply, Vec<OwnedFd>)> {
        loop {
            if let Some(message) = self.try_recv()? {
                return Ok(message);
            }
            let interest = if self.backed_up() {
                Interest::READABLE | Interest::WRITABLE
            } else {
                Interest::READABLE
            };
            self.socket.ready(interest).await?;
            self.flush();
        }
    }

    /// A message that is already there.
    pub fn try_recv(&self) -> io::Result<Option<(Reply, Vec<OwnedFd>)>> {
        loop {
            let received =
                self.socket.attempt(Interest::READABLE, |socket| receive(socket.as_raw_fd()));
            match received {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

fn receive(socket: RawFd) -> io::Result<(Reply, Vec<OwnedFd>)> {
    // One byte more than a message has, so that a longer one shows.
    let mut bytes = [0u8; reply::SIZE + 1];
    let mut control = nix::cmsg_space!([RawFd; reply::MAX_DESCRIPTORS]);
    let mut iov = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket, &mut iov, Some(&mut control), flags)?;
    let (length, flags) = (message.bytes, message.flags);
    let descriptors = descriptors(message.cmsgs().map_err(bad)?);
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC) {
        return Err(bad("truncated"));
    }
    let reply = Reply::decode(bytes.get(..length).unwrap_or_default()).map_err(bad)?;
    if descriptors.len() == reply.descriptors() {
        Ok((reply, descriptors))
    } else {
        Err(bad("its descriptors are not those that it names"))
    }
}

fn descriptors(messages: impl Iterator<Item = ControlMessageOwned>) -> Vec<OwnedFd> {
    let mut owned = Vec::new();
    for message in messages {
        if let ControlMessageOwned::ScmRights(received) = message {
            owned.extend(received.into_iter().map(|fd| {
                // SAFETY: the kernel has just put this descriptor into our table for this message and nobody else
                // has been told its number.
                unsafe { OwnedFd::from_raw_fd(fd) }
            }));
        }
    }
    owned
}

fn bad(why: impl std::fmt::Display) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("a message of the spawner was refused: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::os::fd::AsFd;

    use nix::errno::Errno;
    use nix::sys::socket::{
        AddressFamily, ControlMessage, SockFlag, SockType, recv, sendmsg, socketpair,
    };
    use privsep::request::Whom;

    use super::*;

    fn pair() -> (OwnedFd, OwnedFd) {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).unwrap()
    }

    fn tell(socket: &OwnedFd, bytes: &[u8], fds: &[RawFd]) {
        let rights = [ControlMessage::ScmRights(fds)];
        let control = if fds.is_empty() { &[][..] } else { &rights[..] };
        let iov = [IoSlice::new(bytes)];
        let sent = sendmsg::<()>(socket.as_raw_fd(), &iov, control, MsgFlags::empty(), None);
        assert_eq!(sent, Ok(bytes.len()));
    }

    #[tokio::test]
    async fn no_request_is_lost_or_reordered_when_the_socket_is_full() {
        let (ours, theirs) = pair();
        let link = Spawner::new(ours).unwrap();
        let asked =
            |n: u32| Request::Signal { slot: n, instance: 1, signo: 15, whom: Whom::Process };
        for n in 1..=2_000 {
            assert_eq!(link.send(asked(n)), n);
        }
        assert!(link.backed_up());
        let read = async {
            let mut seen = 0;
            while seen < 2_000 {
                let mut bytes = [0; 64];
                match recv(theirs.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
                    Ok(n) => {
                        seen += 1;
                        assert_eq!(Request::decode(&bytes[..n]), Ok((seen, asked(seen))));
                    }
                    Err(Errno::EAGAIN) => tokio::task::yield_now().await,
                    Err(e) => panic!("{e}"),
                }
            }
        };
        tokio::select! {
            () = read => {}
            message = link.recv() => panic!("{message:?}"),
        }
        assert!(!link.backed_up());
    }

    #[tokio::test]
    async fn descriptors_come_with_the_message_that_names_them() {
        let (ours, theirs) = pair();
        let link = Spawner::new(ours).unwrap();
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let reply = Reply::Listener { index: 3 };
        tell(&theirs, &reply.encode(), &[writer.as_raw_fd()]);
        drop(writer);
        let (got, fds) = link.recv().await.unwrap();
        assert_eq!(got, reply);
        nix::unistd::write(fds[0].as_fd(), b"x").unwrap();
        let flags = nix::fcntl::fcntl(&fds[0], nix::fcntl::FcntlArg::F_GETFD).unwrap();
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        drop(fds);
        let mut bytes = [0; 8];
        assert_eq!(nix::unistd::read(reader.as_fd(), &mut bytes), Ok(1));
        assert_eq!(nix::unistd::read(reader.as_fd(), &mut bytes), Ok(0));
    }

    #[tokio::test]
    async fn what_the_border_does_not_allow_is_refused() {
        let (reader, _writer) = nix::unistd::pipe().unwrap();
        let fd = reader.as_raw_fd();
        let listener = Reply::Listener { index: 0 }.encode();
        let mut long = listener.to_vec();
        long.push(0);
        let cases: [(&[u8], &[RawFd]); 5] = [
            (&listener, &[]),
            (&listener, &[fd, fd]),
            (&Reply::Complete.encode(), &[fd]),
            (&long, &[fd]),
            (b"?", &[]),
        ];
        for (bytes, fds) in cases {
            let (ours, theirs) = pair();
            let link = Spawner::new(ours).unwrap();
            tell(&theirs, bytes, fds);
            let error = link.recv().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        }
        let (ours, theirs) = pair();
        let link = Spawner::new(ours).unwrap();
        drop(theirs);
        let error = link.recv().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
