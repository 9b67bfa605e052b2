//! What callers may know about rights: who they are taken for, and what decides.

use std::time::SystemTime;

use policy::access::{Action, Explanation, MemberName, Principal, Proof, Target, Who};

use super::fault::{Code, Fault};
use super::guard::Guard;
use super::names::{self, Found};
use super::office::Office;
use super::xml::Value;
use crate::config::settings::Settings;

/// A user id that nobody has, for questions about a group alone.
const NOBODY: u32 = u32::MAX;

/// `whoAmI`.
pub(super) fn who_am_i(guard: &Guard<'_, impl Office>) -> Value {
    let (access, who) = (guard.access(), &guard.caller().principal);
    let roles = access.roles_of(who).into_iter().map(|role| Value::from(role.name.as_str()));
    structure([
        ("name", Value::Str(who.to_string())),
        ("auth", Value::from(who.proof().word())),
        ("roles", Value::Array(roles.collect())),
        ("owner", Value::Bool(access.is_owner(who))),
        ("detailed", Value::Str(who.who().detailed())),
    ])
}

/// `explainAccess`.
pub(super) fn explain(
    guard: &Guard<'_, impl Office>,
    user: &str,
    action: &str,
    target: &str,
) -> Result<Value, Fault> {
    let who = subject(guard, user)?;
    let bad = |why: &dyn std::fmt::Display| Fault::new(Code::BadArguments).with(why);
    let action = Action::parse(action).map_err(|why| bad(&why))?;
    let explanation = if target == "daemon" {
        guard.access().explain(&who, action, Target::Daemon)
    } else {
        of_processes(guard, &who, action, target)?
    };
    Ok(structure([
        ("allowed", Value::Bool(explanation.decision.allowed)),
        ("rule", Value::Str(explanation.rule)),
        ("place", Value::Str(explanation.place)),
        ("why", Value::Str(explanation.why)),
    ]))
}

/// About a process, or about those of a group that the caller sees: the first that it may not be done to decides. A group is
/// put in or out of force as a whole, with what the caller does not see of it.
fn of_processes(
    guard: &Guard<'_, impl Office>,
    who: &Principal,
    action: Action,
    target: &str,
) -> Result<Explanation, Fault> {
    let settings = guard.office().settings();
    let processes = match guard.find(&settings, Action::View, target)? {
        Found::Process(slot, process) => vec![(slot, process)],
        Found::Group(group) => names::members(&settings, group).collect(),
    };
    let (seen, hidden): (Vec<_>, Vec<_>) =
        processes.into_iter().partition(|(slot, process)| guard.sees(*slot, process));
    let mut first = None;
    for (slot, process) in seen {
        let explanation = guard.explain(who, action, slot, process);
        if !explanation.decision.allowed {
            return Ok(explanation);
        }
        first = first.or(Some(explanation));
    }
    let hidden =
        hidden.into_iter().map(|(slot, process)| guard.explain(who, action, slot, process));
    let refused = (action == Action::Config).then_some(hidden).into_iter().flatten();
    if let Some(no) = refused.into_iter().find(|explanation| !explanation.decision.allowed) {
        // Not which of them.
        let why = format!("{who} may not do this to all processes of the group");
        return Ok(Explanation { why, ..no });
    }
    // A group without processes is nobody's in particular.
    Ok(first.unwrap_or_else(|| guard.access().explain(who, Action::Admin, Target::Daemon)))
}

/// Whose rights are asked about. Those of others are for admins of the daemon.
fn subject(guard: &Guard<'_, impl Office>, user: &str) -> Result<Principal, Fault> {
    let caller = &guard.caller().principal;
    if is_own(caller.who(), user.trim()) {
        // With the groups that the kernel knows of.
        return Ok((**caller).clone());
    }
    guard.permit_on_daemon(Action::Admin)?;
    let who = named(&guard.office().latest(), user);
    let who = who.map_err(|why| Fault::new(Code::BadArguments).with(why))?;
    let proof = match who {
        Who::Anonymous => Proof::None,
        Who::Unix { .. } => Proof::Peer,
        Who::User(_) => Proof::Password,
        Who::Account { .. } => Proof::Pam,
        Who::Certificate { .. } => Proof::Certificate,
        Who::Token { .. } => Proof::Token,
    };
    Ok(Principal::new(who, proof))
}

