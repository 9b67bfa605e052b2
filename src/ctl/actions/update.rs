//! Bringing what runs in line with the configuration: `update`, and the first half of `restart --update`.

use super::super::out::Problem;
use super::super::server::{Info, Outcome, list};
use super::super::session::{Session, status as exit};
use super::super::trouble::Trouble;
use super::groups::{Changes, changes, done, error_of};
use super::names::{Target, full_name, is_pattern, select};
use super::wait::{self, Wish};
use super::{all_infos, words};
use crate::config::json::Json;
use crate::rpc::fault::Code;

/// The exit status of `update --dry-run` where an update would change something.
const WOULD_CHANGE: u8 = 10;

/// `update [all|GROUP…]`
pub fn update(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    let Some(words) = words(session, "update", rest) else { return Ok(()) };
    let Some(changes) = changes(session)? else { return Ok(()) };
    let mut names = words.names.clone();
    if names.contains(&"all") {
        names.clear();
    }
    check_names(session, &names, &changes)?;
    let meant = |group: &&String| names.is_empty() || names.contains(&group.as_str());
    if words.has("dry-run") {
        return foretell(session, &changes, meant);
    }
    for group in changes.removed.iter().filter(meant) {
        drop_group(session, group)?;
    }
    for group in changes.changed.iter().filter(meant) {
        replace_group(session, group)?;
    }
    for group in changes.added.iter().filter(meant) {
        add_group(session, group)?;
    }
    Ok(())
}

/// Says what an update would do.
fn foretell(
    session: &mut Session,
    changes: &Changes,
    meant: impl Fn(&&String) -> bool,
) -> Result<(), Trouble> {
    let infos = all_infos(session)?;
    let lists = [
        (&changes.removed, "removed", "stopping"),
        (&changes.changed, "updated", "restarting"),
        (&changes.added, "added", ""),
    ];
    for (groups, word, verb) in lists {
        for group in groups.iter().filter(&meant) {
            let running = infos.iter().filter(|info| info.group == *group && info.pid != 0);
            let running = running.map(|info| full_name(&info.group, Some(&info.name)));
            let running: Vec<String> = running.collect();
            let line = match running.as_slice() {
                [] => format!("{group}: would be {word}"),
                names => format!("{group}: would be {word}, {verb} {}", names.join(" ")),
            };
            session.out.result(&line, || {
                Json::object([
                    ("group", Json::text(group.as_str())),
                    ("outcome", Json::text(format!("would be {word}"))),
                    ("running", Json::list(running.iter().map(Json::text))),
                ])
            });
            if session.exit == exit::SUCCESS {
                session.exit = WOULD_CHANGE;
            }
        }
    }
    Ok(())
}

/// For `restart --update`: reads the configuration afresh and carries out what changed in the groups of these names,
/// which is their restart. What is left to be restarted; `None` if nothing may be.
pub fn update_named(
    session: &mut Session,
    names: &[&str],
    wish: Wish,
) -> Result<Option<Vec<String>>, Trouble> {
    let Some(changes) = changes(session)? else { return Ok(None) };
    let before = all_infos(session)?;
    let all = names.contains(&"all");
    let concerned = |group: &str| {
        all || names.iter().any(|name| {
            Target::parse(name).group == group
                || select(&before, name).iter().any(|info| info.group == group)
        })
    };
    for group in changes.removed.iter().filter(|group| concerned(group)) {
        drop_group(session, group)?;
    }
    for group in changes.changed.iter().filter(|group| concerned(group)) {
        replace_group(session, group)?;
    }
    for group in changes.added.iter().filter(|group| concerned(group)) {
        add_group(session, group)?;
    }
    let fresh = |group: &str| {
        let named = |names: &[String]| names.iter().any(|name| name == group);
        named(&changes.changed) || named(&changes.added)
    };
    let infos = all_infos(session)?;
    let meant = |info: &&Info| {
        all || names.iter().any(|name| {
            select(&infos, name).iter().any(|i| i.group == info.group && i.name == info.name)
        })
    };
    let started: Vec<&Info> =
        infos.iter().filter(|info| fresh(&info.group)).filter(meant).collect();
    let limit = match wish {
        Wish::Running(limit) => limit,
        Wish::Answer => None,
    };
    wait::complete(session, &started, limit)?;
    let gone = |group: &str| changes.removed.iter().any(|name| name == group);
    let names: &[&str] = match (all, infos.is_empty()) {
        (true, true) => &[],
        (true, false) => &["*"],
        (false, _) => names,
    };
    Ok(Some(left(&infos, names, |group| fresh(group) || gone(group))))
}

/// The names but for what is in groups that were dealt with.
fn left(infos: &[Info], names: &[&str], dealt_with: impl Fn(&str) -> bool) -> Vec<String> {
    let mut left: Vec<String> = Vec::new();
    for name in names {
        if !is_pattern(name) {
            if !dealt_with(Target::parse(name).group) {
                left.push((*name).to_owned());
            }
            continue;
        }
        let found = select(infos, name);
        if found.is_empty() {
            left.push((*name).to_owned());
        }
        let found = found.iter().filter(|info| !dealt_with(&info.group));
        left.extend(found.map(|info| full_name(&info.group, Some(&info.name))));
    }
    left
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
            error_of(session, &format!("ERROR: no such group: {name}"), name, "NO_SUCH_GROUP");
            session.exit = exit::GENERIC;
        }
    }
    Ok(())
}

/// Stops, removes and adds a group, which starts it with what it is now.
fn replace_group(session: &mut Session, group: &str) -> Result<(), Trouble> {
    stop_group(session, group)?;
    session.call("supervisor.removeProcessGroup", &[group.into()])?;
    session.call("supervisor.addProcessGroup", &[group.into()])?;
    done(session, group, "updated process group");
    Ok(())
}

fn add_group(session: &mut Session, group: &str) -> Result<(), Trouble> {
    session.call("supervisor.addProcessGroup", &[group.into()])?;
    done(session, group, "added process group");
    Ok(())
}

fn stop_group(session: &mut Session, group: &str) -> Result<Vec<Outcome>, Trouble> {
    let answer = session.call("supervisor.stopProcessGroup", &[group.into()])?;
    done(session, group, "stopped");
    list(&answer)
}

fn drop_group(session: &mut Session, group: &str) -> Result<(), Trouble> {
    let outcomes = stop_group(session, group)?;
    let failed = |outcome: &Outcome| outcome.status == i64::from(Code::Failed.number());
    if outcomes.iter().any(failed) {
        let message = "has problems; not removing";
        let problem = Problem { code: Code::StillRunning.name(), message, name: Some(group) };
        session.out.error(&format!("{group}: {message}"), problem);
        session.exit = exit::GENERIC;
        return Ok(());
    }
    session.call("supervisor.removeProcessGroup", &[group.into()])?;
    done(session, group, "removed process group");
    Ok(())
}
