//! Root. Every system call that nix does not make safe; the only file with `unsafe`.
#![allow(unsafe_code)]

use std::io::{IoSlice, IoSliceMut, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};

/// A child of ours. Its pidfd names it and nobody else, also when its pid has another owner.
pub struct Process {
    pub pid: i32,
    pub pidfd: OwnedFd,
}

/// How a child ended, and what it used.
#[derive(Clone, Copy)]
pub struct Exit {
    pub status: i32,
    /// CLOCK_MONOTONIC in nanoseconds.
    pub at: u64,
    /// Microseconds of CPU time.
    pub cpu: u64,
    /// KiB.
    pub maxrss: u64,
}

/// From which number on descriptors are that no child gets.
pub const ASIDE: i32 = 512;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const PIDFD_SIGNAL_PROCESS_GROUP: libc::c_uint = 1 << 2;

/// A copy of this process, in `cgroup` where one is given; it gets `None`, this one the child. Where clone3 is missing
/// or refused, fork and pidfd_open.
///
/// With `upto` the child gets no descriptor above it, which saves copying and closing what others have. Until it runs,
/// the two share one table: what the child is to have must stay open here until it says something.
pub fn clone(cgroup: Option<BorrowedFd<'_>>, upto: Option<i32>) -> Result<Option<Process>, Errno> {
    let mut pidfd: libc::c_int = -1;
    let flags = libc::CLONE_PIDFD as u64
        | upto.map_or(0, |_| libc::CLONE_FILES as u64)
        | cgroup.map_or(0, |_| CLONE_INTO_CGROUP);
    let (pidfd_at, signal) = (&raw mut pidfd as u64, libc::SIGCHLD as u64);
    let cgroup = cgroup.map_or(0, |dir| dir.as_raw_fd() as u64);
    // The kernel's struct clone_args: flags, where the pidfd goes, two more such places, the signal at its end, stack
    // and its size, thread storage, chosen pids and their number, cgroup.
    let args: [u64; 11] = [flags, pidfd_at, 0, 0, signal, 0, 0, 0, 0, 0, cgroup];
    // SAFETY: `args` and the `pidfd` it points to outlive the call; no new stack is given, so the child goes on with
    // a copy of this one, as after fork. The process has one thread, so no lock is held by another.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) };
    match Errno::result(pid) {
        Ok(0) => {
            upto.into_iter().for_each(own_table);
            Ok(None)
        }
        Ok(pid) => Ok(Some(Process { pid: pid as i32, pidfd: adopt(pidfd) })),
        Err(Errno::ENOSYS | Errno::EPERM) => fork(),
        Err(errno) => Err(errno),
    }
}

/// In a new child that shares its parent's descriptors: a table of its own, up to this number. Without one it must not
/// go on: what it changed would change for the parent.
fn own_table(upto: i32) {
    let (first, flags) = (upto.saturating_add(1), libc::CLOSE_RANGE_UNSHARE);
    // SAFETY: no pointers; what it closes is closed in the new table alone.
    let cut = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) };
    // SAFETY: no pointers.
    if cut != 0 && unsafe { libc::unshare(libc::CLONE_FILES) } != 0 {
        exit(127)
    }
}

fn fork() -> Result<Option<Process>, Errno> {
    // SAFETY: the process has one thread.
    let pid = Errno::result(unsafe { libc::fork() })?;
    if pid == 0 {
        return Ok(None);
    }
    // SAFETY: no pointers; the child is not reaped yet, so the pid is its own.
    let pidfd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    Ok(Some(Process { pid, pidfd: adopt(pidfd as i32) }))
}

impl Process {
    /// Sends a signal to it, or with `group` to its process group. On a kernel that cannot name a group by pidfd,
    /// `alive` tells that the leader is not reaped, so that its pid still names the group.
    pub fn signal(&self, signo: u8, group: bool, alive: bool) -> Result<(), Errno> {
        let flags = if group { PIDFD_SIGNAL_PROCESS_GROUP } else { 0 };
        let (fd, signo) = (self.pidfd.as_raw_fd(), libc::c_int::from(signo));
        let info = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: the siginfo pointer may be null: the kernel then fills in one as for kill.
        let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signo, info, flags) };
        match Errno::result(sent) {
            Err(Errno::EINVAL) if group && alive && self.pid > 1 => {
                // SAFETY: no pointers; the leader is a live or unreaped child, so −pid is its group and no other.
                Errno::result(unsafe { libc::kill(-self.pid, signo) }).map(drop)
            }
            result => result.map(drop),
        }
    }

    pub fn kill(&self) {
        let _ = self.signal(9, false, true);
    }

    /// Ends it, or with `group` its whole group, and reaps it: a second at most after its death. For the start, before
    /// anything else runs.
    pub fn end(&self, group: bool) {
        let _ = self.signal(9, group, true);
        let _ = wait(&self.pidfd, PollFlags::POLLIN, 5000);
        for _ in 0..1000 {
            while reap(0).is_some() {}
            // SAFETY: no pointers, and signal 0 touches nobody; it asks whether the group has anybody left.
            if !group || unsafe { libc::kill(-self.pid, 0) } != 0 {
                return;
            }
            let _ = poll(&mut [], PollTimeout::from(1u16));
        }
    }
}

