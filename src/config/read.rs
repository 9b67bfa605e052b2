//! A whole reading: command line and files in, launch table and settings out, or everything that is wrong.

use privsep::table::Table;

use super::check;
use super::daemon;
use super::errors::Problems;
use super::expand::Names;
use super::facts::Facts;
use super::files::Files;
use super::groups;
use super::host::Host;
use super::include;
use super::ini::Document;
use super::options::{self, Options, Stop};
use super::plugins;
use super::reach;
use super::reading::Reading;
use super::roles::{self, Known};
use super::servers;
use super::settings::{Complaints, Settings};
use super::table::{self, Model};
use super::text;
use super::tls;
use super::tokens;
use super::trace::Trace;
use super::users;

/// How a reading ends.
#[derive(Debug)]
pub enum Outcome {
    /// There is something to run.
    Accept(Box<(Table, Settings)>),
    /// Print and leave.
    Leave {
        /// Exit status of the daemon.
        status: u8,
        /// For standard output.
        stdout: String,
        /// For standard error.
        stderr: String,
    },
    /// At a later reading: everything stays as it is.
    Complain(Complaints),
}

/// Reads the configuration.
pub fn read(facts: &Facts, files: &mut dyn Files, host: &mut dyn Host) -> Outcome {
    let args: Vec<String> = (facts.start.args.iter()).map(|word| text::from_bytes(word)).collect();
    let program = args.first().cloned().unwrap_or_default();
    let mut reading = Reading {
        host,
        facts,
        problems: Problems::default(),
        doc: Document::default(),
        config: String::new(),
        here: String::new(),
        trace: Trace::default(),
    };
    let options = match options::parse(&mut reading, &args) {
        Ok(options) => options,
        Err(Stop::Print(stdout)) => {
            return Outcome::Leave { status: 0, stdout, stderr: String::new() };
        }
        Err(Stop::Usage(text)) => {
            reading.problems.error(text, vec![]);
            return refused(&reading, &program);
        }
    };
    reading.trace.on = options.check && (options.show || options.json);
    match whole(&mut reading, files, &options, &program) {
        Some((model, table, settings)) if reading.problems.errors.is_empty() => {
            match options.looks() {
                true => check::fine(&mut reading, &options, &model, &table, &settings),
                false => Outcome::Accept(Box::new((table, settings))),
            }
        }
        _ if options.looks() => Outcome::Leave {
            status: 2,
            stdout: String::new(),
            stderr: check::warnings(&reading) + &reading.problems.report(&program),
        },
        _ => refused(&reading, &program),
    }
}

fn refused(reading: &Reading<'_>, program: &str) -> Outcome {
    if reading.facts.current.is_some() {
        return Outcome::Complain(reading.problems.complaints());
    }
    Outcome::Leave { status: 2, stdout: String::new(), stderr: reading.problems.report(program) }
}

/// Everything after the command line, in the reference's order.
fn whole(
    r: &mut Reading<'_>,
    files: &mut dyn Files,
    options: &Options,
    program: &str,
) -> Option<(Model, Table, Settings)> {
    let mut names = Names::default();
    for (name, value) in r.facts.environment() {
        names.variable(&name, &value);
    }
    let given = options.configuration.as_deref();
    let infos = include::read(r, files, given, program, &names)?;
    if !r.doc.has("supervisord") {
        let details = vec![r.config.clone()];
        r.problems.error(".ini file does not include supervisord section", details);
        return None;
    }
    if options.profile_options.is_some() {
        r.problems.advice("--profile_options has no effect".to_owned());
    }
    let mut daemon = daemon::read(r, options, &names);
    for (name, value) in &daemon.environment {
        names.variable(name, value);
    }
    plugins::check(r, &names);
    let groups = groups::read(r, &names);
    let mut servers = servers::read(r, &names);
    daemon.user = daemon::user(r, options, &names);
    tls::load(r, files, &names, &mut servers, &daemon);
    let users = users::read(r, &names, &servers);
    let known = Known { users: &users, servers: &servers, groups: &groups };
    let roles = roles::read(r, &names, &known);
    let tokens = tokens::read(r, files, &daemon);
    tokens::check(r, &tokens, &groups, &roles);
    let servers = reach::admit(r, servers, &users, &daemon);
    let model = Model { daemon, groups, servers, users, roles, tokens };
    let (table, settings) = table::build(r, &model, infos);
    Some((model, table, settings))
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
