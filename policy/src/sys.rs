//! The only unsafe code here: fork, and system calls that are meant to be refused.

use std::io;

use nix::unistd::{ForkResult, Pid};

/// Which side of a fork this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    /// The caller, with the process id of the child.
    Parent(Pid),
    /// The new process.
    Child,
}

/// Splits a helper into two halves. Refused with EBUSY once there is a second thread, which the child would lack
/// while its locks stay taken.
pub fn fork() -> io::Result<Fork> {
    if threads().is_some_and(|n| n > 1) {
        return Err(io::Error::from(nix::errno::Errno::EBUSY));
    }
    // SAFETY: there is one thread, so no lock of another one can stay taken in the child.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Fork::Parent(child)),
        ForkResult::Child => Ok(Fork::Child),
    }
}

/// How many threads this process has; nothing where /proc does not say.
pub(crate) fn threads() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("Threads:"))?;
    line.trim().parse().ok()
}

/// One word of a forbidden system call. There is no way to give a pointer to memory of ours.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Word {
    /// A null pointer or a plain zero.
    Nil,
    /// No descriptor at all.
    NoFd,
    /// A flag or a length below a page.
    Flag(u16),
}

/// Makes a system call that the sandbox should refuse, and gives the error number, or 0 if it was carried out.
///
/// With no descriptor and no address that is valid the kernel answers EBADF, EFAULT or EINVAL where a filter lets the
/// call through.
pub(crate) fn attempt(call: libc::c_long, words: [Word; 4]) -> i32 {
    let [a, b, c, d] = words.map(|word| match word {
        Word::Nil => 0,
        Word::NoFd => libc::c_long::from(-1i32),
        Word::Flag(flag) => libc::c_long::from(flag),
    });
    // SAFETY: no argument is a valid address or descriptor, so no memory and no file of this process can change; a
    // mapping that is made against expectation lies where the kernel finds room.
    match unsafe { libc::syscall(call, a, b, c, d, -1 as libc::c_long, 0 as libc::c_long) } {
        -1 => nix::errno::Errno::last_raw(),
        _ => 0,
    }
}

/// What a child that runs `act` ends with. Tests have threads, so this is not [`fork`]: the child must not wait for
/// locks that another test may hold.
#[cfg(test)]
pub(crate) fn in_child(act: impl FnOnce() -> i32) -> nix::sys::wait::WaitStatus {
    // SAFETY: the child allocates (both libcs reset their allocator in it), makes system calls and leaves by _exit.
    match unsafe { nix::unistd::fork() }.expect("fork") {
        ForkResult::Parent { child } => nix::sys::wait::waitpid(child, None).expect("waitpid"),
        ForkResult::Child => {
            // A panic must not unwind into the harness of this second process.
            let act = std::panic::AssertUnwindSafe(act);
            let code = std::panic::catch_unwind(act).unwrap_or(101);
            // SAFETY: ends the process; nothing is run afterwards.
            unsafe { libc::_exit(code) }
        }
    }
}
