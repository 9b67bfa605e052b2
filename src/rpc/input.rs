//! What goes to programs: text for their standard input, messages for event listeners.

use super::fault::{Code, Fault};
use super::names;
use super::office::{Office, Unwritten};
use super::xml::Value;
use crate::process::State;

/// `sendProcessStdin`.
pub(super) fn send(office: &impl Office, name: &str, text: &str) -> Result<Value, Fault> {
    let settings = office.settings();
    let (slot, _) = names::process(&settings, name)?;
    let now = office.now();
    let info = office.heart(|heart| heart.info(slot, now));
    if !info.is_some_and(|info| info.pid != 0 && info.state != State::Stopping) {
        return Err(Fault::new(Code::NotRunning).with(name));
    }
    office.write_stdin(slot, text.as_bytes()).map_err(|why| match why {
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
pub(super) fn announce(office: &impl Office, kind: &str, data: &str) -> Value {
    office.announce(kind, data);
    Value::Bool(true)
}
