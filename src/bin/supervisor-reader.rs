//! The reader: command line and configuration in, launch table and settings out. Short-lived, without a privilege.
//!
//! Two halves: the resolver answers questions about users, hosts and directories; the parser, locked down, has nothing
//! but descriptors.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use policy::{Fork, LockedDown};
use privsep::files::Ask;
use privsep::frame::Wire;
use privsep::start::{SETTINGS_MAX, Start};
use privsep::table::Table;
use supervisor::config::facts::Facts;
use supervisor::config::read::{Outcome, read};
use supervisor::config::resolver::{self, Resolver};
use supervisor::config::service::Spawner;
use supervisor::config::settings::{Complaints, Level, Settings};

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
    let mut facts = Facts::gather(start);
    if facts.start.again {
        let current = ends.current.ok_or("a later reading, but no table in force was given")?;
        facts.current = Some(table(current)?);
    }
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
            parse(facts, ends, Resolver::new(ours))
        }
    }
}

fn start(descriptor: OwnedFd) -> Result<Start, String> {
    let bytes = all(descriptor).map_err(|e| format!("reading the start record failed: {e}"))?;
    Start::decode(&bytes).map_err(|e| format!("the start record is not valid: {e}"))
}

/// The table in force.
fn table(descriptor: OwnedFd) -> Result<Table, String> {
    let bytes = all(descriptor).map_err(|e| format!("reading the table in force failed: {e}"))?;
    Table::read(&bytes).map_err(|e| format!("the table in force is not valid: {e}"))
}

fn all(descriptor: OwnedFd) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut file = File::from(descriptor);
    // The spawner wrote it over the same description.
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
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

fn parse(mut facts: Facts, ends: Parser, mut host: Resolver) -> Result<(), String> {
    let locked =
        policy::parser_lockdown().map_err(|e| format!("no sandbox for the parser: {e}"))?;
    facts.missing = locked.missing().to_vec();
    let mut spawner = Spawner::new(ends.socket);
    let outcome = read(&facts, &mut spawner, &mut host);
    let broken = spawner.broken().or(host.broken()).map(str::to_owned);
    let written = match (broken, outcome) {
        (Some(why), _) => Err(why),
        (None, Outcome::Accept(result)) => {
            let (table, mut settings) = *result;
            admit(&locked, &mut settings).and_then(|()| encode(&settings)).and_then(|settings| {
                write(&ends.table, &table.encode())?;
                write(&ends.settings, &settings)
            })
        }
        (None, Outcome::Complain(complaints)) => {
            return refuse(&spawner, &ends.settings, &complaints);
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
        Err(why) if facts.start.again => {
            let lines = vec![(Level::Error, format!("configuration error: {why}"))];
            refuse(&spawner, &ends.settings, &Complaints { fault: why, lines })
        }
        Err(why) => {
            complain(&format!("Error: {why}\n"));
            say(&spawner, &Ask::Leave(UNCONFIGURED))
        }
    }
}

/// A later reading that failed: the broker is told why, in place of settings.
fn refuse(spawner: &Spawner, settings: &OwnedFd, complaints: &Complaints) -> Result<(), String> {
    let bytes = complaints.encode().map_err(|e| format!("encoding the complaints failed: {e}"))?;
    write(settings, &bytes)?;
    say(spawner, &Ask::Leave(UNCONFIGURED))
}

/// A layer of the sandbox that was missing while the configuration was read is said, or too much.
fn admit(locked: &LockedDown, settings: &mut Settings) -> Result<(), String> {
    if locked.missing().is_empty() {
        return Ok(());
    }
    let missing = locked.missing().join(" and ");
    if settings.sandbox_required {
        return Err(format!("sandbox=required, but this system offers no {missing}"));
    }
    let first_info = settings.notes.iter().position(|(level, _)| *level == Level::Info);
    let at = first_info.unwrap_or(settings.notes.len());
    let note = format!("the configuration was read without {missing}: this system has none");
    settings.notes.insert(at, (Level::Warn, note));
    Ok(())
}

fn encode(settings: &Settings) -> Result<Vec<u8>, String> {
    let bytes = settings.encode().map_err(|e| format!("encoding the settings failed: {e}"))?;
    if bytes.len() > SETTINGS_MAX {
        return Err(format!("the settings have more than {SETTINGS_MAX} bytes"));
    }
    Ok(bytes)
}

fn write(descriptor: &OwnedFd, mut bytes: &[u8]) -> Result<(), String> {
    while !bytes.is_empty() {
        match nix::unistd::write(descriptor, bytes) {
            Ok(n) if n > 0 => bytes = bytes.get(n..).unwrap_or_default(),
            Ok(_) => return Err("nothing more can be written to the launch table".to_owned()),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(format!("writing the launch table or the settings failed: {e}")),
        }
    }
    Ok(())
}

fn say(spawner: &Spawner, ask: &Ask) -> Result<(), String> {
    spawner.say(ask).map_err(|e| format!("supervisord no longer listens: {e}"))
}
