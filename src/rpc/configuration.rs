//! The configuration: what the last reading says, and which of its groups are in force.

use std::collections::BTreeSet;
use std::rc::Rc;

use policy::access::{Action, Permit};

use super::fault::{Code, Fault};
use super::guard::{Attempt, Guard};
use super::names;
use super::office::{Office, Unmoved};
use super::shape::{Rows, Shape};
use super::table::CONFIG_INFO;
use super::xml::Value;
use crate::config::settings::{Group, Process, Settings, Stream};
use crate::process::roster;

/// `reloadConfig`: what the configuration as it is now would change. As in the reference the three lists are wrapped in
/// one more. They name the groups that the caller may change.
pub(super) async fn reload(
    guard: &Guard<'_, impl Office>,
    permit: &Permit,
) -> Result<Value, Fault> {
    let office = guard.office();
    let result = office.reread(permit).await.map_err(cannot);
    guard.record_on_daemon(permit, &result);
    // By the rules that have just been read.
    let guard = guard.anew();
    result.map_err(|fault| tellable(&guard, fault))?;
    let (active, latest) = (office.settings(), office.latest());
    let may = |settings: &Settings, name: &str| {
        let group = settings.group(name);
        group.is_none_or(|group| guard.may_all(Action::Config, settings, group))
    };
    let changes = roster::changes(&active, &latest);
    let names = |names: Vec<String>| {
        let mine = names.into_iter().filter(|name| may(&active, name) && may(&latest, name));
        Value::Array(mine.map(Value::Str).collect())
    };
    let lists = [changes.added, changes.changed, changes.removed].map(names);
    Ok(Value::Array(vec![Value::Array(lists.into())]))
}

/// What is wrong with the configuration may be about programs that are hidden from the caller.
fn tellable(guard: &Guard<'_, impl Office>, fault: Fault) -> Fault {
    if guard.may_on_daemon(Action::Admin) {
        return fault;
    }
    cannot("the configuration is wrong; the activity log says where".to_owned())
}

/// `restart`.
pub(super) async fn restart(
    guard: &Guard<'_, impl Office>,
    permit: &Permit,
) -> Result<Value, Fault> {
    let result = guard.office().restart(permit).await.map_err(cannot);
    guard.record_on_daemon(permit, &result);
    result.map(|()| Value::Bool(true))
}

/// `shutdown`.
pub(super) fn shutdown(guard: &Guard<'_, impl Office>, permit: &Permit) -> Value {
    guard.office().shutdown(permit);
    guard.record_on_daemon(permit, &Ok(()));
    Value::Bool(true)
}

fn cannot(why: String) -> Fault {
    Fault::new(Code::CantReread).with(why)
}

/// `addProcessGroup`.
pub(super) fn add(guard: &Guard<'_, impl Office>, name: &str) -> Result<Value, Fault> {
    let office = guard.office();
    move_group(guard, &office.latest(), name, |permits| office.add_group(permits, name))
}

/// `removeProcessGroup`.
pub(super) fn remove(guard: &Guard<'_, impl Office>, name: &str) -> Result<Value, Fault> {
    let office = guard.office();
    move_group(guard, &office.settings(), name, |permits| office.remove_group(permits, name))
}

/// Puts a group of these settings in or out of force.
fn move_group(
    guard: &Guard<'_, impl Office>,
    settings: &Rc<Settings>,
    name: &str,
    put: impl FnOnce(&[Permit]) -> Result<(), Unmoved>,
) -> Result<Value, Fault> {
    guard.somewhere(Action::Config, name)?;
    let group = guard.group(settings, Action::Config, name)?;
    let permits = guard.permit_all(Action::Config, settings, group)?;
    let result = put(&permits).map_err(|why| unmoved(why, name));
    if let Some(permit) = permits.first() {
        let target = &names::whole(name);
        guard.record(Attempt { action: Action::Config, target }, permit, &result);
    }
    result.map(|()| Value::Bool(true))
}

fn unmoved(why: Unmoved, name: &str) -> Fault {
    let code = match why {
        Unmoved::Unknown => Code::BadName,
        Unmoved::InForce => Code::AlreadyAdded,
        Unmoved::Running => Code::StillRunning,
    };
    Fault::new(code).with(name)
}

/// `getAllConfigInfo`: what the caller may change, by name of the process, equal ones as their groups come.
pub(super) fn all(guard: &Guard<'_, impl Office>, rows: &mut impl Rows) {
    let office = guard.office();
    let (active, latest) = (office.settings(), office.latest());
    let each = latest.groups.iter().flat_map(|group| {
        let processes = names::members(&latest, group);
        let mine = processes.filter(|(slot, process)| guard.may(Action::Config, *slot, process));
        mine.map(move |(_, process)| (group, process))
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
