//! What each helper may do: its sandbox, entered once and checked at once. And what people may do: [`access`] decides, and
//! [`audit`] keeps the record.
//!
//! A helper calls [`harden`] first thing, and before it takes input from anybody [`broker_lockdown`],
//! [`parser_lockdown`] or [`audit_lockdown`]. System calls stand in `seccomp/*.json`, one rule each with its reason; they are compiled when
//! this is built.
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

pub mod access;
pub mod audit;
mod error;
mod filter;
mod lockdown;
mod probe;
#[allow(unsafe_code)]
mod sys;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use lockdown::{
    LockedDown, audit_lockdown, broker_lockdown, harden, parser_lockdown, worker_lockdown,
};
pub use sys::{Fork, fork};
