//! The programs that are installed beside the daemon, all in one: which one it is says the name it is called by.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(supervisor::tools::run())
}
