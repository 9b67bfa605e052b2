//! The sandbox, entered for real in a child and tried from inside.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::net::UnixStream;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::WaitStatus;
use nix::unistd::{Pid, getppid, setuid};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use serde_json::Value;

use crate::lockdown::{drop_capabilities, shut_files_and_network};
use crate::sys::{Word, attempt, in_child};
use crate::{LockedDown, audit_lockdown, broker_lockdown, parser_lockdown, worker_lockdown};

const NOT_ENTERED: i32 = 100;

type Lockdown = fn() -> Result<LockedDown, crate::Error>;

fn broker() -> Result<LockedDown, crate::Error> {
    broker_lockdown(true)
}

const ALL: [Lockdown; 3] = [broker, parser_lockdown, audit_lockdown];

/// Enters, acts, and gives the child's end; entering must succeed with nothing missing.
fn inside(enter: Lockdown, act: impl FnOnce() -> i32) -> WaitStatus {
    in_child(|| match enter() {
        Ok(token) if token.missing().is_empty() => act(),
        _ => NOT_ENTERED,
    })
}

/// The exit status that stands for how an act went.
fn outcome<T>(result: io::Result<T>) -> i32 {
    match result {
        Ok(_) => 0,
        Err(e) if e.raw_os_error() == Some(libc::ENOSYS) => 1,
        Err(_) => 2,
    }
}

#[track_caller]
fn refused<T>(enter: Lockdown, what: &str, act: impl FnOnce() -> io::Result<T>) {
    let end = inside(enter, || outcome(act()));
    assert!(matches!(end, WaitStatus::Exited(_, 1)), "{what}: {end:?}");
}

#[track_caller]
fn allowed<T>(enter: Lockdown, what: &str, act: impl FnOnce() -> io::Result<T>) {
    let end = inside(enter, || outcome(act()));
    assert!(matches!(end, WaitStatus::Exited(_, 0)), "{what}: {end:?}");
}

#[track_caller]
fn ended(enter: Lockdown, what: &str, act: impl FnOnce()) {
    let end = inside(enter, || {
        act();
        0
    });
    assert!(matches!(end, WaitStatus::Signaled(_, Signal::SIGSYS, _)), "{what}: {end:?}");
}

