//! What the status page can order, and the messages about it: the reference's.

use std::time::Duration;

use jiff::Timestamp;
use policy::access::Action as Right;

use crate::rpc::caller::Caller;
use crate::rpc::fault::{Code, Fault};
use crate::rpc::guard::Guard;
use crate::rpc::office::Office;
use crate::rpc::xml::Value;
use crate::rpc::{call, names};

/// What can be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Refresh,
    RestartAll,
    StopAll,
    Start,
    Stop,
    Restart,
    ClearLog,
}

impl Action {
    pub(super) const ALL: [Action; 7] = [
        Action::Refresh,
        Action::RestartAll,
        Action::StopAll,
        Action::Start,
        Action::Stop,
        Action::Restart,
        Action::ClearLog,
    ];

    /// What addresses call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Action::Refresh => "refresh",
            Action::RestartAll => "restartall",
            Action::StopAll => "stopall",
            Action::Start => "start",
            Action::Stop => "stop",
            Action::Restart => "restart",
            Action::ClearLog => "clearlog",
        }
    }

    /// What its button says.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Action::Refresh => "Refresh",
            Action::RestartAll => "Restart All",
            Action::StopAll => "Stop All",
            Action::Start => "Start",
            Action::Stop => "Stop",
            Action::Restart => "Restart",
            Action::ClearLog => "Clear Log",
        }
    }

    /// What somebody must be allowed to do to each process that it is about.
    pub(super) const fn right(self) -> Option<Right> {
        match self {
            Action::Refresh => None,
            Action::RestartAll | Action::Restart => Some(Right::Restart),
            Action::StopAll | Action::Stop => Some(Right::Stop),
            Action::Start => Some(Right::Start),
            Action::ClearLog => Some(Right::Clear),
        }
    }

    /// Whether it is about one process.
    pub(super) const fn needs_process(self) -> bool {
        !matches!(self, Action::Refresh | Action::RestartAll | Action::StopAll)
    }
}

/// An action and what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish<'a> {
    pub(super) action: Action,
    /// The process's name; empty for all of them.
    pub(super) process: &'a str,
}

/// Why parameters are no wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadWish<'a> {
    Unknown(&'a str),
    NoProcess(Action),
}

/// What came of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was carried out, or not; what the page says of it.
    Message(String),
    /// The daemon is going down.
    ShuttingDown,
    /// It is not allowed: what the fault says.
    Denied(Fault),
}

impl<'a> Wish<'a> {
    pub(super) fn new(action: &'a str, process: Option<&'a str>) -> Result<Wish<'a>, BadWish<'a>> {
        let known = Action::ALL.into_iter().find(|known| known.name() == action);
        let action = known.ok_or(BadWish::Unknown(action))?;
        match process {
            _ if !action.needs_process() => Ok(Wish { action, process: "" }),
            Some(process) => Ok(Wish { action, process }),
            None => Err(BadWish::NoProcess(action)),
        }
    }

    /// The message when all went well.
    pub(super) fn done(&self, office: &impl Office) -> String {
        let name = self.process;
        match self.action {
            Action::Refresh => format!("Page refreshed at {}", time(office)),
            Action::RestartAll => format!("All restarted at {}", time(office)),
            Action::StopAll => format!("All stopped at {}", time(office)),
            Action::Start => format!("Process {name} started"),
            Action::Stop => format!("Process {name} stopped"),
            Action::Restart => format!("Process {name} restarted"),
            Action::ClearLog => format!("Log for {name} cleared"),
        }
    }

    /// The message when some of the processes were left as they are.
    fn denied_in_part(&self, names: &[String]) -> String {
        let what = self.action.right().map_or_else(String::new, |right| right.to_string());
        format!(
            "ERROR: {what} is not allowed of {}; all others have been dealt with",
            names.join(", ")
        )
    }

    fn came_to_nothing(&self, fault: Fault) -> Outcome {
        if is(&fault, Code::ShutdownState) {
            Outcome::ShuttingDown
        } else if is(&fault, Code::AccessDenied) {
            Outcome::Denied(fault)
        } else {
            Outcome::Message(self.failed(&fault))
        }
    }

    /// The message when the process could not be given what was wanted of it.
    fn failed(&self, fault: &Fault) -> String {
        let unexpected = format!("unexpected rpc fault [{}] {}", fault.code, fault.text);
        if self.action != Action::Start {
            return unexpected;
        }
        let why = match Code::from_number(fault.code.into()) {
            Some(Code::NoFile) => "no such file",
            Some(Code::NotExecutable) => "file not executable",
            Some(Code::AlreadyStarted) => "already started",
            Some(Code::SpawnError) => "spawn error",
            Some(Code::AbnormalTermination) => "abnormal termination",
            _ => &unexpected,
        };
        format!("ERROR: Process {}: {why}", self.process)
    }
}

/// The local time, as `ctime` has it.
pub(super) fn time(office: &impl Office) -> String {
    ctime(office.now().wall, office.zone())
}

fn ctime(wall: Duration, zone: &jiff::tz::TimeZone) -> String {
    let at = i64::try_from(wall.as_secs()).ok().and_then(|s| Timestamp::from_second(s).ok());
    let at = at.unwrap_or(Timestamp::MAX).to_zoned(zone.clone());
    at.strftime("%a %b %e %H:%M:%S %Y").to_string()
}

fn is(fault: &Fault, code: Code) -> bool {
    fault.code == code.number()
}

