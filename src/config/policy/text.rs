//! The report for people.

use std::fmt::{self, Write};

use policy::access::Grants;

use super::report::{Grantee, Listener, Own, Program, Report};
use super::weak::called;

/// Columns of a line.
const WIDTH: usize = 110;
/// Columns of what kind of weak point it is, and of what a process is called.
const WEAK: usize = 15;
const NAME: usize = 18;

/// All of it, weak points first.
pub fn write(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = all(&mut out, report);
    out
}

fn all(out: &mut String, report: &Report) -> fmt::Result {
    writeln!(out, "Policy of {}", report.config)?;
    weak(out, report)?;
    root(out, report)?;
    heading(out, "Supervisor's own processes")?;
    report.own.iter().try_for_each(|own| process(out, own))?;
    programs(out, report)?;
    heading(out, "Servers")?;
    none(out, report.listeners.is_empty() && report.closed.is_empty(), "none")?;
    report.listeners.iter().try_for_each(|server| listener(out, server))?;
    report.closed.iter().try_for_each(|line| writeln!(out, "  not opened: {line}"))?;
    heading(out, "Users")?;
    none(out, report.users.is_empty(), "nobody logs in by name")?;
    for user in &report.users {
        let roles = match (user.roles.is_empty(), report.roles.is_empty()) {
            (false, _) => user.roles.join(", "),
            (true, true) => "may do everything".to_owned(),
            (true, false) => "no role, may do nothing".to_owned(),
        };
        writeln!(out, "  {} ({})", user.name, user.place)?;
        line(out, "password", user.password)?;
        line(out, "roles", &roles)?;
    }
    tokens(out, report)?;
    roles(out, report)?;
    access(out, report)?;
    sandbox(out, report)
}

fn heading(out: &mut String, text: &str) -> fmt::Result {
    writeln!(out, "\n{text}")
}

fn none(out: &mut String, empty: bool, text: &str) -> fmt::Result {
    if empty { writeln!(out, "  {text}") } else { Ok(()) }
}

fn weak(out: &mut String, report: &Report) -> fmt::Result {
    heading(out, &format!("Weak points: {}", report.weak.len()))?;
    none(out, report.weak.is_empty(), "none was found")?;
    for weak in &report.weak {
        wrapped(out, WEAK, weak.kind.word(), &format!("{}: {}", weak.about, weak.text))?;
        if let Some(place) = &weak.place {
            wrapped(out, WEAK, "", place)?;
        }
    }
    for path in &report.unseen {
        let text = format!("{path}: the reader, which has no rights of its own, cannot look there");
        wrapped(out, WEAK, "not seen", &text)?;
    }
    Ok(())
}

/// A text beside its word, which has so many columns, broken at blanks where it gets long.
fn wrapped(out: &mut String, columns: usize, word: &str, text: &str) -> fmt::Result {
    let mut column = columns;
    write!(out, "  {word:<columns$}")?;
    for part in text.split(' ') {
        let wide = part.chars().count();
        if column > columns && column + 1 + wide > WIDTH {
            write!(out, "\n  {:<columns$}", "")?;
            column = columns;
        }
        write!(out, " {part}")?;
        column += 1 + wide;
    }
    writeln!(out)
}

fn root(out: &mut String, report: &Report) -> fmt::Result {
    heading(out, "What runs as root, and why")?;
    let is_root = |own: &&Own| own.user.as_ref().is_some_and(|user| user.uid == 0);
    let own: Vec<&Own> = report.own.iter().filter(is_root).collect();
    let programs: Vec<&[Program]> =
        runs(report).filter(|run| run.iter().all(|p| p.user.uid == 0)).collect();
    none(out, own.is_empty() && programs.is_empty(), "nothing")?;
    for own in own {
        wrapped(out, NAME, own.name, &format!("{}; it {}", own.why, own.purpose))?;
    }
    for run in programs {
        if let Some(first) = run.first() {
            wrapped(out, NAME, &called(run), &format!("{} ({})", first.why, first.place))?;
        }
    }
    Ok(())
}

fn runs(report: &Report) -> impl Iterator<Item = &[Program]> {
    report.programs.chunk_by(Program::alike)
}

fn process(out: &mut String, own: &Own) -> fmt::Result {
    let user = own.user.as_ref().map_or("an id that nobody uses".to_owned(), ToString::to_string);
    wrapped(out, NAME, own.name, &format!("{user}: {}", own.why))?;
    wrapped(out, NAME, "", own.purpose)?;
    wrapped(out, NAME, "", &own.layers.join(", "))
}

fn programs(out: &mut String, report: &Report) -> fmt::Result {
    heading(out, "Programs")?;
    none(out, report.programs.is_empty(), "none")?;
    for run in runs(report) {
        let Some(first) = run.first() else {
            continue;
        };
        writeln!(out, "  {}", called(run))?;
        line(out, "user", &format!("{}: {} ({})", first.user, first.why, first.place))?;
        let groups: Vec<String> = first.groups.iter().map(u32::to_string).collect();
        if !groups.is_empty() {
            line(out, "groups", &groups.join(", "))?;
        }
        line(out, "capabilities", first.capabilities())?;
        let list = |all: &[String]| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        line(out, "sockets", &list(&first.sockets))?;
        if !first.labels.is_empty() {
            line(out, "labels", &first.labels.join(", "))?;
        }
    }
    Ok(())
}

