//! What changes processes: `start`, `stop`, `restart`, `signal`, `shutdown`.

use super::super::server::{Outcome, list};
use super::super::session::{Session, libc_errno, status as exit};
use super::super::trouble::Trouble;
use super::{Target, full_name};
use crate::rpc::fault::Code;
use crate::rpc::xml::{Fault, Value};

/// What `start`, `stop` and `signal` differ in.
struct Verb {
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
}

const START: Verb = Verb {
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
};

const STOP: Verb = Verb {
    methods: [
        "supervisor.stopProcess",
        "supervisor.stopProcessGroup",
        "supervisor.stopAllProcesses",
    ],
    done: "stopped",
    ignored: Some(Code::NotRunning),
    no_group: exit::GENERIC,
    words: signal_words,
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
    fn report(&self, session: &mut Session, outcome: &Outcome) -> Result<(), Trouble> {
        let name = full_name(&outcome.group, outcome.name.as_deref());
        let code = Code::from_number(outcome.status);
        // A start that failed in another way has no words in the reference, a stop or signal has the fault's own.
        let tells_itself = self.ignored != START.ignored;
        match code {
            Some(Code::Success) => session.say(format_args!("{name}: {}", self.done)),
            Some(Code::Failed) if tells_itself => session.say(&outcome.description),
            _ => {
                let words = code.and_then(self.words).ok_or_else(|| {
                    Trouble::Value(format!("Unknown result code {} for {name}", outcome.status))
                })?;
                session.say(format_args!("{name}: ERROR ({words})"));
            }
        }
        session.exit_for(outcome.status, self.ignored);
        Ok(())
    }

    /// Does it to what the names stand for, one by one; `extra` is the methods' last parameter.
    fn apply(
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
        for name in names {
            let target = Target::parse(name);
            match target.process {
                Some(process) => {
                    let params: Vec<Value> =
                        std::iter::once(target.value()).chain(extra.clone()).collect();
                    let answer = session.try_call(one, &params)?;
                    let outcome = outcome(&target, process, answer.err());
                    self.report(session, &outcome)?;
                }
                None => {
                    let params: Vec<Value> =
                        std::iter::once(target.group.into()).chain(extra.clone()).collect();
                    match session.try_call(group, &params)? {
                        Ok(answer) => self.report_all(session, &answer)?,
                        Err(fault) if fault.code == Code::BadName.number() => {
                            session.say(format_args!("{}: ERROR (no such group)", target.group));
                            session.exit = self.no_group;
                        }
                        Err(fault) => return Err(fault.into()),
                    }
                }
            }
        }
        Ok(())
    }

    fn report_all(&self, session: &mut Session, answer: &Value) -> Result<(), Trouble> {
        for outcome in list::<Outcome>(answer)? {
            self.report(session, &outcome)?;
        }
        Ok(())
    }
}

fn outcome(target: &Target<'_>, process: &str, fault: Option<Fault>) -> Outcome {
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
    if !session.upcheck()? {
        return Ok(());
    }
    let names: Vec<&str> = rest.split_whitespace().collect();
    if names.is_empty() {
        session.usage("start requires a process name", "start");
        session.exit = exit::INVALID_ARGS;
        return Ok(());
    }
    START.apply(session, &names, None)
}

/// `stop NAME…`
pub fn stop(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    if !session.upcheck()? {
        return Ok(());
    }
    let names: Vec<&str> = rest.split_whitespace().collect();
    if names.is_empty() {
        session.usage("stop requires a process name", "stop");
        return Ok(());
    }
    STOP.apply(session, &names, None)
}

/// `restart NAME…`
pub fn restart(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    if !session.upcheck()? {
        return Ok(());
    }
    if rest.is_empty() {
        session.usage("restart requires a process name", "restart");
        return Ok(());
    }
    stop(session, rest)?;
    start(session, rest)
}

/// `signal SIGNAL NAME…`
pub fn signal(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    if !session.upcheck()? {
        return Ok(());
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    match words.split_first() {
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
            session.say("Shut down");
            return Ok(());
        }
        Ok(Err(fault)) if fault.code == Code::ShutdownState.number() => {
            session.say("ERROR: already shutting down");
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
    session.say(format_args!("ERROR: {} {reason} (already shut down?)", session.server.url));
    session.exit = exit::GENERIC;
    Ok(())
}
