//! Everything that never has a privilege: reader, broker, client and tools.
#![forbid(unsafe_code)]

pub mod audit;
pub mod broker;
pub mod config;
pub mod ctl;
pub mod events;
#[cfg(all(test, feature = "tools"))]
mod generate;
pub mod http;
pub mod logs;
pub mod process;
pub mod rpc;
#[cfg(feature = "tools")]
pub mod tools;
pub mod web;
