//! A test that waits without end is named, and takes its suite with it.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any test needs on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

type Watched = Mutex<BTreeMap<u64, (Instant, String)>>;

static WATCHED: LazyLock<Watched> = LazyLock::new(|| {
    thread::spawn(watch);
    Mutex::default()
});

/// A test under watch, until this goes.
#[derive(Debug)]
pub(crate) struct Guard(u64);

impl Guard {
    /// Watches the test that runs on this thread.
    pub(crate) fn new() -> Guard {
        let name = thread::current().name().unwrap_or("a test").to_owned();
        let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
        let number = watched.last_key_value().map_or(0, |(last, _)| last + 1);
        watched.insert(number, (Instant::now(), name));
        Guard(number)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        WATCHED.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

fn watch() {
    loop {
        thread::sleep(Duration::from_secs(1));
        let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, name)) = watched.values().find(|(since, _)| since.elapsed() > PATIENCE) {
            eprintln!(
                "{name} has not ended for {} s, all of the suite ends with it",
                PATIENCE.as_secs()
            );
            std::process::exit(101);
        }
    }
}
