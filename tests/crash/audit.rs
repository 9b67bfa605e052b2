//! The audit log while broker, writer and spawner are killed: a chain, with each record that a client was answered for once.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use policy::audit::{Anchor, Report, Verifier};
use system_tests::dist::Dist;
use system_tests::{Config, Daemon, Launch, Room, procfs, wait_for};

const LOG: &str = "audit.log";

fn random(below: u64) -> u64 {
    let mut bytes = [0; 8];
    fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut bytes)).expect("a number");
    u64::from_ne_bytes(bytes) % below
}

fn config(room: &Room, keys: &str) -> PathBuf {
    let audit = format!("audit_logfile={}\n{keys}", room.text(LOG));
    // Deaf, so that signals are many and nothing else happens.
    let deaf = "/usr/bin/python3 -c \"import signal, time; signal.signal(signal.SIGUSR1, signal.SIG_IGN); print('x', \
                flush=True); time.sleep(1000000)\"";
    Config::new(room).daemon(&audit).program("p", deaf, "user=nobody\nstartsecs=2").write(room)
}

fn started(room: &Room, keys: &str) -> Daemon {
    let daemon = Launch::new(room, Dist::hooks().supervisord()).config(&config(room, keys)).ready();
    daemon.wait_running("p");
    daemon
}

/// The log's files, the oldest first.
fn files(room: &Room) -> Vec<PathBuf> {
    let numbered = |n: u32| room.path(&format!("{LOG}.{n}"));
    let mut files: Vec<_> = (1..1_000).map(numbered).take_while(|p| p.exists()).collect();
    files.reverse();
    files.push(room.path(LOG));
    files
}

fn check(room: &Room) -> Report {
    let anchor = fs::read(room.path(&format!("{LOG}.anchor"))).expect("an anchor");
    let mut verifier = Verifier::new(Anchor::read(&anchor));
    for file in files(room) {
        verifier.file(&file.display().to_string());
        let text = fs::read(file).expect("a log");
        text.split_inclusive(|byte| *byte == b'\n').for_each(|line| verifier.line(line));
    }
    verifier.finish()
}

#[track_caller]
fn intact(room: &Room) -> Report {
    let report = check(room);
    assert!(report.intact(), "{:?}", report.problems);
    report
}

