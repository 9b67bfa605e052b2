//! The self-check: acts that the filter must refuse, tried one by one from inside.
//!
//! Acts that end the process cannot be tried here; tests do that from outside.

use crate::filter::Role;
use crate::sys::Word::{Flag, Nil, NoFd};
use crate::sys::{Word, attempt};

/// One forbidden act: its name, the call, and arguments that make it harmless.
type Act = (&'static str, libc::c_long, [Word; 4]);

const OFFSET: [Word; 4] = [NoFd, Flag(1), NoFd, Flag(1)];

/// Refused to every helper.
const ALL: [Act; 12] = [
    ("opening a file", libc::SYS_openat, [NoFd, Nil, Nil, Nil]),
    (
        "opening a file (openat2)",
        libc::SYS_openat2,
        [NoFd, Nil, Nil, Nil],
    ),
    (
        "making a network socket",
        libc::SYS_socket,
        [Flag(2), Flag(1), Nil, Nil],
    ),
    ("connecting", libc::SYS_connect, [NoFd, Nil, Nil, Nil]),
    (
        "making a memory file",
        libc::SYS_memfd_create,
        [Nil, Nil, Nil, Nil],
    ),
    ("removing a file", libc::SYS_unlinkat, [NoFd, Nil, Nil, Nil]),
    ("changing a mode", libc::SYS_fchmod, [NoFd, Nil, Nil, Nil]),
    (
        "changing descriptor flags (F_SETFL)",
        libc::SYS_fcntl,
        [NoFd, Flag(4), Nil, Nil],
    ),
    (
        "mapping executable memory",
        libc::SYS_mmap,
        [Nil, Flag(4095), Flag(5), Flag(0x22)],
    ),
    (
        "making memory executable",
        libc::SYS_mprotect,
        [Nil, Nil, Flag(5), Nil],
    ),
    (
        "a control call on a process",
        libc::SYS_prctl,
        [NoFd, Nil, Nil, Nil],
    ),
    ("making a thread", libc::SYS_clone3, [Nil, Nil, Nil, Nil]),
];

/// Refused to the broker: what would change bytes that are in a log.
const BROKER: [Act; 9] = [
    (
        "writing at an offset",
        libc::SYS_pwrite64,
        [NoFd, Nil, Nil, Nil],
    ),
    ("cutting a file", libc::SYS_ftruncate, [NoFd, Nil, Nil, Nil]),
    (
        "punching a hole",
        libc::SYS_fallocate,
        [NoFd, Nil, Nil, Nil],
    ),
    (
        "seeking to the start",
        libc::SYS_lseek,
        [NoFd, Nil, Nil, Nil],
    ),
    (
        "seeking past the end",
        libc::SYS_lseek,
        [NoFd, Flag(1), Flag(2), Nil],
    ),
    ("splicing to an offset", libc::SYS_splice, OFFSET),
    (
        "a socket option of no use",
        libc::SYS_setsockopt,
        [NoFd, Flag(1), Flag(2), Nil],
    ),
    (
        "a terminal control call",
        libc::SYS_ioctl,
        [NoFd, Flag(0x5412), Nil, Nil],
    ),
];

/// Refused to the parser.
const PARSER: [Act; 3] = [
    (
        "accepting a connection",
        libc::SYS_accept4,
        [NoFd, Nil, Nil, Nil],
    ),
    ("splicing", libc::SYS_splice, OFFSET),
    (
        "a control call on a device",
        libc::SYS_ioctl,
        [NoFd, Flag(0x5412), Nil, Nil],
    ),
];

/// Tries every forbidden act. Gives the name of the first that the filter let through.
pub(crate) fn first_passed(role: Role) -> Option<&'static str> {
    let own: &[Act] = match role {
        Role::Broker => &BROKER,
        Role::Parser => &PARSER,
    };
    ALL.iter()
        .chain(own)
        .find(|(_, call, words)| attempt(*call, *words) != libc::ENOSYS)
        .map(|(name, ..)| *name)
}
