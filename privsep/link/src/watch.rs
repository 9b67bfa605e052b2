//! Many pipes watched at the price of those that have something: each is reported once, then rests until it is armed
//! again, so that a program that writes line by line does not wake anybody for each line.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::Interest;

use crate::poll::PollFd;

/// The token that [`Watch::ready`] gives when a pause is over. No pipe may have it.
pub const PAUSE: u64 = u64::MAX;

const BATCH: usize = 64;

/// The watched pipes, and one timer with a finer grain than the loop's own.
pub struct Watch {
    epoll: PollFd<Epoll>,
    timer: TimerFd,
}

impl Watch {
    /// Makes it. Must be called inside a tokio runtime and before the sandbox, which has no new descriptors of this kind.
    pub fn new() -> io::Result<Watch> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        // By edge: each end of a pause is one event, and nobody has to read the timer.
        let edge = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        epoll.add(&timer, EpollEvent::new(edge, PAUSE))?;
        let epoll = PollFd::new(epoll, Interest::READABLE)?;
        Ok(Watch { epoll, timer })
    }

    /// Watches a pipe, to be reported once under this token.
    pub fn add(&self, pipe: BorrowedFd<'_>, token: u64) -> nix::Result<()> {
        self.epoll.get().add(pipe, once(token))
    }

    /// Lets a reported pipe be reported once more.
    pub fn arm(&self, pipe: BorrowedFd<'_>, token: u64) -> nix::Result<()> {
        self.epoll.get().modify(pipe, &mut once(token))
    }

    /// Has a pipe reported at once, and from then on whenever something is added to what is in it already, until it is
    /// armed again.
    pub fn arm_for_more(&self, pipe: BorrowedFd<'_>, token: u64) -> nix::Result<()> {
        let edge = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        self.epoll.get().modify(pipe, &mut EpollEvent::new(edge, token))
    }

    /// Watches the other end of a pipe, to be reported once under this token when it has room, or no reader any more.
    pub fn add_for_room(&self, pipe: BorrowedFd<'_>, token: u64) -> nix::Result<()> {
        self.epoll.get().add(pipe, room(token))
    }

    /// Lets such a pipe be reported once more.
    pub fn arm_for_room(&self, pipe: BorrowedFd<'_>, token: u64) -> nix::Result<()> {
        self.epoll.get().modify(pipe, &mut room(token))
    }

    /// Ends the watch of a pipe. Needed before it is closed: the spawner keeps a copy, so closing ends nothing here.
    pub fn remove(&self, pipe: BorrowedFd<'_>) {
        let _ = self.epoll.get().delete(pipe);
    }

    /// Has [`PAUSE`] reported after this long; replaces an earlier pause.
    pub fn pause(&self, length: Duration) -> nix::Result<()> {
        let once = Expiration::OneShot(TimeSpec::from_duration(length));
        self.timer.set(once, TimerSetTimeFlags::empty())
    }

    /// Adds the tokens of what is to be done at this moment, and says whether that is anything.
    pub fn poll(&self, tokens: &mut Vec<u64>) -> bool {
        let mut events = [EpollEvent::empty(); BATCH];
        let taken = self.epoll.get().wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
        tokens.extend(events.iter().take(taken).map(EpollEvent::data));
        taken > 0
    }

    /// Waits until something is to be done and adds its tokens to `tokens`. Cancelling it loses nothing.
    pub async fn ready(&self, tokens: &mut Vec<u64>) -> io::Result<()> {
        loop {
            self.epoll.ready(Interest::READABLE).await?;
            if self.take(tokens)? {
                return Ok(());
            }
        }
    }

    fn take(&self, tokens: &mut Vec<u64>) -> io::Result<bool> {
        let mut events = [EpollEvent::empty(); BATCH];
        let mut taken = 0;
        self.epoll.attempt(Interest::READABLE, |epoll| {
            taken = match epoll.wait(&mut events, EpollTimeout::ZERO) {
                Err(Errno::EINTR) => return Ok(()),
                other => other?,
            };
            // Fewer than there was room for: that was all, and what comes from now on is a new edge of this
            // descriptor. Saying so here saves asking once more.
            if taken < BATCH { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        })?;
        tokens.extend(events.iter().take(taken).map(EpollEvent::data));
        Ok(taken > 0)
    }
}

fn once(token: u64) -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT, token)
}

