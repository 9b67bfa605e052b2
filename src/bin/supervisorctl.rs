//! The client: runs as whoever calls it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(supervisor::ctl::run())
}
