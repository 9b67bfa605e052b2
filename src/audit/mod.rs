//! The audit writer: what broker and spawner say becomes lines of a chain, each once, whoever is killed when.
//!
//! Room: unprivileged, sandboxed, a uid of its own. It has two pipes, the log and a file in memory, which all outlive it.
//! Before lines are appended, they stand in that file with the bytes they were made from; the next writer finds there what
//! this one was at, and in the log and the pipe how far that has come.

mod compose;
mod file;
mod past;
mod rate;
mod state;
#[cfg(test)]
mod tests;
mod writer;

use std::io::{self, Write};
use std::process::ExitCode;

use link::bytes::Scratch;
use link::inherited;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};

pub use compose::decoded;
use writer::Writer;

/// Exit status of a start that cannot be.
const FAILED: u8 = 2;

/// Signals that end others and not this: it ends when nobody is left who could say anything.
const DEAF: [Signal; 8] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGPIPE,
];

/// Runs the writer. It ends with 0 when its file is to be rotated, and when broker and spawner are gone and all that they
/// said is in the log.
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("Error: the audit writer could not go on: {error}\n"));
            ExitCode::from(FAILED)
        }
    }
}

/// Says it on standard error, which may be gone.
fn complain(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

fn failed(what: &str) -> impl FnOnce(io::Error) -> io::Error {
    move |e| io::Error::new(e.kind(), format!("{what}: {e}"))
}

fn run() -> io::Result<()> {
    let other = |e: policy::Error| io::Error::other(e.to_string());
    // Unlike others it does not end with the spawner: what is in the pipes is still to be written.
    set_pdeathsig(None)?;
    policy::harden().map_err(other)?;
    DEAF.into_iter().collect::<SigSet>().thread_block()?;
    let ends = inherited::audit();
    let ends = ends.ok_or_else(|| io::Error::other("it is started by supervisord alone"))?;
    let scratch = Scratch::new().map_err(io::Error::from);
    let scratch = scratch.map_err(failed("a pipe cannot be made"))?;
    let log = file::Log::lock(ends.log).map_err(failed("its file cannot be locked"))?;
    let locked = policy::audit_lockdown().map_err(other)?;
    let head = file::Head::new(ends.head);
    let mut writer = Writer::new(log, head, [ends.spawner, ends.broker], scratch, ends.syslog)?;
    writer.begin(locked.missing())?;
    writer.run()
}
