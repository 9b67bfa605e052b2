//! Started in the background: what the caller learns, and that a second daemon destroys nothing of the first.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use system_tests::dist::{self, Dist};
use system_tests::procfs::{self, Status};
use system_tests::{Config, Daemon, Launch, Outcome, Room};

#[test]
fn the_caller_returns_when_the_daemon_serves() {
    let room = Room::new();
    let config = Config::new(&room).daemon("umask=027\ndirectory=/usr").program(
        "p",
        "/bin/sleep 100000",
        "",
    );
    let outcome =
        Launch::new(&room, Dist::plain().supervisord()).config(&config.write(&room)).run();
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
    // No waiting: ready means that it answers.
    let client = system_tests::Client::new(&room.path("supervisord.sock"));
    let state = client.call("supervisor.getState", &[]).expect("an answer at once");
    assert_eq!(state.get("statename").str(), "RUNNING");
    let pid: i32 = fs::read_to_string(room.path("supervisord.pid"))
        .expect("a pidfile")
        .trim_end()
        .parse()
        .expect("a process id");
    let stat = procfs::stat(pid).expect("a daemon");
    assert_eq!(stat.session, pid);
    assert_eq!(stat.tty, 0);
    let fds = procfs::descriptors(pid);
    for n in 0..3 {
        assert_eq!(fds[&n], Path::new("/dev/null"), "descriptor {n}");
    }
    assert_eq!(procfs::directory(pid), Path::new("/usr"));
    assert_eq!(Status::of(pid).text("Umask"), "0027");
}

#[test]
fn it_ends_without_a_trace() {
    let room = Room::new();
    let config = Config::new(&room).program("p", "/bin/sleep 100000", "");
    let mut daemon =
        Launch::new(&room, Dist::plain().supervisord()).config(&config.write(&room)).background();
    daemon.wait_running("p");
    daemon.stop();
    assert!(!room.path("supervisord.pid").exists());
    assert!(!room.path("supervisord.sock").exists());
    assert_eq!(room.processes(), []);
}

fn assert_failed_start(room: &Room, outcome: &Outcome) {
    assert!(outcome.code() > 0, "{outcome:?}");
    assert!(!outcome.stderr.trim().is_empty(), "no reason: {outcome:?}");
    assert_eq!(room.processes(), []);
    assert!(!room.path("supervisord.pid").exists());
    assert!(!room.path("supervisord.sock").exists());
    assert!(!room.path("ran").exists(), "a program ran");
}

fn with_helper(name: &str, replacement: &Path, foreground: bool) -> (Room, Outcome) {
    let room = Room::new();
    let dist = Dist::plain().copy(&room);
    dist.replace(name, replacement);
    let config = Config::new(&room).program("p", &format!("/bin/touch {}", room.text("ran")), "");
    let mut launch = Launch::new(&room, dist.supervisord()).config(&config.write(&room));
    if foreground {
        launch = launch.args(&["-n"]);
    }
    let outcome = launch.run();
    (room, outcome)
}

#[test]
fn the_caller_learns_that_the_broker_cannot_start() {
    for foreground in [false, true] {
        let (room, outcome) = with_helper("supervisor-broker", Path::new("/bin/false"), foreground);
        assert_failed_start(&room, &outcome);
        assert!(outcome.stderr.contains("broker"), "{outcome:?}");
    }
}

#[test]
fn the_caller_learns_that_the_reader_cannot_start() {
    for foreground in [false, true] {
        let (room, outcome) = with_helper("supervisor-reader", Path::new("/bin/false"), foreground);
        assert_failed_start(&room, &outcome);
    }
}

#[test]
fn the_caller_learns_that_a_helper_is_missing() {
    for name in ["supervisor-broker", "supervisor-reader"] {
        let room = Room::new();
        let dist = Dist::plain().copy(&room);
        fs::remove_file(dist.helper(name)).expect("a helper");
        let config =
            Config::new(&room).program("p", &format!("/bin/touch {}", room.text("ran")), "");
        let outcome = Launch::new(&room, dist.supervisord()).config(&config.write(&room)).run();
        assert_failed_start(&room, &outcome);
        assert!(outcome.stderr.contains(name), "{outcome:?}");
    }
}

#[test]
fn the_harness_finds_its_own_helpers() {
    for name in ["worker", "flaky-broker", "hostile-broker", "hostile-reader", "attacker"] {
        assert!(dist::helper(name).exists());
    }
}

/// Name, inode, owner and mode of everything the first daemon made.
fn traces(room: &Room) -> BTreeMap<String, (u64, u32, u32)> {
    let mut traces = BTreeMap::new();
    for dir in ["", "auto"] {
        for entry in fs::read_dir(room.path(dir)).expect("a directory").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let meta = entry.metadata().expect("a file");
            if !name.starts_with("std") && !name.starts_with("second") && !name.ends_with(".conf") {
                traces.insert(format!("{dir}/{name}"), (meta.ino(), meta.uid(), meta.mode()));
            }
        }
    }
    traces
}

fn first(room: &Room) -> Daemon {
    let config = Config::new(room)
        .program("p", "/bin/sh -c \"echo said; exec sleep 100000\"", "")
        .program("q", "/bin/sleep 100000", "");
    let daemon =
        Launch::new(room, Dist::plain().supervisord()).config(&config.write(room)).background();
    daemon.wait_running("p");
    daemon.wait_running("q");
    daemon
}

fn destroys_nothing(second: fn(&Room) -> Config, foreground: bool) {
    let room = Room::new();
    let daemon = first(&room);
    let (before, pid) = (traces(&room), daemon.program("p"));
    let file = second(&room).write_as(&room, "second.conf");
    let mut launch = Launch::new(&room, Dist::plain().supervisord()).config(&file);
    if foreground {
        launch = launch.args(&["-n"]);
    }
    let outcome = launch.run();
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert!(outcome.stderr.contains("Error: "), "{outcome:?}");
    assert_eq!(traces(&room), before);
    assert_eq!(daemon.program("p"), pid);
    assert!(procfs::alive(pid));
    let content = fs::read_to_string(room.path("supervisord.pid")).expect("the pidfile");
    assert_eq!(content, format!("{}\n", daemon.pid));
    let said = daemon.ask("supervisor.readProcessStdoutLog", &["p".into(), 0.into(), 0.into()]);
    assert_eq!(said.str(), "said\n");
    assert!(!room.path("ran").exists(), "the second ran a program");
}

fn touching(config: Config, room: &Room) -> Config {
    config.program("second", &format!("/bin/touch {}", room.text("ran")), "")
}

#[test]
fn a_second_daemon_with_the_same_configuration_destroys_nothing() {
    for foreground in [false, true] {
        destroys_nothing(|room| touching(Config::new(room), room), foreground);
    }
}

#[test]
fn a_second_daemon_with_the_same_pidfile_destroys_nothing() {
    destroys_nothing(
        |room| {
            let pidfile = format!("pidfile={}", room.text("supervisord.pid"));
            touching(Config::named(room, "second").daemon(&pidfile), room)
        },
        false,
    );
}

#[test]
fn a_second_daemon_with_the_same_socket_destroys_nothing() {
    destroys_nothing(
        |room| {
            let socket = format!("[unix_http_server]\nfile={}", room.text("supervisord.sock"));
            touching(Config::named(room, "second").section(&socket), room)
        },
        false,
    );
}
