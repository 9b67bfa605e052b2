//! What processes are doing, as structures.

use std::time::Duration;

use privsep::request::Slot;

use super::fault::Fault;
use super::names;
use super::office::Office;
use super::xml::Value;
use crate::config::settings::{Process, Settings};
use crate::process::describe::describe;
use crate::process::{Heart, Now};

/// The daemon's own state. Nobody sees another one: while it goes down every call is refused.
pub(super) fn state() -> Value {
    Value::Struct(vec![
        ("statecode".to_owned(), Value::Int(1)),
        ("statename".to_owned(), Value::from("RUNNING")),
    ])
}

/// `getProcessInfo`.
pub(super) fn one(office: &impl Office, name: &str) -> Result<Value, Fault> {
    let settings = office.settings();
    let (slot, process) = names::process(&settings, name)?;
    let now = office.now();
    Ok(office.heart(|heart| structure(office, &settings, (heart, now), slot, process)))
}

/// `getAllProcessInfo`.
pub(super) fn all(office: &impl Office) -> Result<Value, Fault> {
    let now = office.now();
    let settings = office.settings();
    let processes = names::all_by_name(&settings);
    let structures = office.heart(|heart| {
        let each = processes.into_iter();
        each.map(|(slot, p)| structure(office, &settings, (heart, now), slot, p)).collect()
    });
    Ok(Value::Array(structures))
}

fn structure(
    office: &impl Office,
    settings: &Settings,
    (heart, now): (&Heart, Now),
    slot: Slot,
    process: &Process,
) -> Value {
    let Some(info) = heart.info(slot, now) else {
        return Value::Struct(Vec::new());
    };
    let description = describe(&process.name, &info, office.zone());
    let stdout = path(settings, process.stdout.log);
    let members = [
        ("name", Value::Str(process.name.clone())),
        ("group", Value::from(process.group.as_str())),
        ("start", epoch(info.start.unwrap_or_default())),
        ("stop", epoch(info.stop.unwrap_or_default())),
        ("now", epoch(now.wall)),
        ("state", Value::Int(info.state.code().into())),
        ("statename", Value::from(info.state.name())),
        ("spawnerr", Value::Str(info.spawnerr)),
        ("exitstatus", Value::Int(info.exitstatus.unwrap_or_default().into())),
        ("logfile", Value::Str(stdout.clone())),
        ("stdout_logfile", Value::Str(stdout)),
        ("stderr_logfile", Value::Str(path(settings, process.stderr.log))),
        ("pid", Value::Int(info.pid.into())),
        ("description", Value::Str(description)),
    ];
    Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn path(settings: &Settings, log: Option<u32>) -> String {
    let log = log.and_then(|n| settings.logs.get(&n));
    log.map(|log| log.path.clone()).unwrap_or_default()
}

/// Seconds since the epoch; the interface has no more than 32 bits for them.
fn epoch(time: Duration) -> Value {
    Value::Int(i32::try_from(time.as_secs()).unwrap_or(i32::MAX).into())
}
