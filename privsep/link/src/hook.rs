//! Forbidden acts, for tests that prove the sandbox from inside. Only in builds with `--cfg supervisor_hooks`.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

static OFF: libc::c_int = 0;

/// Tries an act and gives what the system said; `None` when the act has no such name. `log` is a log open for writing.
pub fn attempt(name: &str, log: BorrowedFd<'_>) -> Option<Result<(), Errno>> {
    let fd = log.as_raw_fd();
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    let make = libc::O_WRONLY | libc::O_CREAT | libc::O_CLOEXEC;
    // SAFETY: constant C strings that outlive each call, a descriptor that `log` keeps open, and null pointers where the
    // call takes none; a forked child leaves at once and touches nothing.
    let result = unsafe {
        match name {
            "open_shadow" => libc::open(c"/etc/shadow".as_ptr(), flags).into(),
            "create_tmp" => libc::open(c"/tmp/supervisor-hook".as_ptr(), make, 0o600).into(),
            "socket_inet" => libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0).into(),
            "pwrite" => libc::pwrite(fd, c"x".as_ptr().cast(), 1, 0).try_into().unwrap_or(-1),
            "ftruncate" => libc::ftruncate(fd, 0).into(),
            "setfl" => libc::fcntl(fd, libc::F_SETFL, libc::O_APPEND).into(),
            "fionbio" => libc::ioctl(fd, libc::FIONBIO, &raw const OFF).into(),
            "lseek_start" => libc::lseek(fd, 0, libc::SEEK_SET),
            "execve" => {
                let none: *const *const libc::c_char = std::ptr::null();
                libc::execve(c"/bin/true".as_ptr(), none, none).into()
            }
            "ptrace" => libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0),
            "kill" => libc::kill(1, 0).into(),
            "fork" => match libc::fork() {
                0 => libc::_exit(0),
                pid => pid.into(),
            },
            _ => return None,
        }
    };
    Some(Errno::result(result).map(drop))
}
