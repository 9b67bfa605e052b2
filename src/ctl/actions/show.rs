//! What is told without changing anything: `status`, `pid`, `version`.

use super::super::infos;
use super::super::out::Problem;
use super::super::server::{Call, Info, decode, list, string};
use super::super::session::{Session, status as exit};
use super::super::trouble::Trouble;
use super::names::{Target, expand, full_name, select, subject};
use super::{all_infos, json};
use crate::config::json::Json;
use crate::rpc::fault::Code;
use crate::rpc::xml::Value;

/// STOPPED, EXITED, FATAL, UNKNOWN.
const STOPPED_STATES: [i64; 4] = [0, 100, 200, 1000];
/// Narrowest column of names, in characters, without the gap after it.
const NAME_WIDTH: usize = 30;
/// Width of the column of states.
const STATE_WIDTH: usize = 10;

/// `status [NAME…]`
pub fn status(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    let answer = session.upcheck_and_call(&Call::new("supervisor.getAllProcessInfo", &[]));
    let Some(answer) = answer? else {
        session.exit = exit::STATUS_UNKNOWN;
        return Ok(());
    };
    // A document has all that the daemon says, which takes the parser.
    let whole = if session.out.json() { Some(decode(&answer)?) } else { None };
    let all = match &whole {
        Some(whole) => list(whole)?,
        None => infos::read(&answer)?,
    };
    let names: Vec<&str> = rest.split_whitespace().collect();
    let shown = if names.is_empty() || names.contains(&"all") {
        all.iter().collect()
    } else {
        choose(session, &all, &names)
    };
    match &whole {
        Some(whole) => describe(session, whole, &all, &shown),
        None => session.out.print(&table(session, &shown)),
    }
    if shown.iter().any(|info| STOPPED_STATES.contains(&info.state)) {
        session.exit = exit::STATUS_NOT_RUNNING;
    }
    Ok(())
}

/// The processes that the names stand for, in the order of the names. Says which stand for none.
fn choose<'a>(session: &mut Session, all: &'a [Info], names: &[&str]) -> Vec<&'a Info> {
    let mut shown = Vec::new();
    for name in names {
        let found = select(all, name);
        if found.is_empty() {
            let target = Target::parse(name);
            match target.process {
                None => session.error_about(target.group, "no such group", "NO_SUCH_GROUP"),
                Some(_) => session.error_about(name, "no such process", Code::BadName.name()),
            }
            session.exit = exit::STATUS_UNKNOWN;
        }
        shown.extend(found);
    }
    shown
}

/// The processes as items of the document, with all that the daemon says of them.
fn describe(session: &Session, answer: &Value, all: &[Info], shown: &[&Info]) {
    let Value::Array(items) = answer else { return };
    for info in shown {
        let place = all.iter().position(|known| std::ptr::eq(known, *info));
        if let Some(item) = place.and_then(|place| items.get(place)) {
            session.out.item(json::with_subject(subject(&info.group, &info.name), item));
        }
    }
}

fn table(session: &Session, infos: &[&Info]) -> String {
    let name =
        |info: &&Info| session.out.clean(&full_name(&info.group, Some(&info.name))).into_owned();
    let names: Vec<String> = infos.iter().map(name).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let width = longest.max(NAME_WIDTH) + 3;
    let mut text = String::with_capacity(infos.len() * (width + 48));
    for (name, info) in names.iter().zip(infos) {
        let state = session.out.state(&info.statename, STATE_WIDTH);
        let description = session.out.clean(&info.description);
        text.push_str(&format!("{name:width$}{state}{description}\n"));
    }
    text
}

/// `pid [NAME…|all]`
pub fn pid(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    if !session.upcheck()? {
        return Ok(());
    }
    let names: Vec<&str> = rest.split_whitespace().collect();
    if names.is_empty() {
        let pid = session.call("supervisor.getPID", &[])?.as_int().ok_or(Trouble::Answer)?;
        let described =
            || Json::object([("name", Json::text("supervisord")), ("pid", Json::Int(pid))]);
        session.out.result(&pid.to_string(), described);
    } else if names.contains(&"all") {
        for info in all_infos(session)? {
            say_pid(session, &info);
        }
    } else {
        for name in expand(session, &names)? {
            pid_of(session, &name)?;
        }
    }
    Ok(())
}

fn say_pid(session: &Session, info: &Info) {
    session.out.result(&info.pid.to_string(), || {
        let mut members = subject(&info.group, &info.name);
        members.push(("pid", Json::Int(info.pid)));
        Json::object(members)
    });
}

fn pid_of(session: &mut Session, name: &str) -> Result<(), Trouble> {
    match session.try_call("supervisor.getProcessInfo", &[name.into()])? {
        Ok(answer) => {
            let info = Info::try_from(&answer)?;
            say_pid(session, &info);
            if info.pid == 0 {
                session.exit = exit::NOT_RUNNING;
            }
        }
        Err(fault) if fault.code == Code::BadName.number() => {
            let line = format!("No such process {name}");
            let message = "no such process";
            let problem = Problem { code: Code::BadName.name(), message, name: Some(name) };
            session.out.error(&line, problem);
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
        let version = string(session.call("supervisor.getSupervisorVersion", &[])?)?;
        let described = || Json::object([("version", Json::text(version.as_str()))]);
        session.out.result(&version, described);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::server::Server;
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
        let session = Session::new(Server::new(String::new(), None, None), false);
        let running = info("cat", "cat", "RUNNING", "pid 19444, uptime 0:00:56");
        let starting = info("g", "p", "STARTING", "");
        assert_eq!(
            table(&session, &[&running, &starting]),
            "cat                              RUNNING   pid 19444, uptime 0:00:56\n\
             g:p                              STARTING  \n"
        );
        let long = info("g", &"é".repeat(40), "STOPPED", "Not started");
        let line = table(&session, &[&long]);
        assert_eq!(line, format!("g:{}   STOPPED   Not started\n", "é".repeat(40)));
    }
}
