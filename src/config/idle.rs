//! Patterns of roles that nothing in the configuration matches: most likely misspelt.

use policy::access::{Pattern, Role};

use super::model::Group;
use super::reading::Reading;
use super::text::{near, shown};

/// The most comparisons of patterns with processes: beyond them nothing is said.
const MAX_LOOKS: usize = 2_000_000;

/// Advises on them. Roles stand with their sections.
pub fn advise(r: &mut Reading<'_>, roles: &[(String, Role)], groups: &[Group]) {
    let processes: usize = groups.iter().map(|group| group.processes.len()).sum();
    let patterns: usize = roles.iter().map(|(_, role)| role.programs.len()).sum();
    if processes.saturating_mul(patterns) > MAX_LOOKS {
        return;
    }
    for (section, role) in roles {
        for pattern in role.programs.iter().filter(|pattern| !of_something(pattern, groups)) {
            let place = r.locate(section, "programs");
            r.problems.advice(format!("{place}: {}", shown(&words(pattern, groups))));
        }
    }
}

fn of_something(pattern: &Pattern, groups: &[Group]) -> bool {
    // All is about what there is, even where that is nothing yet.
    let all = match pattern {
        Pattern::Label(_) => false,
        Pattern::Group(group) => group == "*",
        Pattern::Process(group, name) => group == "*" && name == "*",
    };
    all || groups.iter().any(|group| {
        let name = shown(&group.name);
        group
            .processes
            .iter()
            .any(|process| pattern.covers(&name, &shown(&process.name), &process.program.labels))
    })
}

fn words(pattern: &Pattern, groups: &[Group]) -> String {
    let processes = || groups.iter().flat_map(|group| &group.processes);
    match pattern {
        Pattern::Label(label) => {
            let labels = processes().flat_map(|p| &p.program.labels).map(String::as_str);
            let hint = near(label, labels).map_or(String::new(), |l| format!("; is @{l} meant?"));
            format!("no program has the label {label}{hint}")
        }
        Pattern::Group(glob) => {
            let names = groups.iter().map(|group| group.name.as_str());
            let hint = match groups.iter().find(|g| g.processes.iter().any(|p| p.name == *glob)) {
                Some(group) => format!("; is {}:{glob} meant?", group.name),
                None => near(glob, names).map_or(String::new(), |g| format!("; is {g} meant?")),
            };
            format!("no group with a process in it is called {glob}{hint}")
        }
        Pattern::Process(group, name) => format!("no process is called {group}:{name}"),
    }
}
