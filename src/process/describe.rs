//! The description that status and RPC show beside a state.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Info, State};

/// The text for a process of this name, with times in this zone.
pub fn describe(name: &str, info: &Info, zone: &TimeZone) -> String {
    match info.state {
        State::Running => format!("pid {}, uptime {}", info.pid, span(info.uptime)),
        State::Fatal | State::Backoff if info.spawnerr.is_empty() => {
            format!("unknown error (try \"tail {name}\")")
        }
        State::Fatal | State::Backoff => info.spawnerr.clone(),
        State::Stopped | State::Exited if info.start.is_none() => "Not started".to_owned(),
        State::Stopped | State::Exited => stopped_at(info.stop.unwrap_or_default(), zone),
        State::Starting | State::Stopping | State::Unknown => String::new(),
    }
}

/// `H:MM:SS`, with days before it from one day on.
fn span(time: Duration) -> String {
    let secs = time.as_secs();
    let (days, hours, minutes) = (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60);
    let clock = format!("{hours}:{minutes:02}:{:02}", secs % 60);
    match days {
        0 => clock,
        1 => format!("1 day, {clock}"),
        _ => format!("{days} days, {clock}"),
    }
}

/// `Nov 21 01:56 AM`.
fn stopped_at(wall: Duration, zone: &TimeZone) -> String {
    let secs = i64::try_from(wall.as_secs()).unwrap_or(i64::MAX);
    let at = Timestamp::from_second(secs).unwrap_or(Timestamp::MAX);
    at.to_zoned(zone.clone()).strftime("%b %d %I:%M %p").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(state: State) -> Info {
        Info {
            state,
            pid: 19_444,
            start: Some(Duration::from_secs(1_795_226_180)),
            stop: Some(Duration::from_secs(1_795_226_180)),
            uptime: Duration::from_secs(56),
            exitstatus: None,
            spawnerr: String::new(),
        }
    }

    #[test]
    fn each_state_has_its_text() {
        let text = |i: &Info| describe("cat", i, &TimeZone::UTC);
        assert_eq!(text(&info(State::Running)), "pid 19444, uptime 0:00:56");
        assert_eq!(text(&info(State::Starting)), "");
        assert_eq!(text(&info(State::Stopping)), "");
        assert_eq!(text(&info(State::Unknown)), "");
        assert_eq!(text(&info(State::Fatal)), "unknown error (try \"tail cat\")");
        let why = Info { spawnerr: "Bad exit code 1".into(), ..info(State::Backoff) };
        assert_eq!(text(&why), "Bad exit code 1");
        let never = Info { start: None, ..info(State::Stopped) };
        assert_eq!(text(&never), "Not started");
        assert_eq!(text(&info(State::Exited)), "Nov 21 01:56 AM");
    }

    #[test]
    fn times_are_local() {
        let tokyo = TimeZone::posix("JST-9").unwrap();
        assert_eq!(describe("cat", &info(State::Stopped), &tokyo), "Nov 21 10:56 AM");
        let mut odd = info(State::Stopped);
        odd.stop = Some(Duration::MAX);
        describe("cat", &odd, &tokyo);
    }

    #[test]
    fn days_are_counted() {
        let span = |secs| span(Duration::from_secs(secs));
        assert_eq!(span(0), "0:00:00");
        assert_eq!(span(86_405), "1 day, 0:00:05");
        assert_eq!(span(2 * 86_400 + 3_661), "2 days, 1:01:01");
    }
}
