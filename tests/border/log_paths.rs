//! Log paths that a program's user has a hand in.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use system_tests::dist::{Dist, reference};
use system_tests::room::MARK;
use system_tests::{Config, Daemon, Launch, NOBODY, Room, poll_until};

const SAYS: &str = "/bin/sh -c \"echo line; exec sleep 100000\"";

fn start(room: &Room, log: &str) -> Daemon {
    let lines = format!("user=nobody\nstartsecs=0\nstartretries=0\nstdout_logfile={log}");
    let config = Config::new(room).program("p", SAYS, &lines).program(
        "other",
        "/bin/sleep 100000",
        "startsecs=0",
    );
    Launch::new(room, Dist::plain().supervisord()).config(&config.write(room)).ready()
}

/// Tries everything that opens, rotates or empties the log; each may fail, and the daemon goes on.
fn try_all(daemon: &Daemon) {
    poll_until("the first attempt", || {
        let state = daemon.state("p");
        (state != "STARTING" && state != "BACKOFF").then_some(())
    });
    for method in ["startProcess", "clearProcessLogs", "stopProcess", "startProcess"] {
        let _ = daemon.client.call(&format!("supervisor.{method}"), &["p".into()]);
    }
    let _ =
        daemon.client.call("supervisor.readProcessStdoutLog", &["p".into(), 0.into(), 0.into()]);
    daemon.wait_running("other");
}

/// What could be seen to change about a file.
fn print_of(path: &Path) -> (u64, u32, u32, Vec<u8>, i64, i64) {
    let meta = fs::symlink_metadata(path).expect("the file of root");
    let content = fs::read(path).expect("the file of root");
    (meta.ino(), meta.uid(), meta.mode(), content, meta.mtime(), meta.mtime_nsec())
}

fn secret(room: &Room) -> std::path::PathBuf {
    room.directory("roots");
    room.mode("roots", 0o700);
    let secret = room.file("roots/secret", "of root\n");
    room.mode("roots/secret", 0o600);
    secret
}

#[test]
fn a_link_as_last_component() {
    let room = Room::new();
    let secret = secret(&room);
    let theirs = room.directory_of(NOBODY, "theirs");
    symlink(&secret, theirs.join("out.log")).expect("a link");
    let before = print_of(&secret);
    let daemon = start(&room, &room.text("theirs/out.log"));
    try_all(&daemon);
    assert_eq!(print_of(&secret), before);
}

#[test]
fn a_link_to_a_file_that_is_not_there() {
    let room = Room::new();
    secret(&room);
    let theirs = room.directory_of(NOBODY, "theirs");
    symlink(room.path("roots/new"), theirs.join("out.log")).expect("a link");
    let daemon = start(&room, &room.text("theirs/out.log"));
    try_all(&daemon);
    assert!(!room.path("roots/new").exists());
}