/// What stands in the way of a wish, before anybody is asked whether it is meant.
pub(super) async fn check(guard: &Guard<'_, impl Office>, wish: &Wish<'_>) -> Option<Outcome> {
    let (office, caller) = (guard.office(), guard.caller());
    let known = match wish.action.needs_process() {
        true => ask(office, caller, "getProcessInfo", vec![Value::from(wish.process)]).await,
        false => ask(office, caller, "getState", Vec::new()).await,
    };
    match known.map(drop).and_then(|()| admit(guard, wish)) {
        Err(fault) if is(&fault, Code::BadName) => {
            Some(Outcome::Message(format!("No such process named {}", wish.process)))
        }
        Err(fault) => Some(wish.came_to_nothing(fault)),
        Ok(()) => None,
    }
}

/// Whether a wish about one process may be carried out; a denial is recorded. What is about all of them is decided for each
/// when it is carried out.
fn admit(guard: &Guard<'_, impl Office>, wish: &Wish<'_>) -> Result<(), Fault> {
    let Some(right) = wish.action.right().filter(|_| wish.action.needs_process()) else {
        return Ok(());
    };
    let settings = guard.office().settings();
    let (slot, process, _) = guard.process(&settings, Right::View, wish.process)?;
    // Who may stop and start may restart, too: of that a permit for a restart says nothing.
    if guard.may(right, slot, process) {
        return Ok(());
    }
    guard.permit(right, slot, process).map(drop)
}

/// Carries out a wish and waits until it is done.
pub(super) async fn carry_out(office: &impl Office, caller: &Caller, wish: &Wish<'_>) -> Outcome {
    let name = || vec![Value::from(wish.process)];
    let result = match wish.action {
        Action::Refresh => Ok(Value::Nil),
        Action::StopAll => ask(office, caller, "stopAllProcesses", Vec::new()).await,
        Action::RestartAll => ask(office, caller, "restartAllProcesses", Vec::new()).await,
        Action::Start => ask(office, caller, "startProcess", name()).await,
        Action::Stop => ask(office, caller, "stopProcess", name()).await,
        Action::Restart => match ask(office, caller, "restartProcess", name()).await {
            // How else it went shows in its state.
            Err(fault) if !is(&fault, Code::ShutdownState) && !is(&fault, Code::AccessDenied) => {
                Ok(Value::Nil)
            }
            result => result,
        },
        Action::ClearLog => ask(office, caller, "clearProcessLogs", name()).await,
    };
    match result {
        Ok(rows) if !of_status(&rows, Code::ShutdownState).is_empty() => Outcome::ShuttingDown,
        Ok(rows) => match of_status(&rows, Code::AccessDenied).as_slice() {
            [] => Outcome::Message(wish.done(office)),
            denied => Outcome::Message(wish.denied_in_part(denied)),
        },
        Err(fault) => wish.came_to_nothing(fault),
    }
}

/// The names of the processes that have this status in a result.
fn of_status(result: &Value, code: Code) -> Vec<String> {
    let Value::Array(rows) = result else { return Vec::new() };
    let status = i64::from(code.number());
    let rows =
        rows.iter().filter(|row| row.member("status").and_then(Value::as_int) == Some(status));
    let name = |row: &Value| {
        let text = |key| row.member(key).and_then(Value::as_str);
        Some(names::short(text("group")?, text("name")?))
    };
    rows.filter_map(name).collect()
}

/// Calls a method of the interface: the pages can do what its clients can, and nothing else.
pub(super) async fn ask(
    office: &impl Office,
    caller: &Caller,
    method: &str,
    params: Vec<Value>,
) -> Result<Value, Fault> {
    call(office, caller, &format!("supervisor.{method}"), params).await
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn names_lead_back() {
        for action in Action::ALL {
            let wish = Wish::new(action.name(), Some("p")).expect("a wish");
            assert_eq!(wish.action, action);
            assert_eq!(wish.process, if action.needs_process() { "p" } else { "" });
        }
        assert_eq!(Wish::new("Stop", Some("p")), Err(BadWish::Unknown("Stop")));
        assert_eq!(Wish::new("stop", None), Err(BadWish::NoProcess(Action::Stop)));
    }

    #[test]
    fn times_are_ctime_s() {
        let at = |secs| ctime(Duration::from_secs(secs), &TimeZone::UTC);
        assert_eq!(at(1_795_226_100), "Sat Nov 21 01:55:00 2026");
        assert_eq!(at(0), "Thu Jan  1 00:00:00 1970");
        assert!(at(u64::MAX).ends_with(" 9999"));
    }

    #[test]
    fn faults_of_a_start_have_their_words() {
        let start = Wish { action: Action::Start, process: "g:p" };
        let stop = Wish { action: Action::Stop, process: "g:p" };
        for (code, text) in [
            (Code::NoFile, "no such file"),
            (Code::NotExecutable, "file not executable"),
            (Code::AlreadyStarted, "already started"),
            (Code::SpawnError, "spawn error"),
            (Code::AbnormalTermination, "abnormal termination"),
            (Code::Failed, "unexpected rpc fault [30] FAILED: x"),
        ] {
            let fault = Fault::new(code).with("x");
            assert_eq!(start.failed(&fault), format!("ERROR: Process g:p: {text}"));
        }
        let fault = Fault::new(Code::NotRunning).with("g:p");
        assert_eq!(stop.failed(&fault), "unexpected rpc fault [70] NOT_RUNNING: g:p");
    }
}
