//! What is weak, the gravest first.

use policy::access::{Action, Member};
use privsep::table::Socket;

use super::super::password;
use super::super::reading::Reading;
use super::super::settings::Password;
use super::gather::{address, place};
use super::report::{Kind, Program, Report, Weak};
use super::{Subject, clean, listeners, paths};

/// Finds all weak points of a report.
pub fn find(r: &mut Reading<'_>, s: &Subject<'_>, report: &mut Report) {
    root_programs(report);
    passwords(r, s, report);
    servers(r, s, report);
    keys(r, s, report);
    paths::find(r, s, report);
    roles(s, report);
    audit(s, report);
    sandbox(s, report);
    // Stable: within a kind it is the order of the configuration.
    report.weak.sort_by_key(|weak| weak.kind);
}

fn add(report: &mut Report, kind: Kind, about: &str, text: String, place: Option<String>) {
    report.weak.push(Weak { kind, about: about.to_owned(), text, place });
}

/// What a run of like processes is called.
pub fn called(run: &[Program]) -> String {
    match run {
        [first, .., last] => format!("{} to {} ({} processes)", first.full(), last.name, run.len()),
        [one] => one.full(),
        [] => String::new(),
    }
}

fn root_programs(report: &mut Report) {
    let root: Vec<Program> = report.programs.iter().filter(|p| p.user.uid == 0).cloned().collect();
    for run in paths::runs(&root) {
        let Some(first) = run.first() else {
            continue;
        };
        let text = format!(
            "runs as root ({}): whoever takes it over has the machine; give it a user=, and ports below 1024 by \
             sockets=",
            first.why
        );
        add(report, Kind::RootProgram, &called(run), text, Some(first.place.clone()));
    }
}

fn passwords(r: &mut Reading<'_>, s: &Subject<'_>, report: &mut Report) {
    let users = s.model.users.iter().map(|user| (&user.section, &user.password));
    let servers = s.model.servers.iter();
    let servers =
        servers.filter_map(|server| Some((&server.section, &server.credentials.as_ref()?.1)));
    let all: Vec<(&String, &Password)> = users.chain(servers).collect();
    for (section, kept) in all {
        let about = format!("[{}]", clean(section));
        let place = place(r, section, "password");
        let remedy = password::REMEDY;
        match password::legacy(kept) {
            Some(what) => {
                let kind = match kept {
                    Password::Plain(_) => Kind::PlainPassword,
                    _ => Kind::WeakHash,
                };
                let read = paths::readers(r, section, "password");
                let read = read.map_or(String::new(), |read| format!("; {read}"));
                add(
                    report,
                    kind,
                    &about,
                    format!("the password {what}{read}; {remedy}"),
                    Some(place),
                );
            }
            None if password::weak(kept) => {
                let text = format!("the hash is cheap to guess against; {remedy}");
                add(report, Kind::WeakHash, &about, text, Some(place));
            }
            None => {}
        }
    }
}

fn servers(r: &Reading<'_>, s: &Subject<'_>, report: &mut Report) {
    let free = s.settings.access.roles.is_empty();
    for server in &s.settings.servers {
        let Some(socket) = listeners::socket(s, server) else {
            continue;
        };
        let about = format!("[{}]", clean(&server.section));
        let place = |key| Some(place(r, &server.section, key));
        let beyond = listeners::beyond(socket);
        match socket {
            Socket::Tcp { .. } if !listeners::asks_all(s, server) => {
                let who = match beyond {
                    true => "whoever can reach it from the network",
                    false => "every user and program of this machine",
                };
                let may = if free { "may do everything" } else { "is anonymous there" };
                let text = format!("{} asks for no password: {who} {may}", address(socket));
                add(report, Kind::OpenServer, &about, text, place("port"));
            }
            Socket::Tcp { .. } if beyond && server.tls.is_none() => {
                let text = format!(
                    "{} takes passwords without encryption; give it tls_cert and tls_key, or listen on 127.0.0.1 behind a \
                     proxy that speaks TLS",
                    address(socket)
                );
                add(report, Kind::ClearText, &about, text, place("port"));
            }
            Socket::Unix { mode, .. } if free && server.credentials.is_none() => {
                let who = match (mode & 0o002, mode & 0o020) {
                    (0, 0) => continue,
                    (0, _) => "its group",
                    _ => "every user of this machine",
                };
                let text = format!(
                    "{} has mode {mode:04o}, and there is no role: {who} may do everything",
                    address(socket)
                );
                add(report, Kind::OpenSocket, &about, text, place("chmod"));
            }
            _ => {}
        }
    }
}

fn keys(r: &mut Reading<'_>, s: &Subject<'_>, report: &mut Report) {
    for server in s.settings.servers.iter().filter(|server| server.tls.is_some()) {
        if let Some(why) = paths::key_readers(r, &server.section) {
            let about = format!("[{}]", clean(&server.section));
            let text =
                format!("{why}: whoever reads it can pass for this server; chmod it to 0600");
            let place = Some(place(r, &server.section, "tls_key"));
            add(report, Kind::ReadableKey, &about, text, place);
        }
    }
}

fn roles(s: &Subject<'_>, report: &mut Report) {
    for role in &s.settings.access.roles {
        let about = format!("[role:{}]", role.name);
        let harmless = |action: &Action| matches!(action, Action::View | Action::Log);
        let mut acts = Action::ALL.into_iter().filter(|action| role.grants.has(*action));
        if role.members.contains(&Member::Anonymous) && !acts.all(|action| harmless(&action)) {
            let text = format!("whoever gives no password has {}", role.grants);
            add(report, Kind::Anonymous, &about, text, Some(role.place.clone()));
        }
    }
}

fn audit(s: &Subject<'_>, report: &mut Report) {
    let pam = s.settings.servers.iter().any(|server| server.pam);
    let somebody = pam || !s.settings.users.is_empty() || !s.settings.access.roles.is_empty();
    if somebody && s.settings.audit.is_none() {
        let text = "there are users or roles, but no record of what they do; set audit_logfile";
        add(report, Kind::NoAudit, "[supervisord]", text.to_owned(), None);
    }
}

fn sandbox(s: &Subject<'_>, report: &mut Report) {
    for layer in report.sandbox.missing.clone() {
        let text =
            format!("this system offers no {layer}: a broker that is taken over is less shut in");
        add(report, Kind::Sandbox, layer, text, None);
    }
    if !s.settings.boundary {
        let text = "without root the broker has the user of the daemon and its programs: what takes it over can do \
                    what that user can";
        add(report, Kind::Sandbox, "one user", text.to_owned(), None);
    }
}
