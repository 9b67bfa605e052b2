//! What concerns the configuration: `reread`, `update`, `add`, `remove`, `avail`, `reload`.

use std::collections::BTreeMap;

use super::super::out::Problem;
use super::super::session::{Session, status as exit};
use super::super::trouble::{Trouble, code_of};
use super::json;
use super::names::{full_name, subject};
use super::rights::denied;
use crate::config::json::Json;
use crate::rpc::fault::Code;
use crate::rpc::xml::{Fault, Value};

/// Names of groups in which the configuration differs from what runs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// In force when added.
    pub added: Vec<String>,
    /// In force as they were before.
    pub changed: Vec<String>,
    /// In force still.
    pub removed: Vec<String>,
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
    fn words(&self) -> BTreeMap<&str, &'static str> {
        let lists = [
            (&self.added, "available"),
            (&self.changed, "changed"),
            (&self.removed, "disappeared"),
        ];
        let words =
            lists.iter().flat_map(|(names, word)| names.iter().map(|n| (n.as_str(), *word)));
        words.collect()
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
            let changes = Changes::try_from(&answer)?;
            let words = changes.words();
            if words.is_empty() {
                session.say("No config updates to processes");
            }
            for (group, word) in words {
                done(session, group, word);
            }
            return Ok(());
        }
        Err(fault) => fault,
    };
    session.exit = exit::GENERIC;
    if is(&fault, Code::ShutdownState) {
        session.error("ERROR: supervisor shutting down", code_of(&fault));
    } else if is(&fault, Code::CantReread) {
        session.error(format_args!("ERROR: {}", fault.text), code_of(&fault));
    } else {
        return Err(fault.into());
    }
    Ok(())
}

/// What has become of a group: `GROUP: WORDS`.
pub fn done(session: &Session, group: &str, words: &str) {
    session.out.result(&format!("{group}: {words}"), || {
        Json::object([("group", Json::text(group)), ("outcome", Json::text(words))])
    });
}

/// Reads the configuration afresh; `None` where the daemon is on its way down, which has been said then.
pub fn changes(session: &mut Session) -> Result<Option<Changes>, Trouble> {
    match session.try_call("supervisor.reloadConfig", &[])? {
        Ok(answer) => Changes::try_from(&answer).map(Some),
        Err(fault) if is(&fault, Code::ShutdownState) => {
            session.error("ERROR: already shutting down", code_of(&fault));
            session.exit = exit::GENERIC;
            Ok(None)
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Says what is wrong with a group.
pub fn error_of(session: &Session, line: &str, name: &str, code: &str) {
    let message = line.strip_prefix("ERROR: ").unwrap_or(line);
    session.out.error(line, Problem { code, message, name: Some(name) });
}

/// `add NAME…`
pub fn add(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    for name in rest.split_whitespace() {
        let fault = match session.try_call("supervisor.addProcessGroup", &[name.into()])? {
            Ok(_) => {
                done(session, name, "added process group");
                continue;
            }
            Err(fault) => fault,
        };
        if is(&fault, Code::AlreadyAdded) {
            error_of(session, "ERROR: process group already active", name, code_of(&fault));
            continue;
        }
        session.exit = exit::GENERIC;
        if is(&fault, Code::ShutdownState) {
            error_of(session, "ERROR: shutting down", name, code_of(&fault));
        } else if is(&fault, Code::BadName) {
            let line = format!("ERROR: no such process/group: {name}");
            error_of(session, &line, name, code_of(&fault));
        } else if is(&fault, Code::AccessDenied) {
            session.error_about(name, &denied(&fault.text), code_of(&fault));
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
                done(session, name, "removed process group");
                continue;
            }
            Err(fault) => fault,
        };
        session.exit = exit::GENERIC;
        if is(&fault, Code::StillRunning) {
            let line = format!("ERROR: process/group still running: {name}");
            error_of(session, &line, name, code_of(&fault));
        } else if is(&fault, Code::BadName) {
            let line = format!("ERROR: no such process/group: {name}");
            error_of(session, &line, name, code_of(&fault));
        } else if is(&fault, Code::AccessDenied) {
            session.error_about(name, &denied(&fault.text), code_of(&fault));
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
                let line = configured(info).ok_or(Trouble::Answer)?;
                session.out.result(&line, || described(info));
            }
            Ok(())
        }
        Ok(_) => Err(Trouble::Answer),
        Err(fault) if is(&fault, Code::ShutdownState) => {
            session.error("ERROR: supervisor shutting down", code_of(&fault));
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

/// What a document says of a process of the last reading.
fn described(info: &Value) -> Json {
    let text = |key: &str| info.member(key).and_then(Value::as_str).unwrap_or_default();
    json::with_subject(subject(text("group"), text("name")), info)
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
            let line = "Restarted supervisord";
            session.out.result(line, || Json::object([("outcome", Json::text("restarted"))]));
            return Ok(());
        }
        Err(fault) => fault,
    };
    session.exit = exit::GENERIC;
    if is(&fault, Code::ShutdownState) {
        session.error("ERROR: already shutting down", code_of(&fault));
    } else if is(&fault, Code::CantReread) {
        session.error(format_args!("ERROR: {}", fault.text), code_of(&fault));
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
        let words: Vec<_> = changes.words().into_iter().collect();
        assert_eq!(words, [("a", "available"), ("b", "available"), ("c", "disappeared")]);
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
