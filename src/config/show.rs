//! The effective configuration: every value with where it came from, for `--check --show`.

use std::collections::BTreeMap;

use privsep::table::{Entry, Socket, Table, endpoint};

use super::environment;
use super::json::Json;
use super::keys::{self, Key};
use super::options::Options;
use super::reading::Reading;
use super::settings::{Autorestart, Group, Of, Process, Settings, Stream};
use super::text::{from_bytes, repr, shown};
use super::token_line;
use super::trace::Traced;

/// One value.
struct Line {
    section: String,
    key: &'static str,
    /// `None` where nothing is set and nothing stands for it.
    value: Option<String>,
    /// The number of the process that it is for, where they differ.
    process: Option<i64>,
    from: String,
}

/// Values by section and key.
type Values<'t> = BTreeMap<(&'t str, &'t str), Vec<&'t Traced>>;

/// What must not be shown to everybody who looks over a shoulder or reads a report.
fn veil(key: &str, value: &str) -> String {
    match key {
        "password" => "(not shown)".to_owned(),
        "environment" => {
            let names = environment::parse(value).unwrap_or_default();
            let names: Vec<String> =
                names.keys().map(|name| format!("{name}=(not shown)")).collect();
            names.join(",")
        }
        _ => value.to_owned(),
    }
}

fn lines(r: &Reading<'_>, options: &Options) -> Vec<Line> {
    let mut values = Values::new();
    for traced in &r.trace.values {
        values.entry((&traced.section, &traced.key)).or_default().push(traced);
    }
    let mut lines = Vec::new();
    for section in &r.doc.sections {
        let Some(kind) = keys::section(&section.name) else {
            continue;
        };
        for key in kind.all() {
            lines.extend(of_key(r, options, &values, &section.name, key));
        }
    }
    lines
}

fn of_key(
    r: &Reading<'_>,
    options: &Options,
    values: &Values<'_>,
    section: &str,
    key: &'static Key,
) -> Vec<Line> {
    let line = |value, process, from| Line {
        section: section.to_owned(),
        key: key.name,
        value,
        process,
        from,
    };
    let given =
        options.given.iter().find(|(name, _)| section == "supervisord" && *name == key.name);
    if let Some((_, value)) = given {
        return vec![line(Some(value.clone()), None, "command line".to_owned())];
    }
    let found = r.doc.get(section, key.name);
    let read = values.get(&(section, key.name));
    let (found, read) = match (found, read) {
        (Some(found), Some(read)) => (found, read),
        // What the default came to.
        (None, Some(read)) => {
            let one = |t: &&Traced| line(Some(t.value.clone()), t.process, "default".to_owned());
            return read.iter().map(one).collect();
        }
        // Read by nobody: a section of somebody else's, such as that of supervisorctl.
        (Some(found), None) => {
            return vec![line(Some(veil(key.name, &found.text)), None, r.place(found.place))];
        }
        (None, None) => {
            let default = Some(key.default).filter(|default| *default != "-");
            return vec![line(default.map(str::to_owned), None, "default".to_owned())];
        }
    };
    let from = |value: &str| {
        let place = r.place(found.place);
        match value == found.text || veil(key.name, value) != *value {
            true => place,
            false => format!("{place}, expanded from {}", repr(&found.text)),
        }
    };
    let one = |t: &&Traced| line(Some(veil(key.name, &t.value)), t.process, from(&t.value));
    match read.as_slice() {
        [first, rest @ ..] if rest.iter().all(|t| t.value == first.value) => {
            vec![Line { process: None, ..one(first) }]
        }
        all => all.iter().map(one).collect(),
    }
}

/// For people: an INI file with remarks.
pub fn text(r: &Reading<'_>, options: &Options) -> String {
    let mut out = String::new();
    let mut section = None;
    for line in lines(r, options) {
        if section.as_ref() != Some(&line.section) {
            let gap = if section.is_some() { "\n" } else { "" };
            out.push_str(&format!("{gap}[{}]\n", shown(&line.section)));
            section = Some(line.section.clone());
        }
        let process = line.process.map_or(String::new(), |n| format!("process {n}, "));
        match &line.value {
            None => out.push_str(&format!("; {} is not set\n", line.key)),
            Some(value) => {
                let value = shown(value).replace('\n', "\n    ");
                let set = format!("{} = {value}", line.key);
                out.push_str(&format!("{set:<40} ; {process}{}\n", shown(&line.from)));
            }
        }
    }
    out
}

/// For programs: the values, and what they come to for each process.
pub fn json(r: &Reading<'_>, options: &Options, table: &Table, settings: &Settings) -> String {
    let values = lines(r, options).into_iter().map(|line| {
        let mut all =
            vec![("section", Json::text(shown(&line.section))), ("key", Json::text(line.key))];
        all.extend(line.value.map(|value| ("value", Json::text(shown(&value)))));
        all.extend(line.process.map(|n| ("process_num", Json::Int(n))));
        all.push(("from", Json::text(shown(&line.from))));
        Json::object(all)
    });
    let groups = settings.groups.iter().map(|g| group(g, settings));
    let processes = settings.groups.iter().flat_map(|g| g.slots.iter().map(move |slot| (g, *slot)));
    let processes = processes.filter_map(|(g, slot)| {
        Some(process(g, settings.process(slot)?, table, table.entry(slot)?))
    });
    let warnings = r.problems.remarks().map(|(_, warning)| warning);
    let all = Json::object([
        ("config", Json::text(shown(&r.config))),
        ("warnings", Json::list(warnings.map(|w| Json::text(shown(w))))),
        ("values", Json::list(values)),
        ("groups", Json::list(groups)),
        ("processes", Json::list(processes)),
    ]);
    format!("{all}\n")
}

