//! TERM while the broker hangs or is dead for good: everything stops in order, and what was in a pipe is in the log.

use std::fs;

use nix::sys::signal::Signal;
use system_tests::dist::Dist;
use system_tests::lines::assert_stream;
use system_tests::{Config, Daemon, Launch, Room, procfs, wait_for};

/// Three waves of two; each says goodbye with more than a pipe holds.
const WAVES: [(&str, u32); 6] =
    [("a1", 10), ("a2", 10), ("b1", 20), ("b2", 20), ("c1", 30), ("c2", 30)];
const BYE: u64 = 20_000;
/// Fits whole into a pipe, also into one of a single page as a user with many pipes is given.
const BURST: u64 = 300;

fn config(room: &Room) -> Config {
    let worker = room.helper("worker").display().to_string();
    let mut config = Config::new(room);
    for (name, priority) in WAVES {
        let command = format!(
            "{worker} wave {} {name} 50 {BYE} {} {BURST}",
            room.text("marks"),
            room.text("burst")
        );
        let lines = format!(
            "priority={priority}\nstdout_logfile={}\nstdout_logfile_maxbytes=0\nstartsecs=0",
            room.text(&format!("{name}.log"))
        );
        config = config.program(name, &command, &lines);
    }
    config
}

fn marks(room: &Room) -> Vec<(String, String)> {
    let text = fs::read_to_string(room.path("marks")).unwrap_or_default();
    let pair = |l: &str| l.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
    text.lines().filter_map(pair).collect()
}

fn start(room: &Room, dist: &Dist, config: &Config) -> Daemon {
    let daemon = Launch::new(room, dist.supervisord()).config(&config.write(room)).ready();
    wait_for("all programs to start", || {
        marks(room).iter().filter(|(what, _)| what == "start").count() == WAVES.len()
    });
    daemon
}

/// Lets every program fill its pipe while nobody reads.
fn burst(room: &Room, daemon: &Daemon) {
    let pids: Vec<i32> = room.processes();
    room.file("burst", "");
    // The writing thread ends when the last line is in the pipe.
    let writing =
        |pid: &i32| fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|t| t.count() > 1);
    let workers =
        |pid: &&i32| **pid != daemon.pid && procfs::arguments(**pid).iter().any(|a| a == "wave");
    wait_for("the programs to have written", || !pids.iter().filter(workers).any(writing));
}

fn assert_in_order_and_whole(room: &Room) {
    let marks = marks(room);
    let priority = |name: &str| WAVES.iter().find(|(n, _)| *n == name).map_or(0, |(_, p)| *p);
    let mut left: Vec<&str> = WAVES.iter().map(|(n, _)| *n).collect();
    for (what, name) in &marks {
        if what == "term" {
            let later: Vec<_> = left.iter().filter(|n| priority(n) > priority(name)).collect();
            assert!(later.is_empty(), "{name} was told to stop before {later:?} were gone");
        }
        if what == "gone" {
            left.retain(|n| n != name);
        }
    }
    assert!(left.is_empty(), "{left:?} were not stopped by TERM: {marks:?}");
    for (name, _) in WAVES {
        let log = fs::read_to_string(room.path(&format!("{name}.log"))).expect("a log of lines");
        assert_stream(&log, "burst", BURST);
        assert_stream(&log, "bye", BYE);
    }
    assert!(!room.path("supervisord.sock").exists(), "the socket is left behind");
    assert!(!room.path("supervisord.pid").exists(), "the pidfile is left behind");
}

#[test]
fn with_a_broker_that_works() {
    let room = Room::new();
    let mut daemon = start(&room, &Dist::plain(), &config(&room));
    burst(&room, &daemon);
    assert_eq!(daemon.stop(), 0);
    assert_in_order_and_whole(&room);
}

#[test]
fn while_the_broker_is_stopped() {
    let room = Room::new();
    let mut daemon = start(&room, &Dist::hooks(), &config(&room));
    assert!(procfs::signal(daemon.broker(), Signal::SIGSTOP));
    burst(&room, &daemon);
    assert_eq!(daemon.stop(), 0);
    assert_in_order_and_whole(&room);
}

#[test]
fn while_the_broker_is_dead_for_good() {
    let room = Room::new();
    let dist = Dist::hooks().copy(&room);
    let switch = dist.flaky();
    let mut daemon = start(&room, &dist, &config(&room));
    switch.down();
    daemon.kill_broker();
    burst(&room, &daemon);
    assert_eq!(daemon.stop(), 0);
    assert_in_order_and_whole(&room);
}

#[test]
fn the_broker_dies_for_good_in_the_middle_of_the_stop() {
    let room = Room::new();
    let dist = Dist::hooks().copy(&room);
    let switch = dist.flaky();
    let mut daemon = start(&room, &dist, &config(&room));
    burst(&room, &daemon);
    let broker = daemon.broker();
    daemon.signal(Signal::SIGTERM);
    wait_for("the first to be told", || marks(&room).iter().any(|(what, _)| what == "term"));
    switch.down();
    procfs::signal(broker, Signal::SIGKILL);
    assert_eq!(daemon.wait_end(), 0);
    assert_in_order_and_whole(&room);
}

#[test]
fn a_program_that_ignores_term_is_killed_after_its_stop_wait() {
    let room = Room::new();
    let dist = Dist::hooks().copy(&room);
    let switch = dist.flaky();
    let stubborn = "/bin/sh -c \"trap '' TERM; echo ready; while :; do sleep 1000; done\"";
    let log = format!(
        "stdout_logfile={}\nstopwaitsecs=1\nstartsecs=0\nkillasgroup=true",
        room.text("out")
    );
    let config = Config::new(&room).program("stubborn", stubborn, &log).program(
        "hup",
        "/bin/sleep 100000",
        "stopsignal=HUP\nstartsecs=0",
    );
    let mut daemon = Launch::new(&room, dist.supervisord()).config(&config.write(&room)).ready();
    wait_for("the trap", || fs::read_to_string(room.path("out")).is_ok_and(|t| t == "ready\n"));
    let pids = [daemon.wait_running("stubborn"), daemon.wait_running("hup")];
    switch.down();
    daemon.kill_broker();
    assert_eq!(daemon.stop(), 0);
    assert!(!pids.into_iter().any(procfs::alive));
    wait_for("the whole group to end", || room.processes().is_empty());
}
