//! What changes processes: `start`, `stop`, `signal`, `shutdown`.

use super::super::batch::{AT_ONCE, Batch};
use super::super::out::Problem;
use super::super::server::{Call, Outcome, list};
use super::super::session::{Session, libc_errno, status as exit};
use super::super::trouble::Trouble;
use super::names::{Target, expand, full_name, subject};
use super::rights::denied;
use super::wait::{self, Wish};
use super::words;
use crate::config::json::Json;
use crate::rpc::fault::Code;
use crate::rpc::xml::{Fault, Value};

/// What `start`, `stop` and `signal` differ in.
pub struct Verb {
    /// The methods: for one process, a group, all.
    methods: [&'static str; 3],
    /// What has been done to a process.
    done: &'static str,
    /// A fault that is no failure.
    ignored: Option<Code>,
    /// The exit status for a group that does not exist.
    no_group: u8,
    /// The words for a fault; `None` where there are none.
    words: fn(Code) -> Option<&'static str>,
    /// How many processes it is done to at the same time.
    at_once: usize,
}

pub const START: Verb = Verb {
    methods: [
        "supervisor.startProcess",
        "supervisor.startProcessGroup",
        "supervisor.startAllProcesses",
    ],
    done: "started",
    ignored: Some(Code::AlreadyStarted),
    no_group: exit::INVALID_ARGS,
    words: |code| match code {
        Code::BadName => Some("no such process"),
        Code::NoFile => Some("no such file"),
        Code::NotExecutable => Some("file is not executable"),
        Code::AlreadyStarted => Some("already started"),
        Code::SpawnError => Some("spawn error"),
        Code::AbnormalTermination => Some("abnormal termination"),
        _ => None,
    },
    at_once: AT_ONCE,
};

pub const STOP: Verb = Verb {
    methods: [
        "supervisor.stopProcess",
        "supervisor.stopProcessGroup",
        "supervisor.stopAllProcesses",
    ],
    done: "stopped",
    ignored: Some(Code::NotRunning),
    no_group: exit::GENERIC,
    words: signal_words,
    at_once: AT_ONCE,
};

const SIGNAL: Verb = Verb {
    methods: [
        "supervisor.signalProcess",
        "supervisor.signalProcessGroup",
        "supervisor.signalAllProcesses",
    ],
    done: "signalled",
    ignored: None,
    no_group: exit::GENERIC,
    words: signal_words,
    // Nothing is waited for.
    at_once: 1,
};

fn signal_words(code: Code) -> Option<&'static str> {
    match code {
        Code::BadName => Some("no such process"),
        Code::BadSignal => Some("bad signal name"),
        Code::NotRunning => Some("not running"),
        _ => None,
    }
}

impl Verb {
    /// Says what became of one process, and sets the exit status.
    pub fn report(&self, session: &mut Session, outcome: &Outcome) -> Result<(), Trouble> {
        let name = full_name(&outcome.group, outcome.name.as_deref());
        let code = Code::from_number(outcome.status);
        // A start that failed in another way has no words in the reference, a stop or signal has the fault's own.
        let tells_itself = self.ignored != START.ignored;
        match code {
            Some(Code::Success) => session.out.result(&format!("{name}: {}", self.done), || {
                let process = outcome.name.as_deref().unwrap_or_default();
                let mut members = subject(&outcome.group, process);
                members.push(("outcome", Json::text(self.done)));
                Json::object(members)
            }),
            Some(Code::Failed) if tells_itself => {
                let message = outcome.description.as_str();
                let problem = Problem { code: Code::Failed.name(), message, name: Some(&name) };
                session.out.error(message, problem);
            }
            Some(code @ Code::AccessDenied) => {
                session.error_about(&name, &denied(&outcome.description), code.name());
            }
            _ => {
                let known = code.and_then(|code| Some((code, (self.words)(code)?)));
                let (code, words) = known.ok_or_else(|| {
                    Trouble::Value(format!("Unknown result code {} for {name}", outcome.status))
                })?;
                session.error_about(&name, words, code.name());
            }
        }
        session.exit_for(outcome.status, self.ignored);
        Ok(())
    }

    /// Does it to what the names stand for, several at a time, and tells it in their order. `extra` is the methods'
    /// last parameter.
    pub fn apply(
        &self,
        session: &mut Session,
        names: &[&str],
        extra: Option<Value>,
    ) -> Result<(), Trouble> {
        let [one, group, all] = self.methods;
        if names.contains(&"all") {
            let answer = session.call(all, extra.as_slice())?;
            return self.report_all(session, &answer);
        }
        let names = expand(session, names)?;
        let targets: Vec<Target<'_>> = names.iter().map(|name| Target::parse(name)).collect();
        let call = |target: &Target<'_>| {
            let (method, name) = match target.process {
                Some(_) => (one, target.value()),
                None => (group, target.group.into()),
            };
            let params: Vec<Value> = std::iter::once(name).chain(extra.clone()).collect();
            Call::new(method, &params)
        };
        let calls: Vec<Call> = targets.iter().map(call).collect();
        each(session, &targets, &calls, self.at_once, |session, target, answer| {
            self.tell(session, target, answer)
        })
    }

    /// Says what became of one name.
    pub fn tell(
        &self,
        session: &mut Session,
        target: &Target<'_>,
        answer: Result<Value, Trouble>,
    ) -> Result<(), Trouble> {
        match (target.process, answer) {
            (Some(process), Ok(_)) => self.report(session, &outcome(target, process, None)),
            (Some(process), Err(Trouble::Fault(fault))) => {
                self.report(session, &outcome(target, process, Some(fault)))
            }
            (None, Ok(answer)) => self.report_all(session, &answer),
            (None, Err(Trouble::Fault(fault))) if fault.code == Code::BadName.number() => {
                session.error_about(target.group, "no such group", "NO_SUCH_GROUP");
                session.exit = self.no_group;
                Ok(())
            }
            (_, Err(trouble)) => Err(trouble),
        }
    }

    fn report_all(&self, session: &mut Session, answer: &Value) -> Result<(), Trouble> {
        for outcome in list::<Outcome>(answer)? {
            self.report(session, &outcome)?;
        }
        Ok(())
    }
}

