//! Owner and mode of log files: exactly the configured ones, kept across rotation, and no way into root's files.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use nix::sys::signal::Signal;
use system_tests::dist::Dist;
use system_tests::{Config, Daemon, Launch, NOBODY, Room, lines, poll_until, procfs, wait_for};

/// An ordinary user that is not nobody; every system has it.
const GAMES: u32 = 5;

/// Starts it with a umask that would show.
fn start(room: &Room, mask: &str, config: &Config) -> Daemon {
    let script = format!("umask {mask}; exec \"$@\"");
    Launch::new(room, Dist::plain().supervisord())
        .through(&["sh", "-c", &script, "sh"])
        .config(&config.write(room))
        .ready()
}

/// Mode, user and group.
fn owner(path: &Path) -> (u32, u32, u32) {
    let meta = fs::symlink_metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(meta.is_file(), "{} is no file", path.display());
    (meta.mode() & 0o7777, meta.uid(), meta.gid())
}

fn adm() -> u32 {
    let text = fs::read_to_string("/etc/group").expect("groups");
    let line = text.lines().find_map(|l| l.strip_prefix("adm:")).expect("a group adm");
    line.split(':').nth(1).and_then(|n| n.parse().ok()).expect("its number")
}

/// Writes lines in small pieces until the file has been rotated.
fn chatty(room: &Room, lines: &str) -> Config {
    let command = "/bin/sh -c \"n=0; while :; do n=$((n+1)); echo line $n; sleep 0.01; done\"";
    Config::new(room).program("p", command, &format!("startsecs=0\nuser=nobody\n{lines}"))
}

fn in_directory_of(uid: u32, dir_mode: u32, mask: &str, spec: &str, expected: (u32, u32, u32)) {
    let room = Room::new();
    room.directory("logs");
    room.mode("logs", dir_mode);
    room.give("logs", uid);
    let log = room.path("logs/out.log");
    let config = chatty(
        &room,
        &format!(
            "stdout_logfile={}\nstdout_logfile_maxbytes=200\nstdout_logfile_backups=3\n{spec}",
            log.display()
        ),
    );
    let daemon = start(&room, mask, &config);
    wait_for("three rotations", || room.path("logs/out.log.3").exists());
    for _ in 0..2 {
        for file in lines::files(&log) {
            // It may be on its way from one name to the next.
            if let Ok(meta) = fs::symlink_metadata(&file) {
                let seen = (meta.mode() & 0o7777, meta.uid(), meta.gid());
                assert_eq!(seen, expected, "{} of {spec} under {mask}", file.display());
            }
        }
        // A new broker and a reopening make no other file.
        daemon.replace_broker();
        daemon.signal(Signal::SIGUSR2);
        let inode = || fs::metadata(&log).map_or(0, |m| m.ino());
        let before = inode();
        wait_for("another rotation", || inode() != before);
    }
    assert!(procfs::alive(daemon.wait_running("p")));
}

#[test]
fn in_a_directory_of_root_alone() {
    for mask in ["077", "0"] {
        let spec = "stdout_logfile_owner=nobody:adm\nstdout_logfile_mode=0640";
        in_directory_of(0, 0o700, mask, spec, (0o640, NOBODY, adm()));
        let spec = "stdout_logfile_mode=0666";
        in_directory_of(0, 0o755, mask, spec, (0o666, 0, 0));
    }
}

#[test]
fn in_a_directory_of_nobody() {
    for mask in ["077", "0"] {
        let spec = "stdout_logfile_owner=nobody\nstdout_logfile_mode=0604";
        in_directory_of(NOBODY, 0o755, mask, spec, (0o604, NOBODY, NOBODY));
    }
}

#[test]
fn of_somebody_else_in_a_directory_of_nobody() {
    let spec = "stdout_logfile_owner=games:adm\nstdout_logfile_mode=0640";
    in_directory_of(NOBODY, 0o755, "077", spec, (0o640, GAMES, adm()));
    let spec = "stdout_logfile_owner=root:root\nstdout_logfile_mode=0600";
    in_directory_of(NOBODY, 0o755, "0", spec, (0o600, 0, 0));
}

#[test]
fn without_them_the_umask_counts_as_ever() {
    let room = Room::new();
    room.directory_of(NOBODY, "theirs");
    let config = Config::new(&room)
        .program("a", "/bin/sleep 100000", &format!("stdout_logfile={}", room.text("a.log")))
        .program(
            "b",
            "/bin/sleep 100000",
            &format!("stdout_logfile={}", room.text("theirs/b.log")),
        );
    let daemon = start(&room, "027", &config);
    daemon.wait_running("a");
    daemon.wait_running("b");
    assert_eq!(owner(&room.path("a.log")), (0o640, 0, 0));
    assert_eq!(owner(&room.path("theirs/b.log")), (0o640, NOBODY, NOBODY));
}