#[test]
fn a_link_as_middle_component() {
    let room = Room::new();
    secret(&room);
    let theirs = room.directory_of(NOBODY, "theirs");
    symlink(room.path("roots"), theirs.join("logs")).expect("a link");
    let daemon = start(&room, &room.text("theirs/logs/out.log"));
    try_all(&daemon);
    let names: Vec<_> =
        fs::read_dir(room.path("roots")).expect("root's directory").flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn a_second_name_of_a_file_of_root() {
    let room = Room::new();
    let secret = secret(&room);
    let theirs = room.directory_of(NOBODY, "theirs");
    fs::hard_link(&secret, theirs.join("out.log")).expect("a second name");
    let before = print_of(&secret);
    let daemon = start(&room, &room.text("theirs/out.log"));
    try_all(&daemon);
    assert_eq!(print_of(&secret), before);
}

#[test]
fn a_fifo_keeps_nobody_waiting() {
    let room = Room::new();
    room.directory_of(NOBODY, "theirs");
    mkfifo(&room.path("theirs/out.log"), Mode::from_bits_truncate(0o666)).expect("a FIFO");
    let daemon = start(&room, &room.text("theirs/out.log"));
    try_all(&daemon);
}

#[test]
fn links_for_rotated_names() {
    let room = Room::new();
    let secret = secret(&room);
    let theirs = room.directory_of(NOBODY, "theirs");
    for n in 1..4 {
        symlink(&secret, theirs.join(format!("out.log.{n}"))).expect("a link");
    }
    let before = print_of(&secret);
    let lines = format!(
        "user=nobody\nstartsecs=0\nautorestart=false\nstdout_logfile={}\nstdout_logfile_maxbytes=1000\n\
         stdout_logfile_backups=3",
        room.text("theirs/out.log")
    );
    let worker = room.helper("worker").display().to_string();
    let config = Config::new(&room).program("p", &format!("{worker} count x 20000"), &lines);
    let daemon =
        Launch::new(&room, Dist::plain().supervisord()).config(&config.write(&room)).ready();
    daemon.wait_state("p", "EXITED");
    assert_eq!(print_of(&secret), before);
    daemon.wait_state("p", "EXITED");
}

#[test]
fn a_log_in_the_user_s_directory_belongs_to_the_user() {
    let room = Room::new();
    room.directory_of(NOBODY, "theirs");
    let daemon = start(&room, &room.text("theirs/out.log"));
    daemon.wait_running("p");
    let log = room.path("theirs/out.log");
    poll_until("the line", || (fs::read(&log).ok()? == b"line\n").then_some(()));
    assert_eq!(log.metadata().expect("the log").uid(), NOBODY);
}

#[test]
fn a_log_in_root_s_directory_belongs_to_root() {
    let room = Room::new();
    room.directory("logs");
    let daemon = start(&room, &room.text("logs/out.log"));
    daemon.wait_running("p");
    let log = room.path("logs/out.log");
    poll_until("the line", || (fs::read(&log).ok()? == b"line\n").then_some(()));
    let meta = log.metadata().expect("the log");
    assert_eq!((meta.uid(), meta.permissions().mode() & 0o777), (0, 0o644));
}

#[test]
fn root_s_links_in_root_s_directories_are_followed() {
    let room = Room::new();
    room.directory("volume");
    symlink(room.path("volume"), room.path("logs")).expect("a link");
    let daemon = start(&room, &room.text("logs/out.log"));
    daemon.wait_running("p");
    poll_until("the line", || {
        (fs::read(room.path("volume/out.log")).ok()? == b"line\n").then_some(())
    });
}

#[test]
fn what_the_reference_left_behind_is_opened_unchanged() {
    let room = Room::new();
    room.directory_of(NOBODY, "theirs");
    let log = room.path("theirs/out.log");
    let lines = format!("user=nobody\nstartsecs=0\nstdout_logfile={}", log.display());
    let config = Config::new(&room).program("p", SAYS, &lines);
    let file = config.write(&room);
    let mut old = Launch::new(&room, reference("supervisord")).config(&file).ready();
    poll_until("the reference's line", || (fs::read(&log).ok()? == b"line\n").then_some(()));
    assert_eq!(old.stop(), 0);
    let before = log.metadata().expect("the log");
    assert_eq!(before.uid(), 0, "the reference leaves files of root");

    let mut new = Launch::new(&room, Dist::plain().supervisord()).config(&file).ready();
    new.wait_running("p");
    poll_until("our line after it", || (fs::read(&log).ok()? == b"line\nline\n").then_some(()));
    let after = log.metadata().expect("the log");
    assert_eq!(
        (after.ino(), after.uid(), after.mode()),
        (before.ino(), before.uid(), before.mode())
    );
    assert_eq!(new.stop(), 0);
}

/// The attacker exchanges its log directory with a link to root's, as fast as it can.
#[test]
fn a_directory_that_is_swapped_in_a_loop() {
    let room = Room::new();
    let secret = secret(&room);
    let before = print_of(&secret);
    room.directory_of(NOBODY, "theirs");
    let logs = room.directory_of(NOBODY, "theirs/logs");
    let link = room.path("theirs/link");
    symlink(room.path("roots"), &link).expect("a link");
    std::os::unix::fs::lchown(&link, Some(NOBODY), Some(NOBODY)).expect("the attacker's link");
    let mut attacker = Command::new(room.helper("attacker"))
        .args(["swap".as_ref(), logs.as_os_str(), link.as_os_str()])
        .env_clear()
        .env(MARK, room.dir())
        .uid(NOBODY)
        .gid(NOBODY)
        .spawn()
        .expect("the attacker");

    let worker = room.helper("worker").display().to_string();
    let lines = format!(
        "user=nobody\nstartsecs=0\nautorestart=true\nstartretries=100000\nstdout_logfile={}\n\
         stdout_logfile_maxbytes=2000\nstdout_logfile_backups=2",
        room.text("theirs/logs/out.log")
    );
    let config = Config::new(&room).program("p", &format!("{worker} count x 1000"), &lines);
    let daemon =
        Launch::new(&room, Dist::plain().supervisord()).config(&config.write(&room)).ready();
    let end = Instant::now() + Duration::from_secs(8);
    let mut rounds = 0;
    while Instant::now() < end {
        for method in ["startProcess", "clearProcessLogs", "stopProcess"] {
            let _ = daemon.client.call(&format!("supervisor.{method}"), &["p".into()]);
        }
        rounds += 1;
        assert!(attacker.try_wait().expect("the attacker").is_none(), "the attacker gave up");
    }
    assert!(rounds > 10, "only {rounds} rounds");
    let _ = attacker.kill();
    let _ = attacker.wait();
    drop(daemon);

    assert_eq!(print_of(&secret), before);
    let names: Vec<_> =
        fs::read_dir(room.path("roots")).expect("root's directory").flatten().collect();
    assert_eq!(names.len(), 1, "root made files for the attacker: {names:?}");
    for dir in [logs, link] {
        if fs::symlink_metadata(&dir).is_ok_and(|m| m.is_dir()) {
            for entry in fs::read_dir(&dir).expect("the user's directory").flatten() {
                let meta = entry.metadata().expect("a log");
                assert_eq!(meta.uid(), NOBODY, "root made {}", entry.path().display());
            }
        }
    }
}
