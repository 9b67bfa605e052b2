//! Who the broker runs as.

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
        None => standard(r, table),
    };
    let names = Names::default();
    table.broker = r.check(Scope::plain("supervisord", &names), KEY, chosen);
}

/// At a later reading the broker stays who it is. No new program may become that user.
pub fn keep(r: &mut Reading<'_>, daemon: &Daemon, current: &Table, table: &Table) {
    let Some(broker) = &current.broker else {
        return;
    };
    let mut entries = table.entries.iter().flatten();
    let taken = entries.find(|e| e.identity.as_ref().is_some_and(|i| i.uid == broker.uid));
    if let Some(entry) = taken {
        let text = format!(
            "{} cannot run as user id {}: it is the broker's until the daemon is restarted",
            super::text::from_bytes(&entry.name),
            broker.uid
        );
        r.problems.error(text, vec![]);
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

/// The user `supervisor`, else the first spare id that no process and no entry has.
fn standard(r: &mut Reading<'_>, table: &Table) -> Result<Identity, String> {
    if let Some(account) = r.host.account(&Who::Name("supervisor".to_owned()))
        && unfit(table, account.uid, account.gid).is_none()
    {
        return Ok(identity(account.uid, account.gid));
    }
    let spare = r.facts.start.spare;
    (0..SPARE_UIDS)
        .filter(|n| spare >> n & 1 == 1)
        .map(|n| SPARE_UID + n)
        .find(|id| {
            unfit(table, *id, *id).is_none()
                && r.host.account(&Who::Id(*id)).is_none()
                && r.host.group(&Who::Id(*id)).is_none()
        })
        .map(|id| identity(id, id))
        .ok_or_else(|| {
            format!(
                "there is no user for the broker: no user supervisor, and all ids from {SPARE_UID} to {} are in use; \
                 make a user supervisor or set broker_user",
                SPARE_UID + SPARE_UIDS - 1
            )
        })
}
