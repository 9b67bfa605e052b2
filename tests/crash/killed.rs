//! `kill -9` of the broker while programs write, exit and change state.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use system_tests::dist::Dist;
use system_tests::lines;
use system_tests::{Client, Config, Daemon, Launch, Room, Value, poll_until, procfs, wait_for};

const KILLS: usize = 10;

/// A writer at full speed, logging to a file with this rotation, one program to lose and one that ends.
fn writing(room: &Room, dist: &Dist, log: &str) -> Daemon {
    let worker = room.helper("worker").display().to_string();
    let command = format!("{worker} lines {}", room.text("stop"));
    let config = Config::new(room)
        .program(
            "writer",
            &command,
            &format!("user=nobody\nstdout_logfile={}\n{log}", room.text("lines")),
        )
        .program("restarted", "/bin/sleep 100000", "autorestart=true\nstartsecs=0")
        .program("ends", "/bin/sleep 100000", "autorestart=false\nstartsecs=0");
    let daemon = Launch::new(room, dist.supervisord()).config(&config.write(room)).ready();
    for name in ["writer", "restarted", "ends"] {
        daemon.wait_running(name);
    }
    daemon
}

/// Grows by another piece: the broker of the moment really carries the lines.
fn wait_growth(room: &Room) {
    let size = || {
        lines::files(&room.path("lines"))
            .iter()
            .filter_map(|p| p.metadata().ok())
            .map(|m| m.len())
            .sum::<u64>()
    };
    let before = size();
    wait_for("the log to grow", || size() > before + 200_000);
}

fn survives(rotation: &str) -> (Room, Daemon) {
    let room = Room::new();
    let daemon = writing(&room, &Dist::hooks(), rotation);
    let writer = daemon.program("writer");
    for _ in 0..KILLS {
        wait_growth(&room);
        daemon.replace_broker();
    }
    wait_growth(&room);
    assert_eq!(daemon.program("writer"), writer, "the program was restarted");
    room.file("stop", "");
    wait_for("the last line", || {
        let text = lines::whole(&room.path("lines"));
        let tail = text.rsplit(|b| *b == b'\n').nth(1).unwrap_or_default();
        text.ends_with(b"\n") && tail.starts_with(b"end ")
    });
    let last = lines::assert_exact(&lines::whole(&room.path("lines")));
    assert!(last > 100_000, "only {last} lines");
    (room, daemon)
}

#[test]
fn every_line_is_in_the_log_exactly_once() {
    survives("stdout_logfile_maxbytes=0");
}

#[test]
fn every_line_is_in_the_rotated_logs_exactly_once() {
    let (room, _daemon) = survives("stdout_logfile_maxbytes=4MB\nstdout_logfile_backups=900");
    let files = lines::files(&room.path("lines"));
    assert!(files.len() > 1, "nothing was rotated");
    for file in &files[..files.len() - 1] {
        let size = file.metadata().expect("a rotated file").len();
        assert!(size >= 4 << 20, "{} was rotated at {size} bytes", file.display());
    }
}

#[test]
fn an_exit_during_the_outage_is_noticed() {
    let room = Room::new();
    let daemon = writing(&room, &Dist::hooks(), "stdout_logfile_maxbytes=0");
    for _ in 0..KILLS {
        let old = daemon.program("restarted");
        daemon.kill_broker();
        assert!(procfs::signal(old, Signal::SIGKILL));
        let new = poll_until("another instance", || {
            let pid = daemon.program("restarted");
            (pid != 0 && pid != old).then_some(pid)
        });
        assert!(procfs::alive(new));
    }
    let pid = daemon.program("ends");
    daemon.kill_broker();
    assert!(procfs::signal(pid, Signal::SIGKILL));
    let info = daemon.wait_state("ends", "EXITED");
    assert_eq!(info.get("exitstatus").int(), -1);
    assert_eq!(info.get("pid").int(), 0);
    assert!(daemon.activity().contains("WARN exited: ends (terminated by SIGKILL; not expected)"));
}

#[test]
fn it_answers_again_within_a_second() {
    let room = Room::new();
    let daemon = writing(&room, &Dist::plain(), "stdout_logfile_maxbytes=0");
    let broker = daemon.broker();
    let start = Instant::now();
    assert!(procfs::signal(broker, Signal::SIGKILL));
    // A call that the dying broker has accepted may hang: each is a connection of its own and ends with it.
    while daemon.client.call("supervisor.getState", &[]).is_err() {
        assert!(start.elapsed() < Duration::from_secs(20), "it does not answer at all");
    }
    let took = start.elapsed();
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    assert_ne!(daemon.broker(), broker);
}

/// What clients are told of every process, less what moves with time.
fn told(daemon: &Daemon) -> Vec<Value> {
    let Value::Array(all) = daemon.ask("supervisor.getAllProcessInfo", &[]) else {
        panic!("no list of processes");
    };
    let still = |info: Value| match info {
        Value::Struct(members) => {
            let moves = |name: &str, value: &Value| {
                name == "now"
                    || (name == "description"
                        && matches!(value, Value::Str(s) if s.contains("uptime")))
            };
            Value::Struct(members.into_iter().filter(|(n, v)| !moves(n, v)).collect())
        }
        other => other,
    };
    all.into_iter().map(still).collect()
}

