//! The daemon as process 1 of a container: it reaps what nobody else does, and ends well and in time.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use system_tests::dist::{Dist, reference};
use system_tests::net::Peer;
use system_tests::procfs::Status;
use system_tests::{Config, Daemon, Launch, Room, poll_until, procfs, wait_for};

/// In a namespace of process ids of its own, with a /proc to it.
const CONTAINER: [&str; 5] = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];

/// What was started is unshare(1), which waits for process 1 and ends as it does.
struct Container {
    daemon: Daemon,
    /// Process 1, as it is called outside.
    init: i32,
}

impl Container {
    fn start(room: &Room, binary: std::path::PathBuf, config: &Config) -> Container {
        let daemon =
            Launch::new(room, binary).through(&CONTAINER).config(&config.write(room)).ready();
        let init = procfs::children(daemon.pid)[0];
        assert_eq!(inside(init), 1);
        Container { daemon, init }
    }

    fn broker(&self) -> i32 {
        let named = |pid: &i32| {
            procfs::arguments(*pid).first().is_some_and(|a| a.ends_with("supervisor-broker"))
        };
        poll_until("a broker", || procfs::children(self.init).into_iter().find(named))
    }

    /// Sends TERM to process 1; its exit status, and how long that took.
    fn stop(&mut self) -> (i32, Duration) {
        let began = Instant::now();
        assert!(procfs::signal(self.init, Signal::SIGTERM));
        (self.daemon.wait_end(), began.elapsed())
    }
}

/// What a process is called inside.
fn inside(pid: i32) -> u32 {
    Status::of(pid).numbers("NSpid").last().copied().expect("a process id")
}

fn zombies(parent: i32) -> usize {
    let dead = |pid: &i32| procfs::stat(*pid).is_some_and(|s| s.state == 'Z');
    procfs::children(parent).iter().filter(|pid| dead(pid)).count()
}

/// A program that leaves orphans, which exit with 7 and die of USR1, and one that leaves none.
fn orphans(room: &Room, count: u32) -> Config {
    let script = room.file(
        "orphans.sh",
        &format!(
            "n=0\nwhile [ $n -lt {count} ]; do n=$((n+1))\n\
             (setsid sh -c 'exit 7' &)\n(setsid sh -c 'kill -USR1 $$' &)\ndone\nexec sleep 100000\n"
        ),
    );
    Config::new(room)
        .program("parent", &format!("/bin/sh {}", script.display()), "startsecs=0\nuser=nobody")
        .program("quiet", "/bin/sleep 100000", "startsecs=0")
}

#[test]
fn it_reaps_orphans_and_says_so() {
    let room = Room::new();
    let mut container = Container::start(&room, Dist::plain().supervisord(), &orphans(&room, 20));
    container.daemon.wait_running("parent");
    let said = |how: &str| {
        let log = container.daemon.activity();
        let line = |l: &&str| l.contains(" INFO reaped unknown pid ") && l.ends_with(how);
        log.lines().filter(line).count()
    };
    wait_for("all orphans to be told of", || {
        said("(exit status 7)") >= 20 && said("(terminated by SIGUSR1)") == 20
    });
    wait_for("the last zombie to be reaped", || zombies(container.init) == 0);
    assert_eq!(procfs::children(container.init).len(), 3, "the broker and two programs");
    assert_eq!(container.stop().0, 0);
    assert!(!room.path("supervisord.pid").exists());
    assert!(!room.path("supervisord.sock").exists());
}

#[test]
fn the_reference_says_it_in_these_words() {
    let room = Room::new();
    let mut container = Container::start(&room, reference("supervisord"), &orphans(&room, 1));
    wait_for("the orphans to be told of", || {
        let log = container.daemon.activity();
        log.contains(" INFO reaped unknown pid ")
            && log.contains(" (exit status 7)\n")
            && log.contains(" (terminated by SIGUSR1)\n")
    });
    assert_eq!(container.stop().0, 0);
}

