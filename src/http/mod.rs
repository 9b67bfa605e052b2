//! The HTTP servers: listening, limits, authentication, routes.
//!
//! One task accepts, one task serves a connection; all of them on the broker's only thread. What a client sends is
//! bounded before it is believed: size and time of a head, size and time of a body, connections in all and by source.

mod accept;
pub mod auth;
mod connection;
mod follow;
mod gate;
pub mod hash;
pub mod head;
mod hosts;
mod limits;
mod line;
mod login;
mod logins;
mod means;
mod pam;
mod places;
mod reply;
mod route;
mod sessions;
mod stream;
mod tally;
mod terms;
#[cfg(test)]
mod tests;
mod throttle;
mod tls;
pub mod tokens;

use std::fs::File;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;

pub use accept::{Listener, serve};
pub use gate::Gate;
pub use hash::Hasher;

use crate::config::settings::Level;
use crate::rpc::office::Office;

/// The broker as the HTTP servers see it.
pub trait Site: Office + 'static {
    /// Resolves when a log has grown, was rotated, cleared or reopened after the future was first polled.
    fn changed(&self, log: u32) -> impl Future<Output = ()>;
    /// What tells an open log file from every other one that exists: device and inode.
    fn log_identity(&self, file: &File) -> io::Result<(u64, u64)>;
    /// One end of a socket to a PAM helper, for one attempt; EAGAIN while too many are under way.
    fn helper(&self) -> impl Future<Output = io::Result<OwnedFd>>;
    /// Writes a line to the activity log.
    fn log(&self, level: Level, text: String) {
        self.note(level, text);
    }
    /// Carries out a test's order inside the sandbox and tells what came of it; nothing where there is no such order.
    #[cfg(supervisor_hooks)]
    fn hook(&self, name: &str) -> Option<String>;
}
