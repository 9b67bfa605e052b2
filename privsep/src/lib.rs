//! The border: what the spawner, the broker, the reader and the audit writer may say to each other.
//!
//! No input or output, no clock, no unsafe code. Every decoder is total: any bytes give a value or an error.
//! Trust: the spawner reads requests and the table, the broker reads replies; each treats them as input.
#![forbid(unsafe_code)]
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

pub mod audit;
pub mod files;
pub mod frame;
pub mod journal;
pub mod login;
pub mod reply;
pub mod request;
pub mod start;
pub mod table;