#[test]
fn files_and_network_are_out_of_reach() {
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("file");
    fs::write(&file, "old").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for enter in ALL {
        refused(enter, "read a file", || File::open("/etc/passwd"));
        refused(enter, "read a secret", || File::open("/etc/shadow"));
        refused(enter, "make a file", || File::create(here.path().join("new")));
        refused(enter, "remove a file", || fs::remove_file(&file));
        refused(enter, "rename a file", || fs::rename(&file, here.path().join("b")));
        refused(enter, "change a mode", || {
            fs::set_permissions(&file, fs::Permissions::from_mode(0o777))
        });
        refused(enter, "make a directory", || fs::create_dir(here.path().join("d")));
        refused(enter, "own memory by file", || {
            OpenOptions::new().write(true).open("/proc/self/mem")
        });
        refused(enter, "a datagram socket", || UdpSocket::bind("127.0.0.1:0"));
        refused(enter, "connect", || TcpStream::connect(address));
        refused(enter, "a unix socket", || UnixStream::connect("/nowhere"));
        // musl says EAGAIN, whatever clone said.
        let end = inside(enter, || i32::from(std::thread::Builder::new().spawn(|| ()).is_err()));
        assert!(matches!(end, WaitStatus::Exited(_, 1)), "a thread: {end:?}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"old");
}

#[test]
fn bytes_in_a_log_stay_as_they_are() {
    let here = tempfile::tempdir().unwrap();
    let path = here.path().join("log");
    fs::write(&path, "old lines\n").unwrap();
    let open = |p| OpenOptions::new().read(true).write(true).open(p);
    let log = open(&path).unwrap();
    refused(broker, "write at an offset", || log.write_at(b"new", 0));
    refused(broker, "cut", || log.set_len(0));
    refused(broker, "seek to the start", || (&log).seek(SeekFrom::Start(0)));
    refused(broker, "seek back", || (&log).seek(SeekFrom::Current(-1)));
    refused(broker, "seek before the end", || (&log).seek(SeekFrom::End(-1)));
    refused(broker, "set flags", || {
        fcntl(&log, FcntlArg::F_SETFL(OFlag::O_APPEND)).map_err(io::Error::from)
    });
    let (from, mut to) = io::pipe().unwrap();
    to.write_all(b"new").unwrap();
    refused(broker, "splice to an offset", || splice(&from, &log, Some(0)));
    assert_eq!(fs::read(&path).unwrap(), b"old lines\n");
    allowed(broker, "seek to the end", || (&log).seek(SeekFrom::End(0)));
    allowed(broker, "splice to the end", || splice(&from, &log, None));
    allowed(broker, "write", || (&log).write_all(b" line\n"));
    allowed(broker, "read back", || log.read_at(&mut [0; 9], 0));
    assert_eq!(fs::read(&path).unwrap(), b"old lines\nnew line\n");
}

fn splice(from: &io::PipeReader, to: &File, at: Option<i64>) -> io::Result<usize> {
    let mut at = at;
    let none = nix::fcntl::SpliceFFlags::empty();
    nix::fcntl::splice(from, None, to, at.as_mut(), 3, none).map_err(io::Error::from)
}

#[test]
fn what_the_broker_lives_on_works() {
    let (mut from, mut to) = io::pipe().unwrap();
    to.write_all(b"x").unwrap();
    let here = tempfile::tempfile().unwrap();
    allowed(broker, "read", || from.read_exact(&mut [0]));
    allowed(broker, "size of a file", || here.metadata());
    allowed(broker, "second descriptor", || here.try_clone());
    allowed(broker, "memory", || {
        let block = vec![1u8; 64 << 20];
        Ok(std::hint::black_box(block).len())
    });
    // Children come and go with the tests; that it can be read is what counts.
    let children = File::open(format!("/proc/self/task/{}/children", nix::unistd::gettid()));
    let children = children.unwrap();
    allowed(broker, "a list of processes opened before", || children.read_at(&mut [0; 64], 0));
    let advice =
        |advice| match attempt(libc::SYS_madvise, [Word::Nil, Word::Nil, advice, Word::Nil]) {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        };
    allowed(broker, "a tape's memory", || advice(Word::Flag(9)));
    refused(broker, "other advice", || advice(Word::Flag(10)));
    allowed(broker, "hash keys", || Ok(std::collections::HashMap::from([(1, 2)]).len()));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    allowed(broker, "a connection", || {
        let (mut one, _) = listener.accept()?;
        one.set_nodelay(true)?;
        one.write_all(b"hello")?;
        one.peer_addr()
    });
    drop(client);
}

#[test]
fn the_parser_reads_and_lists_what_it_holds() {
    let here = tempfile::tempdir().unwrap();
    fs::write(here.path().join("a.conf"), "text").unwrap();
    let directory = File::open(here.path()).unwrap();
    let mut file = File::open(here.path().join("a.conf")).unwrap();
    allowed(parser_lockdown, "read", || {
        let mut text = String::new();
        file.read_to_string(&mut text)
    });
    allowed(parser_lockdown, "list", || {
        let mut listing = nix::dir::Dir::from_fd(directory.try_clone()?.into())?;
        let names: Vec<_> = listing.iter().flatten().collect();
        assert!(names.iter().any(|n| n.file_name() == c"a.conf"));
        Ok(names.len())
    });
}

#[test]
fn the_audit_writer_appends_and_changes_nothing() {
    let here = tempfile::tempdir().unwrap();
    let path = here.path().join("log");
    fs::write(&path, "old lines\n").unwrap();
    let log = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let enter = audit_lockdown;
    refused(enter, "write at an offset", || log.write_at(b"new", 0));
    refused(enter, "cut", || log.set_len(0));
    refused(enter, "seek to the start", || (&log).seek(SeekFrom::Start(0)));
    let (from, mut to) = io::pipe().unwrap();
    to.write_all(b"new").unwrap();
    refused(enter, "splice", || splice(&from, &log, None));
    let set = FcntlArg::F_SETFL(OFlag::O_APPEND);
    refused(enter, "set flags", || fcntl(&log, set).map_err(io::Error::from));
    assert_eq!(fs::read(&path).unwrap(), b"old lines\n");
    allowed(enter, "seek to the end", || (&log).seek(SeekFrom::End(0)));
    allowed(enter, "write", || (&log).write_all(b"line\n"));
    allowed(enter, "to the disk", || log.sync_data());
    allowed(enter, "read back", || log.read_at(&mut [0; 9], 0));
    allowed(enter, "memory", || Ok(std::hint::black_box(vec![1u8; 64 << 20]).len()));
    assert_eq!(fs::read(&path).unwrap(), b"old lines\nline\n");
    // The note has its number, whatever has it here.
    allowed(enter, "its own note", || {
        let sandbox = [Word::Flag(6), Word::Nil, Word::Nil, Word::Nil];
        match attempt(libc::SYS_pwrite64, sandbox) {
            libc::ENOSYS => Err(io::Error::other("refused")),
            _ => Ok(()),
        }
    });
}

#[test]
fn other_processes_and_other_rights_end_it() {
    for enter in ALL {
        ended(enter, "fork", || {
            let _ = crate::fork();
        });
        ended(enter, "exec", || {
            let _ = nix::unistd::execv(c"/bin/true", &[c"true"]);
        });
        ended(enter, "signal to the parent", || {
            let _ = kill(getppid(), None);
        });
        ended(enter, "signal to itself by kill", || {
            let _ = kill(Pid::this(), None);
        });
        ended(enter, "setuid", || {
            let _ = setuid(nix::unistd::getuid());
        });
    }
}

#[test]
fn an_abort_is_an_abort() {
    for enter in ALL {
        let end = inside(enter, || std::process::abort());
        assert!(matches!(end, WaitStatus::Signaled(_, Signal::SIGABRT, _)), "{end:?}");
        let end = inside(enter, || raise(Signal::SIGTERM).map_or(3, |()| 4));
        assert!(matches!(end, WaitStatus::Signaled(_, Signal::SIGTERM, _)), "{end:?}");
    }
}

/// The values of some lines of /proc/self/status.
fn status(keys: &[&str]) -> Vec<String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = |key: &&str| status.lines().find_map(|l| l.strip_prefix(*key)).unwrap_or("");
    keys.iter().map(|k| value(k).trim().to_owned()).collect()
}

#[test]
fn privileges_are_gone() {
    let root = nix::unistd::geteuid().is_root();
    let end = in_child(|| {
        let dropped = crate::harden().and_then(|()| drop_capabilities()).is_ok();
        let keys = ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:", "NoNewPrivs:"];
        let none = "0".repeat(16);
        let [inherited, permitted, effective, ambient, nnp] = &status(&keys)[..] else {
            return 2;
        };
        let empty = [inherited, permitted, effective, ambient].iter().all(|set| **set == none);
        // Only root had the right to cut the bounding set.
        let bounded = !root || status(&["CapBnd:"]) == [none];
        i32::from(dropped && empty && bounded && nnp == "1")
    });
    assert!(matches!(end, WaitStatus::Exited(_, 1)), "{end:?}");
}

#[test]
fn landlock_alone_shuts_files() {
    let end = in_child(|| {
        let shut = crate::harden().is_ok() && shut_files_and_network();
        let denied = File::open("/etc/passwd").map_err(|e| e.raw_os_error());
        i32::from(shut && denied.err() == Some(Some(libc::EACCES)))
    });
    assert!(matches!(end, WaitStatus::Exited(_, 1)), "{end:?}");
}

/// Answers this call with ENOSYS from now on, as a system without it does.
fn without(call: libc::c_long) {
    let rules = [(call, vec![])].into_iter().collect();
    let (allow, none) = (SeccompAction::Allow, SeccompAction::Errno(38));
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, allow, none, arch).unwrap();
    apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

#[test]
fn a_missing_layer_is_named_and_fatal_only_when_required() {
    let layers = [(libc::SYS_seccomp, "seccomp"), (libc::SYS_landlock_create_ruleset, "Landlock")];
    for (call, name) in layers {
        let end = in_child(|| {
            without(call);
            let token = broker_lockdown(false);
            i32::from(token.is_ok_and(|t| t.missing() == [name]))
        });
        assert!(matches!(end, WaitStatus::Exited(_, 1)), "{name}: {end:?}");
        let end = in_child(|| {
            without(call);
            let token = broker_lockdown(true);
            i32::from(matches!(token, Err(crate::Error::Missing(l)) if l == [name]))
        });
        assert!(matches!(end, WaitStatus::Exited(_, 1)), "{name}: {end:?}");
    }
    let end = in_child(|| {
        without(libc::SYS_prctl);
        i32::from(matches!(broker_lockdown(false), Err(crate::Error::Harden { .. })))
    });
    assert!(matches!(end, WaitStatus::Exited(_, 1)), "{end:?}");
}

#[test]
fn a_second_thread_is_refused() {
    // This test itself runs beside other threads of the harness.
    let stay = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| stay.wait());
        assert!(crate::fork().is_err());
        assert!(matches!(broker(), Err(crate::Error::Threads(_))));
        stay.wait();
    });
}

