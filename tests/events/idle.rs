//! What waits costs nothing.

use std::time::{Duration, Instant, SystemTime};

use system_tests::procfs::Status;
use system_tests::{Config, Room, wait_for};

use crate::{heard, launch, pool};

/// How often a process has gone to sleep: each wake-up ends in one more.
fn sleeps(pid: i32) -> u32 {
    Status::of(pid).numbers("voluntary_ctxt_switches")[0]
}

#[test]
fn a_listener_that_has_nothing_to_hear_costs_no_wake_up() {
    let room = Room::new();
    let quiet = format!("record {}", room.text("quiet"));
    let config = Config::new(&room)
        .section(&pool(&room, "quiet", &quiet, "events=PROCESS_STATE_EXITED,REMOTE_COMMUNICATION"))
        .section(&pool(&room, "hourly", "record /dev/null", "events=TICK_3600"))
        .program("p", "/bin/sleep 100000", "");
    let mut daemon = launch(&room, &config);
    for name in ["quiet", "hourly", "p"] {
        daemon.wait_running(name);
    }
    daemon.ask("supervisor.sendRemoteCommEvent", &["a".into(), "b".into()]);
    wait_for("an event", || heard(&room, "quiet").len() == 1);
    let broker = daemon.broker();
    // What the start left to do, an hourly tick at worst.
    std::thread::sleep(Duration::from_millis(1_500));
    let before = sleeps(broker);
    std::thread::sleep(Duration::from_secs(3));
    let woken = sleeps(broker) - before;
    assert!(woken <= 1, "the broker woke up {woken} times in three seconds");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn one_that_hears_ticks_costs_those() {
    let room = Room::new();
    let listener = format!("record {}", room.text("ticks"));
    let section = pool(&room, "ticks", &listener, "events=TICK_5");
    let mut daemon = launch(&room, &Config::new(&room).section(&section));
    daemon.wait_running("ticks");
    let broker = daemon.broker();
    std::thread::sleep(Duration::from_millis(1_500));
    let (before, had) = (sleeps(broker), heard(&room, "ticks").len());
    let began = Instant::now();
    wait_for("a tick", || heard(&room, "ticks").len() > had);
    let tick = heard(&room, "ticks").pop().expect("a tick").last_line;
    let when: u64 = tick.strip_prefix("when:").and_then(|n| n.parse().ok()).expect("a time");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_secs();
    assert!(when.is_multiple_of(5) && now - when <= 1, "{tick} at {now}");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    // The clock, the room in the pipe, the answer and the readiness.
    std::thread::sleep(Duration::from_millis(500));
    let woken = sleeps(broker) - before;
    assert!(woken <= 12, "the broker woke up {woken} times for a tick");
    assert_eq!(daemon.stop(), 0);
}
