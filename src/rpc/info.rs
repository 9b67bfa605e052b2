//! What processes are doing, as structures.

use std::time::Duration;

use privsep::request::Slot;

use super::fault::Fault;
use super::names;
use super::office::Office;
use super::shape::{Rows, Shape};
use crate::config::settings::{Process, Settings};
use crate::process::describe::describe;
use crate::process::{Heart, Now};

/// The daemon's own state. Nobody sees another one: while it goes down every call is refused.
pub(super) fn state(rows: &mut impl Rows) {
    rows.row(|members| {
        members.int("statecode", 1);
        members.text("statename", "RUNNING");
    });
}

/// `getProcessInfo`.
pub(super) fn one(office: &impl Office, name: &str, rows: &mut impl Rows) -> Result<(), Fault> {
    let settings = office.settings();
    let (slot, process) = names::process(&settings, name)?;
    let now = office.now();
    office.heart(|heart| {
        rows.row(|members| structure(office, &settings, (heart, now), (slot, process), members));
    });
    Ok(())
}

/// `getAllProcessInfo`.
pub(super) fn all(office: &impl Office, rows: &mut impl Rows) {
    let now = office.now();
    let settings = office.settings();
    office.heart(|heart| {
        for of in names::all_by_name(&settings) {
            rows.row(|members| structure(office, &settings, (heart, now), of, members));
        }
    });
}

fn structure(
    office: &impl Office,
    settings: &Settings,
    (heart, now): (&Heart, Now),
    (slot, process): (Slot, &Process),
    members: &mut impl Shape,
) {
    let Some(info) = heart.info(slot, now) else {
        return;
    };
    let stdout = path(settings, process.stdout.log);
    members.text("name", &process.name);
    members.text("group", &process.group);
    members.int("start", epoch(info.start.unwrap_or_default()));
    members.int("stop", epoch(info.stop.unwrap_or_default()));
    members.int("now", epoch(now.wall));
    members.int("state", info.state.code().into());
    members.text("statename", info.state.name());
    members.text("spawnerr", &info.spawnerr);
    members.int("exitstatus", info.exitstatus.unwrap_or_default().into());
    members.text("logfile", stdout);
    members.text("stdout_logfile", stdout);
    members.text("stderr_logfile", path(settings, process.stderr.log));
    members.int("pid", info.pid.into());
    members.text("description", &describe(&process.name, &info, office.zone()));
}

fn path(settings: &Settings, log: Option<u32>) -> &str {
    log.and_then(|n| settings.logs.get(&n)).map_or("", |log| &log.path)
}

/// Seconds since the epoch; the interface has no more than 32 bits for them.
fn epoch(time: Duration) -> i64 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX).into()
}
