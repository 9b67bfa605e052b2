//! How much the broker may say for long: one that lies must not push out what was said before.

use std::time::{Duration, Instant};

/// Bytes of lines that it may say at once, after it was quiet.
pub(super) const BURST: i64 = 8 << 20;
/// Bytes of lines for each second: 80 records or so. 550 MB of history take more than four hours.
const STEADY: i64 = 32 << 10;

/// What may still be said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    /// Less than nothing where the last piece was longer than that.
    left: i64,
    at: Instant,
}

impl Rate {
    pub(super) fn new(left: i64, now: Instant) -> Rate {
        Rate { left: left.min(BURST), at: now }
    }

    /// What is left, in bytes.
    pub(super) fn left(&self) -> i64 {
        self.left
    }

    /// Takes so many bytes.
    pub(super) fn take(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// How long nothing may be said yet; `None` where something may be now.
    pub(super) fn wait(&mut self, now: Instant) -> Option<Duration> {
        let millis = i64::try_from(now.saturating_duration_since(self.at).as_millis());
        let more = millis.unwrap_or(i64::MAX).saturating_mul(STEADY) / 1_000;
        if more > 0 {
            (self.left, self.at) = (self.left.saturating_add(more).min(BURST), now);
        }
        (self.left <= 0).then_some(Duration::from_millis(100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_burst_there_is_a_steady_rate() {
        let begin = Instant::now();
        let mut rate = Rate::new(i64::MAX, begin);
        let mut said = 0;
        for millis in (0..600_000).step_by(50) {
            let now = begin + Duration::from_millis(millis);
            while rate.wait(now).is_none() {
                rate.take(32 << 10);
                said += 32 << 10;
            }
        }
        assert!(said > BURST + 590 * STEADY && said < BURST + 610 * STEADY, "{said}");
        assert_eq!(Rate::new(7, begin).left(), 7);
        assert_eq!(Rate::new(0, begin).wait(begin), Some(Duration::from_millis(100)));
    }
}
