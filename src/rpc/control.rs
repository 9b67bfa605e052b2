//! Starting, stopping and signalling: one process, a group, all.

use std::collections::BTreeMap;

use policy::access::{Action, Permit};
use policy::audit::Record;
use privsep::request::Slot;

use super::fault::{Code, Fault};
use super::guard::{Attempt, Guard, Refusal};
use super::names::{self, Found};
use super::office::Office;
use super::xml::Value;
use crate::config::settings::{Process, Settings};
use crate::process::{Command, Outcome, State, Trouble, texts};

/// The outcome in the record of what has been begun.
const BEGUN: &str = "begun";

/// What is to be done to processes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order<'a> {
    Start {
        wait: bool,
    },
    Stop {
        wait: bool,
    },
    /// A signal, as the client wrote it.
    Signal(&'a str),
}

impl Order<'_> {
    /// Whether a process of a group in this state is meant.
    fn fits(self, state: State) -> bool {
        match self {
            Order::Start { .. } => !state.is_running(),
            Order::Stop { .. } => state.is_running(),
            Order::Signal(_) => state.is_signallable(),
        }
    }

    /// Whether it is known only after a while what came of it.
    fn waits(self) -> bool {
        matches!(self, Order::Start { wait: true } | Order::Stop { wait: true })
    }

    fn signo(self) -> Result<u8, Fault> {
        match self {
            Order::Signal(signal) => {
                let signo = texts::signal_number(signal);
                signo.ok_or_else(|| Fault::new(Code::BadSignal).with(signal))
            }
            Order::Start { .. } | Order::Stop { .. } => Ok(0),
        }
    }

    /// What the caller does. No signal at all is asked for like any.
    fn action(self) -> Action {
        match self {
            Order::Start { .. } => Action::Start,
            Order::Stop { .. } => Action::Stop,
            Order::Signal(_) => Action::Signal(self.signo().unwrap_or_default()),
        }
    }

    pub(super) fn command(self, slots: Vec<Slot>) -> Result<Command, Fault> {
        Ok(match self {
            Order::Start { wait } => Command::Start { slots, wait },
            Order::Stop { wait } => Command::Stop { slots, wait },
            Order::Signal(_) => Command::Signal { slots, signo: self.signo()? },
        })
    }
}

/// `startProcess` and its kind: one process, or the group that `group:*` names.
pub(super) async fn one(
    guard: &Guard<'_, impl Office>,
    name: &str,
    order: Order<'_>,
) -> Result<Value, Fault> {
    let settings = guard.office().settings();
    match guard.find(&settings, order.action(), name)? {
        Found::Group(group) => these(guard, names::by_priority(&settings, group), order).await,
        Found::Process(slot, process) => single(guard, name, (slot, process), order).await,
    }
}

/// `startProcessGroup` and its kind.
pub(super) async fn group(
    guard: &Guard<'_, impl Office>,
    name: &str,
    order: Order<'_>,
) -> Result<Value, Fault> {
    let settings = guard.office().settings();
    let group = guard.group(&settings, order.action(), name)?;
    these(guard, names::by_priority(&settings, group), order).await
}

/// `startAllProcesses` and its kind. A stop goes up by priority too, unlike a shutdown.
pub(super) async fn all(guard: &Guard<'_, impl Office>, order: Order<'_>) -> Result<Value, Fault> {
    these(guard, names::all_by_priority(&guard.office().settings()), order).await
}

/// Does it to those of the processes that are there for the caller and are meant. Those to which it may not be done are
/// told of first.
async fn these(
    guard: &Guard<'_, impl Office>,
    slots: Vec<Slot>,
    order: Order<'_>,
) -> Result<Value, Fault> {
    let settings = guard.office().settings();
    let slots = meant(guard, guard.seen(&settings, slots), order);
    let weigh = |slot, process: &Process| guard.weigh(order.action(), slot, process);
    let (refused, slots, permits) = sorted(guard, &settings, slots, weigh);
    let refused = refused.into_iter();
    let mut rows: Vec<Value> = refused.map(|(process, no)| result(process, Err(no))).collect();
    match order.command(slots.clone()) {
        Ok(command) => {
            let of: Vec<_> = slots.iter().copied().zip(&permits).collect();
            if order.waits() {
                begun(guard, order.action(), &settings, &of);
            }
            let outcomes = guard.office().command(&permits, command).await;
            let outcomes = told(&settings, outcomes);
            guard.record_all(recorded(guard, order.action(), &outcomes, &of));
            rows.extend(outcomes.into_iter().map(|(_, process, outcome)| result(process, outcome)));
        }
        // A bad signal is said once a process: where there is none to signal, nobody hears of it.
        Err(fault) => {
            let processes = slots.into_iter().filter_map(|slot| settings.process(slot));
            rows.extend(processes.map(|process| result(process, Err(fault.clone()))));
        }
    }
    Ok(Value::Array(rows))
}

/// Those of the processes that an order to several is about.
fn meant(guard: &Guard<'_, impl Office>, slots: Vec<Slot>, order: Order<'_>) -> Vec<Slot> {
    guard.office().heart(|heart| {
        let meant = |slot: &Slot| {
            let stop = matches!(order, Order::Stop { .. }) && heart.comes_back(*slot);
            stop || heart.state(*slot).is_some_and(|state| order.fits(state))
        };
        slots.into_iter().filter(meant).collect()
    })
}

