//! Starting until it runs: `--wait-running`, and what `restart --update` has started.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::super::server::{Info, Outcome};
use super::super::session::{Session, status as exit};
use super::super::table::Words;
use super::super::trouble::Trouble;
use super::all_infos;
use super::control::{START, outcome};
use super::names::{Target, full_name, select};
use crate::rpc::fault::Code;
use crate::rpc::xml::Fault;

/// First and longest pause between two looks.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(200)];
/// Longest time that can be asked for, in seconds: a year.
const LONGEST: f64 = 366.0 * 86_400.0;

/// What the user wants to wait for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wish {
    /// What the daemon's own answer waits for.
    Answer,
    /// That all run, at most so many seconds.
    Running(Option<f64>),
}

/// What `--wait-running` and `--timeout` ask for; `None` if that is nonsense, which has been said then.
pub fn wish(session: &mut Session, action: &str, words: &Words<'_>) -> Option<Wish> {
    let Some(text) = words.value("timeout") else {
        return Some(if words.has("wait-running") { Wish::Running(None) } else { Wish::Answer });
    };
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=LONGEST).contains(&seconds) => Some(Wish::Running(Some(seconds))),
        _ => {
            let message = format!("bad timeout {text}: it is a number of seconds, such as 30");
            session.usage(&message, action);
            None
        }
    }
}

/// What is to be said of a process that runs already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// An error.
    Error,
    /// Nothing.
    Silence,
    /// That it was started.
    Success,
}

/// A process that is to run.
#[derive(Debug)]
struct Wanted {
    outcome: Outcome,
    running: Running,
}

/// Starts what the names stand for, all at once, and waits until each runs or will not, at most so many seconds. Told
/// in the order of the names.
pub fn start(session: &mut Session, names: &[&str], seconds: Option<f64>) -> Result<(), Trouble> {
    let infos = all_infos(session)?;
    let mut wanted = Vec::new();
    let names = if names.contains(&"all") { &["all"] } else { names };
    for name in names {
        want(session, &infos, name, &mut wanted);
    }
    run(session, wanted, seconds)
}

/// Waits for processes that were started just now, and starts those of them that were not.
pub fn complete(session: &mut Session, infos: &[&Info], limit: Option<f64>) -> Result<(), Trouble> {
    let running = Running::Success;
    let wanted = infos.iter().map(|info| Wanted { outcome: success(info), running });
    run(session, wanted.collect(), limit)
}

fn success(info: &Info) -> Outcome {
    let process = Some(info.name.as_str());
    let target = Target { given: &info.name, group: &info.group, process };
    outcome(&target, &info.name, None)
}

/// Adds the processes that a name stands for.
fn want(session: &mut Session, infos: &[Info], name: &str, wanted: &mut Vec<Wanted>) {
    let target = Target::parse(name);
    let all = name == "all";
    let found = if all { infos.iter().collect() } else { select(infos, name) };
    if !found.is_empty() || all {
        let whole = all || target.process.is_none();
        let running = if whole { Running::Silence } else { Running::Error };
        wanted.extend(found.iter().map(|info| Wanted { outcome: success(info), running }));
        return;
    }
    match target.process {
        Some(process) => {
            let outcome = outcome(&target, process, Some(Fault::new(Code::BadName)));
            wanted.push(Wanted { outcome, running: Running::Error });
        }
        None => {
            session.error_about(target.group, "no such group", "NO_SUCH_GROUP");
            session.exit = exit::INVALID_ARGS;
        }
    }
}

fn run(session: &mut Session, wanted: Vec<Wanted>, seconds: Option<f64>) -> Result<(), Trouble> {
    let end = end(seconds);
    let mut begun = Vec::with_capacity(wanted.len());
    for one in wanted {
        begun.push(begin(session, one)?);
    }
    conclude(session, begun, seconds, end)
}

/// Waits for processes of which these are the outcomes of their starts, and tells of them.
pub fn await_running(
    session: &mut Session,
    outcomes: Vec<Outcome>,
    seconds: Option<f64>,
) -> Result<(), Trouble> {
    let begun = outcomes.into_iter().map(|outcome| {
        let settled = outcome.status != i64::from(Code::Success.number());
        (Wanted { outcome, running: Running::Success }, settled)
    });
    conclude(session, begun.collect(), seconds, end(seconds))
}

