//! What the parser asks about the machine: users, groups, addresses, directories. The resolver answers.

use std::net::{IpAddr, Ipv6Addr};

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

/// Something that a path leads over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its path, links resolved.
    pub path: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Mode.
    pub mode: u32,
    /// Whether it is a directory.
    pub directory: bool,
}

/// What was found on the way to the end of a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The first part that others than those trusted could change, or in which they could make what is missing.
    pub by: Option<Part>,
    /// The end of it, if it is there and was reached.
    pub last: Option<Part>,
    /// Some part could not be looked at.
    pub hidden: bool,
}

/// The machine.
pub trait Host {
    /// The user, if there is one.
    fn account(&mut self, who: &Who) -> Option<Account>;
    /// The id of the group, if there is one.
    fn group(&mut self, who: &Who) -> Option<u32>;
    /// The first address of a host, of IPv4 if it has one; the error is the number of `getaddrinfo`.
    fn address(&mut self, name: &str) -> Result<IpAddr, i32>;
    /// The other names of a host that this machine's own list of hosts has.
    fn aliases(&mut self, name: &str) -> Vec<String>;
    /// What is at an absolute path.
    fn kind(&mut self, path: &str) -> Kind;
    /// What leads to the end of an absolute path, and whether others than these users and groups could change it.
    fn look(&mut self, path: &str, uids: &[u32], gids: &[u32]) -> Look;
    /// Bytes that nobody can guess.
    fn random(&mut self) -> Result<[u8; 32], String> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)
            .map_err(|e| format!("the system gives no random bytes: {e}"))?;
        Ok(bytes)
    }
}

/// An address or a host's name; what has a colon stands in brackets. Nothing, or `*`, is all addresses of both versions.
pub fn address(host: &mut dyn Host, text: &str) -> Result<IpAddr, NoAddress> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
        return inner.map(IpAddr::V6).ok_or(NoAddress::Malformed);
    }
    match text {
        "" | "*" => Ok(Ipv6Addr::UNSPECIFIED.into()),
        _ if text.contains(':') => Err(NoAddress::Malformed),
        _ => match text.parse::<std::net::Ipv4Addr>() {
            Ok(address) => Ok(address.into()),
            Err(_) => host.address(text).map_err(NoAddress::Unknown),
        },
    }
}

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAddress {
    /// It is not of the form that an IPv6 address has.
    Malformed,
    /// The host is not known: the number of `getaddrinfo`.
    Unknown(i32),
}

/// An address as the launch table has it.
pub fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
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
