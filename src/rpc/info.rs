//! What processes are doing, as structures.

use std::time::Duration;

use super::fault::{Code, Fault};
use super::guard::Guard;
use super::names;
use super::office::Office;
use super::shape::{Rows, Shape};
use super::table::{PROCESS_INFO, STATE};
use policy::access::Action;

use crate::config::settings::{Process, Settings};
use crate::process::describe::Describer;
use crate::process::{Info, Now};

/// The daemon's own state. Nobody sees another one: while it goes down every call is refused.
pub(super) fn state(rows: &mut impl Rows) {
    rows.row(&STATE, |members| {
        members.int("statecode", 1);
        members.text("statename", "RUNNING");
    });
}

/// `getProcessInfo`.
pub(super) fn one(
    guard: &Guard<'_, impl Office>,
    name: &str,
    rows: &mut impl Rows,
) -> Result<(), Fault> {
    let office = guard.office();
    let settings = office.settings();
    let (slot, process, _) = guard.process(&settings, Action::View, name)?;
    let now = office.now();
    let info = office.heart(|heart| heart.info(slot, now));
    let info = info.ok_or_else(|| Fault::new(Code::BadName).with(name))?;
    let mut describer = Describer::new(office.zone());
    let logs = guard.logs(slot, process);
    row(&settings, (process, logs), (&info, now), &mut describer, rows);
    Ok(())
}

/// `getAllProcessInfo`.
pub(super) fn all(guard: &Guard<'_, impl Office>, rows: &mut impl Rows) {
    let office = guard.office();
    let now = office.now();
    let settings = office.settings();
    let mut describer = Describer::new(office.zone());
    let mut processes = names::all_by_name(&settings);
    processes.retain(|(slot, process)| guard.sees(*slot, process));
    rows.expect(processes.len());
    office.heart(|heart| {
        for (slot, process) in processes {
            if let Some(info) = heart.info(slot, now) {
                let logs = guard.logs(slot, process);
                row(&settings, (process, logs), (&info, now), &mut describer, rows);
            }
        }
    });
}

fn row(
    settings: &Settings,
    (process, [stdout, stderr]): (&Process, [Option<u32>; 2]),
    (info, now): (&Info, Now),
    describer: &mut Describer<'_>,
    rows: &mut impl Rows,
) {
    rows.row(&PROCESS_INFO, |members| {
        let stdout = path(settings, stdout);
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
        members.text("stderr_logfile", path(settings, stderr));
        members.int("pid", info.pid.into());
        members.text("description", describer.describe(&process.name, info));
    });
}

fn path(settings: &Settings, log: Option<u32>) -> &str {
    log.and_then(|n| settings.logs.get(&n)).map_or("", |log| &log.path)
}

/// Seconds since the epoch; the interface has no more than 32 bits for them.
fn epoch(time: Duration) -> i64 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX).into()
}
