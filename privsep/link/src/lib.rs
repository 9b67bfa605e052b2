//! The broker's end of the border: datagrams with descriptors, the journal's mapping, and moving bytes inside the
//! kernel.
//!
//! Room: unprivileged. Apart from the spawner this is the only place where unsafe code is allowed; each block says
//! what makes it sound. What comes from the spawner is input: lengths and descriptor counts are checked.
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )
)]

#[allow(unsafe_code)]
pub mod bytes;
#[cfg(supervisor_hooks)]
#[allow(unsafe_code, clippy::multiple_unsafe_ops_per_block)]
pub mod hook;
#[allow(unsafe_code)]
pub mod inherited;
#[allow(unsafe_code)]
pub mod journal;
#[allow(unsafe_code)]
pub mod peer;
#[allow(unsafe_code)]
mod poll;
#[allow(unsafe_code)]
pub mod reader;
#[allow(unsafe_code)]
pub mod spawner;
#[allow(unsafe_code)]
pub mod thread;
pub mod watch;

pub use journal::Journal;
pub use spawner::Spawner;
pub use watch::Watch;
