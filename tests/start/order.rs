//! Many programs: the order in which they start and stop, and that nothing leaks while they crash.

use std::fs;
use std::path::PathBuf;

use system_tests::dist::Dist;
use system_tests::dist::reference;
use system_tests::{Client, Config, Daemon, Launch, Room, Value, poll_until, procfs, wait_for};

const PROGRAMS: u32 = 200;
const WAVES: u32 = 20;
const CANNOT_START: [&str; 4] = ["absent", "norun", "nodir", "nolog"];

/// The wave of a program: names and waves run in different orders.
fn wave(n: u32) -> u32 {
    (n * 7) % WAVES
}

fn name(n: u32) -> String {
    format!("p{n:03}")
}

fn number(name: &str) -> u32 {
    name.trim_start_matches('p').parse().expect("a program of this test")
}

fn marks(room: &Room) -> Vec<(String, u32)> {
    let text = fs::read_to_string(room.path("marks")).unwrap_or_default();
    let mark =
        |line: &str| line.split_once(' ').map(|(what, name)| (what.to_owned(), number(name)));
    text.lines().filter_map(mark).collect()
}

fn starts_and_stops_in_order(binary: PathBuf) {
    let room = Room::new();
    let worker = room.helper("worker").display().to_string();
    let mut config = Config::new(&room);
    for n in 0..PROGRAMS {
        let command = format!("{worker} wave {} {} 2 0", room.text("marks"), name(n));
        let lines = format!(
            "priority={}\nstdout_logfile=NONE\nstderr_logfile=NONE\nstartsecs=0",
            100 + wave(n)
        );
        config = config.program(&name(n), &command, &lines);
    }
    let mut daemon = Launch::new(&room, binary).config(&config.write(&room)).ready();
    let count = |what: &str| marks(&room).iter().filter(|(w, _)| w == what).count();
    wait_for("all programs to start", || count("start") == PROGRAMS as usize);

    assert_started_in_order(&daemon);
    assert_eq!(daemon.stop(), 0);
    assert_stopped_in_waves(&marks(&room));
}

/// Lower priorities were made first, equal ones by name; the activity log has each once.
fn assert_started_in_order(daemon: &Daemon) {
    let mut expected: Vec<u32> = (0..PROGRAMS).collect();
    expected.sort_by_key(|n| (wave(*n), *n));
    let pids: Vec<i32> = expected.iter().map(|n| daemon.wait_running(&name(*n))).collect();
    // Process ids begin anew at most once meanwhile.
    let descents = pids.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(descents <= 1, "process ids in the order of priorities: {pids:?}");
    let started = |pid: &i32| procfs::stat(*pid).expect("a program that runs").start;
    assert!(pids.iter().map(started).is_sorted(), "the system saw them start in another order");
    let log = daemon.activity();
    for (n, pid) in expected.iter().zip(pids) {
        let line = format!("INFO spawned: '{}' with pid {pid}\n", name(*n));
        assert_eq!(log.matches(&line).count(), 1, "{line}");
    }
}

/// A wave is told to stop only when all of the one before are gone; the last to start stop first.
fn assert_stopped_in_waves(marks: &[(String, u32)]) {
    let gone = marks.iter().filter(|(w, _)| w == "gone").count();
    assert_eq!(gone, PROGRAMS as usize, "not all were stopped by TERM");
    let mut left = vec![0; WAVES as usize];
    for n in 0..PROGRAMS {
        left[wave(n) as usize] += 1;
    }
    for (what, n) in marks {
        let wave = wave(*n);
        match what.as_str() {
            "term" => {
                let later: u32 = left[wave as usize + 1..].iter().sum();
                assert_eq!(later, 0, "{} was told to stop before later ones were gone", name(*n));
            }
            "gone" => left[wave as usize] -= 1,
            _ => {}
        }
    }
}

#[test]
fn two_hundred_programs_start_and_stop_in_priority_order() {
    starts_and_stops_in_order(Dist::plain().supervisord());
}