fn line(out: &mut String, key: &str, value: &str) -> fmt::Result {
    writeln!(out, "    {key:<14} {value}")
}

fn listener(out: &mut String, server: &Listener) -> fmt::Result {
    writeln!(out, "  {} [{}] ({})", server.address, server.section, server.place)?;
    if let Some(guard) = &server.guard {
        line(out, "socket", guard)?;
    }
    line(out, "who asks", &server.asks.join("; "))?;
    if let Some(asked) = server.tls {
        line(out, "encryption", &format!("TLS; client certificates: {}", asked.word()))?;
    }
    if server.beyond {
        let how = if server.tls.is_some() { "over TLS" } else { "without encryption" };
        line(out, "reached", &format!("from other machines, {how}"))?;
    }
    Ok(())
}

fn tokens(out: &mut String, report: &Report) -> fmt::Result {
    if report.tokens.is_empty() {
        return Ok(());
    }
    heading(out, "Tokens")?;
    for tokens in &report.tokens {
        let count = match tokens.names.len() {
            1 => "1 token".to_owned(),
            more => format!("{more} tokens"),
        };
        let there = if tokens.there { "" } else { ", which there is not: they do nothing" };
        writeln!(out, "  {count} with role {}{there}", tokens.role)?;
        wrapped(out, 1, "", &tokens.names.join(", "))?;
    }
    Ok(())
}

fn roles(out: &mut String, report: &Report) -> fmt::Result {
    heading(out, "Roles")?;
    let free = "none: whoever passes a server's gate may do everything";
    none(out, report.roles.is_empty(), free)?;
    for role in &report.roles {
        writeln!(out, "  {} ({})", role.name, role.place)?;
        let members = match role.members.join(", ") {
            none if none.is_empty() => "none: it is for tokens alone".to_owned(),
            members => members,
        };
        line(out, "members", &members)?;
        line(out, "programs", &role.programs.join(", "))?;
        line(out, "actions", &role.grants.to_string())?;
    }
    Ok(())
}

fn access(out: &mut String, report: &Report) -> fmt::Result {
    if report.roles.is_empty() {
        return Ok(());
    }
    heading(out, "Who may do what")?;
    writeln!(out, "  root and the daemon's user, over a unix socket: everything")?;
    for grantee in &report.access {
        let name = grantee.name.as_ref().map_or(String::new(), |name| format!(" ({name})"));
        writeln!(out, "  {}{name} by {}", grantee.who, grantee.roles.join(", "))?;
        wrapped(out, 1, "", &format!("{} on the daemon", grantee.daemon))?;
        for (grants, programs) in granted(report, grantee) {
            wrapped(out, 1, "", &format!("{grants} on {}", programs.join(", ")))?;
        }
    }
    none(out, report.cut, "(programs are left out: too many members and programs)")
}

/// The programs to which the same may be done. Those that follow one another in a group are named together.
fn granted(report: &Report, grantee: &Grantee) -> Vec<(Grants, Vec<String>)> {
    let all: Vec<(usize, &Program, Grants)> = grantee
        .programs
        .iter()
        .filter_map(|(n, grants)| Some((*n, report.programs.get(*n)?, *grants)))
        .collect();
    let same = |a: &(usize, &Program, Grants), b: &(usize, &Program, Grants)| {
        a.0 + 1 == b.0 && a.1.group == b.1.group && a.2 == b.2
    };
    let mut by_grants: Vec<(Grants, Vec<String>)> = Vec::new();
    for run in all.chunk_by(same) {
        let Some((.., grants)) = run.first() else {
            continue;
        };
        let programs: Vec<Program> = run.iter().map(|(_, program, _)| (*program).clone()).collect();
        match by_grants.iter_mut().find(|(other, _)| other == grants) {
            Some((_, names)) => names.push(called(&programs)),
            None => by_grants.push((*grants, vec![called(&programs)])),
        }
    }
    by_grants
}

fn sandbox(out: &mut String, report: &Report) -> fmt::Result {
    let sandbox = &report.sandbox;
    heading(out, "Sandbox")?;
    line(out, "in force", &sandbox.layers.join(", "))?;
    if !sandbox.missing.is_empty() {
        line(out, "missing", &sandbox.missing.join(", "))?;
    }
    let required = if sandbox.required { "yes" } else { "no: what is missing is logged" };
    line(out, "required", required)?;
    line(out, "users apart", if sandbox.boundary { "yes" } else { "no" })?;
    let cgroup = sandbox.cgroup.as_deref().unwrap_or("none");
    line(out, "cgroup", cgroup)?;
    heading(out, "Audit log")?;
    writeln!(out, "  {}", report.audit.as_deref().unwrap_or("none"))
}
