//! The configuration: INI dialect → typed model → launch table and settings.
//!
//! `read` tells the story. What the caller and the files say arrives as data through `files` and `host`; nothing in
//! here opens a file but `facts`, which runs before the parser is locked down.

mod audit;
mod check;
pub mod ctl;
mod daemon;
mod entries;
pub mod environment;
pub mod errors;
pub mod expand;
pub mod facts;
pub mod files;
pub mod getopt;
pub(crate) mod glob;
mod groups;
pub mod host;
mod identity;
mod idle;
mod include;
pub mod ini;
pub(crate) mod json;
pub mod keys;
mod limits;
mod logs;
mod members;
mod merge;
mod model;
pub mod options;
mod password;
pub mod path;
mod plugins;
mod policy;
mod pools;
mod principals;
mod programs;
#[cfg(test)]
mod python;
mod reach;
pub mod read;
mod reading;
pub mod resolver;
mod roles;
mod servers;
pub mod service;
pub mod settings;
pub mod shlex;
mod show;
mod sockets;
mod streams;
mod table;
pub mod text;
mod tls;
pub mod token_line;
pub mod tokens;
mod trace;
mod trust;
mod users;
pub mod values;