#[test]
fn of_standard_error_of_auto_logs_and_of_the_activity_log() {
    let room = Room::new();
    let config = Config::new(&room)
        .daemon(
            "logfile_owner=nobody:adm\nlogfile_mode=0644\nlogfile_maxbytes=600\nlogfile_backups=2",
        )
        .program(
            "p",
            "/bin/sleep 100000",
            "startsecs=0\nstdout_logfile_owner=games\nstdout_logfile_mode=0640\n\
             stderr_logfile_owner=nobody:adm\nstderr_logfile_mode=0606",
        );
    let daemon = start(&room, "077", &config);
    daemon.wait_running("p");
    let info = daemon.info("p");
    let (mode, uid, _) = owner(Path::new(info.get("stdout_logfile").str()));
    assert_eq!((mode, uid), (0o640, GAMES));
    let stderr = owner(Path::new(info.get("stderr_logfile").str()));
    assert_eq!(stderr, (0o606, NOBODY, adm()));
    for _ in 0..8 {
        daemon.ask("supervisor.stopProcess", &["p".into()]);
        daemon.ask("supervisor.startProcess", &["p".into()]);
    }
    wait_for("rotations of the activity log", || room.path("supervisord.log.2").exists());
    for name in ["supervisord.log", "supervisord.log.1", "supervisord.log.2"] {
        assert_eq!(owner(&room.path(name)), (0o644, NOBODY, adm()), "{name}");
    }
}

#[test]
fn a_file_that_is_there_keeps_what_it_has() {
    let room = Room::new();
    room.file("out.log", "before\n");
    room.mode("out.log", 0o604);
    room.give("out.log", GAMES);
    let config = chatty(
        &room,
        &format!(
            "stdout_logfile={}\nstdout_logfile_owner=nobody\nstdout_logfile_mode=0640",
            room.text("out.log")
        ),
    );
    let _daemon = start(&room, "022", &config);
    wait_for("lines", || fs::read(room.path("out.log")).is_ok_and(|text| text.len() > 30));
    assert_eq!(owner(&room.path("out.log")), (0o604, GAMES, GAMES));
    let text = fs::read_to_string(room.path("out.log")).expect("a log");
    assert!(text.starts_with("before\nline 1\n"), "{text}");
}

/// Owner and mode of a file of root's in the reach of nobody, and its content.
fn secret(room: &Room) -> (u32, u32, u32, String) {
    let (mode, uid, gid) = owner(&room.path("roots/secret"));
    (mode, uid, gid, fs::read_to_string(room.path("roots/secret")).expect("the secret"))
}

#[test]
fn what_the_directory_s_owner_plants_is_refused() {
    type Plant = fn(&Path, &Path);
    let plants: [(&str, Plant); 2] = [
        ("a link", |target, at| symlink(target, at).expect("a link")),
        ("a second name", |target, at| fs::hard_link(target, at).expect("a second name")),
    ];
    for (what, plant) in plants {
        let room = Room::new();
        room.directory("roots");
        room.file("roots/secret", "of root\n");
        room.mode("roots/secret", 0o600);
        room.directory_of(NOBODY, "theirs");
        plant(&room.path("roots/secret"), &room.path("theirs/out.log"));
        let before = secret(&room);
        let spec = "startretries=0\nstdout_logfile_owner=nobody\nstdout_logfile_mode=0666";
        let log = format!("stdout_logfile={}\n{spec}", room.text("theirs/out.log"));
        let config = chatty(&room, &log).program("other", "/bin/sleep 100000", "startsecs=0");
        let daemon = start(&room, "0", &config);
        daemon.wait_running("other");
        poll_until("the first attempt", || {
            let state = daemon.state("p");
            (state != "STARTING" && state != "BACKOFF").then_some(())
        });
        for method in ["startProcess", "clearProcessLogs", "stopProcess", "startProcess"] {
            let _ = daemon.client.call(&format!("supervisor.{method}"), &["p".into()]);
        }
        assert_eq!(secret(&room), before, "{what}");
    }
}

#[test]
fn a_link_that_is_planted_while_it_rotates_gains_nothing() {
    let room = Room::new();
    room.directory("roots");
    room.file("roots/secret", "of root\n");
    room.mode("roots/secret", 0o600);
    room.directory_of(NOBODY, "theirs");
    let before = secret(&room);
    let log = room.path("theirs/out.log");
    let config = chatty(
        &room,
        &format!(
            "stdout_logfile={}\nstdout_logfile_maxbytes=100\nstdout_logfile_backups=2\n\
             stdout_logfile_owner=nobody\nstdout_logfile_mode=0666",
            log.display()
        ),
    );
    let daemon = start(&room, "0", &config);
    let pid = daemon.wait_running("p");
    for n in 0..60 {
        // Both in the place of the log itself and where it is moved to.
        for name in ["theirs/out.log", "theirs/out.log.1", "theirs/out.log.2"] {
            let path = room.path(name);
            if n % 3 == 0 || name != "theirs/out.log" {
                let _ = fs::remove_file(&path);
                let _ = symlink(room.path("roots/secret"), &path);
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(7));
    }
    assert_eq!(secret(&room), before);
    assert_eq!(daemon.wait_running("p"), pid);
}
