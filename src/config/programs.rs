//! `[program:x]`, `[fcgi-program:x]` and `[eventlistener:x]`: one section to its processes.

use privsep::table::Shared;

use super::environment::{self, Variables};
use super::expand::{Names, expand};
use super::model::{Process, Program};
use super::principals;
use super::reading::{Reading, Scope};
use super::settings::Autorestart;
use super::sockets;
use super::streams;
use super::values::{self, LogTarget, boolean, integer};

/// The processes of a section as members of a group, sorted by name. `names` has ENV_ names; `stdin` is the socket that
/// all of them get as standard input.
pub fn processes(
    r: &mut Reading<'_>,
    section: &str,
    group: &str,
    names: &Names<'_>,
    stdin: Option<&Shared>,
) -> Vec<Process> {
    let suffix = r.in_section(section);
    let (_, text) = section.split_once(':').unwrap_or(("", section));
    let bare = Scope { section, names, suffix: &suffix };
    let program_name = values::name(text);
    let Some(program_name) = r.check(bare, "", program_name) else {
        return Vec::new();
    };
    let here = r.here.clone();
    let node = r.facts.node.clone();
    let names = Names::over(names)
        .text("here", &here)
        .text("program_name", &program_name)
        .text("host_node_name", &node)
        .text("group_name", group);
    let scope = Scope { names: &names, ..bare };
    let before = r.problems.errors.len();
    let (program, count) = shared(r, scope);
    let mut processes = Vec::new();
    if count.first.saturating_add(count.number) > count.first {
        let limit = i64::try_from(privsep::table::MAX_SLOTS).unwrap_or(i64::MAX);
        if count.number > limit {
            let text = format!("numprocs={} is more than the limit of {limit}", count.number);
            r.check::<()>(scope, "numprocs", Err(text));
            return Vec::new();
        }
        for number in count.first..count.first.saturating_add(count.number) {
            r.trace.process = Some(number);
            let process = process(r, scope, &program, &count, number);
            processes.extend(process.map(|p| Process { stdin: stdin.cloned(), ..p }));
            // The other processes of the section would fail alike.
            if r.problems.errors.len() > before {
                break;
            }
        }
    }
    r.trace.process = None;
    r.unknown_keys(section);
    processes.sort_by(|a, b| a.name.cmp(&b.name));
    processes
}

/// How many processes there are, and how they are named.
struct Count {
    number: i64,
    first: i64,
    process_name: String,
}

/// What is read once a section, in the reference's order.
fn shared(r: &mut Reading<'_>, scope: Scope<'_>) -> (Program, Count) {
    let priority = r.plain(scope, "priority", integer).unwrap_or(999);
    let autostart = r.plain(scope, "autostart", boolean).unwrap_or(true);
    let autorestart = r.plain(scope, "autorestart", values::autorestart);
    let startsecs = r.plain(scope, "startsecs", integer).unwrap_or(1);
    let startretries = r.plain(scope, "startretries", integer).unwrap_or(3);
    let stopsignal = r.plain(scope, "stopsignal", values::signal).unwrap_or(15);
    let stopwaitsecs = r.plain(scope, "stopwaitsecs", integer).unwrap_or(10);
    let stopasgroup = r.plain(scope, "stopasgroup", boolean).unwrap_or(false);
    let killasgroup = r.plain(scope, "killasgroup", boolean);
    let exitcodes = r.plain(scope, "exitcodes", values::exit_codes);
    let redirect_stderr = r.plain(scope, "redirect_stderr", boolean).unwrap_or(false);
    let number = r.plain(scope, "numprocs", integer).unwrap_or(1);
    let first = r.plain(scope, "numprocs_start", integer).unwrap_or(0);
    let stdout = streams::channel(r, scope, "stdout");
    let stderr = streams::channel(r, scope, "stderr");
    let serverurl = r
        .text(scope, "serverurl")
        .filter(|url| !super::text::strip(url).eq_ignore_ascii_case("auto"));
    let user = r.get(scope, "user", |r, t| r.user(t));
    let umask = r.plain(scope, "umask", values::octal).map(|m| m & 0o777);
    let process_name =
        r.raw(scope.section, "process_name").unwrap_or_else(|| "%(program_name)s".to_owned());
    let process_name =
        r.check(scope, "process_name", values::name(&process_name)).unwrap_or_default();
    let killtree = r.plain(scope, "killtree", boolean).unwrap_or(false);
    let login_env = r.plain(scope, "login_env", boolean).unwrap_or(false);
    let sockets = sockets::rules(r, scope);
    let labels = r.plain(scope, "labels", principals::labels).unwrap_or_default();
    let token = r.plain(scope, "token", principals::name);
    let count = Count { number, first, process_name };
    consistent(r, scope, &count, stopasgroup, killasgroup);
    let killasgroup = killasgroup.unwrap_or(stopasgroup);
    r.defaulted(scope.section, "killasgroup", if killasgroup { "true" } else { "false" });
    let program = Program {
        priority,
        autostart,
        autorestart: autorestart.unwrap_or(Autorestart::Unexpected),
        startsecs,
        startretries,
        stopsignal,
        stopwaitsecs,
        stopasgroup,
        killasgroup,
        exitcodes: exitcodes.unwrap_or_else(|| vec![0]),
        redirect_stderr,
        user,
        umask,
        serverurl,
        killtree,
        login_env,
        stdout,
        stderr,
        sockets,
        labels,
        token,
    };
    (program, count)
}