fn crashing(room: &Room) -> Config {
    let count = room.text("count");
    let stay = room.text("stay");
    let crash =
        format!("/bin/sh -c \"echo x >> {count}; test -e {stay} && exec sleep 100000; exit 1\"");
    Config::new(room)
        .program("crash", &crash, "startsecs=0\nautorestart=true\nautostart=false")
        .program("absent", "/nowhere/at/all", "autostart=false\nstartretries=0")
        .program("norun", "/etc/passwd", "autostart=false\nstartretries=0")
        .program(
            "nodir",
            "/bin/true",
            "directory=/nowhere\nautostart=false\nstartretries=0\nuser=nobody",
        )
        .program(
            "nolog",
            "/bin/true",
            &format!("stdout_logfile={}/gone/x\nautostart=false\nstartretries=0", room.text("")),
        )
        .program("other", "/bin/sleep 100000", "")
}

fn crashes(room: &Room) -> usize {
    fs::read(room.path("count")).unwrap_or_default().len() / 2
}

/// Lets it crash this often, then lets it stay.
fn crash_until(room: &Room, daemon: &Daemon, many: usize) {
    let _ = fs::remove_file(room.path("stay"));
    let state = daemon.state("crash");
    if state == "RUNNING" {
        procfs::signal(daemon.program("crash"), nix::sys::signal::Signal::SIGKILL);
    } else {
        daemon
            .client
            .call("supervisor.startProcess", &["crash".into(), false.into()])
            .expect("a start");
    }
    wait_for("enough crashes", || crashes(room) >= many);
    room.file("stay", "");
    poll_until("the program to stay", || {
        let pid = daemon.program("crash");
        (pid != 0 && procfs::arguments(pid).first().is_some_and(|a| a == "sleep")).then_some(pid)
    });
}

fn counts(daemon: &Daemon) -> (usize, usize) {
    // A connection of the question itself may still be closing.
    let broker = daemon.broker();
    let take = || (procfs::descriptor_count(daemon.pid), procfs::descriptor_count(broker));
    let mut last = take();
    let mut same = 0;
    poll_until("a steady number of descriptors", || {
        let now = take();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        (same >= 5).then_some(now)
    })
}

fn fails_to_start(client: &Client, name: &str) {
    let fault = client.call("supervisor.startProcess", &[Value::from(name), true.into()]);
    assert!(matches!(fault, Err(system_tests::Error::Fault(..))), "{name} started: {fault:?}");
}

#[test]
fn three_hundred_crashes_leak_no_descriptor_and_leave_no_zombie() {
    let room = Room::new();
    room.directory("gone");
    let daemon = Launch::new(&room, Dist::plain().supervisord())
        .config(&crashing(&room).write(&room))
        .ready();
    fs::remove_dir(room.path("gone")).expect("an empty directory");
    daemon.wait_running("other");
    let fail = |times: u32| {
        for _ in 0..times {
            for name in CANNOT_START {
                fails_to_start(&daemon.client, name);
            }
        }
    };
    crash_until(&room, &daemon, 10);
    fail(2);
    let before = counts(&daemon);
    crash_until(&room, &daemon, 310);
    fail(20);
    wait_for("failed starts to be over", || {
        CANNOT_START.iter().all(|n| matches!(daemon.state(n).as_str(), "STOPPED" | "FATAL"))
    });
    assert_eq!(counts(&daemon), before, "descriptors of spawner and broker");
    let zombie = |pid: &i32| procfs::stat(*pid).is_some_and(|s| s.state == 'Z');
    wait_for("the last zombie to be reaped", || !procfs::children(daemon.pid).iter().any(zombie));
    assert_eq!(procfs::children(daemon.pid).len(), 3, "the broker and two programs");
}

#[test]
fn the_reference_starts_and_stops_in_this_order() {
    starts_and_stops_in_order(reference("supervisord"));
}
