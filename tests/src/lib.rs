//! The harness of the whole-system tests: rooms, configurations, daemons, and what /proc says about them.
//!
//! Everything here looks at the daemon from outside: its sockets, its files, its processes. It needs root, because the
//! daemon does. A missing binary or right is a failure that says so, never a test that is passed over.
#![forbid(unsafe_code)]

mod base64;
pub mod browser;
pub mod config;
pub mod daemon;
pub mod dist;
pub mod lines;
pub mod logins;
pub mod net;
pub mod netns;
pub mod people;
pub mod pki;
pub mod procfs;
pub mod proxy;
pub mod room;
pub mod rpc;
pub mod wait;
mod watchdog;
pub mod wire;

pub use base64::base64;
pub use config::Config;
pub use daemon::{Daemon, Launch, Outcome};
pub use dist::Dist;
pub use netns::Network;
pub use people::{Account, People};
pub use room::Room;
pub use rpc::{Client, Error, Value};
pub use wait::{poll_until, wait_for};

/// The user and group id of nobody.
pub const NOBODY: u32 = 65_534;
