//! `[program:x]`: one section to its processes.

use super::daemon::backups;
use super::environment::{self, Variables};
use super::expand::{Names, expand};
use super::model::{Process, Program, Stream};
use super::reading::{Reading, Scope};
use super::settings::Autorestart;
use super::text::repr;
use super::values::{self, LogTarget, Read, boolean, byte_size, integer};

/// All keys of a program.
pub const KEYS: &[&str] = &[
    "command",
    "process_name",
    "numprocs",
    "numprocs_start",
    "priority",
    "autostart",
    "autorestart",
    "startsecs",
    "startretries",
    "exitcodes",
    "stopsignal",
    "stopwaitsecs",
    "stopasgroup",
    "killasgroup",
    "user",
    "umask",
    "directory",
    "environment",
    "redirect_stderr",
    "stdout_logfile",
    "stdout_logfile_maxbytes",
    "stdout_logfile_backups",
    "stdout_capture_maxbytes",
    "stdout_events_enabled",
    "stdout_syslog",
    "stderr_logfile",
    "stderr_logfile_maxbytes",
    "stderr_logfile_backups",
    "stderr_capture_maxbytes",
    "stderr_events_enabled",
    "stderr_syslog",
    "serverurl",
];

/// The processes of a section as members of a group, sorted by name. `names` has ENV_ names.
pub fn processes(
    r: &mut Reading<'_>,
    section: &str,
    group: &str,
    names: &Names<'_>,
) -> Vec<Process> {
    let file = repr(&r.section_file(section));
    let suffix = format!(" in section {} (file: {file})", repr(section));
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
            processes.extend(process(r, scope, &program, &count, number));
            // The other processes of the section would fail alike.
            if r.problems.errors.len() > before {
                break;
            }
        }
    }
    unsupported(r, section, &names);
    r.unknown_keys(section, &[KEYS]);
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
    for stream in ["stdout", "stderr"] {
        r.plain(scope, &format!("{stream}_capture_maxbytes"), byte_size);
        r.plain(scope, &format!("{stream}_events_enabled"), boolean);
    }
    let serverurl = r
        .text(scope, "serverurl")
        .filter(|url| !url.is_empty() && !super::text::strip(url).eq_ignore_ascii_case("auto"));
    let user = r.get(scope, "user", |r, t| r.user(t));
    let umask = r.plain(scope, "umask", values::octal).map(|m| m & 0o777);
    let process_name =
        r.raw(scope.section, "process_name").unwrap_or_else(|| "%(program_name)s".to_owned());
    let process_name =
        r.check(scope, "process_name", values::name(&process_name)).unwrap_or_default();
    if number > 1 && !process_name.contains("%(process_num)") {
        let text = "%(process_num) must be present within process_name when numprocs > 1";
        r.check::<()>(scope, "process_name", Err(text.to_owned()));
    }
    if stopasgroup && killasgroup == Some(false) {
        let text = "Cannot set stopasgroup=true and killasgroup=false";
        r.check::<()>(scope, "killasgroup", Err(text.to_owned()));
    }
    let program = Program {
        priority,
        autostart,
        autorestart: autorestart.unwrap_or(Autorestart::Unexpected),
        startsecs,
        startretries,
        stopsignal,
        stopwaitsecs,
        stopasgroup,
        killasgroup: killasgroup.unwrap_or(stopasgroup),
        exitcodes: exitcodes.unwrap_or_else(|| vec![0]),
        redirect_stderr,
        user,
        umask,
        serverurl,
    };
    let count = Count { number, first, process_name };
    (program, count)
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
        expand(&raw, &names, "environment", true).and_then(|text| environment::parse(&text))
    });
    let environment = r.check(scope, "environment", environment).unwrap_or_default();
    for (name, value) in &environment {
        names.variable(name, value);
    }
    let scope = Scope { names: &names, ..scope };
    let directory = r.text(scope, "directory");
    let stdout = stream(r, scope, "stdout");
    let mut stderr = stream(r, scope, "stderr");
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
    Some(Process {
        name: name?,
        section: section.to_owned(),
        program: program.clone(),
        command: command?,
        directory,
        environment,
        stdout,
        stderr,
    })
}

/// The log of one stream.
fn stream(r: &mut Reading<'_>, scope: Scope<'_>, which: &str) -> Stream {
    let section = scope.section;
    let file_key = format!("{which}_logfile");
    let target = r.get(scope, &file_key, |r, text| {
        // Expanded a second time, under another name, as the reference does.
        let text = expand(text, scope.names, &file_key, false)?;
        log_target(r, &text)
    });
    let mut target = target.unwrap_or(LogTarget::Auto);
    let kept = r.plain(scope, &format!("{which}_logfile_backups"), integer);
    let maxbytes = r.plain(scope, &format!("{which}_logfile_maxbytes"), byte_size);
    let maxbytes = maxbytes.unwrap_or(50 << 20);
    let syslog_key = format!("{which}_syslog");
    r.plain(scope, &syslog_key, boolean);
    if target == LogTarget::Syslog {
        r.problems.warning(format!(
            "For [{section}], {file_key}=syslog but this is deprecated and will be removed.  Use {syslog_key}=true to \
             enable syslog instead."
        ));
        let place = r.locate(section, &file_key);
        r.problems.advice(format!("{place}: syslog is not supported yet, this output is not kept"));
        target = LogTarget::None;
    }
    if target == LogTarget::Auto && maxbytes == 0 {
        r.problems.warning(format!(
            "For [{section}], AUTO logging used for {file_key} without rollover, set maxbytes > 0 to avoid filling up \
             filesystem unintentionally"
        ));
    }
    Stream { target, maxbytes, backups: backups(kept.unwrap_or(10)) }
}

fn log_target(r: &mut Reading<'_>, text: &str) -> Read<LogTarget> {
    match values::log_target(text) {
        LogTarget::Path(path) => {
            let path = r.existing_parent(&path)?;
            if path.ends_with('/') {
                return Err(format!("The path {path} names a directory, not a log file"));
            }
            Ok(LogTarget::Path(path))
        }
        other => Ok(other),
    }
}

/// One line for all keys of a section that would have an effect, had their function come already.
fn unsupported(r: &mut Reading<'_>, section: &str, names: &Names<'_>) {
    let scope = Scope::plain(section, names);
    let mut keys = Vec::new();
    for stream in ["stdout", "stderr"] {
        let key = format!("{stream}_capture_maxbytes");
        if set(r, scope, &key, |t| byte_size(t).is_ok_and(|n| n > 0)) {
            keys.push(key);
        }
        for key in ["events_enabled", "syslog"].map(|k| format!("{stream}_{k}")) {
            if set(r, scope, &key, |t| boolean(t) == Ok(true)) {
                keys.push(key);
            }
        }
    }
    if !keys.is_empty() {
        let place = r.locate_section(section);
        r.problems.advice(format!(
            "{place} {} not supported yet and without effect",
            match keys.as_slice() {
                [one] => format!("{one} is"),
                many => format!("{} are", many.join(", ")),
            }
        ));
    }
}

fn set(r: &Reading<'_>, scope: Scope<'_>, key: &str, yes: impl FnOnce(&str) -> bool) -> bool {
    r.raw(scope.section, key)
        .and_then(|raw| expand(&raw, scope.names, key, false).ok())
        .is_some_and(|text| yes(&text))
}