#[test]
fn a_thread_that_has_shut_itself_in_is_no_hindrance() {
    let end = in_child(|| {
        let (tell, hear) = std::sync::mpsc::channel();
        let (_stay, stayed) = std::sync::mpsc::channel::<()>();
        let worker = move || {
            let entered = worker_lockdown().is_ok();
            let file = outcome(File::open("/etc/passwd"));
            let socket = outcome(UdpSocket::bind("127.0.0.1:0"));
            let _ = tell.send((entered, file, socket));
            let _ = stayed.recv();
        };
        if std::thread::Builder::new().spawn(worker).is_err() {
            return 1;
        }
        if hear.recv() != Ok((true, 1, 1)) {
            return 2;
        }
        // It asked for itself alone.
        if File::open("/etc/passwd").is_err() {
            return 3;
        }
        i32::from(!broker().is_ok_and(|token| token.missing().is_empty())) * 4
    });
    assert!(matches!(end, WaitStatus::Exited(_, 0)), "{end:?}");
}

/// The numbers of the calls in never.json; those of x86_64 alone are added below.
const NEVER: &[(&str, libc::c_long)] = &[
    ("execve", libc::SYS_execve),
    ("execveat", libc::SYS_execveat),
    ("clone", libc::SYS_clone),
    ("ptrace", libc::SYS_ptrace),
    ("process_vm_readv", libc::SYS_process_vm_readv),
    ("process_vm_writev", libc::SYS_process_vm_writev),
    ("process_madvise", libc::SYS_process_madvise),
    ("pidfd_getfd", libc::SYS_pidfd_getfd),
    ("kcmp", libc::SYS_kcmp),
    ("kill", libc::SYS_kill),
    ("tkill", libc::SYS_tkill),
    ("tgkill", libc::SYS_tgkill),
    ("pidfd_send_signal", libc::SYS_pidfd_send_signal),
    ("rt_sigqueueinfo", libc::SYS_rt_sigqueueinfo),
    ("rt_tgsigqueueinfo", libc::SYS_rt_tgsigqueueinfo),
    ("setuid", libc::SYS_setuid),
    ("setgid", libc::SYS_setgid),
    ("setreuid", libc::SYS_setreuid),
    ("setregid", libc::SYS_setregid),
    ("setresuid", libc::SYS_setresuid),
    ("setresgid", libc::SYS_setresgid),
    ("setfsuid", libc::SYS_setfsuid),
    ("setfsgid", libc::SYS_setfsgid),
    ("setgroups", libc::SYS_setgroups),
    ("capset", libc::SYS_capset),
    ("mount", libc::SYS_mount),
    ("umount2", libc::SYS_umount2),
    ("pivot_root", libc::SYS_pivot_root),
    ("chroot", libc::SYS_chroot),
    ("unshare", libc::SYS_unshare),
    ("setns", libc::SYS_setns),
    ("fsopen", libc::SYS_fsopen),
    ("fsconfig", libc::SYS_fsconfig),
    ("fsmount", libc::SYS_fsmount),
    ("fspick", libc::SYS_fspick),
    ("move_mount", libc::SYS_move_mount),
    ("open_tree", libc::SYS_open_tree),
    ("mount_setattr", libc::SYS_mount_setattr),
    ("bpf", libc::SYS_bpf),
    ("init_module", libc::SYS_init_module),
    ("finit_module", libc::SYS_finit_module),
    ("delete_module", libc::SYS_delete_module),
    ("kexec_load", libc::SYS_kexec_load),
    ("kexec_file_load", libc::SYS_kexec_file_load),
    ("add_key", libc::SYS_add_key),
    ("request_key", libc::SYS_request_key),
    ("keyctl", libc::SYS_keyctl),
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("io_uring_enter", libc::SYS_io_uring_enter),
    ("io_uring_register", libc::SYS_io_uring_register),
    ("userfaultfd", libc::SYS_userfaultfd),
    ("perf_event_open", libc::SYS_perf_event_open),
    ("open_by_handle_at", libc::SYS_open_by_handle_at),
    #[cfg(target_arch = "x86_64")]
    ("fork", libc::SYS_fork),
    #[cfg(target_arch = "x86_64")]
    ("vfork", libc::SYS_vfork),
];