fn end(seconds: Option<f64>) -> Option<Instant> {
    seconds.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds))
}

fn conclude(
    session: &mut Session,
    begun: Vec<(Wanted, bool)>,
    seconds: Option<f64>,
    end: Option<Instant>,
) -> Result<(), Trouble> {
    for (mut one, settled) in begun {
        if !settled && !settle(session, &mut one.outcome, end)? {
            let name = full_name(&one.outcome.group, one.outcome.name.as_deref());
            let message = format!("not running after {} seconds", seconds.unwrap_or_default());
            session.error_about(&name, &message, "TIMEOUT");
            session.exit = exit::NOT_RUNNING;
            continue;
        }
        let already = one.outcome.status == i64::from(Code::AlreadyStarted.number());
        if already && one.running == Running::Silence {
            continue;
        }
        if already && one.running == Running::Success {
            one.outcome.status = i64::from(Code::Success.number());
        }
        START.report(session, &one.outcome)?;
    }
    Ok(())
}

fn given(outcome: &Outcome) -> String {
    format!("{}:{}", outcome.group, outcome.name.as_deref().unwrap_or_default())
}

/// Asks for the start; whether that settles it already.
fn begin(session: &mut Session, mut wanted: Wanted) -> Result<(Wanted, bool), Trouble> {
    let outcome = &mut wanted.outcome;
    if outcome.status != i64::from(Code::Success.number()) {
        return Ok((wanted, true));
    }
    let name = given(outcome);
    let params = [name.as_str().into(), false.into()];
    match session.try_call("supervisor.startProcess", &params)? {
        Ok(_) => Ok((wanted, false)),
        Err(fault) if fault.code == Code::AlreadyStarted.number() => {
            let starting =
                matches!(state(session, &name)?.as_deref(), Some("STARTING" | "BACKOFF"));
            if !starting {
                outcome.status = i64::from(fault.code);
            }
            Ok((wanted, !starting))
        }
        Err(fault) => {
            outcome.status = i64::from(fault.code);
            outcome.description = fault.text;
            Ok((wanted, true))
        }
    }
}

/// The name of a process's state; `None` when it is there no more.
fn state(session: &mut Session, name: &str) -> Result<Option<String>, Trouble> {
    match session.try_call("supervisor.getProcessInfo", &[name.into()])? {
        Ok(answer) => Ok(Some(Info::try_from(&answer)?.statename)),
        Err(fault) if fault.code == Code::BadName.number() => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

/// Waits until it is known what became of a start; `false` when the time is over before.
fn settle(
    session: &mut Session,
    outcome: &mut Outcome,
    end: Option<Instant>,
) -> Result<bool, Trouble> {
    let name = given(outcome);
    let [mut pause, longest] = PAUSES;
    loop {
        let code = match state(session, &name)?.as_deref() {
            Some("STARTING" | "BACKOFF") => None,
            // What has exited ran before: from STARTING there is no way to it.
            Some("RUNNING" | "EXITED") => Some(Code::Success),
            Some(_) => Some(Code::AbnormalTermination),
            None => Some(Code::BadName),
        };
        if let Some(code) = code {
            outcome.status = i64::from(code.number());
            return Ok(true);
        }
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(false);
        }
        sleep(left.map_or(pause, |left| left.min(pause)));
        pause = (pause * 2).min(longest);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::server::Server;
    use super::super::super::table::find;
    use super::*;

    #[test]
    fn wishes() {
        let wished = |rest| {
            let mut session = Session::new(Server::new("unix:///x".to_owned(), None, None), false);
            let words = find("start").unwrap().words(rest).unwrap();
            (wish(&mut session, "start", &words), session.exit)
        };
        assert_eq!(wished("a"), (Some(Wish::Answer), 0));
        assert_eq!(wished("--wait-running a"), (Some(Wish::Running(None)), 0));
        assert_eq!(wished("a --timeout 2.5"), (Some(Wish::Running(Some(2.5))), 0));
        assert_eq!(wished("a --timeout=0"), (Some(Wish::Running(Some(0.0))), 0));
        for bad in ["a --timeout=x", "a --timeout=-1", "a --timeout=nan", "a --timeout=1e300"] {
            assert_eq!(wished(bad), (None, 1), "{bad}");
        }
    }
}
