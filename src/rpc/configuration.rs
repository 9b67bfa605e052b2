//! The configuration: what the last reading says, and which of its groups are in force.

use std::collections::BTreeSet;

use super::fault::{Code, Fault};
use super::office::{Office, Unmoved};
use super::shape::{Rows, Shape};
use super::table::CONFIG_INFO;
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
pub(super) fn all(office: &impl Office, rows: &mut impl Rows) {
    let (active, latest) = (office.settings(), office.latest());
    let each = latest.groups.iter().flat_map(|group| {
        let processes = group.slots.iter().filter_map(|slot| latest.process(*slot));
        processes.map(move |process| (group, process))
    });
    let active: BTreeSet<&str> = active.groups.iter().map(|group| group.name.as_str()).collect();
    let mut all: Vec<(&Group, &Process)> = each.collect();
    all.sort_by_key(|(_, process)| &process.name);
    rows.expect(all.len().saturating_mul(2));
    for (group, process) in all {
        let paths = office.has_logs(&group.name).then_some(&*latest);
        let inuse = active.contains(group.name.as_str());
        rows.row(&CONFIG_INFO, |members| structure((group, inuse), process, paths, members));
    }
}

/// The reference's 29 members in its order. `paths` are the settings that tell where AUTO logs are, once they are there.
fn structure(
    (group, inuse): (&Group, bool),
    process: &Process,
    paths: Option<&Settings>,
    members: &mut impl Shape,
) {
    members.truth("autostart", process.autostart);
    members.text("directory", process.directory.as_deref().unwrap_or("none"));
    let uid = process.uid.map_or(Value::from("none"), |uid| Value::Int(capped(uid.into())));
    members.value("uid", uid);
    members.text("command", &process.command);
    let exitcodes = process.exitcodes.iter().map(|n| Value::Int(capped((*n).into())));
    members.value("exitcodes", Value::Array(exitcodes.collect()));
    members.text("group", &group.name);
    members.int("group_prio", capped(group.priority));
    members.truth("inuse", inuse);
    members.truth("killasgroup", process.killasgroup);
    members.text("name", &process.name);
    members.int("process_prio", capped(process.priority));
    members.truth("redirect_stderr", process.redirect_stderr);
    members.int("startretries", capped(process.startretries));
    members.int("startsecs", capped(process.startsecs));
    stream(STDOUT, &process.stdout, paths, members);
    members.int("stopsignal", process.stopsignal.into());
    members.int("stopwaitsecs", capped(process.stopwaitsecs));
    stream(STDERR, &process.stderr, paths, members);
    members.text("serverurl", process.serverurl.as_deref().unwrap_or("none"));
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

/// The members about one of the outputs.
fn stream(
    names: [&'static str; 6],
    stream: &Stream,
    paths: Option<&Settings>,
    members: &mut impl Shape,
) {
    let made = paths.filter(|_| stream.logfile == "auto").and_then(|s| s.logs.get(&stream.log?));
    let [capture, events, logfile, backups, maxbytes, syslog] = names;
    members.int(capture, capped(stream.capture));
    members.truth(events, stream.events);
    members.text(logfile, made.map_or(&stream.logfile, |file| &file.path));
    members.int(backups, capped(stream.backups));
    members.int(maxbytes, capped(stream.maxbytes));
    members.truth(syslog, stream.syslog.is_some());
}

/// The interface has 32 bits for a number; a larger one is shown as the largest.
fn capped(number: i64) -> i64 {
    number.clamp(i32::MIN.into(), i32::MAX.into())
}