fn group(group: &Group, settings: &Settings) -> Json {
    let names = group.slots.iter().filter_map(|slot| settings.process(*slot));
    let mut all = vec![
        ("name", Json::text(&*group.name)),
        ("priority", Json::Int(group.priority)),
        ("processes", Json::list(names.map(|p| Json::text(&*p.name)))),
    ];
    match &group.of {
        Of::Programs => all.push(("kind", Json::text("group"))),
        Of::FastCgi { socket } => {
            all.extend([("kind", Json::text("fcgi-program")), ("socket", Json::text(&**socket))]);
        }
        Of::Pool { buffer_size, events, result_handler } => all.extend([
            ("kind", Json::text("eventlistener")),
            ("buffer_size", Json::Int(i64::from(*buffer_size))),
            ("events", Json::list(events.iter().map(|e| Json::text(&**e)))),
            ("result_handler", Json::text(&**result_handler)),
        ]),
    }
    Json::object(all)
}

fn or_none(text: Option<&String>) -> Json {
    Json::text(text.map_or("none", String::as_str))
}

/// The fields of `getAllConfigInfo`, then ours.
fn process(group: &Group, p: &Process, table: &Table, entry: &Entry) -> Json {
    let number = |n: Option<u32>| n.map_or(Json::text("none"), |n| Json::Int(i64::from(n)));
    let texts =
        |words: &[Vec<u8>]| Json::list(words.iter().map(|w| Json::text(shown(&from_bytes(w)))));
    let mut all = vec![
        ("name", Json::text(&*p.name)),
        ("group", Json::text(&*p.group)),
        ("group_prio", Json::Int(group.priority)),
        ("process_prio", Json::Int(p.priority)),
        ("inuse", Json::Bool(false)),
        ("autostart", Json::Bool(p.autostart)),
        ("command", Json::text(&*p.command)),
        ("directory", or_none(p.directory.as_ref())),
        ("uid", number(p.uid)),
        ("exitcodes", Json::list(p.exitcodes.iter().map(|n| Json::Int(i64::from(*n))))),
        ("killasgroup", Json::Bool(p.killasgroup)),
        ("redirect_stderr", Json::Bool(p.redirect_stderr)),
        ("startretries", Json::Int(p.startretries)),
        ("startsecs", Json::Int(p.startsecs)),
        ("stopsignal", Json::Int(i64::from(p.stopsignal))),
        ("stopwaitsecs", Json::Int(p.stopwaitsecs)),
        ("serverurl", or_none(p.serverurl.as_ref())),
    ];
    all.extend(stream(STDOUT, &p.stdout));
    all.extend(stream(STDERR, &p.stderr));
    let autorestart = match p.autorestart {
        Autorestart::Never => Json::Bool(false),
        Autorestart::Always => Json::Bool(true),
        Autorestart::Unexpected => Json::text("unexpected"),
    };
    let socket = |n: &u32| table.shared.get(usize::try_from(*n).ok()?)?.as_ref();
    let sockets = |all: &[u32]| Json::list(all.iter().filter_map(socket).map(|s| url(&s.socket)));
    all.extend([
        ("autorestart", autorestart),
        ("stopasgroup", Json::Bool(p.stopasgroup)),
        ("killtree", Json::Bool(p.killtree)),
        ("syslog_tag", or_none(p.syslog_tag.as_ref())),
        ("umask", number(entry.umask)),
        ("argv", texts(&entry.argv)),
        ("stdin", sockets(entry.stdin.as_slice())),
        ("listen", sockets(&entry.listen)),
        ("environment", environment(table, entry)),
    ]);
    Json::object(all)
}

const STDOUT: [&str; 6] = [
    "stdout_logfile",
    "stdout_logfile_maxbytes",
    "stdout_logfile_backups",
    "stdout_capture_maxbytes",
    "stdout_events_enabled",
    "stdout_syslog",
];
const STDERR: [&str; 6] = [
    "stderr_logfile",
    "stderr_logfile_maxbytes",
    "stderr_logfile_backups",
    "stderr_capture_maxbytes",
    "stderr_events_enabled",
    "stderr_syslog",
];

fn stream(names: [&'static str; 6], s: &Stream) -> Vec<(&'static str, Json)> {
    let values = [
        Json::text(&*s.logfile),
        Json::Int(s.maxbytes),
        Json::Int(s.backups),
        Json::Int(s.capture),
        Json::Bool(s.events),
        Json::Bool(s.syslog.is_some()),
    ];
    names.into_iter().zip(values).collect()
}

fn url(socket: &Socket) -> Json {
    Json::text(match socket {
        Socket::Unix { path, .. } => format!("unix://{}", shown(&from_bytes(path))),
        Socket::Tcp { address, port } => format!("tcp://{}", endpoint(*address, *port)),
    })
}

/// All that the program finds in its environment.
fn environment(table: &Table, entry: &Entry) -> Json {
    let mut all = BTreeMap::new();
    for word in table.env.iter().chain(&entry.env) {
        let word = shown(&from_bytes(word));
        let (name, value) = word.split_once('=').unwrap_or((&word, ""));
        let value = if token_line::is_token(value) { "***" } else { value };
        all.insert(name.to_owned(), Json::text(value));
    }
    Json::Object(all.into_iter().collect())
}
