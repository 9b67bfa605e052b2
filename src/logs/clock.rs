//! Times as people read them, in the zone that the settings carry.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use nix::time::{ClockId, clock_gettime};

use crate::config::settings::Zone;
use crate::process::Now;

/// The local time zone.
#[derive(Debug, Clone)]
pub struct Clock(TimeZone);

impl Clock {
    /// From the settings; a zone that makes no sense counts as universal time.
    pub fn new(zone: &Zone) -> Clock {
        let zone = match zone {
            Zone::Utc => None,
            Zone::Tzif(bytes) => TimeZone::tzif("local", bytes).ok(),
            Zone::Posix(text) => TimeZone::posix(text).ok(),
        };
        Clock(zone.unwrap_or(TimeZone::UTC))
    }

    /// The zone itself.
    pub fn zone(&self) -> &TimeZone {
        &self.0
    }

    /// `YYYY-MM-DD HH:MM:SS,mmm` for a time since the epoch.
    pub fn stamp(&self, wall: Duration) -> String {
        let seconds = i64::try_from(wall.as_secs()).unwrap_or(0);
        let t = self.0.to_datetime(Timestamp::from_second(seconds).unwrap_or_default());
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02},{:03}",
            t.year(),
            t.month(),
            t.day(),
            t.hour(),
            t.minute(),
            t.second(),
            wall.subsec_millis()
        )
    }

    /// `Mmm dd HH:MM:SS`, as lines of the system's log begin.
    pub fn short(&self, wall: Duration) -> String {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let seconds = i64::try_from(wall.as_secs()).unwrap_or(0);
        let t = self.0.to_datetime(Timestamp::from_second(seconds).unwrap_or_default());
        let month =
            usize::try_from(t.month() - 1).ok().and_then(|n| MONTHS.get(n)).unwrap_or(&"Jan");
        format!("{month} {:2} {:02}:{:02}:{:02}", t.day(), t.hour(), t.minute(), t.second())
    }
}

/// This moment.
pub fn now() -> Now {
    let mono = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
    Now {
        mono: mono.unwrap_or_default(),
        wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_comes_from_the_zone_alone() {
        let wall = Duration::from_millis(1_780_000_000_042);
        let stamp = |zone| Clock::new(&zone).stamp(wall);
        assert_eq!(stamp(Zone::Utc), "2026-05-28 20:26:40,042");
        assert_eq!(stamp(Zone::Posix("JST-9".into())), "2026-05-29 05:26:40,042");
        let short =
            Clock::new(&Zone::Posix("JST-9".into())).short(Duration::from_secs(1_778_034_009));
        assert_eq!(short, "May  6 11:20:09");
        assert_eq!(stamp(Zone::Tzif(b"junk".to_vec())), "2026-05-28 20:26:40,042");
        if let Ok(bytes) = std::fs::read("/usr/share/zoneinfo/Asia/Tokyo") {
            assert_eq!(stamp(Zone::Tzif(bytes)), "2026-05-29 05:26:40,042");
        }
    }
}
