//! What is told without changing anything: `status`, `pid`, `version`.

use super::super::server::{Info, string};
use super::super::session::{Session, status as exit};
use super::super::trouble::Trouble;
use super::{Target, all_infos, full_name};
use crate::rpc::fault::Code;
use crate::rpc::xml::Value;

/// STOPPED, EXITED, FATAL, UNKNOWN.
const STOPPED_STATES: [i64; 4] = [0, 100, 200, 1000];
/// Narrowest column of names, in characters, without the gap after it.
const NAME_WIDTH: usize = 30;

/// `status [NAME…]`
pub fn status(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    if !session.upcheck()? {
        session.exit = exit::STATUS_UNKNOWN;
        return Ok(());
    }
    let all = all_infos(session)?;
    let names: Vec<&str> = rest.split_whitespace().collect();
    let shown = if names.is_empty() || names.contains(&"all") {
        all.iter().collect()
    } else {
        select(session, &all, &names)
    };
    for line in table(&shown) {
        session.say(line);
    }
    if shown.iter().any(|info| STOPPED_STATES.contains(&info.state)) {
        session.exit = exit::STATUS_NOT_RUNNING;
    }
    Ok(())
}

/// The processes that the names stand for, in the order of the names. Says which stand for none.
fn select<'a>(session: &mut Session, all: &'a [Info], names: &[&str]) -> Vec<&'a Info> {
    let mut shown = Vec::new();
    for name in names {
        let target = Target::parse(name);
        let before = shown.len();
        shown.extend(all.iter().filter(|info| {
            info.group == target.group && target.process.is_none_or(|name| info.name == name)
        }));
        if shown.len() == before {
            match target.process {
                None => session.say(format_args!("{}: ERROR (no such group)", target.group)),
                Some(_) => session.say(format_args!("{name}: ERROR (no such process)")),
            }
            session.exit = exit::STATUS_UNKNOWN;
        }
    }
    shown
}

fn table(infos: &[&Info]) -> Vec<String> {
    let names: Vec<String> =
        infos.iter().map(|info| full_name(&info.group, Some(&info.name))).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let width = longest.max(NAME_WIDTH) + 3;
    let line = |(name, info): (&String, &&Info)| {
        format!("{name:width$}{:10}{}", info.statename, info.description)
    };
    names.iter().zip(infos).map(line).collect()
}

/// `pid [NAME…|all]`
pub fn pid(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    if !session.upcheck()? {
        return Ok(());
    }
    let names: Vec<&str> = rest.split_whitespace().collect();
    if names.is_empty() {
        let pid = session.call("supervisor.getPID", &[])?.as_int().ok_or(Trouble::Answer)?;
        session.say(pid);
    } else if names.contains(&"all") {
        for info in all_infos(session)? {
            session.say(info.pid);
        }
    } else {
        for name in names {
            pid_of(session, name)?;
        }
    }
    Ok(())
}

fn pid_of(session: &mut Session, name: &str) -> Result<(), Trouble> {
    match session.try_call("supervisor.getProcessInfo", &[name.into()])? {
        Ok(answer) => {
            let info = Info::try_from(&answer)?;
            session.say(info.pid);
            if info.pid == 0 {
                session.exit = exit::NOT_RUNNING;
            }
        }
        Err(fault) if fault.code == Code::BadName.number() => {
            session.say(format_args!("No such process {name}"));
            session.exit = exit::GENERIC;
        }
        Err(fault) => return Err(fault.into()),
    }
    Ok(())
}

/// `version`
pub fn version(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    if !rest.is_empty() {
        session.usage("version accepts no arguments", "version");
        return Ok(());
    }
    if session.upcheck()? {
        let answer: Value = session.call("supervisor.getSupervisorVersion", &[])?;
        session.say(string(answer)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(group: &str, name: &str, state: &str, description: &str) -> Info {
        Info {
            name: name.to_owned(),
            group: group.to_owned(),
            state: 20,
            statename: state.to_owned(),
            description: description.to_owned(),
            pid: 1,
        }
    }

    #[test]
    fn columns() {
        let running = info("cat", "cat", "RUNNING", "pid 19444, uptime 0:00:56");
        let starting = info("g", "p", "STARTING", "");
        assert_eq!(
            table(&[&running, &starting]),
            [
                "cat                              RUNNING   pid 19444, uptime 0:00:56",
                "g:p                              STARTING  ",
            ]
        );
        let long = info("g", &"é".repeat(40), "STOPPED", "Not started");
        let line = table(&[&long]).remove(0);
        assert_eq!(line, format!("g:{}   STOPPED   Not started", "é".repeat(40)));
    }
}
