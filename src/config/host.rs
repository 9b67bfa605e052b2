//! What the parser asks about the machine: users, groups, addresses, directories. The resolver answers.

use serde::{Deserialize, Serialize};

/// A user of the system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// All groups, the primary one first.
    pub groups: Vec<u32>,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// Whether the configuration chose the group: it counts even for the user that the daemon is already.
    pub chosen: bool,
}

/// A user or group, by name or number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Who {
    /// By name.
    Name(String),
    /// By number.
    Id(u32),
}

/// What a path is, as far as an unprivileged process can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A directory.
    Directory,
    /// Something else.
    Other,
    /// Nothing.
    Missing,
    /// It cannot be looked at.
    Hidden,
}

/// The machine.
pub trait Host {
    /// The user, if there is one.
    fn account(&mut self, who: &Who) -> Option<Account>;
    /// The id of the group, if there is one.
    fn group(&mut self, who: &Who) -> Option<u32>;
    /// The first IPv4 address of a host; the error is the number of `getaddrinfo`.
    fn address(&mut self, name: &str) -> Result<[u8; 4], i32>;
    /// What is at an absolute path.
    fn kind(&mut self, path: &str) -> Kind;
}

/// `user` or `user:group`: who to become. A group that is named takes the place of the user's own.
pub fn account(host: &mut dyn Host, text: &str) -> Result<Account, String> {
    let Some((name, of)) = text.split_once(':') else {
        return user(host, text);
    };
    let mut account = user(host, name)?;
    let gid = group(host, of)?;
    account.groups.retain(|id| ![account.gid, gid].contains(id));
    account.groups.insert(0, gid);
    account.gid = gid;
    account.chosen = true;
    Ok(account)
}

/// A user by name or number.
pub fn user(host: &mut dyn Host, text: &str) -> Result<Account, String> {
    match super::values::integer(text) {
        Ok(id) => u32::try_from(id)
            .ok()
            .and_then(|id| host.account(&Who::Id(id)))
            .ok_or_else(|| format!("Invalid user id {text}")),
        Err(_) => host
            .account(&Who::Name(text.to_owned()))
            .ok_or_else(|| format!("Invalid user name {text}")),
    }
}

fn group(host: &mut dyn Host, text: &str) -> Result<u32, String> {
    match super::values::integer(text) {
        Ok(id) => u32::try_from(id)
            .ok()
            .and_then(|id| host.group(&Who::Id(id)))
            .ok_or_else(|| format!("Invalid group id {text}")),
        Err(_) => host
            .group(&Who::Name(text.to_owned()))
            .ok_or_else(|| format!("Invalid group name {text}")),
    }
}

/// `user` or `user:group`, as ids.
pub fn owner(host: &mut dyn Host, text: &str) -> Result<(u32, Option<u32>), String> {
    let (name, of) = match text.split_once(':') {
        Some((name, of)) => (name, Some(of)),
        None => (text, None),
    };
    let uid = user(host, name)?.uid;
    Ok((uid, of.map(|of| group(host, of)).transpose()?))
}
