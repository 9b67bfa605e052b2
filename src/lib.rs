//! Everything that never has a privilege: reader, broker, client and tools.
#![forbid(unsafe_code)]

pub mod broker;
pub mod config;
pub mod ctl;
pub mod events;
#[cfg(test)]
mod generate;
pub mod http;
pub mod logs;
pub mod process;
pub mod rpc;
pub mod web;
