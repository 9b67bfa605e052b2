//! The audit writer: appends what broker and spawner tell it. Started by the spawner with nothing but its descriptors.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    supervisor::audit::main()
}
