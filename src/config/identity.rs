//! Who the broker and the audit writer run as.

use privsep::start::{SPARE_UID, SPARE_UIDS};
use privsep::table::{Identity, Table};

use super::expand::Names;
use super::host::{Account, Who};
use super::model::Daemon;
use super::reading::{Reading, Scope};

const KEY: &str = "broker_user";
const NOBODY: u32 = 65_534;

/// Puts the broker's identity into the table. Only a daemon that stays root (`own` is 0) gives it one of its own.
pub fn broker(r: &mut Reading<'_>, daemon: &Daemon, own: u32, table: &mut Table) {
    if own != 0 {
        if daemon.broker_user.is_some() {
            let place = r.locate("supervisord", KEY);
            r.problems.advice(format!(
                "{place} has no effect: only root can give the broker a user of its own"
            ));
        }
        return;
    }
    let chosen = match &daemon.broker_user {
        Some(text) => chosen(r, table, text),
        None => standard(r, table, &BROKER),
    };
    let names = Names::default();
    table.broker = r.check(Scope::plain("supervisord", &names), KEY, chosen);
}

/// The same for the audit writer, once the broker has its own.
pub fn writer(r: &mut Reading<'_>, own: u32, table: &mut Table) {
    if own != 0 || table.audit.is_none() {
        return;
    }
    let found = standard(r, table, &WRITER);
    let names = Names::default();
    let found = r.check(Scope::plain("supervisord", &names), "audit_logfile", found);
    if let Some(audit) = &mut table.audit {
        audit.identity = found;
    }
}

/// A helper that gets a user of its own without being told which.
struct Helper {
    what: &'static str,
    account: &'static str,
    remedy: &'static str,
}

const BROKER: Helper = Helper {
    what: "the broker",
    account: "supervisor",
    remedy: "make a user supervisor or set broker_user",
};
const WRITER: Helper = Helper {
    what: "the audit writer",
    account: "supervisor-audit",
    remedy: "make a user supervisor-audit, or set audit_logfile=none",
};

/// At a later reading broker and audit writer stay who they are. No new program may become one of those users.
pub fn keep(r: &mut Reading<'_>, daemon: &Daemon, current: &Table, table: &Table) {
    let Some(broker) = &current.broker else {
        return;
    };
    let writer = current.audit.as_ref().and_then(|audit| audit.identity.as_ref());
    for (own, whose) in [(Some(broker), "broker's"), (writer, "audit writer's")] {
        let mut entries = table.entries.iter().flatten();
        let taken = |i: &Identity| own.is_some_and(|own| own.uid == i.uid);
        if let Some(entry) = entries.find(|e| e.identity.as_ref().is_some_and(taken)) {
            let text = format!(
                "{} cannot run as user id {}: it is the {whose} until the daemon is restarted",
                super::text::from_bytes(&entry.name),
                own.map_or(0, |own| own.uid)
            );
            r.problems.error(text, vec![]);
        }
    }
    let chosen = daemon.broker_user.as_ref().map(|text| chosen(r, table, text));
    let names = Names::default();
    let chosen = chosen.map(|c| r.check(Scope::plain("supervisord", &names), KEY, c));
    if chosen.flatten().is_some_and(|chosen| chosen != *broker) {
        r.problems
            .advice(format!("[supervisord] {KEY} changed; it takes effect at the next restart"));
    }
}

/// Who an account is to the system.
pub fn of(account: &Account) -> Identity {
    Identity { uid: account.uid, gid: account.gid, groups: account.groups.clone() }
}

fn identity(uid: u32, gid: u32) -> Identity {
    // It owns no file and shares none: no group but its own.
    Identity { uid, gid, groups: Vec::new() }
}

/// Whether a program runs as that user.
fn taken(table: &Table, uid: u32) -> bool {
    let mut programs = table.entries.iter().flatten().filter_map(|e| e.identity.as_ref());
    programs.any(|identity| identity.uid == uid)
}

fn unfit(table: &Table, uid: u32, gid: u32) -> Option<&'static str> {
    if uid == 0 || gid == 0 {
        Some("it has the rights of root")
    } else if uid == NOBODY {
        Some("others use nobody, too")
    } else if taken(table, uid) {
        Some("a program runs as that user and could take it over")
    } else {
        None
    }
}

/// The user that the configuration names, by name or number; a number needs no entry in passwd.
fn chosen(r: &mut Reading<'_>, table: &Table, text: &str) -> Result<Identity, String> {
    let number = super::values::integer(text)
        .ok()
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| *n != u32::MAX);
    let (uid, gid, name) = match (r.user(text), number) {
        (Ok(account), _) => (account.uid, account.gid, account.name),
        (Err(_), Some(n)) => (n, n, String::new()),
        (Err(why), None) => return Err(why),
    };
    let why =
        if name == "nobody" { Some("others use nobody, too") } else { unfit(table, uid, gid) };
    match why {
        None => Ok(identity(uid, gid)),
        Some(why) => Err(format!(
            "broker_user {text} cannot be the broker's user: {why}; name a user that nothing else runs as"
        )),
    }
}

/// The account that is meant for it, else the first spare id that no process, no entry and no other helper has.
fn standard(r: &mut Reading<'_>, table: &Table, helper: &Helper) -> Result<Identity, String> {
    let Helper { what, account, remedy } = helper;
    let free = |uid, gid| {
        let broker = table.broker.as_ref().is_some_and(|broker| broker.uid == uid);
        !broker && unfit(table, uid, gid).is_none()
    };
    if let Some(account) = r.host.account(&Who::Name((*account).to_owned()))
        && free(account.uid, account.gid)
    {
        return Ok(identity(account.uid, account.gid));
    }
    let spare = r.facts.start.spare;
    (0..SPARE_UIDS)
        .filter(|n| spare >> n & 1 == 1)
        .map(|n| SPARE_UID + n)
        .find(|id| {
            free(*id, *id)
                && r.host.account(&Who::Id(*id)).is_none()
                && r.host.group(&Who::Id(*id)).is_none()
        })
        .map(|id| identity(id, id))
        .ok_or_else(|| {
            format!(
                "there is no user for {what}: no user {account}, and all ids from {SPARE_UID} to {} are in use; \
                 {remedy}",
                SPARE_UID + SPARE_UIDS - 1
            )
        })
}
