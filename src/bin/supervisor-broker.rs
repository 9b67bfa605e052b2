//! The broker: decides; never does. Started by the spawner with nothing but its descriptors.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    supervisor::broker::main()
}