/// Waits so many milliseconds for these events; gives those that came, none when it is over.
pub fn wait(on: &OwnedFd, events: PollFlags, millis: u64) -> Result<PollFlags, Errno> {
    let mut fds = [PollFd::new(on.as_fd(), events)];
    poll(&mut fds, PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX))?;
    let [fd] = fds;
    Ok(fd.revents().unwrap_or(PollFlags::empty()))
}

/// The pid of the next child that has ended, if any, and how.
pub fn reap(at: u64) -> Option<(i32, Exit)> {
    let mut status = 0;
    // SAFETY: rusage is plain numbers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live locals of the right types.
    let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut usage) };
    let micros = |t: libc::timeval| (t.tv_sec as u64) * 1_000_000 + t.tv_usec as u64;
    let cpu = micros(usage.ru_utime) + micros(usage.ru_stime);
    (pid > 0).then_some((pid, Exit { status, at, cpu, maxrss: usage.ru_maxrss as u64 }))
}

/// Closes every descriptor but the standard ones and these. For the very start, before this program owns any, and the
/// very start of a child, which would otherwise hold what others wait to see closed.
pub fn keep(kept: &[BorrowedFd<'_>]) {
    let mut kept: Vec<u32> = kept.iter().map(|fd| fd.as_raw_fd() as u32).collect();
    kept.sort_unstable();
    let mut first = 3;
    for next in kept.into_iter().chain([u32::MAX]) {
        if first < next {
            // SAFETY: no owner of what is closed in this process will ever use or close it.
            unsafe { libc::syscall(libc::SYS_close_range, first, next - 1, 0) };
        }
        first = first.max(next.saturating_add(1));
    }
}

/// In a new child: makes `fd` the descriptor number `to`, without close-on-exec.
pub fn place(fd: BorrowedFd<'_>, to: i32) -> Result<(), Errno> {
    if fd.as_raw_fd() == to {
        return fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).map(drop);
    }
    // SAFETY: whatever had the number `to` in this child is an unused copy of its parent's.
    Errno::result(unsafe { libc::dup2(fd.as_raw_fd(), to) }).map(drop)
}

/// Default disposition for every signal, also for those that the daemon was started with ignored and that libc keeps
/// for itself.
pub fn default_signals() {
    let default = [0u64; 4];
    for signo in 1..=64 {
        // SAFETY: zeros are the kernel's form of SIG_DFL without flags and mask, and `default` is as long as that form
        // on every architecture; signals that cannot be changed give an error that is right to ignore.
        unsafe {
            let old = std::ptr::null_mut::<u64>();
            libc::syscall(libc::SYS_rt_sigaction, signo, default.as_ptr(), old, 8)
        };
    }
}

/// Leaves without running anything that the parent registered.
pub fn exit(status: i32) -> ! {
    // SAFETY: it does not return.
    unsafe { libc::_exit(status) }
}

/// Writes to standard error whatever becomes of it; the print macros would panic when it is gone.
pub fn say(parts: &[&[u8]]) {
    let _ = std::io::stderr().write_all(&parts.concat());
}

/// A socket whose datagrams carry descriptors one way: our end, which never waits, and the other.
pub fn datagrams() -> Result<(OwnedFd, OwnedFd), Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
}

/// Sends one datagram with copies of these descriptors.
pub fn send(to: &OwnedFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let raw: Vec<i32> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &[] } else { &rights[..] };
    let flags = MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(to.as_raw_fd(), &[IoSlice::new(bytes)], control, flags, None).map(drop)
}

/// Takes one datagram of at most as many bytes as `bytes` has; EMSGSIZE when there was more, or any descriptor: there
/// is no control buffer, so the kernel has closed it already.
pub fn receive<'a>(from: &OwnedFd, bytes: &'a mut [u8]) -> Result<&'a [u8], Errno> {
    let mut parts = [IoSliceMut::new(bytes)];
    let message = recvmsg::<()>(from.as_raw_fd(), &mut parts, None, MsgFlags::empty())?;
    let (n, more) = (message.bytes, MsgFlags::MSG_CTRUNC | MsgFlags::MSG_TRUNC);
    let n = if message.flags.intersects(more) { usize::MAX } else { n };
    bytes.get(..n).ok_or(Errno::EMSGSIZE)
}

/// Takes one short datagram and the descriptors that came with it. Only from children of our own code.
pub fn receive_files(from: &OwnedFd) -> Result<(Vec<u8>, Vec<OwnedFd>), Errno> {
    let (mut bytes, mut space) = (vec![0; 32], nix::cmsg_space!([i32; 2]));
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(from.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let len = message.bytes;
    let rights = message.cmsgs()?.filter_map(|control| match control {
        ControlMessageOwned::ScmRights(fds) => Some(fds),
        _ => None,
    });
    let files = rights.flatten().map(adopt).collect();
    bytes.truncate(len);
    Ok((bytes, files))
}

/// Gives a descriptor that is kept for long a high number, so that low ones are left for what children get.
pub fn aside(fd: OwnedFd) -> OwnedFd {
    fcntl(&fd, FcntlArg::F_DUPFD_CLOEXEC(ASIDE)).map_or(fd, adopt)
}

/// Takes ownership of a descriptor that the kernel has just made.
pub fn adopt(fd: i32) -> OwnedFd {
    // SAFETY: the kernel installed it for this process alone and it was not wrapped yet.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