fn lines(room: &Room) -> Vec<String> {
    let texts = files(room).into_iter().map(|file| fs::read_to_string(file).expect("text"));
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The number that a member has in a line.
fn number(line: &str, member: &str) -> Option<u64> {
    let (_, rest) = line.split_once(&format!("\"{member}\":"))?;
    rest.split([',', '}']).next()?.parse().ok()
}

/// Each daemon's notes are numbered without a gap; nothing is there twice.
#[track_caller]
fn each_note_once(room: &Room) -> usize {
    let (mut next, mut seen) = (1, 0);
    for line in lines(room).iter().filter(|line| line.contains("\"source\":\"spawner\"")) {
        let n = number(line, "n").expect("a number");
        // The next daemon counts from the beginning.
        let fresh = n == 1 && line.contains("\"detail\":\"run 1\"");
        assert!(n == next || fresh, "{line}: {next} was to come");
        assert!(!line.contains("\"lost\":"), "{line}");
        (next, seen) = (n + 1, seen + 1);
    }
    seen
}

/// The same for what each broker of each daemon said.
#[track_caller]
fn each_record_once(room: &Room) -> usize {
    let (mut last, mut seen) = ((0, 0), 0);
    for line in lines(room) {
        if line.contains("\"detail\":\"run 1\"") {
            last = (0, 0);
        }
        if let (Some(broker), Some(n)) = (number(&line, "broker"), number(&line, "n")) {
            let good = if broker == last.0 { n == last.1 + 1 } else { broker > last.0 && n == 1 };
            assert!(good, "{line} after {last:?}");
            (last, seen) = ((broker, n), seen + 1);
        }
    }
    seen
}

/// How many of the calls are there: the broker says so before it answers.
fn signals(room: &Room) -> u64 {
    let asked = |line: &&String| {
        line.contains("\"source\":\"broker\"") && line.contains("\"action\":\"signal\"")
    };
    u64::try_from(lines(room).iter().filter(asked).count()).expect("a number")
}

fn writer(daemon: &Daemon) -> Option<i32> {
    procfs::children(daemon.pid).into_iter().find(|pid| {
        procfs::arguments(*pid).first().is_some_and(|word| word.ends_with("supervisor-audit"))
    })
}

/// Clients ask for signals as fast as they can while `act` goes on. Gives how many were sent, and how many of them were
/// answered.
fn under_traffic(daemon: &Daemon, act: impl FnOnce()) -> (u64, u64) {
    let (sent, answered, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    sent.fetch_add(1, Ordering::Relaxed);
                    let call = ["p".into(), "USR1".into()];
                    if daemon.client.call("supervisor.signalProcess", &call).is_ok() {
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        act();
        over.store(true, Ordering::Relaxed);
    });
    (sent.into_inner(), answered.into_inner())
}

/// What was answered is in the log, and nothing that was not asked for.
#[track_caller]
fn complete(room: &Room, (sent, answered): (u64, u64)) {
    let there = signals(room);
    assert!(answered > 20, "only {answered} answers");
    assert!((answered..=sent).contains(&there), "{there} of {answered} answered, {sent} sent");
}

fn nap() {
    std::thread::sleep(Duration::from_millis(random(60)));
}

fn killed(daemon: &Daemon) {
    if let Some(pid) = writer(daemon) {
        procfs::signal(pid, Signal::SIGKILL);
    }
}

#[test]
fn writers_and_brokers_that_are_killed_lose_nothing() {
    let room = Room::new();
    let mut daemon = started(&room, "");
    let calls = under_traffic(&daemon, || {
        for n in 0..60 {
            nap();
            if n % 6 == 5 {
                daemon.replace_broker();
            } else {
                killed(&daemon);
            }
        }
    });
    assert_eq!(daemon.stop(), 0);
    let report = intact(&room);
    assert_eq!(report.unanchored, 0, "the end was anchored");
    complete(&room, calls);
    each_note_once(&room);
    each_record_once(&room);
}

#[test]
fn the_chain_goes_on_over_rotated_files() {
    let room = Room::new();
    let mut daemon = started(&room, "audit_logfile_maxbytes=64KB\naudit_logfile_backups=900");
    let calls = under_traffic(&daemon, || {
        for n in 0..120 {
            nap();
            if n % 3 == 0 {
                killed(&daemon);
            }
        }
    });
    assert_eq!(daemon.stop(), 0);
    let report = intact(&room);
    assert_eq!((report.first, report.unanchored), (Some(1), 0));
    complete(&room, calls);
    each_note_once(&room);
    let files = files(&room);
    assert!(files.len() > 2, "{files:?}");
    for file in &files[..files.len() - 1] {
        assert!(file.metadata().expect("a file").len() >= 64 << 10, "{}", file.display());
    }
}

/// Kills the daemon after some traffic, and the writer just before, or long before that. Gives what was sent and answered.
fn ended_by_force(room: &Room, together: bool) -> (u64, u64) {
    // Small files only where a loss is allowed for: a writer may just have left for a rotation (SECURITY.md).
    let keys = if together { "audit_logfile_maxbytes=64KB\naudit_logfile_backups=900" } else { "" };
    let daemon = started(room, keys);
    let calls = under_traffic(&daemon, || {
        nap();
        let old = writer(&daemon);
        killed(&daemon);
        if !together {
            let at_work =
                |pid| procfs::Status::try_of(pid).is_some_and(|s| s.text("Seccomp") == "2");
            let next = || writer(&daemon).filter(|new| old != Some(*new));
            wait_for("the next writer", || next().is_some_and(at_work));
            nap();
        }
        procfs::signal(daemon.pid, Signal::SIGKILL);
    });
    wait_for("the end of the daemon", || !procfs::alive(daemon.pid));
    // The program has nobody any more.
    for orphan in room.processes() {
        procfs::signal(orphan, Signal::SIGKILL);
    }
    calls
}

#[test]
fn a_spawner_that_is_killed_leaves_all_that_was_answered() {
    let room = Room::new();
    let (mut sent, mut answered) = (0, 0);
    for _ in 0..8 {
        let calls = ended_by_force(&room, false);
        (sent, answered) = (sent + calls.0, answered + calls.1);
    }
    let mut daemon = started(&room, "");
    assert_eq!(daemon.stop(), 0);
    assert_eq!(intact(&room).unanchored, 0);
    complete(&room, (sent, answered));
    each_note_once(&room);
    each_record_once(&room);
}

#[test]
fn spawner_and_writer_killed_at_once_leave_a_chain() {
    let room = Room::new();
    for _ in 0..4 {
        ended_by_force(&room, true);
    }
    let mut daemon = started(&room, "");
    assert_eq!(daemon.stop(), 0);
    assert_eq!(intact(&room).unanchored, 0);
    // What was in the pipes has gone with those who held them; nothing is there twice, or in pieces.
    each_note_once(&room);
}

#[test]
fn a_log_that_is_cut_while_nobody_is_there_is_known_for_ever() {
    let room = Room::new();
    let mut daemon = started(&room, "");
    under_traffic(&daemon, nap);
    assert_eq!(daemon.stop(), 0);
    let text = fs::read_to_string(room.path(LOG)).expect("a log");
    let end = text.trim_end().rfind('\n').expect("lines");
    fs::write(room.path(LOG), &text[..=end]).expect("a shorter log");
    assert!(!check(&room).intact(), "against the anchor");
    let mut daemon = started(&room, "");
    assert_eq!(daemon.stop(), 0);
    let report = check(&room);
    assert_eq!((report.intact(), report.unanchored), (false, 0), "the anchor is a new one now");
    assert!(lines(&room).iter().any(|line| line.contains("\"event\":\"mismatch\"")));
}

/// Where others could put another file in its place there is no audit log, and no daemon without one.
#[test]
fn a_log_in_a_directory_of_others_is_refused() {
    let room = Room::new();
    room.directory_of(65_534, "theirs");
    let keys = format!("audit_logfile={}", room.text("theirs/audit.log"));
    let config = Config::new(&room).daemon(&keys).write(&room);
    let outcome =
        Launch::new(&room, Dist::plain().supervisord()).config(&config).args(&["-n"]).run();
    assert_eq!(outcome.code(), 2);
    let why = "(neither it nor its directories may be writable by others)";
    assert!(outcome.stderr.contains(why), "{}", outcome.stderr);
    assert!(!room.path("theirs/audit.log").exists());
}

/// Whoever can write to the log can have written to it.
#[test]
fn a_log_that_others_may_write_is_refused_and_one_for_others_eyes_is_closed() {
    let room = Room::new();
    let outcome = |mode| {
        fs::write(room.path(LOG), "").expect("a file");
        room.mode(LOG, mode);
        let launch = Launch::new(&room, Dist::hooks().supervisord()).config(&config(&room, ""));
        if mode & 0o022 == 0 {
            return launch.ready().stop();
        }
        let outcome = launch.args(&["-n"]).run();
        assert!(outcome.stderr.contains("could not open the audit log"), "{}", outcome.stderr);
        outcome.code()
    };
    assert_eq!((outcome(0o606), outcome(0o660)), (2, 2));
    assert_eq!(outcome(0o644), 0);
    let mode = fs::metadata(room.path(LOG)).expect("a log").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// The whole log is gone before a start: the anchor knows that there was one.
#[test]
fn a_log_that_is_emptied_or_removed_while_nobody_is_there_is_known() {
    for removed in [false, true] {
        let room = Room::new();
        let mut daemon = started(&room, "");
        assert_eq!(daemon.stop(), 0);
        let file = room.path(LOG);
        if removed { fs::remove_file(&file) } else { fs::write(&file, "") }.expect("no log");
        let mut daemon = started(&room, "");
        assert_eq!(daemon.stop(), 0);
        assert!(!check(&room).intact());
        assert!(lines(&room).iter().any(|line| line.contains("\"event\":\"mismatch\"")));
    }
}

/// Nothing is moved where the next file cannot be made: here the name for it is taken by a directory.
#[test]
fn a_rotation_that_cannot_be_moves_nothing() {
    let room = Room::new();
    room.directory(&format!("{LOG}.new"));
    let mut daemon = started(&room, "audit_logfile_maxbytes=64KB");
    while fs::metadata(room.path(LOG)).expect("a log").len() < 100 << 10 {
        under_traffic(&daemon, nap);
    }
    under_traffic(&daemon, nap);
    assert!(!room.path(&format!("{LOG}.1")).exists());
    fs::remove_dir(room.path(&format!("{LOG}.new"))).expect("room for the next");
    assert_eq!(daemon.stop(), 0);
    assert_eq!(intact(&room).unanchored, 0);
    each_note_once(&room);
}

/// The caller of a daemon waits for the end of what it was given as standard error.
#[test]
fn a_daemon_with_an_audit_log_lets_its_caller_go() {
    let room = Room::new();
    let command = ["/bin/sh", "-c", "said=$(\"$@\" 2>&1)", "sh"];
    let launch = Launch::new(&room, Dist::hooks().supervisord()).config(&config(&room, ""));
    let mut daemon = launch.through(&command).background();
    wait_for("a writer", || writer(&daemon).is_some());
    assert_eq!(daemon.stop(), 0);
    assert_eq!(intact(&room).unanchored, 0);
}

/// A file system that is full, until there is room again.
#[test]
fn a_full_disk_delays_and_tears_nothing() {
    let room = Room::new();
    let disk = room.directory("disk");
    let mount = |words: &[&str]| {
        let status = Command::new(words[0]).args(&words[1..]).arg(&disk).status().expect("mount");
        assert!(status.success(), "{words:?}");
    };
    mount(&["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs"]);
    let unmounted = Unmount(disk.clone());
    let log = room.text("disk/audit.log");
    let deaf = config(&room, "");
    let text = fs::read_to_string(&deaf).expect("text").replace(&room.text(LOG), &log);
    fs::write(&deaf, text).expect("another place");
    let mut daemon = Launch::new(&room, Dist::hooks().supervisord()).config(&deaf).ready();
    daemon.wait_running("p");
    let mut full = fs::File::create(disk.join("ballast")).expect("a file");
    while full.write_all(&[b'x'; 1 << 10]).is_ok() {}
    let calls = under_traffic(&daemon, || {
        for _ in 0..20 {
            nap();
            killed(&daemon);
        }
        full.set_len(0).expect("room");
    });
    assert_eq!(daemon.stop(), 0);
    for name in ["audit.log", "audit.log.anchor"] {
        fs::copy(disk.join(name), room.path(name)).expect("a copy");
    }
    drop(unmounted);
    assert_eq!(intact(&room).unanchored, 0);
    complete(&room, calls);
    each_note_once(&room);
}

/// Takes a file system away at the end, with the writer that still waits for room on it.
struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        for pid in procfs::all() {
            let log = fs::read_link(format!("/proc/{pid}/fd/5"));
            if log.is_ok_and(|log| log == self.0.join("audit.log")) {
                procfs::signal(pid, Signal::SIGKILL);
            }
        }
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