#[test]
fn the_next_broker_knows_what_the_last_one_knew() {
    let room = Room::new();
    let config = Config::new(&room)
        .program("runs", "/bin/sleep 100000", "startsecs=0")
        .program("fatal", "/bin/false", "startretries=0")
        .program("exited", "/bin/sh -c \"exit 3\"", "startsecs=0\nautorestart=false\nexitcodes=3")
        .program("failed", "/bin/sh -c \"exit 4\"", "startsecs=0\nautorestart=false")
        .program("stopped", "/bin/sleep 100000", "startsecs=0\nautorestart=true")
        .program("never", "/bin/sleep 100000", "autostart=false")
        .program("absent", "/nowhere/at/all", "startretries=0");
    let daemon =
        Launch::new(&room, Dist::hooks().supervisord()).config(&config.write(&room)).ready();
    daemon.wait_running("stopped");
    daemon.ask("supervisor.stopProcess", &["stopped".into(), true.into()]);
    let expected = [
        ("runs", "RUNNING"),
        ("fatal", "FATAL"),
        ("exited", "EXITED"),
        ("failed", "EXITED"),
        ("stopped", "STOPPED"),
        ("never", "STOPPED"),
        ("absent", "FATAL"),
    ];
    for (name, state) in expected {
        daemon.wait_state(name, state);
    }
    let before = told(&daemon);
    let spawns = daemon.activity().matches("spawned: ").count();
    for _ in 0..3 {
        daemon.replace_broker();
        assert_eq!(told(&daemon), before);
    }
    assert_eq!(
        daemon.activity().matches("spawned: ").count(),
        spawns,
        "something was started again"
    );
}

#[test]
fn a_stop_that_was_begun_is_finished() {
    let room = Room::new();
    let stubborn = "/bin/sh -c \"trap '' TERM; echo ready; while :; do sleep 1000; done\"";
    let lines = "stopwaitsecs=3\nkillasgroup=true\nstartsecs=0";
    let config = Config::new(&room).program("stubborn", stubborn, lines);
    let daemon =
        Launch::new(&room, Dist::hooks().supervisord()).config(&config.write(&room)).ready();
    let pid = daemon.wait_running("stubborn");
    wait_for("the trap to be set", || {
        let said =
            daemon.ask("supervisor.readProcessStdoutLog", &["stubborn".into(), 0.into(), 0.into()]);
        said.str() == "ready\n"
    });
    daemon.ask("supervisor.stopProcess", &["stubborn".into(), false.into()]);
    assert_eq!(daemon.state("stubborn"), "STOPPING");
    daemon.replace_broker();
    assert!(procfs::alive(pid));
    let info = daemon.wait_state("stubborn", "STOPPED");
    assert_eq!(info.get("pid").int(), 0);
    assert!(!procfs::alive(pid));
}

#[test]
fn a_restart_that_was_begun_is_finished_and_it_is_known_who_asked() {
    let room = Room::new();
    let slow = "/bin/sh -c \"trap '' TERM; echo ready; while :; do sleep 1000; done\"";
    let audit = format!("audit_logfile={}", room.text("audit.log"));
    let lines = "stopwaitsecs=3\nkillasgroup=true\nstartsecs=0";
    let config = Config::new(&room).daemon(&audit).program("slow", slow, lines);
    let daemon =
        Launch::new(&room, Dist::hooks().supervisord()).config(&config.write(&room)).ready();
    let pid = daemon.wait_running("slow");
    wait_for("the trap to be set", || {
        let said =
            daemon.ask("supervisor.readProcessStdoutLog", &["slow".into(), 0.into(), 0.into()]);
        said.str() == "ready\n"
    });
    thread::scope(|scope| {
        let socket = room.path("supervisord.sock");
        // Its answer dies with the broker.
        let client = scope.spawn(move || {
            Client::new(&socket).call("supervisor.restartProcess", &["slow".into()])
        });
        wait_for("the stop to begin", || daemon.state("slow") == "STOPPING");
        daemon.replace_broker();
        assert!(client.join().expect("a client").is_err());
    });
    assert!(procfs::alive(pid), "the next broker finds it being stopped");
    let again = daemon.wait_running("slow");
    assert_ne!(again, pid);
    assert!(!procfs::alive(pid));
    wait_for("who asked", || {
        let log = fs::read_to_string(room.path("audit.log")).unwrap_or_default();
        let told = |line: &str, text| line.contains(text);
        log.lines().any(|line| {
            told(line, r#""action":"restart""#)
                && told(line, r#""target":"slow:slow""#)
                && told(line, r#""outcome":"begun""#)
                && told(line, r#""who":"#)
        })
    });
}

#[test]
fn a_retry_that_is_due_is_made() {
    let room = Room::new();
    let flag = room.text("flag");
    let command = format!("/bin/sh -c \"test -e {flag} && exec sleep 100000; exit 1\"");
    let config = Config::new(&room).program("p", &command, "startsecs=1\nstartretries=20");
    let daemon =
        Launch::new(&room, Dist::hooks().supervisord()).config(&config.write(&room)).ready();
    daemon.wait_state("p", "BACKOFF");
    room.file("flag", "");
    daemon.replace_broker();
    daemon.wait_running("p");
}

#[test]
fn a_signal_during_the_outage_is_heard() {
    let room = Room::new();
    let config = Config::new(&room).program("p", "/bin/sleep 100000", "startsecs=0");
    let mut daemon =
        Launch::new(&room, Dist::hooks().supervisord()).config(&config.write(&room)).ready();
    let pid = daemon.wait_running("p");
    daemon.kill_broker();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_end(), 0);
    assert!(!procfs::alive(pid));
    assert!(!room.path("supervisord.sock").exists());
    assert!(!room.path("supervisord.pid").exists());
}
