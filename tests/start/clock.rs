//! Times are local times, also in a sandbox and also after the broker was replaced.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use system_tests::dist::Dist;
use system_tests::{Config, Daemon, Launch, Room, poll_until};

const NINE_HOURS: i64 = 9 * 3600;

/// Seconds since the epoch of `YYYY-MM-DD HH:MM:SS`, as if it were universal time.
fn seconds(stamp: &str) -> Option<i64> {
    let fields = stamp.split([' ', '-', ':']).map(|f| f.parse::<i64>().ok());
    let fields: Vec<i64> = fields.collect::<Option<_>>()?;
    let [year, month, day, hour, minute, second] = fields.try_into().ok()?;
    // Days of the civil calendar, counted from March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + day
            - 1;
    Some((days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(now.as_secs()).expect("a date of this age")
}

/// Every line of the activity log is of the last minutes, on a clock that is this far from universal time.
fn assert_times(daemon: &Daemon, offset: i64) {
    let log = daemon.activity();
    assert!(log.lines().count() > 1, "{log}");
    for line in log.lines() {
        let (stamp, _) = line.split_once(',').unwrap_or_else(|| panic!("no time in {line:?}"));
        let time = seconds(stamp).unwrap_or_else(|| panic!("no time in {line:?}"));
        let late = now() + offset - time;
        assert!((-2..300).contains(&late), "{late} s off: {line}");
    }
}

fn shows_local_time(zone: &str) {
    let room = Room::new();
    let config = Config::new(&room).program("p", "/bin/sleep 100000", "").program(
        "done",
        "/bin/true",
        "startsecs=0\nautorestart=false",
    );
    let file = config.write(&room);
    let mut daemon =
        Launch::new(&room, Dist::plain().supervisord()).env("TZ", zone).config(&file).ready();
    daemon.wait_running("p");
    assert_times(&daemon, NINE_HOURS);
    daemon.replace_broker();
    daemon.ask("supervisor.stopProcess", &["p".into(), true.into()]);
    poll_until("a line of the second broker", || {
        daemon.activity().contains("stopped: p ").then_some(())
    });
    assert_times(&daemon, NINE_HOURS);
    let info = daemon.wait_state("done", "EXITED");
    let stop = info.get("stop").int() + NINE_HOURS;
    let (hour, minute) = (stop.rem_euclid(86_400) / 3600, stop.rem_euclid(3600) / 60);
    let half = if hour < 12 { "AM" } else { "PM" };
    let clock = format!("{:02}:{minute:02} {half}", (hour + 11) % 12 + 1);
    let description = info.get("description").str();
    assert!(description.ends_with(&clock), "{description} does not end with {clock}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_zone_of_a_file() {
    let file = "/usr/share/zoneinfo/Asia/Tokyo";
    assert!(std::path::Path::new(file).exists(), "{file} (package tzdata) is needed");
    shows_local_time("Asia/Tokyo");
}

#[test]
fn the_zone_of_a_rule() {
    shows_local_time("JST-9");
}

#[test]
fn no_zone_is_the_system_s() {
    let room = Room::new();
    let file = Config::new(&room).program("p", "/bin/sleep 100000", "").write(&room);
    let daemon = Launch::new(&room, Dist::plain().supervisord()).config(&file).ready();
    daemon.wait_running("p");
    let date =
        std::process::Command::new("date").arg("+%z").env_remove("TZ").output().expect("date(1)");
    let text = String::from_utf8_lossy(&date.stdout).trim().to_owned();
    let (sign, digits) = text.split_at(1);
    let digits: i64 = digits.parse().expect("an offset as +hhmm");
    let offset = (digits / 100) * 3600 + (digits % 100) * 60;
    assert_times(&daemon, if sign == "-" { -offset } else { offset });
}

#[test]
fn the_calendar_of_this_test_is_right() {
    assert_eq!(seconds("1970-01-01 00:00:00"), Some(0));
    assert_eq!(seconds("2026-11-21 04:36:12"), Some(1_795_235_772));
    assert_eq!(seconds("2024-02-29 12:00:00"), Some(1_709_208_000));
}
