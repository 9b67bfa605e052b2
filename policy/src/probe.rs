//! The self-check: acts that the filter must refuse, tried one by one from inside.
//!
//! Acts that end the process cannot be tried here; tests do that from outside.

use crate::filter::Role;
use crate::sys::Word::{Flag, Nil, NoFd};
use crate::sys::{Word, attempt};

/// One forbidden act: its name, the call, and arguments that make it harmless.
type Act = (&'static str, libc::c_long, [Word; 4]);

/// No descriptor, then nothing.
const BARE: [Word; 4] = [NoFd, Nil, Nil, Nil];
const OFFSETS: [Word; 4] = [NoFd, Flag(1), NoFd, Flag(1)];
const READ_EXEC: Word = Flag(5);
const PRIVATE_ANONYMOUS: Word = Flag(0x22);
const TIOCSTI: Word = Flag(0x5412);
const FIONBIO: Word = Flag(0x5421);

/// Refused to every helper.
const ALL: &[Act] = &[
    ("opening a file", libc::SYS_openat, BARE),
    ("opening a file (openat2)", libc::SYS_openat2, BARE),
    ("making a network socket", libc::SYS_socket, [Flag(2), Flag(1), Nil, Nil]),
    ("connecting", libc::SYS_connect, BARE),
    ("making a memory file", libc::SYS_memfd_create, [Nil; 4]),
    ("removing a file", libc::SYS_unlinkat, BARE),
    ("changing a mode", libc::SYS_fchmod, BARE),
    ("changing descriptor flags (F_SETFL)", libc::SYS_fcntl, [NoFd, Flag(4), Nil, Nil]),
    ("executable memory", libc::SYS_mmap, [Nil, Flag(4095), READ_EXEC, PRIVATE_ANONYMOUS]),
    ("making memory executable", libc::SYS_mprotect, [Nil, Nil, READ_EXEC, Nil]),
    ("prctl", libc::SYS_prctl, BARE),
    ("making a thread", libc::SYS_clone3, [Nil; 4]),
    ("pushing input into a terminal", libc::SYS_ioctl, [NoFd, TIOCSTI, Nil, Nil]),
    ("changing descriptor flags (FIONBIO)", libc::SYS_ioctl, [NoFd, FIONBIO, Nil, Nil]),
    ("splicing to an offset", libc::SYS_splice, OFFSETS),
];

/// Refused to the broker: what would change bytes that are in a log, and socket options.
const BROKER: &[Act] = &[
    ("writing at an offset", libc::SYS_pwrite64, BARE),
    ("writing at an offset (pwritev2)", libc::SYS_pwritev2, BARE),
    ("cutting a file", libc::SYS_ftruncate, BARE),
    ("punching a hole", libc::SYS_fallocate, BARE),
    ("seeking to the start", libc::SYS_lseek, BARE),
    ("seeking past the end", libc::SYS_lseek, [NoFd, Flag(1), Flag(2), Nil]),
    ("passing descriptors on", libc::SYS_sendmsg, BARE),
    ("a socket option of no use", libc::SYS_setsockopt, [NoFd, Flag(1), Flag(2), Nil]),
];

/// Refused to the parser.
const PARSER: &[Act] = &[
    ("accepting a connection", libc::SYS_accept4, BARE),
    ("cutting a file", libc::SYS_ftruncate, BARE),
    ("writing at an offset", libc::SYS_pwrite64, BARE),
];

/// Refused to the audit writer: what would change or take back what is in the log.
const AUDIT: &[Act] = &[
    ("writing at an offset", libc::SYS_pwrite64, BARE),
    ("writing at an offset (pwritev2)", libc::SYS_pwritev2, BARE),
    ("cutting a file", libc::SYS_ftruncate, BARE),
    ("punching a hole", libc::SYS_fallocate, BARE),
    ("seeking to the start", libc::SYS_lseek, BARE),
    ("mapping a file", libc::SYS_mmap, [Nil, Flag(4095), Flag(3), Flag(1)]),
    ("moving bytes into a file", libc::SYS_splice, BARE),
    ("copying into a file", libc::SYS_copy_file_range, BARE),
    ("accepting a connection", libc::SYS_accept4, BARE),
    ("passing descriptors on", libc::SYS_sendmsg, BARE),
];

/// Tries every forbidden act. Gives the name of the first that the filter let through.
pub(crate) fn first_passed(role: Role) -> Option<&'static str> {
    let own = match role {
        Role::Broker => BROKER,
        Role::Parser => PARSER,
        Role::Audit => AUDIT,
    };
    ALL.iter()
        .chain(own)
        .find(|(_, call, words)| attempt(*call, *words) != libc::ENOSYS)
        .map(|(name, ..)| *name)
}
