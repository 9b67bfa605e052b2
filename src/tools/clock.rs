//! Times as the mails have them, in the local zone.

use std::time::Duration;

use jiff::Timestamp;

use crate::config::facts::zone;
use crate::logs::clock::{Clock, now};

use super::Start;

/// The local time zone, as `TZ` or the machine says.
pub struct Local(Clock);

impl Local {
    /// Looks it up.
    pub fn new(start: &Start) -> Local {
        Local(Clock::new(&zone(start.variable("TZ").as_deref())))
    }

    /// This moment, `YYYY-MM-DD HH:MM:SS,mmm`.
    pub fn stamp(&self) -> String {
        self.0.stamp(now().wall)
    }

    /// This moment, `Www Mmm dd HH:MM:SS YYYY` and the zone's short name.
    pub fn asctime(&self) -> String {
        self.asctime_of(now().wall)
    }

    fn asctime_of(&self, wall: Duration) -> String {
        let moment = timestamp(wall).to_zoned(self.0.zone().clone());
        moment.strftime("%a %b %e %H:%M:%S %Y %Z").to_string()
    }
}

fn timestamp(wall: Duration) -> Timestamp {
    Timestamp::from_second(i64::try_from(wall.as_secs()).unwrap_or(0)).unwrap_or_default()
}

/// This moment, as the header `Date` of a mail.
pub fn mail_date() -> String {
    date_of(now().wall)
}

fn date_of(wall: Duration) -> String {
    timestamp(wall).strftime("%a, %d %b %Y %H:%M:%S -0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Zone;

    #[test]
    fn times() {
        let wall = Duration::from_millis(1_780_000_000_042);
        let local = Local(Clock::new(&Zone::Posix("JST-9".into())));
        assert_eq!(local.asctime_of(wall), "Fri May 29 05:26:40 2026 JST");
        let early = Duration::from_secs(1_778_034_009);
        assert_eq!(local.asctime_of(early), "Wed May  6 11:20:09 2026 JST");
        assert_eq!(date_of(early), "Wed, 06 May 2026 02:20:09 -0000");
        assert_eq!(Local(Clock::new(&Zone::Utc)).asctime_of(wall), "Thu May 28 20:26:40 2026 UTC");
    }
}
