//! A program of the same user stops the child between the change of user and exec: nothing else waits.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use system_tests::dist::Dist;
use system_tests::room::MARK;
use system_tests::{Config, Daemon, Launch, Room, poll_until, procfs, wait_for};

/// Users that run nothing else, one for each test here: an attacker stops whatever its user starts.
const NEWS: (&str, u32) = ("news", 9);
/// See [`NEWS`].
const UUCP: (&str, u32) = ("uucp", 10);
/// As many links as the system follows in one path, less a few for the room.
const LINKS: usize = 36;

/// A directory that takes long to change to: links, each through thousands of components.
fn winding(room: &Room) -> String {
    room.directory("winding");
    let mut next = ".".to_owned();
    for n in (0..LINKS).rev() {
        let name = format!("l{n}");
        symlink(format!("{}{next}", "./".repeat(2_000)), room.path(&format!("winding/{name}")))
            .expect("a link");
        next = name;
    }
    room.text(&format!("winding/{next}"))
}

fn start(room: &Room, user: (&str, u32)) -> Daemon {
    let target = format!(
        "user={}\ndirectory={}\nautostart=false\nstartsecs=0\nautorestart=false",
        user.0,
        winding(room)
    );
    let config = Config::new(room)
        .program("target", "/bin/sleep 100000", &target)
        .program("other", "/bin/sleep 100000", "autostart=false\nstartsecs=0")
        .program("bystander", "/bin/sleep 100000", "startsecs=0\nautorestart=true");
    let daemon = Launch::new(room, Dist::plain().supervisord()).config(&config.write(room)).ready();
    daemon.wait_running("bystander");
    daemon
}

/// Starts and stops the target until the attacker has stopped it before exec; gives the process id of the stopped child.
fn catch(room: &Room, daemon: &Daemon, user: (&str, u32)) -> i32 {
    loop {
        let pid = catch_once(room, daemon, user.1);
        // It stops when it comes back from the path that it walks; the signal may have come as late as in exec itself.
        wait_for("the child to stop", || procfs::stat(pid).is_some_and(|s| s.state == 'T'));
        if !procfs::arguments(pid).iter().any(|word| word == "100000") {
            return pid;
        }
        procfs::signal(pid, Signal::SIGKILL);
        fs::remove_file(room.path("caught/pid")).expect("the attacker's note");
    }
}

fn catch_once(room: &Room, daemon: &Daemon, uid: u32) -> i32 {
    room.directory("caught");
    room.mode("caught", 0o777);
    let caught = room.path("caught/pid");
    let mut attacker = Command::new(room.helper("attacker"))
        .args(["stop".as_ref(), caught.as_os_str()])
        .env_clear()
        .env(MARK, room.dir())
        .uid(uid)
        .gid(uid)
        .spawn()
        .expect("the attacker");
    let call = |method: &str| {
        let (client, method) = (daemon.client.clone(), method.to_owned());
        // The answer to a start may take as long as the child is stopped.
        std::thread::spawn(move || client.call(&method, &["target".into(), false.into()]));
    };
    let pid = poll_until("a child to be caught before exec", || {
        if let Ok(text) = fs::read_to_string(&caught) {
            return text.trim().parse().ok();
        }
        match daemon.state("target").as_str() {
            "RUNNING" => call("supervisor.stopProcess"),
            "STOPPED" | "EXITED" => call("supervisor.startProcess"),
            _ => {}
        }
        None
    });
    let _ = attacker.wait();
    pid
}

#[test]
fn a_child_stopped_before_exec_delays_nobody_else() {
    let room = Room::new();
    let daemon = start(&room, NEWS);
    let stuck = catch(&room, &daemon, NEWS);
    let begin = Instant::now();

    // Others start, are answered and are seen to exit, while the child still hangs.
    daemon
        .client
        .call("supervisor.startProcess", &["other".into(), true.into()])
        .expect("the other program");
    assert_eq!(daemon.state("other"), "RUNNING");
    let old = daemon.program("bystander");
    procfs::signal(old, Signal::SIGKILL);
    poll_until("the bystander's next instance", || {
        let pid = daemon.program("bystander");
        (pid != 0 && pid != old).then_some(())
    });
    assert!(begin.elapsed() < Duration::from_secs(4), "it took {:?}", begin.elapsed());
    assert_eq!(procfs::stat(stuck).map(|s| s.state), Some('T'), "the child did not hang meanwhile");

    wait_for("the stopped child to be killed", || !procfs::alive(stuck));
    daemon.wait_state("target", "EXITED");
    // And it can be started again.
    daemon
        .client
        .call("supervisor.startProcess", &["target".into(), true.into()])
        .expect("the target itself");
}

#[test]
fn a_child_stopped_before_exec_does_not_hold_up_the_end() {
    let room = Room::new();
    let mut daemon = start(&room, UUCP);
    let stuck = catch(&room, &daemon, UUCP);
    assert_eq!(daemon.stop(), 0);
    assert!(!procfs::alive(stuck));
}