fn rules(file: &str) -> Vec<Value> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("seccomp").join(file);
    let policy: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    policy["filter"].as_array().unwrap().clone()
}

#[test]
fn each_call_that_nobody_makes_ends_it() {
    let listed: BTreeSet<String> = rules("never.json")
        .iter()
        .filter(|r| r["arch"].as_str().is_none_or(|a| a == std::env::consts::ARCH))
        .map(|r| r["syscall"].as_str().unwrap().to_owned())
        .collect();
    let tried: BTreeSet<String> = NEVER.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(listed, tried);
    for enter in ALL {
        for (name, call) in NEVER {
            ended(enter, name, || {
                attempt(*call, [Word::Nil; 4]);
            });
        }
    }
}

#[test]
fn each_rule_says_why() {
    for file in ["broker.json", "parser.json", "audit.json", "never.json"] {
        for rule in rules(file) {
            let said = |v: &Value| v["comment"].as_str().is_some_and(|c| c.len() > 3);
            assert!(said(&rule), "{file}: {rule}");
            for condition in rule["args"].as_array().into_iter().flatten() {
                assert!(said(condition), "{file}: {rule}");
            }
        }
    }
}

#[test]
fn no_call_is_both_allowed_and_deadly() {
    // Calls with a condition appear on both sides: what one allows, the other does not end.
    let names = |file: &str, conditional: bool| -> BTreeSet<String> {
        rules(file)
            .iter()
            .filter(|r| r["args"].is_array() == conditional)
            .map(|r| r["syscall"].as_str().unwrap().to_owned())
            .collect()
    };
    for file in ["broker.json", "parser.json", "audit.json"] {
        let mut allowed = names(file, false);
        allowed.extend(names(file, true));
        assert!(allowed.is_disjoint(&names("never.json", false)), "{file}");
        let both: Vec<_> = allowed.intersection(&names("never.json", true)).cloned().collect();
        assert_eq!(both, ["tgkill", "tkill"], "{file}");
    }
}