/// Makes a call for each target, at most so many at a time, and tells the answers in the order of the targets.
pub fn each(
    session: &mut Session,
    targets: &[Target<'_>],
    calls: &[Call],
    at_once: usize,
    mut tell: impl FnMut(&mut Session, &Target<'_>, Result<Value, Trouble>) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    // What is named twice is done twice, and what comes of the second time depends on the first.
    let at_once = if any_overlap(targets) { 1 } else { at_once };
    let mut batch = Batch::new(calls, at_once);
    let mut answers: Vec<_> = targets.iter().map(|_| None).collect();
    let mut told = 0;
    while let Some((place, answer)) = batch.next(&mut session.server) {
        if let Some(slot) = answers.get_mut(place) {
            *slot = Some(answer);
        }
        while let Some(answer) = answers.get_mut(told).and_then(Option::take)
            && let Some(target) = targets.get(told)
        {
            tell(session, target, answer)?;
            told += 1;
        }
    }
    Ok(())
}

fn any_overlap(targets: &[Target<'_>]) -> bool {
    targets
        .iter()
        .enumerate()
        .any(|(n, target)| targets.iter().skip(n + 1).any(|other| target.overlaps(other)))
}

/// What became of one process, from the answer to a call about it.
pub fn outcome(target: &Target<'_>, process: &str, fault: Option<Fault>) -> Outcome {
    let fault = fault.unwrap_or_else(|| Fault::new(Code::Success));
    Outcome {
        group: target.group.to_owned(),
        name: Some(process.to_owned()),
        status: i64::from(fault.code),
        description: fault.text,
    }
}

/// `start NAME…`
pub fn start(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    let Some(words) = words(session, "start", rest) else { return Ok(()) };
    if !session.upcheck()? {
        return Ok(());
    }
    if words.names.is_empty() {
        session.usage("start requires a process name", "start");
        session.exit = exit::INVALID_ARGS;
        return Ok(());
    }
    match wait::wish(session, "start", &words) {
        None => Ok(()),
        Some(Wish::Running(limit)) => wait::start(session, &words.names, limit),
        Some(Wish::Answer) => START.apply(session, &words.names, None),
    }
}

/// `stop NAME…`
pub fn stop(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    let Some(words) = words(session, "stop", rest) else { return Ok(()) };
    if !session.upcheck()? {
        return Ok(());
    }
    if words.names.is_empty() {
        session.usage("stop requires a process name", "stop");
        return Ok(());
    }
    STOP.apply(session, &words.names, None)
}

/// `signal SIGNAL NAME…`
pub fn signal(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    let Some(words) = words(session, "signal", rest) else { return Ok(()) };
    if !session.upcheck()? {
        return Ok(());
    }
    match words.names.split_first() {
        Some((signal, names)) if !names.is_empty() => {
            SIGNAL.apply(session, names, Some(Value::from(*signal)))
        }
        _ => {
            session.usage("signal requires a signal name and a process name", "signal");
            Ok(())
        }
    }
}

/// `shutdown`
pub fn shutdown(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    if !rest.is_empty() {
        session.usage("shutdown accepts no arguments", "shutdown");
        return Ok(());
    }
    if !session.confirm("Really shut the remote supervisord process down y/N? ")? {
        return Ok(());
    }
    let trouble = match session.try_call("supervisor.shutdown", &[]) {
        Ok(Ok(_)) => {
            session
                .out
                .result("Shut down", || Json::object([("outcome", Json::text("shut down"))]));
            return Ok(());
        }
        Ok(Err(fault)) if fault.code == Code::ShutdownState.number() => {
            session.error("ERROR: already shutting down", Code::ShutdownState.name());
            return Ok(());
        }
        Ok(Err(fault)) => return Err(fault.into()),
        Err(trouble) => trouble,
    };
    let reason = match trouble.errno() {
        Some(libc_errno::ECONNREFUSED) => "refused connection",
        Some(libc_errno::ENOENT) => "no such file",
        _ => return Err(trouble),
    };
    let line = format!("ERROR: {} {reason} (already shut down?)", session.server.url);
    session.error(line, trouble.code());
    session.exit = exit::GENERIC;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_twice_is_done_one_by_one() {
        let overlap = |names: &[&str]| {
            any_overlap(&names.iter().map(|name| Target::parse(name)).collect::<Vec<_>>())
        };
        assert!(overlap(&["a", "b", "a"]) && overlap(&["g:x", "g:*"]));
        assert!(!overlap(&["a", "b", "g:x", "g:y"]) && !overlap(&[]));
    }
}