/// Asks for each process: those that it may not be done to with what is said of it, and the others with their proofs.
pub(super) fn sorted<'s, P>(
    guard: &Guard<'_, impl Office>,
    settings: &'s Settings,
    slots: Vec<Slot>,
    weigh: impl Fn(Slot, &Process) -> Result<P, Refusal>,
) -> (Vec<(&'s Process, Fault)>, Vec<Slot>, Vec<P>) {
    let (mut refused, mut granted, mut permits) = (Vec::new(), Vec::new(), Vec::new());
    let mut records = Vec::new();
    for slot in slots {
        let Some(process) = settings.process(slot) else {
            continue;
        };
        match weigh(slot, process) {
            Ok(permit) => {
                granted.push(slot);
                permits.push(permit);
            }
            Err(Refusal { fault, record }) => {
                refused.push((process, fault));
                records.push(*record);
            }
        }
    }
    guard.record_all(records);
    (refused, granted, permits)
}

pub(super) type Told<'s> = (Slot, &'s Process, Result<(), Fault>);

/// What became of each process, in words of the interface.
pub(super) fn told(settings: &Settings, outcomes: Vec<Outcome>) -> Vec<Told<'_>> {
    let told = outcomes.into_iter().filter_map(|(slot, outcome)| {
        let process = settings.process(slot)?;
        let name = names::short(&process.group, &process.name);
        Some((slot, process, outcome.map_err(|trouble| fault(trouble, &name))))
    });
    told.collect()
}

/// Records what is about to be done and takes its time, so that it is known who asked for it whatever happens meanwhile.
pub(super) fn begun(
    guard: &Guard<'_, impl Office>,
    action: Action,
    settings: &Settings,
    permits: &[(Slot, &Permit)],
) {
    let record = |(slot, permit): &(Slot, &Permit)| {
        let target = &names::full(settings.process(*slot)?);
        Some(guard.effect(Attempt { action, target }, permit, &Ok::<_, Fault>(())))
    };
    let records = permits.iter().filter_map(record);
    let begun = |record| Record { outcome: Some(BEGUN.to_owned()), ..record };
    guard.record_all(records.map(begun).collect());
}

/// The records of what was done to several processes.
pub(super) fn recorded(
    guard: &Guard<'_, impl Office>,
    action: Action,
    outcomes: &[Told<'_>],
    permits: &[(Slot, &Permit)],
) -> Vec<Record> {
    let permits: BTreeMap<Slot, &Permit> = permits.iter().copied().collect();
    let record = |(slot, process, outcome): &Told<'_>| {
        let target = &names::full(process);
        Some(guard.effect(Attempt { action, target }, permits.get(slot)?, outcome))
    };
    outcomes.iter().filter_map(record).collect()
}

/// A command about one process: true or a fault.
async fn single(
    guard: &Guard<'_, impl Office>,
    name: &str,
    (slot, process): (Slot, &Process),
    order: Order<'_>,
) -> Result<Value, Fault> {
    let command = order.command(vec![slot])?;
    let permit = guard.permit(order.action(), slot, process)?;
    let permits = [permit];
    if order.waits() && !meant(guard, vec![slot], order).is_empty() {
        let of: Vec<_> = [slot].into_iter().zip(&permits).collect();
        begun(guard, order.action(), &guard.office().settings(), &of);
    }
    let result = match guard.office().command(&permits, command).await.pop() {
        Some((_, Ok(()))) => Ok(Value::Bool(true)),
        Some((_, Err(trouble))) => Err(fault(trouble, name)),
        None => Err(Fault::new(Code::Failed).with(name)),
    };
    let [permit] = &permits;
    guard.record(
        Attempt { action: order.action(), target: &names::full(process) },
        permit,
        &result,
    );
    result
}

/// One element of an array result.
pub(super) fn result(process: &Process, outcome: Result<(), Fault>) -> Value {
    let (status, description) = match outcome {
        Ok(()) => (Code::Success.number(), "OK".to_owned()),
        Err(fault) => (fault.code, fault.text),
    };
    let members = [
        ("name", Value::Str(process.name.clone())),
        ("group", Value::from(process.group.as_str())),
        ("status", Value::Int(status.into())),
        ("description", Value::Str(description)),
    ];
    let members = members.into_iter();
    Value::Struct(members.map(|(name, v)| (name.to_owned(), v)).collect())
}

fn fault(trouble: Trouble, name: &str) -> Fault {
    match trouble {
        Trouble::NoFile(text) => Fault::new(Code::NoFile).with(text),
        Trouble::NotExecutable(text) => Fault::new(Code::NotExecutable).with(text),
        Trouble::AlreadyStarted => Fault::new(Code::AlreadyStarted).with(name),
        Trouble::Failed(text) => Fault::new(Code::Failed).with(text),
        Trouble::SpawnError => Fault::new(Code::SpawnError).with(name),
        Trouble::AbnormalTermination => Fault::new(Code::AbnormalTermination).with(name),
        Trouble::NotRunning => Fault::new(Code::NotRunning).with(name),
        Trouble::Unknown => {
            Fault::new(Code::Failed).with(format!("{name} is in an unknown process state"))
        }
        Trouble::ShuttingDown => Fault::new(Code::ShutdownState),
    }
}
