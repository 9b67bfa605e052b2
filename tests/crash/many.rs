//! Many programs at a change of brokers: none is forgotten, none is reported twice.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;
use system_tests::dist::Dist;
use system_tests::{Config, Daemon, Launch, Room, poll_until, procfs, wait_for};

const MANY: usize = 600;

fn start(room: &Room, dist: &Dist) -> Daemon {
    let lines = format!(
        "process_name=p%(process_num)03d\nnumprocs={MANY}\nstartsecs=0\nautorestart=false\n\
         stdout_logfile=NONE\nstderr_logfile=NONE"
    );
    let config = Config::new(room).program("many", "/bin/sleep 100000", &lines);
    let daemon = Launch::new(room, dist.supervisord()).config(&config.write(room)).ready();
    wait_all(&daemon, "RUNNING");
    daemon
}

/// Name → state, pid, time of the start.
fn all(daemon: &Daemon) -> BTreeMap<String, (String, i64, i64)> {
    let info = daemon.ask("supervisor.getAllProcessInfo", &[]);
    let row = |i: &system_tests::Value| {
        let state = i.get("statename").str().to_owned();
        (i.get("name").str().to_owned(), (state, i.get("pid").int(), i.get("start").int()))
    };
    info.array().iter().map(row).collect()
}

fn wait_all(daemon: &Daemon, state: &str) -> BTreeMap<String, (String, i64, i64)> {
    poll_until(&format!("all programs to be {state}"), || {
        let all = all(daemon);
        let there = all.values().filter(|(s, ..)| s == state).count();
        (there == MANY && all.len() == MANY).then_some(all)
    })
}

fn pids(all: &BTreeMap<String, (String, i64, i64)>) -> Vec<i32> {
    let pid = |n: &i64| i32::try_from(*n).expect("a process id");
    all.values().map(|(_, n, _)| pid(n)).collect()
}

#[test]
fn six_hundred_running_programs_are_handed_back() {
    let room = Room::new();
    let daemon = start(&room, &Dist::hooks());
    let before = all(&daemon);
    for _ in 0..3 {
        daemon.replace_broker();
        assert_eq!(all(&daemon), before);
    }
    // Each of them is held for real: a stop reaches them all.
    daemon.ask("supervisor.stopAllProcesses", &[true.into()]);
    wait_all(&daemon, "STOPPED");
    assert!(!pids(&before).into_iter().any(procfs::alive));
}

#[test]
fn six_hundred_exits_while_no_broker_is_there_are_all_reported() {
    let room = Room::new();
    let dist = Dist::hooks().copy(&room);
    let switch = dist.flaky();
    let daemon = start(&room, &dist);
    let pids = pids(&all(&daemon));
    switch.down();
    daemon.kill_broker();
    for pid in &pids {
        assert!(procfs::signal(*pid, Signal::SIGKILL), "program {pid} is gone");
    }
    wait_for("all programs to be reaped", || !pids.iter().any(|pid| procfs::stat(*pid).is_some()));
    assert!(!daemon.activity().contains(" exited: "), "a broker was there meanwhile");
    switch.up();
    let after = wait_all(&daemon, "EXITED");
    assert!(after.values().all(|(_, pid, _)| *pid == 0));
    let log = daemon.activity();
    for name in after.keys() {
        let line = format!("exited: {name} (terminated by SIGKILL; not expected)");
        assert_eq!(log.matches(&line).count(), 1, "{line}");
    }
}