#[test]
fn elsewhere_it_reaps_them_in_silence() {
    let room = Room::new();
    let daemon = Launch::new(&room, Dist::plain().supervisord())
        .config(&orphans(&room, 20).write(&room))
        .ready();
    let parent = daemon.wait_running("parent");
    wait_for("the orphans to be made", || {
        procfs::arguments(parent).first().is_some_and(|a| a == "sleep")
    });
    wait_for("the orphans to be reaped", || procfs::children(daemon.pid).len() == 3);
    assert_eq!(zombies(daemon.pid), 0);
    assert!(!daemon.activity().contains("reaped unknown pid"));
}

#[test]
fn term_stops_all_in_order_and_ends_with_0() {
    let room = Room::new();
    let path = room.path("web.sock");
    let worker = room.helper("worker").display().to_string();
    let marks = room.text("marks");
    let mut config = Config::new(&room).section(&format!(
        "[fcgi-program:web]\ncommand=/bin/sleep 100000\nsocket={}\nstartsecs=0\n",
        Peer::unix(&path).url()
    ));
    for (name, priority) in [("first", 1), ("second", 2), ("third", 3)] {
        let command = format!("{worker} wave {marks} {name} 50 10");
        config = config.program(name, &command, &format!("startsecs=0\npriority={priority}"));
    }
    let mut container = Container::start(&room, Dist::plain().supervisord(), &config);
    let read = || std::fs::read_to_string(room.path("marks")).unwrap_or_default();
    wait_for("all to start", || read().lines().count() == 3 && path.exists());
    let (status, took) = container.stop();
    assert_eq!(status, 0);
    assert!(took < Duration::from_secs(8), "it took {took:?}");
    let ends: Vec<String> = read().lines().skip(3).map(str::to_owned).collect();
    let order = ["third", "second", "first"];
    let expected: Vec<String> =
        order.iter().flat_map(|n| [format!("term {n}"), format!("gone {n}")]).collect();
    assert_eq!(ends, expected);
    assert!(!path.exists(), "the socket of a program is left behind");
    assert!(!room.path("supervisord.sock").exists());
    assert!(!procfs::alive(container.init));
}

#[test]
fn it_ends_in_its_time() {
    let room = Room::new();
    let stubborn = "/bin/sh -c \"trap '' TERM; echo ready; while :; do sleep 1000; done\"";
    let log = room.path("p.log");
    let lines = format!("startsecs=0\nstopwaitsecs=60\nstdout_logfile={}", log.display());
    let config = Config::new(&room).daemon("shutdown_timeout=2").program("p", stubborn, &lines);
    let mut container = Container::start(&room, Dist::plain().supervisord(), &config);
    wait_for("the trap", || std::fs::read_to_string(&log).is_ok_and(|t| t == "ready\n"));
    let (status, took) = container.stop();
    assert_eq!(status, 0);
    assert!(took >= Duration::from_millis(1_800), "it did not wait: {took:?}");
    assert!(took < Duration::from_secs(7), "it took {took:?}");
}

#[test]
fn a_broker_is_replaced_and_programs_run_on() {
    let room = Room::new();
    let mut container = Container::start(&room, Dist::hooks().supervisord(), &orphans(&room, 1));
    let pid = container.daemon.wait_running("quiet");
    let old = container.broker();
    let known = inside(old);
    assert!(procfs::signal(old, Signal::SIGKILL));
    wait_for("another broker", || container.broker() != old);
    assert_eq!(container.daemon.wait_running("quiet"), pid);
    let log = container.daemon.activity();
    assert!(!log.contains(&format!("reaped unknown pid {known} ")), "{log}");
    assert_eq!(container.stop().0, 0);
}

#[test]
fn a_start_that_cannot_be_has_its_status() {
    let room = Room::new();
    let config = Config::new(&room).program("p", "/bin/sleep 100000", "startsecs=soon");
    let outcome = Launch::new(&room, Dist::plain().supervisord())
        .through(&CONTAINER)
        .args(&["-n"])
        .config(&config.write(&room))
        .run();
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert!(outcome.stderr.contains("startsecs"), "{outcome:?}");
}
