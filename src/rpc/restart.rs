//! Restarting as one act: who may do that and nothing else can leave nothing stopped.

use std::collections::BTreeMap;

use policy::access::{Action, Permit};
use privsep::request::Slot;

use super::control::{Order, Told, meant, result, sorted, told};
use super::fault::{Code, Fault};
use super::guard::{Attempt, Guard};
use super::names::{self, Found};
use super::office::Office;
use super::xml::Value;
use crate::config::settings::{Process, Settings};

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
            return Ok(these(guard, names::by_priority(&settings, group), wait).await);
        }
    };
    // Of one process alone it is a fault, not a result.
    guard.weigh_restart(slot, process).map_err(|refusal| guard.tell(refusal))?;
    let down = meant(guard, vec![slot], Order::Stop { wait }).is_empty();
    let mut rows = Vec::new();
    if down {
        let fault = Fault::new(Code::NotRunning).with(name);
        rows.push(row(process, STOP, Err(fault)));
    }
    if let Value::Array(more) = these(guard, vec![slot], wait).await {
        rows.extend(more);
    }
    Ok(Value::Array(rows))
}

/// `restartProcessGroup`.
pub(super) async fn group(
    guard: &Guard<'_, impl Office>,
    name: &str,
    wait: bool,
) -> Result<Value, Fault> {
    let settings = guard.office().settings();
    let group = guard.group(&settings, Action::Restart, name)?;
    Ok(these(guard, names::by_priority(&settings, group), wait).await)
}

/// `restartAllProcesses`.
pub(super) async fn all(guard: &Guard<'_, impl Office>, wait: bool) -> Value {
    these(guard, names::all_by_priority(&guard.office().settings()), wait).await
}

const STOP: &str = "stop";
const START: &str = "start";

/// Stops what runs, waits for it, and starts what does not run then. What may be stopped here may be started here,
/// whatever the rules have become meanwhile.
async fn these(guard: &Guard<'_, impl Office>, slots: Vec<Slot>, wait: bool) -> Value {
    let settings = guard.office().settings();
    let slots = guard.seen(&settings, slots);
    let weigh = |slot, process: &Process| guard.weigh_restart(slot, process);
    let (refused, slots, permits) = sorted(guard, &settings, slots, weigh);
    let (mut stops, mut starts) = (BTreeMap::new(), BTreeMap::new());
    for (slot, permit) in slots.iter().copied().zip(permits) {
        stops.insert(slot, permit.stop);
        starts.insert(slot, permit.start);
    }
    let stopped = carry_out(guard, &slots, Order::Stop { wait: true }, stops).await;
    let stopped = (told(&settings, stopped.0), stopped.1);
    let slots = still(&settings, &guard.office().settings(), slots);
    let started = carry_out(guard, &slots, Order::Start { wait }, starts).await;
    let started = (told(&settings, started.0), started.1);
    record(guard, &stopped, &started);
    let refused = refused.into_iter().map(|(process, no)| row(process, STOP, Err(no)));
    let rows = |step, told: Vec<Told<'_>>| {
        let rows = told.into_iter().map(move |(_, process, outcome)| row(process, step, outcome));
        rows.collect::<Vec<_>>()
    };
    Value::Array(refused.chain(rows(STOP, stopped.0)).chain(rows(START, started.0)).collect())
}

/// Those that are what they were before something was waited for: meanwhile a slot may have become another's.
pub(super) fn still(before: &Settings, now: &Settings, slots: Vec<Slot>) -> Vec<Slot> {
    let name = |process: &Process| (process.group.clone(), process.name.clone());
    let same = |slot: &Slot| before.process(*slot).map(name) == now.process(*slot).map(name);
    slots.into_iter().filter(same).collect()
}

/// Carries out a step for those that it is about, and gives the permits that were used.
async fn carry_out(
    guard: &Guard<'_, impl Office>,
    slots: &[Slot],
    order: Order<'_>,
    mut permits: BTreeMap<Slot, Permit>,
) -> (Vec<crate::process::Outcome>, BTreeMap<Slot, Permit>) {
    let slots = meant(guard, slots.to_vec(), order);
    let used: Vec<Permit> = slots.iter().filter_map(|slot| permits.remove(slot)).collect();
    let outcomes = match order.command(slots.clone()) {
        Ok(command) => guard.office().command(&used, command).await,
        Err(_) => Vec::new(),
    };
    (outcomes, slots.into_iter().zip(used).collect())
}

/// One record a process: what came of its start, or else of its stop.
fn record(
    guard: &Guard<'_, impl Office>,
    stopped: &(Vec<Told<'_>>, BTreeMap<Slot, Permit>),
    started: &(Vec<Told<'_>>, BTreeMap<Slot, Permit>),
) {
    let mut records = BTreeMap::new();
    for (told, permits) in [stopped, started] {
        for (slot, process, outcome) in told {
            if let Some(permit) = permits.get(slot) {
                let what = Attempt { action: Action::Restart, target: &names::full(process) };
                records.insert(*slot, guard.effect(what, permit, outcome));
            }
        }
    }
    guard.record_all(records.into_values().collect());
}

/// One element of the result: a status with the step that it is about.
fn row(process: &Process, step: &'static str, outcome: Result<(), Fault>) -> Value {
    let mut row = result(process, outcome);
    if let Value::Struct(members) = &mut row {
        members.push(("step".to_owned(), Value::from(step)));
    }
    row
}
