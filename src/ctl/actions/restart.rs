//! `restart`: a stop and a start, or, for those who may do neither by itself, both as one act.

use super::super::batch::AT_ONCE;
use super::super::server::{Call, Info, Outcome, decode, list};
use super::super::session::Session;
use super::super::trouble::Trouble;
use super::control::{START, STOP, each};
use super::names::{Target, expand, select};
use super::rights::{Me, Question, ask};
use super::wait::{self, Wish};
use super::{all_infos, update, words};
use crate::rpc::xml::Value;

/// `restart NAME…`
pub fn restart(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    let Some(words) = words(session, "restart", rest) else { return Ok(()) };
    let me = session.upcheck_and_call(&Call::new("supervisor.whoAmI", &[]));
    let Some(me) = me? else { return Ok(()) };
    if words.names.is_empty() {
        session.usage("restart requires a process name", "restart");
        return Ok(());
    }
    let Some(wish) = wait::wish(session, "restart", &words) else { return Ok(()) };
    let updated;
    let mut names = words.names.clone();
    if words.has("update") {
        let Some(left) = update::update_named(session, &names, wish)? else { return Ok(()) };
        updated = left;
        names = updated.iter().map(String::as_str).collect();
        if names.is_empty() {
            return Ok(());
        }
    }
    // The reference has no roles, and does not know the question.
    let limited = decode(&me).and_then(|me| Me::try_from(&me)).is_ok_and(|me| me.has_limits());
    if limited && !may_in_parts(session, &names)? {
        return as_one(session, &names, wish);
    }
    STOP.apply(session, &names, None)?;
    match wish {
        Wish::Running(limit) => wait::start(session, &names, limit),
        Wish::Answer => START.apply(session, &names, None),
    }
}

/// Whether the caller may both stop and start all that the names stand for.
fn may_in_parts(session: &mut Session, names: &[&str]) -> Result<bool, Trouble> {
    let infos = all_infos(session)?;
    let all = names.contains(&"all");
    let meant = |info: &&Info| {
        let same = |other: &&Info| other.group == info.group && other.name == info.name;
        all || names.iter().any(|name| select(&infos, name).iter().any(same))
    };
    let questions = infos.iter().filter(meant).flat_map(|info| {
        ["stop", "start"].map(|action| Question {
            user: String::new(),
            action: action.to_owned(),
            target: format!("{}:{}", info.group, info.name),
        })
    });
    let verdicts = ask(session, &questions.collect::<Vec<_>>())?;
    Ok(verdicts.iter().all(|verdict| verdict.as_ref().is_ok_and(|verdict| verdict.allowed)))
}

/// Has the daemon stop and start what the names stand for.
fn as_one(session: &mut Session, names: &[&str], wish: Wish) -> Result<(), Trouble> {
    let wait = Value::Bool(wish == Wish::Answer);
    let mut started = Vec::new();
    if names.contains(&"all") {
        let answer = session.call("supervisor.restartAllProcesses", &[wait])?;
        tell(session, &answer, wish, &mut started)?;
    } else {
        let names = expand(session, names)?;
        let targets: Vec<Target<'_>> = names.iter().map(|name| Target::parse(name)).collect();
        let call = |target: &Target<'_>| match target.process {
            Some(_) => Call::new("supervisor.restartProcess", &[target.value(), wait.clone()]),
            None => {
                Call::new("supervisor.restartProcessGroup", &[target.group.into(), wait.clone()])
            }
        };
        let calls: Vec<Call> = targets.iter().map(call).collect();
        each(session, &targets, &calls, AT_ONCE, |session, target, answer| match answer {
            Ok(answer) => tell(session, &answer, wish, &mut started),
            answer => START.tell(session, target, answer),
        })?;
    }
    match wish {
        Wish::Running(limit) => wait::await_running(session, started, limit),
        Wish::Answer => Ok(()),
    }
}

/// Says what became of the stops and starts of an answer. Starts that are to be waited for go to `started`.
fn tell(
    session: &mut Session,
    answer: &Value,
    wish: Wish,
    started: &mut Vec<Outcome>,
) -> Result<(), Trouble> {
    let Value::Array(rows) = answer else { return Err(Trouble::Answer) };
    for (row, outcome) in rows.iter().zip(list::<Outcome>(answer)?) {
        match row.member("step").and_then(Value::as_str) {
            Some("stop") => STOP.report(session, &outcome)?,
            Some("start") if wish != Wish::Answer => started.push(outcome),
            Some("start") => START.report(session, &outcome)?,
            _ => return Err(Trouble::Answer),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::server::Server;
    use super::*;

    fn row(name: &str, status: i64, step: &str) -> Value {
        let members = [
            ("name", Value::from(name)),
            ("group", Value::from("g")),
            ("status", Value::Int(status)),
            ("description", Value::from("ACCESS_DENIED: restart of g:b")),
            ("step", Value::from(step)),
        ];
        Value::Struct(members.map(|(key, value)| (key.to_owned(), value)).into())
    }

    #[test]
    fn steps_are_told_apart() {
        let told = |rows: Vec<Value>, wish| {
            let mut session = Session::new(Server::new("unix:///x".to_owned(), None, None), false);
            let mut started = Vec::new();
            let done = tell(&mut session, &Value::Array(rows), wish, &mut started);
            (done.is_ok(), session.exit, started.len())
        };
        let both = || vec![row("a", 80, "stop"), row("a", 80, "start")];
        assert_eq!(told(both(), Wish::Answer), (true, 0, 0));
        assert_eq!(told(both(), Wish::Running(None)), (true, 0, 1));
        assert_eq!(
            told(vec![row("a", 70, "stop"), row("a", 50, "start")], Wish::Answer),
            (true, 7, 0)
        );
        assert_eq!(told(vec![row("b", 96, "stop")], Wish::Answer), (true, 1, 0));
        assert!(!told(vec![row("a", 80, "else")], Wish::Answer).0);
    }
}
