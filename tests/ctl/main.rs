//! The client: what it does beyond Supervisor's.

mod beyond;
mod client;
mod documents;
mod logs;
