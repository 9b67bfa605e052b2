//! `supervisord --policy`: one report on who may do what, what runs as whom, and what is weak. Text and JSON are made from
//! one [`Report`].

mod access;
mod gather;
mod json;
mod listeners;
mod paths;
mod report;
mod text;
mod weak;

use privsep::table::Table;

use super::reading::Reading;
use super::settings::Settings;
use super::table::Model;
use super::text::shown;

use report::Report;

/// What a configuration could be started from, and what there is to say about it.
struct Subject<'s> {
    model: &'s Model,
    table: &'s Table,
    settings: &'s Settings,
    /// The user id that the daemon has, or changes to.
    own: u32,
}

/// The report, for people or as JSON.
pub fn report(
    r: &mut Reading<'_>,
    json: bool,
    model: &Model,
    table: &Table,
    settings: &Settings,
) -> String {
    let own = table.user.as_ref().map_or(r.facts.start.uid, |user| user.uid);
    let subject = Subject { model, table, settings, own };
    let mut report: Report = gather::report(r, &subject);
    weak::find(r, &subject, &mut report);
    if json { json::write(&report) } else { text::write(&report) }
}

/// A text of the configuration that can do nothing to a terminal and makes no line of its own.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in shown(text).chars() {
        match c {
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}
