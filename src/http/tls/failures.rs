//! Handshakes that fail, in the activity log. A flood of them is not to fill it: of each source so many are told at once,
//! and what comes faster is counted and told together.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use super::super::Site;
use super::super::limits::Source;
use crate::config::settings::Level;

/// What is told of one source one by one; one more each [`WHILE`].
pub(super) const AT_ONCE: u32 = 10;
/// For how long failures are counted before they are told together.
pub(super) const WHILE: Duration = Duration::from_secs(10);
/// Sources that are told apart at a time; all others together are one more.
pub(super) const SOURCES: usize = 16;

/// Failures of one listener that are counted, not yet told.
#[derive(Default)]
pub(in super::super) struct Failures(RefCell<BTreeMap<Source, Count>>);

struct Count {
    left: u32,
    since: Instant,
    more: u64,
    last: String,
}

impl Count {
    fn refill(&mut self, now: Instant) {
        while self.left < AT_ONCE && now.duration_since(self.since) >= WHILE {
            self.left = self.left.saturating_add(1);
            self.since = self.since.checked_add(WHILE).unwrap_or(now);
        }
        if self.left == AT_ONCE {
            self.since = now;
        }
    }
}

impl Failures {
    /// Tells of a failure, now or with others.
    pub(super) fn tell<S: Site>(self: &Rc<Self>, site: &Rc<S>, source: Source, text: String) {
        let source = {
            let mut counts = self.0.borrow_mut();
            let now = Instant::now();
            if counts.len() >= SOURCES && !counts.contains_key(&source) {
                counts.values_mut().for_each(|count| count.refill(now));
                counts.retain(|_, count| count.left < AT_ONCE || count.more > 0);
            }
            let known = counts.len() < SOURCES || counts.contains_key(&source);
            let source = if known { source } else { Source::Unknown };
            let new = || Count { left: AT_ONCE, since: now, more: 0, last: String::new() };
            let count = counts.entry(source).or_insert_with(new);
            count.refill(now);
            if count.left > 0 && count.more == 0 {
                count.left = count.left.saturating_sub(1);
                drop(counts);
                return site.log(Level::Info, text);
            }
            count.more = count.more.saturating_add(1);
            count.last = text;
            if count.more > 1 {
                return;
            }
            source
        };
        let (failures, site) = (Rc::clone(self), Rc::clone(site));
        spawn_local(async move {
            sleep(WHILE).await;
            if let Some(text) = failures.counted(source) {
                site.log(Level::Info, text);
            }
        });
    }

    fn counted(&self, source: Source) -> Option<String> {
        let mut counts = self.0.borrow_mut();
        let count = counts.get_mut(&source)?;
        let (more, last) = (std::mem::take(&mut count.more), std::mem::take(&mut count.last));
        Some(format!("{last} ({more} more in {} s, this the last)", WHILE.as_secs()))
    }
}
