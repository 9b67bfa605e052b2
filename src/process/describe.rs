//! The description that status and RPC show beside a state.

use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Info, State};

/// The text for a process of this name, with times in this zone.
pub fn describe(name: &str, info: &Info, zone: &TimeZone) -> String {
    Describer::new(zone).describe(name, info).to_owned()
}

/// Makes descriptions, with times in one zone. What many processes have in common is made once.
pub struct Describer<'z> {
    zone: &'z TimeZone,
    text: String,
    /// The last uptime, in seconds, and its text.
    uptime: Option<(u64, String)>,
    /// The last minute of an end, and its text.
    end: Option<(u64, String)>,
}

impl<'z> Describer<'z> {
    /// With nothing made yet.
    pub fn new(zone: &'z TimeZone) -> Describer<'z> {
        Describer { zone, text: String::new(), uptime: None, end: None }
    }

    /// The text for a process of this name.
    pub fn describe(&mut self, name: &str, info: &Info) -> &str {
        self.text.clear();
        match info.state {
            State::Running => {
                let uptime = made(&mut self.uptime, info.uptime.as_secs(), || span(info.uptime));
                // Infallible: text grows.
                let _ = write!(self.text, "pid {}, uptime ", info.pid);
                self.text.push_str(uptime);
            }
            State::Fatal | State::Backoff if info.spawnerr.is_empty() => {
                let _ = write!(self.text, "unknown error (try \"tail {name}\")");
            }
            State::Fatal | State::Backoff => self.text.push_str(&info.spawnerr),
            State::Stopped | State::Exited if info.start.is_none() => {
                self.text.push_str("Not started");
            }
            State::Stopped | State::Exited => {
                let stop = info.stop.unwrap_or_default();
                let end = made(&mut self.end, stop.as_secs() / 60, || stopped_at(stop, self.zone));
                self.text.push_str(end);
            }
            State::Starting | State::Stopping | State::Unknown => {}
        }
        &self.text
    }
}

/// The last text if it is of the same time, else a new one.
fn made(last: &mut Option<(u64, String)>, time: u64, make: impl FnOnce() -> String) -> &str {
    *last = last.take().filter(|(of, _)| *of == time);
    let (_, text) = last.get_or_insert_with(|| (time, make()));
    text
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
        let mut describer = Describer::new(&tokyo);
        assert_eq!(describer.describe("cat", &info(State::Stopped)), "Nov 21 10:56 AM");
        let mut odd = info(State::Stopped);
        odd.stop = Some(Duration::MAX);
        describer.describe("cat", &odd);
        odd.stop = Some(Duration::from_secs(1_795_226_180 + 3_600));
        assert_eq!(describer.describe("cat", &odd), "Nov 21 11:56 AM");
        let later = Info { uptime: Duration::from_secs(57), ..info(State::Running) };
        assert_eq!(describer.describe("cat", &info(State::Running)), "pid 19444, uptime 0:00:56");
        assert_eq!(describer.describe("cat", &later), "pid 19444, uptime 0:00:57");
    }

    #[test]
    fn days_are_counted() {
        let span = |secs| span(Duration::from_secs(secs));
        assert_eq!(span(0), "0:00:00");
        assert_eq!(span(86_405), "1 day, 0:00:05");
        assert_eq!(span(2 * 86_400 + 3_661), "2 days, 1:01:01");
    }
}
