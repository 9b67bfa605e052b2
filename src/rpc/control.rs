//! Starting, stopping and signalling: one process, a group, all.

use privsep::request::Slot;

use super::fault::{Code, Fault};
use super::names::{self, Found};
use super::office::Office;
use super::xml::Value;
use crate::config::settings::{Process, Settings};
use crate::process::{Command, Outcome, State, Trouble, texts};

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

    fn command(self, slots: Vec<Slot>) -> Result<Command, Fault> {
        Ok(match self {
            Order::Start { wait } => Command::Start { slots, wait },
            Order::Stop { wait } => Command::Stop { slots, wait },
            Order::Signal(signal) => {
                let signo = texts::signal_number(signal);
                let signo = signo.ok_or_else(|| Fault::new(Code::BadSignal).with(signal))?;
                Command::Signal { slots, signo }
            }
        })
    }
}

/// `startProcess` and its kind: one process, or the group that `group:*` names.
pub(super) async fn one(
    office: &impl Office,
    name: &str,
    order: Order<'_>,
) -> Result<Value, Fault> {
    let settings = office.settings();
    match names::find(&settings, name)? {
        Found::Group(group) => these(office, names::by_priority(&settings, group), order).await,
        Found::Process(slot, _) => single(office, name, order.command(vec![slot])?).await,
    }
}

/// `startProcessGroup` and its kind.
pub(super) async fn group(
    office: &impl Office,
    name: &str,
    order: Order<'_>,
) -> Result<Value, Fault> {
    let settings = office.settings();
    let group = names::group(&settings, name)?;
    these(office, names::by_priority(&settings, group), order).await
}

/// `startAllProcesses` and its kind. A stop goes up by priority too, unlike a shutdown.
pub(super) async fn all(office: &impl Office, order: Order<'_>) -> Result<Value, Fault> {
    these(office, names::all_by_priority(&office.settings()), order).await
}

async fn these(office: &impl Office, slots: Vec<Slot>, order: Order<'_>) -> Result<Value, Fault> {
    let settings = office.settings();
    let slots: Vec<Slot> = office.heart(|heart| {
        let slots = slots.into_iter();
        let meant = |slot: &Slot| {
            let stop = matches!(order, Order::Stop { .. }) && heart.comes_back(*slot);
            stop || heart.state(*slot).is_some_and(|state| order.fits(state))
        };
        slots.filter(meant).collect()
    });
    let outcomes = match order.command(slots.clone()) {
        Ok(command) => {
            let outcomes = office.command(command).await;
            outcomes.into_iter().map(|outcome| told(&settings, outcome)).collect()
        }
        // A bad signal is said once a process: where there is none to signal, nobody hears of it.
        Err(fault) => slots
            .into_iter()
            .map(|slot| Some(result(settings.process(slot)?, Err(fault.clone()))))
            .collect::<Vec<_>>(),
    };
    Ok(Value::Array(outcomes.into_iter().flatten().collect()))
}

/// One process's part in the answer.
fn told(settings: &Settings, (slot, outcome): Outcome) -> Option<Value> {
    let process = settings.process(slot)?;
    let name = names::short(&process.group, &process.name);
    Some(result(process, outcome.map_err(|trouble| fault(trouble, &name))))
}

/// A command about one process: true or a fault.
async fn single(office: &impl Office, name: &str, command: Command) -> Result<Value, Fault> {
    match office.command(command).await.pop() {
        Some((_, Ok(()))) => Ok(Value::Bool(true)),
        Some((_, Err(trouble))) => Err(fault(trouble, name)),
        None => Err(Fault::new(Code::Failed).with(name)),
    }
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
