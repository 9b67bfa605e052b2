//! Tests: the system's log.

use super::*;

/// The system's log and what it is sent.
fn syslogd() -> (OwnedFd, OwnedFd) {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socketpair(AddressFamily::Unix, SockType::Datagram, None, flags).unwrap()
}

/// One line without its priority and time.
fn heard(syslogd: &OwnedFd) -> Option<String> {
    let mut bytes = [0; 10_000];
    let n = nix::unistd::read(syslogd, &mut bytes).ok()?;
    let line = std::str::from_utf8(&bytes[..n]).unwrap();
    let (time, text) = line.strip_prefix("<14>").unwrap().split_at(15);
    assert_eq!((&time[3..4], &time[9..10]), (" ", ":"), "{line}");
    Some(text.to_owned())
}

fn all_heard(syslogd: &OwnedFd) -> Vec<String> {
    std::iter::from_fn(|| heard(syslogd)).collect()
}

fn logged(log: Option<Log>) -> Route {
    Route { syslog: Some(1), ..to(log) }
}

#[tokio::test]
async fn each_line_is_a_datagram_whatever_the_file_does() {
    let mut rig = rig(&[0]);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    rig.logs.opened(0, 0, full.into(), Instant::now());
    let (socket, syslogd) = syslogd();
    let out = rig.attach_to(logged(Some(0)));
    put(&out, "one\n\ntw");
    rig.run(Duration::from_millis(20)).await;
    let asked = [Event::Reopen(1)];
    assert_eq!(rig.logs.events(), asked);
    rig.logs.opened(1, 1, socket, Instant::now());
    rig.run(Duration::from_millis(60)).await;
    assert_eq!(all_heard(&syslogd), [" supervisord: p one", " supervisord: p "]);
    assert_eq!(rig.logs.events(), [Event::Trouble(0, Errno::ENOSPC)]);
    put(&out, "o\n");
    rig.run(Duration::from_millis(300)).await;
    assert_eq!(all_heard(&syslogd), [" supervisord: p two"]);
    put(&out, "no end");
    rig.run(Duration::from_millis(600)).await;
    assert_eq!(all_heard(&syslogd), [" supervisord: p no end"], "half a line waits for a moment");
    rig.open(0, 0, "log");
    rig.run(Duration::from_millis(20)).await;
    assert_eq!(rig.text("log"), "one\n\ntwo\nno end");
    assert_eq!(all_heard(&syslogd), [] as [&str; 0], "nothing is sent twice");
    put(&out, &"x".repeat(9_000));
    rig.logs.finish(0, 1, Instant::now());
    let lengths: Vec<usize> = all_heard(&syslogd).iter().map(String::len).collect();
    assert_eq!(lengths, [8_016, 1_016], "in pieces that receivers take");
}

#[tokio::test]
async fn a_program_has_a_tag_of_its_own_where_one_is_set() {
    let mut rig = rig(&[0]);
    let (socket, syslogd) = syslogd();
    rig.logs.opened(1, 1, socket, Instant::now());
    let route = Route { caller: syslog::caller("p", Some("web-1")), ..logged(None) };
    let out = rig.attach_to(route);
    put(&out, "one\ntwo\n");
    rig.run(Duration::from_millis(20)).await;
    assert_eq!(all_heard(&syslogd), [" web-1: one", " web-1: two"]);
}

#[tokio::test]
async fn a_system_log_that_is_full_or_gone_is_not_waited_for() {
    let mut rig = rig(&[0]);
    rig.open(0, 0, "log");
    let (socket, old) = syslogd();
    rig.logs.opened(1, 1, socket, Instant::now());
    let out = rig.attach_to(logged(Some(0)));
    let line = |n: usize| format!("{n:05} {}\n", "x".repeat(1_000));
    let mut text = String::new();
    let mut n = 0;
    let end = Instant::now() + Duration::from_secs(10);
    // Nobody reads: after a moment the file goes on alone.
    while n < 1_000 {
        assert!(Instant::now() < end);
        match write(&out, line(n).as_bytes()) {
            Ok(_) => {
                text.push_str(&line(n));
                n += 1;
            }
            Err(_) => rig.run(Duration::from_millis(5)).await,
        }
    }
    rig.run(Duration::from_millis(300)).await;
    assert!(rig.text("log") == text);
    let taken = all_heard(&old).len();
    assert!(taken < 500, "{taken}");
    assert!(matches!(rig.logs.events()[..], [Event::Trouble(1, _)]));
    rig.run(Duration::from_millis(1_100)).await;
    put(&out, "again\n");
    rig.run(Duration::from_millis(20)).await;
    assert_eq!(heard(&old).unwrap(), " supervisord: p again");
    let dropped = u64::try_from(n - taken).unwrap();
    assert_eq!(rig.logs.events(), [Event::Works(1, dropped)]);
    // It is restarted: another socket is asked for, and what comes meanwhile waits.
    drop(old);
    put(&out, "first\n");
    rig.run(Duration::from_millis(20)).await;
    assert_eq!(rig.logs.events(), [Event::Reopen(1)]);
    rig.logs.not_opened(1, Errno::ECONNREFUSED, Instant::now());
    rig.run(Duration::from_millis(120)).await;
    assert_eq!(rig.logs.events(), [Event::Trouble(1, Errno::ECONNREFUSED), Event::Reopen(1)]);
    let (socket, new) = syslogd();
    rig.logs.opened(1, 1, socket, Instant::now());
    rig.run(Duration::from_millis(20)).await;
    assert_eq!(all_heard(&new), [" supervisord: p first"]);
    assert_eq!(rig.logs.events(), [Event::Works(1, 0)]);
}

#[tokio::test]
async fn the_activity_log_may_be_the_system_s() {
    let mut rig = rig(&[0]);
    let settings = ActivityLog { log: Some(1), level: Level::Info, stdout: false };
    let mut activity = activity::Activity::new(&settings, None, Clock::new(&Zone::Utc));
    let wall = Duration::from_millis(1_780_000_000_042);
    activity.line(&mut rig.logs, Level::Info, "one", wall);
    activity.line(&mut rig.logs, Level::Warn, "two", wall);
    assert_eq!(rig.logs.events(), [Event::Reopen(1)]);
    rig.run(Duration::from_millis(500)).await;
    let (socket, syslogd) = syslogd();
    rig.logs.opened(1, 1, socket, Instant::now());
    activity.flush(&mut rig.logs);
    let expected = [
        " supervisord: 2026-05-28 20:26:40,042 INFO one\n",
        " supervisord: 2026-05-28 20:26:40,042 WARN two\n",
    ];
    assert_eq!(all_heard(&syslogd), expected);
}
