//! `[eventlistener:x]`: what makes a group of programs a pool of event listeners.

use super::expand::Names;
use super::groups::section_name;
use super::model::Group;
use super::programs;
use super::reading::{Reading, Scope};
use super::settings::Of;
use super::text::near;
use super::values::{self, boolean, integer};
use crate::events;

/// The only one there is: others are Python code.
const HANDLER: &str = "supervisor.dispatchers:default_handler";

/// The pool of an `[eventlistener:x]`; `scope` has ENV_ names and `here`, `names` ENV_ names alone.
pub fn pool(r: &mut Reading<'_>, scope: Scope<'_>, names: &Names<'_>) -> Option<Group> {
    let section = scope.section;
    // The reference meets the name as that of a program.
    let suffix = r.in_section(section);
    let name = section_name(r, Scope { suffix: &suffix, ..scope })?;
    // Listeners start before and stop after what they listen to.
    let priority = r.plain(scope, "priority", integer).unwrap_or(-1);
    let buffer_size = r.plain(scope, "buffer_size", |text| {
        let size = integer(text)?;
        if size < 1 {
            return Err(format!("[{section}] section sets invalid buffer_size ({size})"));
        }
        Ok(u32::try_from(size).unwrap_or(u32::MAX))
    });
    let result_handler = handler(r, scope);
    let events = events(r, scope);
    if r.plain(scope, "redirect_stderr", boolean) == Some(true) {
        let text = format!(
            "[{section}] section sets redirect_stderr=true but this is not allowed because it will interfere with the \
             eventlistener protocol"
        );
        r.check::<()>(scope, "redirect_stderr", Err(text));
    }
    let processes = programs::processes(r, section, &name, names, None);
    let of = Of::Pool { buffer_size: buffer_size.unwrap_or(10), events, result_handler };
    Some(Group { name, priority, section: section.to_owned(), of, processes })
}

fn handler(r: &mut Reading<'_>, scope: Scope<'_>) -> String {
    const KEY: &str = "result_handler";
    let given = r.text(scope, KEY);
    if given.as_ref().is_some_and(|handler| handler != HANDLER) {
        let place = r.locate(scope.section, KEY);
        r.problems.advice(format!(
            "{place} names Python code, which cannot run here; {HANDLER} decides: the result OK accepts an event, any \
             other one rejects it"
        ));
    }
    HANDLER.to_owned()
}

/// The types that the pool asks for, sorted.
fn events(r: &mut Reading<'_>, scope: Scope<'_>) -> Vec<String> {
    const KEY: &str = "events";
    let section = scope.section;
    let missing = r.raw(section, KEY).is_none_or(|text| text.is_empty());
    if missing {
        r.check::<()>(scope, KEY, Err(format!("[{section}] section requires an \"events\" line")));
        return Vec::new();
    }
    let names = r.plain(scope, KEY, |text| Ok(values::strings(&text.to_uppercase())));
    let mut names = names.unwrap_or_default();
    names.sort();
    names.dedup();
    for name in names.iter().filter(|name| events::Kinds::named(name).is_none()) {
        let mut details = vec![r.locate(section, KEY)];
        details.extend(near(name, events::names()).map(|n| format!("did you mean {n}?")));
        r.problems.error(format!("Unknown event type {name} in [{section}] events"), details);
    }
    names
}
