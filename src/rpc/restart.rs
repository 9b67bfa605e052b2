//! Restarting as one act: who may do that and nothing else can leave nothing stopped.

use policy::access::{Action, Permit};
use privsep::request::Slot;

use super::control::{Told, begun, recorded, result, sorted, told};
use super::fault::{Code, Fault};
use super::guard::Guard;
use super::names::{self, Found};
use super::office::Office;
use super::xml::Value;
use crate::config::settings::Process;
use crate::process::Command;

/// `restartProcess`: one process, or the group that `group:*` names.
pub(super) async fn one(
    guard: &Guard<'_, impl Office>,
    name: &str,
    wait: bool,
) -> Result<Value, Fault> {
    let settings = guard.office().settings();
    let (slot, process) = match guard.find(&settings, Action::Restart, name)? {
        Found::Process(slot, process) => (slot, process),
        Found::Group(group) => {
            return Ok(these(guard, names::by_priority(&settings, group), wait).await.rows());
        }
    };
    // Of one process alone it is a fault, not a result.
    guard.weigh_restart(slot, process).map_err(|refusal| guard.tell(refusal))?;
    let mut restarted = these(guard, vec![slot], wait).await;
    if restarted.stops.is_empty() {
        let fault = Fault::new(Code::NotRunning).with(name);
        restarted.stops.push(row(process, STOP, Err(fault)));
    }
    Ok(restarted.rows())
}

/// `restartProcessGroup`.
pub(super) async fn group(
    guard: &Guard<'_, impl Office>,
    name: &str,
    wait: bool,
) -> Result<Value, Fault> {
    let settings = guard.office().settings();
    let group = guard.group(&settings, Action::Restart, name)?;
    Ok(these(guard, names::by_priority(&settings, group), wait).await.rows())
}

/// `restartAllProcesses`.
pub(super) async fn all(guard: &Guard<'_, impl Office>, wait: bool) -> Value {
    these(guard, names::all_by_priority(&guard.office().settings()), wait).await.rows()
}

const STOP: &str = "stop";
const START: &str = "start";

/// Has the broker restart those of the processes that are there for the caller. Those that may not be restarted are told
/// of first. Whether one alone was down from the outset is for the caller to tell.
async fn these(guard: &Guard<'_, impl Office>, slots: Vec<Slot>, wait: bool) -> Restarted {
    let settings = guard.office().settings();
    let slots = guard.seen(&settings, slots);
    let weigh = |slot, process: &Process| guard.weigh_restart(slot, process);
    let (refused, slots, permits) = sorted(guard, &settings, slots, weigh);
    let permits: Vec<Permit> = permits.into_iter().flat_map(|p| [p.stop, p.start]).collect();
    let of: Vec<_> = slots.iter().copied().zip(permits.iter().step_by(2)).collect();
    begun(guard, Action::Restart, &settings, &of);
    let (starts, command) = (slots.len(), Command::Restart { slots, wait });
    let mut stopped = guard.office().command(&permits, command).await;
    let started = stopped.split_off(stopped.len().saturating_sub(starts));
    let (stopped, started) = (told(&settings, stopped), told(&settings, started));
    guard.record_all(recorded(guard, Action::Restart, &started, &of));
    let refused = refused.into_iter().map(|(process, no)| row(process, STOP, Err(no)));
    let rows = |step, told: Vec<Told<'_>>| {
        let rows = told.into_iter().map(move |(_, process, outcome)| row(process, step, outcome));
        rows.collect::<Vec<_>>()
    };
    let stops = refused.chain(rows(STOP, stopped)).collect();
    Restarted { stops, starts: rows(START, started) }
}

/// What came of a restart, a row each.
struct Restarted {
    stops: Vec<Value>,
    starts: Vec<Value>,
}

impl Restarted {
    fn rows(self) -> Value {
        Value::Array(self.stops.into_iter().chain(self.starts).collect())
    }
}

/// One element of the result: a status with the step that it is about.
fn row(process: &Process, step: &'static str, outcome: Result<(), Fault>) -> Value {
    let mut row = result(process, outcome);
    if let Value::Struct(members) = &mut row {
        members.push(("step".to_owned(), Value::from(step)));
    }
    row
}
