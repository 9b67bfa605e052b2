//! Root, then the program's user. The steps between fork and exec, in their order, each with its name.

use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, SFlag, stat, umask};
use nix::unistd::{
    AccessFlags, Gid, Uid, access, chdir, execve, geteuid, getresgid, getresuid, setgroups,
    setresgid, setresuid, setsid, setuid, write,
};
use privsep::frame::Wire;
use privsep::reply::{Failure, Stage};
use privsep::table::{Entry, Identity, Table};

use crate::spawner::Sealed;
use crate::sys;

/// What becomes the program's standard input, output and error, and where it says how the start went.
pub struct Ends {
    pub stdin: OwnedFd,
    pub stdout: OwnedFd,
    pub stderr: Option<OwnedFd>,
    /// From descriptor 3 on; they and the report have numbers above all of these.
    pub listen: Vec<OwnedFd>,
    pub report: OwnedFd,
}

/// The least number of the sockets and the report in a child.
pub const ABOVE: i32 = 128;

impl Ends {
    /// In the order of the program's descriptors; the report comes last.
    pub fn all(&self) -> Vec<BorrowedFd<'_>> {
        let error = self.stderr.as_ref().unwrap_or(&self.stdout);
        let standard = [&self.stdin, &self.stdout, error].into_iter();
        standard.chain(&self.listen).chain([&self.report]).map(AsFd::as_fd).collect()
    }
}

/// Names the step that failed.
pub fn at(stage: Stage) -> impl Fn(Errno) -> Failure {
    move |errno| Failure { stage, errno: errno as i32 }
}

/// Becomes the program, or reports the step that failed and leaves with 127.
pub fn run(sealed: &Sealed, entry: &Entry, ends: &Ends) -> ! {
    sys::keep(&ends.all());
    let _ = write(&ends.report, &[0]);
    let Err(failure) = steps(sealed, entry, ends);
    explain(entry, failure);
    let _ = write(&ends.report, &failure.encode());
    sys::exit(127)
}

fn steps(sealed: &Sealed, entry: &Entry, ends: &Ends) -> Result<Infallible, Failure> {
    let (argv, env) = (strings(&entry.argv), environment(&sealed.table, entry));
    let path = find(entry).map_err(at(Stage::Find))?;
    setsid().map_err(at(Stage::Session))?;
    let number = 3 + ends.listen.len();
    for (fd, to) in ends.all().into_iter().take(number).zip(0..) {
        sys::place(fd, to).map_err(at(Stage::Descriptors))?;
    }
    signals().map_err(at(Stage::Signals))?;
    let (nofile, nproc, _) = sealed.limits;
    for (resource, limit) in [(Resource::RLIMIT_NOFILE, nofile), (Resource::RLIMIT_NPROC, nproc)] {
        setrlimit(resource, limit.0, limit.1).map_err(at(Stage::Rlimits))?;
    }
    if let Some(identity) = &entry.identity {
        become_user(identity)?;
    }
    if let Some(mask) = entry.umask {
        umask(Mode::from_bits_truncate(mask));
    }
    if let Some(directory) = &entry.directory {
        chdir(directory.as_slice()).map_err(at(Stage::Chdir))?;
    }
    execve(&path, &argv, &env).map_err(at(Stage::Exec))
}

/// The first of the paths that can be executed, as execvp does; else the most telling reason.
pub fn find(entry: &Entry) -> Result<CString, Errno> {
    let mut reason = Errno::ENOENT;
    for path in &entry.executables {
        let refused = match stat(path.as_slice()) {
            Err(_) => Errno::ENOENT,
            Ok(s) if s.st_mode & libc::S_IFMT == SFlag::S_IFDIR.bits() => Errno::EISDIR,
            Ok(s) if s.st_mode & 0o111 == 0 => Errno::ENOEXEC,
            Ok(_) if access(path.as_slice(), AccessFlags::X_OK).is_err() => Errno::EACCES,
            Ok(_) => return CString::new(path.as_slice()).map_err(|_| Errno::EINVAL),
        };
        if reason == Errno::ENOENT {
            reason = refused;
        }
    }
    Err(reason)
}

fn strings<'a>(words: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<CString> {
    // The table holds no NUL.
    words.into_iter().filter_map(|word| CString::new(word.as_slice()).ok()).collect()
}

/// The inherited variables, less those that the entry sets, and the entry's.
fn environment(table: &Table, entry: &Entry) -> Vec<CString> {
    let own = format!("LISTEN_PID={}", std::process::id()).into_bytes();
    let own = Some(own).filter(|_| !entry.listen.is_empty());
    let set =
        |word: &Vec<u8>| entry.env.iter().chain(&own).any(|ours| variable(ours) == variable(word));
    strings(table.env.iter().filter(|word| !set(word)).chain(&entry.env).chain(&own))
}

fn variable(word: &[u8]) -> Option<&[u8]> {
    word.split(|byte| *byte == b'=').next()
}