/// Whether a text names the caller.
fn is_own(own: &Who, text: &str) -> bool {
    if text.is_empty() || text == own.to_string() || text == own.detailed() {
        return true;
    }
    match (own, Who::parse(text)) {
        (Who::Certificate { names }, _) => {
            text.strip_prefix("cert:").is_some_and(|text| names.iter().any(|name| **name == *text))
        }
        (Who::Unix { uid: own, .. }, Ok(Who::Unix { uid, .. })) => uid == *own,
        (own, Ok(who)) => who == *own,
        (Who::User(name) | Who::Account { name, .. }, Err(_)) => text == &**name,
        (Who::Anonymous | Who::Unix { .. } | Who::Token { .. }, Err(_)) => false,
    }
}

/// Whom a text names. The broker cannot look up the system's users: those come by their numbers.
fn named(settings: &Settings, text: &str) -> Result<Who, String> {
    if let Some(name) = text.strip_prefix("token:") {
        return token(settings, name);
    }
    if let Some(rest) = text.strip_prefix("pam:") {
        return Who::parse(text).map_err(|_| {
            format!(
                "accounts that PAM lets in are named with their numbers: pam:NAME:UID(GID,GID), not pam:{rest}"
            )
        });
    }
    if let Ok(who) = Who::parse(text) {
        return known(settings, who);
    }
    let who = match MemberName::parse(text).map_err(|why| why.to_string())? {
        MemberName::Either(name) | MemberName::User(name) => Who::User(name.into()),
        MemberName::Group(group) => match group.parse() {
            Ok(gid) => Who::Unix { uid: NOBODY, groups: [gid].into() },
            Err(_) => {
                return Err(format!(
                    "groups of the system are named by their number: @GID, not @{group}"
                ));
            }
        },
        MemberName::Account(name) => {
            return Err(format!(
                "users of the system are named by their numbers: unix:UID(GID,GID), not unix:{name}"
            ));
        }
        MemberName::Certificate(name) => Who::Certificate { names: [name.into()].into() },
        MemberName::Anonymous => Who::Anonymous,
    };
    known(settings, who)
}

/// A token of the last reading, with the role and the maker that it has there.
fn token(settings: &Settings, name: &str) -> Result<Who, String> {
    let Some(token) = settings.tokens.iter().find(|token| token.name == name) else {
        return Err(format!(
            "there is no token {name}: supervisorctl token list shows which there are"
        ));
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |at| at.as_secs());
    if token.expires.is_some_and(|at| at <= now) {
        return Err(format!("the token {name} has expired: it proves nobody any more"));
    }
    Who::token(&token.name, &token.role, token.maker.as_deref()).map_err(|why| {
        format!("the maker of the token {name} is nobody, and so it does nothing: {why}")
    })
}

/// Somebody, if it is not a name that nobody logs in by.
fn known(settings: &Settings, who: Who) -> Result<Who, String> {
    let Who::User(name) = &who else {
        return Ok(who);
    };
    let mut sections = settings.servers.iter().filter_map(|server| server.credentials.as_ref());
    let mut users = settings.users.iter();
    if users.any(|user| *user.name == **name) || sections.any(|(user, _)| **user == **name) {
        return Ok(who);
    }
    let accounts = match settings.servers.iter().any(|server| server.pam) {
        true => "; accounts of the system are named as unix:UID(GID,GID) or pam:NAME:UID(GID,GID)",
        false => "",
    };
    Err(format!(
        "nobody logs in as {name}: there is no [user:{name}] and no server section with that username{accounts}"
    ))
}

fn structure<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