fn room(token: u64) -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLOUT | EpollFlags::EPOLLONESHOT, token)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::time::Instant;

    use nix::fcntl::OFlag;
    use nix::unistd::{pipe2, write};

    use super::*;

    async fn within(watch: &Watch, limit: Duration) -> Vec<u64> {
        let mut tokens = Vec::new();
        let _ = tokio::time::timeout(limit, watch.ready(&mut tokens)).await;
        tokens
    }

    #[tokio::test]
    async fn a_pipe_is_reported_once_until_it_is_armed_again() {
        let watch = Watch::new().unwrap();
        let (reader, writer) = pipe2(OFlag::O_NONBLOCK).unwrap();
        watch.add(reader.as_fd(), 7).unwrap();
        let (soon, long) = (Duration::from_millis(20), Duration::from_secs(10));
        assert_eq!(within(&watch, soon).await, []);
        write(&writer, b"a").unwrap();
        assert_eq!(within(&watch, long).await, [7]);
        write(&writer, b"b").unwrap();
        assert_eq!(within(&watch, soon).await, []);
        watch.arm(reader.as_fd(), 7).unwrap();
        assert_eq!(within(&watch, long).await, [7]);
        watch.arm(reader.as_fd(), 7).unwrap();
        watch.remove(reader.as_fd());
        assert_eq!(within(&watch, soon).await, []);
    }

    #[tokio::test]
    async fn bytes_that_stay_in_a_pipe_wake_nobody_until_there_are_more() {
        let watch = Watch::new().unwrap();
        let (reader, writer) = pipe2(OFlag::O_NONBLOCK).unwrap();
        watch.add(reader.as_fd(), 7).unwrap();
        let (soon, long) = (Duration::from_millis(20), Duration::from_secs(10));
        write(&writer, b"<!--").unwrap();
        assert_eq!(within(&watch, long).await, [7]);
        watch.arm_for_more(reader.as_fd(), 7).unwrap();
        assert_eq!(within(&watch, long).await, [7], "once, for what came before");
        assert_eq!(within(&watch, soon).await, []);
        for _ in 0..3 {
            write(&writer, b"X").unwrap();
            assert_eq!(within(&watch, long).await, [7]);
            assert_eq!(within(&watch, soon).await, []);
        }
        watch.arm(reader.as_fd(), 7).unwrap();
        assert_eq!(within(&watch, long).await, [7]);
        assert_eq!(within(&watch, soon).await, []);
    }

    #[tokio::test]
    async fn a_pipe_is_reported_when_it_has_room() {
        let watch = Watch::new().unwrap();
        let (reader, writer) = pipe2(OFlag::O_NONBLOCK).unwrap();
        let (soon, long) = (Duration::from_millis(20), Duration::from_secs(10));
        let fill = || while write(&writer, &[0; 4_096]).is_ok() {};
        fill();
        watch.add_for_room(writer.as_fd(), 9).unwrap();
        assert_eq!(within(&watch, soon).await, []);
        let mut bytes = [0; 8_192];
        nix::unistd::read(&reader, &mut bytes).unwrap();
        assert_eq!(within(&watch, long).await, [9]);
        fill();
        watch.arm_for_room(writer.as_fd(), 9).unwrap();
        assert_eq!(within(&watch, soon).await, []);
        drop(reader);
        assert_eq!(within(&watch, long).await, [9], "nobody reads it");
    }

    #[tokio::test]
    async fn what_is_polled_is_not_reported_again() {
        let watch = Watch::new().unwrap();
        let (reader, writer) = pipe2(OFlag::O_NONBLOCK).unwrap();
        watch.add(reader.as_fd(), 7).unwrap();
        let (soon, long) = (Duration::from_millis(20), Duration::from_secs(10));
        let mut tokens = Vec::new();
        assert!(!watch.poll(&mut tokens));
        for _ in 0..3 {
            write(&writer, b"a").unwrap();
            assert!(watch.poll(&mut tokens));
            assert_eq!(within(&watch, soon).await, []);
            watch.arm(reader.as_fd(), 7).unwrap();
            assert_eq!(within(&watch, long).await, [7]);
            nix::unistd::read(&reader, &mut [0; 8]).unwrap();
            watch.arm(reader.as_fd(), 7).unwrap();
        }
        assert_eq!(tokens, [7, 7, 7]);
    }

    #[tokio::test]
    async fn a_pause_ends_once() {
        let watch = Watch::new().unwrap();
        let start = Instant::now();
        watch.pause(Duration::from_micros(300)).unwrap();
        assert_eq!(within(&watch, Duration::from_secs(10)).await, [PAUSE]);
        assert!(start.elapsed() >= Duration::from_micros(300));
        assert_eq!(within(&watch, Duration::from_millis(20)).await, []);
    }
}
