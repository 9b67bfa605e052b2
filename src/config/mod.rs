//! The configuration: INI dialect → typed model → launch table and settings.
//!
//! `read` tells the story. What the caller and the files say arrives as data through `files` and `host`; nothing in
//! here opens a file but `facts`, which runs before the parser is locked down.

pub mod ctl;
mod daemon;
pub mod environment;
pub mod errors;
pub mod expand;
pub mod facts;
pub mod files;
pub mod getopt;
mod glob;
mod groups;
pub mod host;
mod identity;
mod include;
pub mod ini;
mod limits;
mod model;
mod options;
pub mod path;
mod programs;
#[cfg(test)]
mod python;
pub mod read;
mod reading;
pub mod resolver;
mod servers;
pub mod service;
pub mod settings;
pub mod shlex;
mod table;
pub mod text;
pub mod values;
