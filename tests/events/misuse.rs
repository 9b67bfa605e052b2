//! Listeners that do not keep to the protocol, and configurations that cannot.

use std::time::{Duration, Instant};

use system_tests::procfs::Status;
use system_tests::{Config, Dist, Launch, Room, wait_for};

use crate::{heard, launch, numbers, pool, speaker};

const MESSAGES: &str = "events=PROCESS_COMMUNICATION_STDOUT";

#[test]
fn a_listener_that_breaks_the_protocol_is_named_and_started_again() {
    const EVENTS: u64 = 8;
    let room = Room::new();
    // Each life takes three events and breaks off at the fourth.
    let listener = format!("breaks {} 3", room.text("heard"));
    let (command, lines) = speaker(&room, 1, EVENTS, "go");
    let config = Config::new(&room)
        .section(&pool(&room, "rude", &listener, MESSAGES))
        .program("speaker", &command, lines);
    let mut daemon = launch(&room, &config);
    let first = daemon.wait_running("rude");
    room.file("go", "");
    wait_for("the last event", || {
        heard(&room, "heard").last().is_some_and(|event| event.last_line == EVENTS.to_string())
    });
    // The event that a life broke off at is the first of the next.
    assert_eq!(numbers(&heard(&room, "heard")), [1, 2, 3, 4, 4, 5, 6, 7, 7, 8]);
    let log = daemon.activity();
    for line in [
        "WARN rude: bad result line: 'this is no result'",
        "WARN rude: has entered the UNKNOWN state and will no longer receive events, this usually \
         indicates the process violated the eventlistener protocol",
    ] {
        assert_eq!(log.matches(line).count(), 2, "{line} in\n{log}");
    }
    assert_ne!(daemon.wait_running("rude"), first);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn one_that_never_says_anything_sensible_is_started_again_ever_more_slowly() {
    let room = Room::new();
    let section = "[eventlistener:noise]\ncommand=/bin/sh -c 'echo hello; exec sleep 1000'\n\
                   events=TICK_3600\nstartsecs=0\n";
    let mut daemon = launch(&room, &Config::new(&room).section(section));
    let starts = || daemon.activity().matches("spawned: 'noise'").count();
    let began = Instant::now();
    // The first time at once, then after one second, two …
    wait_for("three starts", || starts() >= 3);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(800), "{took:?}");
    std::thread::sleep(Duration::from_millis(1_000));
    assert!(starts() <= 4, "{} starts in {:?}", starts(), began.elapsed());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_listener_that_sleeps_holds_up_neither_others_nor_the_daemon() {
    const EVENTS: u64 = 1_000;
    let room = Room::new();
    let (command, lines) = speaker(&room, 1, EVENTS, "go");
    let deaf = "[eventlistener:deaf]\nevents=PROCESS_COMMUNICATION\nstartsecs=0\nbuffer_size=5\n\
                command=/bin/sh -c 'echo READY; exec sleep 1000'\n";
    let listener = format!("record {}", room.text("heard"));
    let config = Config::new(&room)
        .section(deaf)
        .section(&pool(&room, "other", &listener, &format!("{MESSAGES}\nbuffer_size={EVENTS}")))
        .program("speaker", &command, lines);
    let mut daemon = launch(&room, &config);
    daemon.wait_running("deaf");
    daemon.wait_running("other");
    room.file("go", "");
    wait_for("the last event", || heard(&room, "heard").len() as u64 >= EVENTS);
    assert_eq!(numbers(&heard(&room, "heard")), (1..=EVENTS).collect::<Vec<_>>());
    assert!(!daemon.activity().contains("pool other event buffer overflowed"));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_listener_cannot_have_its_errors_in_its_answers() {
    let room = Room::new();
    let section = pool(&room, "mixed", "record /dev/null", "events=TICK_60\nredirect_stderr=true");
    let config = Config::new(&room).section(&section).write(&room);
    let outcome =
        Launch::new(&room, Dist::plain().supervisord()).config(&config).args(&["-n"]).run();
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    let said = outcome.stderr;
    assert!(said.contains("[eventlistener:mixed]") && said.contains("redirect_stderr"), "{said}");
}

#[test]
fn an_answer_without_end_takes_no_memory() {
    let room = Room::new();
    let go = room.text("go");
    // The first has no line end, the second no end.
    let endless = |name: &str, begin: &str| {
        format!(
            "[eventlistener:{name}]\nevents=REMOTE_COMMUNICATION\nstartsecs=0\n\
             stdout_logfile=NONE\ncommand=/bin/sh -c \"echo READY; read -r line; \
             printf '{begin}'; touch {go}.{name}; exec cat /dev/zero\"\n"
        )
    };
    let config = Config::new(&room)
        .section(&endless("line", "RESULT "))
        .section(&endless("body", "RESULT 9999999999999\\\\n"));
    let mut daemon = launch(&room, &config);
    daemon.wait_running("line");
    daemon.wait_running("body");
    let broker = daemon.broker();
    let before = Status::of(broker).rss();
    daemon.ask("supervisor.sendRemoteCommEvent", &["a".into(), "b".into()]);
    wait_for("both to answer", || {
        ["go.line", "go.body"].iter().all(|file| room.path(file).exists())
    });
    let until = Instant::now() + Duration::from_secs(1);
    let mut most = 0;
    while Instant::now() < until {
        most = most.max(Status::of(broker).rss());
        daemon.ask("supervisor.getState", &[]);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(most < before + (16 << 10), "{before} KiB before, {most} KiB at most");
    assert_eq!(daemon.broker(), broker);
    assert!(daemon.activity().contains("WARN line: bad result line: "), "{}", daemon.activity());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_listener_that_has_closed_its_ears_costs_nothing() {
    let room = Room::new();
    let section = "[eventlistener:deaf]\nevents=REMOTE_COMMUNICATION\nstartsecs=0\n\
                   command=/bin/sh -c 'exec < /dev/null; echo READY; exec sleep 1000'\n";
    let config = Config::new(&room).daemon("loglevel=debug").section(section);
    let mut daemon = launch(&room, &config);
    daemon.wait_running("deaf");
    wait_for("it to be ready", || daemon.activity().contains("deaf: ACKNOWLEDGED -> READY"));
    daemon.ask("supervisor.sendRemoteCommEvent", &["a".into(), "b".into()]);
    let tries = || daemon.activity().matches("epipe occurred while sending event").count();
    wait_for("a try", || tries() > 0);
    std::thread::sleep(Duration::from_secs(1));
    assert!(tries() <= 3, "{} tries in a second", tries());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn an_event_larger_than_any_pipe_arrives_whole() {
    let room = Room::new();
    let listener = format!("record {}", room.text("heard"));
    let section = pool(&room, "large", &listener, "events=REMOTE_COMMUNICATION");
    let mut daemon = launch(&room, &Config::new(&room).section(&section));
    daemon.wait_running("large");
    let sizes = [10, 4_095, 4_096, 65_535, 65_536, 65_537, 131_072, 700_000];
    for size in sizes {
        let data = "0123456789".repeat(size / 10 + 1);
        daemon.ask("supervisor.sendRemoteCommEvent", &["a".into(), data[..size].into()]);
    }
    wait_for("all of them", || heard(&room, "heard").len() == sizes.len());
    for (event, size) in heard(&room, "heard").iter().zip(sizes) {
        let whole = "0123456789".repeat(size / 10 + 1);
        assert!(event.last_line == whole[..size], "{size} bytes are not what was sent");
    }
    assert_eq!(daemon.stop(), 0);
}
