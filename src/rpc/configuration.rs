//! The configuration: what the last reading says, and which of its groups are in force.

use super::fault::{Code, Fault};
use super::office::{Office, Unmoved};
use super::xml::Value;
use crate::config::settings::{Group, Process, Settings, Stream};
use crate::process::roster;

/// `reloadConfig`: what the configuration as it is now would change. As in the reference the three lists are wrapped in
/// one more.
pub(super) async fn reload(office: &impl Office) -> Result<Value, Fault> {
    office.reread().await.map_err(cannot)?;
    let changes = roster::changes(&office.settings(), &office.latest());
    let names = |names: Vec<String>| Value::Array(names.into_iter().map(Value::Str).collect());
    let lists = [changes.added, changes.changed, changes.removed].map(names);
    Ok(Value::Array(vec![Value::Array(lists.into())]))
}

/// `restart`.
pub(super) async fn restart(office: &impl Office) -> Result<Value, Fault> {
    office.restart().await.map_err(cannot)?;
    Ok(Value::Bool(true))
}

fn cannot(why: String) -> Fault {
    Fault::new(Code::CantReread).with(why)
}

/// `addProcessGroup`.
pub(super) fn add(office: &impl Office, name: &str) -> Result<Value, Fault> {
    office.add_group(name).map_err(|why| unmoved(why, name))?;
    Ok(Value::Bool(true))
}

/// `removeProcessGroup`.
pub(super) fn remove(office: &impl Office, name: &str) -> Result<Value, Fault> {
    office.remove_group(name).map_err(|why| unmoved(why, name))?;
    Ok(Value::Bool(true))
}

fn unmoved(why: Unmoved, name: &str) -> Fault {
    let code = match why {
        Unmoved::Unknown => Code::BadName,
        Unmoved::InForce => Code::AlreadyAdded,
        Unmoved::Running => Code::StillRunning,
    };
    Fault::new(code).with(name)
}

/// `getAllConfigInfo`: by name of the process, equal ones as their groups come.
pub(super) fn all(office: &impl Office) -> Value {
    let (active, latest) = (office.settings(), office.latest());
    let each = latest.groups.iter().flat_map(|group| {
        let processes = group.slots.iter().filter_map(|slot| latest.process(*slot));
        processes.map(move |process| (group, process))
    });
    let mut all: Vec<(&Group, &Process)> = each.collect();
    all.sort_by_key(|(_, process)| &process.name);
    let structure = |(group, process): (&Group, &Process)| {
        let paths = office.has_logs(&group.name).then_some(&*latest);
        structure(group, process, active.group(&group.name).is_some(), paths)
    };
    Value::Array(all.into_iter().map(structure).collect())
}

/// The reference's 29 members in its order. `paths` are the settings that tell where AUTO logs are, once they are there.
fn structure(group: &Group, process: &Process, inuse: bool, paths: Option<&Settings>) -> Value {
    let uid = process.uid.map_or(Value::from("none"), |uid| int(uid.into()));
    let mut members = vec![
        ("autostart", Value::Bool(process.autostart)),
        ("directory", text(process.directory.as_ref())),
        ("uid", uid),
        ("command", Value::Str(process.command.clone())),
        ("exitcodes", Value::Array(process.exitcodes.iter().map(|n| int((*n).into())).collect())),
        ("group", Value::Str(group.name.clone())),
        ("group_prio", int(group.priority)),
        ("inuse", Value::Bool(inuse)),
        ("killasgroup", Value::Bool(process.killasgroup)),
        ("name", Value::Str(process.name.clone())),
        ("process_prio", int(process.priority)),
        ("redirect_stderr", Value::Bool(process.redirect_stderr)),
        ("startretries", int(process.startretries)),
        ("startsecs", int(process.startsecs)),
    ];
    members.extend(STDOUT.into_iter().zip(stream(&process.stdout, paths)));
    members.push(("stopsignal", int(process.stopsignal.into())));
    members.push(("stopwaitsecs", int(process.stopwaitsecs)));
    members.extend(STDERR.into_iter().zip(stream(&process.stderr, paths)));
    members.push(("serverurl", text(process.serverurl.as_ref())));
    Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

const STDOUT: [&str; 6] = [
    "stdout_capture_maxbytes",
    "stdout_events_enabled",
    "stdout_logfile",
    "stdout_logfile_backups",
    "stdout_logfile_maxbytes",
    "stdout_syslog",
];
const STDERR: [&str; 6] = [
    "stderr_capture_maxbytes",
    "stderr_events_enabled",
    "stderr_logfile",
    "stderr_logfile_backups",
    "stderr_logfile_maxbytes",
    "stderr_syslog",
];

/// The values of [`STDOUT`] and [`STDERR`].
fn stream(stream: &Stream, paths: Option<&Settings>) -> [Value; 6] {
    let made = paths.filter(|_| stream.logfile == "auto").and_then(|s| s.logs.get(&stream.log?));
    let logfile = made.map_or(&stream.logfile, |file| &file.path);
    [
        int(stream.capture),
        Value::Bool(stream.events),
        Value::Str(logfile.clone()),
        int(stream.backups),
        int(stream.maxbytes),
        Value::Bool(stream.syslog.is_some()),
    ]
}

fn text(text: Option<&String>) -> Value {
    Value::Str(text.map_or_else(|| "none".to_owned(), String::clone))
}

/// The interface has 32 bits for a number; a larger one is shown as the largest.
fn int(number: i64) -> Value {
    Value::Int(number.clamp(i32::MIN.into(), i32::MAX.into()))
}
