//! Starting, stopping and signalling: one process, a group, all.

use privsep::request::Slot;

use super::fault::{Code, Fault};
use super::names::{self, Found};
use super::office::Office;
use super::xml::Value;
use crate::config::settings::Process;
use crate::process::{Command, Outcome, State, Trouble, texts};

/// `startProcess`.
pub(super) async fn start(office: &impl Office, name: &str, wait: bool) -> Result<Value, Fault> {
    match names::find(office.settings(), name)? {
        Found::Group(group) => start_group(office, &group.name, wait).await,
        Found::Process(slot, _) => {
            let slots = vec![slot];
            single(office, name, Command::Start { slots, wait }).await
        }
    }
}

/// `startProcessGroup`.
pub(super) async fn start_group(
    office: &impl Office,
    name: &str,
    wait: bool,
) -> Result<Value, Fault> {
    let group = names::group(office.settings(), name)?;
    let slots = names::by_priority(office.settings(), group);
    start_these(office, slots, wait).await
}

/// `startAllProcesses`.
pub(super) async fn start_all(office: &impl Office, wait: bool) -> Result<Value, Fault> {
    start_these(office, names::all_by_priority(office.settings()), wait).await
}

async fn start_these(office: &impl Office, slots: Vec<Slot>, wait: bool) -> Result<Value, Fault> {
    let slots = only(office, slots, |state| !state.is_running());
    Ok(several(office, Command::Start { slots, wait }).await)
}

/// `stopProcess`.
pub(super) async fn stop(office: &impl Office, name: &str, wait: bool) -> Result<Value, Fault> {
    match names::find(office.settings(), name)? {
        Found::Group(group) => stop_group(office, &group.name, wait).await,
        Found::Process(slot, _) => {
            let slots = vec![slot];
            single(office, name, Command::Stop { slots, wait }).await
        }
    }
}

/// `stopProcessGroup`.
pub(super) async fn stop_group(
    office: &impl Office,
    name: &str,
    wait: bool,
) -> Result<Value, Fault> {
    let group = names::group(office.settings(), name)?;
    let slots = names::by_priority(office.settings(), group);
    stop_these(office, slots, wait).await
}

/// `stopAllProcesses`: ascending too, unlike a shutdown.
pub(super) async fn stop_all(office: &impl Office, wait: bool) -> Result<Value, Fault> {
    stop_these(office, names::all_by_priority(office.settings()), wait).await
}

async fn stop_these(office: &impl Office, slots: Vec<Slot>, wait: bool) -> Result<Value, Fault> {
    let slots = only(office, slots, State::is_running);
    Ok(several(office, Command::Stop { slots, wait }).await)
}

/// `signalProcess`.
pub(super) async fn signal(office: &impl Office, name: &str, signal: &str) -> Result<Value, Fault> {
    match names::find(office.settings(), name)? {
        Found::Group(group) => signal_group(office, &group.name, signal).await,
        Found::Process(slot, _) => {
            let signo = texts::signal_number(signal)
                .ok_or_else(|| Fault::new(Code::BadSignal).with(signal))?;
            let slots = vec![slot];
            single(office, name, Command::Signal { slots, signo }).await
        }
    }
}

/// `signalProcessGroup`.
pub(super) async fn signal_group(
    office: &impl Office,
    name: &str,
    signal: &str,
) -> Result<Value, Fault> {
    let group = names::group(office.settings(), name)?;
    let slots = names::by_priority(office.settings(), group);
    Ok(signal_these(office, slots, signal).await)
}

/// `signalAllProcesses`.
pub(super) async fn signal_all(office: &impl Office, signal: &str) -> Result<Value, Fault> {
    let slots = names::all_by_priority(office.settings());
    Ok(signal_these(office, slots, signal).await)
}

/// A bad signal is said once a process: where there is none to signal, nobody hears of it.
async fn signal_these(office: &impl Office, slots: Vec<Slot>, signal: &str) -> Value {
    let slots = only(office, slots, State::is_signallable);
    match texts::signal_number(signal) {
        Some(signo) => several(office, Command::Signal { slots, signo }).await,
        None => {
            let fault = Fault::new(Code::BadSignal).with(signal);
            let settings = office.settings();
            let refused = slots.into_iter().filter_map(|slot| {
                let process = names::slot(settings, slot)?;
                Some(result(process, Err(fault.clone())))
            });
            Value::Array(refused.collect())
        }
    }
}

fn only(office: &impl Office, slots: Vec<Slot>, fits: impl Fn(State) -> bool) -> Vec<Slot> {
    office.heart(|heart| {
        let slots = slots.into_iter();
        slots.filter(|slot| heart.state(*slot).is_some_and(&fits)).collect()
    })
}

/// A command about one process: true or a fault.
async fn single(office: &impl Office, name: &str, command: Command) -> Result<Value, Fault> {
    match office.command(command).await.pop() {
        Some((_, Ok(()))) => Ok(Value::Bool(true)),
        Some((_, Err(trouble))) => Err(fault(trouble, name)),
        None => Err(Fault::new(Code::Failed).with(name)),
    }
}

/// A command about several: an array of structures.
async fn several(office: &impl Office, command: Command) -> Value {
    let outcomes = office.command(command).await;
    let settings = office.settings();
    let results = outcomes.into_iter().filter_map(|(slot, outcome): Outcome| {
        let process = names::slot(settings, slot)?;
        let name = names::full(process);
        let outcome = outcome.map_err(|trouble| fault(trouble, &name));
        Some(result(process, outcome))
    });
    Value::Array(results.collect())
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
