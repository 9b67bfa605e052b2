//! `supervisord --check` and `--policy`: what is said about a configuration when nothing is to be started.

use privsep::table::Table;

use super::options::Options;
use super::policy;
use super::read::Outcome;
use super::reading::Reading;
use super::settings::{Level, Settings};
use super::show;
use super::table::Model;
use super::text::shown;

/// A configuration that could be started.
pub fn fine(
    r: &mut Reading<'_>,
    options: &Options,
    model: &Model,
    table: &Table,
    settings: &Settings,
) -> Outcome {
    let notes = settings.notes.iter().filter(|(level, _)| *level >= Level::Warn);
    let stderr: String = notes.map(|(_, text)| line(text)).collect();
    let stdout = if options.policy {
        policy::report(r, options.json, model, table, settings)
    } else if options.json {
        show::json(r, options, table, settings)
    } else if options.show {
        show::text(r, options)
    } else {
        let count = |n: usize, what: &str| match n {
            1 => format!("1 {what}"),
            n => format!("{n} {what}s"),
        };
        let groups = count(settings.groups.len(), "group");
        let processes = settings.processes.len();
        let processes =
            if processes == 1 { "1 process".into() } else { format!("{processes} processes") };
        format!("{}: the configuration is fine ({processes} in {groups})\n", shown(&r.config))
    };
    Outcome::Leave { status: 0, stdout, stderr }
}

/// The warnings of one that could not.
pub fn warnings(r: &Reading<'_>) -> String {
    r.problems.remarks().map(|(_, warning)| line(&shown(warning))).collect()
}

/// A warning, or a further line of one.
fn line(text: &str) -> String {
    if text.starts_with("  ") { format!("{text}\n") } else { format!("Warning: {text}\n") }
}
