//! Started as an ordinary user, or told to become one.

use nix::sys::signal::Signal;
use system_tests::dist::{Dist, reference};
use system_tests::procfs::{self, Status};
use system_tests::{Config, Launch, NOBODY, Room};

const USER: u32 = 61_023;

/// A room that the user owns: logs, sockets and pidfile are in its reach.
fn room_of(user: u32) -> Room {
    let room = Room::new();
    room.give("", user);
    room.give("auto", user);
    room
}

#[test]
fn works_within_the_user_s_rights_and_says_what_it_cannot() {
    let room = room_of(USER);
    let dist = Dist::plain().copy(&room);
    let config = Config::new(&room).program("p", "/bin/sleep 100000", "").program(
        "echo",
        "/bin/sh -c \"echo said; exec sleep 100000\"",
        "",
    );
    let file = config.write(&room);
    let mut daemon = Launch::new(&room, dist.supervisord()).user(USER).config(&file).ready();
    let (p, _) = (daemon.wait_running("p"), daemon.wait_running("echo"));
    for pid in [p, daemon.pid, daemon.broker()] {
        let status = Status::of(pid);
        assert_eq!(status.numbers("Uid"), [USER; 4]);
        assert_eq!(status.numbers("Gid"), [USER; 4]);
        assert_eq!(status.mask("CapEff"), 0);
    }
    assert_eq!(procfs::descriptors(p).into_keys().collect::<Vec<_>>(), [0, 1, 2]);
    assert!(
        daemon.activity().contains("boundary"),
        "it does not say what is missing\n{}",
        daemon.activity()
    );
    let tail = daemon.ask("supervisor.readProcessStdoutLog", &["echo".into(), 0.into(), 0.into()]);
    assert_eq!(tail.str(), "said\n");

    daemon.replace_broker();
    assert_eq!(daemon.program("p"), p);
    procfs::signal(p, Signal::SIGKILL);
    let again = system_tests::poll_until("another instance", || {
        let pid = daemon.program("p");
        (pid != 0 && pid != p).then_some(pid)
    });
    assert!(procfs::alive(again));
    assert_eq!(daemon.stop(), 0);
    assert!(!room.path("supervisord.sock").exists());
    assert!(!room.path("supervisord.pid").exists());
}

#[test]
fn the_broker_of_an_ordinary_user_is_still_confined() {
    let room = room_of(USER);
    let dist = Dist::plain().copy(&room);
    let file = Config::new(&room).write(&room);
    let daemon = Launch::new(&room, dist.supervisord()).user(USER).config(&file).ready();
    let status = Status::of(daemon.broker());
    assert_eq!(status.text("NoNewPrivs"), "1");
    assert_eq!(status.text("Seccomp"), "2");
}

fn refuses_somebody_else(room: &Room, binary: std::path::PathBuf) {
    let config = Config::new(room).program(
        "p",
        "/bin/touch /var/lib/supervisor-must-not-be",
        "user=nobody\nstartretries=0\nstderr_logfile=%(here)s/p.err",
    );
    let file = config.write(room);
    let mut daemon = Launch::new(room, binary).user(USER).config(&file).ready();
    daemon.wait_state("p", "FATAL");
    let said = std::fs::read_to_string(room.path("p.err")).unwrap_or_default();
    assert!(
        said.contains(
            "supervisor: couldn't setuid to 65534: Can't drop privilege as nonroot user\n"
        ),
        "{said:?}"
    );
    assert!(said.contains("supervisor: child process was not spawned\n"), "{said:?}");
    assert!(daemon.activity().contains("exited: p (exit status 127; not expected)"));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_program_of_somebody_else_is_refused_as_the_reference_does() {
    let room = room_of(USER);
    let dist = Dist::plain().copy(&room);
    refuses_somebody_else(&room, dist.supervisord());
}

#[test]
fn a_daemon_of_somebody_else_is_refused_as_the_reference_does() {
    let room = room_of(USER);
    let dist = Dist::plain().copy(&room);
    let file = Config::new(&room).daemon("user=nobody").write(&room);
    let outcome =
        Launch::new(&room, dist.supervisord()).user(USER).args(&["-n"]).config(&file).run();
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert!(
        outcome.stderr.contains("Error: Can't drop privilege as nonroot user\n"),
        "{outcome:?}"
    );
    assert_eq!(room.processes(), []);
}

#[test]
fn its_own_name_is_no_change() {
    let room = room_of(NOBODY);
    let dist = Dist::plain().copy(&room);
    let config =
        Config::new(&room).daemon("user=nobody").program("p", "/bin/sleep 100000", "user=nobody");
    let file = config.write(&room);
    let mut daemon = Launch::new(&room, dist.supervisord()).user(NOBODY).config(&file).ready();
    daemon.wait_running("p");
    assert_eq!(daemon.stop(), 0);
}

fn becomes_nobody(binary: fn(&Room) -> std::path::PathBuf) {
    let (room, etc) = (room_of(NOBODY), Room::new());
    let config = Config::new(&room).daemon("user=nobody").program("p", "/bin/sleep 100000", "");
    // In a directory of root, so that nobody cannot change what root starts.
    let file = config.write(&etc);
    let mut daemon = Launch::new(&room, binary(&room)).config(&file).ready();
    let p = daemon.wait_running("p");
    for pid in [daemon.pid, p] {
        let status = Status::of(pid);
        assert_eq!(status.numbers("Uid"), [NOBODY; 4]);
        assert_eq!(status.numbers("Gid"), [NOBODY; 4]);
        assert_eq!(status.numbers("Groups"), [NOBODY]);
        assert_eq!(status.mask("CapEff") | status.mask("CapPrm"), 0);
    }
    assert!(
        daemon.activity().contains("INFO Set uid to user 65534 succeeded"),
        "{}",
        daemon.activity()
    );
    assert_eq!(daemon.stop(), 0);
    assert!(!room.path("supervisord.pid").exists());
}

#[test]
fn root_told_to_become_nobody_does() {
    becomes_nobody(|_| Dist::plain().supervisord());
}

#[test]
fn the_reference_becomes_nobody_in_the_same_way() {
    becomes_nobody(|_| reference("supervisord"));
}
