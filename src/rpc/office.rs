//! What the methods need of the broker.

use std::fs::File;
use std::future::Future;
use std::io;

use jiff::tz::TimeZone;

use crate::config::settings::{Level, Settings};
use crate::process::{Command, Heart, Now, Outcome};

/// The broker as the methods see it. The loop implements it; tests have one of their own.
pub trait Office {
    /// The settings in force.
    fn settings(&self) -> &Settings;
    /// The time.
    fn now(&self) -> Now;
    /// The local time zone, made once from [`Settings::zone`].
    fn zone(&self) -> &TimeZone;
    /// The daemon's process id: the spawner's.
    fn pid(&self) -> i32;
    /// Looks at the state of the processes. Not called from inside itself.
    fn heart<R>(&self, look: impl FnOnce(&Heart) -> R) -> R;
    /// Carries out a command and waits for its answer.
    fn command(&self, command: Command) -> impl Future<Output = Vec<Outcome>>;
    /// Opens a log file for reading. Fails with `NotFound` where there is no file.
    fn open_log(&self, log: u32) -> impl Future<Output = io::Result<File>>;
    /// The size in bytes of a file that [`Office::open_log`] gave, at this moment.
    fn log_size(&self, file: &File) -> io::Result<u64>;
    /// Empties a log file.
    fn clear_log(&self, log: u32) -> impl Future<Output = io::Result<()>>;
    /// Writes a line to the activity log.
    fn note(&self, level: Level, text: String);
    /// Begins the orderly stop of everything.
    fn shutdown(&self);
}
