//! Groups: `[group:x]`, and the one that each other section of programs implies.

use std::collections::{HashMap, HashSet};

use super::expand::Names;
use super::model::{Group, Process};
use super::pools;
use super::principals;
use super::programs;
use super::reading::{Reading, Scope};
use super::settings::Of;
use super::sockets;
use super::text::shown;
use super::values::{self, integer};

/// All groups with their processes, by priority, then name. `names` has ENV_ names.
pub fn read(r: &mut Reading<'_>, names: &Names<'_>) -> Vec<Group> {
    let here = r.here.clone();
    let names_here = Names::over(names).text("here", &here);
    let sections: Vec<String> = r.doc.sections.iter().map(|s| s.name.clone()).collect();
    let mut groups = Vec::new();
    let mut members = HashSet::new();
    for section in sections.iter().filter(|s| s.starts_with("group:")) {
        let scope = Scope::plain(section, &names_here);
        groups.extend(explicit(r, scope, names, &mut members));
    }
    let of_kind = |kind: &'static str| sections.iter().filter(move |s| s.starts_with(kind));
    for section in of_kind("program:").filter(|s| !members.contains(*s)) {
        groups.extend(implied(r, Scope::plain(section, &names_here), names));
    }
    for section in of_kind("eventlistener:") {
        groups.extend(pools::pool(r, Scope::plain(section, &names_here), names));
    }
    for section in of_kind("fcgi-program:").filter(|s| !members.contains(*s)) {
        groups.extend(fcgi(r, Scope::plain(section, &names_here), names));
    }
    twice(r, &groups);
    groups.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
    groups
}

/// The group of a `[program:x]`.
fn implied(r: &mut Reading<'_>, scope: Scope<'_>, names: &Names<'_>) -> Option<Group> {
    let section = scope.section;
    let name = section_name(r, scope)?;
    let priority = r.plain(scope, "priority", integer).unwrap_or(999);
    let processes = programs::processes(r, section, &name, names, None);
    Some(Group { name, priority, section: section.to_owned(), of: Of::Programs, processes })
}

/// The group of a `[fcgi-program:x]`.
fn fcgi(r: &mut Reading<'_>, scope: Scope<'_>, names: &Names<'_>) -> Option<Group> {
    let section = scope.section;
    let name = section_name(r, scope)?;
    let priority = r.plain(scope, "priority", integer).unwrap_or(999);
    let socket = sockets::fcgi(r, section, &name, scope.names);
    let shared = socket.as_ref().map(|(_, shared)| shared);
    let processes = programs::processes(r, section, &name, names, shared);
    let of = Of::FastCgi { socket: socket.map_or(String::new(), |(url, _)| shown(&url)) };
    Some(Group { name, priority, section: section.to_owned(), of, processes })
}

/// The name after the colon.
pub fn section_name(r: &mut Reading<'_>, scope: Scope<'_>) -> Option<String> {
    let (_, text) = scope.section.split_once(':')?;
    let name = values::name(text);
    r.check(scope, "", name)
}

/// A `[group:x]`: its programs in the order in which it names them.
fn explicit(
    r: &mut Reading<'_>,
    scope: Scope<'_>,
    names: &Names<'_>,
    members: &mut HashSet<String>,
) -> Option<Group> {
    let section = scope.section;
    let name = section_name(r, scope)?;
    let programs = r.plain(scope, "programs", |t| Ok(values::strings(t)));
    let priority = r.plain(scope, "priority", integer).unwrap_or(999);
    let mut processes = Vec::new();
    for program in programs.unwrap_or_default() {
        let own = format!("program:{program}");
        let fcgi = format!("fcgi-program:{program}");
        let error = match (r.doc.has(&own), r.doc.has(&fcgi)) {
            (true, false) => {
                processes.extend(programs::processes(r, &own, &name, names, None));
                members.insert(own);
                continue;
            }
            // It keeps its socket; the reference would start it without one.
            (false, true) => {
                let socket = sockets::fcgi(r, &fcgi, &program, scope.names);
                let shared = socket.as_ref().map(|(_, shared)| shared);
                processes.extend(programs::processes(r, &fcgi, &name, names, shared));
                members.insert(fcgi);
                continue;
            }
            (false, false) => {
                format!("[{section}] names unknown program or fcgi-program {program}")
            }
            (true, true) => {
                // Neither is to be complained about as a group of its own.
                members.extend([own, fcgi]);
                format!(
                    "[{section}] name {program} is ambiguous (exists as program and fcgi-program)"
                )
            }
        };
        r.check::<()>(scope, "programs", Err(error));
    }
    // What the group is labelled with, its members are.
    for label in r.plain(scope, "labels", principals::labels).unwrap_or_default() {
        for process in processes.iter_mut().filter(|p| !p.program.labels.contains(&label)) {
            process.program.labels.push(label.clone());
        }
    }
    r.unknown_keys(section);
    Some(Group { name, priority, section: section.to_owned(), of: Of::Programs, processes })
}

/// A name that stands for two groups, or for two processes of one group, is an error: the reference silently drops
/// one of them.
fn twice(r: &mut Reading<'_>, groups: &[Group]) {
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for group in groups {
        if let Some(other) = seen.insert(&group.name, &group.section) {
            let details = vec![r.locate_section(other), r.locate_section(&group.section)];
            r.problems
                .error(format!("there are two groups named {}; rename one", group.name), details);
        }
        let mut names: HashMap<&str, &Process> = HashMap::new();
        for process in &group.processes {
            if let Some(other) = names.insert(&process.name, process) {
                let mut details = vec![r.locate(&other.section, "process_name")];
                if process.section != other.section {
                    details.push(r.locate(&process.section, "process_name"));
                }
                r.problems.error(
                    format!(
                        "two processes of group {} are named {}; process_name must tell them apart",
                        group.name, process.name
                    ),
                    details,
                );
            }
        }
    }
}
