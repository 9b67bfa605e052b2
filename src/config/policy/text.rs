//! The report for people.

use std::fmt::{self, Write};

use policy::access::Grants;

use super::report::{Grantee, Listener, Own, Program, Report};
use super::weak::called;

/// Columns of a text beside its word.
const WIDTH: usize = 90;

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
        wrapped(out, weak.kind.word(), &format!("{}: {}", weak.about, weak.text))?;
        if let Some(place) = &weak.place {
            wrapped(out, "", place)?;
        }
    }
    for path in &report.unseen {
        wrapped(out, "not seen", &format!("{path}: it is in a directory of somebody else's"))?;
    }
    Ok(())
}

/// A text beside its word, broken at blanks where it gets long.
fn wrapped(out: &mut String, word: &str, text: &str) -> fmt::Result {
    let mut column = 0;
    write!(out, "  {word:<15}")?;
    for part in text.split(' ') {
        let wide = part.chars().count();
        if column > 0 && column + 1 + wide > WIDTH {
            write!(out, "\n  {:<15}", "")?;
            column = 0;
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
        writeln!(out, "  {:<28} {}; it {}", own.name, own.why, own.purpose)?;
    }
    for run in programs {
        if let Some(first) = run.first() {
            writeln!(out, "  {:<28} {} ({})", called(run), first.why, first.place)?;
        }
    }
    Ok(())
}

fn runs(report: &Report) -> impl Iterator<Item = &[Program]> {
    report.programs.chunk_by(Program::alike)
}

fn process(out: &mut String, own: &Own) -> fmt::Result {
    let user = own.user.as_ref().map_or("an id that nobody uses".to_owned(), ToString::to_string);
    writeln!(out, "  {:<20} {user}: {}", own.name, own.why)?;
    writeln!(out, "  {:<20} {}", "", own.purpose)?;
    writeln!(out, "  {:<20} {}", "", own.layers.join(", "))
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
    if server.beyond {
        line(out, "reached", "from other machines, without encryption")?;
    }
    Ok(())
}

fn roles(out: &mut String, report: &Report) -> fmt::Result {
    heading(out, "Roles")?;
    let free = "none: whoever passes a server's gate may do everything";
    none(out, report.roles.is_empty(), free)?;
    for role in &report.roles {
        writeln!(out, "  {} ({})", role.name, role.place)?;
        line(out, "members", &role.members.join(", "))?;
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
        line(out, "the daemon", &grantee.daemon.to_string())?;
        for (programs, grants) in granted(report, grantee) {
            writeln!(out, "    {programs}: {grants}")?;
        }
    }
    none(out, report.cut, "(programs are left out: too many members and programs)")
}

/// Programs that follow one another in a group, with the same grants.
fn granted(report: &Report, grantee: &Grantee) -> Vec<(String, Grants)> {
    let all: Vec<(&Program, Grants, usize)> = grantee
        .programs
        .iter()
        .filter_map(|(n, grants)| Some((report.programs.get(*n)?, *grants, *n)))
        .collect();
    let same = |a: &(&Program, Grants, usize), b: &(&Program, Grants, usize)| {
        a.0.group == b.0.group && a.1 == b.1 && a.2 + 1 == b.2
    };
    let runs = all.chunk_by(same).filter_map(|run| {
        let programs: Vec<Program> = run.iter().map(|(program, ..)| (*program).clone()).collect();
        Some((called(&programs), run.first()?.1))
    });
    runs.collect()
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
