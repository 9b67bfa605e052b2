//! What goes to programs: text for their standard input, messages for event listeners.

use policy::access::{Action, Permit};
use privsep::request::Slot;

use super::fault::{Code, Fault};
use super::guard::{Attempt, Guard};
use super::names;
use super::office::{Office, Unwritten};
use super::xml::Value;
use crate::process::State;

/// `sendProcessStdin`.
pub(super) fn send(guard: &Guard<'_, impl Office>, name: &str, text: &str) -> Result<Value, Fault> {
    let settings = guard.office().settings();
    let (slot, process, permit) = guard.process(&settings, Action::Stdin, name)?;
    let result = write(guard.office(), &permit, (slot, name), text);
    guard.record(
        Attempt { action: Action::Stdin, target: &names::full(process) },
        &permit,
        &result,
    );
    result
}

fn write(
    office: &impl Office,
    permit: &Permit,
    (slot, name): (Slot, &str),
    text: &str,
) -> Result<Value, Fault> {
    let now = office.now();
    let info = office.heart(|heart| heart.info(slot, now));
    if !info.is_some_and(|info| info.pid != 0 && info.state != State::Stopping) {
        return Err(Fault::new(Code::NotRunning).with(name));
    }
    office.write_stdin(permit, slot, text.as_bytes()).map_err(|why| match why {
        Unwritten::Closed => Fault::new(Code::NoFile).with(name),
        Unwritten::Full { waiting } => {
            let length = text.len();
            Fault::new(Code::Failed).with(format!(
                "{name} does not read its standard input: {waiting} bytes wait for it, {length} more are too many"
            ))
        }
    })?;
    Ok(Value::Bool(true))
}

/// `sendRemoteCommEvent`.
pub(super) fn announce(
    guard: &Guard<'_, impl Office>,
    permit: &Permit,
    kind: &str,
    data: &str,
) -> Value {
    guard.office().announce(permit, kind, data);
    guard.record_on_daemon(permit, &Ok(()));
    Value::Bool(true)
}
