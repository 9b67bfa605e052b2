//! A whole reading: command line and files in, launch table and settings out, or everything that is wrong.

use privsep::table::Table;

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
use super::reading::Reading;
use super::servers;
use super::settings::Settings;
use super::table::{self, Model};
use super::text;

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
}

/// Section kinds that come later.
const LATER: &[&str] = &["eventlistener:", "fcgi-program:", "ctlplugin:"];
/// Sections by exact name, then kinds by prefix: a misspelt one is compared with these.
const SECTIONS: &[&str] = &["supervisord", "supervisorctl", "include"];
const PREFIXES: &[&str] = &["inet_http_server", "unix_http_server", "program:", "group:"];
const RPC: &str = "rpcinterface:";

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
    match whole(&mut reading, files, &options, &program) {
        Some(result) if reading.problems.errors.is_empty() => Outcome::Accept(Box::new(result)),
        _ => refused(&reading, &program),
    }
}

fn refused(reading: &Reading<'_>, program: &str) -> Outcome {
    Outcome::Leave { status: 2, stdout: String::new(), stderr: reading.problems.report(program) }
}

/// Everything after the command line, in the reference's order.
fn whole(
    r: &mut Reading<'_>,
    files: &mut dyn Files,
    options: &Options,
    program: &str,
) -> Option<(Table, Settings)> {
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
    sections(r);
    let groups = groups::read(r, &names);
    let servers = servers::read(r, &names);
    daemon.user = daemon::user(r, options, &names);
    let model = Model { daemon, groups, servers };
    Some(table::build(r, &model, infos))
}

/// Warns about sections that do nothing, and checks the one kind of plugin that is always there.
fn sections(r: &mut Reading<'_>) {
    let names: Vec<String> = r.doc.sections.iter().map(|s| s.name.clone()).collect();
    for section in &names {
        let place = r.locate_section(section);
        if section.starts_with(RPC) {
            rpc_interface(r, section);
        } else if LATER.iter().any(|p| section.starts_with(p)) {
            r.problems.advice(format!(
                "{place} is of a kind that is not supported yet; it has no effect"
            ));
        } else if !SECTIONS.contains(&section.as_str())
            && !PREFIXES.iter().any(|p| section.starts_with(p))
        {
            let hint = meant(section).map_or(String::new(), |s| format!(" (is [{s}] meant?)"));
            r.problems.advice(format!("{place} is not known and has no effect{hint}"));
        }
    }
}

/// The section or kind of section that a name is probably a misspelling of.
fn meant(section: &str) -> Option<String> {
    let trimmed = text::strip(section);
    let (kind, rest) = match trimmed.split_once(':') {
        Some((kind, rest)) => (text::strip(kind).to_lowercase(), Some(rest)),
        None => (trimmed.to_lowercase(), None),
    };
    let known = SECTIONS.iter().chain(PREFIXES).chain(LATER);
    let known = known.map(|k| k.trim_end_matches(':'));
    let near = text::near(&kind, known)?;
    Some(match rest {
        Some(rest) => format!("{near}:{rest}"),
        None => near.to_owned(),
    })
}

fn rpc_interface(r: &mut Reading<'_>, section: &str) {
    const KEY: &str = "supervisor.rpcinterface_factory";
    const MAIN: &str = "supervisor.rpcinterface:make_main_rpcinterface";
    match r.raw(section, KEY) {
        None => {
            let details = vec![r.locate_section(section)];
            r.problems.error(format!("section [{section}] does not specify a {KEY}"), details);
        }
        Some(factory) if factory == MAIN => {}
        Some(_) => {
            let place = r.locate(section, KEY);
            r.problems
                .advice(format!("{place} is not supported yet: only {MAIN} is there, always"));
        }
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