pub fn signals() -> Result<(), Errno> {
    sys::default_signals();
    SigSet::empty().thread_set_mask()
}

/// Groups before gid before uid; −1 was refused with the table; the drop is checked, and that it cannot be undone.
pub fn become_user(identity: &Identity) -> Result<(), Failure> {
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    if !geteuid().is_root() {
        return if geteuid() == uid { Ok(()) } else { Err(at(Stage::Uid)(Errno::EPERM)) };
    }
    let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&groups).map_err(at(Stage::Groups))?;
    setresgid(gid, gid, gid).map_err(at(Stage::Gid))?;
    setresuid(uid, uid, uid).map_err(at(Stage::Uid))?;
    let (uids, gids) = (getresuid(), getresgid());
    let uids = uids.is_ok_and(|u| (u.real, u.effective, u.saved) == (uid, uid, uid));
    let gids = gids.is_ok_and(|g| (g.real, g.effective, g.saved) == (gid, gid, gid));
    let undone = !uid.is_root() && setuid(Uid::from_raw(0)).is_ok();
    if !uids || !gids || undone { Err(at(Stage::Uid)(Errno::EPERM)) } else { Ok(()) }
}

/// What the reference's child says on standard error before it leaves.
fn explain(entry: &Entry, failure: Failure) {
    let reason = Errno::from_raw(failure.errno);
    let text = |bytes: &[u8]| OsStr::from_bytes(bytes).display().to_string();
    let uid = entry.identity.as_ref().map_or(0, |identity| identity.uid);
    let user = |why: &str| format!("couldn't setuid to {uid}: {why}");
    let why = match failure.stage {
        Stage::Groups => user("Could not set groups of effective user"),
        Stage::Gid => user("Could not set group id of effective user"),
        Stage::Uid if !geteuid().is_root() => user("Can't drop privilege as nonroot user"),
        Stage::Uid => user(&format!("{reason:?}")),
        Stage::Rlimits => format!("couldn't set resource limits: {reason:?}"),
        Stage::Chdir => {
            let directory = entry.directory.as_deref().unwrap_or_default();
            format!("couldn't chdir to {}: {reason:?}", text(directory))
        }
        Stage::Exec => {
            let word = entry.argv.first().map(Vec::as_slice).unwrap_or_default();
            format!("couldn't exec {}: {reason:?}", text(word))
        }
        _ => return,
    };
    let said = format!("supervisor: {why}\nsupervisor: child process was not spawned\n");
    sys::say(&[said.as_bytes()]);
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn entry(executables: &[&str], env: &[&str]) -> Entry {
        let words = |list: &[&str]| list.iter().map(|word| word.as_bytes().to_vec()).collect();
        Entry {
            name: b"x:x".to_vec(),
            identity: None,
            argv: words(&["x"]),
            executables: words(executables),
            env: words(env),
            directory: None,
            umask: None,
            stdout_log: None,
            stderr_log: None,
            redirect_stderr: false,
            stdin: None,
            listen: Vec::new(),
            staging: false,
            wave: 0,
            stop_signal: 15,
            stop_group: false,
            kill_group: false,
            kill_tree: false,
            stop_wait: 1,
        }
    }

    #[test]
    fn the_first_executable_counts_and_else_the_first_reason() {
        let find = |paths: &[&str]| find(&entry(paths, &[]));
        assert_eq!(find(&["/nonexistent/sh", "/bin/sh"]), Ok(c"/bin/sh".to_owned()));
        assert_eq!(find(&["/etc", "/bin/sh"]), Ok(c"/bin/sh".to_owned()));
        assert_eq!(find(&["/etc", "/etc/passwd"]), Err(Errno::EISDIR));
        assert_eq!(find(&["/nonexistent/sh", "/etc/passwd"]), Err(Errno::ENOEXEC));
        assert_eq!(find(&["/nonexistent/sh"]), Err(Errno::ENOENT));
        assert_eq!(find(&[]), Err(Errno::ENOENT));
    }

    #[test]
    fn what_the_entry_sets_replaces_what_is_inherited() {
        let table = Table {
            env: ["A=1", "AB=2", "ODD", "LISTEN_PID=1"]
                .map(|word| word.as_bytes().to_vec())
                .to_vec(),
            ..Table::default()
        };
        let plain = entry(&[], &["A=3", "C="]);
        let words =
            |list: &[&str]| list.iter().map(|w| CString::new(*w).unwrap()).collect::<Vec<_>>();
        assert_eq!(
            environment(&table, &plain),
            words(&["AB=2", "ODD", "LISTEN_PID=1", "A=3", "C="])
        );
        let own = format!("LISTEN_PID={}", std::process::id());
        let listening = Entry { listen: vec![0], ..plain };
        assert_eq!(environment(&table, &listening), words(&["AB=2", "ODD", "A=3", "C=", &own]));
    }
}
