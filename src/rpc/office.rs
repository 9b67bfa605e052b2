//! What the methods need of the broker.

use std::fs::File;
use std::future::Future;
use std::io;

use crate::config::settings::Settings;
use crate::process::{Command, Now, Outcome};

/// The broker as the methods see it. The loop implements it; tests have one of their own.
pub trait Office {
    /// The settings in force.
    fn settings(&self) -> &Settings;
    /// The time.
    fn now(&self) -> Now;
    /// The daemon's process id: the spawner's.
    fn pid(&self) -> i32;
    /// Carries out a command and waits for its answer.
    fn command(&self, command: Command) -> impl Future<Output = Vec<Outcome>>;
    /// Opens a log file for reading.
    fn open_log(&self, log: u32) -> impl Future<Output = io::Result<File>>;
    /// Empties a log file.
    fn clear_log(&self, log: u32) -> impl Future<Output = io::Result<()>>;
    /// Begins the orderly stop of everything.
    fn shutdown(&self);
}
