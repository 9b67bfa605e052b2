//! Emptying logs: `clear`.

use super::super::server::{Outcome, list};
use super::super::session::Session;
use super::super::trouble::Trouble;
use super::names::{Target, expand, full_name, subject};
use super::rights::denied;
use crate::config::json::Json;
use crate::rpc::fault::Code;

/// `clear NAME…`
pub fn clear(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    if !session.upcheck()? {
        return Ok(());
    }
    let names: Vec<&str> = rest.split_whitespace().collect();
    if names.is_empty() {
        session.usage("clear requires a process name", "clear");
        return Ok(());
    }
    if names.contains(&"all") {
        let answer = session.call("supervisor.clearAllProcessLogs", &[])?;
        for outcome in list::<Outcome>(&answer)? {
            report_cleared(session, &outcome)?;
        }
        return Ok(());
    }
    for name in expand(session, &names)? {
        let target = Target::parse(&name);
        let (code, description) =
            match session.try_call("supervisor.clearProcessLogs", &[target.value()])? {
                Ok(_) => (Code::Success.number(), String::new()),
                Err(fault) => (fault.code, fault.text),
            };
        let outcome = Outcome {
            group: target.group.to_owned(),
            name: target.process.map(str::to_owned),
            status: i64::from(code),
            description,
        };
        report_cleared(session, &outcome)?;
    }
    Ok(())
}

fn report_cleared(session: &mut Session, outcome: &Outcome) -> Result<(), Trouble> {
    let name = full_name(&outcome.group, outcome.name.as_deref());
    match Code::from_number(outcome.status) {
        Some(Code::Success) => session.out.result(&format!("{name}: cleared"), || {
            let process = outcome.name.as_deref().unwrap_or_default();
            let mut members = subject(&outcome.group, process);
            members.push(("outcome", Json::text("cleared")));
            Json::object(members)
        }),
        Some(code @ Code::BadName) => session.error_about(&name, "no such process", code.name()),
        Some(code @ Code::AccessDenied) => {
            session.error_about(&name, &denied(&outcome.description), code.name());
        }
        Some(code @ Code::Failed) => session.error_about(&name, "failed", code.name()),
        _ => {
            let text = format!("Unknown result code {} for {name}", outcome.status);
            return Err(Trouble::Value(text));
        }
    }
    session.exit_for(outcome.status, None);
    Ok(())
}
