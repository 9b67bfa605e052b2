//! The reader: command line and configuration in, launch table and settings out. Short-lived, without a privilege.
//!
//! Two halves: the resolver answers questions about users, hosts and directories; the parser, locked down, has nothing
//! but descriptors.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use policy::Fork;
use privsep::files::Ask;
use privsep::frame::Wire;
use privsep::start::{SETTINGS_MAX, Start};
use supervisor::config::facts::Facts;
use supervisor::config::read::{Outcome, read};
use supervisor::config::resolver::{self, Resolver};
use supervisor::config::service::Spawner;

/// The exit status that the daemon leaves with when it cannot be configured.
const UNCONFIGURED: u8 = 2;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(&format!("Error: {why}\n"));
            ExitCode::from(UNCONFIGURED)
        }
    }
}

/// A standard error that is gone is no reason to end otherwise.
fn complain(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

fn run() -> Result<(), String> {
    policy::harden().map_err(|e| format!("the reader cannot shut itself in: {e}"))?;
    let ends =
        link::reader::take().ok_or("supervisor-reader is started by supervisord, never by hand")?;
    let start = start(ends.start)?;
    let facts = Facts::gather(start);
    let (ours, theirs) = resolver::pair().map_err(|e| format!("no socket pair: {e}"))?;
    match policy::fork() {
        Err(e) => Err(format!("the reader cannot fork: {e}")),
        Ok(Fork::Child) => {
            drop((ours, ends.socket, ends.table, ends.settings));
            resolve(theirs);
            Ok(())
        }
        Ok(Fork::Parent(_)) => {
            drop(theirs);
            let ends = Parser { socket: ends.socket, table: ends.table, settings: ends.settings };
            parse(&facts, ends, Resolver::new(ours))
        }
    }
}

fn start(descriptor: OwnedFd) -> Result<Start, String> {
    let mut bytes = Vec::new();
    let mut file = File::from(descriptor);
    // The spawner wrote it over the same description.
    file.rewind()
        .and_then(|()| file.read_to_end(&mut bytes))
        .map_err(|e| format!("reading the start record failed: {e}"))?;
    Start::decode(&bytes).map_err(|e| format!("the start record is not valid: {e}"))
}

fn resolve(socket: OwnedFd) {
    // A name service may hang; the parser's end is then this half's end too.
    if set_pdeathsig(Signal::SIGKILL).is_ok() {
        resolver::serve(socket.as_fd());
    }
}

/// What the parser half holds.
struct Parser {
    socket: OwnedFd,
    table: OwnedFd,
    settings: OwnedFd,
}

fn parse(facts: &Facts, ends: Parser, mut host: Resolver) -> Result<(), String> {
    let _locked =
        policy::parser_lockdown().map_err(|e| format!("no sandbox for the parser: {e}"))?;
    let mut spawner = Spawner::new(ends.socket);
    let outcome = read(facts, &mut spawner, &mut host);
    let broken = spawner.broken().or(host.broken()).map(str::to_owned);
    let written = match (broken, outcome) {
        (Some(why), _) => Err(why),
        (None, Outcome::Accept(result)) => {
            let settings = (result.1.encode()).map_err(|e| format!("encoding settings: {e}"))?;
            if settings.len() > SETTINGS_MAX {
                Err(format!("the settings have more than {SETTINGS_MAX} bytes"))
            } else {
                write(ends.table, &result.0.encode()).and_then(|()| write(ends.settings, &settings))
            }
        }
        (None, Outcome::Leave { status, stdout, stderr }) => {
            let _ = io::stdout().write_all(stdout.as_bytes());
            let _ = io::stdout().flush();
            complain(&stderr);
            return say(&spawner, &Ask::Leave(status));
        }
    };
    match written {
        Ok(()) => say(&spawner, &Ask::Accept),
        Err(why) => {
            complain(&format!("Error: {why}\n"));
            say(&spawner, &Ask::Leave(UNCONFIGURED))
        }
    }
}

fn write(descriptor: OwnedFd, bytes: &[u8]) -> Result<(), String> {
    File::from(descriptor)
        .write_all(bytes)
        .map_err(|e| format!("writing the launch table failed: {e}"))
}

fn say(spawner: &Spawner, ask: &Ask) -> Result<(), String> {
    spawner.say(ask).map_err(|e| format!("supervisord no longer listens: {e}"))
}
