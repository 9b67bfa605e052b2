//! What concerns the configuration: `reread`, `update`, `add`, `remove`, `avail`, `reload`.

use super::super::server::{Outcome, list};
use super::super::session::{Session, status as exit};
use super::super::trouble::Trouble;
use super::{all_infos, full_name};
use crate::rpc::fault::Code;
use crate::rpc::xml::{Fault, Value};

/// Names of groups in which the configuration differs from what runs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
}

impl TryFrom<&Value> for Changes {
    type Error = Trouble;

    fn try_from(value: &Value) -> Result<Changes, Trouble> {
        // The lists are wrapped in one more.
        let items = |value: &Value| match value {
            Value::Array(items) => Ok(items.clone()),
            _ => Err(Trouble::Answer),
        };
        let outer = items(value)?;
        let lists = items(outer.first().ok_or(Trouble::Answer)?)?;
        let names = |at: usize| -> Result<Vec<String>, Trouble> {
            let names = items(lists.get(at).ok_or(Trouble::Answer)?)?;
            let texts = names.iter().map(|name| name.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or(Trouble::Answer)
        };
        Ok(Changes { added: names(0)?, changed: names(1)?, removed: names(2)? })
    }
}

impl Changes {
    /// One line a group, by name. A name in two lists has the later one's word.
    fn lines(&self) -> Vec<String> {
        let lists = [
            (&self.added, "available"),
            (&self.changed, "changed"),
            (&self.removed, "disappeared"),
        ];
        let words = lists.iter().flat_map(|(names, word)| names.iter().map(move |n| (n, word)));
        let words: std::collections::BTreeMap<_, _> = words.collect();
        words.iter().map(|(name, word)| format!("{name}: {word}")).collect()
    }
}

fn is(fault: &Fault, code: Code) -> bool {
    fault.code == code.number()
}

/// `reread`
pub fn reread(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    if !rest.is_empty() {
        session.usage("reread accepts no arguments", "reread");
        return Ok(());
    }
    let fault = match session.try_call("supervisor.reloadConfig", &[])? {
        Ok(answer) => {
            let lines = Changes::try_from(&answer)?.lines();
            if lines.is_empty() {
                session.say("No config updates to processes");
            }
            lines.into_iter().for_each(|line| session.say(line));
            return Ok(());
        }
        Err(fault) => fault,
    };
    session.exit = exit::GENERIC;
    if is(&fault, Code::ShutdownState) {
        session.say("ERROR: supervisor shutting down");
    } else if is(&fault, Code::CantReread) {
        session.say(format_args!("ERROR: {}", fault.text));
    } else {
        return Err(fault.into());
    }
    Ok(())
}

/// `update [all|GROUP…]`
pub fn update(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    let changes = match session.try_call("supervisor.reloadConfig", &[])? {
        Ok(answer) => Changes::try_from(&answer)?,
        Err(fault) if is(&fault, Code::ShutdownState) => {
            session.say("ERROR: already shutting down");
            session.exit = exit::GENERIC;
            return Ok(());
        }
        Err(fault) => return Err(fault.into()),
    };
    let mut names: Vec<&str> = rest.split_whitespace().collect();
    if names.contains(&"all") {
        names.clear();
    }
    check_names(session, &names, &changes)?;
    let meant = |group: &&String| names.is_empty() || names.contains(&group.as_str());
    for group in changes.removed.iter().filter(meant) {
        drop_group(session, group)?;
    }
    for group in changes.changed.iter().filter(meant) {
        stop_group(session, group)?;
        session.call("supervisor.removeProcessGroup", &[group.as_str().into()])?;
        session.call("supervisor.addProcessGroup", &[group.as_str().into()])?;
        session.say(format_args!("{group}: updated process group"));
    }
    for group in changes.added.iter().filter(meant) {
        session.call("supervisor.addProcessGroup", &[group.as_str().into()])?;
        session.say(format_args!("{group}: added process group"));
    }
    Ok(())
}

/// Says which of the names are no group, now or after the update.
fn check_names(session: &mut Session, names: &[&str], changes: &Changes) -> Result<(), Trouble> {
    if names.is_empty() {
        return Ok(());
    }
    let infos = all_infos(session)?;
    for name in names {
        let known = infos.iter().any(|info| info.group == *name);
        if !known && !changes.added.iter().any(|added| added == name) {
            session.say(format_args!("ERROR: no such group: {name}"));
            session.exit = exit::GENERIC;
        }
    }
    Ok(())
}

fn stop_group(session: &mut Session, group: &str) -> Result<Vec<Outcome>, Trouble> {
    let answer = session.call("supervisor.stopProcessGroup", &[group.into()])?;
    session.say(format_args!("{group}: stopped"));
    list(&answer)
}

fn drop_group(session: &mut Session, group: &str) -> Result<(), Trouble> {
    let outcomes = stop_group(session, group)?;
    let failed = |outcome: &Outcome| outcome.status == i64::from(Code::Failed.number());
    if outcomes.iter().any(failed) {
        session.say(format_args!("{group}: has problems; not removing"));
        session.exit = exit::GENERIC;
        return Ok(());
    }
    session.call("supervisor.removeProcessGroup", &[group.into()])?;
    session.say(format_args!("{group}: removed process group"));
    Ok(())
}

/// `add NAME…`
pub fn add(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    for name in rest.split_whitespace() {
        let fault = match session.try_call("supervisor.addProcessGroup", &[name.into()])? {
            Ok(_) => {
                session.say(format_args!("{name}: added process group"));
                continue;
            }
            Err(fault) => fault,
        };
        if is(&fault, Code::AlreadyAdded) {
            session.say("ERROR: process group already active");
            continue;
        }
        session.exit = exit::GENERIC;
        if is(&fault, Code::ShutdownState) {
            session.say("ERROR: shutting down");
        } else if is(&fault, Code::BadName) {
            session.say(format_args!("ERROR: no such process/group: {name}"));
        } else {
            return Err(fault.into());
        }
    }
    Ok(())
}

/// `remove NAME…`
pub fn remove(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    for name in rest.split_whitespace() {
        let fault = match session.try_call("supervisor.removeProcessGroup", &[name.into()])? {
            Ok(_) => {
                session.say(format_args!("{name}: removed process group"));
                continue;
            }
            Err(fault) => fault,
        };
        session.exit = exit::GENERIC;
        if is(&fault, Code::StillRunning) {
            session.say(format_args!("ERROR: process/group still running: {name}"));
        } else if is(&fault, Code::BadName) {
            session.say(format_args!("ERROR: no such process/group: {name}"));
        } else {
            return Err(fault.into());
        }
    }
    Ok(())
}

/// `avail`
pub fn avail(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    if !rest.is_empty() {
        session.usage("avail accepts no arguments", "avail");
        return Ok(());
    }
    match session.try_call("supervisor.getAllConfigInfo", &[])? {
        Ok(Value::Array(infos)) => {
            for info in &infos {
                session.say(configured(info).ok_or(Trouble::Answer)?);
            }
            Ok(())
        }
        Ok(_) => Err(Trouble::Answer),
        Err(fault) if is(&fault, Code::ShutdownState) => {
            session.say("ERROR: supervisor shutting down");
            session.exit = exit::GENERIC;
            Ok(())
        }
        Err(fault) => Err(fault.into()),
    }
}

/// A line of `avail`.
fn configured(info: &Value) -> Option<String> {
    let name = full_name(info.member("group")?.as_str()?, info.member("name")?.as_str());
    let truth = |key: &str| info.member(key).map(|value| *value == Value::Bool(true));
    let inuse = if truth("inuse")? { "in use" } else { "avail" };
    let start = if truth("autostart")? { "auto" } else { "manual" };
    let [group, own] = ["group_prio", "process_prio"].map(|key| info.member(key)?.as_int());
    Some(format!("{name:32} {inuse:9} {start:9} {}:{}", group?, own?))
}

/// `reload`
pub fn reload(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    if !rest.is_empty() {
        session.usage("reload accepts no arguments", "reload");
        return Ok(());
    }
    if !session.confirm("Really restart the remote supervisord process y/N? ")? {
        return Ok(());
    }
    let fault = match session.try_call("supervisor.restart", &[])? {
        Ok(_) => {
            session.say("Restarted supervisord");
            return Ok(());
        }
        Err(fault) => fault,
    };
    session.exit = exit::GENERIC;
    if is(&fault, Code::ShutdownState) {
        session.say("ERROR: already shutting down");
    } else if is(&fault, Code::CantReread) {
        session.say(format_args!("ERROR: {}", fault.text));
    } else {
        return Err(fault.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Value {
        Value::Array(names.iter().map(|name| Value::from(*name)).collect())
    }

    #[test]
    fn changes_are_read_through_the_extra_list() {
        let lists = vec![names(&["b", "a"]), names(&[]), names(&["c"])];
        let changes = Changes::try_from(&Value::Array(vec![Value::Array(lists)])).unwrap();
        assert_eq!(changes.added, ["b", "a"]);
        assert_eq!(changes.lines(), ["a: available", "b: available", "c: disappeared"]);
        for wrong in [names(&[]), names(&["x"]), Value::Int(1), Value::Array(vec![names(&["x"])])] {
            assert!(Changes::try_from(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_configured_has_columns() {
        let info = |inuse, autostart, priority: i64| {
            let members = [
                ("group", Value::from("g")),
                ("name", Value::from("p")),
                ("inuse", Value::Bool(inuse)),
                ("autostart", Value::Bool(autostart)),
                ("group_prio", Value::Int(999)),
                ("process_prio", Value::Int(priority)),
            ];
            Value::Struct(members.map(|(name, value)| (name.to_owned(), value)).into())
        };
        assert_eq!(
            configured(&info(true, false, 1)).unwrap(),
            "g:p                              in use    manual    999:1"
        );
        assert_eq!(
            configured(&info(false, true, -1)).unwrap(),
            "g:p                              avail     auto      999:-1"
        );
        assert_eq!(configured(&Value::Int(1)), None);
    }
}