/// What only holds of several keys together.
fn consistent(
    r: &mut Reading<'_>,
    scope: Scope<'_>,
    count: &Count,
    stopasgroup: bool,
    killasgroup: Option<bool>,
) {
    if count.number > 1 && !count.process_name.contains("%(process_num)") {
        let text = "%(process_num) must be present within process_name when numprocs > 1";
        r.check::<()>(scope, "process_name", Err(text.to_owned()));
    }
    if stopasgroup && killasgroup == Some(false) {
        let text = "Cannot set stopasgroup=true and killasgroup=false";
        r.check::<()>(scope, "killasgroup", Err(text.to_owned()));
    }
}

/// What is read for each process, in the reference's order.
fn process(
    r: &mut Reading<'_>,
    scope: Scope<'_>,
    program: &Program,
    count: &Count,
    number: i64,
) -> Option<Process> {
    let section = scope.section;
    let mut names =
        Names::over(scope.names).number("process_num", number).number("numprocs", count.number);
    let environment = r.raw(section, "environment").map_or(Ok(Variables::new()), |raw| {
        let text = expand(&raw, &names, "environment", true)?;
        r.trace.value(section, "environment", &text);
        environment::parse(&text)
    });
    let environment = r.check(scope, "environment", environment).unwrap_or_default();
    for (name, value) in &environment {
        names.variable(name, value);
    }
    let scope = Scope { names: &names, ..scope };
    let directory = r.text(scope, "directory");
    let stdout = streams::stream(r, scope, "stdout", &program.stdout);
    let mut stderr = streams::stream(r, scope, "stderr", &program.stderr);
    if program.redirect_stderr {
        if matches!(stderr.target, LogTarget::Path(_)) {
            r.problems.warning(format!(
                "For [{section}], redirect_stderr=true but stderr_logfile has also been set to a filename, the \
                 filename has been ignored"
            ));
        }
        stderr.target = LogTarget::None;
    }
    if r.doc.get(section, "command").is_none() {
        let text = format!("program section {section} does not specify a command");
        r.check::<()>(scope, "command", Err(text));
    }
    let command = r.text(scope, "command");
    // Expansion can bring in what the check of the unexpanded name kept out.
    let name = expand(&count.process_name, &names, "process_name", false)
        .and_then(|name| values::name(&name));
    let name = r.check(scope, "process_name", name);
    let syslog_tag = r.get(scope, "syslog_tag", |_, text| values::syslog_tag(text));
    let listen = sockets::list(r, scope, program.user.as_ref(), &program.sockets);
    let name = name?;
    r.trace.value(section, "process_name", &name);
    Some(Process {
        name,
        section: section.to_owned(),
        program: program.clone(),
        command: command?,
        directory,
        environment,
        stdout,
        stderr,
        syslog_tag,
        stdin: None,
        listen,
    })
}
