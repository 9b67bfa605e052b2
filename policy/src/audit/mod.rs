//! The audit log: what is recorded, how lines are chained, and how that is checked. No input or output, no clock.
//!
//! A line is a JSON object: `{"seq":N,"time":"…","source":"…",…,"hash":"…"}`. `seq` counts from 1 over all files. `hash` is
//! SHA-256 over the hash of the line before (32 bytes; zeros before the first) and this line without its `hash` member.

mod chain;
mod record;
mod verify;

pub use chain::{Anchor, Continued, Head, Line, Source, Torn, digest, hex, members};
pub use record::{MAX, Record, Told};
pub use verify::{Problem, Report, TORN, Verifier, verify};
